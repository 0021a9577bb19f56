"""The page of patch-report: the script and the style that are committed are what their sources give."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deployment import ROOT

PAGE = ROOT / "crates" / "patch-report" / "page"

OLDEST_NODE = 20


def _node() -> int:
    """The major version of the Node that is here, or 0."""
    if not (shutil.which("node") and shutil.which("npm")):
        return 0
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.removeprefix("v").split(".")[0])


pytestmark = pytest.mark.skipif(_node() < OLDEST_NODE, reason=f"needs Node.js {OLDEST_NODE} or newer, and npm")


def npm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"npm_config_update_notifier": "false", "npm_config_fund": "false"}
    return subprocess.run(["npm", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with the packages that they are built with."""
    folder = tmp_path_factory.mktemp("page") / "page"
    shutil.copytree(PAGE, folder, ignore=shutil.ignore_patterns("node_modules", "build"))
    installed = npm(folder, "ci", "--ignore-scripts", "--no-audit")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return folder


def test_what_is_committed_is_what_the_sources_give(page: Path) -> None:
    checked = npm(page, "run", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_change_of_the_sources_is_seen(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(page, folder, symlinks=True)
    with (folder / "src" / "report.css").open("a") as style:
        style.write("main { outline: 1px solid; }\n")
    checked = npm(folder, "run", "check")
    assert checked.returncode != 0
    assert "dist/report.css is not what its sources give" in checked.stderr


def test_the_functions_of_the_page(page: Path) -> None:
    tested = npm(page, "test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert re.search(r"pass [1-9]\d+\n", tested.stdout), tested.stdout
