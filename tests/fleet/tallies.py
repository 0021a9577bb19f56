"""The answers to those saved queries that count or compare nodes over a fleet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from fleet import meanings
from fleet.listings import WHO, Row, who
from fleet.meanings import Asking
from fleet.model import MISSING, SEVERITIES, Node, PatchResult, iso

STANDINGS = {
    meanings.COMPLIANT: "compliant",
    meanings.NON_COMPLIANT: "noncompliant",
    meanings.NOT_SCANNED: "notscanned",
}


def standing_cells(counts: Counter[str]) -> Row:
    """Nodes, those of each standing, and the compliant ones in percent, rounded half up to one digit."""
    nodes, compliant = counts.total(), counts[meanings.COMPLIANT]
    tenths = (2000 * compliant + nodes) // (2 * nodes)
    return (str(nodes), *(str(counts[status]) for status in STANDINGS), f"{tenths // 10}.{tenths % 10}")


class ComplianceByAccountAndRegion:
    """How many nodes comply, where."""

    columns: ClassVar[list[str]] = ["accountid", "region", "nodes", *STANDINGS.values(), "compliancepercent"]

    def __init__(self, asking: Asking) -> None:
        self._counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)

    def look(self, node: Node) -> None:
        if meanings.is_known(node) and not node.is_terminated:
            for group in self.groups(node):
                self._counts[group][meanings.status(node)] += 1

    def groups(self, node: Node) -> Iterator[tuple[str, ...]]:
        """What the node counts in."""
        yield node.account, node.region

    def rows(self) -> list[Row]:
        return [(*group, *standing_cells(counts)) for group, counts in sorted(self._counts.items())]


class ComplianceByDimension(ComplianceByAccountAndRegion):
    """How many nodes comply, of those that have something in common."""

    columns: ClassVar[list[str]] = ["dimension", "value", *ComplianceByAccountAndRegion.columns[2:]]

    def groups(self, node: Node) -> Iterator[tuple[str, ...]]:
        scan = node.scan if meanings.status(node) != meanings.NOT_SCANNED else None
        system = f"{node.system.platform_name} {node.system.platform_version}" if node.registered else None
        for dimension, value in {
            "account": node.account,
            "region": node.region,
            "platform": meanings.platform(node),
            "osversion": system,
            "patchgroup": scan and scan.patch_group,
            "baseline": scan and scan.baseline_id,
        }.items():
            yield dimension, value or "(none)"


@dataclass
class _Coverage:
    nodes: int = 0
    scanned: int = 0
    with_inventory: int = 0
    last_seen: list[datetime] = field(default_factory=list)


class Coverage:
    """From how many nodes anything comes, where."""

    columns: ClassVar[list[str]] = [
        "accountid",
        "region",
        "nodes",
        "reportingcompliance",
        "reportinginventory",
        "lastseen",
    ]

    def __init__(self, asking: Asking) -> None:
        self._places: dict[tuple[str, str], _Coverage] = defaultdict(_Coverage)

    def look(self, node: Node) -> None:
        seen = meanings.last_seen(node)
        if seen and not node.is_terminated:
            place = self._places[node.account, node.region]
            place.nodes += 1
            place.scanned += meanings.status(node) != meanings.NOT_SCANNED
            place.with_inventory += meanings.reports_inventory(node)
            place.last_seen = [max([seen, *place.last_seen])]

    def rows(self) -> list[Row]:
        return [
            (*place, str(its.nodes), str(its.scanned), str(its.with_inventory), iso(*its.last_seen))
            for place, its in sorted(self._places.items())
        ]


@dataclass
class _Missing:
    results: list[PatchResult] = field(default_factory=list)
    accounts: set[str] = field(default_factory=set)

    @property
    def worst(self) -> int:
        return min(SEVERITIES.index(result.level) for result in self.results if result.level)


class TopMissingPatches:
    """The patches that are missing, those that most nodes lack first, then the more severe."""

    columns: ClassVar[list[str]] = [
        "id",
        "title",
        "classification",
        "severity",
        "patchseverity",
        "nodes",
        "accounts",
        "cveids",
    ]

    def __init__(self, asking: Asking) -> None:
        self._patches: dict[tuple[str, str], _Missing] = defaultdict(_Missing)

    def look(self, node: Node) -> None:
        if not node.is_terminated:
            for result in meanings.patch_results(node):
                if result.state == MISSING:
                    missing = self._patches[result.patch.id, result.patch.title]
                    missing.results.append(result)
                    missing.accounts.add(node.account)

    def rows(self) -> list[Row]:
        ordered = sorted(self._patches.items(), key=lambda each: (-len(each[1].results), each[1].worst, each[0]))
        return [
            (
                *patch,
                its.results[0].classification,
                SEVERITIES[its.worst],
                its.results[0].vendor_severity,
                str(len(its.results)),
                str(len(its.accounts)),
                ",".join(sorted(its.results[0].cve_ids)) or None,
            )
            for patch, its in ordered
        ]


class AgentsBehind:
    """The nodes whose agent is older than the newest one of the fleet."""

    columns: ClassVar[list[str]] = [*WHO, "agentversion", "newestversion"]

    def __init__(self, asking: Asking) -> None:
        self._nodes: list[tuple[tuple[int, ...], Row, str]] = []

    def look(self, node: Node) -> None:
        if node.registered and not node.is_terminated and node.agent_version:
            self._nodes.append((meanings.version_order(node.agent_version), who(node), node.agent_version))

    def rows(self) -> list[Row]:
        if not self._nodes:
            return []
        newest, _, newest_version = max(self._nodes)
        behind = sorted(each for each in self._nodes if each[0] < newest)
        return [(*its_node, version, newest_version) for _, its_node, version in behind]


class SilentAccounts:
    """The accounts from which nothing has come for long."""

    columns: ClassVar[list[str]] = ["accountid", "nodes", "lastseen", "silentdays"]

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._accounts: dict[str, tuple[int, datetime]] = {}

    def look(self, node: Node) -> None:
        if seen := meanings.last_seen(node):
            nodes, newest = self._accounts.get(node.account, (0, seen))
            self._accounts[node.account] = nodes + 1, max(newest, seen)

    def rows(self) -> list[Row]:
        return [
            (account, str(nodes), iso(newest), str(self._asking.days_since(newest)))
            for account, (nodes, newest) in sorted(self._accounts.items())
            if self._asking.is_long_ago(newest)
        ]


TALLIES = {
    "QueryComplianceByAccountAndRegion": ComplianceByAccountAndRegion,
    "QueryComplianceByDimension": ComplianceByDimension,
    "QueryCoverageByAccountAndRegion": Coverage,
    "QueryTopMissingPatches": TopMissingPatches,
    "QueryAgentsBehind": AgentsBehind,
    "QuerySilentAccounts": SilentAccounts,
}
