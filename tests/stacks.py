"""Creates, changes and deletes CloudFormation stacks, and tells how that went."""

from __future__ import annotations

import json
import time
from typing import Any

TIMEOUT_SECONDS = 600


def create(cloudformation: Any, name: str, template: dict[str, Any] | str, **options: Any) -> str:
    """CreateStack; returns the status in which the stack comes to rest."""
    stack_id = cloudformation.create_stack(StackName=name, **(_body(template) | options))["StackId"]
    return wait(cloudformation, stack_id)


def update(cloudformation: Any, name: str, template: dict[str, Any] | str, **options: Any) -> str:
    """UpdateStack; returns as `create` does."""
    stack_id = cloudformation.update_stack(StackName=name, **(_body(template) | options))["StackId"]
    return wait(cloudformation, stack_id)


def delete(cloudformation: Any, name: str) -> str:
    """DeleteStack; returns as `create` does."""
    stack_id = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName=name)
    return wait(cloudformation, stack_id)


def wait(cloudformation: Any, stack_id: str) -> str:
    """The status in which the stack comes to rest; raises TimeoutError."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        status = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            return status
        time.sleep(0.02)
    raise TimeoutError(f"{stack_id} is still {status}")


def events(cloudformation: Any, name: str) -> list[tuple[str, str, str]]:
    """(logical id, status, reason) of each event of the stack, oldest first."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
    found = [event for page in pages for event in page["StackEvents"]]
    return [
        (event["LogicalResourceId"], event["ResourceStatus"], event.get("ResourceStatusReason", ""))
        for event in reversed(found)
    ]


def reason(cloudformation: Any, name: str, logical_id: str, status: str) -> str:
    """The reason of the resource's newest event of that status; raises LookupError if there is none."""
    for logical, found, text in reversed(events(cloudformation, name)):
        if (logical, found) == (logical_id, status):
            return text
    raise LookupError(f"{logical_id} of {name} was never {status}")


def outputs(cloudformation: Any, name: str) -> dict[str, str]:
    """The stack's outputs."""
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def resource(cloudformation: Any, name: str, logical_id: str) -> str:
    """The physical id of one of the stack's resources."""
    detail = cloudformation.describe_stack_resource(StackName=name, LogicalResourceId=logical_id)
    return detail["StackResourceDetail"]["PhysicalResourceId"]


def refused(*after: str) -> dict[str, Any]:
    """A resource that AWS refuses to create, after the others are there: all that was done is rolled back."""
    query = {"Database": "default", "QueryString": "SELECT 1", "WorkGroup": "of-nobody"}
    return {"Type": "AWS::Athena::NamedQuery", "DependsOn": list(after), "Properties": query}


def _body(template: dict[str, Any] | str) -> dict[str, Any]:
    body = template if isinstance(template, str) else json.dumps(template)
    return {"TemplateBody": body, "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]}
