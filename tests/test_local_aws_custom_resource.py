"""Custom resources behave as CloudFormation's: invocation, answers, time-outs, rollbacks, replacements."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

import stacks
from local_aws.server import LocalAws

ACCOUNT = "300000000001"
REGION = "eu-west-1"

# Does what its property Plan says for the request type, and logs each request with the statuses of its PUTs and, if
# told to look, the status of its stack. Of the response URL it logs all but the signature, and of that the length.
FUNCTION = """
import boto3, json, os, tempfile, time, urllib.error, urllib.parse, urllib.request

cloudformation = boto3.client("cloudformation")

def put(url, body, headers):
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "", **headers}, method="PUT")
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code

def handler(event, context):
    received = time.time()
    plan = json.loads(event["ResourceProperties"]["Plan"]).get(event["RequestType"], {})
    attempts = os.path.join(tempfile.gettempdir(), event["RequestId"])
    with open(attempts, "a") as file:
        file.write("x")
    attempt = os.path.getsize(attempts)
    if attempt > 1:
        plan = plan.get("again", plan)
    seen = None
    if plan.get("look"):
        try:
            seen = cloudformation.describe_stacks(StackName=event["StackId"])["Stacks"][0]["StackStatus"]
        except Exception as error:
            seen = str(error)
    statuses = []
    if attempt > plan.get("errors", 0) and not plan.get("silent"):
        answer = {
            "Status": "SUCCESS", "StackId": event["StackId"], "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
            "PhysicalResourceId": event.get("PhysicalResourceId", "first"), **plan.get("answer", {}),
        }
        answer = {name: value for name, value in answer.items() if value is not None}
        body = plan.get("body") or json.dumps(answer)
        if "bytes" in plan:
            answer["Data"] = {"x": "y" * (plan["bytes"] - len(json.dumps({**answer, "Data": {"x": ""}})))}
            body = json.dumps(answer)
        for bad in plan.get("refused", []):
            statuses.append(put(event["ResponseURL"] + bad.get("suffix", ""), body, bad.get("headers", {})))
        statuses.append(put(event["ResponseURL"], body, {}))
        if "later" in plan:
            statuses.append(put(event["ResponseURL"], json.dumps({**answer, **plan["later"]}), {}))
    url, _, query = event["ResponseURL"].partition("?")
    query = {name: values[0] for name, values in urllib.parse.parse_qs(query).items()}
    query["X-Amz-Signature"] = len(query["X-Amz-Signature"])
    logged = {"ResponseURL": url, "Query": query, "Attempt": attempt, "Statuses": statuses, "Seen": seen}
    logged["Received"] = received
    print("REQUEST " + json.dumps({**event, **logged}))
    if attempt <= plan.get("errors", 0):
        raise RuntimeError("planned")
"""

# The stacks whose status the function may see.
SEEN = {"Fn::Sub": "arn:aws:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/seen-*"}

FUNCTION_TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "Policies": [
                    {
                        "PolicyName": "logs",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {
                                    "Effect": "Allow",
                                    "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                                    "Resource": {"Fn::GetAtt": ["Logs", "Arn"]},
                                },
                                {
                                    "Effect": "Allow",
                                    "Action": "cloudformation:DescribeStacks",
                                    "Resource": SEEN,
                                },
                            ],
                        },
                    }
                ],
            },
        },
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "custom-resource"}},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": FUNCTION},
                "Timeout": 30,
                "LoggingConfig": {"LogGroup": {"Ref": "Logs"}},
            },
        },
        "Retries": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {"FunctionName": {"Ref": "Function"}, "Qualifier": "$LATEST", "MaximumRetryAttempts": 2},
        },
    },
    "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Function", "Arn"]}}},
}


@dataclass
class Provider:
    """The function that serves the custom resources of all tests in this file."""

    cloudformation: Any
    logs: Any
    arn: str

    def template(self, plan: dict[str, Any], **properties: Any) -> dict[str, Any]:
        """A stack of one custom resource."""
        custom = {
            "Type": "Custom::Thing",
            "Properties": {"ServiceToken": self.arn, "ServiceTimeout": 20, "Plan": json.dumps(plan), **properties},
        }
        return {"Resources": {"Thing": custom}, "Outputs": {"Id": {"Value": {"Ref": "Thing"}}}}

    def requests(self, stack: str) -> list[dict[str, Any]]:
        """What the function was asked to do for the stack, in order, one entry an attempt.

        Each is logged once it is answered, when the next may be under way already.
        """
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName="custom-resource")
        lines = [event["message"] for page in pages for event in page["events"]]
        requests = [json.loads(line[8:]) for line in lines if line.startswith("REQUEST ")]
        ours = [request for request in requests if f":stack/{stack}/" in request["StackId"]]
        return sorted(ours, key=lambda request: request["Received"])

    def wait_for_requests(self, stack: str, count: int) -> list[dict[str, Any]]:
        """As `requests`; the answer reaches CloudFormation a moment before the log line is written."""
        deadline = time.monotonic() + 20
        while len(found := self.requests(stack)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(found) == count, [(request["RequestType"], request["Attempt"]) for request in found]
        return found


@contextmanager
def provider_in(server: LocalAws) -> Iterator[Provider]:
    """The function, deployed on the server."""
    cloudformation = server.client("cloudformation", ACCOUNT, REGION)
    assert stacks.create(cloudformation, "provider", FUNCTION_TEMPLATE) == "CREATE_COMPLETE"
    arn = stacks.outputs(cloudformation, "provider")["Arn"]
    yield Provider(cloudformation, server.client("logs", ACCOUNT, REGION), arn)
    assert stacks.delete(cloudformation, "provider") == "DELETE_COMPLETE"


@pytest.fixture(scope="module")
def provider(local_aws: LocalAws) -> Iterator[Provider]:
    with provider_in(local_aws) as provider:
        yield provider


def test_the_request_and_its_answer(provider: Provider) -> None:
    template = provider.template({"Create": {"answer": {"PhysicalResourceId": "the-id", "Data": {"Colour": "red"}}}})
    template["Resources"]["Thing"]["Properties"] |= {"Number": 5, "Deep": {"Flags": [True, False]}}
    template["Outputs"]["Colour"] = {"Value": {"Fn::GetAtt": ["Thing", "Colour"]}}
    assert stacks.create(provider.cloudformation, "request", template) == "CREATE_COMPLETE"
    assert stacks.outputs(provider.cloudformation, "request") == {"Id": "the-id", "Colour": "red"}

    [request] = provider.wait_for_requests("request", 1)
    assert request["RequestType"] == "Create"
    assert request["ServiceToken"] == provider.arn
    assert request["ResourceType"] == "Custom::Thing"
    assert request["LogicalResourceId"] == "Thing"
    assert "PhysicalResourceId" not in request
    assert "OldResourceProperties" not in request
    properties = request["ResourceProperties"]
    assert (properties["Number"], properties["Deep"]) == ("5", {"Flags": ["true", "false"]})
    assert (properties["ServiceToken"], properties["ServiceTimeout"]) == (provider.arn, "20")

    url = urlsplit(request["ResponseURL"])
    assert url.path.startswith("/cloudformation-custom-resource-response-euwest1/arn%3Aaws%3Acloudformation%3A")
    query = request["Query"]
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Credential"].endswith(f"/{REGION}/s3/aws4_request")
    assert query["X-Amz-Expires"] == "7200"
    assert query["X-Amz-SignedHeaders"] == "host"
    assert time.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    assert query["X-Amz-Signature"] == 64

    assert stacks.delete(provider.cloudformation, "request") == "DELETE_COMPLETE"
    delete = provider.wait_for_requests("request", 2)[-1]
    assert (delete["RequestType"], delete["PhysicalResourceId"]) == ("Delete", "the-id")


def test_a_failed_create_is_deleted_under_the_id_of_its_answer(provider: Provider) -> None:
    failure = {"Status": "FAILED", "Reason": "out of paint", "PhysicalResourceId": "half-made"}
    template = provider.template({"Create": {"answer": failure}})
    assert stacks.create(provider.cloudformation, "failed", template) == "ROLLBACK_COMPLETE"

    create, delete = provider.wait_for_requests("failed", 2)
    assert stacks.reason(provider.cloudformation, "failed", "Thing", "CREATE_FAILED") == (
        "Received response status [FAILED] from custom resource. Message returned: out of paint "
        f"(RequestId: {create['RequestId']})"
    )
    assert (delete["RequestType"], delete["PhysicalResourceId"]) == ("Delete", "half-made")
    history = [(logical, status) for logical, status, _ in stacks.events(provider.cloudformation, "failed")]
    assert history[-5:] == [
        ("Thing", "CREATE_FAILED"),
        ("failed", "ROLLBACK_IN_PROGRESS"),
        ("Thing", "DELETE_IN_PROGRESS"),
        ("Thing", "DELETE_COMPLETE"),
        ("failed", "ROLLBACK_COMPLETE"),
    ]


def test_without_rollback_a_failed_create_is_deleted_with_the_stack(provider: Provider) -> None:
    template = provider.template({"Create": {"answer": {"Status": "FAILED", "Reason": "no"}}})
    status = stacks.create(provider.cloudformation, "no-rollback", template, DisableRollback=True)
    assert status == "CREATE_FAILED"
    provider.wait_for_requests("no-rollback", 1)
    assert stacks.delete(provider.cloudformation, "no-rollback") == "DELETE_COMPLETE"
    assert provider.wait_for_requests("no-rollback", 2)[-1]["PhysicalResourceId"] == "first"


@pytest.mark.parametrize(
    ("name", "plan", "reason"),
    [
        ("too-long", {"bytes": 4097}, "Response object is too long."),
        ("not-json", {"body": "SUCCESS"}, "Invalid Response object: Response is not a JSON object"),
        ("no-physical-id", {"answer": {"PhysicalResourceId": None}}, "Invalid PhysicalResourceId"),
        (
            "failed-without-physical-id",
            {"answer": {"PhysicalResourceId": None, "Status": "FAILED", "Reason": "the real cause"}},
            "Invalid PhysicalResourceId",
        ),
        ("long-physical-id", {"answer": {"PhysicalResourceId": "i" * 1025}}, "Invalid PhysicalResourceId"),
        (
            "no-status",
            {"answer": {"Status": None}},
            "Invalid Response object: Value of property Status must be of type String",
        ),
        (
            "other-request",
            {"answer": {"RequestId": "another"}},
            "Invalid Response object: Value of property RequestId does not match the request",
        ),
        (
            "data-list",
            {"answer": {"Data": ["x"]}},
            "Invalid Response object: Value of property Data must be an object",
        ),
    ],
)
def test_a_bad_answer_fails_the_resource(provider: Provider, name: str, plan: dict[str, Any], reason: str) -> None:
    assert stacks.create(provider.cloudformation, name, provider.template({"Create": plan})) == "ROLLBACK_COMPLETE"
    assert stacks.reason(provider.cloudformation, name, "Thing", "CREATE_FAILED") == reason


@pytest.mark.parametrize(
    ("name", "plan"),
    [("longest", {"bytes": 4096}), ("longest-physical-id", {"answer": {"PhysicalResourceId": "i" * 1024}})],
)
def test_an_answer_at_the_limit_is_taken(provider: Provider, name: str, plan: dict[str, Any]) -> None:
    assert stacks.create(provider.cloudformation, name, provider.template({"Create": plan})) == "CREATE_COMPLETE"


def test_no_answer_within_the_service_timeout(provider: Provider) -> None:
    template = provider.template({"Create": {"silent": True}}, ServiceTimeout=1)
    assert stacks.create(provider.cloudformation, "silent", template) == "ROLLBACK_COMPLETE"
    create, delete = provider.wait_for_requests("silent", 2)
    assert stacks.reason(provider.cloudformation, "silent", "Thing", "CREATE_FAILED").startswith(
        "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId "
        f"[{create['RequestId']}]."
    )
    assert delete["PhysicalResourceId"].startswith("silent-Thing-")


def test_lambda_tries_a_failed_invocation_three_times(provider: Provider) -> None:
    template = provider.template({"Create": {"errors": 2}})
    assert stacks.create(provider.cloudformation, "third-time", template) == "CREATE_COMPLETE"
    requests = provider.wait_for_requests("third-time", 3)
    assert [request["Attempt"] for request in requests] == [1, 2, 3]
    assert len({request["RequestId"] for request in requests}) == 1


def test_lambda_gives_up_after_three_attempts(provider: Provider) -> None:
    template = provider.template({"Create": {"errors": 9}}, ServiceTimeout=5)
    assert stacks.create(provider.cloudformation, "gives-up", template) == "ROLLBACK_COMPLETE"
    creates = [request for request in provider.requests("gives-up") if request["RequestType"] == "Create"]
    assert [request["Attempt"] for request in creates] == [1, 2, 3]


def test_the_functions_own_number_of_retries_counts(local_aws: LocalAws, provider: Provider) -> None:
    functions = local_aws.client("lambda", ACCOUNT, REGION)
    name = provider.arn.rsplit(":", 1)[-1]
    functions.put_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST", MaximumRetryAttempts=0)
    try:
        template = provider.template({"Create": {"errors": 1}}, ServiceTimeout=3)
        assert stacks.create(provider.cloudformation, "no-retries", template) == "ROLLBACK_COMPLETE"
    finally:
        functions.put_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST", MaximumRetryAttempts=2)
    requests = provider.wait_for_requests("no-retries", 2)
    assert [request["RequestType"] for request in requests] == ["Create", "Delete"]


def test_the_first_answer_counts(provider: Provider) -> None:
    plan = {"answer": {"PhysicalResourceId": "kept"}, "later": {"Status": "FAILED", "Reason": "too late"}}
    assert stacks.create(provider.cloudformation, "once", provider.template({"Create": plan})) == "CREATE_COMPLETE"
    [request] = provider.wait_for_requests("once", 1)
    assert request["Statuses"] == [200, 200]
    assert stacks.outputs(provider.cloudformation, "once")["Id"] == "kept"


def test_the_signature_covers_the_url_and_an_empty_content_type(provider: Provider) -> None:
    refused = [
        {"suffix": "0"},
        {"suffix": "&X-Amz-Security-Token=x"},
        {"headers": {"Content-Type": "application/json"}},
    ]
    template = provider.template({"Create": {"refused": refused}})
    assert stacks.create(provider.cloudformation, "signed", template) == "CREATE_COMPLETE"
    [request] = provider.wait_for_requests("signed", 1)
    assert request["Statuses"] == [403, 403, 403, 200]


def test_an_update_in_place(provider: Provider) -> None:
    assert stacks.create(provider.cloudformation, "in-place", provider.template({}, Size="1")) == "CREATE_COMPLETE"
    assert stacks.update(provider.cloudformation, "in-place", provider.template({}, Size="2")) == "UPDATE_COMPLETE"
    update = provider.wait_for_requests("in-place", 2)[-1]
    assert (update["RequestType"], update["PhysicalResourceId"]) == ("Update", "first")
    assert (update["OldResourceProperties"]["Size"], update["ResourceProperties"]["Size"]) == ("1", "2")


def test_a_new_physical_id_deletes_the_old_one_with_its_properties(provider: Provider) -> None:
    replace = {"Update": {"answer": {"PhysicalResourceId": "second"}}}
    assert stacks.create(provider.cloudformation, "replaced", provider.template({}, Size="1")) == "CREATE_COMPLETE"
    template = provider.template(replace, Size="2")
    assert stacks.update(provider.cloudformation, "replaced", template) == "UPDATE_COMPLETE"
    assert stacks.outputs(provider.cloudformation, "replaced")["Id"] == "second"
    delete = provider.wait_for_requests("replaced", 3)[-1]
    assert (delete["RequestType"], delete["PhysicalResourceId"]) == ("Delete", "first")
    assert delete["ResourceProperties"]["Size"] == "1"
    history = [(logical, status) for logical, status, _ in stacks.events(provider.cloudformation, "replaced")]
    assert history[-5:] == [
        ("Thing", "UPDATE_COMPLETE"),
        ("replaced", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("Thing", "DELETE_IN_PROGRESS"),
        ("Thing", "DELETE_COMPLETE"),
        ("replaced", "UPDATE_COMPLETE"),
    ]


def test_a_resource_that_an_update_removes_is_deleted_in_the_cleanup(provider: Provider) -> None:
    template = provider.template({})
    template["Resources"]["Other"] = {"Type": "AWS::SQS::Queue"}
    del template["Outputs"]
    assert stacks.create(provider.cloudformation, "removed", template) == "CREATE_COMPLETE"
    del template["Resources"]["Thing"]
    assert stacks.update(provider.cloudformation, "removed", template) == "UPDATE_COMPLETE"
    assert provider.wait_for_requests("removed", 2)[-1]["RequestType"] == "Delete"
    history = [(logical, status) for logical, status, _ in stacks.events(provider.cloudformation, "removed")]
    assert history[-4:-1] == [
        ("removed", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("Thing", "DELETE_IN_PROGRESS"),
        ("Thing", "DELETE_COMPLETE"),
    ]


def test_a_failed_update_is_rolled_back_by_an_update(provider: Provider) -> None:
    assert stacks.create(provider.cloudformation, "rolled-back", provider.template({}, Size="1")) == "CREATE_COMPLETE"
    failing = provider.template({"Update": {"answer": {"Status": "FAILED", "Reason": "too large"}}}, Size="2")
    assert stacks.update(provider.cloudformation, "rolled-back", failing) == "UPDATE_ROLLBACK_COMPLETE"
    assert "too large" in stacks.reason(provider.cloudformation, "rolled-back", "Thing", "UPDATE_FAILED")
    back = provider.wait_for_requests("rolled-back", 3)[-1]
    assert (back["RequestType"], back["PhysicalResourceId"]) == ("Update", "first")
    assert (back["OldResourceProperties"]["Size"], back["ResourceProperties"]["Size"]) == ("2", "1")


def test_a_resource_that_an_update_fails_to_add_is_deleted(provider: Provider) -> None:
    template = provider.template({})
    assert stacks.create(provider.cloudformation, "adding", template) == "CREATE_COMPLETE"
    failure = {"Create": {"answer": {"Status": "FAILED", "Reason": "no", "PhysicalResourceId": "half-made"}}}
    added = provider.template(failure)["Resources"]["Thing"]
    template["Resources"]["Other"] = {**added, "DependsOn": "Thing"}
    assert stacks.update(provider.cloudformation, "adding", template) == "UPDATE_ROLLBACK_COMPLETE"
    requests = provider.wait_for_requests("adding", 3)
    assert [(request["RequestType"], request["LogicalResourceId"]) for request in requests] == [
        ("Create", "Thing"),
        ("Create", "Other"),
        ("Delete", "Other"),
    ]
    assert requests[-1]["PhysicalResourceId"] == "half-made"


LOOK = {"look": True}


def deletions_seen(provider: Provider, stack: str, requests: int) -> list[tuple[str, str, str]]:
    """Logical id, physical id and the stack's status in the function's eyes, of each Delete of the stack so far."""
    return [
        (request["LogicalResourceId"], request["PhysicalResourceId"], request["Seen"])
        for request in provider.wait_for_requests(stack, requests)
        if request["RequestType"] == "Delete"
    ]


class TestTheStatusThatADeleteSees:
    def test_of_a_stack_that_is_deleted(self, provider: Provider) -> None:
        assert stacks.create(provider.cloudformation, "seen-deleted", provider.template({"Delete": LOOK})) == (
            "CREATE_COMPLETE"
        )
        assert stacks.delete(provider.cloudformation, "seen-deleted") == "DELETE_COMPLETE"
        assert deletions_seen(provider, "seen-deleted", 2) == [("Thing", "first", "DELETE_IN_PROGRESS")]

    def test_of_a_stack_whose_creation_is_rolled_back(self, provider: Provider) -> None:
        template = provider.template({"Delete": LOOK})
        template["Resources"]["Bad"] = stacks.refused("Thing")
        assert stacks.create(provider.cloudformation, "seen-created", template) == "ROLLBACK_COMPLETE"
        assert deletions_seen(provider, "seen-created", 2) == [("Thing", "first", "ROLLBACK_IN_PROGRESS")]

    def test_of_an_update_that_removes_the_resource(self, provider: Provider) -> None:
        template = provider.template({"Delete": LOOK})
        template["Resources"]["Other"] = {"Type": "AWS::SQS::Queue"}
        del template["Outputs"]
        assert stacks.create(provider.cloudformation, "seen-removed", template) == "CREATE_COMPLETE"
        del template["Resources"]["Thing"]
        assert stacks.update(provider.cloudformation, "seen-removed", template) == "UPDATE_COMPLETE"
        seen = deletions_seen(provider, "seen-removed", 2)
        assert seen == [("Thing", "first", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")]

    def test_of_an_update_that_renames_the_resource(self, provider: Provider) -> None:
        template = provider.template({"Delete": LOOK})
        del template["Outputs"]
        assert stacks.create(provider.cloudformation, "seen-renamed", template) == "CREATE_COMPLETE"
        template["Resources"]["Renamed"] = template["Resources"].pop("Thing")
        assert stacks.update(provider.cloudformation, "seen-renamed", template) == "UPDATE_COMPLETE"
        seen = deletions_seen(provider, "seen-renamed", 3)
        assert seen == [("Thing", "first", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")]

    def test_of_an_update_that_replaces_the_resource(self, provider: Provider) -> None:
        assert stacks.create(provider.cloudformation, "seen-replaced", provider.template({"Delete": LOOK})) == (
            "CREATE_COMPLETE"
        )
        template = provider.template({"Update": {"answer": {"PhysicalResourceId": "second"}}, "Delete": LOOK})
        assert stacks.update(provider.cloudformation, "seen-replaced", template) == "UPDATE_COMPLETE"
        seen = deletions_seen(provider, "seen-replaced", 3)
        assert seen == [("Thing", "first", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")]

    def test_of_the_rollback_of_an_update_that_added_the_resource(self, provider: Provider) -> None:
        template: dict[str, Any] = {"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}}
        assert stacks.create(provider.cloudformation, "seen-added", template) == "CREATE_COMPLETE"
        template["Resources"] |= provider.template({"Delete": LOOK})["Resources"] | {"Bad": stacks.refused("Thing")}
        assert stacks.update(provider.cloudformation, "seen-added", template) == "UPDATE_ROLLBACK_COMPLETE"
        seen = deletions_seen(provider, "seen-added", 2)
        assert seen == [("Thing", "first", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")]

    def test_of_the_rollback_of_an_update_that_renamed_the_resource(self, provider: Provider) -> None:
        template = provider.template({"Delete": LOOK})
        del template["Outputs"]
        assert stacks.create(provider.cloudformation, "seen-unrenamed", template) == "CREATE_COMPLETE"
        renamed = template["Resources"].pop("Thing")
        template["Resources"] |= {"Renamed": renamed, "Bad": stacks.refused("Renamed")}
        assert stacks.update(provider.cloudformation, "seen-unrenamed", template) == "UPDATE_ROLLBACK_COMPLETE"
        seen = deletions_seen(provider, "seen-unrenamed", 3)
        assert seen == [("Renamed", "first", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")]

    def test_of_the_rollback_of_an_update_that_replaced_the_resource(self, provider: Provider) -> None:
        assert stacks.create(provider.cloudformation, "seen-unreplaced", provider.template({"Delete": LOOK})) == (
            "CREATE_COMPLETE"
        )
        template = provider.template({"Update": {"answer": {"PhysicalResourceId": "second"}}, "Delete": LOOK})
        template["Resources"]["Bad"] = stacks.refused("Thing")
        assert stacks.update(provider.cloudformation, "seen-unreplaced", template) == "UPDATE_ROLLBACK_COMPLETE"
        seen = deletions_seen(provider, "seen-unreplaced", 3)
        assert seen == [("Thing", "second", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")]
        assert stacks.outputs(provider.cloudformation, "seen-unreplaced")["Id"] == "first"

    def test_of_a_rollback_that_itself_replaces_the_resource(self, provider: Provider) -> None:
        back = {"Update": {"answer": {"PhysicalResourceId": "third"}}, "Delete": LOOK}
        assert stacks.create(provider.cloudformation, "seen-moved", provider.template(back)) == "CREATE_COMPLETE"
        template = provider.template({"Delete": LOOK}, Size="2")
        template["Resources"]["Bad"] = stacks.refused("Thing")
        assert stacks.update(provider.cloudformation, "seen-moved", template) == "UPDATE_ROLLBACK_COMPLETE"
        seen = deletions_seen(provider, "seen-moved", 4)
        assert seen == [("Thing", "first", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")]
        history = [(logical, status) for logical, status, _ in stacks.events(provider.cloudformation, "seen-moved")]
        assert history[-4:] == [
            ("seen-moved", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"),
            ("Thing", "DELETE_IN_PROGRESS"),
            ("Thing", "DELETE_COMPLETE"),
            ("seen-moved", "UPDATE_ROLLBACK_COMPLETE"),
        ]
        assert stacks.resource(provider.cloudformation, "seen-moved", "Thing") == "third"

    def test_is_not_told_to_a_role_that_may_not_describe_the_stack(self, provider: Provider) -> None:
        template = provider.template({"Create": LOOK})
        assert stacks.create(provider.cloudformation, "unseen", template) == "CREATE_COMPLETE"
        [create] = provider.wait_for_requests("unseen", 1)
        assert "is not authorized to perform: cloudformation:DescribeStacks" in create["Seen"]


def test_the_service_token_cannot_be_modified(local_aws: LocalAws, provider: Provider) -> None:
    assert stacks.create(provider.cloudformation, "token", provider.template({})) == "CREATE_COMPLETE"
    template = provider.template({}, Size="2")
    template["Resources"]["Thing"]["Properties"]["ServiceToken"] = provider.arn + "-of-another-name"
    assert stacks.update(provider.cloudformation, "token", template) == "UPDATE_ROLLBACK_COMPLETE"
    reason = stacks.reason(provider.cloudformation, "token", "Thing", "UPDATE_FAILED")
    assert reason == "Modifying service token is not allowed."
    assert [request["RequestType"] for request in provider.wait_for_requests("token", 1)] == ["Create"]


def test_a_failed_delete_leaves_the_resource_in_the_stack(provider: Provider) -> None:
    template = provider.template({"Delete": {"answer": {"Status": "FAILED", "Reason": "still in use"}}})
    assert stacks.create(provider.cloudformation, "stuck", template) == "CREATE_COMPLETE"
    assert stacks.delete(provider.cloudformation, "stuck") == "DELETE_FAILED"
    assert "still in use" in stacks.reason(provider.cloudformation, "stuck", "Thing", "DELETE_FAILED")
    assert stacks.resource(provider.cloudformation, "stuck", "Thing") == "first"


def test_a_function_that_does_not_exist(provider: Provider) -> None:
    template = provider.template({})
    template["Resources"]["Thing"]["Properties"]["ServiceToken"] = provider.arn + "-gone"
    assert stacks.create(provider.cloudformation, "no-function", template) == "ROLLBACK_COMPLETE"
    reason = stacks.reason(provider.cloudformation, "no-function", "Thing", "CREATE_FAILED")
    assert reason.startswith(f"Function not found: {provider.arn}-gone")


@pytest.mark.parametrize("may_invoke", [True, False])
def test_whoever_makes_the_stack_must_be_allowed_to_invoke_the_function(
    local_aws: LocalAws, provider: Provider, may_invoke: bool
) -> None:
    actions = ["cloudformation:*", *(["lambda:InvokeFunction"] if may_invoke else [])]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    stack = f"invoker-{may_invoke}".lower()
    iam = local_aws.client("iam", ACCOUNT, REGION)
    arn = iam.create_user(UserName=stack)["User"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=stack, PolicyName="own", PolicyDocument=policy)
    key = iam.create_access_key(UserName=stack)["AccessKey"]
    cloudformation = local_aws.client_for("cloudformation", key, REGION)

    status = stacks.create(cloudformation, stack, provider.template({}))
    assert status == ("CREATE_COMPLETE" if may_invoke else "ROLLBACK_COMPLETE")
    if not may_invoke:
        assert stacks.reason(cloudformation, stack, "Thing", "CREATE_FAILED").startswith(
            f"User: {arn} is not authorized to perform: lambda:InvokeFunction on resource: {provider.arn}"
        )


def test_each_event_is_delivered_again_and_the_answers_are_compared() -> None:
    with LocalAws(extra_env={"LOCAL_AWS_REPEAT_EVENTS": "1"}) as server, provider_in(server) as provider:
        for name, again in (
            ("same", {"answer": {"Reason": "said otherwise"}}),
            ("other-id", {"answer": {"PhysicalResourceId": "second"}}),
            ("other-status", {"answer": {"Status": "FAILED", "Reason": "exists already"}}),
            ("other-data", {"answer": {"Data": {"Colour": "red"}}}),
        ):
            template = provider.template({"Create": {"again": again}})
            assert stacks.create(provider.cloudformation, name, template) == "CREATE_COMPLETE"
            assert stacks.outputs(provider.cloudformation, name)["Id"] == "first"
            create, repeated = provider.wait_for_requests(name, 2)
            assert create["RequestId"] == repeated["RequestId"]
        log = server.log_path.read_text()
    found = re.findall(r"repeated event: Create of Thing in arn:\S+:stack/([a-z-]+)/\S+: (\w+) answer", log)
    assert found == [("same", "same"), ("other-id", "other"), ("other-status", "other"), ("other-data", "other")]
