"""One case for each function: a request that takes no fixed wait, what AWS has then, and who carries it out."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.aws import Aws
from bench.runtime import ACCOUNT, REGION, bootstrap
from bench.tables import CRAWLER, DATABASE, LOCATION

HANDLERS = Path(__file__).parent / "python"

SYNC_BUCKET = f"ssm-resource-sync-{REGION}-{ACCOUNT}"
RESULTS_BUCKET = f"ssm-res-sync-athena-query-results-{REGION}-{ACCOUNT}"
SYNC_NAME = "patch-reporting"
SYNC_PROPERTIES = {
    "ServiceToken": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:ResourceDataSync",
    "ServiceTimeout": "2100",
    "ResourceDataSyncName": SYNC_NAME,
    "S3BucketName": SYNC_BUCKET,
    "S3BucketPrefix": "ResourceDataSync",
    "S3BucketRegion": REGION,
}
SYNC_DESTINATION = {
    "BucketName": SYNC_BUCKET,
    "Prefix": "ResourceDataSync",
    "SyncFormat": "JsonSerDe",
    "Region": REGION,
    "DestinationDataSharing": {"DestinationDataSharingType": "Organization"},
}

HOUR = 3600.0

# Keeps an SDK from the files of whoever runs the benchmark.
NO_PROFILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


@dataclass(frozen=True)
class Case:
    """A function's request in the benchmark."""

    function: str
    what: str
    # Makes AWS ready for the request, also for its repetition.
    set_up: Callable[[Aws, str], None]
    event: Callable[[Aws, str, str], dict[str, Any]]
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The Python function's module."""
        return self.function.replace("-", "_")

    def rust(self) -> list[str]:
        """The command of our function."""
        return [str(bootstrap(self.function))]

    def plain_python(self) -> list[str]:
        """The command of the Python function without Lambda's runtime client, for tests."""
        return [sys.executable, "-B", str(HANDLERS / "plain_runtime.py"), f"{self.module}.handler"]

    def environment(self, aws: Aws, account: str = ACCOUNT, scheme: str = "https") -> dict[str, str]:
        """The variables for a function of this account."""
        return self.variables | aws.environment(scheme) | {"AWS_ACCESS_KEY_ID": account}

    def python_environment(self, aws: Aws, account: str = ACCOUNT, code: Path = HANDLERS) -> dict[str, str]:
        """The same for a Python function, whose SDK would look into the home folder, too."""
        path = {"LAMBDA_TASK_ROOT": str(code), "PYTHONPATH": str(code)}
        return self.environment(aws, account) | NO_PROFILES | path


def request(aws: Aws, kind: str, account: str = ACCOUNT, scheme: str = "https", **members: Any) -> dict[str, Any]:
    """A request of CloudFormation, signed now."""
    stack = f"arn:aws:cloudformation:{REGION}:{account}:stack/patch-reporting/51af3dc0-da77-11e4-872e-1234567db123"
    return {
        "RequestType": kind,
        "ServiceToken": f"arn:aws:lambda:{REGION}:{account}:function:bench",
        "ResponseURL": aws.response_url(stack, "Resource", scheme),
        "StackId": stack,
        "RequestId": str(uuid.uuid4()),
        "LogicalResourceId": "Resource",
        "ResourceType": "AWS::CloudFormation::CustomResource",
        **members,
    }


def crawler_succeeded() -> dict[str, Any]:
    """The event that EventBridge delivers after a crawl."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Glue Crawler State Change",
        "source": "aws.glue",
        "account": ACCOUNT,
        "time": "2026-01-15T12:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": {
            "tablesCreated": "0",
            "warningMessage": "N/A",
            "partitionsUpdated": "0",
            "tablesUpdated": "1",
            "message": "Crawler Succeeded",
            "partitionsDeleted": "0",
            "accountId": ACCOUNT,
            "runningTime (sec)": "41",
            "tablesDeleted": "0",
            "crawlerName": CRAWLER,
            "completionDate": "2026-01-15T12:00:00Z",
            "state": "Succeeded",
            "partitionsCreated": "0",
            "cloudWatchLogLink": "https://example.com",
        },
    }


def _set_up_sync(aws: Aws, account: str) -> None:
    aws.ask("set_up", account)
    aws.ask("put_sync", account, SYNC_NAME, HOUR, SYNC_DESTINATION)


def _update_sync(aws: Aws, account: str, scheme: str) -> dict[str, Any]:
    old = SYNC_PROPERTIES | {"ServiceTimeout": "2000"}
    members = {"PhysicalResourceId": SYNC_NAME, "ResourceProperties": SYNC_PROPERTIES, "OldResourceProperties": old}
    return request(aws, "Update", account, scheme, **members)


def _set_up_tables(aws: Aws, account: str) -> None:
    aws.ask("set_up", account)
    aws.ask("put_tables", account, 13)


def _set_up_buckets(aws: Aws, account: str) -> None:
    aws.ask("set_up", account, stack_status="DELETE_IN_PROGRESS")
    keys = [f"ResourceDataSync/AWS:Tag/accountid={account}/region={REGION}/{number:03}.json" for number in range(50)]
    aws.ask("put_bucket", account, SYNC_BUCKET, keys, markers=10, uploads=1)
    aws.ask("put_bucket", account, RESULTS_BUCKET, [f"results/{number}.csv" for number in range(10)])


def _delete_buckets(aws: Aws, account: str, scheme: str) -> dict[str, Any]:
    properties = {"BucketNames": [SYNC_BUCKET, RESULTS_BUCKET]}
    return request(aws, "Delete", account, scheme, PhysicalResourceId="cleanup", ResourceProperties=properties)


DATA_SYNC = Case("org-resource-data-sync", "Update without a change to the sync", _set_up_sync, _update_sync)
COLUMN_DELETER = Case(
    "glue-column-deleter",
    "13 tables after a crawl, one of them to repair",
    _set_up_tables,
    lambda aws, account, scheme: crawler_succeeded(),
    {"CRAWLER_NAME": CRAWLER, "DATABASE_NAME": DATABASE, "DATA_LOCATION": LOCATION},
)
CLEANUP = Case(
    "s3-cleanup",
    "Delete with two buckets, 130 versions and delete markers, one upload",
    _set_up_buckets,
    _delete_buckets,
)
CASES = (DATA_SYNC, COLUMN_DELETER, CLEANUP)
