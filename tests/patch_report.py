"""Runs the command patch-report, and keeps what it wrote beside the fleet's own answers."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import arrivals
from deployment import PATCH_REPORT, Central
from fleet import Answer, Fleet
from fleet.cases import CASES
from organization import MEMBER_ACCOUNTS, REGIONS
from right_answers import ATTEMPTS, now

QUERIES = (
    "QueryNodes",
    "QueryNonCompliantPatch",
    "QueryPendingReboot",
    "QueryAgentsBehind",
    "QuerySilentAccounts",
    "QueryNodesGone",
)
# The page answers these by itself, from the others.
TOP = "QueryTopMissingPatches"
BY_PLACE = "QueryComplianceByAccountAndRegion"
BY_DIMENSION = "QueryComplianceByDimension"

AnswerRow = dict[str, str | None]


@dataclass(frozen=True)
class Written:
    """What the command wrote about a fleet, and the fleet's own answers at that time."""

    done: subprocess.CompletedProcess[str]
    folder: Path
    answers: dict[str, Answer]

    @property
    def json(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text())

    @property
    def page(self) -> Path:
        return self.folder / "report.html"

    @property
    def html(self) -> str:
        return self.page.read_text()

    def answer(self, name: str) -> list[AnswerRow]:
        """The rows of a right answer by their columns."""
        answer = self.answers[name]
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def run(
    central: Central, folder: Path, *arguments: str, credentials: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command in the folder as the root of the central account, or with other credentials."""
    return run_with(
        central.server.process_env(central.account, central.region) | (credentials or {}), folder, *arguments
    )


def run_with(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PATCH_REPORT), *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def write(central: Central, factory: pytest.TempPathFactory) -> Written:
    """The report on a fleet that arrives in the central stack, made while no day became full."""
    fleet = Fleet(7, MEMBER_ACCOUNTS, REGIONS, 3 * len(CASES), now() - timedelta(hours=12), MEMBER_ACCOUNTS[2:])
    arrivals.put(central, arrivals.files(fleet))
    arrivals.crawl(central)
    names = [*QUERIES, TOP, BY_PLACE, BY_DIMENSION]
    arguments = ("--out", "report.html", "--csv", "csv", "--json", "report.json")
    for _ in range(ATTEMPTS):
        folder = factory.mktemp("report")
        before = fleet.answers(names, now())
        done = run(central, folder, "--workgroup", central.outputs["AthenaWorkGroupName"], *arguments)
        if before == (after := fleet.answers(names, now())):
            return Written(done, folder, after)
    raise AssertionError("a day became full at each attempt")


def place(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["accountid"], row["region"], row["resourceid"]
