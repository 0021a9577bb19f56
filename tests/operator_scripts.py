"""Runs the operators' scripts (SCRIPTS, below) as somebody at a terminal does.

They run from a checkout of their own, in which a test may change the functions' packages and the templates, and with
profiles: one for each account of the test organization.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aws_cli
from local_aws.server import LocalAws
from organization import CENTRAL_ACCOUNT, HOME_REGION, MANAGEMENT_ACCOUNT, MEMBER_ACCOUNTS

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("deploy-central", "deploy-members", "deploy-quicksight", "verify", "teardown")
PROFILES = {
    "central": CENTRAL_ACCOUNT,
    "management": MANAGEMENT_ACCOUNT,
    "member": MEMBER_ACCOUNTS[0],
    "outsider": "121212121212",
}
TIMEOUT_SECONDS = 300

# Passes its arguments on to the real tool after it has written them down, unless a test has it answer otherwise.
_RECORDER = """#!/bin/sh
[ "$1" = --version ] || printf '%s ' "$@" | tr '\\n' ' ' >>"{record}"
[ "$1" = --version ] || echo >>"{record}"
[ ! -f "{record}.answers" ] || . "{record}.answers"
exec {tool} "$@"
"""


@dataclass(frozen=True)
class Run:
    """What one run of a script came to."""

    status: int
    output: str
    errors: str

    @property
    def all(self) -> str:
        """Both streams, for a failed assertion to show."""
        return f"exit status {self.status}\n{self.output}\n{self.errors}"


@dataclass
class Checkout:
    """A copy of what the scripts need of this repository, made in a folder."""

    folder: Path
    server: LocalAws

    def __post_init__(self) -> None:
        for part in ("scripts", "cfn"):
            shutil.copytree(ROOT / part, self.folder / part)
        for package in (ROOT / "target" / "lambda").glob("*/bootstrap.zip"):
            copy = self.folder / package.relative_to(ROOT)
            copy.parent.mkdir(parents=True)
            shutil.copyfile(package, copy)
        (self.folder / ".venv").symlink_to(ROOT / ".venv")
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        for tool, real in (("aws", aws_cli.command()), ("sam", f'"{ROOT / ".venv" / "bin" / "sam"}"')):
            wrapper = bin_folder / tool
            wrapper.write_text(_RECORDER.format(record=self.folder / f"{tool}.calls", tool=real))
            wrapper.chmod(0o755)
        sections = [
            f"[profile {name}]\naws_access_key_id = {account}\naws_secret_access_key = test\n"
            for name, account in PROFILES.items()
        ]
        (self.folder / "aws-config").write_text("\n".join(sections))

    @property
    def sync_package(self) -> Path:
        """The member function's zip, of this checkout."""
        return self.folder / "target" / "lambda" / "org-resource-data-sync" / "bootstrap.zip"

    def env(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a terminal without credentials but those of the profiles."""
        made = self.server.process_env(region=HOME_REGION)
        del made["AWS_ACCESS_KEY_ID"], made["AWS_SECRET_ACCESS_KEY"]
        made["PATH"] = f"{self.folder / 'bin'}:{made['PATH']}"
        made["AWS_CONFIG_FILE"] = str(self.folder / "aws-config")
        made["__SAM_CLI_APP_DIR"] = str(self.folder / "sam-cli")
        return made | dict(env or {})

    @contextmanager
    def answering(self, pattern: str, answer: str) -> Iterator[None]:
        """Has the AWS CLI, where its arguments are like a pattern of the shell, do as some lines of shell say."""
        answers = self.folder / "aws.calls.answers"
        answers.write_text(f'case "$*" in\n{pattern})\n{answer}\n;;\nesac\n')
        try:
            yield
        finally:
            answers.unlink()

    def refusing(self, pattern: str, text: str) -> AbstractContextManager[None]:
        """Has the AWS CLI fail with a text, where its arguments are like a pattern of the shell."""
        return self.answering(pattern, f"echo {shlex.quote(text)} >&2; exit 254")

    def run(self, script: str, *arguments: str, env: Mapping[str, str] | None = None) -> Run:
        """Runs a script to its end; what it called is in `calls` afterwards."""
        for record in self.folder.glob("*.calls"):
            record.unlink()
        done = subprocess.run(
            [str(self.folder / "scripts" / script), *arguments],
            cwd=self.folder.parent,  # a script finds its files wherever it is called from
            env=self.env(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def calls(self, tool: str = "aws") -> list[str]:
        """The arguments of each call of a tool that the last run made."""
        record = self.folder / f"{tool}.calls"
        return record.read_text().splitlines() if record.exists() else []

    def changing_calls(self) -> list[str]:
        """Those of them that change something: whose operation does not say that it reads."""
        reading = ("get", "list", "describe", "batch-get", "head")
        operations = [call.split(" --output json ", 1)[1] for call in self.calls() if " --output json " in call]
        return [each for each in operations if not each.split()[1].startswith(reading)] + self.calls("sam")
