"""The sample fleet's files agree with one another, and its answers to the saved queries with the files.

What is expected is worked out from the files, by plain Python, and never taken from the model that wrote them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from fleet import Answer, Fleet
from fleet.answers import in_order
from fleet_files import PLACES, Line, NodeFiles, make, read


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return make(240)


@pytest.fixture(scope="module")
def nodes(fleet: Fleet) -> dict[str, NodeFiles]:
    return read(fleet)


@pytest.fixture(scope="module")
def answers(fleet: Fleet) -> dict[str, Answer]:
    return fleet.answers()


# A node's files agree with one another.


def test_summaries_count_what_the_items_say(nodes: dict[str, NodeFiles]) -> None:
    scanned = 0
    for node in nodes.values():
        if not node.patches:
            assert node.patch_status is None and "AWS:PatchSummary" not in node.lines
            continue
        scanned += 1
        (patch_summary,) = node.of("PatchSummary")
        (summary,) = [line for line in node.of("ComplianceSummary") if line["ComplianceType"] == "Patch"]
        states = Counter(item["PatchState"] for item in node.patches)
        for state in (
            "Installed", "InstalledOther", "InstalledPendingReboot", "InstalledRejected", "Missing", "Failed",
            "NotApplicable",
        ):  # fmt: skip
            assert int(patch_summary.get(f"{state}Count", states[state])) == states[state], node.id
        if "OtherNonCompliantCount" in patch_summary:
            assert sum(
                int(patch_summary[f"{kind}NonCompliantCount"]) for kind in ("Critical", "Security", "Other")
            ) == (sum(states[s] for s in ("InstalledPendingReboot", "InstalledRejected", "Missing", "Failed")))
        severities = Counter((item["Status"], item.get("Severity", "UNSPECIFIED")) for item in node.patches)
        for status, prefix in (("COMPLIANT", "Compliant"), ("NON_COMPLIANT", "NonCompliant")):
            for severity in ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED"):
                count = int(summary.get(f"{prefix}{severity.capitalize()}Count", 0))
                assert count == severities[status, severity], (node.id, status, severity)
        assert (summary["Status"] == "NON_COMPLIANT") == any(i["Status"] == "NON_COMPLIANT" for i in node.patches)
        assert 8 <= len(node.of("ComplianceItem")) <= 40
    assert scanned > len(nodes) / 2


def test_patch_items_follow_the_rules_of_patch_manager(nodes: dict[str, NodeFiles]) -> None:
    non_compliant = {"InstalledPendingReboot", "InstalledRejected", "Missing", "Failed"}
    for node in nodes.values():
        assert len({(p["Id"], p["Title"]) for p in node.patches}) == len(node.patches)
        for item in node.patches:
            state = item["PatchState"]
            if state != "AvailableSecurityUpdate":
                assert (item["Status"] == "NON_COMPLIANT") == (state in non_compliant), item
            if state in ("InstalledOther", "NotApplicable"):
                assert not item.keys() & {"Classification", "PatchSeverity", "Severity"}, item
            else:
                assert item.keys() >= {"Classification", "PatchSeverity", "Severity"}, item
            if "CVEIds" in item:
                assert state in ("Missing", "Failed")
                assert re.fullmatch(r"CVE-\d{4}-\d{4,}(,CVE-\d{4}-\d{4,})*", item["CVEIds"])
            assert ("InstalledTime" in item) == state.startswith("Installed"), item
            assert item.get("InstalledTime", "") <= item["ExecutionTime"] == item["captureTime"]


# The answers agree with the files.

NODE = "accountid region resourceid"
PATCH = (
    f"{NODE} status patchstate id title classification patchseverity severity executiontype patchbaselineid capturetime"
)
APPLICATION = f"{NODE} name version installedtime applicationtype summary architecture packageid publisher capturetime"
# Query -> columns, order, and which lines of which type are its rows.
QUERIES: dict[str, tuple[str, str, str, Callable[[Line], bool]]] = {
    "QueryInstanceList": (
        f"{NODE} computername ipaddress instancestatus platformtype platformname platformversion agenttype agentversion"
        " capturetime",
        NODE,
        "InstanceInformation",
        lambda line: True,
    ),
    "QueryCompliantPatch": (
        PATCH,
        f"{NODE} id title",
        "ComplianceItem",
        lambda line: (line["compliancetype"], line["status"]) == ("Patch", "COMPLIANT"),
    ),
    "QueryNonCompliantPatch": (
        PATCH,
        f"{NODE} id title",
        "ComplianceItem",
        lambda line: (line["compliancetype"], line["status"]) == ("Patch", "NON_COMPLIANT"),
    ),
    "QueryComplianceSummaryPatch": (
        f"{NODE} status executiontype overallseverity compliantcriticalcount noncompliantcriticalcount"
        " noncompliantcount patchbaselineid executiontime capturetime",
        NODE,
        "ComplianceSummary",
        lambda line: line["compliancetype"] == "Patch",
    ),
    "QueryPatchSummary": (
        f"{NODE} missingcount failedcount installedpendingrebootcount installedrejectedcount criticalnoncompliantcount"
        " securitynoncompliantcount othernoncompliantcount installedcount operationtype operationendtime rebootoption"
        " baselineid capturetime",
        NODE,
        "PatchSummary",
        lambda line: True,
    ),
    "QueryInstanceApplications": (
        APPLICATION,
        f"{NODE} name version architecture packageid",
        "Application",
        lambda line: True,
    ),
    "QuerySSMAgentVersion": (
        APPLICATION,
        f"{NODE} name version architecture packageid",
        "Application",
        lambda line: line["name"] in ("Amazon SSM Agent", "amazon-ssm-agent"),
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_answer_is_what_the_files_say(name: str, nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    columns, order, type_name, wanted = QUERIES[name]
    expected = []
    for node in nodes.values():
        if node.information.get("InstanceStatus") == "Terminated":
            continue
        for line in node.of(type_name):
            row = {attribute.lower(): value for attribute, value in line.items()}
            row |= {"accountid": node.account, "region": node.region}
            if type_name == "ComplianceSummary":
                parts = [int(value) for attribute, value in line.items() if re.match("NonCompliant.*Count", attribute)]
                row["noncompliantcount"] = str(sum(parts))
            if wanted(row):
                expected.append({column: row.get(column) for column in columns.split()})
    expected.sort(key=lambda row: [(row[column] is None, row[column] or "") for column in order.split()])
    assert answers[name].columns == columns.split()
    assert answers[name].rows == [tuple(row.values()) for row in expected]
    assert expected


def test_compliance_by_account_and_region(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    statuses: dict[tuple[str, str], Counter[str | None]] = defaultdict(Counter)
    for node in nodes.values():
        if node.information and node.information.get("InstanceStatus") != "Terminated":
            statuses[node.account, node.region][node.patch_status] += 1
    answer = answers["QueryComplianceByAccountAndRegion"]
    assert answer.columns == ["accountid", "region", "nodes", "compliant", "noncompliant", "neverscanned"]
    assert answer.rows == [
        (*place, str(counts.total()), *(str(counts[status]) for status in ("COMPLIANT", "NON_COMPLIANT", None)))
        for place, counts in sorted(statuses.items())
    ]
    for *_, total, compliant, non_compliant, never_scanned in answer.rows:
        assert int(total) == int(compliant) + int(non_compliant) + int(never_scanned)


def test_order_is_by_code_point_with_null_last() -> None:
    values = ["a", None, "", "\N{ROCKET}", "\N{FULLWIDTH LATIN SMALL LETTER Z}", "B"]
    ordered = in_order([(value,) for value in values], ["value"], ["value"])
    assert [value for (value,) in ordered] == ["", "B", "a", "\uff5a", "\U0001f680", None]


def test_terminated_nodes_are_in_no_answer(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    terminated = {node.id for node in nodes.values() if node.information.get("InstanceStatus") == "Terminated"}
    assert any(nodes[node].patches for node in terminated) and any(not nodes[node].patches for node in terminated)
    for name in QUERIES:
        assert not terminated & {row[2] for row in answers[name].rows}, name


def test_a_node_without_instance_information_is_kept(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    unregistered = {node.id for node in nodes.values() if not node.information}
    assert unregistered
    for name in QUERIES.keys() - {"QueryInstanceList"}:
        assert unregistered <= {row[2] for row in answers[name].rows}, name
    assert not unregistered & {row[2] for row in answers["QueryInstanceList"].rows}


def test_summary_adds_up(fleet: Fleet, answers: dict[str, Answer]) -> None:
    summary = fleet.summary()
    parts = summary.by_account_and_region.values()
    assert list(summary.by_account_and_region) == sorted(PLACES)
    for name in ("nodes", "compliant", "non_compliant", "never_scanned"):
        assert getattr(summary.total, name) == sum(getattr(part, name) for part in parts) > 0
    assert summary.total.nodes == len(answers["QueryInstanceList"].rows)


def test_answers_one_at_a_time(fleet: Fleet, answers: dict[str, Answer]) -> None:
    for name, answer in answers.items():
        assert fleet.answers([name]) == {name: answer}
    with pytest.raises(KeyError, match="QueryNothing"):
        fleet.answers(["QueryNothing"])


def test_a_fleet_without_nodes() -> None:
    empty = Fleet(1, [], [], 0, datetime(2026, 1, 15, tzinfo=timezone.utc))
    assert list(empty.files(*PLACES[0])) == []
    assert all(answer.columns and answer.rows == [] for answer in empty.answers().values())
    assert empty.summary().total.nodes == 0


def test_a_fleet_of_one_node() -> None:
    (node,) = read(make(1)).values()
    assert node.patch_status == "COMPLIANT"
    assert make(1).answers()["QueryComplianceByAccountAndRegion"].rows == [
        ("210987654321", "us-east-1", "1", "1", "0", "0")
    ]


def test_nothing_where_the_fleet_is_not() -> None:
    assert list(make(24).files("999999999999", "us-east-1")) == []
    assert list(make(24).files(PLACES[0][0], "ap-south-1")) == []
