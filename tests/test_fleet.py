"""The sample fleet's files: always the same bytes, AWS's layout and spelling, every case that real fleets hold."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fleet import Fleet
from fleet.cases import CASES
from fleet_files import KEY, NOW, PLACES, NodeFiles, make, read
from organization import MEMBER_ACCOUNTS as ACCOUNTS
from organization import REGIONS

# https://docs.aws.amazon.com/systems-manager/latest/userguide/inventory-schema.html, version and attributes by type.
# Those behind the bar are in the schema, and this fleet never writes them.
SCHEMA = {
    "AWS:Application": "1.1 Name ApplicationType Publisher Version Release Epoch InstalledTime Architecture URL Summary"
    " PackageId |",
    "AWS:AWSComponent": "1.0 Name ApplicationType Publisher Version InstalledTime Architecture URL |",
    "AWS:BillingInfo": "1.0 BillingProductId |",
    "AWS:ComplianceItem": "1.0 ComplianceType ExecutionId ExecutionType ExecutionTime Id Title Status Severity"
    " DocumentName DocumentVersion Classification PatchBaselineId PatchSeverity PatchState PatchGroup InstalledTime"
    " InstallOverrideList DetailedText DetailedLink CVEIds |",
    "AWS:ComplianceSummary": "1.0 ComplianceType PatchGroup PatchBaselineId Status OverallSeverity ExecutionId"
    " ExecutionType ExecutionTime CompliantCriticalCount CompliantHighCount CompliantMediumCount CompliantLowCount"
    " CompliantInformationalCount CompliantUnspecifiedCount NonCompliantCriticalCount NonCompliantHighCount"
    " NonCompliantMediumCount NonCompliantLowCount NonCompliantInformationalCount NonCompliantUnspecifiedCount |",
    "AWS:InstanceDetailedInformation": "1.0 CPUModel CPUCores CPUs CPUSpeedMHz CPUSockets CPUHyperThreadEnabled"
    " OSServicePack KernelVersion |",
    "AWS:InstanceInformation": "1.0 AgentType AgentVersion ComputerName InstanceId IpAddress PlatformName PlatformType"
    " PlatformVersion ResourceType InstanceStatus | AgentStatus",
    "AWS:Network": "1.0 Name SubnetMask Gateway DHCPServer DNSServer MacAddress IPV4 IPV6 |",
    "AWS:PatchSummary": "1.0 PatchGroup BaselineId SnapshotId OwnerInformation InstalledCount"
    " InstalledPendingRebootCount InstalledOtherCount InstalledRejectedCount NotApplicableCount"
    " UnreportedNotApplicableCount MissingCount FailedCount OperationType OperationStartTime OperationEndTime"
    " InstallOverrideList RebootOption LastNoRebootInstallOperationTime ExecutionId SecurityNonCompliantCount"
    " CriticalNonCompliantCount OtherNonCompliantCount | NonCompliantSeverity",
    "AWS:Service": "1.0 Name DisplayName ServiceType Status DependentServices ServicesDependedOn StartType |",
    "AWS:Tag": "1.0 Key Value |",
    "AWS:WindowsRole": "1.0 Name DisplayName Path FeatureType DependsOn Description Installed InstalledState"
    " SubFeatures ServerComponentDescriptor Parent |",
    "AWS:WindowsUpdate": "1.0 HotFixId Description InstalledTime InstalledBy |",
}
WINDOWS_ONLY = {"AWS:Service", "AWS:WindowsRole", "AWS:WindowsUpdate"}
ENVELOPE = {"resourceId", "captureTime", "schemaVersion"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def digest(fleet: Fleet) -> str:
    hasher = hashlib.sha256()
    for account in fleet.accounts:
        for region in fleet.regions:
            for key, content in fleet.files(account, region):
                hasher.update(key.encode() + b"\0" + content + b"\0")
    return hasher.hexdigest()


@pytest.fixture(scope="module")
def nodes() -> dict[str, NodeFiles]:
    return read(make(240))


# The same arguments, the same bytes.


def test_golden_bytes() -> None:
    assert digest(make(len(CASES))) == "a460385355ccc0931ba7dd047ce31a1a61ab415b56270c96256861d68f920d31"


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_bytes_do_not_depend_on_the_hash_seed(hash_seed: str) -> None:
    command = [
        *(sys.executable, "-m", "fleet", "--nodes", str(len(CASES)), "--now", NOW),
        *("--accounts", ",".join(ACCOUNTS), "--regions", ",".join(REGIONS)),
    ]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, cwd=Path(__file__).parent, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.split()[-1] == digest(make(len(CASES)))


def test_one_place_alone_has_the_files_it_has_among_others() -> None:
    backwards = {place: list(make(50).files(*place)) for place in reversed(PLACES)}
    assert {place: list(make(50).files(*place)) for place in PLACES} == backwards


def test_a_node_does_not_depend_on_how_many_follow_it() -> None:
    small, large = read(make(50)), read(make(100))
    assert {node: large[node] for node in small} == small


def test_another_seed_is_another_fleet() -> None:
    assert not read(make(24, seed=1)).keys() & read(make(24, seed=2)).keys()


def test_files_come_one_by_one() -> None:
    # A fleet that nobody could hold or wait for.
    key, content = next(make(10**12).files(*PLACES[-1]))
    assert KEY.fullmatch(key) and content


def test_json_round_trip() -> None:
    text = json.dumps({"seed": 7, "accounts": ACCOUNTS, "regions": REGIONS, "nodes": 24, "now": NOW})
    assert digest(Fleet.from_json(text)) == digest(make(24, seed=7))
    assert digest(Fleet.from_json(Fleet.from_json(text).to_json())) == digest(make(24, seed=7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": -1}, "negative"),
        ({"accounts": ["12345"]}, "12 digits"),
        ({"accounts": [ACCOUNTS[0], ACCOUNTS[0]]}, "twice"),
        ({"regions": ["eu-west-1", "eu-west-1"]}, "twice"),
        ({"regions": []}, "need an account and a Region"),
        ({"now": "2026-01-15T12:00:00"}, "time zone"),
        ({"silent": ["999999999999"]}, "no account of the fleet: 999999999999"),
        ({"size": 3}, "JSON object of"),
    ],
)
def test_arguments_that_make_no_fleet(change: dict[str, object], message: str) -> None:
    arguments = {"seed": 1, "accounts": ACCOUNTS, "regions": REGIONS, "nodes": 24, "now": NOW, **change}
    with pytest.raises(ValueError, match=message):
        Fleet.from_json(json.dumps(arguments))


# Layout and spelling.


def test_all_types_and_only_attributes_of_the_schema(nodes: dict[str, NodeFiles]) -> None:
    written: dict[str, set[str]] = defaultdict(set)
    for node in nodes.values():
        for type_name, lines in node.lines.items():
            for line in lines:
                assert all(type(value) is str for value in line.values()), line
                assert line["resourceId"] == node.id
                assert TIME.fullmatch(line["captureTime"])
                assert line["captureTime"] <= NOW
                assert line["schemaVersion"] == SCHEMA[type_name].split()[0]
                written[type_name] |= line.keys() - ENVELOPE
    expected = {name: set(text.split("|")[0].split()[1:]) for name, text in SCHEMA.items()}
    assert written == expected


def test_values_have_the_spelling_of_aws(nodes: dict[str, NodeFiles]) -> None:
    seen: dict[str, set[str | None]] = defaultdict(set)
    for node in nodes.values():
        for lines in node.lines.values():
            for line in lines:
                for name in line:
                    if name.endswith("Count"):
                        assert line[name].isdecimal() or has_empty_strings(node), line
                    if name.endswith("Time"):
                        assert TIME.fullmatch(line[name]) or line[name] == "N/A" or has_empty_strings(node), line
        if has_empty_strings(node):
            continue
        for name in ("InstanceStatus", "PlatformType", "ResourceType"):
            if node.information:
                seen[name].add(node.information.get(name))
        for item in node.of("ComplianceItem"):
            for name in ("ComplianceType", "Status", "Severity", "PatchState", "PatchSeverity", "ExecutionType"):
                seen[name].add(item.get(name))
        for summary in node.of("PatchSummary"):
            for name in ("OperationType", "RebootOption"):
                seen[name].add(summary.get(name))
    assert seen == {
        "InstanceStatus": {"Active", "Stopped", "Terminated", "ConnectionLost", None},
        "PlatformType": {"Linux", "Windows", "MacOS", None},
        "ResourceType": {"EC2Instance", "ManagedInstance"},
        "ComplianceType": {"Patch", "Association", "Custom:AntiVirus"},
        "Status": {"COMPLIANT", "NON_COMPLIANT"},
        "Severity": {"CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED", None},
        "PatchState": {
            "Installed", "InstalledOther", "InstalledPendingReboot", "InstalledRejected", "Missing", "Failed",
            "NotApplicable", "AvailableSecurityUpdate", None,
            # As the API spells them.
            "INSTALLED", "INSTALLED_OTHER", "INSTALLED_PENDING_REBOOT", "MISSING", "FAILED", "NOT_APPLICABLE",
        },
        "PatchSeverity": {
            "Critical", "Important", "Moderate", "Medium", "Low", "Standard", "Optional", "Unspecified", None,
        },
        "ExecutionType": {"Command", "PatchPolicy", None},
        "OperationType": {"Scan", "Install"},
        "RebootOption": {"RebootIfNeeded", "NoReboot", None},
    }  # fmt: skip


def test_windows_types_belong_to_windows(nodes: dict[str, NodeFiles]) -> None:
    windows = {node.id for node in nodes.values() if "Windows" in node.information.get("PlatformName", "")}
    assert windows
    for type_name in WINDOWS_ONLY:
        assert {node.id for node in nodes.values() if type_name in node.lines} == windows


def test_older_files_are_older_and_of_types_that_the_node_has(nodes: dict[str, NodeFiles]) -> None:
    doubled = [node for node in nodes.values() if node.older]
    assert doubled
    for node in doubled:
        assert node.older.keys() <= node.lines.keys()
        for type_name, lines in node.older.items():
            newest = max(line["captureTime"] for line in lines)
            assert newest < min(line["captureTime"] for line in node.lines[type_name]), (node.id, type_name)


def test_everything_of_a_silent_account_is_long_ago() -> None:
    fleet = Fleet(1, ACCOUNTS, REGIONS, 60, NOW, ACCOUNTS[:1])
    limit = (datetime.fromisoformat(NOW[:-1]) - timedelta(days=90)).isoformat()
    for node in read(fleet).values():
        if node.account == ACCOUNTS[0]:
            assert all(line["captureTime"] < limit for lines in node.lines.values() for line in lines)
    silent = [node for node in fleet.nodes if node.account == ACCOUNTS[0]]
    assert [node.case for node in silent] == [n.case for n in make(60).nodes if n.account == ACCOUNTS[0]]
    assert read(Fleet.from_json(fleet.to_json())) == read(fleet)


# Every case, in every fleet that has room for it.

Predicate = Callable[[NodeFiles], object]


def has_empty_strings(node: NodeFiles) -> bool:
    return node.information.get("AgentVersion") == ""


def written(node: NodeFiles) -> set[str]:
    """The types by which a node is known, without their prefix, and the applications."""
    types = ("InstanceInformation", "ComplianceSummary", "PatchSummary", "InstanceDetailedInformation", "Tag")
    return {name for name in (*types, "Application") if node.of(name)}


def stale(node: NodeFiles) -> bool:
    age = datetime.fromisoformat(NOW[:-1]) - timedelta(days=30)
    return node.information.get("InstanceStatus") == "Active" and any(
        summary.get("OperationEndTime", "absent") < age.isoformat() for summary in node.of("PatchSummary")
    )


PRESENT: dict[str, Predicate] = {
    "EC2": lambda n: n.id.startswith("i-") and n.information.get("ResourceType") == "EC2Instance",
    "hybrid": lambda n: n.id.startswith("mi-") and n.information.get("ResourceType") == "ManagedInstance",
    **{
        system: lambda n, system=system: n.information.get("PlatformName", "").startswith(system)
        for system in ("Amazon Linux", "Ubuntu", "Debian", "Red Hat", "SLES", "macOS", "Microsoft Windows Server 2022")
    },
    **{
        f"status {status}": lambda n, status=status: n.information.get("InstanceStatus") == status
        for status in ("Active", "Stopped", "Terminated", "ConnectionLost")
    },
    "no status": lambda n: n.information and "InstanceStatus" not in n.information,
    "no platform type": lambda n: n.information and "PlatformType" not in n.information,
    "no instance information": lambda n: "AWS:InstanceInformation" not in n.lines,
    "compliant": lambda n: n.called == "COMPLIANT",
    "non-compliant": lambda n: n.called == "NON_COMPLIANT",
    "never scanned, no compliance at all": lambda n: "AWS:ComplianceItem" not in n.lines and not n.called,
    "never scanned, association fails": lambda n: (
        n.called is None and any(s["Status"] == "NON_COMPLIANT" for s in n.of("ComplianceSummary"))
    ),
    "compliant, association fails": lambda n: (
        n.called == "COMPLIANT" and any(s["Status"] == "NON_COMPLIANT" for s in n.of("ComplianceSummary"))
    ),
    "scanned long ago": stale,
    "summary of an early format": lambda n: any("RebootOption" not in s for s in n.of("PatchSummary")),
    "summary without its zeros": lambda n: any("NonCompliantLowCount" not in s for s in n.of("ComplianceSummary")),
    "called compliant, waits for a reboot": lambda n: (
        n.called == "COMPLIANT" and n.counts and n.counts["InstalledPendingRebootCount"] != "0"
    ),
    "pending reboot, nobody says since when": lambda n: (
        any(p["PatchState"] == "InstalledPendingReboot" and "InstalledTime" not in p for p in n.patches)
        and "LastNoRebootInstallOperationTime" not in (n.counts or {})
    ),
    "pending reboot of an early format": lambda n: (
        n.has("InstalledPendingReboot") and "InstalledPendingRebootCount" not in (n.counts or {})
    ),
    "pending reboot, no item": lambda n: (
        n.counts and int(n.counts.get("InstalledPendingRebootCount") or 0) and not n.patches
    ),
    "only a patch summary": lambda n: n.counts and not n.compliance and n.counts["InstalledPendingRebootCount"] == "0",
    "no patch summary": lambda n: n.compliance and not n.counts,
    "scan without times": lambda n: n.compliance and "ExecutionTime" not in n.compliance,
    "scan with times that nobody can read": lambda n: n.compliance and n.compliance.get("ExecutionTime") == "N/A",
    "state in the API's spelling": lambda n: n.has("INSTALLED_PENDING_REBOOT") and n.has("MISSING") and n.has("FAILED"),
    "a baseline's own level": lambda n: n.has("Missing") and {p.get("Severity") for p in n.patches} == {"LOW", None},
    "empty strings": lambda n: n.information.get("InstanceStatus") == "" and n.information.get("PlatformType") == "",
    "blank lines": lambda n: n.blank_lines > 20,
    "only tags": lambda n: written(n) == {"Tag"},
    "only hardware": lambda n: written(n) == {"InstanceDetailedInformation"},
    "only applications": lambda n: written(n) == {"Application"},
    "only an association": lambda n: written(n) == {"ComplianceSummary"} and not n.called,
    "active, once terminated": lambda n: (
        n.information.get("InstanceStatus") == "Active"
        and any(line["InstanceStatus"] == "Terminated" for line in n.older.get("AWS:InstanceInformation", []))
    ),
    "terminated, once active": lambda n: (
        n.information.get("InstanceStatus") == "Terminated"
        and any(line["InstanceStatus"] == "Active" for line in n.older.get("AWS:InstanceInformation", []))
    ),
    "agent version of three numbers": lambda n: n.information.get("AgentVersion", "").count(".") == 2,
    "packages that only the release tells apart": lambda n: (
        len({tuple(a.get(k) for k in ("Name", "Version", "Architecture", "PackageId")) for a in n.of("Application")})
        < len(n.of("Application"))
    ),
    "pending reboot": lambda n: n.has("InstalledPendingReboot"),
    "pending since": lambda n: any("LastNoRebootInstallOperationTime" in s for s in n.of("PatchSummary")),
    "failed": lambda n: n.has("Failed"),
    "rejected": lambda n: n.has("InstalledRejected"),
    "missing": lambda n: n.has("Missing"),
    "missing with CVE ids": lambda n: any("CVEIds" in p for p in n.patches if p["PatchState"] == "Missing"),
    "available update tolerated": lambda n: n.has("AvailableSecurityUpdate", "COMPLIANT"),
    "available update counted": lambda n: n.has("AvailableSecurityUpdate", "NON_COMPLIANT"),
    "non-compliant and nothing missing": lambda n: n.called == "NON_COMPLIANT" and not n.has("Missing"),
    "installed other": lambda n: n.has("InstalledOther"),
    "untagged": lambda n: "AWS:Tag" not in n.lines,
    "ten tags": lambda n: len(n.tags) == 10,
    "empty tag value": lambda n: "" in n.tags.values(),
    "tag keys that differ by case": lambda n: len({key.lower() for key in n.tags}) < len(n.tags),
    "tag value not ASCII": lambda n: not "".join(n.tags.values()).isascii(),
    "host name not ASCII": lambda n: not n.information.get("ComputerName", "").isascii(),
    "tag value with markup": lambda n: any("<script>" in value for value in n.tags.values()),
    "tag value that is a formula": lambda n: any(value.startswith("=") for value in n.tags.values()),
    "tag value with quote and comma": lambda n: any('"' in value and "," in value for value in n.tags.values()),
    "tag value with backslash": lambda n: any("\\" in value for value in n.tags.values()),
    "packages that only the package id tells apart": lambda n: (
        len({(a["Name"], a["Version"], a["Architecture"]) for a in n.of("Application")}) < len(n.of("Application"))
    ),
    "the CloudWatch agent": lambda n: any("CloudWatch" in a.get("Summary", a["Name"]) for a in n.of("Application")),
    "no inventory": lambda n: n.information and not n.of("Application") and "AWS:Network" not in n.lines,
    "empty file": lambda n: n.lines.get("AWS:Application") == [],
}


@pytest.fixture(scope="module")
def smallest() -> list[dict[str, NodeFiles]]:
    """Fleets of one node a case."""
    return [read(make(len(CASES), seed)) for seed in range(20)]


@pytest.mark.parametrize("name", PRESENT)
def test_every_case_is_in_the_smallest_fleet(name: str, smallest: list[dict[str, NodeFiles]]) -> None:
    for nodes in smallest:
        assert any(PRESENT[name](node) for node in nodes.values())


def test_cases_and_nodes_are_spread_over_accounts_and_regions() -> None:
    places = defaultdict(set)
    for node in make(len(CASES) * len(PLACES)).nodes:
        places[node.case].add((node.account, node.region))
    assert places == {case.name: set(PLACES) for case in CASES}
    counts = Counter((node.account, node.region) for node in make(61).nodes)
    assert set(counts) == set(PLACES) and max(counts.values()) - min(counts.values()) <= 1


def test_names_repeat_across_nodes(nodes: dict[str, NodeFiles]) -> None:
    names = Counter(node.tags["Name"] for node in nodes.values() if "Name" in node.tags)
    assert names["web-server"] > 1
