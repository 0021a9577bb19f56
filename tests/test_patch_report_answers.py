"""The command patch-report on the local AWS: what it writes is what the fleet says of itself."""

from __future__ import annotations

import base64
import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployment import ROOT, Central
from patch_report import QUERIES, TOP, Written, place, run

KEY_IN_DOCUMENT = re.compile(r"arn:aws:kms:[^\"]+")


def documented_policy(key_arn: str) -> dict[str, Any]:
    """The policy of docs/report.md, which has the names of a central stack in this account and Region, for its key."""
    (text,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "report.md").read_text(), re.DOTALL)
    return json.loads(KEY_IN_DOCUMENT.sub(key_arn, text))


def place_of(node: dict[str, Any]) -> tuple[str, str, str]:
    return node["account"], node["region"], node["id"]


def number(text: str | None) -> int | None:
    return None if text is None else int(text)


def test_the_command_succeeds_and_says_so_in_one_line(written: Written) -> None:
    assert written.done.returncode == 0, written.done
    nodes = written.answer("QueryNodes")
    counts = Counter(row["status"] for row in nodes)
    assert re.fullmatch(
        rf"report\.html: {len(nodes)} nodes, {counts['COMPLIANT']} compliant \(.+ %\), "
        rf"{counts['NON_COMPLIANT']} non-compliant, {counts['NOT_SCANNED']} not scanned\n",
        written.done.stdout,
    )


def test_the_summary_has_the_fleets_own_numbers(written: Written) -> None:
    nodes = written.answer("QueryNodes")
    counts = Counter(row["status"] for row in nodes)
    scans = sorted(row["lastscan"] for row in nodes if row["lastscan"])
    summary = written.json["summary"]
    expected = {
        "nodes": len(nodes),
        "compliant": counts["COMPLIANT"],
        "nonCompliant": counts["NON_COMPLIANT"],
        "notScanned": counts["NOT_SCANNED"],
        "stale": sum(row["stale"] == "true" for row in nodes),
        "pendingReboot": len(written.answer("QueryPendingReboot")),
        "agentsBehind": len(written.answer("QueryAgentsBehind")),
        "newestScan": scans[-1],
        "oldestScan": scans[0],
        "staleAfterDays": 30,
        "incomplete": False,
    }
    assert {name: summary[name] for name in expected} == expected
    assert abs(summary["rate"] - 100 * counts["COMPLIANT"] / len(nodes)) <= 0.05
    rows = {query["name"]: (query["status"], query["rows"]) for query in summary["queries"]}
    assert rows == {name: ("SUCCEEDED", len(written.answers[name].rows)) for name in QUERIES}


def test_every_node_is_as_the_fleet_has_it(written: Written) -> None:
    waiting = {place(row) for row in written.answer("QueryPendingReboot")}
    behind = {place(row) for row in written.answer("QueryAgentsBehind")}
    expected = [
        {
            "account": row["accountid"],
            "region": row["region"],
            "id": row["resourceid"],
            "name": row["name"] or None,
            "computer": row["computername"] or None,
            "ip": row["ipaddress"] or None,
            "state": row["instancestatus"] or None,
            "platform": row["platform"] or None,
            "os": f"{row['platformname'] or ''} {row['platformversion'] or ''}".strip() or None,
            "agent": row["agentversion"] or None,
            "status": row["status"],
            "lastScan": row["lastscan"],
            "stale": row["stale"] == "true",
            "patchGroup": row["patchgroup"] or None,
            "baseline": row["baselineid"] or None,
            "severity": row["overallseverity"] or None,
            "missing": number(row["missingcount"]),
            "failed": number(row["failedcount"]),
            "pendingReboot": number(row["installedpendingrebootcount"]),
            "rejected": number(row["installedrejectedcount"]),
            "behind": place(row) in behind,
            "waiting": place(row) in waiting,
            "lastSeen": row["lastseen"],
            "tags": json.loads(row["tags"] or "{}"),
        }
        for row in written.answer("QueryNodes")
    ]
    found = [{name: value for name, value in node.items() if name != "findings"} for node in written.json["nodes"]]
    assert found == expected


def test_every_finding_is_on_its_node(written: Written) -> None:
    expected = defaultdict(list)
    for row in written.answer("QueryNonCompliantPatch"):
        expected[place(row)].append(
            (row["id"], row["title"], row["classification"], row["severity"], row["patchstate"], row["cveids"] or "")
        )
    nodes = [*written.json["nodes"], *written.json["others"]]
    found = {
        place_of(node): sorted(
            [
                (*(one[name] for name in ("id", "title", "classification", "severity", "state")), ",".join(one["cves"]))
                for one in node["findings"]
            ],
            key=repr,
        )
        for node in nodes
        if node["findings"]
    }
    assert found == {key: sorted(rows, key=repr) for key, rows in expected.items()}
    assert found


def test_silent_accounts_and_nodes_that_are_gone_are_listed(written: Written) -> None:
    silent, gone = written.json["silentAccounts"], written.json["gone"]
    assert [(one["account"], str(one["nodes"]), one["lastSeen"], str(one["days"])) for one in silent] == [
        (row["accountid"], row["nodes"], row["lastseen"], row["silentdays"])
        for row in written.answer("QuerySilentAccounts")
    ]
    assert [(place_of(one), one["name"], one["state"], one["lastSeen"], str(one["days"])) for one in gone] == [
        (place(row), row["computername"], row["instancestatus"], row["lastseen"], row["goneagedays"])
        for row in written.answer("QueryNodesGone")
    ]
    assert silent and gone


@pytest.mark.parametrize("name", QUERIES)
def test_a_file_of_values_has_every_row_and_column_of_its_query(written: Written, name: str) -> None:
    with (written.folder / "csv" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    answer = written.answers[name]
    assert header == answer.columns

    def without_tags(row: tuple[str | None, ...] | list[str]) -> list[str]:
        return ["" if value is None or column == "tags" else value for column, value in zip(header, row, strict=True)]

    assert [without_tags(row) for row in rows] == [without_tags(row) for row in answer.rows]


def test_the_page_has_the_same_data(written: Written) -> None:
    html = written.html
    summary = re.search(r'<script type="application/json" id="summary">(.*?)</script>', html)
    data = re.search(r'<script type="application/octet-stream" id="data">(.*?)</script>', html)
    assert summary and data
    assert json.loads(summary[1]) == written.json["summary"]
    columns = json.loads(gzip.decompress(base64.b64decode(data[1])))
    strings = columns["strings"]
    nodes, patches, findings = columns["nodes"], columns["patches"], columns["findings"]
    places = [tuple(strings[nodes[name][at]] for name in ("account", "region", "id")) for at in range(len(nodes["id"]))]
    assert places == [place(row) for row in written.answer("QueryNodes")]

    # The question of QueryTopMissingPatches, answered by the page's data.
    missing: Counter[tuple[str, str]] = Counter()
    left = iter(zip(findings["patch"], findings["state"], strict=True))
    for count in findings["count"]:
        patch = 0
        for _ in range(count):
            step, state = next(left)
            patch += step
            if strings[state].replace("_", "").lower() == "missing":
                missing[strings[patches["id"][patch]], strings[patches["title"][patch]]] += 1
    expected = {(row["id"] or "", row["title"] or ""): int(row["nodes"] or 0) for row in written.answer(TOP)}
    assert missing == expected


def test_a_rate_below_the_bound_is_exit_status_1(central: Central, tmp_path: Path, written: Written) -> None:
    workgroup = central.outputs["AthenaWorkGroupName"]
    done = run(central, tmp_path, "--workgroup", workgroup, "--out", "report.html", "--fail-under", "100")
    assert done.returncode == 1, done
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--workgroup", "nobodys-workgroup"), "nobodys-workgroup"),
        (("--workgroup", "{workgroup}", "--database", "nobodys_database"), "nobodys_database"),
        (("--workgroup", "{workgroup}", "--region", "eu-central-1"), "eu-central-1"),
    ],
)
def test_a_wrong_name_is_one_line_and_exit_status_4(
    central: Central, tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    given = [argument.format(workgroup=central.outputs["AthenaWorkGroupName"]) for argument in arguments]
    done = run(central, tmp_path, *given, "--out", "report.html")
    assert done.returncode == 4, done
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def reader(central: Central) -> Iterator[tuple[dict[str, str], Callable[[str | None], None]]]:
    """Credentials of a role in the central account, and what gives it the documented rights but one."""
    iam, name = central.client("iam"), "patch-report-reader"
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": central.account}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    session = central.client("sts").assume_role(RoleArn=arn, RoleSessionName="reader")["Credentials"]

    def grant(all_but: str | None) -> None:
        policy = documented_policy(central.outputs["KMSKeyArn"])
        if all_but:
            policy["Statement"].append({"Effect": "Deny", "Action": all_but, "Resource": "*"})
        iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=json.dumps(policy))

    yield (
        {
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
        },
        grant,
    )


@pytest.mark.parametrize(
    ("missing", "status", "told"),
    [
        (None, 0, "QueryNodes: "),
        ("athena:ListNamedQueries", 4, "athena:ListNamedQueries"),
        ("athena:BatchGetNamedQuery", 4, "athena:BatchGetNamedQuery"),
        ("athena:StartQueryExecution", 4, "athena:StartQueryExecution"),
        ("athena:GetQueryExecution", 4, "athena:GetQueryExecution"),
        ("glue:GetTables", 0, "glue:GetTables"),
        ("s3:GetObject", 4, "s3:GetObject"),
    ],
)
def test_a_right_that_is_missing_is_named(
    central: Central,
    written: Written,
    reader: tuple[dict[str, str], Callable[[str | None], None]],
    tmp_path: Path,
    missing: str | None,
    status: int,
    told: str,
) -> None:
    credentials, grant = reader
    grant(missing)
    workgroup = central.outputs["AthenaWorkGroupName"]
    done = run(central, tmp_path, "--workgroup", workgroup, "--out", "report.html", credentials=credentials)
    assert done.returncode == status, done
    assert told in done.stderr
