"""The fake AWS of the benchmark answers as AWS does, and our functions make the calls of it that they must make, and no
others but those that are told here.

Only counts, orders and ratios are asserted, no times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from bench import calls
from bench.aws import Aws
from bench.calls import LIST, STEPS, Step
from bench.cases import (
    COLUMN_DELETER,
    DATA_SYNC,
    SYNC_DESTINATION,
    SYNC_NAME,
    SYNC_PROPERTIES,
    Case,
    request,
)
from bench.runtime import ACCOUNT, REGION, Function, bootstrap
from bench.tables import DATABASE, PARTITION_KEYS, has_duplicate
from botocore_shapes import call

built = pytest.mark.skipif(
    not all(bootstrap(case.function).exists() for case in (DATA_SYNC, COLUMN_DELETER)),
    reason="the functions are not built: scripts/build",
)

# The steps that take more calls than the least, and which they take.
MORE_THAN_LEAST = {
    # The old sync may be about to vanish, for its deletion may have been the last thing that succeeded. One list can't
    # tell; another does, after the time that SSM is given for it.
    "Update back, the change before it had failed and was undone": [LIST, LIST],
}

# The syncs that are there after a step.
LEFT = {
    "Create, somebody else's sync is the organization's": ["somebody-elses"],
    "Update of the name": ["renamed"],
    "Delete of the old name after that": ["renamed"],
    "Delete": [],
    "Delete of what is gone": [],
    "Delete after a Create that failed": [],
}

_accounts = count(500_000_000_000)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """The fake AWS."""
    with Aws() as fake:
        yield fake


@pytest.fixture
def account(aws: Aws) -> str:
    """An account of the test's own, with nothing in it."""
    account = str(next(_accounts))
    aws.ask("set_up", account)
    return account


def client(aws: Aws, service: str, account: str, **config: Any) -> Any:
    """A boto3 client of the fake, which does not try again."""
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=aws.url(service),
        verify=str(aws.trusted),
        aws_access_key_id=account,
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def refusal(callable_: Callable[..., Any], **arguments: Any) -> str:
    """The error code that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        callable_(**arguments)
    return caught.value.response["Error"]["Code"]


# The fake.


def test_syncs_are_made_listed_in_pages_and_deleted(aws: Aws, account: str) -> None:
    ssm = client(aws, "ssm", account)
    standard = {name: value for name, value in SYNC_DESTINATION.items() if name != "DestinationDataSharing"}
    wanted = {"one": SYNC_DESTINATION} | dict.fromkeys(("two", "three", "four", "five"), standard)
    for name, destination in wanted.items():
        call(ssm, "CreateResourceDataSync", SyncName=name, SyncType="SyncToDestination", S3Destination=destination)
    create = ssm.create_resource_data_sync
    assert refusal(create, SyncName="one", S3Destination=standard) == "ResourceDataSyncAlreadyExistsException"
    assert refusal(create, SyncName="six", S3Destination=standard) == "ResourceDataSyncCountExceededException"

    first = call(ssm, "ListResourceDataSync", SyncType="SyncToDestination", MaxResults=3)
    rest = call(ssm, "ListResourceDataSync", SyncType="SyncToDestination", NextToken=first["NextToken"])
    items = first["ResourceDataSyncItems"] + rest["ResourceDataSyncItems"]
    assert [item["SyncName"] for item in items] == list(wanted)
    assert [item["S3Destination"] for item in items] == [standard] * 5, "the sharing is not told"
    assert {item["LastStatus"] for item in items} == {"InProgress"}

    call(ssm, "DeleteResourceDataSync", SyncName="one", SyncType="SyncToDestination")
    assert refusal(ssm.delete_resource_data_sync, SyncName="one") == "ResourceDataSyncNotFoundException"
    assert [sync["SyncName"] for sync in aws.ask("syncs", account)] == ["two", "three", "four", "five"]


def test_there_is_one_sync_of_an_organization(aws: Aws, account: str) -> None:
    ssm = client(aws, "ssm", account)
    ssm.create_resource_data_sync(SyncName="one", S3Destination=SYNC_DESTINATION)
    code = refusal(ssm.create_resource_data_sync, SyncName="two", S3Destination=SYNC_DESTINATION)
    assert code == "ResourceDataSyncCountExceededException"


def test_statuses_and_deletions_are_seen_late(aws: Aws, account: str) -> None:
    ssm = client(aws, "ssm", account)
    aws.ask("change", account, lists_until_status=2, lists_until_gone=1)
    ssm.create_resource_data_sync(SyncName="one", S3Destination=SYNC_DESTINATION)

    def seen() -> list[str]:
        return [item.get("LastStatus", "none") for item in ssm.list_resource_data_sync()["ResourceDataSyncItems"]]

    assert [seen() for _ in range(3)] == [["none"], ["none"], ["InProgress"]]
    ssm.delete_resource_data_sync(SyncName="one")
    assert [len(seen()) for _ in range(2)] == [1, 0]


def test_an_answer_gets_lost_and_the_call_is_carried_out(aws: Aws, account: str) -> None:
    ssm = client(aws, "ssm", account)
    aws.ask("set_up", account, lost={"CreateResourceDataSync": 1})
    with pytest.raises(Exception, match=r"Connection was closed|Could not connect"):
        ssm.create_resource_data_sync(SyncName="one", S3Destination=SYNC_DESTINATION)
    assert [sync["SyncName"] for sync in aws.ask("syncs", account)] == ["one"]
    assert aws.ask("take_calls", account) == [["ssm", "CreateResourceDataSync"]]


def test_calls_are_told_by_account_and_refused_of_strangers(aws: Aws, account: str) -> None:
    stranger = "400000000000"
    assert refusal(client(aws, "ssm", stranger).list_resource_data_sync) == "UnrecognizedClientException"
    client(aws, "ssm", account).list_resource_data_sync()
    assert aws.ask("take_calls", account) == [["ssm", "ListResourceDataSync"]]
    assert aws.ask("take_calls", account) == []
    aws.ask("set_up", account, refused=["ListResourceDataSync"])
    assert refusal(client(aws, "ssm", account).list_resource_data_sync) == "AccessDeniedException"


def test_tables_come_in_pages_of_a_hundred_and_are_replaced_as_a_whole(aws: Aws, account: str) -> None:
    glue = client(aws, "glue", account)
    assert aws.ask("put_tables", account, 250) == sum(map(has_duplicate, aws.ask("tables", account))) == 24
    pages = list(glue.get_paginator("get_tables").paginate(DatabaseName=DATABASE))
    assert [len(page["TableList"]) for page in pages] == [100, 100, 50]
    first = call(glue, "GetTables", DatabaseName=DATABASE)["TableList"][0]

    definition = {"Name": first["Name"], "StorageDescriptor": {"Columns": [{"Name": "one", "Type": "string"}]}}
    version = {"DatabaseName": DATABASE, "TableInput": definition, "VersionId": first["VersionId"]}
    call(glue, "UpdateTable", **version)
    assert refusal(glue.update_table, **version) == "ConcurrentModificationException"
    replaced = call(glue, "GetTable", DatabaseName=DATABASE, Name=first["Name"])["Table"]
    assert [column["Name"] for column in replaced["StorageDescriptor"]["Columns"]] == ["one"]
    assert "Parameters" in first
    assert "Parameters" not in replaced, "what is not sent is lost"
    assert replaced["VersionId"] == str(int(first["VersionId"]) + 1)

    call(glue, "CreateTable", DatabaseName=DATABASE, TableInput={"Name": "new"})
    create = {"DatabaseName": DATABASE, "TableInput": {"Name": "new"}}
    assert refusal(glue.create_table, **create) == "AlreadyExistsException"
    assert refusal(glue.get_table, DatabaseName=DATABASE, Name="none") == "EntityNotFoundException"
    assert refusal(glue.get_tables, DatabaseName="other") == "EntityNotFoundException"


def test_a_bucket_lists_its_versions_markers_and_uploads(aws: Aws, account: str) -> None:
    s3 = client(aws, "s3", account, s3={"addressing_style": "path"})
    bucket = {"Bucket": f"bucket-of-{account}", "ExpectedBucketOwner": account}
    keys = ["a/1 & 2", "a/b/3", "b/4", "c"]
    aws.ask("put_bucket", account, bucket["Bucket"], keys, markers=1, uploads=2)
    tags = call(s3, "GetBucketTagging", **bucket)["TagSet"]
    assert tags == [{"Key": "patch-reporting:empty-on-delete", "Value": "true"}]

    whole = call(s3, "ListObjectVersions", **bucket)
    assert [version["Key"] for version in whole["Versions"]] == [key for key in keys for _ in range(2)]
    assert [marker["Key"] for marker in whole["DeleteMarkers"]] == keys[:1]
    folders = call(s3, "ListObjectVersions", **bucket, Prefix="a/", Delimiter="/")
    assert [folder["Prefix"] for folder in folders["CommonPrefixes"]] == ["a/b/"]
    assert {version["Key"] for version in folders["Versions"]} == {keys[0]}

    paging = {"PageSize": 2}
    pages = list(s3.get_paginator("list_object_versions").paginate(**bucket, PaginationConfig=paging))
    paged = [version for page in pages for version in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    ids = {(version["Key"], version["VersionId"]) for version in whole["Versions"] + whole["DeleteMarkers"]}
    assert (len(pages), len(paged)) == (5, 9)
    assert {(version["Key"], version["VersionId"]) for version in paged} == ids

    uploads = call(s3, "ListMultipartUploads", **bucket)["Uploads"]
    assert [upload["Key"] for upload in uploads] == keys[:2]
    abort = {"Key": uploads[0]["Key"], "UploadId": uploads[0]["UploadId"]}
    call(s3, "AbortMultipartUpload", **bucket, **abort)
    assert refusal(s3.abort_multipart_upload, **bucket, **abort) == "NoSuchUpload"

    objects = [{"Key": key, "VersionId": version} for key, version in sorted(ids)]
    deleted = call(s3, "DeleteObjects", **bucket, Delete={"Objects": objects[:8]})
    assert len(deleted["Deleted"]) == 8
    assert aws.ask("left_in_bucket", bucket["Bucket"]) == 2, "a version and an upload"
    too_many = {"Objects": objects[:1] * 1001}
    assert refusal(s3.delete_objects, **bucket, Delete=too_many) == "MalformedXML"
    assert refusal(s3.get_bucket_tagging, Bucket="none") == "NoSuchBucket"
    assert refusal(s3.get_bucket_tagging, Bucket=bucket["Bucket"], ExpectedBucketOwner=ACCOUNT) == "AccessDenied"


def test_a_stack_has_a_status(aws: Aws, account: str) -> None:
    aws.ask("change", account, stack_status="DELETE_IN_PROGRESS")
    arn = f"arn:aws:cloudformation:{REGION}:{account}:stack/some/1"
    [stack] = call(client(aws, "cloudformation", account), "DescribeStacks", StackName=arn)["Stacks"]
    assert (stack["StackId"], stack["StackName"], stack["StackStatus"]) == (arn, "some", "DELETE_IN_PROGRESS")


def test_every_request_takes_as_long_as_is_set(aws: Aws, account: str) -> None:
    ssm = client(aws, "ssm", account)
    ssm.list_resource_data_sync()
    aws.ask("set_delay", 0.05)
    started = time.monotonic()
    ssm.list_resource_data_sync()
    took = time.monotonic() - started
    aws.ask("set_delay", 0.0)
    assert took >= 0.05


# Our functions.


@pytest.fixture(scope="module")
def taken(aws: Aws) -> dict[str, dict[str, Any]]:
    """What each step came to, by its name."""
    return {taken["step"]: taken for taken in calls.take_steps(aws)}


@built
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_makes_no_call_without_cause(step: Step, taken: dict[str, dict[str, Any]]) -> None:
    found = taken[step.name]
    assert found["error"] is None
    assert found["calls"] == MORE_THAN_LEAST.get(step.name, list(step.least))


@built
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_is_answered_once_and_leaves_what_it_should(step: Step, taken: dict[str, dict[str, Any]]) -> None:
    found = taken[step.name]
    assert found["before"] == ["SUCCESS"] * len(step.before)
    assert found["answers"] == [step.status], found["reasons"]
    assert found["syncs"] == LEFT.get(step.name, [SYNC_NAME])


def test_what_is_told_of_steps_is_of_steps_that_there_are() -> None:
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)
    assert {*MORE_THAN_LEAST, *LEFT} <= set(names)
    assert all(len(MORE_THAN_LEAST[step.name]) > len(step.least) for step in STEPS if step.name in MORE_THAN_LEAST)


def python_of(case: Case, aws: Aws, account: str) -> Function:
    """The Python function of a case."""
    return Function(case.plain_python(), case.python_environment(aws, account))


def rust_of(case: Case, aws: Aws, account: str) -> Function:
    """Our function of a case."""
    return Function(case.rust(), case.environment(aws, account))


@built
def test_both_data_syncs_lead_the_same_life(aws: Aws) -> None:
    changed = SYNC_PROPERTIES | {"S3BucketPrefix": "Other"}
    renamed = changed | {"ResourceDataSyncName": "renamed"}
    life: list[tuple[str, dict[str, Any]]] = [
        ("Create", {"ResourceProperties": SYNC_PROPERTIES}),
        (
            "Update",
            {"PhysicalResourceId": SYNC_NAME, "OldResourceProperties": SYNC_PROPERTIES, "ResourceProperties": changed},
        ),
        ("Update", {"PhysicalResourceId": SYNC_NAME, "OldResourceProperties": changed, "ResourceProperties": renamed}),
        ("Delete", {"PhysicalResourceId": SYNC_NAME, "ResourceProperties": changed}),
        ("Delete", {"PhysicalResourceId": "renamed", "ResourceProperties": renamed}),
    ]

    def lead(start: Callable[[Case, Aws, str], Function]) -> list[tuple[str, dict[str, Any], list[Any]]]:
        account = str(next(_accounts))
        aws.ask("set_up", account)
        states = []
        with start(DATA_SYNC, aws, account) as function:
            for kind, members in life:
                assert function.invoke(request(aws, kind, account, **members)).error is None
                [answer] = aws.ask("take_answers", account)
                told = {name: answer.get(name) or None for name in ("Status", "PhysicalResourceId", "Data")}
                states.append((kind, told, aws.ask("syncs", account)))
        return states

    with ThreadPoolExecutor() as pool:
        lives = list(pool.map(lead, (rust_of, python_of)))
    assert lives[0] == lives[1]
    assert [len(syncs) for _, _, syncs in lives[0]] == [1, 1, 1, 1, 0]


@pytest.fixture(scope="module")
def repaired(aws: Aws) -> dict[tuple[int, str], dict[str, Any]]:
    """The runs of the column deleters by number of tables and kind, each with the tables that it left."""
    runs = {}
    for tables in calls.CATALOGS:
        for kind, command, environment in [
            (calls.RUST, COLUMN_DELETER.rust(), COLUMN_DELETER.environment(aws)),
            (calls.PYTHON, COLUMN_DELETER.plain_python(), COLUMN_DELETER.python_environment(aws)),
        ]:
            run = calls.repair_catalog(aws, tables, command, environment)
            runs[tables, kind] = run | {"left": aws.ask("tables", ACCOUNT)}
    return runs


@built
@pytest.mark.parametrize("kind", [calls.RUST, calls.PYTHON])
@pytest.mark.parametrize("tables", calls.CATALOGS)
def test_a_catalog_takes_one_call_for_each_page_and_each_change(
    tables: int, kind: str, repaired: dict[tuple[int, str], dict[str, Any]]
) -> None:
    run = repaired[tables, kind]
    assert 0 < run["to_repair"] < tables
    assert run["repair"]["calls"] == {"GetTables": -(-tables // 100), "UpdateTable": run["to_repair"]}
    assert run["nothing"]["calls"] == {"GetTables": -(-tables // 100)}


@built
@pytest.mark.parametrize("tables", calls.CATALOGS)
def test_of_each_table_only_the_duplicate_is_gone(
    aws: Aws, account: str, tables: int, repaired: dict[tuple[int, str], dict[str, Any]]
) -> None:
    aws.ask("put_tables", account, tables)
    expected = []
    for table in aws.ask("tables", account):
        columns = table["StorageDescriptor"]["Columns"]
        kept = [column for column in columns if column["Name"] not in PARTITION_KEYS]
        expected.append((table["Name"], table["Parameters"], table["PartitionKeys"], kept))
    for kind in (calls.RUST, calls.PYTHON):
        left = repaired[tables, kind]["left"]
        found = [(it["Name"], it["Parameters"], it["PartitionKeys"], it["StorageDescriptor"]["Columns"]) for it in left]
        assert found == expected, kind


@built
def test_a_large_catalog_takes_a_part_of_pythons_memory_and_cpu(
    repaired: dict[tuple[int, str], dict[str, Any]],
) -> None:
    ours, theirs = (repaired[calls.CATALOGS[-1], kind] for kind in (calls.RUST, calls.PYTHON))
    assert ours["peak_rss"] <= theirs["peak_rss"] / 3
    assert ours["repair"]["cpu"] <= theirs["repair"]["cpu"] / 2
    # Of most tables nothing is kept: 385 times as many take less than three times as much.
    assert ours["peak_rss"] <= repaired[calls.CATALOGS[0], calls.RUST]["peak_rss"] * 3


def test_the_tables_tell_counts_and_least() -> None:
    steps = [
        {"step": "one", "calls": ["Create", "List"], "least": ["Create"], "seconds": 1.04, "answers": ["SUCCESS"]},
        {"step": "two", "calls": [], "least": [], "seconds": 0.0, "answers": ["FAILED"]},
    ]
    figures = {"seconds": 1.0, "cpu": 0.5}
    runs = [
        {
            "tables": tables,
            "kind": kind,
            "to_repair": 7,
            "repair": {**figures, "calls": {"GetTables": -(-tables // 100), "UpdateTable": 7}},
            "nothing": {**figures, "calls": {"GetTables": -(-tables // 100) + (kind == calls.PYTHON)}},
            "peak_rss": 7 * 1024**2,
        }
        for tables in calls.CATALOGS
        for kind in (calls.RUST, calls.PYTHON)
    ]
    life, catalogs = calls.tables({"steps": steps, "catalogs": runs})
    assert life.rows == [
        ["one", "Create, List", "2", "1", "1.0", "SUCCESS"],
        ["two", "none", "0", "0", "0.0", "FAILED"],
    ]
    assert [(row[0], row[1], row[3]) for row in catalogs.rows] == [
        ("13 after a crawl", "Rust", "yes"),
        ("13 after a crawl", "Python", "yes"),
        ("13 once more", "Rust", "yes"),
        ("13 once more", "Python", "NO"),
        ("5,000 after a crawl", "Rust", "yes"),
        ("5,000 after a crawl", "Python", "yes"),
        ("5,000 once more", "Rust", "yes"),
        ("5,000 once more", "Python", "NO"),
    ]
    assert all(len(row) == len(catalogs.columns) for row in catalogs.rows)
