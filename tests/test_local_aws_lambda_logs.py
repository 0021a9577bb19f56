"""A function's output goes where the function is told that it goes, if its role may write there."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stacks
from local_aws.server import LocalAws

ACCOUNT = "300000000008"
REGION = "us-east-1"

# A bootstrap as ours: a process that asks the runtime API for events. It answers with its own variables.
BOOTSTRAP = f"""#!{sys.executable}
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as event:
        request_id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    print("hello from the function", flush=True)
    body = json.dumps({{k: v for k, v in os.environ.items() if k.startswith("AWS_LAMBDA_LOG")}}).encode()
    urllib.request.urlopen(urllib.request.Request(api + request_id + "/response", body)).read()
"""

GROUP = {"Fn::GetAtt": ["Logs", "Arn"]}


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAws]:
    """A server of its own, which leaves the functions the level of their configuration."""
    with LocalAws() as server:
        yield server


@pytest.fixture(scope="module")
def code(local_aws: LocalAws) -> dict[str, str]:
    return put_code(local_aws)


def put_code(local_aws: LocalAws) -> dict[str, str]:
    """Puts the bootstrap's package into a bucket; returns the function's property Code."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        bootstrap = zipfile.ZipInfo("bootstrap")
        bootstrap.external_attr = 0o755 << 16
        file.writestr(bootstrap, BOOTSTRAP)
    s3 = local_aws.client("s3", ACCOUNT, REGION)
    s3.create_bucket(Bucket="lambda-logs-code")
    s3.put_object(Bucket="lambda-logs-code", Key="code.zip", Body=archive.getvalue())
    return {"S3Bucket": "lambda-logs-code", "S3Key": "code.zip"}


def invoke(
    local_aws: LocalAws,
    stack: str,
    code: dict[str, str],
    actions: list[str],
    resource: Any = GROUP,
    logging: dict[str, Any] | None = None,
) -> tuple[str, dict[str, str]]:
    """Deploys and invokes a function whose role has the grant; returns the function's name and its log variables."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    grant = {"Effect": "Allow", "Action": actions, "Resource": resource}
    template = {
        "Resources": {
            "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": stack, "RetentionInDays": 7}},
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                    "Policies": [
                        {"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": [grant]}}
                    ],
                },
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "provided.al2023",
                    "Handler": "bootstrap",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": code,
                    "Timeout": 20,
                    **({"LoggingConfig": logging} if logging else {}),
                },
            },
        }
    }
    cloudformation = local_aws.client("cloudformation", ACCOUNT, REGION)
    assert stacks.create(cloudformation, stack, template) == "CREATE_COMPLETE"
    name = stacks.resource(cloudformation, stack, "Function")
    answer = local_aws.client("lambda", ACCOUNT, REGION).invoke(FunctionName=name)
    assert "FunctionError" not in answer
    return name, json.loads(answer["Payload"].read())


def messages(local_aws: LocalAws, group: str, stream: str) -> list[str]:
    logs = local_aws.client("logs", ACCOUNT, REGION)
    return [event["message"] for event in logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]]


def streams(local_aws: LocalAws, group: str) -> list[str]:
    logs = local_aws.client("logs", ACCOUNT, REGION)
    return [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]]


WRITE = ["logs:CreateLogStream", "logs:PutLogEvents"]


def test_the_stream_that_the_function_is_told_of_holds_its_lines(local_aws: LocalAws, code: dict[str, str]) -> None:
    _, variables = invoke(local_aws, "logs-text", code, WRITE, logging={"LogGroup": {"Ref": "Logs"}})
    assert variables["AWS_LAMBDA_LOG_GROUP_NAME"] == "logs-text"
    assert variables["AWS_LAMBDA_LOG_FORMAT"] == "Text"
    assert "AWS_LAMBDA_LOG_LEVEL" not in variables
    assert streams(local_aws, "logs-text") == [variables["AWS_LAMBDA_LOG_STREAM_NAME"]]
    lines = messages(local_aws, "logs-text", variables["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert "hello from the function" in lines
    assert lines[0].startswith("START RequestId: ")


def test_json(local_aws: LocalAws, code: dict[str, str]) -> None:
    logging = {"LogGroup": {"Ref": "Logs"}, "LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"}
    _, variables = invoke(local_aws, "logs-json", code, WRITE, logging=logging)
    assert (variables["AWS_LAMBDA_LOG_FORMAT"], variables["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "DEBUG")
    lines = messages(local_aws, "logs-json", variables["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert [json.loads(line)["type"] for line in (lines[0], lines[-1])] == ["platform.start", "platform.report"]


@pytest.mark.parametrize("missing", WRITE)
def test_a_role_that_may_not_write_leaves_no_logs(local_aws: LocalAws, code: dict[str, str], missing: str) -> None:
    stack = "logs-without-" + missing.removeprefix("logs:")
    actions = [action for action in WRITE if action != missing]
    invoke(local_aws, stack, code, actions, logging={"LogGroup": {"Ref": "Logs"}})
    assert streams(local_aws, stack) == []


@pytest.mark.parametrize(("actions", "made"), [([*WRITE, "logs:CreateLogGroup"], True), (WRITE, False)])
def test_a_missing_group_is_made_only_if_the_role_may(
    local_aws: LocalAws, code: dict[str, str], actions: list[str], made: bool
) -> None:
    name, _ = invoke(local_aws, f"logs-group-{made}".lower(), code, actions, resource="*")
    groups = local_aws.client("logs", ACCOUNT, REGION).describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")
    assert [group["logGroupName"] for group in groups["logGroups"]] == ([f"/aws/lambda/{name}"] if made else [])


def test_the_servers_level_goes_for_every_function_and_all_that_they_print_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_LOGS", str(tmp_path))
    with LocalAws(extra_env={"LOCAL_AWS_FUNCTION_LOG_LEVEL": "TRACE"}) as server:
        logging = {"LogGroup": {"Ref": "Logs"}, "LogFormat": "JSON", "ApplicationLogLevel": "WARN"}
        actions = ["logs:CreateLogStream"]  # not enough for CloudWatch Logs
        name, variables = invoke(server, "logs-kept", put_code(server), actions, logging=logging)
        assert variables["AWS_LAMBDA_LOG_LEVEL"] == "TRACE"
        [kept] = tmp_path.glob("functions-*")
        assert kept.name == f"functions-{server.pid}.log"
        heading, line = kept.read_text().splitlines()
        assert f":function:{name} " in heading
        assert line == "hello from the function"
