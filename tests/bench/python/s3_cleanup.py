"""Empties the buckets of a stack that is being deleted, so that CloudFormation can delete them."""

from typing import Any

import answer
import boto3

CONSENT = {"Key": "patch-reporting:empty-on-delete", "Value": "true"}
GOING = ("DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS")

s3 = boto3.client("s3")
cloudformation = boto3.client("cloudformation")


def handler(event: dict, context: Any) -> None:
    """Answers one request of CloudFormation."""
    stack = event["StackId"]
    account, name_and_id = stack.split(":")[4], stack.partition(":stack/")[2]
    physical_id = event.get("PhysicalResourceId", f"{name_and_id}/{event['LogicalResourceId']}")
    try:
        if event["RequestType"] == "Delete" and is_going(stack):
            for bucket in event["ResourceProperties"]["BucketNames"]:
                empty({"Bucket": bucket, "ExpectedBucketOwner": account})
    except Exception as error:
        answer.send(event, context, "FAILED", physical_id, reason=str(error))
    else:
        answer.send(event, context, "SUCCESS", physical_id)


def is_going(stack: str) -> bool:
    """Whether the stack itself is deleted, and not only this resource of it."""
    return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] in GOING


def empty(bucket: dict) -> None:
    """Deletes all that a bucket holds, until nothing is found any more, if its tag says so."""
    try:
        if CONSENT not in s3.get_bucket_tagging(**bucket)["TagSet"]:
            return
        while abort_uploads(bucket) + delete_versions(bucket):
            pass
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchBucket", "NoSuchTagSet"):
            raise


def abort_uploads(bucket: dict) -> int:
    """Aborts the incomplete uploads. Returns how many there were."""
    count = 0
    for page in s3.get_paginator("list_multipart_uploads").paginate(**bucket):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(**bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            count += 1
    return count


def delete_versions(bucket: dict) -> int:
    """Deletes the versions and delete markers, a page at a time. Returns how many there were."""
    count = 0
    for page in s3.get_paginator("list_object_versions").paginate(**bucket):
        found = page.get("Versions", []) + page.get("DeleteMarkers", [])
        objects = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in found]
        if objects:
            deleted = s3.delete_objects(**bucket, Delete={"Objects": objects, "Quiet": True})
            if "Errors" in deleted:
                raise RuntimeError(f"{len(deleted['Errors'])} versions not deleted: {deleted['Errors'][:3]}")
        count += len(objects)
    return count
