"""The rows that the dashboard's data sets must have of a fleet, computed from the nodes' facts and not by SQL.

A row is a dict by the columns' names for people. Times are in UTC and without a zone, as QuickSight has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from fleet import meanings
from fleet.listings import written
from fleet.meanings import Asking
from fleet.model import (
    AVAILABLE_SECURITY_UPDATE,
    FAILED,
    INSTALLED,
    INSTALLED_OTHER,
    INSTALLED_PENDING_REBOOT,
    INSTALLED_REJECTED,
    MISSING,
    NOT_APPLICABLE,
    SEVERITIES,
    Node,
    PatchScan,
)
from fleet.packages import CLOUDWATCH_AGENT_NAMES

Value = str | int | datetime | None
Row = dict[str, Value]

# What the dashboard calls what inventory does not tell.
UNKNOWN = "Unknown"

STATUSES = {
    meanings.COMPLIANT: "Compliant",
    meanings.NON_COMPLIANT: "Non-compliant",
    meanings.NOT_SCANNED: "Not scanned",
}
STATES = {
    MISSING: "Missing",
    FAILED: "Failed",
    INSTALLED: "Installed",
    INSTALLED_OTHER: "Installed, not by the baseline",
    INSTALLED_PENDING_REBOOT: "Installed, pending reboot",
    INSTALLED_REJECTED: "Installed, but rejected",
    NOT_APPLICABLE: "Not applicable",
    AVAILABLE_SECURITY_UPDATE: "Available security update",
}


def key(node: Node) -> str:
    """What tells a node from all others: an id alone is not one node's in every account and Region."""
    return f"{node.account}/{node.region}/{node.id}"


def instance_status(node: Node) -> str:
    return (node.instance_status if node.registered else None) or UNKNOWN


def platform(node: Node) -> str:
    return meanings.platform(node) or UNKNOWN


def agent_version(node: Node) -> str:
    return (node.agent_version if node.registered else None) or UNKNOWN


def patch_status(node: Node) -> str:
    return STATUSES[meanings.status(node)]


def scan_age(node: Node, asking: Asking) -> str:
    if meanings.status(node) == meanings.NOT_SCANNED:
        return "Never scanned"
    return "Stale" if meanings.is_stale(node, asking) else "Current"


def execution_type(node: Node) -> str:
    """Only the summary of its compliance tells what ran a node's scan."""
    scan = meanings.compliance_summary(node)
    if scan:
        return scan.execution_type
    return "None" if meanings.status(node) == meanings.NOT_SCANNED else "Unknown"


def pends_reboot(node: Node) -> bool:
    """Whether the summary of its patches counts any that wait for a reboot."""
    scan = meanings.patch_summary(node)
    return bool(scan and scan.counts.installed_pending_reboot)


def has_cloudwatch_agent(node: Node) -> bool:
    return any(name == each for each in CLOUDWATCH_AGENT_NAMES.values() for name, _, _ in applications(node))


def applications(node: Node) -> Iterator[tuple[str, str, str]]:
    """Name, publisher and version of each application that inventory lists."""
    for installed in node.inventory.packages if node.inventory else ():
        yield installed.package.name, installed.package.publisher, installed.package.version


def who(node: Node) -> Row:
    """The columns that every data set has."""
    return {
        "Node key": key(node),
        "Account": node.account,
        "Region": node.region,
        "Node": node.id,
        "Computer name": node.computer_name if node.registered else None,
        "Instance status": instance_status(node),
        "Platform": platform(node),
    }


def time(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=None)


def scan_time(scan: PatchScan, value: datetime) -> datetime | None:
    """A time of the scan if its file has it, and in a form that can be read."""
    return time(value) if scan.times == "usual" else None


def _nodes(node: Node, asking: Asking) -> Iterator[Row]:
    if not meanings.is_known(node):
        return
    last_scan, system = meanings.last_scan(node), node.system
    counted, judged = meanings.patch_summary(node), meanings.compliance_summary(node)
    scan = counted or judged
    yield {
        **who(node),
        "Name": dict(node.tags).get("Name"),
        "IP address": written(node, node.ip_address) if node.registered else None,
        "Operating system": f"{system.platform_name} {system.platform_version}" if node.registered else UNKNOWN,
        "SSM Agent version": agent_version(node),
        "Patch status": patch_status(node),
        "Last scan": time(last_scan),
        "Scan age (days)": asking.days_since(last_scan) if last_scan else None,
        "Scan age": scan_age(node, asking),
        "Pending reboot": "Yes" if pends_reboot(node) else "No",
        "Execution type": execution_type(node),
        "Operation": counted.operation if counted else None,
        "Patch group": scan.patch_group if scan else None,
        "Patch baseline": scan.baseline_id if scan else None,
        "Worst severity": judged.overall_severity if judged else None,
        "Missing patches": counted.counts.missing if counted else None,
        "Failed patches": counted.counts.failed if counted else None,
        "Patches pending reboot": counted.counts.installed_pending_reboot if counted else None,
        "Last seen": time(meanings.last_seen(node)),
    }


def _compliance_items(node: Node, asking: Asking) -> Iterator[Row]:
    for result in meanings.patch_results(node):
        scan = node.scan
        assert scan
        yield {
            **who(node),
            "Patch": result.patch.id,
            "Title": result.patch.title,
            "Patch state": STATES[result.state],
            "Compliance": "Compliant" if result.compliant else "Non-compliant",
            "Severity": written(node, result.level),
            "Vendor severity": written(node, result.vendor_severity),
            "Classification": written(node, result.classification),
            "CVE ids": written(node, ",".join(result.cve_ids) or None),
            # Who does not write when a scan was, does not write either when a patch was installed.
            "Installed at": None if scan.times == "absent" else time(result.installed_at),
            "Executed at": scan_time(scan, scan.executed_at),
            "Execution type": scan.execution_type,
            "Patch group": written(node, scan.patch_group),
            "Patch baseline": scan.baseline_id,
        }


def _compliance_summary(node: Node, asking: Asking) -> Iterator[Row]:
    if scan := meanings.compliance_summary(node):
        yield {
            **who(node),
            "Compliance": "Compliant" if scan.compliant else "Non-compliant",
            "Worst severity": scan.overall_severity,
            "Execution type": scan.execution_type,
            # For want of its own, the time at which SSM took the summary in.
            "Executed at": time(scan.captured_at) if scan.times == "absent" else scan_time(scan, scan.executed_at),
            "Patch group": written(node, scan.patch_group),
            "Patch baseline": scan.baseline_id,
            **{
                f"{word}, {level.lower()}": scan.severity_count(compliant, level)
                for compliant, word in ((True, "Compliant"), (False, "Non-compliant"))
                for level in SEVERITIES
            },
        }


def _patch_summary(node: Node, asking: Asking) -> Iterator[Row]:
    if scan := meanings.patch_summary(node):
        counts = scan.counts
        yield {
            **who(node),
            "Operation": scan.operation,
            "Started at": scan_time(scan, scan.started_at),
            "Ended at": scan_time(scan, scan.ended_at),
            "Reboot option": written(node, None if scan.early_format else scan.reboot_option),
            # The summary writes an empty one, too.
            "Patch group": scan.patch_group or "",
            "Patch baseline": scan.baseline_id,
            "Installed": counts.installed,
            "Installed, not by the baseline": counts.installed_other,
            "Installed, pending reboot": counts.installed_pending_reboot,
            "Installed, but rejected": counts.installed_rejected,
            "Missing": counts.missing,
            "Failed": counts.failed,
            "Not applicable": counts.not_applicable,
            "Non-compliant, critical": counts.critical_non_compliant,
            "Non-compliant, security": counts.security_non_compliant,
            "Non-compliant, other": counts.other_non_compliant,
            # No fleet writes it.
            "Available security updates": None,
        }


def _applications(node: Node, asking: Asking) -> Iterator[Row]:
    if not meanings.is_known(node):
        return
    for installed in node.inventory.packages if node.inventory else ():
        package = installed.package
        yield {
            **who(node),
            "Application": package.name,
            "Publisher": package.publisher,
            "Version": package.version,
            "Application type": written(node, package.type),
            "Architecture": package.architecture,
            "Installed at": time(installed.installed_at),
            "CloudWatch agent": "Installed" if package.name in CLOUDWATCH_AGENT_NAMES.values() else "Not installed",
        }
    if not any(applications(node)):
        yield {
            **who(node),
            "Application": "None reported",
            "Publisher": "None reported",
            **dict.fromkeys(("Version", "Application type", "Architecture", "Installed at")),
            "CloudWatch agent": "Not installed",
        }


def _tags(node: Node, asking: Asking) -> Iterator[Row]:
    return ({**who(node), "Tag key": tag, "Tag value": value} for tag, value in node.tags)


def _instance_details(node: Node, asking: Asking) -> Iterator[Row]:
    if node.inventory and (hardware := node.inventory.hardware):
        yield {
            **who(node),
            "CPUs": hardware.cpus,
            "CPU cores": hardware.cores,
            "CPU sockets": hardware.sockets,
            "CPU speed (MHz)": hardware.cpu_speed,
            "CPU model": hardware.cpu_model,
            "Hyper-threading": "true" if hardware.hyper_threading else "false",
            "OS service pack": "0" if node.system.is_windows else "",
            "Kernel version": written(node, node.system.kernel),
        }


def _instance_information(node: Node, asking: Asking) -> Iterator[Row]:
    if node.registered:
        yield {
            **who(node),
            "IP address": written(node, node.ip_address),
            "Platform name": node.system.platform_name,
            "Platform version": node.system.platform_version,
            "Agent type": "amazon-ssm-agent",
            "Agent version": written(node, node.agent_version),
            "Captured at": time(node.seen_at),
        }


# By the names by which the definition calls them.
DATA_SETS: dict[str, Callable[[Node, Asking], Iterable[Row]]] = {
    "Applications": _applications,
    "Compliance items": _compliance_items,
    "Compliance summary": _compliance_summary,
    "Instance details": _instance_details,
    "Instance information": _instance_information,
    "Nodes": _nodes,
    "Patch summary": _patch_summary,
    "Tags": _tags,
}


def rows(nodes: Iterable[Node], data_set: str, asking: Asking) -> list[Row]:
    """All rows of a data set, terminated nodes' too."""
    return [row for node in nodes for row in DATA_SETS[data_set](node, asking)]
