"""What each saved query must find in a fleet, computed from the fleet's facts and not by SQL.

The rules are those of the queries in cfn/patch-reporting.yaml: one row for what the query's name says, terminated
nodes left out, a node without an InstanceInformation file kept, ascending order with NULL last. A value is text or
None, as Athena returns it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fleet.model import SEVERITIES, Node, PatchResult, iso, status_of
from fleet.packages import AGENT_NAMES

Row = tuple[str | None, ...]

NODE = ["accountid", "region", "resourceid"]


@dataclass(frozen=True)
class Answer:
    """A query's result: column names and rows, both in the query's own order."""

    columns: list[str]
    rows: list[Row]


@dataclass(frozen=True)
class Question:
    """A query over nodes: its columns, its rows for one node, and by which columns it is ordered."""

    columns: list[str]
    rows: Callable[[Node], Iterable[Row]]
    order: list[str]


def answer(nodes: Iterable[Node], names: Iterable[str] | None = None) -> dict[str, Answer]:
    """The answers to the named queries, all of them by default, in one pass over the nodes.

    A KeyError names a query that there is none of. The rows of all queries over a large fleet take memory: ask for
    one at a time.
    """
    wanted = list(names) if names is not None else [*QUESTIONS, COMPLIANCE]
    questions = {name: QUESTIONS[name] for name in wanted if name != COMPLIANCE}
    rows: dict[str, list[Row]] = {name: [] for name in questions}
    compliance = Counter[tuple[str, str, str]]()
    for node in nodes:
        if node.is_terminated:
            continue
        for name, question in questions.items():
            rows[name].extend(question.rows(node))
        if node.registered:
            compliance[node.account, node.region, _standing(node)] += 1
    answers = {}
    for name in wanted:
        if name == COMPLIANCE:
            answers[name] = _compliance_answer(compliance)
        else:
            question = questions[name]
            answers[name] = Answer(question.columns, in_order(rows[name], question.columns, question.order))
    return answers


def in_order(rows: list[Row], columns: list[str], order: list[str]) -> list[Row]:
    """The rows by those columns, ascending by code point, None last."""
    positions = [columns.index(column) for column in order]
    return sorted(rows, key=lambda row: [(row[at] is None, row[at] or "") for at in positions])


def _standing(node: Node) -> str:
    if node.scan is None:
        return "neverscanned"
    return "compliant" if node.scan.compliant else "noncompliant"


def _compliance_answer(counts: Counter[tuple[str, str, str]]) -> Answer:
    standings = ["compliant", "noncompliant", "neverscanned"]
    rows: list[Row] = []
    for account, region in sorted({(account, region) for account, region, _ in counts}):
        numbers = [counts[account, region, standing] for standing in standings]
        rows.append((account, region, str(sum(numbers)), *map(str, numbers)))
    return Answer(["accountid", "region", "nodes", *standings], rows)


def _text(count: int | None) -> str | None:
    return None if count is None else str(count)


def _instances(node: Node) -> Iterator[Row]:
    if node.registered:
        yield (
            node.account,
            node.region,
            node.id,
            node.computer_name,
            node.ip_address,
            node.instance_status,
            node.platform_type,
            node.system.platform_name,
            node.system.platform_version,
            "amazon-ssm-agent",
            node.agent_version,
            iso(node.seen_at),
        )


def _patches(compliant: bool) -> Callable[[Node], Iterator[Row]]:
    def rows(node: Node) -> Iterator[Row]:
        if node.scan:
            for result in node.scan.results:
                if result.compliant == compliant:
                    yield _patch_row(node, result)

    return rows


def _patch_row(node: Node, result: PatchResult) -> Row:
    scan = node.scan
    assert scan is not None
    return (
        node.account,
        node.region,
        node.id,
        status_of(result.compliant),
        result.state,
        result.patch.id,
        result.patch.title,
        result.classification,
        result.vendor_severity,
        result.level,
        scan.execution_type,
        scan.baseline_id,
        iso(scan.ended_at),
    )


def _compliance_summaries(node: Node) -> Iterator[Row]:
    scan = node.scan
    if scan:
        yield (
            node.account,
            node.region,
            node.id,
            status_of(scan.compliant),
            scan.execution_type,
            scan.overall_severity,
            _text(scan.severity_count(True, "CRITICAL")),
            _text(scan.severity_count(False, "CRITICAL")),
            str(sum(scan.severity_count(False, level) or 0 for level in SEVERITIES)),
            scan.baseline_id,
            iso(scan.ended_at),
            iso(scan.ended_at),
        )


def _patch_summaries(node: Node) -> Iterator[Row]:
    scan = node.scan
    if scan:
        counts = scan.counts
        yield (
            node.account,
            node.region,
            node.id,
            _text(counts.missing),
            _text(counts.failed),
            _text(counts.installed_pending_reboot),
            _text(counts.installed_rejected),
            _text(counts.critical_non_compliant),
            _text(counts.security_non_compliant),
            _text(counts.other_non_compliant),
            _text(counts.installed),
            scan.operation,
            iso(scan.ended_at),
            None if scan.early_format else scan.reboot_option,
            scan.baseline_id,
            iso(scan.ended_at),
        )


def _applications(node: Node) -> Iterator[Row]:
    if node.inventory:
        captured_at = iso(node.inventory.captured_at)
        for installed in node.inventory.packages:
            package = installed.package
            yield (
                node.account,
                node.region,
                node.id,
                package.name,
                package.version,
                iso(installed.installed_at),
                package.type,
                package.summary,
                package.architecture,
                package.package_id,
                package.publisher,
                captured_at,
            )


def _agents(node: Node) -> Iterator[Row]:
    agent_names = set(AGENT_NAMES.values())
    name = APPLICATION_COLUMNS.index("name")
    return (row for row in _applications(node) if row[name] in agent_names)


PATCH_COLUMNS = [
    *NODE, "status", "patchstate", "id", "title", "classification", "patchseverity", "severity", "executiontype",
    "patchbaselineid", "capturetime",
]  # fmt: skip
APPLICATION_COLUMNS = [
    *NODE, "name", "version", "installedtime", "applicationtype", "summary", "architecture", "packageid", "publisher",
    "capturetime",
]  # fmt: skip
APPLICATION_ORDER = [*NODE, "name", "version", "architecture", "packageid"]

COMPLIANCE = "QueryComplianceByAccountAndRegion"
QUESTIONS = {
    "QueryInstanceList": Question(
        [
            *NODE, "computername", "ipaddress", "instancestatus", "platformtype", "platformname", "platformversion",
            "agenttype", "agentversion", "capturetime",
        ],
        _instances,
        NODE,
    ),
    "QueryCompliantPatch": Question(PATCH_COLUMNS, _patches(True), [*NODE, "id", "title"]),
    "QueryNonCompliantPatch": Question(PATCH_COLUMNS, _patches(False), [*NODE, "id", "title"]),
    "QueryComplianceSummaryPatch": Question(
        [
            *NODE, "status", "executiontype", "overallseverity", "compliantcriticalcount", "noncompliantcriticalcount",
            "noncompliantcount", "patchbaselineid", "executiontime", "capturetime",
        ],
        _compliance_summaries,
        NODE,
    ),
    "QueryPatchSummary": Question(
        [
            *NODE, "missingcount", "failedcount", "installedpendingrebootcount", "installedrejectedcount",
            "criticalnoncompliantcount", "securitynoncompliantcount", "othernoncompliantcount", "installedcount",
            "operationtype", "operationendtime", "rebootoption", "baselineid", "capturetime",
        ],
        _patch_summaries,
        NODE,
    ),
    "QueryInstanceApplications": Question(APPLICATION_COLUMNS, _applications, APPLICATION_ORDER),
    "QuerySSMAgentVersion": Question(APPLICATION_COLUMNS, _agents, APPLICATION_ORDER),
}  # fmt: skip
