"""What the words of docs/queries.md mean for one node, worked out from its facts.

Whoever asks does so at some moment, and calls stale what is more than some days old by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.model import COMPLIANCE_SUMMARY, INSTALLED_PENDING_REBOOT, ITEMS, PATCH_SUMMARY, Node, PatchResult, PatchScan

COMPLIANT = "COMPLIANT"
NON_COMPLIANT = "NON_COMPLIANT"
NOT_SCANNED = "NOT_SCANNED"

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Asking:
    """When a query is run, and the template's StaleAfterDays."""

    at: datetime
    stale_after_days: int = 30

    def days_since(self, time: datetime) -> int:
        """Whole days of 24 hours."""
        return (self.at - time) // DAY

    def is_long_ago(self, time: datetime) -> bool:
        return self.at - time > self.stale_after_days * DAY


def is_known(node: Node) -> bool:
    """Whether any of the five types of inventory that make a node known tells of it."""
    return last_seen(node) is not None


def patch_summary(node: Node) -> PatchScan | None:
    """The scan, if AWS:PatchSummary tells of it."""
    return node.scan if node.scan and PATCH_SUMMARY in node.scan.written else None


def compliance_summary(node: Node) -> PatchScan | None:
    """The scan, if AWS:ComplianceSummary tells of it."""
    return node.scan if node.scan and COMPLIANCE_SUMMARY in node.scan.written else None


def patch_results(node: Node) -> tuple[PatchResult, ...]:
    """What AWS:ComplianceItem tells of the node's patches."""
    return node.scan.results if node.scan and ITEMS in node.scan.written else ()


def status(node: Node) -> str:
    """COMPLIANT, NON_COMPLIANT or NOT_SCANNED."""
    counted, judged = patch_summary(node), compliance_summary(node)
    if not counted and not judged:
        return NOT_SCANNED
    if judged and not judged.compliant:
        return NON_COMPLIANT
    if counted:
        counts = counted.counts
        against = (counts.missing, counts.failed, counts.installed_rejected, counts.installed_pending_reboot)
        if any(against):
            return NON_COMPLIANT
    return COMPLIANT


def last_scan(node: Node) -> datetime | None:
    """When the node was last scanned; None if it never was, or if nobody can read when."""
    times = []
    if scan := patch_summary(node):
        times.append(_readable(scan, scan.ended_at))
    if scan := compliance_summary(node):
        times.append(_readable(scan, scan.executed_at))
    return max((time for time in times if time), default=None)


def _readable(scan: PatchScan, time: datetime) -> datetime | None:
    """A time of the scan as far as its file tells."""
    return {"usual": time, "absent": scan.captured_at, "unreadable": None}[scan.times]


def is_stale(node: Node, asking: Asking) -> bool:
    """Whether the node was scanned, and so long ago that it may have changed since."""
    if status(node) == NOT_SCANNED:
        return False
    time = last_scan(node)
    return time is None or asking.is_long_ago(time)


def last_seen(node: Node) -> datetime | None:
    """When the newest file was captured that makes the node known."""
    times = [item.checked_at for item in node.other_compliance]
    if node.registered or node.tags:
        times.append(node.seen_at)
    if patch_summary(node) or compliance_summary(node):
        assert node.scan
        times.append(node.scan.captured_at)
    if node.inventory and node.inventory.hardware:
        times.append(node.inventory.captured_at)
    return max(times, default=None)


def reports_inventory(node: Node) -> bool:
    """Whether hardware or applications are known of it."""
    return node.inventory is not None and (node.inventory.hardware is not None or bool(node.inventory.packages))


def platform(node: Node) -> str | None:
    """Windows, Linux or MacOS. Every system is recognised by its name, so that the type may be unknown."""
    return node.system.platform_type if node.registered else None


def pending(node: Node) -> tuple[int, datetime | None, list[str]] | None:
    """How many patches wait for a reboot, since when, and their ids as far as they are known; None without any."""
    results = [result for result in patch_results(node) if result.state == INSTALLED_PENDING_REBOOT]
    summary = patch_summary(node)
    count = len(results) or (summary and summary.counts.installed_pending_reboot) or 0
    if not count:
        return None
    since = summary and summary.last_no_reboot_install
    if since is None:
        assert node.scan
        # Who does not write when a scan was, does not write either when a patch was installed.
        known = [result.installed_at for result in results if node.scan.times != "absent"]
        since = min((time for time in known if time), default=None)
    return count, since, sorted(result.patch.id for result in results)


def version_order(version: str) -> tuple[int, ...]:
    """By which the versions of the agent are older and newer: number by number."""
    return tuple(map(int, version.split(".")))
