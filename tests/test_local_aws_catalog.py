"""The Data Catalog behaves as AWS's, seen over the wire."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.server import LocalAws

ACCOUNT = "555500000001"
DATABASE = "catalog"
KEYS = [{"Name": "accountid", "Type": "string"}, {"Name": "region", "Type": "string"}, {"Name": "year", "Type": "int"}]


@pytest.fixture(scope="module")
def glue(local_aws: LocalAws) -> Any:
    client = local_aws.client("glue", ACCOUNT)
    client.create_database(DatabaseInput={"Name": DATABASE})
    return client


@pytest.fixture
def table(glue: Any) -> str:
    """A new table with a column, a parameter and a description."""
    name = f"table_{uuid.uuid4().hex}"
    table_input = {
        "Name": name,
        "Description": "first",
        "PartitionKeys": KEYS,
        "Parameters": {"mine": "1", "classification": "json"},
        "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "string"}], "Location": "s3://nowhere/t/"},
    }
    glue.create_table(DatabaseName=DATABASE, TableInput=table_input)
    return name


def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
    """The code and the message of the error that the call must end in."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def get(glue: Any, table: str) -> dict[str, Any]:
    return glue.get_table(DatabaseName=DATABASE, Name=table)["Table"]


def partition(*values: str) -> dict[str, Any]:
    return {
        "Values": list(values),
        "StorageDescriptor": {"Columns": [], "Location": "s3://nowhere/" + "/".join(values)},
    }


def test_update_table_replaces_the_whole_definition(glue: Any, table: str) -> None:
    glue.update_table(DatabaseName=DATABASE, TableInput={"Name": table, "Parameters": {"other": "2"}})
    updated = get(glue, table)
    assert updated["Parameters"] == {"other": "2"}
    assert updated["PartitionKeys"] == []
    assert "Description" not in updated and "StorageDescriptor" not in updated
    assert updated["CreatedBy"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_versions_count_up_and_are_archived_unless_skipped(glue: Any, table: str) -> None:
    assert get(glue, table)["VersionId"] == "0"
    glue.update_table(DatabaseName=DATABASE, TableInput={"Name": table, "Description": "second"})
    glue.update_table(DatabaseName=DATABASE, TableInput={"Name": table, "Description": "third"}, SkipArchive=True)
    versions = glue.get_table_versions(DatabaseName=DATABASE, TableName=table)["TableVersions"]
    assert [(each["VersionId"], each["Table"]["Description"]) for each in versions] == [("2", "third"), ("0", "first")]


def test_a_stale_version_id_is_refused(glue: Any, table: str) -> None:
    change = {"DatabaseName": DATABASE, "TableInput": {"Name": table, "Description": "second"}, "VersionId": "0"}
    glue.update_table(**change)
    assert refusal(glue.update_table, **change) == (
        "ConcurrentModificationException",
        "Update table failed due to concurrent modifications.",
    )
    assert get(glue, table)["VersionId"] == "1"


def test_a_table_copied_back_whole_is_refused(local_aws: LocalAws, glue: Any, table: str) -> None:
    """Read-only members never get past an SDK's validation; without it they are refused here."""
    client = local_aws.client("glue", ACCOUNT)

    def add_member(params: dict[str, Any], **_: Any) -> None:
        body = json.loads(params["body"])
        body["TableInput"]["IsMaterializedView"] = False
        params["body"] = json.dumps(body)

    client.meta.events.register("before-call.glue.UpdateTable", add_member)
    code, message = refusal(client.update_table, DatabaseName=DATABASE, TableInput={"Name": table})
    assert (code, message) == ("InvalidInputException", "Unknown members of TableInput: IsMaterializedView")


def test_a_table_has_members_that_no_input_may_carry(glue: Any, table: str) -> None:
    assert get(glue, table).items() >= {"IsMaterializedView": False, "IsMultiDialectView": False}.items()


def test_missing_things_are_named_as_glue_names_them(glue: Any, table: str) -> None:
    assert refusal(glue.get_table, DatabaseName=DATABASE, Name="nope") == (
        "EntityNotFoundException",
        "Entity Not Found",
    )
    assert refusal(glue.update_table, DatabaseName=DATABASE, TableInput={"Name": "nope"}) == (
        "EntityNotFoundException",
        "Table nope not found.",
    )
    assert refusal(glue.get_tables, DatabaseName="nope") == ("EntityNotFoundException", "Database nope not found.")
    assert refusal(glue.create_table, DatabaseName=DATABASE, TableInput={"Name": table})[0] == "AlreadyExistsException"


def test_names_are_folded_to_lower_case(glue: Any) -> None:
    glue.create_table(DatabaseName=DATABASE, TableInput={"Name": "Mixed_Case"})
    assert glue.get_table(DatabaseName=DATABASE.upper(), Name="MIXED_CASE")["Table"]["Name"] == "mixed_case"


def test_get_tables_filters_and_pages(glue: Any) -> None:
    glue.create_database(DatabaseInput={"Name": "paged"})
    for number in range(105):
        glue.create_table(DatabaseName="paged", TableInput={"Name": f"aws_{number:03}"})
    first = glue.get_tables(DatabaseName="paged")
    assert len(first["TableList"]) == 100
    rest = glue.get_tables(DatabaseName="paged", NextToken=first["NextToken"])
    assert [table["Name"] for table in rest["TableList"]] == [f"aws_{number}" for number in range(100, 105)]
    assert "NextToken" not in rest
    matched = glue.get_tables(DatabaseName="paged", Expression="aws_00[12]")["TableList"]
    assert [table["Name"] for table in matched] == ["aws_001", "aws_002"]
    assert refusal(glue.get_tables, DatabaseName="paged", MaxResults=101)[0] == "ValidationException"


def test_update_partition(glue: Any, table: str) -> None:
    where = {"DatabaseName": DATABASE, "TableName": table}
    glue.create_partition(**where, PartitionInput=partition("1", "eu", "2025"))
    glue.create_partition(**where, PartitionInput=partition("2", "eu", "2025"))
    change = {**partition("1", "us", "2025"), "Parameters": {"x": "y"}}
    glue.update_partition(**where, PartitionValueList=["1", "eu", "2025"], PartitionInput=change)
    found = glue.get_partitions(**where)["Partitions"]
    assert [(each["Values"], each.get("Parameters")) for each in found] == [
        (["1", "us", "2025"], {"x": "y"}),
        (["2", "eu", "2025"], None),
    ]
    taken = partition("2", "eu", "2025")
    refused = refusal(glue.update_partition, **where, PartitionValueList=["1", "us", "2025"], PartitionInput=taken)
    assert refused[0] == "AlreadyExistsException"
    refused = refusal(glue.update_partition, **where, PartitionValueList=["9", "us", "2025"], PartitionInput=taken)
    assert refused[0] == "EntityNotFoundException"
    assert refusal(glue.delete_partition, **where, PartitionValues=["9", "us", "2025"])[0] == "EntityNotFoundException"


def test_batch_create_partition_reports_each_failure(glue: Any, table: str) -> None:
    where = {"DatabaseName": DATABASE, "TableName": table}
    glue.create_partition(**where, PartitionInput=partition("1", "eu", "2025"))
    answer = glue.batch_create_partition(
        **where,
        PartitionInputList=[partition("1", "eu", "2025"), partition("2", "eu"), partition("3", "eu", "2025")],
    )
    assert [(each["PartitionValues"], each["ErrorDetail"]["ErrorCode"]) for each in answer["Errors"]] == [
        (["1", "eu", "2025"], "AlreadyExistsException"),
        (["2", "eu"], "InvalidInputException"),
    ]
    assert len(glue.get_partitions(**where)["Partitions"]) == 2
    too_many = [partition(str(number), "eu", "2025") for number in range(101)]
    assert refusal(glue.batch_create_partition, **where, PartitionInputList=too_many)[0] == "ValidationException"


@pytest.fixture(scope="module")
def partitioned(glue: Any) -> dict[str, str]:
    where = {"DatabaseName": DATABASE, "TableName": "partitioned"}
    glue.create_table(
        DatabaseName=DATABASE,
        TableInput={"Name": "partitioned", "PartitionKeys": KEYS, "StorageDescriptor": {"Columns": []}},
    )
    rows = [
        (account, region, year) for account in ("111", "222") for region in ("eu-1", "us-1") for year in ("9", "10")
    ]
    glue.batch_create_partition(**where, PartitionInputList=[partition(*row) for row in rows])
    return where


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("accountid = '111'", 4),
        ("ACCOUNTID='111' AND region='eu-1'", 2),
        ("(accountid = '111') OR (region = 'us-1' AND year = 10)", 5),
        ("region IN ('eu-1', 'nowhere')", 4),
        ("region LIKE 'eu%'", 4),
        ("region LIKE '__-1'", 8),
        ("NOT region LIKE 'eu%'", 4),
        ("accountid <> '111'", 4),
        ("accountid != '111'", 4),
        # As numbers 9 is less than 10, as text it is not.
        ("year < 10", 4),
        ("year BETWEEN 10 AND 20", 4),
        ("accountid IS NULL", 0),
        ("accountid = NULL", 0),
        ("accountid = 111", 4),
    ],
)
def test_get_partitions_by_expression(glue: Any, partitioned: dict[str, str], expression: str, expected: int) -> None:
    assert len(glue.get_partitions(**partitioned, Expression=expression)["Partitions"]) == expected


@pytest.mark.parametrize("expression", ["nope = '1'", "region =", "lower(region) = 'eu-1'"])
def test_an_expression_that_glue_cannot_read_is_refused(
    glue: Any, partitioned: dict[str, str], expression: str
) -> None:
    assert refusal(glue.get_partitions, **partitioned, Expression=expression)[0] == "InvalidInputException"


def test_get_partitions_pages_and_segments(glue: Any, partitioned: dict[str, str]) -> None:
    pages = glue.get_paginator("get_partitions").paginate(**partitioned, PaginationConfig={"PageSize": 3})
    assert [len(page["Partitions"]) for page in pages] == [3, 3, 2]
    segments = [
        glue.get_partitions(**partitioned, Segment={"SegmentNumber": number, "TotalSegments": 3})["Partitions"]
        for number in range(3)
    ]
    assert sorted(each["Values"] for segment in segments for each in segment) == sorted(
        each["Values"] for each in glue.get_partitions(**partitioned)["Partitions"]
    )


@pytest.mark.parametrize("missing", ["catalog", f"database/{DATABASE}", f"table/{DATABASE}/*"])
def test_a_caller_needs_the_catalog_the_database_and_the_table(
    local_aws: LocalAws, glue: Any, table: str, missing: str
) -> None:
    """Each of the three taken away refuses UpdateTable on it; with all three it works."""
    iam, sts = local_aws.client("iam", ACCOUNT), local_aws.client("sts", ACCOUNT)
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
    role = f"updater-{uuid.uuid4()}"
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    granted = ["catalog", f"database/{DATABASE}", f"table/{DATABASE}/*"]

    def grant(resources: list[str]) -> None:
        statement = {
            "Effect": "Allow",
            "Action": "glue:UpdateTable",
            "Resource": [f"arn:aws:glue:us-east-1:{ACCOUNT}:{resource}" for resource in resources],
        }
        iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps({"Statement": [statement]}))

    grant(granted)
    credentials = sts.assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    session_glue = local_aws.client_for("glue", credentials)
    session_glue.update_table(DatabaseName=DATABASE, TableInput={"Name": table})

    grant([resource for resource in granted if resource != missing])
    code, message = refusal(session_glue.update_table, DatabaseName=DATABASE, TableInput={"Name": table})
    assert code == "AccessDeniedException"
    assert f"assumed-role/{role}/session is not authorized to perform: glue:UpdateTable" in message
