"""What a report shows when a file of the inventory bucket is not as it should be, and how one finds and mends it.

Either nothing: no node comes in and none goes missing. Or every saved query that reads the file's type of inventory
fails, and Athena's reason names the object; then putting the file right is all there is to do, without a crawl. On the
real templates, crawler and column deleter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import arrivals
from deployment import Central, QueryFailed
from fleet import Fleet
from local_aws.server import LocalAws
from organization import MEMBER_ACCOUNTS, ORGANIZATION, REGIONS, SYNC_PREFIX
from right_answers import assert_right

IGNORE = "ignore.malformed.json"


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return Fleet(1, MEMBER_ACCOUNTS, REGIONS, 24, "2026-01-15T12:00:00Z")


@pytest.fixture(scope="module")
def deployed() -> Iterator[Central]:
    """The central stack."""
    with LocalAws(ORGANIZATION) as server:
        central = Central(server)
        central.deploy()
        yield central


@pytest.fixture
def central(deployed: Central, fleet: Fleet) -> Iterator[Central]:
    """The stack with the fleet's files, crawled, and no others when the test is done."""
    if not arrivals.tables(deployed):
        arrivals.put(deployed, arrivals.files(fleet))
        arrivals.crawl(deployed)
    yield deployed
    arrivals.put(deployed, arrivals.files(fleet))
    known = {f"{SYNC_PREFIX}/{key}" for key in arrivals.files(fleet)}
    s3 = deployed.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=deployed.sync_bucket):
        for key in {item["Key"] for item in page["Contents"]} - known:
            s3.delete_object(Bucket=deployed.sync_bucket, Key=key)


@pytest.fixture
def emptied(deployed: Central) -> Iterator[Central]:
    """The stack as it is after its creation, before and after the test."""
    arrivals.forget(deployed)
    glue, crawler = deployed.client("glue"), deployed.outputs["GlueCrawlerName"]
    policy = glue.get_crawler(Name=crawler)["Crawler"]["SchemaChangePolicy"]
    yield deployed
    glue.update_crawler(Name=crawler, SchemaChangePolicy=policy)
    arrivals.forget(deployed)


def files_of(fleet: Fleet, kind: str) -> dict[str, bytes]:
    """The first account's files of one type."""
    return arrivals.files(fleet, lambda it, account: it == kind and account == fleet.accounts[0])


def one_file(fleet: Fleet, kind: str) -> tuple[str, bytes]:
    return min(files_of(fleet, kind).items())


def readers(central: Central, table: str) -> set[str]:
    """The saved queries that read a table."""
    return {name for name, query in central.saved_queries().items() if table in query["QueryString"]}


def upper_case(content: bytes) -> bytes:
    """The lines with every attribute in capitals."""
    rows = [json.loads(line) for line in content.decode().splitlines()]
    return "".join(json.dumps({name.upper(): value for name, value in row.items()}) + "\n" for row in rows).encode()


def with_more(content: bytes) -> bytes:
    """The lines with attributes that nobody knows, one of them named like a partition key."""
    rows = [json.loads(line) for line in content.decode().splitlines()]
    more = {"accountid": "999999999999", "New": {"a": [1, None]}}
    return "".join(json.dumps(row | more) + "\n" for row in rows).encode()


@pytest.mark.parametrize(
    "changed",
    [
        lambda content: content.replace(b"\n", b"\n\n"),
        lambda content: b"\n \n" + content,
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.removesuffix(b"\n"),
        lambda content: b"# test\n" + content,
        upper_case,
        with_more,
    ],
    ids=[
        "blank lines",
        "blank lines at the beginning",
        "crlf",
        "bom",
        "no newline at the end",
        "a line that is no JSON at all",
        "attributes in capitals",
        "unknown attributes",
    ],
)
def test_no_node_comes_or_goes_with_files_of_another_form(
    central: Central, fleet: Fleet, changed: Callable[[bytes], bytes]
) -> None:
    theirs = arrivals.files(fleet, lambda kind, account: account == fleet.accounts[0])
    arrivals.put(central, {key: changed(content) for key, content in theirs.items()})
    assert_right(central, fleet)


def test_files_that_hold_nothing_are_nothing(central: Central, fleet: Fleet) -> None:
    folders = {key.rpartition("/")[0] for key in arrivals.files(fleet)}
    odd = {"empty.json": b"", "test.json": b"test", "_marker": b"{", ".hidden.json": b"{", "deeper/empty.json": b"\n"}
    arrivals.put(central, {f"{folder}/{name}": content for folder in folders for name, content in odd.items()})
    assert_right(central, fleet)


@pytest.mark.parametrize(
    ("kind", "table"),
    [("AWS:PatchSummary", "aws_patchsummary"), ("AWS:InstanceInformation", "aws_instanceinformation")],
)
@pytest.mark.parametrize(
    "broken",
    [
        lambda content: content + b'{"resourceId":"i-0',
        lambda content: json.dumps(json.loads(content.splitlines()[0]), indent=1).encode(),
    ],
    ids=["a line cut off", "spread over lines"],
)
def test_a_broken_line_fails_the_queries_of_its_type_and_the_reason_names_the_object(
    central: Central, fleet: Fleet, kind: str, table: str, broken: Callable[[bytes], bytes]
) -> None:
    key, content = one_file(fleet, kind)
    arrivals.put(central, {key: broken(content)})

    expected = f"HIVE_CURSOR_ERROR: Failed to read file at s3://{central.sync_bucket}/{SYNC_PREFIX}/{key}"
    assert arrivals.failures(central) == dict.fromkeys(readers(central, table), expected)
    # A filter that leaves the file's account out is not harmed, and counting alone looks into no file.
    others = f"SELECT count(resourceid) FROM {table} WHERE accountid <> '{fleet.accounts[0]}'"
    assert central.run_query(others).rows > [("0",)]
    assert central.run_query(f"SELECT count(*) FROM {table}").rows > [("0",)]

    arrivals.put(central, {key: content})
    assert_right(central, fleet)


def test_deleting_the_broken_version_brings_the_one_before_back(central: Central, fleet: Fleet) -> None:
    key, content = one_file(fleet, "AWS:PatchSummary")
    place = {"Bucket": central.sync_bucket, "Key": f"{SYNC_PREFIX}/{key}"}
    s3 = central.client("s3")
    broken = s3.put_object(**place, Body=content + b"{")["VersionId"]
    assert arrivals.failures(central)
    s3.delete_object(**place, VersionId=broken)
    assert_right(central, fleet)


def test_of_several_broken_files_one_is_named_after_the_other(central: Central, fleet: Fleet) -> None:
    broken = sorted(files_of(fleet, "AWS:PatchSummary"))[:3]
    arrivals.put(central, {key: b'{"resourceId":' for key in broken})
    named = []
    for _ in broken:
        with pytest.raises(QueryFailed) as failed:
            central.run_query("SELECT count(resourceid) FROM aws_patchsummary")
        key = str(failed.value).partition(f"/{SYNC_PREFIX}/")[2]
        named.append(key)
        arrivals.put(central, {key: files_of(fleet, "AWS:PatchSummary")[key]})
    assert sorted(named) == broken
    assert_right(central, fleet)


# With the SerDe's parameter ignore.malformed.json the same line is a row of NULLs instead.


def table_input(central: Central, table: str) -> dict[str, Any]:
    """The table's definition in the form in which it can be written back."""
    found = central.client("glue").get_table(DatabaseName=central.outputs["GlueDatabaseName"], Name=table)["Table"]
    members = ("Name", "Owner", "Retention", "TableType", "PartitionKeys", "Parameters", "StorageDescriptor")
    return {member: found[member] for member in members if member in found}


def ignoring(storage: dict[str, Any]) -> dict[str, Any]:
    """A StorageDescriptor whose SerDe is told to ignore malformed lines."""
    serde = storage["SerdeInfo"]
    return {**storage, "SerdeInfo": {**serde, "Parameters": {**serde.get("Parameters", {}), IGNORE: "true"}}}


def ignores(entity: dict[str, Any]) -> bool:
    return entity["StorageDescriptor"]["SerdeInfo"].get("Parameters", {}).get(IGNORE) == "true"


def set_on_table(central: Central, table: str) -> None:
    definition = table_input(central, table)
    definition["StorageDescriptor"] = ignoring(definition["StorageDescriptor"])
    central.client("glue").update_table(DatabaseName=central.outputs["GlueDatabaseName"], TableInput=definition)


def set_on_partitions(central: Central, table: str) -> None:
    for partition in central.partitions(table):
        central.client("glue").update_partition(
            DatabaseName=central.outputs["GlueDatabaseName"],
            TableName=table,
            PartitionValueList=partition["Values"],
            PartitionInput={
                "Values": partition["Values"],
                "StorageDescriptor": ignoring(partition["StorageDescriptor"]),
                "Parameters": partition.get("Parameters", {}),
            },
        )


def test_ignored_lines_hide_a_node_from_every_query_but_the_one_for_the_object(emptied: Central, fleet: Fleet) -> None:
    """Why the template does not set it: the report goes on without the node and without a word."""
    central = emptied
    arrivals.put(central, arrivals.files(fleet))
    arrivals.crawl(central)
    key, _ = one_file(fleet, "AWS:PatchSummary")
    arrivals.put(central, {key: b'{"resourceId":"i-0'})
    set_on_table(central, "aws_patchsummary")
    assert arrivals.failures(central).keys() == readers(central, "aws_patchsummary"), "known partitions go on so"

    set_on_partitions(central, "aws_patchsummary")
    node = key.rpartition("/")[2].removesuffix(".json")
    answer = fleet.answers()["QueryPatchSummary"]
    shown = central.run_saved_query(central.saved_queries()["QueryPatchSummary"])
    assert shown.rows == [row for row in answer.rows if row[answer.columns.index("resourceid")] != node]
    assert len(shown.rows) == len(answer.rows) - 1

    found = central.run_query("""SELECT "$path", count(*) FROM aws_patchsummary WHERE resourceid IS NULL GROUP BY 1""")
    assert found.rows == [(f"s3://{central.sync_bucket}/{SYNC_PREFIX}/{key}", "1")]


@pytest.mark.parametrize(
    ("behavior", "kept"), [("LOG", True), ("UPDATE_IN_DATABASE", False)], ids=["log", "update in database"]
)
def test_whether_a_parameter_of_the_serde_outlives_the_next_crawl(
    emptied: Central, fleet: Fleet, behavior: str, kept: bool
) -> None:
    """UPDATE_IN_DATABASE removes "any metadata that is not set by the crawler":
    https://docs.aws.amazon.com/glue/latest/dg/crawler-configuration.html"""
    central = emptied
    glue, crawler = central.client("glue"), central.outputs["GlueCrawlerName"]
    policy = glue.get_crawler(Name=crawler)["Crawler"]["SchemaChangePolicy"]
    assert policy["UpdateBehavior"] == "LOG"
    glue.update_crawler(Name=crawler, SchemaChangePolicy={**policy, "UpdateBehavior": behavior})
    arrivals.put(central, arrivals.files(fleet, lambda kind, account: account == fleet.accounts[0]))
    arrivals.crawl(central)
    before = [partition["Values"] for partition in central.partitions("aws_tag")]
    set_on_table(central, "aws_tag")

    # The rest of the organization arrives.
    arrivals.put(central, arrivals.files(fleet))
    for _ in range(2):
        arrivals.crawl(central)
        assert ignores(table_input(central, "aws_tag")) is kept
    new = [each for each in central.partitions("aws_tag") if each["Values"] not in before]
    assert new
    # InheritFromTable.
    assert [ignores(partition) for partition in new] == [kept] * len(new)
