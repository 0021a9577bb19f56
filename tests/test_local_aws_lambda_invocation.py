"""Who may invoke a function, how often Lambda tries, and where a failed event ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import stacks
from local_aws.server import LocalAws

ACCOUNT = "300000000002"
REGION = "us-east-1"

FUNCTION = """
def handler(event, context):
    print("EVENT " + event["detail"]["name"])
    if event["detail"]["name"] == "bad":
        raise RuntimeError("planned")
"""


def allow(principal: str, action: str | list[str], resource: Any = None, **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": action}
    return {**statement, **({"Resource": resource} if resource else {}), **condition}


def template(permission: dict[str, Any] | None, role_may_send: bool = True) -> dict[str, Any]:
    """A rule for events of the source "test" whose target is a function; both have dead-letter queues."""
    queue = {"Fn::GetAtt": ["FunctionQueue", "Arn"]}
    policies = [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}] if role_may_send else []
    policies.append({"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    rule_queue = {"Fn::GetAtt": ["RuleQueue", "Arn"]}
    resources: dict[str, Any] = {
        "RuleQueue": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "FunctionQueue": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "RuleQueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "RuleQueue"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        allow(
                            "events.amazonaws.com",
                            "sqs:SendMessage",
                            rule_queue,
                            Condition={"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}},
                        )
                    ],
                },
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [allow("lambda.amazonaws.com", "sts:AssumeRole")],
                },
                "Policies": [{"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": policies}}],
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": FUNCTION},
                "DeadLetterConfig": {"TargetArn": queue},
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {"source": [{"Ref": "AWS::StackName"}]},
                "Targets": [
                    {
                        "Id": "function",
                        "Arn": {"Fn::GetAtt": ["Function", "Arn"]},
                        "DeadLetterConfig": {"Arn": rule_queue},
                    }
                ],
            },
        },
    }
    if permission is not None:
        resources["Permission"] = {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                **permission,
            },
        }
    return {"Resources": resources}


@dataclass
class Target:
    """A deployed `template` and what happened there."""

    server: LocalAws
    stack: str

    def client(self, service: str) -> Any:
        return self.server.client(service, ACCOUNT, REGION)

    def resource(self, logical_id: str) -> str:
        return stacks.resource(self.client("cloudformation"), self.stack, logical_id)

    def send(self, name: str) -> None:
        entry = {"Source": self.stack, "DetailType": "test", "Detail": json.dumps({"name": name})}
        assert self.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    def seen(self) -> list[str]:
        """The names of the events that the function was invoked with."""
        logs = self.client("logs")
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{self.resource('Function')}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"][6:] for event in found if event["message"].startswith("EVENT ")]

    def wait_until_seen(self, *names: str) -> None:
        deadline = time.monotonic() + 20
        while self.seen() != list(names) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.seen() == list(names)

    def letter(self, queue: str, wait: int = 10) -> dict[str, Any] | None:
        """The next message of a dead-letter queue: its body and its attributes."""
        answer = self.client("sqs").receive_message(
            QueueUrl=self.resource(queue), MessageAttributeNames=["All"], WaitTimeSeconds=wait
        )
        for message in answer.get("Messages", []):
            attributes = message.get("MessageAttributes", {})
            return {
                "body": json.loads(message["Body"]),
                **{name: value["StringValue"] for name, value in attributes.items()},
            }
        return None

    def failed_invocations(self) -> float:
        """The rule's metric FailedInvocations."""
        now = datetime.now(timezone.utc)
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Events",
            MetricName="FailedInvocations",
            Dimensions=[{"Name": "RuleName", "Value": self.resource("Rule")}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=10),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)


def deploy(server: LocalAws, stack: str, permission: dict[str, Any] | None, **options: Any) -> Target:
    cloudformation = server.client("cloudformation", ACCOUNT, REGION)
    assert stacks.create(cloudformation, stack, template(permission, **options)) == "CREATE_COMPLETE"
    return Target(server, stack)


@pytest.fixture(scope="module")
def permitted(local_aws: LocalAws) -> Iterator[Target]:
    yield deploy(local_aws, "permitted", {"SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}, "SourceAccount": ACCOUNT})


def test_with_a_permission_for_the_rule_it_is_invoked(permitted: Target) -> None:
    permitted.send("good")
    permitted.wait_until_seen("good")
    assert permitted.failed_invocations() == 0


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        ("no-permission", None),
        ("another-rule", {"SourceArn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/another"}),
        ("another-account", {"SourceAccount": "300000000099"}),
        ("another-service", {"Principal": "s3.amazonaws.com"}),
        ("another-action", {"Action": "lambda:GetFunction"}),
    ],
)
def test_without_a_fitting_permission_the_invocation_fails(
    local_aws: LocalAws, name: str, permission: dict[str, Any] | None
) -> None:
    target = deploy(local_aws, name, permission)
    target.send("good")
    letter = target.letter("RuleQueue")
    assert letter is not None
    assert letter["body"]["detail"] == {"name": "good"}
    assert letter["ERROR_CODE"] == "NO_PERMISSIONS"
    assert "not authorized to perform: lambda:InvokeFunction" in letter["ERROR_MESSAGE"]
    assert letter["RULE_ARN"].endswith(f":rule/{target.resource('Rule')}")
    assert letter["TARGET_ARN"].endswith(f":function:{target.resource('Function')}")
    assert target.failed_invocations() == 1
    assert target.seen() == []


def test_an_event_that_fails_three_times_goes_to_the_functions_queue(local_aws: LocalAws) -> None:
    target = deploy(local_aws, "failing", {})
    target.send("bad")
    letter = target.letter("FunctionQueue", wait=20)
    assert letter is not None
    assert letter["body"]["detail"] == {"name": "bad"}
    assert letter["ErrorCode"] == "200"
    assert letter["ErrorMessage"] == "planned"
    target.wait_until_seen("bad", "bad", "bad")
    assert target.letter("RuleQueue", wait=0) is None


def test_the_functions_queue_needs_a_grant_of_its_role(local_aws: LocalAws) -> None:
    target = deploy(local_aws, "no-grant", {}, role_may_send=False)
    target.send("bad")
    target.wait_until_seen("bad", "bad", "bad")
    assert target.letter("FunctionQueue", wait=1) is None


def test_a_change_in_one_account_does_not_end_a_namesakes_call_in_another(local_aws: LocalAws) -> None:
    slow = "import time\ndef handler(event, context):\n    time.sleep(2)\n    return 'done'\n"
    body = template(None)
    body["Resources"]["Function"]["Properties"] |= {
        "FunctionName": "namesake",
        "Timeout": 30,
        "Code": {"ZipFile": slow},
    }
    for account in ("300000000003", "300000000004"):
        cloudformation = local_aws.client("cloudformation", account, REGION)
        assert stacks.create(cloudformation, "namesake", body) == "CREATE_COMPLETE"
    answers: list[bytes] = []

    def invoke() -> None:
        answer = local_aws.client("lambda", "300000000003", REGION).invoke(FunctionName="namesake")
        answers.append(answer["Payload"].read())

    call = threading.Thread(target=invoke)
    call.start()
    time.sleep(1)
    other = local_aws.client("lambda", "300000000004", REGION)
    other.update_function_configuration(FunctionName="namesake", Description="changed")
    body["Resources"]["Function"]["Properties"]["FunctionName"] = "namesake-2"
    cloudformation = local_aws.client("cloudformation", "300000000004", REGION)
    stacks.update(cloudformation, "namesake", body)
    body["Resources"]["Function"]["Properties"]["FunctionName"] = "namesake"
    stacks.update(cloudformation, "namesake", body)
    call.join()
    assert answers == [b'"done"']
