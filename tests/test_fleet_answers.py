"""The sample fleet's files agree with one another, and its answers to the saved queries with the files.

What is expected is worked out from the files, by plain Python, and never taken from the model that wrote them.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from fleet import Answer, Fleet
from fleet.answers import NAMES, in_order
from fleet.cases import CASES
from fleet.tallies import standing_cells
from fleet_files import NOW, PLACES, Line, NodeFiles, make, read
from organization import MEMBER_ACCOUNTS as ACCOUNTS
from organization import REGIONS


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


OPEN_STATES = ("InstalledPendingReboot", "InstalledRejected", "Missing", "Failed")


def state(item: Line) -> str:
    """The item's state, however it is spelled."""
    spelled = item["PatchState"]
    return spelled.title().replace("_", "") if spelled.isupper() else spelled


def number(line: Line | None, attribute: str) -> int | None:
    """A count, None if the node does not report it."""
    return int(line[attribute]) if line and line.get(attribute) else None


def test_summaries_count_what_the_items_say(nodes: dict[str, NodeFiles]) -> None:
    compared = 0
    for node in nodes.values():
        if not node.patches:
            assert not node.compliance
            continue
        compared += 1
        states = Counter(state(item) for item in node.patches)
        if counts := node.counts:
            for name in (*OPEN_STATES, "Installed", "InstalledOther", "NotApplicable"):
                assert number(counts, f"{name}Count") in (states[name], None), (node.id, name)
            if counts.get("OtherNonCompliantCount"):
                parts = [number(counts, f"{kind}NonCompliantCount") for kind in ("Critical", "Security", "Other")]
                assert sum(part or 0 for part in parts) == sum(states[name] for name in OPEN_STATES), node.id
        assert node.compliance
        severities = Counter((item["Status"], item.get("Severity") or "UNSPECIFIED") for item in node.patches)
        for status, prefix in (("COMPLIANT", "Compliant"), ("NON_COMPLIANT", "NonCompliant")):
            for severity in ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED"):
                count = number(node.compliance, f"{prefix}{severity.capitalize()}Count")
                assert (count or 0) == severities[status, severity], (node.id, status, severity)
        assert (node.called == "NON_COMPLIANT") == any(i["Status"] == "NON_COMPLIANT" for i in node.patches)
        assert 8 <= len(node.of("ComplianceItem")) <= 40
    assert compared > len(nodes) / 2


def test_patch_items_follow_the_rules_of_patch_manager(nodes: dict[str, NodeFiles]) -> None:
    for node in nodes.values():
        assert len({(p["Id"], p["Title"]) for p in node.patches}) == len(node.patches)
        for item in node.patches:
            its_state = state(item)
            # Two states may be called either way: the one by the baseline's leave, the other to set a trap.
            if its_state not in ("AvailableSecurityUpdate", "InstalledPendingReboot"):
                assert (item["Status"] == "NON_COMPLIANT") == (its_state in OPEN_STATES), item
            described = {"Classification", "PatchSeverity", "Severity"} & {name for name in item if item[name]}
            assert len(described) == (0 if its_state in ("InstalledOther", "NotApplicable") else 3), item
            if item.get("CVEIds"):
                assert its_state in ("Missing", "Failed")
                assert re.fullmatch(r"CVE-\d{4}-\d{4,}(,CVE-\d{4}-\d{4,})*", item["CVEIds"])
            if item.get("ExecutionTime") not in (None, "", "N/A"):
                assert bool(item.get("InstalledTime")) == its_state.startswith("Installed"), item
                assert item.get("InstalledTime", "") <= item["ExecutionTime"] < item["captureTime"]


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
    "QueryActiveInstances": (
        f"{NODE} computername ipaddress instancestatus platformtype platformname platformversion agenttype agentversion"
        " capturetime",
        NODE,
        "InstanceInformation",
        lambda line: line.get("instancestatus") == "Active",
    ),
    "QueryCompliantPatch": (
        PATCH,
        f"{NODE} id title",
        "ComplianceItem",
        lambda line: (line["compliancetype"], line["status"]) == ("Patch", "COMPLIANT"),
    ),
    "QueryNonCompliantPatch": (
        f"{PATCH} cveids",
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
        f"{NODE} name version architecture packageid installedtime",
        "Application",
        lambda line: True,
    ),
    "QuerySSMAgentVersion": (
        APPLICATION,
        f"{NODE} name version architecture packageid installedtime",
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
                parts = [number(line, attribute) for attribute in line if re.match("NonCompliant.*Count", attribute)]
                row["noncompliantcount"] = str(sum(part or 0 for part in parts))
            if wanted(row):
                # An empty number is none; any other value is shown as it is written.
                expected.append(
                    {
                        column: None if column.endswith("count") and not row.get(column) else row.get(column)
                        for column in columns.split()
                    }
                )
    expected.sort(key=lambda row: [(row[column] is None, row[column] or "") for column in order.split()])
    assert answers[name].columns == columns.split()
    assert answers[name].rows == [tuple(row.values()) for row in expected]
    assert expected


# What docs/queries.md says of a node, worked out from its files.

FIVE_TYPES = ("InstanceInformation", "ComplianceSummary", "PatchSummary", "InstanceDetailedInformation", "Tag")


def status(node: NodeFiles) -> str:
    against = [number(node.counts, f"{name}Count") for name in OPEN_STATES]
    if node.called == "NON_COMPLIANT" or any(against):
        return "NON_COMPLIANT"
    return "COMPLIANT" if node.called or node.counts else "NOT_SCANNED"


def last_scan(node: NodeFiles) -> str | None:
    lines = [(node.counts, "OperationEndTime"), (node.compliance, "ExecutionTime")]
    times = [line.get(attribute) or line["captureTime"] for line, attribute in lines if line]
    return max((time for time in times if time != "N/A"), default=None)


def last_seen(node: NodeFiles) -> str | None:
    return max((line["captureTime"] for name in FIVE_TYPES for line in node.of(name)), default=None)


def counted(nodes: dict[str, NodeFiles]) -> list[NodeFiles]:
    """The known nodes that have not terminated, in order."""
    kept = [n for n in nodes.values() if last_seen(n) and n.information.get("InstanceStatus") != "Terminated"]
    return sorted(kept, key=lambda node: (node.account, node.region, node.id))


def days_until_now(time: str) -> int:
    return (datetime.fromisoformat(NOW[:-1]) - datetime.fromisoformat(time[:-1])).days


def column(answer: Answer, name: str) -> list[str | None]:
    return [row[answer.columns.index(name)] for row in answer.rows]


def test_nodes_are_judged_by_their_files(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    answer, kept = answers["QueryNodes"], counted(nodes)
    assert column(answer, "resourceid") == [node.id for node in kept]
    assert column(answer, "status") == [status(node) for node in kept]
    assert set(column(answer, "status")) == {"COMPLIANT", "NON_COMPLIANT", "NOT_SCANNED"}
    assert column(answer, "lastscan") == [last_scan(node) for node in kept]
    assert column(answer, "lastseen") == [last_seen(node) for node in kept]
    assert column(answer, "missingcount") == [(node.counts or {}).get("MissingCount") for node in kept]
    assert [json.loads(text or "{}") for text in column(answer, "tags")] == [node.tags for node in kept]
    for node, time, age, stale in zip(
        kept, *(column(answer, name) for name in ("lastscan", "scanagedays", "stale")), strict=True
    ):
        assert age == (str(days_until_now(time)) if time else None), node.id
        long_ago = time is None or days_until_now(time) >= 30
        assert stale == str(status(node) != "NOT_SCANNED" and long_ago).lower(), node.id


def test_lists_of_nodes_are_those_that_their_names_say(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    kept, stale = counted(nodes), column(answers["QueryNodes"], "stale")
    expected: dict[str, set[str]] = {
        "QueryNodesNeverScanned": {node.id for node in kept if status(node) == "NOT_SCANNED"},
        "QueryStaleScans": {node.id for node, its in zip(kept, stale, strict=True) if its == "true"},
        "QueryPendingReboot": {
            node.id
            for node in kept
            if number(node.counts, "InstalledPendingRebootCount")
            or any(state(item) == "InstalledPendingReboot" for item in node.patches)
        },
        "QueryComplianceOfTaggedNodes": {node.id for node in kept if node.tags.get("Environment") == "production"},
        "QueryAgentsBehind": {
            node.id for node in kept if node.information.get("AgentVersion", "3.3.2299.0") not in ("3.3.2299.0", "")
        },
        "QueryNodesGone": {
            node.id
            for node in nodes.values()
            if node.information.get("InstanceStatus") in ("Terminated", "ConnectionLost")
        },
    }
    for name, ids in expected.items():
        found = column(answers[name], "resourceid")
        assert len(found) == len(ids) > 0 and set(found) == ids, name


ORDERED_BY_TIME = {"QueryStaleScans": "lastscan", "QueryPendingReboot": "pendingsince", "QueryNodesGone": "lastseen"}


@pytest.mark.parametrize("name", ORDERED_BY_TIME)
def test_what_is_longest_ago_comes_first_and_what_nobody_knows_last(name: str, answers: dict[str, Answer]) -> None:
    times = column(answers[name], ORDERED_BY_TIME[name])
    known = [time for time in times if time]
    assert times == sorted(known) + [None] * (len(times) - len(known))
    assert len(set(known)) > 1 and (len(known) < len(times)) == (name != "QueryNodesGone")


def test_agents_behind_come_oldest_first(answers: dict[str, Answer]) -> None:
    versions = [text or "" for text in column(answers["QueryAgentsBehind"], "agentversion")]
    assert list(dict.fromkeys(versions)) == ["3.1.1767.0", "3.2.1705", "3.2.2222.0", "3.3.40.0", "3.3.987.0"]
    assert set(column(answers["QueryAgentsBehind"], "newestversion")) == {"3.3.2299.0"}


def test_compliance_by_account_and_region(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    statuses: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for node in counted(nodes):
        statuses[node.account, node.region][status(node)] += 1
    answer = answers["QueryComplianceByAccountAndRegion"]
    assert answer.columns == [
        *("accountid", "region", "nodes", "compliant", "noncompliant", "notscanned", "compliancepercent")
    ]
    assert [row[:-1] for row in answer.rows] == [
        (*place, str(counts.total()), *(str(counts[each]) for each in ("COMPLIANT", "NON_COMPLIANT", "NOT_SCANNED")))
        for place, counts in sorted(statuses.items())
    ]


@pytest.mark.parametrize(
    ("compliant", "nodes", "percent"),
    [
        (0, 7, "0.0"),
        (7, 7, "100.0"),
        (1, 3, "33.3"),
        (2, 3, "66.7"),
        (1, 16, "6.3"),  # 6.25
        (3, 16, "18.8"),  # 18.75
        (1, 8, "12.5"),
        (1999, 2000, "100.0"),  # 99.95
        (1, 2001, "0.0"),
    ],
)
def test_percent_is_rounded_half_up_to_one_digit(compliant: int, nodes: int, percent: str) -> None:
    assert standing_cells(Counter(COMPLIANT=compliant, NOT_SCANNED=nodes - compliant))[-1] == percent


def test_each_dimension_counts_every_node_once(answers: dict[str, Answer]) -> None:
    totals: dict[str | None, Counter[str]] = defaultdict(Counter)
    answer = answers["QueryComplianceByDimension"]
    for row in answer.rows:
        for name in ("nodes", "compliant", "noncompliant", "notscanned"):
            totals[row[0]][name] += int(row[answer.columns.index(name)] or 0)
    assert list(totals) == ["account", "baseline", "osversion", "patchgroup", "platform", "region"]
    assert len({tuple(sorted(total.items())) for total in totals.values()}) == 1
    assert totals["account"]["nodes"] == len(answers["QueryNodes"].rows)
    assert {row[1] for row in answer.rows if row[0] == "platform"} == {"Windows", "Linux", "MacOS", "(none)"}


def test_coverage(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    expected = []
    for place in sorted(PLACES):
        there = [node for node in counted(nodes) if (node.account, node.region) == place]
        scanned = sum(status(node) != "NOT_SCANNED" for node in there)
        known = sum(bool(node.of("InstanceDetailedInformation") or node.of("Application")) for node in there)
        newest = max(last_seen(node) or "" for node in there)
        expected.append((*place, str(len(there)), str(scanned), str(known), newest))
    assert answers["QueryCoverageByAccountAndRegion"].rows == expected


def test_patches_by_state(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    alive = [node for node in nodes.values() if node.information.get("InstanceStatus") != "Terminated"]
    items = [(node, item) for node in alive for item in node.patches]
    failed = Counter((node.id, item["Id"]) for node, item in items if state(item) == "Failed")
    answer = answers["QueryFailedPatches"]
    assert Counter(zip(column(answer, "resourceid"), column(answer, "id"), strict=True)) == failed
    missing: dict[tuple[str, str], list[tuple[NodeFiles, Line]]] = defaultdict(list)
    for node, item in items:
        if state(item) == "Missing":
            missing[item["Id"], item["Title"]].append((node, item))
    answer = answers["QueryTopMissingPatches"]
    assert {row[:2] for row in answer.rows} == missing.keys()
    levels = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED")
    order = []
    for patch_id, title, _, severity, _, count, accounts, cve_ids in answer.rows:
        found = missing[patch_id or "", title or ""]
        assert (count, accounts) == (str(len(found)), str(len({node.account for node, _ in found})))
        assert severity == min((item["Severity"] for _, item in found), key=levels.index)
        assert sorted((cve_ids or "").split(",")) == sorted(found[0][1].get("CVEIds", "").split(","))
        order.append((-len(found), levels.index(severity or ""), patch_id, title))
    assert order == sorted(order)
    assert any(len({item["Severity"] for _, item in found}) > 1 for found in missing.values())
    by_node = answers["QueryNonCompliantPatchByNode"]
    per_state = Counter((n.id, i["PatchState"]) for n, i in items if i["Status"] == "NON_COMPLIANT")
    keys = zip(column(by_node, "resourceid"), column(by_node, "patchstate"), strict=True)
    assert dict(zip(keys, column(by_node, "patches"), strict=True)) == {key: str(n) for key, n in per_state.items()}
    for ids, count in zip(column(by_node, "ids"), column(by_node, "patches"), strict=True):
        assert ids and ids.split(", ") == sorted(ids.split(", ")) and len(ids.split(", ")) == int(count or 0)


def test_silent_accounts() -> None:
    fleet = Fleet(1, ACCOUNTS, REGIONS, 120, NOW, ACCOUNTS[1:2])
    nodes = [node for node in read(fleet).values() if node.account == ACCOUNTS[1] and last_seen(node)]
    newest = max(last_seen(node) or "" for node in nodes)
    row = (ACCOUNTS[1], str(len(nodes)), newest, str(days_until_now(newest)))
    for days, rows in ((30, [row]), (days_until_now(newest) - 1, [row]), (days_until_now(newest) + 1, [])):
        assert fleet.answers(["QuerySilentAccounts"], None, days)["QuerySilentAccounts"].rows == rows


def test_a_day_has_24_hours_and_more_than_30_days_is_a_second_more() -> None:
    fleet = make(len(CASES))
    (time,) = {row[-2] for row in fleet.answers()["QueryNodesGone"].rows[:1]}
    at = datetime.fromisoformat((time or "")[:-1]).replace(tzinfo=timezone.utc) + timedelta(days=50)
    for moment, days in ((at - timedelta(seconds=1), "49"), (at, "50"), (at + timedelta(hours=23), "50")):
        assert fleet.answers(at=moment)["QueryNodesGone"].rows[0][-1] == days
    newest = max(time or "" for time in column(fleet.answers()["QueryNodes"], "lastscan"))
    at = datetime.fromisoformat(newest[:-1]).replace(tzinfo=timezone.utc) + timedelta(days=30)
    stale, a_second_later = (
        column(fleet.answers(at=moment)["QueryStaleScans"], "lastscan") for moment in (at, at + timedelta(seconds=1))
    )
    assert newest not in stale and newest in a_second_later


def test_order_is_by_code_point_with_null_last() -> None:
    values = ["a", None, "", "\N{ROCKET}", "\N{FULLWIDTH LATIN SMALL LETTER Z}", "B"]
    ordered = in_order([(value,) for value in values], ["value"], ["value"])
    assert [value for (value,) in ordered] == ["", "B", "a", "\uff5a", "\U0001f680", None]


def test_terminated_nodes_are_in_no_answer(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    terminated = {node.id for node in nodes.values() if node.information.get("InstanceStatus") == "Terminated"}
    assert any(nodes[node].patches for node in terminated) and any(not nodes[node].patches for node in terminated)
    for name in set(NAMES) - {"QueryNodesGone"}:
        assert not terminated & {value for row in answers[name].rows for value in row}, name


def test_a_node_without_instance_information_is_kept(nodes: dict[str, NodeFiles], answers: dict[str, Answer]) -> None:
    unregistered = {node.id for node in nodes.values() if not node.information and node.patches}
    assert unregistered
    of_registered = {"QueryInstanceList", "QueryActiveInstances"}
    for name in QUERIES.keys() - of_registered:
        assert unregistered <= {row[2] for row in answers[name].rows}, name
    for name in of_registered:
        assert not unregistered & {row[2] for row in answers[name].rows}


def test_summary_adds_up(fleet: Fleet, answers: dict[str, Answer]) -> None:
    summary = fleet.summary()
    parts = summary.by_account_and_region.values()
    assert list(summary.by_account_and_region) == sorted(PLACES)
    for name in ("nodes", "compliant", "non_compliant", "not_scanned"):
        assert getattr(summary.total, name) == sum(getattr(part, name) for part in parts) > 0
    assert summary.total.nodes == len(answers["QueryNodes"].rows)


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
    assert node.called == "COMPLIANT"
    assert make(1).answers()["QueryComplianceByAccountAndRegion"].rows == [
        ("210987654321", "us-east-1", "1", "1", "0", "0", "100.0")
    ]


def test_nothing_where_the_fleet_is_not() -> None:
    assert list(make(50).files("999999999999", "us-east-1")) == []
    assert list(make(50).files(PLACES[0][0], "ap-south-1")) == []
