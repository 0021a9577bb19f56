"""A made-up fleet of managed nodes, as real ones are, that knows the right answer to every saved query.

The same arguments give the same bytes, on every machine. Nothing is kept: a node is made when it is asked for, so a
large fleet takes time and no memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from fleet import answers as _answers
from fleet import documents
from fleet.answers import COMPLIANCE, Answer
from fleet.meanings import Asking
from fleet.model import Node, iso
from fleet.nodes import make_node

__all__ = ["Answer", "Compliance", "Fleet", "Node", "Summary"]


@dataclass(frozen=True)
class Compliance:
    """Nodes that have not terminated, by their patch compliance; `nodes` is the sum of the others."""

    nodes: int
    compliant: int
    non_compliant: int
    not_scanned: int


@dataclass(frozen=True)
class Summary:
    """Compliance by (account, Region), without those that have no node, and in total."""

    by_account_and_region: dict[tuple[str, str], Compliance]
    total: Compliance


# For how long nothing has come from a silent account.
SILENT_DAYS = 100


class Fleet:
    """`nodes` managed nodes spread evenly over every Region of every account, as they are at `now`.

    accounts, regions: account ids (12 digits) and Region names, each once. now: an aware datetime or text such as
    2026-01-15T12:00:00Z; fractions of a second are dropped. silent: those of the accounts of which everything is as it
    was 100 days before. With as many nodes as there are cases (42) or more, the fleet has every case. Raises ValueError
    for anything else.
    """

    def __init__(
        self,
        seed: int,
        accounts: Iterable[str],
        regions: Iterable[str],
        nodes: int,
        now: datetime | str,
        silent: Iterable[str] = (),
    ) -> None:
        self.seed = seed
        self.accounts = tuple(accounts)
        self.regions = tuple(regions)
        self.silent = tuple(silent)
        self.size = nodes
        # datetime.fromisoformat reads the Z only from Python 3.11 on.
        time = datetime.fromisoformat(now.replace("Z", "+00:00")) if isinstance(now, str) else now
        if time.tzinfo is None:
            raise ValueError(f"now has no time zone: {now}")
        self.now = time.astimezone(timezone.utc).replace(microsecond=0)
        if any(not re.fullmatch(r"\d{12}", account, re.ASCII) for account in self.accounts):
            raise ValueError(f"an account id is not 12 digits: {', '.join(self.accounts)}")
        for name, values in (("accounts", self.accounts), ("regions", self.regions)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} holds a value twice: {', '.join(values)}")
        if strangers := set(self.silent) - set(self.accounts):
            raise ValueError(f"silent holds what is no account of the fleet: {', '.join(sorted(strangers))}")
        if nodes < 0:
            raise ValueError(f"nodes is negative: {nodes}")
        if nodes and not (self.accounts and self.regions):
            raise ValueError("nodes need an account and a Region to be in")

    @classmethod
    def from_json(cls, text: str) -> Fleet:
        """The fleet that a JSON object describes; its members are the constructor's arguments, `silent` is optional.

        Raises ValueError for text that is not such an object.
        """
        arguments = json.loads(text)
        expected = {"seed", "accounts", "regions", "nodes", "now"}
        if not isinstance(arguments, dict) or set(arguments) - {"silent"} != expected:
            raise ValueError(f"a fleet is a JSON object of {', '.join(sorted(expected))}: {text}")
        return cls(**arguments)

    def to_json(self) -> str:
        """The text from which `from_json` makes this fleet."""
        return json.dumps(self.arguments())

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments that make this fleet, fit for JSON."""
        return {
            "seed": self.seed,
            "accounts": self.accounts,
            "regions": self.regions,
            "nodes": self.size,
            "now": iso(self.now),
            "silent": self.silent,
        }

    @property
    def nodes(self) -> Iterator[Node]:
        """Every node, terminated ones too; made anew at each use."""
        return (self._node(index) for index in range(self.size))

    def files(self, account: str, region: str) -> Iterator[tuple[str, bytes]]:
        """The inventory files of one account and Region as (key below the sync's prefix, content).

        Nothing for an account or a Region that the fleet is not in.
        """
        if account in self.accounts and region in self.regions:
            first = self.accounts.index(account) * len(self.regions) + self.regions.index(region)
            for index in range(first, self.size, len(self.accounts) * len(self.regions)):
                yield from documents.files(self._node(index))

    def answers(
        self, names: Iterable[str] | None = None, at: datetime | None = None, stale_after_days: int = 30
    ) -> dict[str, Answer]:
        """The right answers to the named saved queries, by default to all of them, asked at some time.

        at: an aware datetime, the fleet's own `now` by default. stale_after_days: the template's StaleAfterDays.
        """
        return _answers.answer(self.nodes, names, Asking(at or self.now, stale_after_days))

    def summary(self) -> Summary:
        """How many nodes are compliant, where."""
        places: dict[tuple[str, str], Compliance] = {}
        totals = [0, 0, 0, 0]
        for account, region, *texts, _ in self.answers([COMPLIANCE])[COMPLIANCE].rows:
            counts = [int(text or 0) for text in texts]
            places[account or "", region or ""] = Compliance(*counts)
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
        return Summary(places, Compliance(*totals))

    def _place(self, index: int) -> tuple[str, str]:
        """The account and Region of a node."""
        place = index % (len(self.accounts) * len(self.regions))
        return self.accounts[place // len(self.regions)], self.regions[place % len(self.regions)]

    def _node(self, index: int) -> Node:
        account, region = self._place(index)
        now = self.now - timedelta(days=SILENT_DAYS) if account in self.silent else self.now
        return make_node(self.seed, index, account, region, now)
