"""What each visual of the dashboard must show of a fleet, counted from the nodes' facts and not from rows.

Every number is one of distinct nodes. Who looks chooses by four controls, and sees at first the nodes that are active
and those of whose state nothing is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fleet import datasets, meanings
from fleet.datasets import Row, Value
from fleet.meanings import Asking
from fleet.model import MISSING, Node

# How many values a donut or a bar chart shows one by one, and what it calls the rest.
MOST = 20
OTHER = "Other"
TOP = 10

Line = tuple[Any, ...]


@dataclass(frozen=True)
class Choice:
    """What the controls are set to; None is everything."""

    instance_status: Collection[str] | None = ("Active", "Unknown")
    account: Collection[str] | None = None
    region: Collection[str] | None = None
    platform: Collection[str] | None = None

    def admits(self, node: Node) -> bool:
        """Whether the node is one to be shown."""
        pairs = (
            (self.instance_status, datasets.instance_status(node)),
            (self.account, node.account),
            (self.region, node.region),
            (self.platform, datasets.platform(node)),
        )
        return all(chosen is None or value in chosen for chosen, value in pairs)


@dataclass(frozen=True)
class Shown:
    """A visual's rows, dimensions first, in its order; and its number over all of them, nothing for a table."""

    rows: list[Line]
    total: Line


def answer(nodes: Iterable[Node], visual: str, choice: Choice, asking: Asking, depth: int | None = None) -> Shown:
    """What the visual of that id shows. depth: of a pivot, how many of its levels are open.

    Raises KeyError for a visual that there is none of.
    """
    return VISUALS[visual]([node for node in nodes if choice.admits(node)], asking, depth)


# Grouping. A group is known by a path of values.

Paths = Callable[[Node], Iterable[tuple[Value, ...]]]
Groups = dict[tuple[Value, ...], set[str]]


def _groups(nodes: Iterable[Node], paths: Paths) -> Groups:
    """The nodes of each path."""
    found: Groups = defaultdict(set)
    for node in nodes:
        for path in paths(node):
            found[path].add(datasets.key(node))
    return found


def _by_part(groups: Groups, at: int) -> dict[Value, set[str]]:
    """The nodes of each value at one place of the paths."""
    found: dict[Value, set[str]] = defaultdict(set)
    for path, its_nodes in groups.items():
        found[path[at]] |= its_nodes
    return found


def _greatest_first(groups: dict[Value, set[str]]) -> list[Value]:
    return sorted(groups, key=lambda value: (-len(groups[value]), str(value)))


def _everyone(groups: Groups) -> set[str]:
    return set().union(*groups.values())


def _charted(groups: Groups) -> Groups:
    """The groups of a chart: beyond the most that it shows of a dimension, all values are one."""
    if not groups:
        return groups
    shown = [_greatest_first(_by_part(groups, at))[:MOST] for at in range(len(next(iter(groups))))]
    found: Groups = defaultdict(set)
    for path, its_nodes in groups.items():
        found[tuple(part if part in most else OTHER for part, most in zip(path, shown, strict=True))] |= its_nodes
    return found


def _in_order(groups: Groups) -> list[Line]:
    """The first part of the paths by its nodes, the greatest first and the rest of them last; the others by name."""
    first = _by_part(groups, 0)

    def place(path: tuple[Value, ...]) -> Any:
        names = [(part is None, part == OTHER, str(part)) for part in path]
        return (path[0] == OTHER, -len(first[path[0]]), names)

    return [(*path, len(groups[path])) for path in sorted(groups, key=place)]


def _chart(paths: Paths) -> Callable[[list[Node], Asking, int | None], Shown]:
    """A donut, or bars with or without colours."""

    def shown(nodes: list[Node], asking: Asking, depth: int | None) -> Shown:
        groups = _groups(nodes, paths)
        return Shown(_in_order(_charted(groups)), (len(_everyone(groups)),))

    return shown


def _by(of: Callable[[Node], Value], only: Callable[[Node], bool] = lambda node: True) -> Any:
    """A donut of the known nodes by something that each has one of."""
    return _chart(lambda node: [(of(node),)] if meanings.is_known(node) and only(node) else [])


def _pivot(paths: Paths) -> Callable[[list[Node], Asking, int | None], Shown]:
    def shown(nodes: list[Node], asking: Asking, depth: int | None) -> Shown:
        groups = _groups(nodes, lambda node: (path[:depth] for path in paths(node)))
        return Shown(_in_order(groups), (len(_everyone(groups)),))

    return shown


def _single(numbers: Callable[[list[Node], Asking], Line]) -> Callable[[list[Node], Asking, int | None], Shown]:
    """A number of the known nodes, or a few."""

    def shown(nodes: list[Node], asking: Asking, depth: int | None) -> Shown:
        line = numbers([node for node in nodes if meanings.is_known(node)], asking)
        return Shown([line], line)

    return shown


def _count(wanted: Callable[[Node, Asking], bool]) -> Callable[[list[Node], Asking, int | None], Shown]:
    return _single(lambda nodes, asking: (sum(wanted(node, asking) for node in nodes),))


def _is(status: str) -> Callable[[Node], bool]:
    return lambda node: meanings.status(node) == status


# The visuals.


def _rate(nodes: list[Node], asking: Asking) -> Line:
    return (sum(map(_is(meanings.COMPLIANT), nodes)) / len(nodes) if nodes else None,)


def _agents(nodes: list[Node], asking: Asking) -> Line:
    return sum(map(datasets.has_cloudwatch_agent, nodes)), len(nodes)


def _cpus(nodes: list[Node], asking: Asking, depth: int | None) -> Shown:
    """The bars are in the order of the numbers."""
    groups = _groups(
        nodes, lambda node: [(node.inventory.hardware.cpus,)] if node.inventory and node.inventory.hardware else []
    )
    if len(groups) > MOST:
        raise ValueError(f"more than {MOST} numbers of CPUs")
    return Shown([(*path, len(groups[path])) for path in sorted(groups)], (len(_everyone(groups)),))


def _application_paths(node: Node) -> Iterator[tuple[Value, ...]]:
    if meanings.is_known(node):
        for name, publisher, version in datasets.applications(node):
            yield publisher, name, version, node.account
        if not any(datasets.applications(node)):
            yield "None reported", "None reported", None, node.account


def _missing_paths(node: Node) -> Iterator[tuple[Value, ...]]:
    for result in meanings.patch_results(node):
        if result.state == MISSING:
            yield result.patch.id, result.patch.title, node.account, node.region, node.id


def _top_missing(nodes: list[Node], asking: Asking, depth: int | None) -> Shown:
    """Without the rest of them, but of all of them is the total."""
    groups = _groups(nodes, lambda node: (path[:1] for path in _missing_paths(node)))
    return Shown(_in_order(groups)[:TOP], (len(_everyone(groups)),))


TABLE = (
    *("Account", "Region", "Node", "Name", "Computer name", "Instance status", "Platform", "Operating system"),
    *("Patch status", "Missing patches", "Failed patches", "Patches pending reboot", "Last scan", "Scan age"),
    *("Patch group", "Patch baseline"),
)


def _table(nodes: list[Node], asking: Asking, depth: int | None) -> Shown:
    """Those that lack most first, those of which that is not known last."""
    found: Sequence[Row] = datasets.rows(nodes, "Nodes", asking)

    def place(row: Row) -> Any:
        missing: Any = row["Missing patches"]
        return missing is None, -(missing or 0), row["Account"], row["Region"], row["Node"]

    return Shown([tuple(row[column] for column in TABLE) for row in sorted(found, key=place)], ())


VISUALS: dict[str, Callable[[list[Node], Asking, int | None], Shown]] = {
    "nodes-by-instance-status": _by(datasets.instance_status),
    "nodes-by-account": _by(lambda node: node.account),
    "nodes-by-region": _by(lambda node: node.region),
    "nodes-by-agent-version": _by(datasets.agent_version),
    "nodes-by-platform": _by(datasets.platform),
    "cloudwatch-agent": _single(_agents),
    "nodes-by-tag": _chart(lambda node: node.tags),
    "nodes-by-cpus": _cpus,
    "applications": _pivot(_application_paths),
    "compliance-rate": _single(_rate),
    "non-compliant-nodes": _count(lambda node, asking: meanings.status(node) == meanings.NON_COMPLIANT),
    "nodes-never-scanned": _count(lambda node, asking: meanings.status(node) == meanings.NOT_SCANNED),
    "nodes-with-a-stale-scan": _count(meanings.is_stale),
    "nodes-pending-reboot": _count(lambda node, asking: datasets.pends_reboot(node)),
    "nodes-by-patch-status": _by(datasets.patch_status),
    "execution-type-by-status": _chart(
        lambda node: [(datasets.execution_type(node), datasets.patch_status(node))] if meanings.is_known(node) else []
    ),
    "compliant-nodes-by-platform": _by(datasets.platform, _is(meanings.COMPLIANT)),
    "non-compliant-nodes-by-platform": _by(datasets.platform, _is(meanings.NON_COMPLIANT)),
    "top-missing-patches": _top_missing,
    "nodes": _table,
    "missing-patches": _pivot(_missing_paths),
}
