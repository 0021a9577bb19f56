"""A fleet beside the rows that the dashboard's data sets have of it, and what is chosen to be shown of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import arrivals
from dashboard import queries
from dashboard.definition import Dashboard, DataSet
from dashboard.evaluate import Value, figures
from engines import Outcome
from fleet import Fleet, Node, datasets
from fleet import dashboard as answers
from fleet.dashboard import Choice
from fleet.meanings import Asking
from organization import MEMBER_ACCOUNTS, REGIONS
from right_answers import ATTEMPTS, now

# What who looks may choose.
CHOICES = {
    "at first": Choice(),
    "every state": Choice(instance_status=None),
    "one account": Choice(account=MEMBER_ACCOUNTS[:1]),
    "one Region": Choice(region=REGIONS[:1]),
    "Windows": Choice(platform=["Windows"]),
    "terminated": Choice(instance_status=["Terminated"]),
    "out of touch, two accounts": Choice(instance_status=["ConnectionLost", "Stopped"], account=MEMBER_ACCOUNTS[:2]),
    "nothing": Choice(account=["999999999999"]),
}

# What files may hold where something else is expected; None is null.
ODD_VALUES = (
    *("", " ", "many", "1.5", "99999999999999", "-1", "2026-01-15", "\u0661", "null", "'", None, "+1"),
    ",".join(f"CVE-2026-{number}" for number in range(1000, 1300)),
)


@dataclass(frozen=True)
class Lake:
    """A fleet, and the rows of every data set that are its, as of some moment."""

    nodes: list[Node]
    rows: Mapping[str, list[dict[str, Value]]]
    asking: Asking


def controls(choice: Choice) -> dict[str, Sequence[str] | None]:
    """The controls that a choice sets; those that it leaves alone have the definition's default."""
    return {
        each.name.replace("_", "-"): getattr(choice, each.name)
        for each in fields(choice)
        if getattr(choice, each.name) != each.default
    }


def gather(dashboard: Dashboard, run: Callable[[DataSet], Outcome], fleet: Fleet, stale_after_days: int = 30) -> Lake:
    """Runs the query of every data set.

    Their rows tell ages by their own clock; so where a day has just become full they are run again.
    """
    nodes = list(fleet.nodes)
    for _ in range(ATTEMPTS):
        before = Asking(now(), stale_after_days)
        rows = {name: queries.read(each, run(each)) for name, each in dashboard.data_sets.items()}
        after = Asking(now(), stale_after_days)
        if datasets.rows(nodes, "Nodes", before) == datasets.rows(nodes, "Nodes", after):
            return Lake(nodes, rows, before)
    raise AssertionError(f"at each of {ATTEMPTS} attempts a day became full")


def assert_rows_right(lake: Lake, data_set: str) -> None:
    """The data set's rows are those that the fleet says, in any order."""
    assert in_any_order(lake.rows[data_set]) == in_any_order(datasets.rows(lake.nodes, data_set, lake.asking)), data_set


def assert_figures_right(dashboard: Dashboard, lake: Lake, visual_id: str, choice: Choice) -> None:
    """The visual shows what the fleet says, a pivot at every depth."""
    visual = dashboard.visuals[visual_id]
    for depth in range(1, len(visual.dimensions) + 1) if visual.kind == "pivot" else [None]:
        shown = figures(dashboard, visual, lake.rows[visual.data_set], controls(choice), depth)
        right = answers.answer(lake.nodes, visual_id, choice, lake.asking, depth)
        assert (list(shown.rows), shown.total) == (right.rows, right.total), (visual_id, depth)


def in_any_order(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The rows in an order of their own, with no value before any other."""
    return sorted(
        sorted((name, value is not None, "" if value is None else value) for name, value in row.items()) for row in rows
    )


def files_of(fleet: Fleet, node: Node) -> arrivals.Files:
    """The node's files by their keys below the prefix."""
    return {key: content for key, content in fleet.files(node.account, node.region) if f"/{node.id}.json" in key}


def edited(content: bytes, values: Mapping[str, str | None]) -> bytes:
    """The lines of a file with some attributes of other values."""
    lines = [json.loads(line) | dict(values) for line in content.decode().splitlines() if line.strip()]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def odd_files(fleet: Fleet) -> arrivals.Files:
    """The fleet's files with odd attributes, of each node in another way: counts that are no numbers, for one.

    What tells to whom and to which type a line belongs is as it was, or else no query would look at it.
    """
    files: arrivals.Files = {}
    for index, node in enumerate(fleet.nodes):
        odd = ODD_VALUES[index % len(ODD_VALUES)]
        for key, content in files_of(fleet, node).items():
            names = {name for line in content.splitlines() if line for name in json.loads(line)}
            files[key] = edited(content, dict.fromkeys(names - {"resourceId", "schemaVersion", "ComplianceType"}, odd))
    return files
