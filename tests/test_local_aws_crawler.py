"""The crawler finds what Glue's would, under its role, and tells EventBridge."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import crawler_layout
from local_aws.crawler_schema import SchemaReader
from local_aws.server import LocalAws

ACCOUNT = "555500000002"
BUCKET = "crawled-data"
LEVEL_3 = {"Version": 1.0, "Grouping": {"TableLevelConfiguration": 3}}
INHERIT = {"CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}
MERGE = {"CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}}
COMBINE = {"Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"}}

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "glue.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }
    ],
}
ACTIONS = [
    "s3:ListBucket",
    "s3:GetObject",
    "kms:Decrypt",
    "glue:GetDatabase",
    "glue:GetTable",
    "glue:CreateTable",
    "glue:UpdateTable",
    "glue:DeleteTable",
    "glue:BatchGetPartition",
    "glue:BatchCreatePartition",
    "glue:UpdatePartition",
    "glue:BatchDeletePartition",
]


@dataclass
class World:
    """One test's prefix of the bucket, its database, role and crawler."""

    aws: LocalAws
    name: str

    def __post_init__(self) -> None:
        self.s3 = self.aws.client("s3", ACCOUNT)
        self.glue = self.aws.client("glue", ACCOUNT)
        self.iam = self.aws.client("iam", ACCOUNT)

    def put(self, path: str, *lines: dict[str, Any] | str, **options: str) -> None:
        """Write an object of JSON lines below the test's prefix."""
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        self.s3.put_object(Bucket=BUCKET, Key=f"{self.name}/{path}", Body=text, **options)

    def delete(self, path: str) -> None:
        self.s3.delete_object(Bucket=BUCKET, Key=f"{self.name}/{path}")

    def grant(self, *actions: str) -> None:
        """Make these the only actions that the crawler's role may do."""
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        self.iam.put_role_policy(
            RoleName=self.name, PolicyName="crawl", PolicyDocument=json.dumps({"Statement": [statement]})
        )

    def create(self, *configurations: dict[str, Any], exclusions: tuple[str, ...] = (), **options: Any) -> None:
        """Make the database, the role and the crawler."""
        merged: dict[str, Any] = {"Version": 1.0}
        for configuration in configurations:
            for section, content in configuration.items():
                merged[section] = {**merged.get(section, {}), **content} if isinstance(content, dict) else content
        self.glue.create_database(DatabaseInput={"Name": self.name})
        role = self.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        self.grant(*ACTIONS)
        self.glue.create_crawler(
            Name=self.name,
            Role=role,
            DatabaseName=self.name,
            Targets={"S3Targets": [{"Path": f"s3://{BUCKET}/{self.name}/", "Exclusions": list(exclusions)}]},
            Configuration=json.dumps(merged),
            **options,
        )

    def crawl(self) -> dict[str, Any]:
        """Run the crawler to its end; returns LastCrawl."""
        self.glue.start_crawler(Name=self.name)
        return self.ended()

    def ended(self) -> dict[str, Any]:
        """Wait for the end of a run; returns LastCrawl."""
        deadline = time.monotonic() + 30
        while (crawler := self.glue.get_crawler(Name=self.name)["Crawler"])["State"] != "READY":
            assert time.monotonic() < deadline, crawler
            time.sleep(0.02)
        return crawler["LastCrawl"]

    def crawled(self) -> dict[str, dict[str, Any]]:
        """Run the crawler with success; returns the database's tables by name."""
        last = self.crawl()
        assert last["Status"] == "SUCCEEDED", last
        return {table["Name"]: table for table in self.glue.get_tables(DatabaseName=self.name)["TableList"]}

    def partitions(self, table: str) -> dict[tuple[str, ...], dict[str, Any]]:
        found = self.glue.get_partitions(DatabaseName=self.name, TableName=table)["Partitions"]
        return {tuple(partition["Values"]): partition for partition in found}


@pytest.fixture
def world(local_aws: LocalAws) -> World:
    local_aws.client("s3", ACCOUNT).create_bucket(Bucket=BUCKET)
    return World(local_aws, f"crawl{uuid.uuid4().hex[:12]}")


def columns(entity: dict[str, Any]) -> list[str]:
    return [column["Name"] for column in entity["StorageDescriptor"]["Columns"]]


def leaf(kind: str, account: str = "210987654321", region: str = "us-east-1", node: str = "i-1") -> str:
    return f"{kind}/accountid={account}/region={region}/resourcetype=ManagedInstanceInventory/{node}.json"


def test_the_synced_layout_becomes_one_table_a_type(world: World) -> None:
    for region in ("us-east-1", "eu-west-1"):
        world.put(
            leaf("AWS:InstanceInformation", region=region),
            {"AgentType": "amazon-ssm-agent", "ResourceType": "EC2Instance", "resourceId": "i-1"},
        )
        world.put(leaf("AWS:Tag", region=region), {"Key": "a", "Value": "b"}, {"Key": "a", "Extra": "c"})
    world.create(LEVEL_3)
    tables = world.crawled()

    assert sorted(tables) == ["aws_instanceinformation", "aws_tag"]
    table = tables["aws_instanceinformation"]
    # The collision: the attribute ResourceType beside the partition key resourcetype.
    assert columns(table) == ["agenttype", "resourcetype", "resourceid"]
    assert table["PartitionKeys"] == [
        {"Name": name, "Type": "string"} for name in ("accountid", "region", "resourcetype")
    ]
    storage = table["StorageDescriptor"]
    assert storage["Location"] == f"s3://{BUCKET}/{world.name}/AWS:InstanceInformation/"
    assert storage["SerdeInfo"] == {
        "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
        "Parameters": {"paths": "AgentType,ResourceType,resourceId"},
    }
    assert {column["Type"] for column in storage["Columns"]} == {"string"}
    assert (
        table["Parameters"].items()
        >= {
            "classification": "json",
            "compressionType": "none",
            "typeOfData": "file",
            "UPDATED_BY_CRAWLER": world.name,
            "objectCount": "2",
            "recordCount": "2",
        }.items()
    )
    assert table["CreatedBy"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{world.name}/AWS-Crawler"
    assert columns(tables["aws_tag"]) == ["key", "value", "extra"]

    partitions = world.partitions("aws_instanceinformation")
    values = ("210987654321", "eu-west-1", "ManagedInstanceInventory")
    assert sorted(partitions) == [values, ("210987654321", "us-east-1", "ManagedInstanceInventory")]
    assert partitions[values]["StorageDescriptor"]["Location"] == (
        storage["Location"] + "accountid=210987654321/region=eu-west-1/resourcetype=ManagedInstanceInventory/"
    )


def test_partitions_have_their_own_columns_unless_they_inherit(world: World) -> None:
    world.put(leaf("AWS:Tag", region="eu-west-1"), {"Key": "a"})
    world.put(leaf("AWS:Tag", region="us-east-1"), {"Value": "b"})
    world.create(LEVEL_3)
    assert columns(world.crawled()["aws_tag"]) == ["key", "value"]
    own = world.partitions("aws_tag")
    assert [columns(partition) for _, partition in sorted(own.items())] == [["key"], ["value"]]

    world.glue.update_crawler(Name=world.name, Configuration=json.dumps({"Version": 1.0, **LEVEL_3, **INHERIT}))
    world.crawled()
    inherited = world.partitions("aws_tag")
    assert [columns(partition) for _, partition in sorted(inherited.items())] == [["key", "value"], ["key", "value"]]


def test_what_no_line_of_json_is_in_does_no_harm(world: World) -> None:
    world.put(leaf("AWS:Tag", node="i-0"))
    world.put(leaf("AWS:Tag", node="i-1"), "", "{not json", "[1]", {"Key": "a"}, {"KEY": "b"})
    world.put(leaf("AWS:Network", node="i-0"))
    world.create(LEVEL_3)
    tables = world.crawled()
    assert columns(tables.pop("aws_tag")) == ["key"]
    assert not tables, "an empty object makes no table"


def test_types_are_inferred(world: World) -> None:
    rows = [{"i": 1, "big": 2**40, "f": 1.5, "b": True, "n": None, "a": [1], "o": {"x": "y"}, "mixed": 1, "wide": 1}]
    world.put("AWS:Typed/f.json", *rows, {"mixed": "text", "wide": 2.5})
    world.create(LEVEL_3)
    typed = world.crawled()["aws_typed"]["StorageDescriptor"]["Columns"]
    assert {column["Name"]: column["Type"] for column in typed} == {
        "i": "int",
        "big": "bigint",
        "f": "double",
        "b": "boolean",
        "n": "string",
        "a": "array<int>",
        "o": "struct<x:string>",
        "mixed": "string",
        "wide": "double",
    }


def test_the_file_above_the_partitions_is_a_table_of_its_own_unless_excluded(world: World) -> None:
    world.put(leaf("AWS:InstanceInformation"), {"AgentType": "amazon-ssm-agent"})
    world.put("AWS:InstanceInformation/accountid=210987654321/test.json", "test")
    world.create(LEVEL_3)
    tables = world.crawled()
    assert sorted(tables) == ["aws_instanceinformation", "test_json"]
    assert tables["test_json"]["Parameters"]["classification"] == "UNKNOWN"

    world.glue.delete_table(DatabaseName=world.name, Name="test_json")
    target = {"Path": f"s3://{BUCKET}/{world.name}/", "Exclusions": ["**/test.json"]}
    world.glue.update_crawler(Name=world.name, Targets={"S3Targets": [target]})
    assert sorted(world.crawled()) == ["aws_instanceinformation"]


@pytest.mark.parametrize(
    ("pattern", "path", "excluded"),
    [
        ("*.json", "a.json", True),
        ("*.json", "b/a.json", False),
        ("**.json", "b/a.json", True),
        ("**/test.json", "x/y/test.json", True),
        ("*/test.json", "x/y/test.json", False),
        ("AWS:Tag/**", "AWS:Tag/accountid=1/i.json", True),
        ("AWS:Tag/*", "AWS:Tag/accountid=1/i.json", False),
        ("a?.json", "ab.json", True),
        ("a?.json", "a/.json", False),
        ("[ab].json", "b.json", True),
        ("[!ab].json", "b.json", False),
        ("*.{csv,json}", "a.json", True),
        ("*.{csv,json}", "a.avro", False),
        ("a\\*.json", "a*.json", True),
        ("a\\*.json", "ab.json", False),
        ("a.json", "axjson", False),
    ],
)
def test_exclusions_are_globs(pattern: str, path: str, excluded: bool) -> None:
    assert bool(crawler_layout.exclusion(pattern).fullmatch(path)) is excluded


def test_similar_folders_merge_without_a_table_level(world: World) -> None:
    """The trap that TableLevelConfiguration is for."""
    for kind in ("AWS:Application", "AWS:AWSComponent"):
        world.put(leaf(kind), {"Name": "a", "Version": "1", "Publisher": "p", "Architecture": "x"})
    world.create()
    tables = world.crawled()
    assert list(tables) == [world.name]
    assert [key["Name"] for key in tables[world.name]["PartitionKeys"]] == [
        "partition_0",
        "accountid",
        "region",
        "resourcetype",
    ]
    assert {values[0] for values in world.partitions(world.name)} == {"AWS:Application", "AWS:AWSComponent"}


@pytest.mark.parametrize(("configuration", "expected"), [({}, 2), (COMBINE, 1)], ids=["dissimilar", "combined"])
def test_dissimilar_folders_stay_apart_unless_combined(
    world: World, configuration: dict[str, Any], expected: int
) -> None:
    world.put("AWS:Tag/f.json", {"Key": "a", "Value": "b"})
    world.put("AWS:Network/f.json", {"Name": "eth0", "IPV4": "10.0.0.1", "IPV6": "::1"})
    world.create(configuration)
    assert len(world.crawled()) == expected


def test_table_prefix_and_taken_names(world: World) -> None:
    world.put("AWS:Tag/f.json", {"Key": "a"})
    world.create(LEVEL_3, TablePrefix="Fleet-")
    world.glue.create_table(DatabaseName=world.name, TableInput={"Name": "fleet_aws_tag"})
    names = sorted(world.crawled())
    assert names[0] == "fleet_aws_tag"
    assert re.fullmatch(r"fleet_aws_tag_[0-9a-f]{32}", names[1])


def made_by_hand(world: World) -> dict[str, Any]:
    """A table as a crawler would make it, but by somebody else."""
    return {
        "Name": "aws_tag",
        "PartitionKeys": [{"Name": name, "Type": "string"} for name in ("accountid", "region", "resourcetype")],
        "Parameters": {"classification": "json", "compressionType": "none"},
        "StorageDescriptor": {
            "Columns": [{"Name": "key", "Type": "string"}],
            "Location": f"s3://{BUCKET}/{world.name}/AWS:Tag/",
        },
    }


def test_a_table_that_another_made_at_the_folder_is_gone_on_with(world: World) -> None:
    world.put(leaf("AWS:Tag"), {"Value": "v"})
    world.create(LEVEL_3, SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"})
    world.glue.create_table(DatabaseName=world.name, TableInput=made_by_hand(world))
    tables = world.crawled()
    assert list(tables) == ["aws_tag"]
    assert columns(tables["aws_tag"]) == ["key"], "the policy is LOG"
    assert len(world.partitions("aws_tag")) == 1


def test_a_crawler_that_makes_a_second_table_keeps_to_it() -> None:
    """The other behaviour that AWS's may be, by a setting."""
    with LocalAws(extra_env={"LOCAL_AWS_CRAWLER_ADOPTS_TABLES": "0"}) as server:
        server.client("s3", ACCOUNT).create_bucket(Bucket=BUCKET)
        world = World(server, "second")
        world.put(leaf("AWS:Tag"), {"Value": "v"})
        world.create(LEVEL_3, SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"})
        world.glue.create_table(DatabaseName=world.name, TableInput=made_by_hand(world))
        first, second = sorted(world.crawled())
        assert first == "aws_tag"
        assert re.fullmatch(r"aws_tag_[0-9a-f]{32}", second)
        assert not world.partitions(first)
        world.put(leaf("AWS:Tag", region="eu-west-1"), {"Value": "v"})
        assert sorted(world.crawled()) == [first, second]
        assert (len(world.partitions(first)), len(world.partitions(second))) == (0, 2)


def drop_column(world: World, table: dict[str, Any], name: str) -> None:
    """What the column deleter does, with a parameter of our own put in."""
    storage = table["StorageDescriptor"]
    kept = [column for column in storage["Columns"] if column["Name"] != name]
    world.glue.update_table(
        DatabaseName=world.name,
        TableInput={
            "Name": table["Name"],
            "PartitionKeys": table["PartitionKeys"],
            "Parameters": {**table["Parameters"], "ours": "1"},
            "StorageDescriptor": {**storage, "Columns": kept},
        },
    )


@pytest.mark.parametrize(
    ("behaviour", "configuration", "expected", "own_parameter_stays"),
    [
        ("UPDATE_IN_DATABASE", {}, ["agenttype", "resourcetype", "new"], False),
        ("UPDATE_IN_DATABASE", MERGE, ["agenttype", "resourcetype", "new"], True),
        ("LOG", {}, ["agenttype"], True),
    ],
    ids=["update", "merge", "log"],
)
def test_schema_change_policy(
    world: World, behaviour: str, configuration: dict[str, Any], expected: list[str], own_parameter_stays: bool
) -> None:
    world.put(leaf("AWS:InstanceInformation"), {"AgentType": "a", "ResourceType": "EC2Instance"})
    policy = {"UpdateBehavior": behaviour, "DeleteBehavior": "LOG"}
    world.create(LEVEL_3, configuration, SchemaChangePolicy=policy)
    drop_column(world, world.crawled()["aws_instanceinformation"], "resourcetype")
    world.put(
        leaf("AWS:InstanceInformation", region="eu-west-1"),
        {"AgentType": "a", "ResourceType": "EC2Instance", "New": "n"},
    )
    table = world.crawled()["aws_instanceinformation"]
    assert sorted(columns(table)) == sorted(expected)
    assert ("ours" in table["Parameters"]) is own_parameter_stays
    assert len(world.partitions("aws_instanceinformation")) == 2, "new partitions are registered whatever the policy"


def test_an_unchanged_table_gets_no_new_version(world: World) -> None:
    world.put(leaf("AWS:Tag"), {"Key": "a"})
    world.create(LEVEL_3)
    world.crawled()
    world.put(leaf("AWS:Tag", node="i-2"), {"Key": "b"})
    assert world.crawled()["aws_tag"]["VersionId"] == "0"


@pytest.mark.parametrize("behaviour", ["LOG", "DELETE_FROM_DATABASE", "DEPRECATE_IN_DATABASE"])
def test_delete_behaviour(world: World, behaviour: str) -> None:
    for region in ("us-east-1", "eu-west-1"):
        world.put(leaf("AWS:Tag", region=region), {"Key": "a"})
    world.put(leaf("AWS:Network"), {"Name": "eth0"})
    world.create(LEVEL_3, SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": behaviour})
    world.crawled()
    world.delete(leaf("AWS:Tag", region="eu-west-1"))
    world.delete(leaf("AWS:Network"))
    tables = world.crawled()
    partitions = world.partitions("aws_tag")
    gone = partitions.get(("210987654321", "eu-west-1", "ManagedInstanceInventory"))
    if behaviour == "DELETE_FROM_DATABASE":
        assert "aws_network" not in tables and gone is None
    else:
        deprecated = behaviour == "DEPRECATE_IN_DATABASE"
        assert ("DEPRECATED_BY_CRAWLER" in tables["aws_network"]["Parameters"]) is deprecated
        assert ("DEPRECATED_BY_CRAWLER" in gone["Parameters"]) is deprecated


def test_sample_size_limits_the_files_of_a_folder(world: World) -> None:
    world.put(leaf("AWS:Tag", node="i-1"), {"Key": "a"})
    world.put(leaf("AWS:Tag", node="i-2"), {"Value": "b"})
    world.create(LEVEL_3)
    target = {"Path": f"s3://{BUCKET}/{world.name}", "SampleSize": 1}
    world.glue.update_crawler(Name=world.name, Targets={"S3Targets": [target]})
    assert columns(world.crawled()["aws_tag"]) == ["key"]


def test_new_folders_only(world: World) -> None:
    world.put(leaf("AWS:Tag"), {"Key": "a"})
    world.create(LEVEL_3, RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"})
    world.crawled()
    world.put(leaf("AWS:Tag"), {"Key": "a", "Value": "b"})
    world.put(leaf("AWS:Tag", region="eu-west-1"), {"Key": "a"})
    assert columns(world.crawled()["aws_tag"]) == ["key"]
    assert len(world.partitions("aws_tag")) == 2


# The grants, each taken away in turn.


@pytest.mark.parametrize(
    "action",
    ["s3:ListBucket", "s3:GetObject", "glue:GetDatabase", "glue:CreateTable", "glue:BatchCreatePartition"],
)
def test_a_crawl_fails_without_the_grant(world: World, action: str) -> None:
    world.put(leaf("AWS:Tag"), {"Key": "a"})
    world.create(LEVEL_3)
    world.grant(*(set(ACTIONS) - {action}))
    last = world.crawl()
    assert last["Status"] == "FAILED"
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{world.name}/AWS-Crawler"
    assert last["ErrorMessage"].startswith(f"User: {session} is not authorized to perform: {action} on resource: ")
    assert f"because no identity-based policy allows the {action} action" in last["ErrorMessage"]
    assert "Status Code: 40" in last["ErrorMessage"]


@pytest.mark.parametrize("action", ["glue:UpdateTable", "glue:UpdatePartition"])
def test_a_repeated_crawl_fails_without_the_grant_to_update(world: World, action: str) -> None:
    world.put(leaf("AWS:Tag"), {"Key": "a"})
    world.create(LEVEL_3)
    world.crawled()
    world.put(leaf("AWS:Tag"), {"Key": "a", "Value": "b"})
    world.grant(*(set(ACTIONS) - {action}))
    assert f"is not authorized to perform: {action}" in world.crawl()["ErrorMessage"]


@pytest.fixture
def key(local_aws: LocalAws) -> Iterator[str]:
    yield local_aws.client("kms", ACCOUNT).create_key()["KeyMetadata"]["Arn"]


def test_a_crawl_of_encrypted_objects_needs_the_role_and_the_key_policy(
    local_aws: LocalAws, world: World, key: str
) -> None:
    world.put(leaf("AWS:Tag"), {"Key": "a"}, ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    world.create(LEVEL_3)
    world.grant(*(set(ACTIONS) - {"kms:Decrypt"}))
    assert f"is not authorized to perform: kms:Decrypt on resource: {key}" in world.crawl()["ErrorMessage"]

    world.grant(*ACTIONS)
    assert list(world.crawled()) == ["aws_tag"]

    without_decrypt = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:Put*", "Resource": "*"},
        ]
    }
    local_aws.client("kms", ACCOUNT).put_key_policy(
        KeyId=key,
        PolicyName="default",
        Policy=json.dumps(without_decrypt),
        BypassPolicyLockoutSafetyCheck=True,
    )
    assert "because no resource-based policy allows the kms:Decrypt action" in world.crawl()["ErrorMessage"]


def test_glue_must_be_able_to_assume_the_role(world: World) -> None:
    world.put(leaf("AWS:Tag"), {"Key": "a"})
    world.create(LEVEL_3)
    for trust in (
        {"Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "lambda.amazonaws.com"}}]},
        {
            "Statement": [
                {**TRUST["Statement"][0], "Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}}}
            ]
        },
    ):
        world.iam.update_assume_role_policy(RoleName=world.name, PolicyDocument=json.dumps(trust))
        role = f"arn:aws:iam::{ACCOUNT}:role/{world.name}"
        expected = f"Service is unable to assume role {role}. Please verify role's TrustPolicy"
        assert world.crawl().items() >= {"Status": "FAILED", "ErrorMessage": expected}.items()
        with pytest.raises(ClientError, match="Please verify role's TrustPolicy"):
            world.glue.update_crawler(Name=world.name, Role=role)


def test_the_managed_policy_lacks_only_the_data(world: World) -> None:
    world.put(leaf("AWS:Tag"), {"Key": "a"})
    world.create(LEVEL_3)
    policy = "arn:aws:iam::aws:policy/service-role/AWSGlueServiceRole"
    world.iam.attach_role_policy(RoleName=world.name, PolicyArn=policy)
    world.grant("sts:GetCallerIdentity")
    assert "s3:GetObject" in world.crawl()["ErrorMessage"]
    world.grant("s3:GetObject")
    assert list(world.crawled()) == ["aws_tag"]


def test_a_missing_bucket_or_database_fails_the_crawl(world: World) -> None:
    world.create(LEVEL_3)
    target = {"Path": "s3://no-such-bucket-at-all/x/"}
    world.glue.update_crawler(Name=world.name, Targets={"S3Targets": [target]})
    assert "Error Code: NoSuchBucket" in world.crawl()["ErrorMessage"]
    world.glue.delete_database(Name=world.name)
    assert world.crawl()["ErrorMessage"] == f"Database {world.name} not found."


def test_states_and_their_errors(world: World) -> None:
    for number in range(300):
        world.put(leaf("AWS:Tag", account=f"{number:012}"), {"Key": "a"})
    world.create(LEVEL_3)
    # A crawl of these takes but some milliseconds, so each call has one of its own.
    for call in (world.glue.start_crawler, world.glue.delete_crawler, world.glue.update_crawler):
        world.glue.start_crawler(Name=world.name)
        with pytest.raises(world.glue.exceptions.CrawlerRunningException):
            call(Name=world.name)
        world.ended()
    with pytest.raises(world.glue.exceptions.CrawlerNotRunningException):
        world.glue.stop_crawler(Name=world.name)
    with pytest.raises(world.glue.exceptions.EntityNotFoundException):
        world.glue.start_crawler(Name="no-such-crawler")


# Events.


@pytest.fixture
def events(local_aws: LocalAws) -> Iterator[Any]:
    """A function that returns the details of the crawler's events so far, from a queue that a rule feeds."""
    name = f"crawler-events-{uuid.uuid4().hex[:8]}"
    sqs, bus = local_aws.client("sqs", ACCOUNT), local_aws.client("events", ACCOUNT)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue,
            }
        ]
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    pattern = {"source": ["aws.glue"], "detail-type": ["Glue Crawler State Change"]}
    bus.put_rule(Name=name, EventPattern=json.dumps(pattern))
    bus.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue}])

    def of(crawler: str, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + 10
        while len(found) < count and time.monotonic() < deadline:
            for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
                event = json.loads(message["Body"])
                if event["detail"]["crawlerName"] == crawler:
                    found.append(event)
        return found

    yield of
    bus.remove_targets(Rule=name, Ids=["queue"])
    bus.delete_rule(Name=name)


def test_a_successful_run_is_told_to_eventbridge(world: World, events: Any) -> None:
    world.put(leaf("AWS:Tag"), {"Key": "a"})
    world.create(LEVEL_3)
    world.crawled()
    started, succeeded = sorted(events(world.name, 2), key=lambda event: event["detail"]["state"])
    assert started["account"] == ACCOUNT and started["resources"] == []
    assert started["detail"].keys() == {"accountId", "crawlerName", "startTime", "state", "message"}
    assert started["detail"]["state"] == "Started"
    detail = succeeded["detail"]
    assert all(isinstance(value, str) for value in detail.values())
    assert detail.keys() == {
        "tablesCreated",
        "tablesUpdated",
        "tablesDeleted",
        "partitionsCreated",
        "partitionsUpdated",
        "partitionsDeleted",
        "runningTime (sec)",
        "warningMessage",
        "message",
        "accountId",
        "crawlerName",
        "completionDate",
        "state",
        "cloudWatchLogLink",
    }
    assert (detail["state"], detail["tablesCreated"], detail["partitionsCreated"]) == ("Succeeded", "1", "1")


def test_a_failed_run_is_told_to_eventbridge(world: World, events: Any) -> None:
    world.put(leaf("AWS:Tag"), {"Key": "a"})
    world.create(LEVEL_3)
    world.grant("s3:ListBucket")
    message = world.crawl()["ErrorMessage"]
    failed = next(event["detail"] for event in events(world.name, 2) if event["detail"]["state"] == "Failed")
    assert failed.keys() == {"crawlerName", "errorMessage", "accountId", "cloudWatchLogLink", "state", "message"}
    assert (failed["errorMessage"], failed["accountId"]) == (message, ACCOUNT)


def test_lines_of_one_shape_are_told_apart_from_lines_that_look_alike() -> None:
    """The reader skips lines whose shape it knows; quotation marks inside of values must not deceive it."""
    lines = [
        b'{"a":"1","b":"2"}',
        b'{"a":"x\\",\\"c\\":\\"y","b":"2"}',
        b'{"a":{"b":"1"}}',
        b'{"a":{"c":"1"},"d":"2"}',
        b'{"a":"1","b":3}',
    ]
    schema = SchemaReader().read([b"\n".join(lines)])
    assert schema.records == len(lines)
    assert schema.types == {"a": "string", "b": "string", "d": "string"}
