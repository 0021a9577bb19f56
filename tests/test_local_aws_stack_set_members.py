"""The member template in a local StackSet fails where AWS would let it fail, and says why in AWS's words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import stacks
from botocore_shapes import call
from deployment import CODE_BUCKETS, MEMBER_TEMPLATE, ROOT, SYNC_CODE, wait_for
from local_aws.server import LocalAws
from organization import (
    CENTRAL_ACCOUNT,
    MANAGEMENT_ACCOUNT,
    MEMBER_ACCOUNTS,
    ORGANIZATION,
    PRODUCTION,
    SYNC_NAME,
    SYNC_PREFIX,
    WORKLOADS,
)

GOOD, BAD, SUSPENDED = MEMBER_ACCOUNTS
HOME, NO_CODE, DISABLED = "us-east-1", "eu-central-1", "me-south-1"
SET = "member"
KEY = "org-resource-data-sync/code.zip"
CODE = f"{CODE_BUCKETS}-{CENTRAL_ACCOUNT}"
DESTINATION = "stack-set-members"
CODE_TEMPLATE = ROOT / "cfn" / "code-buckets.yaml"

TRY_ALL = {"MaxConcurrentPercentage": 100, "FailureTolerancePercentage": 100, "RegionConcurrencyType": "PARALLEL"}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """An organization with a suspended account, and a Region that one account has not enabled."""
    settings = {**ORGANIZATION, "SuspendedAccounts": [SUSPENDED], "DisabledRegions": {BAD: [DISABLED]}}
    with LocalAws(settings) as server:
        _make_destination(server)
        for region in (HOME, DISABLED):
            cloudformation = server.client("cloudformation", CENTRAL_ACCOUNT, region)
            parameters = _parameters(OrganizationId=ORGANIZATION["Id"], CodeBucketPrefix=CODE)
            made = stacks.create(cloudformation, "code", CODE_TEMPLATE.read_text(), Parameters=parameters)
            assert made == "CREATE_COMPLETE"
            s3 = server.client("s3", CENTRAL_ACCOUNT, region)
            s3.upload_file(str(SYNC_CODE), f"{CODE}-{region}", KEY)
        yield server


@pytest.fixture
def cloudformation(aws: LocalAws) -> Iterator[Any]:
    """The management account's CloudFormation, with the member template's set; what it has made is gone afterwards."""
    client = aws.client("cloudformation", MANAGEMENT_ACCOUNT)
    call(
        client,
        "CreateStackSet",
        StackSetName=SET,
        TemplateBody=MEMBER_TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        PermissionModel="SERVICE_MANAGED",
        AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False},
        Parameters=_parameters(
            S3BucketName=DESTINATION,
            S3BucketPrefix=SYNC_PREFIX,
            S3BucketRegion=HOME,
            ResourceDataSyncName=SYNC_NAME,
            CodeS3Bucket=CODE,
            CodeS3Key=KEY,
        ),
    )
    yield client
    for retain in (False, True):
        _operate(client, "DeleteStackInstances", [HOME, NO_CODE, DISABLED], RetainStacks=retain)
    call(client, "DeleteStackSet", StackSetName=SET)


def test_each_account_has_its_sync_and_none_that_is_suspended(aws: LocalAws, cloudformation: Any) -> None:
    assert _operate(cloudformation, "CreateStackInstances", [HOME])["Status"] == "SUCCEEDED"
    assert _instances(cloudformation) == {
        (GOOD, HOME): ("SUCCEEDED", ""),
        (BAD, HOME): ("SUCCEEDED", ""),
        (SUSPENDED, HOME): ("SKIPPED_SUSPENDED_ACCOUNT", ""),
    }
    syncs = {account: _syncs(aws, account) for account in [MANAGEMENT_ACCOUNT, *MEMBER_ACCOUNTS]}
    assert syncs == {MANAGEMENT_ACCOUNT: [], GOOD: [SYNC_NAME], BAD: [SYNC_NAME], SUSPENDED: []}
    _operate(cloudformation, "DeleteStackInstances", [HOME], RetainStacks=False)
    assert _syncs(aws, GOOD) == []


def test_the_code_is_read_as_the_role_of_stack_sets(aws: LocalAws, cloudformation: Any) -> None:
    s3 = aws.client("s3", CENTRAL_ACCOUNT)
    policy = s3.get_bucket_policy(Bucket=f"{CODE}-{HOME}")["Policy"]
    others = policy.replace("role/stacksets-exec-*", "role/others-*")
    assert others != policy
    refusal = (
        "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for "
        f"{CODE}-{HOME}/{KEY}. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"
    )
    try:
        for unreadable in (others, policy.replace(ORGANIZATION["Id"], "o-zzzzzzzzzz")):
            s3.put_bucket_policy(Bucket=f"{CODE}-{HOME}", Policy=unreadable)
            _operate(cloudformation, "CreateStackInstances", [HOME], PRODUCTION)
            for status, reason in _instances(cloudformation).values():
                assert status == "FAILED"
                assert reason.startswith("ResourceLogicalId:ResourceDataSyncLambdaFunction, ResourceType:AWS::Lambda::")
                assert refusal in reason
            _operate(cloudformation, "DeleteStackInstances", [HOME], RetainStacks=False)
    finally:
        s3.put_bucket_policy(Bucket=f"{CODE}-{HOME}", Policy=policy)


def test_a_region_without_code_and_one_that_is_not_enabled(cloudformation: Any) -> None:
    done = _operate(cloudformation, "CreateStackInstances", [HOME, NO_CODE, DISABLED], PRODUCTION)
    found = _instances(cloudformation)
    assert (done["Status"], done["StatusDetails"]["FailedStackInstancesCount"]) == ("SUCCEEDED", 3)
    for account in (GOOD, BAD):
        assert "S3 Error Code: NoSuchBucket" in found[account, NO_CODE][1]
        assert found[account, HOME] == ("SUCCEEDED", "")
    assert found[GOOD, DISABLED] == ("SUCCEEDED", "")
    assert found[BAD, DISABLED][0] == "FAILED"
    assert "InvalidClientTokenId" in found[BAD, DISABLED][1]


def test_an_organizations_sync_of_somebody_else_is_in_the_way(aws: LocalAws, cloudformation: Any) -> None:
    ssm = aws.client("ssm", BAD, HOME)
    ssm.create_resource_data_sync(
        SyncName="somebody-elses",
        S3Destination={
            "BucketName": DESTINATION,
            "Prefix": SYNC_PREFIX,
            "SyncFormat": "JsonSerDe",
            "Region": HOME,
            "DestinationDataSharing": {"DestinationDataSharingType": "Organization"},
        },
    )
    try:
        _operate(cloudformation, "CreateStackInstances", [HOME], PRODUCTION)
        found = _instances(cloudformation)
        assert found[GOOD, HOME] == ("SUCCEEDED", "")
        status, reason = found[BAD, HOME]
        assert status == "FAILED"
        assert reason.startswith(
            "ResourceLogicalId:ResourceDataSyncCustomResource, ResourceType:Custom::ResourceDataSync, "
            "ResourceStatusReason:"
        )
        assert "ResourceDataSyncCountExceededException" in reason
    finally:
        ssm.delete_resource_data_sync(SyncName="somebody-elses")


def test_without_tolerance_the_second_account_is_not_even_tried(cloudformation: Any) -> None:
    done = _operate(cloudformation, "CreateStackInstances", [NO_CODE], PRODUCTION, OperationPreferences={})
    assert done["Status"] == "FAILED"
    assert {status: reason for status, reason in _instances(cloudformation).values() if status == "CANCELLED"} == {
        "CANCELLED": "Cancelled since failure tolerance has exceeded"
    }


def _operate(
    cloudformation: Any, operation: str, regions: list[str], unit: str = WORKLOADS, **request: Any
) -> dict[str, Any]:
    """An operation on the unit's instances, at its end."""
    request = {"OperationPreferences": TRY_ALL, "DeploymentTargets": {"OrganizationalUnitIds": [unit]}} | request
    begun = call(cloudformation, operation, StackSetName=SET, Regions=regions, **request)

    def ended() -> dict[str, Any] | None:
        found = call(cloudformation, "DescribeStackSetOperation", StackSetName=SET, **begun)["StackSetOperation"]
        return found if found["Status"] in ("SUCCEEDED", "FAILED", "STOPPED") else None

    return wait_for(ended, 120, f"{operation} is still running")


def _instances(cloudformation: Any) -> dict[tuple[str, str], tuple[str, str]]:
    """Detailed status and reason of each instance."""
    found = call(cloudformation, "ListStackInstances", StackSetName=SET)["Summaries"]
    return {
        (each["Account"], each["Region"]): (each["StackInstanceStatus"]["DetailedStatus"], each.get("StatusReason", ""))
        for each in found
    }


def _syncs(aws: LocalAws, account: str) -> list[str]:
    """The names of the account's syncs."""
    found = aws.client("ssm", account, HOME).list_resource_data_sync()["ResourceDataSyncItems"]
    return [each["SyncName"] for each in found]


def _parameters(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def _make_destination(server: LocalAws) -> None:
    """A bucket into which the organization's syncs may ship."""
    ssm, files = {"Service": "ssm.amazonaws.com"}, f"arn:aws:s3:::{DESTINATION}/*"
    statements = [
        {"Effect": "Allow", "Principal": ssm, "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{DESTINATION}"},
        {"Effect": "Allow", "Principal": ssm, "Action": ["s3:PutObject", "s3:PutObjectTagging"], "Resource": files},
    ]
    s3 = server.client("s3", CENTRAL_ACCOUNT)
    s3.create_bucket(Bucket=DESTINATION)
    s3.put_bucket_policy(Bucket=DESTINATION, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
