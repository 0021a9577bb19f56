"""What the operators' scripts decide from what AWS has told them: scripts/lib's programs, on made-up facts.

The facts are in the form in which the scripts write them down; that the scripts do is for test_scripts_lifecycle.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from operator_scripts import ROOT

LIB = ROOT / "scripts" / "lib"
MANAGEMENT, FIRST, SECOND = "999999999999", "210987654321", "345678901234"
TYPES = ("AWS:InstanceInformation", "AWS:Application", "AWS:ComplianceSummary", "AWS:PatchSummary")
CRAWL = {"Status": "SUCCEEDED", "StartTime": "2026-01-15T00:00:00+00:00"}


def program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs one of the programs of scripts/lib to its end."""
    return subprocess.run([sys.executable, str(LIB / name), *arguments], capture_output=True, text=True)


# --- verify


def ago(hours: float) -> str:
    """A time as the AWS CLI v1 prints it."""
    return (datetime.now(timezone.utc) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@dataclass
class Facts:
    """What scripts/verify has read of two accounts, one Region and the management account: all is well."""

    settings: dict[str, str] = field(
        default_factory=lambda: {
            "central_account": "111122223333",
            "central_region": "us-east-1",
            "stack": "patch-reporting",
            "stack_status": "UPDATE_COMPLETE",
            "stack_set": "sync",
            "bucket": "bucket",
            "prefix": "folder",
            "regions": "us-east-1",
            "max_age_hours": "48",
            "inventory": "1",
            "member_role": "",
            "management_account": MANAGEMENT,
            "accounts_from": "organization",
            "tables": "13",
        }
    )
    accounts: list[str] = field(default_factory=lambda: [MANAGEMENT, FIRST, SECOND])
    instances: dict[str, tuple[str, str]] | None = field(
        default_factory=lambda: {FIRST: ("SUCCEEDED", "None"), SECOND: ("SUCCEEDED", "None")}
    )
    objects: list[tuple[str, str, str, str]] = field(
        default_factory=lambda: [(kind, account, "us-east-1", ago(1)) for account in (FIRST, SECOND) for kind in TYPES]
    )
    syncs: dict[str, tuple[str, str]] = field(default_factory=dict)
    below: list[str] = field(default_factory=list)
    crawler: dict[str, Any] = field(default_factory=lambda: {"Name": "crawler", "State": "READY", "LastCrawl": CRAWL})
    queries: list[tuple[str, str, str]] = field(default_factory=lambda: [("Query", "SUCCEEDED", "None")])

    def without(self, account: str, *kinds: str) -> None:
        """Takes an account's files away, of some types or all."""
        self.objects = [each for each in self.objects if each[1] != account or (kinds and each[0] not in kinds)]

    def judged(self, folder: Path) -> tuple[int, dict[str, Any]]:
        """The exit status and the document."""
        lines = {
            "settings": [f"{name}\t{value}" for name, value in self.settings.items()],
            "accounts": [f"{account}\tname of {account}" for account in self.accounts],
            "objects": [f"{kind}\t{account}\t{region}\t3\t{newest}" for kind, account, region, newest in self.objects],
            "syncs": [f"{account}\tus-east-1\t{status}\t{text}" for account, (status, text) in self.syncs.items()],
            "below": self.below,
            "queries": ["\t".join(query) for query in self.queries],
            "crawler.json": [json.dumps(self.crawler)],
        }
        if self.instances is not None:
            lines["instances"] = [
                f"{account}\tus-east-1\t{status}\tou-a1b2-11111111\t{reason}"
                for account, (status, reason) in self.instances.items()
            ]
        for name, content in lines.items():
            (folder / name).write_text("".join(f"{line}\n" for line in content))
        done = program("verify.py", "report", str(folder), "--json")
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)


def test_facts_of_an_organization_in_order_are_no_problem(tmp_path: Path) -> None:
    status, document = Facts().judged(tmp_path)
    assert (status, document["ok"], document["problems"], document["turn_on"]) == (0, True, [], [])
    assert any("management account" in each for each in document["notes"])


def with_old_files(facts: Facts) -> None:
    facts.objects = [(kind, account, region, ago(49)) for kind, account, region, _ in facts.objects if account == FIRST]
    facts.objects += [(kind, SECOND, "us-east-1", ago(47)) for kind in TYPES]


def with_one_fresh_type(facts: Facts) -> None:
    facts.objects = [(kind, account, "us-east-1", ago(100)) for kind, account, *_ in facts.objects]
    facts.objects += [("AWS:Tag", account, "us-east-1", ago(1)) for account in (FIRST, SECOND)]


def with_nothing_from_the_first(facts: Facts) -> None:
    facts.without(FIRST)


def with_the_probe_only_from_the_first(facts: Facts) -> None:
    facts.without(FIRST)
    facts.objects.append(("AWS:InstanceInformation", FIRST, "-", ago(300)))


def with_a_sync_without_nodes(facts: Facts) -> None:
    facts.without(FIRST)
    facts.syncs = {FIRST: ("Successful", "None")}


def with_a_failed_sync(facts: Facts) -> None:
    facts.syncs = {FIRST: ("Failed", "S3 write failed for bucket bucket")}


def with_an_unreadable_sync(facts: Facts) -> None:
    facts.syncs = {FIRST: ("Unknown", "AccessDenied")}


def without_an_instance(facts: Facts) -> None:
    facts.without(FIRST)
    facts.instances = {SECOND: ("SUCCEEDED", "None")}


def without_an_instance_that_ships(facts: Facts) -> None:
    facts.instances = {SECOND: ("SUCCEEDED", "None")}


def with_a_failed_instance(facts: Facts) -> None:
    facts.instances = {FIRST: ("FAILED", "no code"), SECOND: ("SUCCEEDED", "None")}


def with_a_suspended_account(facts: Facts) -> None:
    facts.instances = {FIRST: ("SKIPPED_SUSPENDED_ACCOUNT", "None"), SECOND: ("SUCCEEDED", "None")}


def with_no_view_of_the_stack_set(facts: Facts) -> None:
    facts.instances = None


def with_a_stranger(facts: Facts) -> None:
    facts.objects.append(("AWS:Tag", "567890123456", "us-east-1", ago(1)))


def without_accounts(facts: Facts) -> None:
    facts.accounts, facts.objects, facts.instances = [], [], None
    facts.settings["accounts_from"] = "bucket"


def with_a_stack_that_was_rolled_back(facts: Facts) -> None:
    facts.settings["stack_status"] = "UPDATE_ROLLBACK_COMPLETE"


def with_a_crawler_that_never_ran(facts: Facts) -> None:
    del facts.crawler["LastCrawl"]


def with_a_crawler_that_runs_for_the_first_time(facts: Facts) -> None:
    del facts.crawler["LastCrawl"]
    facts.crawler["State"] = "RUNNING"


def without_tables(facts: Facts) -> None:
    facts.settings["tables"] = "0"
    facts.queries = []


def with_an_outdated_instance(facts: Facts) -> None:
    facts.instances = {FIRST: ("OUTDATED", "None"), SECOND: ("SUCCEEDED", "None")}


def with_a_failed_crawl(facts: Facts) -> None:
    facts.crawler["LastCrawl"] = {**CRAWL, "Status": "FAILED", "ErrorMessage": "denied", "LogGroup": "group"}


def with_a_failed_query(facts: Facts) -> None:
    facts.queries.append(("Other", "FAILED", "TABLE_NOT_FOUND: line 1:15"))


@pytest.mark.parametrize(
    ("change", "problem", "note"),
    [
        (with_old_files, f"{FIRST} us-east-1: the newest file is 49 h old", None),
        (with_one_fresh_type, None, None),
        (with_nothing_from_the_first, f"{FIRST} us-east-1: nothing has arrived", None),
        (with_the_probe_only_from_the_first, None, f"{FIRST} us-east-1: the sync can write, but no node has reported"),
        (with_a_sync_without_nodes, None, f"{FIRST} us-east-1: the sync can write, but no node has reported"),
        (with_a_failed_sync, f"{FIRST} us-east-1: sync Failed: S3 write failed for bucket bucket", None),
        (with_an_unreadable_sync, None, f"{FIRST} us-east-1: sync Unknown: AccessDenied"),
        (without_an_instance, f"{FIRST} us-east-1: no stack instance, and nothing has arrived", None),
        (without_an_instance_that_ships, None, f"{FIRST} us-east-1: files arrive without a stack instance"),
        (with_a_failed_instance, f"{FIRST} us-east-1: stack instance FAILED: no code", None),
        (with_a_suspended_account, None, f"{FIRST} us-east-1: stack instance SKIPPED_SUSPENDED_ACCOUNT"),
        (with_no_view_of_the_stack_set, None, None),
        (with_a_stranger, None, "files of accounts that are not active in the organization: 567890123456"),
        (without_accounts, "there is no account to look at: nothing has arrived", None),
        (with_a_stack_that_was_rolled_back, "the stack patch-reporting is UPDATE_ROLLBACK_COMPLETE", None),
        (with_a_crawler_that_never_ran, "the crawler crawler has never run", None),
        (with_a_crawler_that_runs_for_the_first_time, "the crawler crawler is running for the first time", None),
        (without_tables, "the database has no table, so no query can run", None),
        (
            with_an_outdated_instance,
            f"{FIRST} us-east-1: stack instance OUTDATED: a change of the StackSet has not reached it",
            None,
        ),
        (with_a_failed_crawl, "the last crawl of crawler FAILED: denied (log: group", None),
        (with_a_failed_query, "query Other FAILED: TABLE_NOT_FOUND: line 1:15", None),
    ],
)
def test_each_fault_is_one_problem_and_what_is_none_is_none(
    tmp_path: Path, change: Any, problem: str | None, note: str | None
) -> None:
    facts = Facts()
    change(facts)
    status, document = facts.judged(tmp_path)
    assert len(document["problems"]) == (problem is not None), document["problems"]
    assert (status, document["ok"]) == ((1, False) if problem else (0, True))
    if problem:
        assert document["problems"][0].startswith(problem)
    if note:
        assert any(each.startswith(note) for each in document["notes"]), document["notes"]


@pytest.mark.parametrize(
    "printed",
    [
        lambda: ago(1),
        lambda: ago(1).replace(".000Z", "+00:00"),
        lambda: str(datetime.now().timestamp() - 3600),
    ],
    ids=["Z", "offset", "epoch"],
)
def test_times_are_read_as_either_version_of_the_aws_cli_prints_them(
    tmp_path: Path, printed: Callable[[], str]
) -> None:
    facts, text = Facts(), printed()
    facts.objects = [(kind, account, region, text) for kind, account, region, _ in facts.objects]
    _, document = facts.judged(tmp_path)
    assert {each["newest_hours_ago"] for each in document["members"] if each["types"]} == {1.0}


@pytest.mark.parametrize(
    ("missing", "turned_on"),
    [
        (["AWS:Application"], ["inventory"]),
        (["AWS:PatchSummary"], []),
        (["AWS:ComplianceSummary", "AWS:PatchSummary"], ["scan"]),
        (["AWS:Application", "AWS:ComplianceSummary", "AWS:PatchSummary"], ["inventory", "scan"]),
    ],
)
def test_what_nodes_do_not_report_is_named_where_it_is_missing(
    tmp_path: Path, missing: list[str], turned_on: list[str]
) -> None:
    facts = Facts()
    facts.without(FIRST, *missing)
    status, document = facts.judged(tmp_path)
    assert [each["what"] for each in document["turn_on"]] == turned_on
    assert status == (1 if turned_on else 0)
    assert all(each["where"] == [f"{FIRST} us-east-1"] for each in document["turn_on"])


def test_inventory_is_not_missed_by_those_who_want_none(tmp_path: Path) -> None:
    facts = Facts()
    facts.settings["inventory"] = ""
    facts.without(FIRST, "AWS:Application")
    status, document = facts.judged(tmp_path)
    assert (status, document["turn_on"]) == (0, [])
    assert [each["missing_types"] for each in document["members"]] == [[], [], []]


def with_the_first_outside(facts: Facts) -> None:
    """Its account is active, and not below the units."""
    facts.below = [SECOND]
    facts.without(FIRST)
    facts.instances = {SECOND: ("SUCCEEDED", "None")}


def test_accounts_outside_of_the_units_are_named_and_no_problem(tmp_path: Path) -> None:
    facts = Facts()
    with_the_first_outside(facts)
    facts.syncs = {FIRST: ("Unknown", "AccessDenied"), SECOND: ("Successful", "None")}
    status, document = facts.judged(tmp_path)
    assert (status, document["problems"], document["accounts_outside"]) == (0, [], [FIRST])
    assert {each["account"] for each in document["members"]} == {SECOND, MANAGEMENT}
    assert f"accounts outside of the StackSet's units, which ship nothing: 1 ({FIRST})" in document["notes"]


def test_files_from_outside_of_the_units_are_judged_as_all_others(tmp_path: Path) -> None:
    facts = Facts()
    with_the_first_outside(facts)
    facts.objects += [(kind, FIRST, "us-east-1", ago(100)) for kind in TYPES]
    status, document = facts.judged(tmp_path)
    assert (status, document["accounts_outside"]) == (1, [])
    assert document["problems"] == [f"{FIRST} us-east-1: the newest file is 4 d old"]


def test_accounts_that_the_operator_names_are_to_ship_wherever_they_are(tmp_path: Path) -> None:
    facts = Facts()
    with_the_first_outside(facts)
    facts.accounts = [FIRST]
    facts.settings["accounts_from"] = "--accounts"
    _, document = facts.judged(tmp_path)
    assert document["problems"] == [f"{FIRST} us-east-1: no stack instance, and nothing has arrived"]


def test_the_table_is_short_and_the_reasons_stand_below_it(tmp_path: Path) -> None:
    facts = Facts()
    facts.instances = {FIRST: ("FAILED", "no code: " + "x" * 200), SECOND: ("SUCCEEDED", "None")}
    facts.without(SECOND, "AWS:PatchSummary", "AWS:ComplianceSummary")
    facts.judged(tmp_path)
    done = program("verify.py", "report", str(tmp_path))
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert rows[FIRST].endswith("  stack instance FAILED")
    assert "  2, no AWS:ComplianceSummary, no AWS:PatchSummary  " in rows[SECOND]
    assert f"problem: {FIRST} us-east-1: stack instance FAILED: no code: xxx" in done.stdout
    assert done.stdout.rstrip().endswith("2 problems")


# --- teardown


def still_shipping(
    folder: Path, objects: list[tuple[str, str, float]], instances: list[str], removed: list[str], gone: str = ""
) -> list[str]:
    """Who teardown says may still ship; objects by account, Region and age in hours."""
    lines = [f"AWS:Tag\t{account}\t{region}\t1\t{ago(hours)}" for account, region, hours in objects]
    for name, content in (("objects", lines), ("instances", instances), ("removed", removed)):
        (folder / name).write_text("".join(f"{line}\n" for line in content))
    done = program("teardown.py", *(str(folder / name) for name in ("objects", "instances", "removed")), gone)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


HOME = "us-east-1"


@pytest.mark.parametrize(
    ("objects", "instances", "removed", "gone", "expected"),
    [
        pytest.param([(FIRST, HOME, 1)], [f"{FIRST}\t{HOME}\tSUCCEEDED"], [], "", [], id="it has an instance"),
        pytest.param(
            [(FIRST, HOME, 2), (FIRST, HOME, 24 * 90)],
            [f"{FIRST}\teu-west-1\tSUCCEEDED"],
            [],
            "",
            [f"{FIRST}\t{HOME}\t2 h"],
            id="its instance is in another Region",
        ),
        pytest.param(
            [(FIRST, HOME, 24 * 90)], [], [], "", [f"{FIRST}\t{HOME}\t90 d"], id="nothing has come for three months"
        ),
        pytest.param([(FIRST, "-", 24 * 90)], [], [], "", [f"{FIRST}\t-\t90 d"], id="only SSM's test has come"),
        pytest.param(
            [(FIRST, "-", 1)], [f"{FIRST}\teu-west-1\tSUCCEEDED"], [], "", [], id="SSM's test of one with an instance"
        ),
        pytest.param(
            [(FIRST, "-", 2), (FIRST, HOME, 3)],
            [],
            [],
            "",
            [f"{FIRST}\t{HOME}\t3 h"],
            id="named once, by its Region",
        ),
        pytest.param([(FIRST, HOME, 1)], [], [f"{FIRST}\t{HOME}\tFalse"], "", [], id="StackSets has removed it"),
        pytest.param(
            [(FIRST, HOME, 3)],
            [],
            [f"{FIRST}\t{HOME}\tTrue", f"{FIRST}\t{HOME}\tFalse"],
            "",
            [f"{FIRST}\t{HOME}\t3 h"],
            id="StackSets has let go of it, and its stack is there",
        ),
        pytest.param(
            [(FIRST, HOME, 3)], [], [f"{FIRST}\t{HOME}\tNone"], "", [f"{FIRST}\t{HOME}\t3 h"], id="nobody says which"
        ),
        pytest.param(
            [(FIRST, HOME, 3), (SECOND, HOME, 3)],
            [],
            [],
            f"{FIRST},{MANAGEMENT}",
            [f"{SECOND}\t{HOME}\t3 h"],
            id="vouched",
        ),
    ],
)
def test_whoever_may_still_ship_is_named_however_old_the_files_are(
    tmp_path: Path,
    objects: list[tuple[str, str, float]],
    instances: list[str],
    removed: list[str],
    gone: str,
    expected: list[str],
) -> None:
    assert still_shipping(tmp_path, objects, instances, removed, gone) == expected


# --- the packages


@pytest.mark.parametrize(
    ("bootstrap", "expected"),
    [
        (b"\x7fELF" + bytes(14) + b"\x3e\x00", "x86_64"),
        (b"\x7fELF" + bytes(14) + b"\xb7\x00", "arm64"),
        (b"\x7fELF" + bytes(14) + b"\xf3\x00", "machine 243"),
        (b"\xcf\xfa\xed\xfe" + bytes(16), "something else than Linux"),
    ],
)
def test_the_processor_of_a_package_is_the_executables(tmp_path: Path, bootstrap: bytes, expected: str) -> None:
    """https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html: e_machine is 62 and 183."""
    package = tmp_path / "bootstrap.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("bootstrap", bootstrap)
    assert program("package.py", str(package)).stdout.strip() == expected


@pytest.mark.parametrize("content", [b"", b"no zip"])
def test_what_is_no_package_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bootstrap.zip").write_bytes(content)
    done = program("package.py", str(tmp_path / "bootstrap.zip"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "bootstrap.zip: " in done.stderr


# --- deploy-members

TEMPLATE = ROOT / "cfn" / "organization-resource-data-sync.yaml"
UNIT, OTHER_UNIT = "ou-a1b2-11111111", "ou-a1b2-44444444"


def stack_set(**changes: Any) -> str:
    """DescribeStackSet's answer for a StackSet that is as it shall be."""
    found = {
        "TemplateBody": TEMPLATE.read_text(),
        "Parameters": [{"ParameterKey": "S3BucketName", "ParameterValue": "bucket"}],
        "Capabilities": ["CAPABILITY_IAM"],
        "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
        "ManagedExecution": {"Active": True},
        "OrganizationalUnitIds": [UNIT],
        "Regions": ["us-east-1", "eu-west-1"],
    }
    return json.dumps({"StackSet": {**found, **changes}})


def parameters(**values: str) -> list[dict[str, str]]:
    """Parameters in CloudFormation's form."""
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


@pytest.mark.parametrize(
    ("before", "given", "expected"),
    [
        ("", ["S3BucketName=b"], {"S3BucketName": "b"}),
        (stack_set(), ["S3BucketName=bucket"], None),
        (stack_set(TemplateBody=TEMPLATE.read_text().rstrip()), ["S3BucketName=bucket"], None),
        (stack_set(), ["S3BucketName=b=c"], {"S3BucketName": "b=c"}),
        (stack_set(TemplateBody="Resources: {}"), ["S3BucketName=bucket"], {"S3BucketName": "bucket"}),
        (stack_set(AutoDeployment={"Enabled": False}), ["S3BucketName=bucket"], {"S3BucketName": "bucket"}),
        (stack_set(ManagedExecution={"Active": False}), ["S3BucketName=bucket"], {"S3BucketName": "bucket"}),
        (stack_set(ManagedExecution=None), ["S3BucketName=bucket"], {"S3BucketName": "bucket"}),
        # A value that somebody has given stays, a parameter that the template has dropped goes.
        (stack_set(Parameters=parameters(S3BucketName="bucket", RolePath="/x/")), ["S3BucketName=bucket"], None),
        (
            stack_set(Parameters=parameters(S3BucketName="a", RolePath="/x/", Dropped="y")),
            ["S3BucketName=b"],
            {"S3BucketName": "b", "RolePath": "/x/"},
        ),
        (stack_set(Parameters=parameters(S3BucketName="bucket", Dropped="y")), [], {"S3BucketName": "bucket"}),
    ],
    ids=[
        "there is none yet",
        "as it shall be",
        "but for blanks at the end",
        "another value",
        "another template",
        "no automatic deployment",
        "no managed execution",
        "managed execution never set",
        "a value that is not given stays",
        "a parameter that the template has dropped goes, with a change",
        "a parameter that the template has dropped goes",
    ],
)
def test_the_stack_set_is_changed_only_where_it_differs(
    tmp_path: Path, before: str, given: list[str], expected: dict[str, str] | None
) -> None:
    described = tmp_path / "set"
    described.write_text(before)
    done = program("stack_set.py", "settings", str(TEMPLATE), str(described), *given)
    assert done.returncode == 0, done.stderr
    if expected is None:
        assert done.stdout.strip() == ""
    else:
        found = json.loads(done.stdout)
        assert {each["ParameterKey"]: each["ParameterValue"] for each in found} == expected


GOOD = [f"{account}\t{region}\tSUCCEEDED" for account in (FIRST, SECOND) for region in ("us-east-1", "eu-west-1")]


@pytest.mark.parametrize(
    ("described", "instances", "accounts", "units", "only", "expected"),
    [
        pytest.param("", [], [FIRST], UNIT, "", ["create\tus-east-1,eu-west-1\t-"], id="nothing is there"),
        pytest.param(stack_set(), GOOD, [FIRST, SECOND], UNIT, "", [], id="all is there"),
        pytest.param(stack_set(), GOOD[:3], [FIRST, SECOND], UNIT, "", ["create\teu-west-1\t-"], id="one is missing"),
        pytest.param(stack_set(), GOOD[:2], [FIRST], UNIT, FIRST, [], id="only what is asked for counts"),
        pytest.param(
            stack_set(), GOOD[1:], [FIRST], UNIT, FIRST, [f"create\tus-east-1\t{FIRST}"], id="one account's is missing"
        ),
        pytest.param(
            stack_set(),
            [*GOOD[:3], f"{SECOND}\teu-west-1\tFAILED"],
            [FIRST, SECOND],
            UNIT,
            "",
            [f"retry\teu-west-1\t{SECOND}"],
            id="one has failed",
        ),
        pytest.param(
            stack_set(),
            [f"{FIRST}\tus-east-1\tCANCELLED", f"{FIRST}\teu-west-1\tFAILED"],
            [FIRST],
            UNIT,
            "",
            [f"retry\tus-east-1,eu-west-1\t{FIRST}"],
            id="the same account failed in two Regions",
        ),
        pytest.param(
            stack_set(),
            [*GOOD[:3], f"{SECOND}\teu-west-1\tSKIPPED_SUSPENDED_ACCOUNT"],
            [FIRST, SECOND],
            UNIT,
            "",
            [],
            id="a suspended account is not tried again",
        ),
        pytest.param(
            stack_set(),
            [*GOOD[:3], f"{SECOND}\teu-west-1\tFAILED"],
            [FIRST],
            UNIT,
            FIRST,
            [],
            id="an account that is not asked for is not tried again",
        ),
        pytest.param(
            stack_set(),
            GOOD,
            [FIRST, SECOND],
            f"{UNIT},{OTHER_UNIT}",
            "",
            ["create\tus-east-1,eu-west-1\t-"],
            id="a unit that StackSets does not know, for accounts to come",
        ),
        pytest.param(
            stack_set(Regions=["us-east-1"], OrganizationalUnitIds=[UNIT]),
            [],
            [],
            UNIT,
            "",
            ["create\teu-west-1\t-"],
            id="a Region that StackSets does not know, for accounts to come",
        ),
        pytest.param(
            stack_set(),
            GOOD,
            None,
            UNIT,
            "",
            ["create\tus-east-1,eu-west-1\t-"],
            id="nobody may say which accounts there are",
        ),
    ],
)
def test_only_what_is_missing_or_has_failed_is_worked_on(
    tmp_path: Path,
    described: str,
    instances: list[str],
    accounts: list[str] | None,
    units: str,
    only: str,
    expected: list[str],
) -> None:
    for name, lines in (("set", [described]), ("instances", instances), ("accounts", accounts or [])):
        (tmp_path / name).write_text("\n".join(lines))
    known = "" if accounts is None else str(tmp_path / "accounts")
    done = program(
        "stack_set.py",
        "work",
        str(tmp_path / "set"),
        str(tmp_path / "instances"),
        known,
        units,
        "us-east-1,eu-west-1",
        only,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == expected


def test_what_is_beyond_retry_is_grouped_so_that_no_other_instance_is_meant(tmp_path: Path) -> None:
    lines = [
        *GOOD[1:],
        f"{FIRST}\tus-east-1\tINOPERABLE",
        f"{MANAGEMENT}\tus-east-1\tINOPERABLE",
        f"{MANAGEMENT}\teu-west-1\tSKIPPED_SUSPENDED_ACCOUNT",
        f"{MANAGEMENT}\tus-west-2\tFAILED",
    ]
    (tmp_path / "instances").write_text("\n".join(lines))
    done = program("stack_set.py", "stuck", str(tmp_path / "instances"))
    assert done.stdout.splitlines() == [f"eu-west-1\t{MANAGEMENT}", f"us-east-1\t{FIRST},{MANAGEMENT}"]


@pytest.mark.parametrize(
    ("described", "expected"), [("", []), (stack_set(), ["us-east-1", "eu-west-1"])], ids=["no set", "a set"]
)
def test_the_regions_that_the_stack_set_has_are_listed(tmp_path: Path, described: str, expected: list[str]) -> None:
    (tmp_path / "set").write_text(described)
    assert program("stack_set.py", "list", str(tmp_path / "set"), "Regions").stdout.split() == expected
