"""The whole chain on the local AWS with the real templates and functions: create, use, update, delete.

The tests of this module tell one story in order; the fleet's own answers, computed without SQL, are the measure.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import FLEET
from deployment import Central, Members, QueryFailed, object_versions
from fleet import Fleet
from fleet.answers import NAMES
from local_aws.server import LocalAws
from organization import CENTRAL_ACCOUNT, HOME_REGION, MEMBER_ACCOUNTS, REGIONS, SYNC_NAME, SYNC_PREFIX
from right_answers import assert_right

PROBE = "AWS:InstanceInformation/accountid={account}/test.json"


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """The fleet whose files the syncs ship."""
    return Fleet(**FLEET)


@pytest.fixture(scope="module")
def members(local_aws: LocalAws) -> Iterator[Members]:
    """The central stack and the member stack in every account and Region, with all files shipped."""
    central = Central(local_aws)
    central.deploy()
    members = Members(central)
    members.deploy()
    members.wait_for_data()
    yield members


@pytest.fixture
def central(members: Members) -> Central:
    """The central stack."""
    return members.central


def keys_in(central: Central) -> set[str]:
    """The keys of the inventory bucket's current objects."""
    pages = central.client("s3").get_paginator("list_objects_v2").paginate(Bucket=central.sync_bucket)
    return {item["Key"] for page in pages for item in page.get("Contents", [])}


def test_creating_the_syncs_brings_every_file_of_the_fleet_into_the_bucket(members: Members, fleet: Fleet) -> None:
    wanted = {
        f"{SYNC_PREFIX}/{key}"
        for account in MEMBER_ACCOUNTS
        for region in REGIONS
        for key, _ in fleet.files(account, region)
    } | {f"{SYNC_PREFIX}/{PROBE.format(account=account)}" for account in MEMBER_ACCOUNTS}
    assert keys_in(members.central) == wanted


def test_each_sync_is_an_organizations_sync_to_the_central_bucket(members: Members) -> None:
    syncs = list(members.syncs())
    assert [(account, region) for account, region, _ in syncs] == [(a, r) for a in MEMBER_ACCOUNTS for r in REGIONS]
    for _, _, sync in syncs:
        assert sync["SyncName"] == SYNC_NAME
        assert sync["SyncType"] == "SyncToDestination"
        destination = sync["S3Destination"]
        assert destination["BucketName"] == members.central.sync_bucket
        assert destination["Prefix"] == SYNC_PREFIX
        assert destination["Region"] == HOME_REGION
        assert destination["SyncFormat"] == "JsonSerDe"


def test_the_duplicate_column_fails_every_query_until_the_function_has_removed_it(
    central: Central, fleet: Fleet
) -> None:
    central.set_repair(enabled=False)
    central.crawl()
    before = central.columns("aws_instanceinformation")
    assert "resourcetype" in before
    with pytest.raises(QueryFailed, match=r"HIVE_INVALID_METADATA.*Table descriptor contains duplicate columns"):
        central.run_query("SELECT count(*) FROM aws_instanceinformation")

    central.set_repair(enabled=True)
    central.crawl()
    central.wait_for_repair()
    # What is documented and this fleet never reported comes behind what there was.
    kept = [name for name in before if name != "resourcetype"]
    after = central.columns("aws_instanceinformation")
    assert (after[: len(kept)], after[len(kept) :]) == (kept, ["agentstatus"])
    counted = central.run_query("SELECT count(DISTINCT resourceid) FROM aws_instanceinformation")
    assert counted.rows == [(str(sum(node.registered for node in fleet.nodes)),)]


def test_the_workgroup_holds_exactly_the_saved_queries(central: Central) -> None:
    assert sorted(central.saved_queries()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_saved_query_gives_the_answer_that_the_fleet_itself_gives(central: Central, fleet: Fleet, name: str) -> None:
    result = assert_right(central, fleet, [name])[name]
    assert result.rows, "a query without rows proves nothing"


def test_results_lie_in_the_results_bucket_under_the_key(central: Central) -> None:
    result = central.run_query("SELECT count(*) FROM aws_tag")
    bucket, key = result.output_location.removeprefix("s3://").split("/", 1)
    assert bucket == central.results_bucket
    head = central.client("s3").head_object(Bucket=bucket, Key=key)
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"] == central.outputs["KMSKeyArn"]


def test_no_later_crawl_brings_the_duplicate_column_back(central: Central) -> None:
    for _ in range(2):
        central.crawl()
        assert "resourcetype" not in central.columns("aws_instanceinformation")
        central.run_query("SELECT count(*) FROM aws_instanceinformation")


def test_updating_the_central_stack_touches_no_object(central: Central) -> None:
    before = object_versions(central.server, central.sync_bucket)
    central.deploy(EnableGlueCrawlerSchedule="false")
    crawler = central.client("glue").get_crawler(Name=central.outputs["GlueCrawlerName"])["Crawler"]
    assert not crawler.get("Schedule", {}).get("ScheduleExpression")
    assert object_versions(central.server, central.sync_bucket) == before


def test_renaming_the_sync_replaces_it(members: Members) -> None:
    members.deploy(ResourceDataSyncName="renamed")
    assert [sync["SyncName"] for _, _, sync in members.syncs()] == ["renamed"] * len(MEMBER_ACCOUNTS) * len(REGIONS)


def test_an_update_that_aws_refuses_leaves_the_old_sync_working(members: Members) -> None:
    with pytest.raises(RuntimeError, match="S3 write failed for bucket"):
        members.deploy(ResourceDataSyncName="renamed", S3BucketPrefix="NotAllowedByTheBucketPolicy")
    for _, _, sync in members.syncs():
        assert (sync["SyncName"], sync["S3Destination"]["Prefix"]) == ("renamed", SYNC_PREFIX)
    members.wait_for_data()


def test_deleting_the_member_stacks_removes_the_syncs_and_no_data(members: Members) -> None:
    before = object_versions(members.central.server, members.central.sync_bucket)
    members.delete()
    assert list(members.syncs()) == []
    assert object_versions(members.central.server, members.central.sync_bucket) == before


def test_a_sync_that_is_in_the_way_is_named_and_left_alone(members: Members) -> None:
    account, region = MEMBER_ACCOUNTS[0], REGIONS[-1]
    ssm = members.central.server.client("ssm", account, region)
    theirs = {
        "BucketName": members.central.sync_bucket,
        "Prefix": SYNC_PREFIX,
        "SyncFormat": "JsonSerDe",
        "Region": HOME_REGION,
    }
    sharing = {"DestinationDataSharing": {"DestinationDataSharingType": "Organization"}}
    ssm.create_resource_data_sync(SyncName="somebody-elses", S3Destination=theirs | sharing)

    one = Members(members.central, accounts=[account], regions=[region])
    with pytest.raises(RuntimeError, match=r"somebody-elses"):
        one.deploy()
    stack = members.central.server.client("cloudformation", account, region).describe_stacks(StackName=one.stack_name)
    assert stack["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    syncs = [(sync["SyncName"], sync["S3Destination"]) for _, _, sync in one.syncs()]
    assert syncs == [("somebody-elses", theirs)]

    one.delete()
    ssm.delete_resource_data_sync(SyncName="somebody-elses")


def test_deleting_the_central_stack_empties_both_buckets_and_removes_them(central: Central) -> None:
    s3 = central.client("s3")
    s3.put_object(Bucket=central.sync_bucket, Key="odd key/ü&<>%", Body=b"1")
    s3.delete_object(Bucket=central.sync_bucket, Key="odd key/ü&<>%")
    s3.create_multipart_upload(Bucket=central.results_bucket, Key="unfinished")
    assert object_versions(central.server, central.sync_bucket) > 1_000, "more than one batch of DeleteObjects"

    central.delete()

    for bucket in (central.sync_bucket, central.results_bucket):
        assert object_versions(central.server, bucket) == -1
    assert not central.client("glue").get_databases()["DatabaseList"]


def test_a_stack_that_was_deleted_can_be_made_again(members: Members) -> None:
    central = Central(members.central.server, account=CENTRAL_ACCOUNT)
    central.deploy()
    central.delete()
