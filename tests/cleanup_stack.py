"""Stacks of the function s3-cleanup, two buckets and no more, which come and go much faster than the central stack.

Role, tags, custom resource and the function's settings are the central template's own.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stacks
from deployment import ROOT, make_code_bucket, object_versions
from local_aws.server import LocalAws
from templates import CENTRAL, load

CODE = ROOT / "target" / "lambda" / "s3-cleanup" / "bootstrap.zip"
CODE_KEY = "s3-cleanup.zip"
BUCKETS = ("ResourceDataSyncBucket", "AthenaQueryResultsBucket")
CONSENT = "patch-reporting:empty-on-delete"
PARAMETERS = ("EmptyBucketsOnDelete", "LogRetentionDays", "TracingMode", "PermissionsBoundaryPolicy", "RolePath")


@dataclass(frozen=True)
class CleanupStack:
    """A stack by its name, which may not be there yet, in an account and Region of the server."""

    server: LocalAws
    account: str
    region: str
    name: str

    @property
    def cloudformation(self) -> Any:
        """CloudFormation for the account's root."""
        return self.server.client("cloudformation", self.account, self.region)

    @property
    def s3(self) -> Any:
        """S3 for the account's root."""
        return self.server.client("s3", self.account, self.region)

    def template(self, timeout: int | None = None) -> dict[str, Any]:
        """The template, to be changed at will. `timeout` in seconds is the function's, by default the central one's."""
        central = json.loads(json.dumps(load(CENTRAL)))
        function = central["Resources"]["S3BucketCleanup"]["Properties"]
        settings = {name: function[name] for name in ("Role", "MemorySize", "Timeout", "LoggingConfig")}
        settings |= {"Runtime": "provided.al2023", "Handler": "bootstrap"}
        settings |= {"Code": {"S3Bucket": self._code_bucket(), "S3Key": CODE_KEY}}
        settings |= {"Timeout": timeout} if timeout else {}
        retries = {"FunctionName": {"Ref": "S3BucketCleanup"}, "Qualifier": "$LATEST", **function["EventInvokeConfig"]}
        buckets = {
            name: {"Type": "AWS::S3::Bucket", "Properties": {"Tags": central["Resources"][name]["Properties"]["Tags"]}}
            for name in BUCKETS
        }
        buckets[BUCKETS[0]]["Properties"]["VersioningConfiguration"] = {"Status": "Enabled"}
        # Without the DeletionPolicy: to be seen is what the function leaves alone, not what CloudFormation keeps.
        return {
            "Parameters": {name: central["Parameters"][name] for name in PARAMETERS},
            "Conditions": {name: central["Conditions"][name] for name in ("HasPermissionsBoundary", "IsTraced")},
            "Resources": {
                **buckets,
                **{
                    name: central["Resources"][name]
                    for name in ("S3CleanupLambdaExecutionRole", "S3BucketCleanupLogGroup", "S3Cleanup")
                },
                "S3BucketCleanup": {"Type": "AWS::Lambda::Function", "Properties": settings},
                "Retries": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": retries},
            },
        }

    def create(self, template: dict[str, Any] | None = None, consent: bool = True) -> str:
        """Creates the stack; returns the status in which it comes to rest, as all of these do."""
        return stacks.create(self.cloudformation, self.name, template or self.template(), **_parameters(consent))

    def update(self, template: dict[str, Any] | None = None, consent: bool = True) -> str:
        """Updates the stack."""
        return stacks.update(self.cloudformation, self.name, template or self.template(), **_parameters(consent))

    def delete(self) -> str:
        """Deletes the stack."""
        return stacks.delete(self.cloudformation, self.name)

    def reason(self, logical_id: str, status: str = "DELETE_FAILED") -> str:
        """Why the resource came to that status."""
        return stacks.reason(self.cloudformation, self.name, logical_id, status)

    def buckets(self) -> list[str]:
        """The names of both buckets."""
        return [stacks.resource(self.cloudformation, self.name, logical_id) for logical_id in BUCKETS]

    def fill(self) -> dict[str, int]:
        """Puts objects, versions, a delete marker and an unfinished upload into the buckets; returns as `held`."""
        sync, results = self.buckets()
        for bucket in (sync, results):
            for key in ("a/1", "a/1", "b/2", "odd key/ü&<>%"):
                self.s3.put_object(Bucket=bucket, Key=key, Body=b"data")
            self.s3.create_multipart_upload(Bucket=bucket, Key="unfinished")
        self.s3.delete_object(Bucket=sync, Key="b/2")
        return self.held(sync, results)

    def held(self, *buckets: str) -> dict[str, int]:
        """How many versions and delete markers each bucket holds; -1 if it is gone."""
        return {bucket: object_versions(self.server, bucket, self.account, self.region) for bucket in buckets}

    def printed(self, request_type: str) -> list[str]:
        """What the function printed, an entry for each attempt at such a request, also after the stack is gone.

        Its log group goes with the stack, and a role that is gone writes no log.
        """
        kept = Path(os.environ["TEST_LOGS"], f"functions-{self.server.pid}.log").read_text()
        mine = f":{self.account}:function:{self.name}-S3BucketCleanup-"
        attempts = [text for text in kept.split("--- arn:aws:lambda:") if mine in text.partition("\n")[0]]
        return [text for text in attempts if f'"request_type":"{request_type}"' in text]

    def _code_bucket(self) -> str:
        bucket = make_code_bucket(self.server, self.account, self.region)
        self.s3.upload_file(str(CODE), bucket, CODE_KEY)
        return bucket


def _parameters(consent: bool) -> dict[str, Any]:
    value = "true" if consent else "false"
    return {"Parameters": [{"ParameterKey": "EmptyBucketsOnDelete", "ParameterValue": value}]}
