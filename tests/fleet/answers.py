"""What each saved query must find in a fleet, computed from the fleet's facts and not by SQL.

The rules are those of docs/queries.md. A value is text or None, as Athena returns it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from fleet.listings import LISTINGS, Listing, Row
from fleet.meanings import Asking
from fleet.model import Node
from fleet.tallies import TALLIES

COMPLIANCE = "QueryComplianceByAccountAndRegion"
NAMES = (*LISTINGS, *TALLIES)


@dataclass(frozen=True)
class Answer:
    """A query's result: column names and rows, both in the query's own order."""

    columns: list[str]
    rows: list[Row]


class Question(Protocol):
    """A query that is being answered: it looks at every node of a fleet, and then has rows."""

    columns: list[str]

    def look(self, node: Node) -> None: ...

    def rows(self) -> list[Row]: ...


def answer(nodes: Iterable[Node], names: Iterable[str] | None, asking: Asking) -> dict[str, Answer]:
    """The answers to the named queries, all of them by default, in one pass over the nodes.

    A KeyError names a query that there is none of. The rows of all queries over a large fleet take memory: ask for
    one at a time.
    """
    questions = {name: _question(name, asking) for name in (NAMES if names is None else names)}
    for node in nodes:
        for question in questions.values():
            question.look(node)
    return {name: Answer(question.columns, question.rows()) for name, question in questions.items()}


def _question(name: str, asking: Asking) -> Question:
    return TALLIES[name](asking) if name in TALLIES else Listed(LISTINGS[name], asking)


class Listed:
    """A query whose rows tell of one node each."""

    def __init__(self, listing: Listing, asking: Asking) -> None:
        self.columns = listing.columns
        self._listing = listing
        self._asking = asking
        self._rows: list[Row] = []

    def look(self, node: Node) -> None:
        if self._listing.terminated_too or not node.is_terminated:
            self._rows.extend(self._listing.rows(node, self._asking))

    def rows(self) -> list[Row]:
        return in_order(self._rows, self.columns, self._listing.order)


def in_order(rows: list[Row], columns: list[str], order: list[str]) -> list[Row]:
    """The rows by those columns, ascending by code point, None last."""
    positions = [columns.index(column) for column in order]
    return sorted(rows, key=lambda row: [(row[at] is None, row[at] or "") for at in positions])
