"""Each grant of the templates is needed: taken away, the failure is the one that AWS shows; given back, all is well.

One central stack in an account of its own, with one member; every test takes one grant away from what is deployed. The
cleanup's role is tried in test_cleanup_lives.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import stacks
from deployment import MEMBER_STACK, Central, Members
from grants import Policy, replaced, role_without
from local_aws.server import LocalAws
from organization import HOME_REGION, MANAGEMENT_ACCOUNT, MEMBER_ACCOUNTS, SYNC_PREFIX

MEMBER = MEMBER_ACCOUNTS[0]


@pytest.fixture(scope="module")
def central(local_aws: LocalAws) -> Central:
    """A central stack apart from the one of the other tests."""
    central = Central(local_aws, account=MANAGEMENT_ACCOUNT)
    central.deploy()
    return central


@pytest.fixture
def members(central: Central) -> Iterator[Members]:
    """One member that ships to it; not deployed yet."""
    members = Members(central, accounts=[MEMBER], regions=[HOME_REGION], stack_name=f"{MEMBER_STACK}-guarded")
    yield members
    members.delete()


def make_sync(central: Central, account: str) -> None:
    """Asks SSM for what the member function asks for, as the account's root and without the function's retries."""
    central.server.client("ssm", account, HOME_REGION).create_resource_data_sync(
        SyncName="guarded",
        SyncType="SyncToDestination",
        S3Destination={
            "BucketName": central.sync_bucket,
            "Prefix": SYNC_PREFIX,
            "SyncFormat": "JsonSerDe",
            "Region": HOME_REGION,
            "DestinationDataSharing": {"DestinationDataSharingType": "Organization"},
        },
    )


def assert_refused(central: Central, account: str) -> None:
    """SSM refuses the sync because it can't write to the bucket, and none is made."""
    ssm = central.server.client("ssm", account, HOME_REGION)
    with pytest.raises(
        ssm.exceptions.ResourceDataSyncInvalidConfigurationException,
        match=f"S3 write failed for bucket {central.sync_bucket}",
    ):
        make_sync(central, account)
    assert ssm.list_resource_data_sync()["ResourceDataSyncItems"] == []


@pytest.mark.parametrize("action", ["s3:GetBucketAcl", "s3:PutObject", "s3:PutObjectTagging"])
def test_a_sync_is_refused_without_a_grant_of_the_bucket_policy(central: Central, action: str) -> None:
    s3 = central.client("s3")
    bucket = central.sync_bucket
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    with replaced(policy, lambda new: s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(new)), action):
        assert_refused(central, MEMBER)


def test_a_sync_is_refused_without_the_grant_of_the_key_policy(central: Central) -> None:
    kms = central.client("kms")
    key = central.outputs["KMSKeyArn"]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])

    def put(new: Policy) -> None:
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(new))

    with replaced(policy, put, "kms:GenerateDataKey"):
        assert_refused(central, MEMBER)


def test_the_sync_of_an_account_outside_the_organization_is_refused(central: Central) -> None:
    assert_refused(central, "666666666666")


@pytest.mark.parametrize("action", ["ssm:DeleteResourceDataSync", "ssm:ListResourceDataSync"])
def test_the_member_functions_own_grants(central: Central, members: Members, action: str) -> None:
    members.deploy()
    cloudformation = central.server.client("cloudformation", MEMBER, HOME_REGION)
    role = stacks.resource(cloudformation, members.stack_name, "ResourceDataSyncLambdaRole")
    with (
        role_without(central.server.client("iam", MEMBER), role, action),
        pytest.raises(RuntimeError, match=f"perform: {action}"),
    ):
        members.delete()
    assert len(list(members.syncs())) == (1 if action == "ssm:DeleteResourceDataSync" else 0)
    members.delete()
    assert list(members.syncs()) == []


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:GetObject", "kms:Decrypt", "glue:CreateTable"])
def test_the_crawler_fails_without_a_grant_of_its_role(central: Central, members: Members, action: str) -> None:
    members.deploy()
    members.wait_for_data()
    role = central.resource("GlueCrawlerRole")
    with (
        role_without(central.client("iam"), role, action),
        pytest.raises(RuntimeError, match=r"not authorized|Access ?Denied"),
    ):
        central.crawl()
    assert central.client("glue").get_tables(DatabaseName=central.outputs["GlueDatabaseName"])["TableList"] == []


@pytest.mark.parametrize("action", ["glue:GetTables", "glue:UpdateTable", "glue:CreateTable"])
def test_the_column_deleter_fails_without_a_grant_of_its_role(central: Central, members: Members, action: str) -> None:
    members.deploy()
    members.wait_for_data()
    crawl_without_repair(central)
    with role_without(central.client("iam"), central.resource("DeleteGlueTableColumnFunctionRole"), action):
        central.crawl()
        # All three attempts are over when the event is in the queue.
        letter = central.dead_letter()
        assert letter["detail"]["crawlerName"] == central.outputs["GlueCrawlerName"]
        assert f"perform: {action}" in deleter_log(central)
        assert ("resourcetype" in central.columns("aws_instanceinformation")) == (action != "glue:CreateTable")
    central.crawl()
    central.wait_for_repair()


def test_the_column_deleter_is_not_invoked_without_the_permission(central: Central, members: Members) -> None:
    members.deploy()
    members.wait_for_data()
    crawl_without_repair(central)
    function = central.resource("DeleteGlueTableColumnFunction")
    client = central.client("lambda")
    statement = json.loads(client.get_policy(FunctionName=function)["Policy"])["Statement"][0]
    client.remove_permission(FunctionName=function, StatementId=statement["Sid"])
    before = deleter_log(central)
    central.crawl()
    # EventBridge keeps what it can't deliver.
    letter = central.dead_letter()
    assert letter["detail"]["crawlerName"] == central.outputs["GlueCrawlerName"]
    assert "resourcetype" in central.columns("aws_instanceinformation")
    assert deleter_log(central) == before
    client.add_permission(
        FunctionName=function,
        StatementId=statement["Sid"],
        Action=statement["Action"],
        Principal=statement["Principal"]["Service"],
        SourceArn=statement["Condition"]["ArnLike"]["AWS:SourceArn"],
    )
    central.crawl()
    central.wait_for_repair()


def crawl_without_repair(central: Central) -> None:
    """Leaves the tables as a first crawl makes them, with one that the function would have made gone."""
    forget_tables(central)
    central.set_repair(enabled=False)
    central.crawl()
    central.client("glue").delete_table(DatabaseName=central.outputs["GlueDatabaseName"], Name="aws_tag")
    s3 = central.client("s3")
    tags = {"Bucket": central.sync_bucket, "Prefix": f"{SYNC_PREFIX}/AWS:Tag/"}
    for page in s3.get_paginator("list_objects_v2").paginate(**tags):
        for each in page.get("Contents", []):
            s3.delete_object(Bucket=central.sync_bucket, Key=each["Key"])
    central.set_repair(enabled=True)


def deleter_log(central: Central) -> str:
    """All that the column deleter has logged."""
    logs = central.client("logs")
    group = central.resource("DeleteGlueTableColumnFunctionLogGroup")
    return "\n".join(event["message"] for event in logs.filter_log_events(logGroupName=group)["events"])


def forget_tables(central: Central) -> None:
    """Deletes the crawler's tables, so that the next test begins with none."""
    glue = central.client("glue")
    database = central.outputs["GlueDatabaseName"]
    for table in glue.get_tables(DatabaseName=database)["TableList"]:
        glue.delete_table(DatabaseName=database, Name=table["Name"])
