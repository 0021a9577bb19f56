"""Resource data syncs of the local AWS: the API, the grants that a destination has to give, and what is delivered."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from fleet import Fleet
from local_aws.server import LocalAws

CENTRAL = "111122223333"
OUTSIDER = "000011112222"
FLEET_ACCOUNT = "210987654321"
# Each test that makes syncs takes an account of its own, since an account has room for few.
ACCOUNTS = [f"3{number:011}" for number in range(60)]
ORGANIZATION = {
    "Id": "o-a1b2c3d4e5",
    "MasterAccountId": "999999999999",
    "Accounts": [CENTRAL, FLEET_ACCOUNT, *ACCOUNTS],
}
FLEET = {
    "seed": 1,
    "accounts": [FLEET_ACCOUNT],
    "regions": ["us-east-1", "eu-west-1"],
    "nodes": 20,
    "now": "2026-01-15T12:00:00Z",
}
PREFIX = "ResourceDataSync"
NAME = "patch-reporting"

# What takes AWS half a minute takes a second and a half here: long enough to be seen, whatever the machine's load.
TIME_SCALE = "0.05"
PATIENCE_SECONDS = 30

_numbers = itertools.count()


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(ORGANIZATION, FLEET, {"LOCAL_AWS_TIME_SCALE": TIME_SCALE}) as server:
        yield server


@pytest.fixture
def account() -> str:
    """A member account that no other test uses."""
    return ACCOUNTS.pop()


@pytest.fixture
def ssm(aws: LocalAws, account: str) -> Any:
    """Systems Manager in that account."""
    return aws.client("ssm", account)


@dataclass
class Destination:
    """A bucket of the central account, and the S3Destination that names it."""

    aws: LocalAws
    bucket: str
    region: str = "us-east-1"

    @property
    def s3(self) -> Any:
        return self.aws.client("s3", CENTRAL, self.region)

    def as_member(self, **changes: Any) -> dict[str, Any]:
        """The API's S3Destination of an Organizations sync; a change to None takes a member away."""
        members = {
            "BucketName": self.bucket,
            "Prefix": PREFIX,
            "SyncFormat": "JsonSerDe",
            "Region": self.region,
            "DestinationDataSharing": {"DestinationDataSharingType": "Organization"},
        }
        return {name: value for name, value in (members | changes).items() if value is not None}

    def keys(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def put_policy(self, statements: list[dict[str, Any]]) -> None:
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=_policy(statements))


@pytest.fixture
def destination(aws: LocalAws) -> Destination:
    """A versioned bucket whose policy is the one that AWS documents for an Organizations sync."""
    return make_destination(aws)


def make_destination(aws: LocalAws, region: str = "us-east-1", **options: Any) -> Destination:
    destination = Destination(aws, f"sync-destination-{next(_numbers)}", region)
    if region != "us-east-1":
        options["CreateBucketConfiguration"] = {"LocationConstraint": region}
    destination.s3.create_bucket(Bucket=destination.bucket, **options)
    destination.s3.put_bucket_versioning(Bucket=destination.bucket, VersioningConfiguration={"Status": "Enabled"})
    destination.put_policy(documented_statements(destination.bucket))
    return destination


def documented_statements(bucket: str, files: str = f"{PREFIX}/*/accountid=*/*") -> list[dict[str, Any]]:
    """The bucket policy of the page inventory-create-resource-data-sync, narrowed to the prefix or to such files."""
    ssm = {"Service": "ssm.amazonaws.com"}
    files = f"arn:aws:s3:::{bucket}/{files}"
    return [
        {"Sid": "Check", "Effect": "Allow", "Principal": ssm, "Action": "s3:GetBucketAcl",
         "Resource": f"arn:aws:s3:::{bucket}"},
        {"Sid": "Delivery", "Effect": "Allow", "Principal": ssm, "Action": "s3:PutObject", "Resource": files,
         "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control",
                                        "aws:SourceOrgID": ORGANIZATION["Id"]}}},
        {"Sid": "Tagging", "Effect": "Allow", "Principal": ssm, "Action": "s3:PutObjectTagging", "Resource": files},
    ]  # fmt: skip


def make_key(aws: LocalAws, *statements: dict[str, Any], region: str = "us-east-1") -> str:
    """The ARN of a new key of the central account, which its root user manages."""
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{CENTRAL}:root"}, "Action": "kms:*", "Resource": "*"}
    kms = aws.client("kms", CENTRAL, region)
    return kms.create_key(Policy=_policy([root, *statements]))["KeyMetadata"]["Arn"]


SSM_MAY_USE_KEY = {
    "Effect": "Allow",
    "Principal": {"Service": "ssm.amazonaws.com"},
    "Action": "kms:GenerateDataKey",
    "Resource": "*",
    "Condition": {
        "StringEquals": {"aws:SourceOrgID": ORGANIZATION["Id"]},
        "ArnLike": {"aws:SourceArn": "arn:aws:ssm:*:*:resource-data-sync/*"},
    },
}


def encrypt(destination: Destination, key: str | None) -> None:
    """Make aws:kms the bucket's default encryption; without a key that means the AWS managed one."""
    default = {"SSEAlgorithm": "aws:kms"} | ({"KMSMasterKeyID": key} if key else {})
    destination.s3.put_bucket_encryption(
        Bucket=destination.bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
        },
    )


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def create(ssm: Any, destination: Destination, name: str = NAME, **changes: Any) -> None:
    ssm.create_resource_data_sync(SyncName=name, S3Destination=destination.as_member(**changes))


def syncs(ssm: Any) -> dict[str, dict[str, Any]]:
    return {item["SyncName"]: item for item in ssm.list_resource_data_sync()["ResourceDataSyncItems"]}


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)
    return result


def wait_for_status(ssm: Any, status: str, name: str = NAME) -> dict[str, Any]:
    return wait_until(lambda: (item := syncs(ssm)[name]).get("LastStatus") == status and item)


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    """The error response to a call that must fail."""
    with pytest.raises(ClientError) as error:
        call()
    return error.value.response


def probe_key(ssm_account: str) -> str:
    return f"{PREFIX}/AWS:InstanceInformation/accountid={ssm_account}/test.json"


class TestCreation:
    def test_writes_the_probe_object_before_it_answers(self, ssm: Any, account: str, destination: Destination) -> None:
        create(ssm, destination)
        assert destination.keys() == [probe_key(account)]
        tags = destination.s3.get_object_tagging(Bucket=destination.bucket, Key=probe_key(account))
        assert tags["TagSet"] == [{"Key": "OrgId", "Value": ORGANIZATION["Id"]}]

    def test_shows_the_sync_without_status_and_data_sharing(self, ssm: Any, destination: Destination) -> None:
        create(ssm, destination)
        item = syncs(ssm)[NAME]
        assert item["SyncType"] == "SyncToDestination"
        assert item["S3Destination"] == destination.as_member(DestinationDataSharing=None)
        assert "LastStatus" not in item
        assert "LastSyncTime" not in item
        assert item["SyncCreatedTime"] == item["SyncLastModifiedTime"]

    def test_without_prefix_writes_at_the_root(
        self, aws: LocalAws, ssm: Any, account: str, destination: Destination
    ) -> None:
        statements = documented_statements(destination.bucket)
        for statement in statements[1:]:
            statement["Resource"] = f"arn:aws:s3:::{destination.bucket}/*/accountid=*/*"
        destination.put_policy(statements)
        create(ssm, destination, Prefix=None)
        assert destination.keys() == [probe_key(account).removeprefix(f"{PREFIX}/")]

    def test_of_a_taken_name_answers_with_the_name_alone(self, ssm: Any, destination: Destination) -> None:
        create(ssm, destination)
        response = refusal(lambda: create(ssm, destination))
        assert response["Error"]["Code"] == "ResourceDataSyncAlreadyExistsException"
        assert response["Error"]["Message"] == ""
        assert response["SyncName"] == NAME

    def test_of_a_second_organizations_sync_is_refused(self, ssm: Any, destination: Destination) -> None:
        create(ssm, destination)
        response = refusal(lambda: create(ssm, destination, name="another"))
        assert response["Error"]["Code"] == "ResourceDataSyncCountExceededException"
        create(ssm, destination, name="standard", DestinationDataSharing=None)

    def test_of_a_sixth_sync_is_refused(self, ssm: Any, destination: Destination) -> None:
        for number in range(5):
            create(ssm, destination, name=f"sync-{number}", DestinationDataSharing=None)
        response = refusal(lambda: create(ssm, destination, name="sync-5", DestinationDataSharing=None))
        assert response["Error"]["Code"] == "ResourceDataSyncCountExceededException"
        assert len(syncs(ssm)) == 5

    def test_is_per_region(self, aws: LocalAws, ssm: Any, account: str, destination: Destination) -> None:
        create(ssm, destination)
        there = aws.client("ssm", account, "eu-west-1")
        assert syncs(there) == {}
        create(there, destination)
        assert list(syncs(there)) == [NAME]

    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            pytest.param({}, "has an S3Destination and no SyncSource", id="no destination"),
            pytest.param({"SyncType": "SyncFromSource"}, "has a SyncSource and no S3Destination", id="no source"),
            pytest.param({"SyncType": "SyncToNowhere"}, "SyncToNowhere", id="unknown type"),
        ],
    )
    def test_of_an_incomplete_configuration_is_refused(self, ssm: Any, request_: dict, message: str) -> None:
        error = refusal(lambda: ssm.create_resource_data_sync(SyncName=NAME, **request_))["Error"]
        assert error["Code"] == "ResourceDataSyncInvalidConfigurationException"
        assert message in error["Message"]


def _without(sid: str) -> Callable[[list[dict]], list[dict]]:
    return lambda statements: [s for s in statements if s["Sid"] != sid]


def _with_condition(key: str, value: str) -> Callable[[list[dict]], list[dict]]:
    def change(statements: list[dict]) -> list[dict]:
        statements[1]["Condition"]["StringEquals"][key] = value
        return statements

    return change


def _with_denial(statement: dict[str, Any]) -> Callable[[list[dict]], list[dict]]:
    return lambda statements: [
        *statements,
        {"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
         "Resource": statements[1]["Resource"], **statement},
    ]  # fmt: skip


def _with_other_prefix(statements: list[dict]) -> list[dict]:
    for statement in statements[1:]:
        statement["Resource"] = statement["Resource"].replace(f"/{PREFIX}/", "/Elsewhere/")
    return statements


class TestGuards:
    """Each grant that a sync needs, taken away: no sync is made, and nothing is written."""

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(_without("Check"), id="no s3:GetBucketAcl"),
            pytest.param(_without("Delivery"), id="no s3:PutObject"),
            pytest.param(_without("Tagging"), id="no s3:PutObjectTagging"),
            pytest.param(_with_condition("aws:SourceOrgID", "o-zzzzzzzzzz"), id="another organization"),
            pytest.param(_with_condition("aws:SourceAccount", OUTSIDER), id="another account"),
            pytest.param(_with_condition("s3:x-amz-acl", "private"), id="another ACL"),
            pytest.param(_with_condition("s3:x-amz-server-side-encryption", "aws:kms"), id="no encryption header"),
            pytest.param(_with_other_prefix, id="another prefix"),
            pytest.param(_with_denial({}), id="denied to everybody"),
            pytest.param(
                _with_denial({"Condition": {"StringNotEquals": {"aws:SourceOrgID": "o-zzzzzzzzzz"}}}),
                id="denied by condition",
            ),
        ],
    )
    def test_bucket_policy(
        self, ssm: Any, destination: Destination, change: Callable[[list[dict]], list[dict]]
    ) -> None:
        destination.put_policy(change(documented_statements(destination.bucket)))
        self._assert_write_fails(ssm, destination)
        destination.put_policy(documented_statements(destination.bucket))
        create(ssm, destination)

    def test_no_bucket_policy(self, ssm: Any, destination: Destination) -> None:
        destination.s3.delete_bucket_policy(Bucket=destination.bucket)
        self._assert_write_fails(ssm, destination)

    def test_account_outside_the_organization(self, aws: LocalAws, destination: Destination) -> None:
        self._assert_write_fails(aws.client("ssm", OUTSIDER), destination)

    def test_missing_bucket(self, aws: LocalAws, ssm: Any) -> None:
        error = refusal(lambda: create(ssm, Destination(aws, "there-is-no-such-bucket")))["Error"]
        assert "S3 write failed for bucket there-is-no-such-bucket" in error["Message"]

    def test_wrong_region_of_the_bucket(self, ssm: Any, destination: Destination) -> None:
        self._assert_write_fails(ssm, destination, Region="eu-west-1")

    def test_bucket_with_object_lock(self, aws: LocalAws, ssm: Any) -> None:
        self._assert_write_fails(ssm, make_destination(aws, ObjectLockEnabledForBucket=True))

    def test_key_policy(self, aws: LocalAws, ssm: Any, destination: Destination) -> None:
        encrypt(destination, make_key(aws))
        self._assert_write_fails(ssm, destination)
        encrypt(destination, make_key(aws, SSM_MAY_USE_KEY))
        create(ssm, destination)

    def test_key_policy_for_another_organization(self, aws: LocalAws, ssm: Any, destination: Destination) -> None:
        condition = {"StringEquals": {"aws:SourceOrgID": "o-zzzzzzzzzz"}}
        encrypt(destination, make_key(aws, SSM_MAY_USE_KEY | {"Condition": condition}))
        self._assert_write_fails(ssm, destination)

    def test_disabled_key(self, aws: LocalAws, ssm: Any, destination: Destination) -> None:
        key = make_key(aws, SSM_MAY_USE_KEY)
        encrypt(destination, key)
        aws.client("kms", CENTRAL).disable_key(KeyId=key)
        self._assert_write_fails(ssm, destination)

    def test_aws_managed_key(self, ssm: Any, destination: Destination) -> None:
        encrypt(destination, None)
        self._assert_write_fails(ssm, destination)

    def test_key_of_the_sync(self, aws: LocalAws, ssm: Any, account: str, destination: Destination) -> None:
        self._assert_write_fails(ssm, destination, AWSKMSKeyARN=make_key(aws))
        self._assert_write_fails(ssm, destination, AWSKMSKeyARN=make_key(aws, SSM_MAY_USE_KEY, region="eu-west-1"))
        key = make_key(aws, SSM_MAY_USE_KEY)
        statements = documented_statements(destination.bucket)
        statements[1]["Condition"]["StringEquals"] |= {
            "s3:x-amz-server-side-encryption": "aws:kms",
            "s3:x-amz-server-side-encryption-aws-kms-key-id": key,
        }
        destination.put_policy(statements)
        create(ssm, destination, AWSKMSKeyARN=key)
        probe = destination.s3.head_object(Bucket=destination.bucket, Key=probe_key(account))
        assert probe["SSEKMSKeyId"] == key

    def test_standard_sync_writes_no_tags_and_needs_no_grant_for_them(
        self, ssm: Any, account: str, destination: Destination
    ) -> None:
        destination.put_policy(_without("Tagging")(documented_statements(destination.bucket)))
        create(ssm, destination, DestinationDataSharing=None)
        tags = destination.s3.get_object_tagging(Bucket=destination.bucket, Key=probe_key(account))
        assert tags["TagSet"] == []

    def test_older_policy_by_object_tag(self, ssm: Any, destination: Destination) -> None:
        statements = documented_statements(destination.bucket)
        statements[1]["Condition"] = {"StringEquals": {"s3:RequestObjectTag/OrgId": ORGANIZATION["Id"]}}
        destination.put_policy(statements)
        self._assert_write_fails(ssm, destination, DestinationDataSharing=None)
        create(ssm, destination)

    @pytest.mark.parametrize(
        ("name", "kind", "allowed"),
        [
            pytest.param(NAME, "SyncToDestination", True, id="as granted"),
            pytest.param("another", "SyncToDestination", False, id="another name"),
            pytest.param(NAME, "SyncFromSource", False, id="another type"),
        ],
    )
    def test_identity_policy_by_name_and_type(
        self, aws: LocalAws, ssm: Any, account: str, destination: Destination, name: str, kind: str, allowed: bool
    ) -> None:
        iam, trust = aws.client("iam", account), {"Effect": "Allow", "Principal": {"AWS": account}}
        role = iam.create_role(
            RoleName="member", AssumeRolePolicyDocument=_policy([trust | {"Action": "sts:AssumeRole"}])
        )["Role"]["Arn"]
        arn = f"arn:aws:ssm:us-east-1:{account}:resource-data-sync"
        grant = {
            "Effect": "Allow",
            "Action": "ssm:CreateResourceDataSync",
            "Resource": f"{arn}/{NAME}",
            "Condition": {"StringEquals": {"ssm:SyncType": "SyncToDestination"}},
        }
        iam.put_role_policy(RoleName="member", PolicyName="sync", PolicyDocument=_policy([grant]))
        session = aws.client("sts", account).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        member = aws.client_for("ssm", session)

        def call() -> None:
            member.create_resource_data_sync(SyncName=name, SyncType=kind, S3Destination=destination.as_member())

        if allowed:
            call()
            return
        error = refusal(call)["Error"]
        assert error["Code"] == "AccessDeniedException"
        assert error["Message"] == (
            f"User: arn:aws:sts::{account}:assumed-role/member/test is not authorized to perform: "
            f"ssm:CreateResourceDataSync on resource: {arn}/{name} "
            "because no identity-based policy allows the ssm:CreateResourceDataSync action"
        )

    @staticmethod
    def _assert_write_fails(ssm: Any, destination: Destination, **changes: Any) -> None:
        error = refusal(lambda: create(ssm, destination, **changes))["Error"]
        assert error["Code"] == "ResourceDataSyncInvalidConfigurationException"
        assert f"S3 write failed for bucket {destination.bucket}" in error["Message"]
        assert syncs(ssm) == {}
        assert destination.keys() == []


class TestDelivery:
    @pytest.fixture
    def fleet_ssm(self, aws: LocalAws) -> Iterator[Any]:
        """Systems Manager in the account that has nodes, left without syncs."""
        ssm = aws.client("ssm", FLEET_ACCOUNT)
        yield ssm
        for name in syncs(ssm):
            ssm.delete_resource_data_sync(SyncName=name)
        wait_until(lambda: syncs(ssm) == {})

    def test_brings_the_files_of_the_account_and_region(self, aws: LocalAws, fleet_ssm: Any) -> None:
        destination = make_destination(aws, "eu-west-1")
        key = make_key(aws, SSM_MAY_USE_KEY, region="eu-west-1")
        encrypt(destination, key)
        create(fleet_ssm, destination)
        wait_for_status(fleet_ssm, "InProgress")
        item = wait_for_status(fleet_ssm, "Successful")
        assert item["SyncCreatedTime"] <= item["LastSyncTime"] <= item["LastSuccessfulSyncTime"]

        expected = {
            f"{PREFIX}/{name}": body
            for name, body in Fleet.from_json(json.dumps(FLEET)).files(FLEET_ACCOUNT, "us-east-1")
        }
        assert len(expected) > 20
        objects = {name: destination.s3.get_object(Bucket=destination.bucket, Key=name) for name in expected}
        assert {name: answer["Body"].read() for name, answer in objects.items()} == expected
        assert {answer["SSEKMSKeyId"] for answer in objects.values()} == {key}
        assert {answer["TagCount"] for answer in objects.values()} == {1}
        assert sorted(destination.keys()) == sorted([*expected, probe_key(FLEET_ACCOUNT)])
        versions = destination.s3.list_object_versions(Bucket=destination.bucket, Prefix=f"{PREFIX}/AWS:Tag/")
        assert {version["IsLatest"] for version in versions["Versions"]} == {True}

    def test_again_adds_versions(self, fleet_ssm: Any, destination: Destination) -> None:
        for _ in range(2):
            create(fleet_ssm, destination)
            wait_for_status(fleet_ssm, "Successful")
            fleet_ssm.delete_resource_data_sync(SyncName=NAME)
            wait_until(lambda: syncs(fleet_ssm) == {})
        versions = destination.s3.list_object_versions(Bucket=destination.bucket, Prefix=probe_key(FLEET_ACCOUNT))
        assert [version["IsLatest"] for version in versions["Versions"]] == [True, False]

    def test_fails_where_the_grant_does_not_reach(self, fleet_ssm: Any, destination: Destination) -> None:
        destination.put_policy(documented_statements(destination.bucket, files=probe_key(FLEET_ACCOUNT)))
        create(fleet_ssm, destination)
        item = wait_for_status(fleet_ssm, "Failed")
        assert f"S3 write failed for bucket {destination.bucket}" in item["LastSyncStatusMessage"]
        assert "LastSuccessfulSyncTime" not in item
        assert destination.keys() == [probe_key(FLEET_ACCOUNT)]

    def test_ends_with_the_sync_and_leaves_its_objects(self, fleet_ssm: Any, destination: Destination) -> None:
        create(fleet_ssm, destination)
        fleet_ssm.delete_resource_data_sync(SyncName=NAME)
        left = destination.keys()
        assert probe_key(FLEET_ACCOUNT) in left
        wait_until(lambda: syncs(fleet_ssm) == {})
        assert destination.keys() == left

    def test_without_nodes_succeeds(self, ssm: Any, account: str, destination: Destination) -> None:
        create(ssm, destination)
        wait_for_status(ssm, "Successful")
        assert destination.keys() == [probe_key(account)]


class TestDeletion:
    def test_is_eventual(self, ssm: Any, destination: Destination) -> None:
        create(ssm, destination)
        ssm.delete_resource_data_sync(SyncName=NAME, SyncType="SyncToDestination")
        assert NAME in syncs(ssm)
        response = refusal(lambda: create(ssm, destination))
        assert response["Error"]["Code"] == "ResourceDataSyncAlreadyExistsException"
        wait_until(lambda: syncs(ssm) == {})
        create(ssm, destination)

    @pytest.mark.parametrize(
        "request_",
        [
            pytest.param({"SyncName": "unknown"}, id="unknown name"),
            pytest.param({"SyncName": NAME, "SyncType": "SyncFromSource"}, id="another type"),
        ],
    )
    def test_of_what_is_not_there(self, ssm: Any, destination: Destination, request_: dict[str, str]) -> None:
        create(ssm, destination)
        response = refusal(lambda: ssm.delete_resource_data_sync(**request_))
        assert response["Error"]["Code"] == "ResourceDataSyncNotFoundException"
        assert response["SyncName"] == request_["SyncName"]
        assert response["SyncType"] == request_.get("SyncType", "SyncToDestination")


SOURCE = {"SourceType": "SingleAccountMultiRegions", "SourceRegions": ["us-east-1"]}


class TestUpdate:
    def test_of_a_destination_is_refused(self, ssm: Any, destination: Destination) -> None:
        create(ssm, destination)
        error = refusal(
            lambda: ssm.update_resource_data_sync(SyncName=NAME, SyncType="SyncToDestination", SyncSource=SOURCE)
        )["Error"]
        assert error["Code"] == "ResourceDataSyncInvalidConfigurationException"

    def test_of_a_source(self, ssm: Any) -> None:
        ssm.create_resource_data_sync(SyncName=NAME, SyncType="SyncFromSource", SyncSource=SOURCE)
        changed = {"SourceType": "SingleAccountMultiRegions", "SourceRegions": ["us-east-1", "eu-west-1"]}
        ssm.update_resource_data_sync(SyncName=NAME, SyncType="SyncFromSource", SyncSource=changed)
        item = syncs(ssm)[NAME]
        assert item["SyncSource"] == changed
        assert item["SyncLastModifiedTime"] >= item["SyncCreatedTime"]
        assert "LastStatus" not in item

    def test_of_what_is_not_there(self, ssm: Any) -> None:
        error = refusal(
            lambda: ssm.update_resource_data_sync(SyncName=NAME, SyncType="SyncFromSource", SyncSource=SOURCE)
        )["Error"]
        assert error["Code"] == "ResourceDataSyncNotFoundException"


class TestList:
    @pytest.fixture
    def five(self, ssm: Any, destination: Destination) -> Any:
        for number in range(4):
            create(ssm, destination, name=f"sync-{number}", DestinationDataSharing=None)
        ssm.create_resource_data_sync(SyncName="sync-4", SyncType="SyncFromSource", SyncSource=SOURCE)
        return ssm

    @pytest.mark.parametrize(("size", "pages"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (50, [5])])
    def test_pages(self, five: Any, size: int, pages: list[int]) -> None:
        paginator = five.get_paginator("list_resource_data_sync")
        found = [
            [item["SyncName"] for item in page["ResourceDataSyncItems"]]
            for page in paginator.paginate(PaginationConfig={"PageSize": size})
        ]
        assert [len(page) for page in found] == pages
        assert sorted(itertools.chain(*found)) == [f"sync-{number}" for number in range(5)]

    def test_filters_by_type(self, five: Any) -> None:
        items = five.list_resource_data_sync(SyncType="SyncFromSource")["ResourceDataSyncItems"]
        assert [item["SyncName"] for item in items] == ["sync-4"]

    def test_refuses_a_token_that_was_not_given_for_it(self, aws: LocalAws, five: Any, account: str) -> None:
        token = five.list_resource_data_sync(MaxResults=1)["NextToken"]
        elsewhere = aws.client("ssm", account, "eu-west-1")
        for call in (
            lambda: elsewhere.list_resource_data_sync(NextToken=token),
            lambda: five.list_resource_data_sync(NextToken=token, SyncType="SyncFromSource"),
            lambda: five.list_resource_data_sync(NextToken="2"),
        ):
            assert refusal(call)["Error"]["Code"] == "InvalidNextToken"


class TestValidation:
    """What botocore's own checks let through, or are kept from seeing here, is refused by the service."""

    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            pytest.param(
                {"S3Destination": {"Prefix": ""}},
                "1 validation error detected: Value '' at 's3Destination.prefix' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1",
                id="empty prefix",
            ),
            pytest.param(
                {"SyncName": "x" * 65},
                f"1 validation error detected: Value '{'x' * 65}' at 'syncName' failed to satisfy constraint: "
                "Member must have length less than or equal to 64",
                id="long name",
            ),
            pytest.param(
                {"SyncName": None},
                "1 validation error detected: Value null at 'syncName' failed to satisfy constraint: "
                "Member must not be null",
                id="no name",
            ),
            pytest.param(
                {"S3Destination": {"SyncFormat": "Parquet"}},
                "1 validation error detected: Value 'Parquet' at 's3Destination.syncFormat' failed to satisfy "
                "constraint: Member must satisfy enum value set: [JsonSerDe]",
                id="unknown format",
            ),
            pytest.param(
                {"S3Destination": {"AWSKMSKeyARN": "alias/key", "Region": None}},
                "2 validation errors detected: Value null at 's3Destination.region' failed to satisfy constraint: "
                "Member must not be null; Value 'alias/key' at 's3Destination.aWSKMSKeyARN' failed to satisfy "
                "constraint: Member must satisfy regular expression pattern: arn:.*",
                id="no Region, key without ARN",
            ),
        ],
    )
    def test_of_creation(self, aws: LocalAws, destination: Destination, request_: dict[str, Any], message: str) -> None:
        members = destination.as_member(**request_.get("S3Destination", {}))
        request = {"SyncName": NAME, **request_, "S3Destination": members}
        client = _without_client_checks(aws)
        call = {name: value for name, value in request.items() if value is not None}
        error = refusal(lambda: client.create_resource_data_sync(**call))["Error"]
        assert (error["Code"], error["Message"]) == ("ValidationException", message)

    @pytest.mark.parametrize(
        ("size", "limit"),
        [
            (0, "greater than or equal to 1"),
            (51, "less than or equal to 50"),
        ],
    )
    def test_of_page_sizes(self, aws: LocalAws, size: int, limit: str) -> None:
        client = _without_client_checks(aws)
        error = refusal(lambda: client.list_resource_data_sync(MaxResults=size))["Error"]
        assert error["Code"] == "ValidationException"
        assert error["Message"] == (
            f"1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: "
            f"Member must have value {limit}"
        )

    def test_of_types(self, aws: LocalAws) -> None:
        client = _without_client_checks(aws)
        error = refusal(lambda: client.list_resource_data_sync(SyncType=["SyncToDestination"]))["Error"]
        assert error["Code"] == "SerializationException"


def _without_client_checks(aws: LocalAws) -> Any:
    return boto3.client(
        "ssm",
        region_name="us-east-1",
        endpoint_url=aws.endpoint,
        aws_access_key_id=OUTSIDER,
        aws_secret_access_key="test",
        config=Config(parameter_validation=False, proxies={}),
    )
