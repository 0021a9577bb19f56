"""The answers to those saved queries whose rows tell of one node each: nodes, their patches, their applications."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from fleet import meanings
from fleet.meanings import Asking
from fleet.model import FAILED, SEVERITIES, Node, PatchResult, iso, status_of
from fleet.packages import AGENT_NAMES

Row = tuple[str | None, ...]

NODE = ["accountid", "region", "resourceid"]
WHO = [*NODE, "computername", "instancestatus", "platform"]


@dataclass(frozen=True)
class Listing:
    """A query's columns, its rows for one node, and by which columns it is ordered.

    All of the order's texts sort as what they tell: ids, and times, which are all spelled alike.
    """

    columns: list[str]
    rows: Callable[[Node, Asking], Iterable[Row]]
    order: list[str]
    terminated_too: bool = False


def text(number: int | None) -> str | None:
    return None if number is None else str(number)


def time_text(time: datetime | None) -> str | None:
    return None if time is None else iso(time)


def written(node: Node, value: str | None) -> str | None:
    """The value as the node's files have it: what is unknown may be written as an empty text."""
    return "" if value is None and node.empty_strings else value


def _place(node: Node) -> tuple[str, str, str]:
    return node.account, node.region, node.id


def who(node: Node) -> Row:
    """The node, its name, its state and its platform."""
    if not node.registered:
        return (*_place(node), None, None, None)
    return (*_place(node), node.computer_name, written(node, node.instance_status), meanings.platform(node))


def _instances(node: Node, asking: Asking) -> Iterator[Row]:
    if node.registered:
        yield (
            *_place(node),
            node.computer_name,
            written(node, node.ip_address),
            written(node, node.instance_status),
            written(node, node.platform_type),
            node.system.platform_name,
            node.system.platform_version,
            "amazon-ssm-agent",
            written(node, node.agent_version),
            iso(node.seen_at),
        )


def _active_instances(node: Node, asking: Asking) -> Iterable[Row]:
    return _instances(node, asking) if node.instance_status == "Active" else ()


def _patch(node: Node, result: PatchResult) -> Row:
    scan = node.scan
    assert scan
    return (
        *_place(node),
        status_of(result.compliant),
        scan.written_state(result),
        result.patch.id,
        result.patch.title,
        written(node, result.classification),
        written(node, result.vendor_severity),
        written(node, result.level),
        scan.execution_type,
        scan.baseline_id,
        iso(scan.captured_at),
    )


def _cve_ids(node: Node, result: PatchResult) -> str | None:
    return written(node, ",".join(result.cve_ids) or None)


def _compliant_patches(node: Node, asking: Asking) -> Iterator[Row]:
    return (_patch(node, result) for result in meanings.patch_results(node) if result.compliant)


def _non_compliant_patches(node: Node, asking: Asking) -> Iterator[Row]:
    for result in meanings.patch_results(node):
        if not result.compliant:
            yield (*_patch(node, result), _cve_ids(node, result))


def _non_compliant_patches_by_node(node: Node, asking: Asking) -> Iterator[Row]:
    ids = defaultdict(list)
    for result in meanings.patch_results(node):
        if not result.compliant:
            assert node.scan
            ids[node.scan.written_state(result)].append(result.patch.id)
    for state, its_ids in ids.items():
        yield (*_place(node), "NON_COMPLIANT", state, str(len(its_ids)), ", ".join(sorted(its_ids)))


def _compliance_summaries(node: Node, asking: Asking) -> Iterator[Row]:
    if scan := meanings.compliance_summary(node):
        yield (
            *_place(node),
            status_of(scan.compliant),
            scan.execution_type,
            scan.overall_severity,
            text(scan.severity_count(True, "CRITICAL")),
            text(scan.severity_count(False, "CRITICAL")),
            str(sum(scan.severity_count(False, level) or 0 for level in SEVERITIES)),
            scan.baseline_id,
            written(node, scan.written_time(scan.executed_at)),
            iso(scan.captured_at),
        )


def _patch_summaries(node: Node, asking: Asking) -> Iterator[Row]:
    if scan := meanings.patch_summary(node):
        counts = scan.counts
        yield (
            *_place(node),
            *(
                text(count)
                for count in (
                    counts.missing,
                    counts.failed,
                    counts.installed_pending_reboot,
                    counts.installed_rejected,
                    counts.critical_non_compliant,
                    counts.security_non_compliant,
                    counts.other_non_compliant,
                    counts.installed,
                )
            ),
            scan.operation,
            written(node, scan.written_time(scan.ended_at)),
            written(node, None if scan.early_format else scan.reboot_option),
            scan.baseline_id,
            iso(scan.captured_at),
        )


def _applications(node: Node, asking: Asking) -> Iterator[Row]:
    if node.inventory:
        for installed in node.inventory.packages:
            package = installed.package
            yield (
                *_place(node),
                package.name,
                package.version,
                iso(installed.installed_at),
                written(node, package.type),
                written(node, package.summary),
                package.architecture,
                written(node, package.package_id),
                package.publisher,
                iso(node.inventory.captured_at),
            )


def _agents(node: Node, asking: Asking) -> Iterator[Row]:
    agent_names = set(AGENT_NAMES.values())
    name = APPLICATION_COLUMNS.index("name")
    return (row for row in _applications(node, asking) if row[name] in agent_names)


def _never_scanned(node: Node, asking: Asking) -> Iterator[Row]:
    if meanings.is_known(node) and meanings.status(node) == meanings.NOT_SCANNED:
        yield (*who(node), time_text(meanings.last_seen(node)))


def _stale(node: Node, asking: Asking) -> Iterator[Row]:
    if meanings.is_stale(node, asking):
        time, scan, counted = meanings.last_scan(node), node.scan, meanings.patch_summary(node)
        assert scan
        yield (
            *who(node),
            meanings.status(node),
            time_text(time),
            None if time is None else str(asking.days_since(time)),
            scan.operation if counted else None,
            scan.baseline_id,
        )


def _failed(node: Node, asking: Asking) -> Iterator[Row]:
    for result in meanings.patch_results(node):
        if result.state == FAILED:
            scan = node.scan
            assert scan
            yield (
                *who(node)[:-1],
                result.patch.id,
                result.patch.title,
                result.classification,
                result.vendor_severity,
                result.level,
                scan.execution_type,
                written(node, scan.written_time(scan.executed_at)),
                _cve_ids(node, result),
            )


def _pending(node: Node, asking: Asking) -> Iterator[Row]:
    if pending := meanings.pending(node):
        count, since, ids = pending
        scan = meanings.patch_summary(node)
        reboot_option = scan.reboot_option if scan and not scan.early_format else None
        yield (*who(node), str(count), time_text(since), reboot_option, ", ".join(ids) or None)


def _tagged(key: str, value: str) -> Callable[[Node, Asking], Iterator[Row]]:
    def rows(node: Node, asking: Asking) -> Iterator[Row]:
        if (key, value) in node.tags:
            scan, scanned = meanings.patch_summary(node), meanings.status(node) != meanings.NOT_SCANNED
            counts = scan and scan.counts
            yield (
                *who(node),
                meanings.status(node),
                time_text(meanings.last_scan(node)),
                *(
                    text(count)
                    for count in (
                        (counts.missing, counts.failed, counts.installed_pending_reboot) if counts else (None,) * 3
                    )
                ),
                node.scan.baseline_id if node.scan and scanned else None,
            )

    return rows


def _gone(node: Node, asking: Asking) -> Iterator[Row]:
    if node.registered and node.instance_status in ("Terminated", "ConnectionLost"):
        name, days = node.system.platform_name, asking.days_since(node.seen_at)
        yield (*who(node)[:-1], name, iso(node.seen_at), str(days))


def _nodes(node: Node, asking: Asking) -> Iterator[Row]:
    if not meanings.is_known(node):
        return
    status, last_scan, tags = meanings.status(node), meanings.last_scan(node), dict(node.tags)
    scan = node.scan if status != meanings.NOT_SCANNED else None
    counted, judged = meanings.patch_summary(node), meanings.compliance_summary(node)
    counts = counted and counted.counts
    shown = who(node)
    yield (
        *_place(node),
        tags.get("Name"),
        shown[3],
        written(node, node.ip_address) if node.registered else None,
        *shown[4:],
        *((node.system.platform_name, node.system.platform_version) if node.registered else (None, None)),
        written(node, node.agent_version) if node.registered else None,
        status,
        time_text(last_scan),
        text(asking.days_since(last_scan)) if last_scan else None,
        str(meanings.is_stale(node, asking)).lower(),
        judged.execution_type if judged else None,
        counted.operation if counted else None,
        written(node, None if counted.early_format else counted.reboot_option) if counted else None,
        scan.baseline_id if scan else None,
        scan.patch_group if scan else None,
        judged.overall_severity if judged else None,
        text(counts.missing) if counts else None,
        text(counts.failed) if counts else None,
        text(counts.installed_pending_reboot) if counts else None,
        text(counts.installed_rejected) if counts else None,
        None,  # AvailableSecurityUpdateCount: no fleet writes it.
        text(counts.installed) if counts else None,
        text(counts.critical_non_compliant) if counts else None,
        text(counts.security_non_compliant) if counts else None,
        text(counts.other_non_compliant) if counts else None,
        time_text(counted.last_no_reboot_install) if counted else None,
        time_text(meanings.last_seen(node)),
        json.dumps(tags, ensure_ascii=False, separators=(",", ":"), sort_keys=True) if tags else None,
    )


PATCH_COLUMNS = [
    *NODE, "status", "patchstate", "id", "title", "classification", "patchseverity", "severity", "executiontype",
    "patchbaselineid", "capturetime",
]  # fmt: skip
PATCH_ORDER = [*NODE, "id", "title"]
APPLICATION_COLUMNS = [
    *NODE, "name", "version", "installedtime", "applicationtype", "summary", "architecture", "packageid", "publisher",
    "capturetime",
]  # fmt: skip
APPLICATION_ORDER = [*NODE, "name", "version", "architecture", "packageid", "installedtime"]
INSTANCE_COLUMNS = [
    *NODE, "computername", "ipaddress", "instancestatus", "platformtype", "platformname", "platformversion",
    "agenttype", "agentversion", "capturetime",
]  # fmt: skip
# What the documentation gives as an example of a tag.
TAG = ("Environment", "production")

LISTINGS = {
    "QueryInstanceList": Listing(INSTANCE_COLUMNS, _instances, NODE),
    "QueryActiveInstances": Listing(INSTANCE_COLUMNS, _active_instances, NODE),
    "QueryCompliantPatch": Listing(PATCH_COLUMNS, _compliant_patches, PATCH_ORDER),
    "QueryNonCompliantPatch": Listing([*PATCH_COLUMNS, "cveids"], _non_compliant_patches, PATCH_ORDER),
    "QueryNonCompliantPatchByNode": Listing(
        [*NODE, "status", "patchstate", "patches", "ids"], _non_compliant_patches_by_node, [*NODE, "patchstate"]
    ),
    "QueryComplianceSummaryPatch": Listing(
        [
            *NODE, "status", "executiontype", "overallseverity", "compliantcriticalcount", "noncompliantcriticalcount",
            "noncompliantcount", "patchbaselineid", "executiontime", "capturetime",
        ],
        _compliance_summaries,
        NODE,
    ),
    "QueryPatchSummary": Listing(
        [
            *NODE, "missingcount", "failedcount", "installedpendingrebootcount", "installedrejectedcount",
            "criticalnoncompliantcount", "securitynoncompliantcount", "othernoncompliantcount", "installedcount",
            "operationtype", "operationendtime", "rebootoption", "baselineid", "capturetime",
        ],
        _patch_summaries,
        NODE,
    ),
    "QueryInstanceApplications": Listing(APPLICATION_COLUMNS, _applications, APPLICATION_ORDER),
    "QuerySSMAgentVersion": Listing(APPLICATION_COLUMNS, _agents, APPLICATION_ORDER),
    "QueryNodesNeverScanned": Listing([*WHO, "lastseen"], _never_scanned, NODE),
    "QueryStaleScans": Listing(
        [*WHO, "status", "lastscan", "scanagedays", "operationtype", "baselineid"], _stale, ["lastscan", *NODE]
    ),
    "QueryFailedPatches": Listing(
        [
            *WHO[:-1], "id", "title", "classification", "patchseverity", "severity", "executiontype", "failedat",
            "cveids",
        ],
        _failed,
        PATCH_ORDER,
    ),
    "QueryPendingReboot": Listing(
        [*WHO, "patches", "pendingsince", "rebootoption", "ids"], _pending, ["pendingsince", *NODE]
    ),
    "QueryComplianceOfTaggedNodes": Listing(
        [
            *WHO, "status", "lastscan", "missingcount", "failedcount", "installedpendingrebootcount", "baselineid",
        ],
        _tagged(*TAG),
        NODE,
    ),
    "QueryNodesGone": Listing(
        [*WHO[:-1], "platformname", "lastseen", "goneagedays"], _gone, ["lastseen", *NODE], terminated_too=True
    ),
    "QueryNodes": Listing(
        [
            *NODE, "name", "computername", "ipaddress", "instancestatus", "platform", "platformname",
            "platformversion", "agentversion", "status", "lastscan", "scanagedays", "stale", "executiontype",
            "operationtype", "rebootoption", "baselineid", "patchgroup", "overallseverity", "missingcount",
            "failedcount", "installedpendingrebootcount", "installedrejectedcount", "availablesecurityupdatecount",
            "installedcount", "criticalnoncompliantcount", "securitynoncompliantcount", "othernoncompliantcount",
            "lastnorebootinstall", "lastseen", "tags",
        ],
        _nodes,
        NODE,
    ),
}  # fmt: skip
