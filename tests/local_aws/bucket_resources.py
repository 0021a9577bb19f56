"""AWS::S3::Bucket and AWS::S3::BucketPolicy: what a template sets is kept, and only an empty bucket is deleted.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html
MiniStack drops a bucket's encryption, lifecycle, ownership, logging, tags and suspended versioning, deletes a bucket
with all that it holds, and stores a policy without S3's checks.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore.serialize import create_serializer
from ministack.services import s3

from local_aws.resource_handler import Created, Handler, Props, checked, handler_error, is_true


def _encryption(value: Props) -> Props:
    return {
        "Rules": [
            {
                "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
                "BucketKeyEnabled": is_true(rule.get("BucketKeyEnabled")),
            }
            for rule in value["ServerSideEncryptionConfiguration"]
        ]
    }


def _lifecycle(value: Props) -> Props:
    return {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}


def _lifecycle_rule(rule: Props) -> Props:
    # CloudFormation's members and where S3's API has them.
    known = {
        "Id": lambda value: {"ID": value},
        "Status": lambda value: {"Status": value},
        "Prefix": lambda value: {"Filter": {"Prefix": value}},
        "ExpirationInDays": lambda value: {"Expiration": {"Days": int(value)}},
        "ExpiredObjectDeleteMarker": lambda value: {"Expiration": {"ExpiredObjectDeleteMarker": is_true(value)}},
        "NoncurrentVersionExpirationInDays": lambda value: {
            "NoncurrentVersionExpiration": {"NoncurrentDays": int(value)}
        },
        "NoncurrentVersionExpiration": lambda value: {
            "NoncurrentVersionExpiration": {name: int(days) for name, days in value.items()}
        },
        "AbortIncompleteMultipartUpload": lambda value: {
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": int(value["DaysAfterInitiation"])}
        },
    }
    if unknown := sorted(rule.keys() - known.keys()):
        raise ValueError(f"the local AWS does not know {', '.join(unknown)} of a lifecycle rule")
    members: Props = {"Filter": {"Prefix": ""}}
    for name, value in rule.items():
        members |= known[name](value)
    return members


def _logging(value: Props) -> Props:
    target = {"TargetBucket": value["DestinationBucketName"], "TargetPrefix": value.get("LogFilePrefix", "")}
    return {"LoggingEnabled": target}


# Property -> S3's operation, its member, the member's value from the property's, and what a dropped property means.
_BUCKET_PROPERTIES: dict[str, tuple[str, str, Callable[[Any], Any], Callable[[str], Any]]] = {
    "BucketEncryption": (
        "PutBucketEncryption",
        "ServerSideEncryptionConfiguration",
        _encryption,
        s3._delete_bucket_encryption,
    ),
    "LifecycleConfiguration": (
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
        _lifecycle,
        s3._delete_bucket_lifecycle,
    ),
    "LoggingConfiguration": (
        "PutBucketLogging",
        "BucketLoggingStatus",
        _logging,
        lambda bucket: s3._bucket_logging_config.pop(bucket, None),
    ),
    "OwnershipControls": (
        "PutBucketOwnershipControls",
        "OwnershipControls",
        dict,
        s3._delete_bucket_ownership_controls,
    ),
    "Tags": ("PutBucketTagging", "Tagging", lambda tags: {"TagSet": tags}, s3._delete_bucket_tagging),
    "VersioningConfiguration": (
        "PutBucketVersioning",
        "VersioningConfiguration",
        dict,
        lambda bucket: s3._put_bucket_versioning(bucket, b"<V><Status>Suspended</Status></V>"),
    ),
}

_STORED_BY = {
    "PutBucketEncryption": s3._put_bucket_encryption,
    "PutBucketLifecycleConfiguration": s3._put_bucket_lifecycle,
    "PutBucketLogging": s3._put_bucket_logging,
    "PutBucketOwnershipControls": s3._put_bucket_ownership_controls,
    "PutBucketTagging": s3._put_bucket_tagging,
    "PutBucketVersioning": s3._put_bucket_versioning,
}

# What MiniStack's own handler takes care of.
_KNOWN_BUCKET_PROPERTIES = _BUCKET_PROPERTIES.keys() | {
    "BucketName",
    "CorsConfiguration",
    "NotificationConfiguration",
    "PublicAccessBlockConfiguration",
    "WebsiteConfiguration",
}


@functools.cache
def _s3_model() -> Any:
    return botocore.session.Session().get_service_model("s3")


def _configure_bucket(bucket: str, props: Props, old: Props) -> None:
    if unknown := sorted(props.keys() - _KNOWN_BUCKET_PROPERTIES):
        raise ValueError(f"the local AWS does not know {', '.join(unknown)} of AWS::S3::Bucket")
    for name, (operation, member, convert, drop) in _BUCKET_PROPERTIES.items():
        if props.get(name):
            # The SDK's serializer writes the XML that the service's own handler reads.
            request = create_serializer("rest-xml", include_validation=True).serialize_to_request(
                {"Bucket": bucket, member: convert(props[name])}, _s3_model().operation_model(operation)
            )
            checked(_STORED_BY[operation](bucket, request["body"]))
        elif old.get(name):
            drop(bucket)


def bucket_handler(original: Handler) -> Handler:
    def create(logical_id: str, props: Props, stack_name: str) -> Created:
        bucket, attributes = original["create"](logical_id, props, stack_name)
        try:
            _configure_bucket(bucket, props, {})
        except Exception:
            s3._delete_bucket(bucket)
            raise
        return bucket, attributes

    def update(physical_id: str, old: Props, new: Props, stack_name: str) -> Created:
        bucket, attributes = original["update"](physical_id, old, new, stack_name)
        _configure_bucket(bucket, new, old if bucket == physical_id else {})
        return bucket, attributes

    def delete(physical_id: str, props: Props) -> None:
        versioned = physical_id in s3._bucket_versioning
        status, _, body = s3._delete_bucket(physical_id)
        if status == 409:
            text = "The bucket you tried to delete is not empty"
            text += ". You must delete all versions in the bucket." if versioned else ""
            ids = f"Request ID: {uuid.uuid4().hex[:16].upper()}, Extended Request ID: {uuid.uuid4().hex}"
            raise handler_error(f"{text} (Service: S3, Status Code: 409, {ids})", "GeneralServiceException")
        if status != 404:
            checked((status, {}, body))

    return {**original, "create": create, "update": update, "delete": delete}


def bucket_policy_handler(original: Handler) -> Handler:
    def check(props: Props) -> None:
        checked(s3._put_bucket_policy(props["Bucket"], json.dumps(props["PolicyDocument"]).encode()))

    def create(logical_id: str, props: Props, stack_name: str) -> Created:
        check(props)
        return original["create"](logical_id, props, stack_name)

    def update(physical_id: str, old: Props, new: Props, stack_name: str) -> Created:
        check(new)
        return original["update"](physical_id, old, new, stack_name)

    return {**original, "create": create, "update": update}
