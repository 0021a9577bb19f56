"""The cleanup's custom resource through every life that CloudFormation can lead it, with data in the buckets.

Buckets are emptied by two consents only: the stack itself goes, and the bucket carries the tag. The function, its role
and the custom resource are the real ones, in small stacks.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import stacks
from cleanup_stack import CONSENT, CleanupStack
from deployment import wait_for
from grants import role_without
from local_aws.server import LocalAws

ACCOUNT = "800000000001"
STRANGER = "800000000002"
REGION = "us-east-1"

_numbers = itertools.count()

# A custom resource that puts an object into a bucket and then fails to be made.
LATE_FAILURE = """
import boto3, json, urllib.request

def handler(event, context):
    create = event["RequestType"] == "Create"
    if create:
        boto3.client("s3").put_object(Bucket=event["ResourceProperties"]["Bucket"], Key="early", Body=b"data")
    answer = {"Status": "FAILED" if create else "SUCCESS", "Reason": "planned", "PhysicalResourceId": "late",
              **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), {"Content-Type": ""})
    request.method = "PUT"
    urllib.request.urlopen(request)
"""


@pytest.fixture
def stack(local_aws: LocalAws) -> Iterator[CleanupStack]:
    """A stack that is not made yet."""
    yield CleanupStack(local_aws, ACCOUNT, REGION, f"cleanup-{next(_numbers)}")


def deletions(stack: CleanupStack) -> list[tuple[str, str]]:
    """Each resource whose deletion the stack's events tell, and how it ended."""
    ends = ("DELETE_COMPLETE", "DELETE_FAILED", "DELETE_SKIPPED")
    return [
        (logical_id, status)
        for logical_id, status, _ in stacks.events(stack.cloudformation, stack.name)
        if status in ends and logical_id != stack.name
    ]


def late_failure(bucket: str) -> dict[str, Any]:
    """Resources that put an object into the bucket, once the cleanup is there, and make the stack fail."""
    role = {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        },
        "Policies": [
            {
                "PolicyName": "write",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}],
                },
            }
        ],
    }
    function = {
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": ["LateRole", "Arn"]},
        "Code": {"ZipFile": LATE_FAILURE},
        "Timeout": 30,
    }
    return {
        "LateRole": {"Type": "AWS::IAM::Role", "Properties": role},
        "LateFunction": {"Type": "AWS::Lambda::Function", "Properties": function},
        "Late": {
            "Type": "Custom::Late",
            "DependsOn": "S3Cleanup",
            "Properties": {
                "ServiceToken": {"Fn::GetAtt": ["LateFunction", "Arn"]},
                "ServiceTimeout": 30,
                "Bucket": {"Ref": bucket},
            },
        },
    }


class TestTheStackGoes:
    def test_its_deletion_empties_the_buckets_and_removes_them(self, stack: CleanupStack) -> None:
        assert stack.create() == "CREATE_COMPLETE"
        before = stack.fill()
        assert min(before.values()) > 0
        assert stack.delete() == "DELETE_COMPLETE"
        assert stack.held(*before) == dict.fromkeys(before, -1)

    def test_the_rollback_of_its_creation_empties_what_was_written_already(self, stack: CleanupStack) -> None:
        template = stack.template()
        template["Resources"] |= late_failure("ResourceDataSyncBucket")
        assert stack.create(template) == "ROLLBACK_COMPLETE"
        assert "planned" in stack.reason("Late", "CREATE_FAILED")
        assert ("ResourceDataSyncBucket", "DELETE_COMPLETE") in deletions(stack)
        assert stack.delete() == "DELETE_COMPLETE"

    def test_a_bucket_that_is_gone_already_is_in_nobodys_way(self, stack: CleanupStack) -> None:
        assert stack.create() == "CREATE_COMPLETE"
        sync, results = stack.buckets()
        stack.s3.delete_bucket(Bucket=sync)
        stack.s3.put_object(Bucket=results, Key="left", Body=b"data")
        assert stack.delete() == "DELETE_COMPLETE"
        assert stack.held(results) == {results: -1}


class TestWithoutTheTag:
    def test_the_deletion_stops_at_the_bucket_and_no_object_is_lost(self, stack: CleanupStack) -> None:
        assert stack.create(consent=False) == "CREATE_COMPLETE"
        before = stack.fill()
        assert stack.delete() == "DELETE_FAILED"
        assert "The bucket you tried to delete is not empty" in stack.reason("ResourceDataSyncBucket")
        assert ("S3Cleanup", "DELETE_COMPLETE") in deletions(stack)
        assert stack.held(*before) == before

        # The owner of the data makes up their mind; then the deletion goes on.
        for bucket in before:
            pages = stack.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
            for version in [each for page in pages for each in [*page["Versions"], *page.get("DeleteMarkers", [])]]:
                stack.s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
        assert stack.delete() == "DELETE_COMPLETE"
        assert stack.held(*before) == dict.fromkeys(before, -1)

    def test_buckets_can_be_left_behind_with_their_objects(self, stack: CleanupStack) -> None:
        assert stack.create(consent=False) == "CREATE_COMPLETE"
        before = stack.fill()
        assert stack.delete() == "DELETE_FAILED"
        stack_id = stack.cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]["StackId"]
        failed = [logical_id for logical_id, status in deletions(stack) if status == "DELETE_FAILED"]
        stack.cloudformation.delete_stack(StackName=stack.name, RetainResources=failed)
        assert stacks.wait(stack.cloudformation, stack_id) == "DELETE_COMPLETE"
        assert stack.held(*before) == before

    def test_an_update_gives_the_consent_before_the_deletion(self, stack: CleanupStack) -> None:
        assert stack.create(consent=False) == "CREATE_COMPLETE"
        before = stack.fill()
        assert stack.update(consent=True) == "UPDATE_COMPLETE"
        assert stack.held(*before) == before
        assert stack.delete() == "DELETE_COMPLETE"

    def test_an_update_takes_the_consent_back(self, stack: CleanupStack) -> None:
        assert stack.create(consent=True) == "CREATE_COMPLETE"
        before = stack.fill()
        assert stack.update(consent=False) == "UPDATE_COMPLETE"
        assert stack.delete() == "DELETE_FAILED"
        assert stack.held(*before) == before

    def test_each_bucket_consents_for_itself(self, stack: CleanupStack) -> None:
        assert stack.create() == "CREATE_COMPLETE"
        before = stack.fill()
        sync, results = before
        stack.s3.put_bucket_tagging(Bucket=sync, Tagging={"TagSet": [{"Key": CONSENT, "Value": "True"}]})
        assert stack.delete() == "DELETE_FAILED"
        assert stack.held(*before) == {sync: before[sync], results: -1}

    def test_the_rollback_of_the_creation_loses_no_object_either(self, stack: CleanupStack) -> None:
        template = stack.template()
        template["Resources"] |= late_failure("ResourceDataSyncBucket")
        assert stack.create(template, consent=False) == "ROLLBACK_FAILED"
        assert "planned" in stack.reason("Late", "CREATE_FAILED")
        assert ("ResourceDataSyncBucket", "DELETE_FAILED") in deletions(stack)
        assert ("S3Cleanup", "DELETE_COMPLETE") in deletions(stack)


class TestTheStackStays:
    """Whatever an update does with the custom resource, it is no reason to lose an object."""

    def test_an_update_that_removes_it(self, stack: CleanupStack) -> None:
        assert stack.create() == "CREATE_COMPLETE"
        before = stack.fill()
        template = stack.template()
        del template["Resources"]["S3Cleanup"]
        assert stack.update(template) == "UPDATE_COMPLETE"
        assert deletions(stack) == [("S3Cleanup", "DELETE_COMPLETE")]
        assert stack.held(*before) == before

        # Back in the template it serves the deletion as ever.
        assert stack.update() == "UPDATE_COMPLETE"
        assert stack.held(*before) == before
        assert stack.delete() == "DELETE_COMPLETE"

    def test_an_update_that_renames_it(self, stack: CleanupStack) -> None:
        assert stack.create() == "CREATE_COMPLETE"
        before = stack.fill()
        template = stack.template()
        template["Resources"]["Renamed"] = template["Resources"].pop("S3Cleanup")
        assert stack.update(template) == "UPDATE_COMPLETE"
        assert deletions(stack) == [("S3Cleanup", "DELETE_COMPLETE")]
        assert stack.held(*before) == before
        assert stack.delete() == "DELETE_COMPLETE"

    def test_an_update_of_its_buckets(self, stack: CleanupStack) -> None:
        assert stack.create() == "CREATE_COMPLETE"
        before = stack.fill()
        template = stack.template()
        template["Resources"]["S3Cleanup"]["Properties"]["BucketNames"].pop()
        assert stack.update(template) == "UPDATE_COMPLETE"
        assert deletions(stack) == []
        assert stack.held(*before) == before

    @pytest.mark.parametrize("is_renamed", [True, False], ids=["renamed", "added"])
    def test_the_rollback_of_an_update(self, stack: CleanupStack, is_renamed: bool) -> None:
        assert stack.create() == "CREATE_COMPLETE"
        before = stack.fill()
        template = stack.template()
        resources = template["Resources"]
        resources["Another"] = resources.pop("S3Cleanup") if is_renamed else dict(resources["S3Cleanup"])
        resources["Bad"] = stacks.refused("Another")
        assert stack.update(template) == "UPDATE_ROLLBACK_COMPLETE"
        assert deletions(stack) == [("Another", "DELETE_COMPLETE")]
        assert stack.held(*before) == before
        assert stack.delete() == "DELETE_COMPLETE"

    def test_an_unknown_property_is_refused_and_the_update_rolled_back(self, stack: CleanupStack) -> None:
        assert stack.create() == "CREATE_COMPLETE"
        before = stack.fill()
        template = stack.template()
        template["Resources"]["S3Cleanup"]["Properties"]["BucketName"] = "one-more"
        assert stack.update(template) == "UPDATE_ROLLBACK_COMPLETE"
        assert "BucketName: it is unknown" in stack.reason("S3Cleanup", "UPDATE_FAILED")
        assert stack.held(*before) == before

    def test_a_delete_of_another_physical_id(self, stack: CleanupStack) -> None:
        # What follows an Update whose answer had a new id: the former one, of the recipe's function perhaps, goes.
        assert stack.create() == "CREATE_COMPLETE"
        before = stack.fill()
        answer = ask_to_delete(stack, "2026/01/15/[$LATEST]0123456789abcdef0123456789abcdef")
        assert answer["Status"] == "SUCCESS"
        assert answer["PhysicalResourceId"] == "2026/01/15/[$LATEST]0123456789abcdef0123456789abcdef"
        assert stack.held(*before) == before


def ask_to_delete(stack: CleanupStack, physical_id: str) -> dict[str, Any]:
    """Sends the function a Delete while the stack is at rest; returns the answer, which a bucket takes."""
    function = stacks.resource(stack.cloudformation, stack.name, "S3BucketCleanup")
    mailbox = f"mailbox-of-{stack.name}"
    stack.s3.create_bucket(Bucket=mailbox)
    target = {"Bucket": mailbox, "Key": "answer"}
    event = {
        "RequestType": "Delete",
        "ResponseURL": stack.s3.generate_presigned_url("put_object", Params=target, ExpiresIn=60),
        "StackId": stack.cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]["StackId"],
        "RequestId": "11111111-2222-3333-4444-555555555555",
        "ResourceType": "Custom::S3BucketCleanupFunction",
        "LogicalResourceId": "S3Cleanup",
        "PhysicalResourceId": physical_id,
        "ResourceProperties": {"BucketNames": stack.buckets()},
    }
    functions = stack.server.client("lambda", stack.account, stack.region)
    answer = functions.invoke(FunctionName=function, Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(stack.s3.get_object(**target)["Body"].read())


@pytest.mark.parametrize(
    "action",
    [
        "cloudformation:DescribeStacks",
        "s3:GetBucketTagging",
        "s3:ListBucketVersions",
        "s3:ListBucketMultipartUploads",
        "s3:AbortMultipartUpload",
        "s3:DeleteObjectVersion",
    ],
)
def test_a_denied_cleanup_keeps_the_data_and_names_the_grant_that_it_lacks(stack: CleanupStack, action: str) -> None:
    assert stack.create() == "CREATE_COMPLETE"
    before = stack.fill()
    role = stacks.resource(stack.cloudformation, stack.name, "S3CleanupLambdaExecutionRole")
    with role_without(stack.server.client("iam", stack.account), role, action):
        assert stack.delete() == "DELETE_FAILED"
        assert action in stack.reason("S3Cleanup")
        assert stack.held(*before) == before
    assert stack.delete() == "DELETE_COMPLETE"
    assert stack.held(*before) == dict.fromkeys(before, -1)


def test_a_bucket_that_another_account_has_by_now_is_left_alone(local_aws: LocalAws, stack: CleanupStack) -> None:
    assert stack.create() == "CREATE_COMPLETE"
    sync, results = stack.buckets()
    stack.s3.delete_bucket(Bucket=results)
    theirs = local_aws.client("s3", STRANGER, REGION)
    theirs.create_bucket(Bucket=results)
    theirs.put_bucket_tagging(Bucket=results, Tagging={"TagSet": [{"Key": CONSENT, "Value": "true"}]})
    theirs.put_object(Bucket=results, Key="theirs", Body=b"data")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ACCOUNT},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{results}", f"arn:aws:s3:::{results}/*"],
    }
    theirs.put_bucket_policy(Bucket=results, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    stack.s3.put_object(Bucket=sync, Key="own", Body=b"data")

    assert stack.delete() == "DELETE_FAILED"
    assert results in stack.reason("S3Cleanup")
    assert [item["Key"] for item in theirs.list_objects_v2(Bucket=results)["Contents"]] == ["theirs"]

    theirs.delete_object(Bucket=results, Key="theirs")
    theirs.delete_bucket(Bucket=results)
    assert stack.delete() == "DELETE_COMPLETE"


def test_lambdas_retry_goes_on_with_a_bucket_too_large_for_one_invocation() -> None:
    # Of 6 s the function takes 1.75 s for the work and leaves the rest for the answer: too little for that many pages.
    pages = 5
    with LocalAws(extra_env={"LOCAL_AWS_LIST_VERSIONS_SECONDS": "0.4"}) as server:
        stack = CleanupStack(server, ACCOUNT, REGION, "large")
        template = stack.template(timeout=6)
        template["Resources"]["S3Cleanup"]["Properties"]["BucketNames"].pop()
        assert stack.create(template) == "CREATE_COMPLETE"
        bucket, _ = stack.buckets()
        for page in range(pages):
            # In a versioned bucket each key without an object gets a delete marker.
            keys = [{"Key": f"{page}-{number}"} for number in range(1000)]
            stack.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        assert stack.delete() == "DELETE_COMPLETE"
        # The last attempt's lines arrive after its answer.
        wait_for(lambda: "request answered" in "".join(stack.printed("Delete")), 5, "the function did not answer")
        first, *others = attempts = stack.printed("Delete")
        assert len(attempts) in (2, 3)
        deleted = re.search(r"\((\d+) versions deleted in this attempt\)", first)
        assert deleted and 0 < int(deleted[1]) < pages * 1000
        assert "the next attempt goes on" in first
        assert "bucket is empty" in others[-1]
