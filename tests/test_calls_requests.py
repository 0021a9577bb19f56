"""What functions and scripts ask AWS for is what its service models know.

The local AWS judges each of their requests (see local_aws/request_judge.py). This module runs after all others, and
first proves that the judge sees a bad request.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import WHOLE_RUN
from deployment import wait_for
from local_aws.request_judge import problems
from local_aws.server import LocalAws

# What the three functions call; the scripts call far more.
CALLED_BY_FUNCTIONS = {
    ("ssm", "CreateResourceDataSync"),
    ("ssm", "DeleteResourceDataSync"),
    ("ssm", "ListResourceDataSync"),
    ("glue", "GetTables"),
    ("glue", "UpdateTable"),
    ("s3", "ListObjectVersions"),
    ("s3", "DeleteObjects"),
    ("cloudformation", "DescribeStacks"),
}

JSON = {"content-type": "application/x-amz-json-1.1"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
SSM = JSON | {"x-amz-target": "AmazonSSM.CreateResourceDataSync"}
DELETE = '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key>{}</Object></Delete>'
DESTINATION = {"BucketName": "b", "SyncFormat": "JsonSerDe", "Region": "us-east-1"}


def sync(**destination: Any) -> str:
    return json.dumps({"SyncName": "s", "S3Destination": DESTINATION | destination})


# (name, service, method, path, query, headers, body, operation, problems)
REQUESTS = [
    ("good JSON", "ssm", "POST", "/", "", SSM, sync(), "CreateResourceDataSync", []),
    (
        "an unknown member",
        "ssm", "POST", "/", "", SSM, sync(BucketNme="b"),
        "CreateResourceDataSync", ["unknown to the model: .S3Destination.BucketNme"],
    ),
    (
        "a required member missing",
        "ssm", "POST", "/", "", SSM, "{}",
        "CreateResourceDataSync", ["input.SyncName: missing"],
    ),
    (
        "a string too short",
        "ssm", "POST", "/", "", SSM, sync(Prefix=""),
        "CreateResourceDataSync", ["input.S3Destination.Prefix: not within its limits"],
    ),
    (
        "a value of no enumeration",
        "ssm", "POST", "/", "", SSM, sync(SyncFormat="Parquet"),
        "CreateResourceDataSync", ["input.S3Destination.SyncFormat: not one of its values"],
    ),
    (
        "a value against its pattern",
        "ssm", "POST", "/", "", SSM, sync(AWSKMSKeyARN="key"),
        "CreateResourceDataSync", ["input.S3Destination.AWSKMSKeyARN: does not match its pattern"],
    ),
    (
        "an operation that does not exist",
        "ssm", "POST", "/", "", JSON | {"x-amz-target": "AmazonSSM.CreateDataSync"}, "{}",
        "", ["there is no such operation"],
    ),
    (
        "good form",
        "cloudformation", "POST", "/", "", FORM, "Action=DescribeStacks&Version=2010-05-15&StackName=x",
        "DescribeStacks", [],
    ),
    (
        "an unknown parameter of a form",
        "cloudformation", "POST", "/", "", FORM, "Action=DescribeStacks&Version=2010-05-15&Stack=x",
        "DescribeStacks", ["unknown to the model: Stack"],
    ),
    ("good XML", "s3", "POST", "/b", "delete=", {}, DELETE.format("<VersionId>1</VersionId>"), "DeleteObjects", []),
    (
        "an unknown element of XML",
        "s3", "POST", "/b", "delete=", {}, DELETE.format("<Version>1</Version>"),
        "DeleteObjects", ["unknown to the model: <Delete/Object/Version>"],
    ),
    (
        "an unknown parameter of an address",
        "s3", "GET", "/b", "versions=&prefx=a", {}, "",
        "ListObjectVersions", ["unknown to the model: ?prefx"],
    ),
    (
        "an unknown header",
        "s3", "GET", "/b", "versions=", {"x-amz-expected-owner": "111122223333"}, "",
        "ListObjectVersions", ["unknown to the model: x-amz-expected-owner"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "method", "path", "query", "headers", "body", "operation", "found"),
    [pytest.param(*row, id=name) for name, *row in REQUESTS],
)
def test_the_judge_knows_a_bad_request(
    service: str,
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: str,
    operation: str,
    found: list[str],
) -> None:
    assert problems(service, method, path, headers, body.encode(), query) == (operation, found)


def judged() -> list[dict[str, Any]]:
    """Every verdict of every server."""
    files = Path(os.environ["TEST_LOGS"]).glob("requests-*.jsonl")
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_requests_of_scripts_are_judged(local_aws: LocalAws) -> None:
    aws = Path(sys.executable).with_name("aws")
    command = [str(aws), "sts", "get-caller-identity"]
    subprocess.run(command, env=local_aws.process_env(), check=True, capture_output=True)
    verdict = {"caller": "aws-cli", "service": "sts", "operation": "GetCallerIdentity", "problems": []}
    wait_for(lambda: verdict in judged(), 10, "the request was not judged")


def test_no_request_of_a_function_or_script_is_unknown_to_aws() -> None:
    assert [request for request in judged() if request["problems"]] == []


def test_all_that_the_functions_call_was_judged(request: pytest.FixtureRequest) -> None:
    if not request.config.stash[WHOLE_RUN]:
        pytest.skip("only a part of the tests ran")
    called = {(each["service"], each["operation"]) for each in judged() if each["caller"] == "aws-sdk-rust"}
    assert called >= CALLED_BY_FUNCTIONS
