"""The packages that the page of patch-report is built and tested with, and a real Chromium that reads reports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from deployment import ROOT

PAGE = ROOT / "crates" / "patch-report" / "page"
OLDEST_NODE = 20
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

Seen = dict[str, Any]


def node() -> int:
    """The major version of the Node.js that is here with npm, or 0."""
    if not (shutil.which("node") and shutil.which("npm")):
        return 0
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.removeprefix("v").split(".")[0])


def chromium() -> str | None:
    """Where a Chromium is: what the variable CHROMIUM says, or one on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def npm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"npm_config_update_notifier": "false", "npm_config_fund": "false"}
    return subprocess.run(
        ["npm", *arguments],
        cwd=folder,
        env=environment | {"CHROMIUM": chromium() or ""},
        capture_output=True,
        text=True,
        timeout=300,
    )


def drive(page: Path, mode: str, *reports: Path) -> str:
    """What `page/dev/drive.mjs` says of the reports in one of its modes; it must find nothing wrong."""
    done = npm(page, "run", "--silent", "drive", "--", mode, *map(str, reports))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Reader:
    """Someone who reads reports in Chromium, one step after the other, by `page/dev/drive.mjs`."""

    def __init__(self, page: Path, chromium: str, log: Path) -> None:
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                ["node", "dev/drive.mjs", "play"],
                cwd=page,
                env=dict(os.environ) | {"CHROMIUM": chromium},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def close(self) -> None:
        self._process.communicate(timeout=60)

    def open(self, report: Path, address: str = "") -> Seen:
        """A new page with the report, at an address within it (`#…`)."""
        return self.step("open", report=str(report), hash=address)

    def click(self, at: str) -> Seen:
        return self.step("click", at=at)

    def press(self, key: str) -> Seen:
        return self.step("press", key=key)

    def reach(self, at: str) -> Seen:
        """Presses Tab until this has the focus."""
        return self.step("reach", at=at)

    def step(self, step: str, **what: str) -> Seen:
        """Takes a step; what is seen after it. Nothing may go wrong in the page."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"step": step, **what}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"Chromium is gone:\n{self._log.read_text()}"
        seen = json.loads(line)
        assert seen["wrong"] == [], (step, what, seen["wrong"])
        return seen
