"""Creates, updates and deletes one stack as StackSets does in an account, and tells why that failed in its form."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

POLL_SECONDS = 0.05
TIMEOUT_SECONDS = 3600

# A stack whose creation failed can't be updated; StackSets deletes it and makes it again.
_TO_BE_MADE_AGAIN = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}


def deploy_stack(
    cloudformation: Any,
    name: str,
    template: str,
    parameters: Mapping[str, str],
    capabilities: list[str],
    tags: list[dict[str, str]],
) -> str:
    """Creates or updates the stack; returns why it failed, or an empty string."""
    status = _status(cloudformation, name)
    if status in _TO_BE_MADE_AGAIN:
        if reason := delete_stack(cloudformation, name):
            return reason
        status = None
    token = str(uuid.uuid4())
    call = cloudformation.update_stack if status else cloudformation.create_stack
    try:
        stack_id = call(
            StackName=name,
            TemplateBody=template,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=capabilities,
            Tags=tags,
            ClientRequestToken=token,
        )["StackId"]
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return ""
        raise
    ended = _wait(cloudformation, stack_id)
    return "" if ended in ("CREATE_COMPLETE", "UPDATE_COMPLETE") else _reason(cloudformation, stack_id, token)


def delete_stack(cloudformation: Any, name: str) -> str:
    """Deletes the stack if it is there; returns why it failed, or an empty string."""
    if _status(cloudformation, name) is None:
        return ""
    stack_id = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    token = str(uuid.uuid4())
    cloudformation.delete_stack(StackName=stack_id, ClientRequestToken=token)
    ended = _wait(cloudformation, stack_id)
    return "" if ended == "DELETE_COMPLETE" else _reason(cloudformation, stack_id, token)


def _status(cloudformation: Any, stack: str) -> str | None:
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _wait(cloudformation: Any, stack_id: str) -> str:
    """The status in which the stack comes to rest. Raises TimeoutError."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        status = _status(cloudformation, stack_id)
        if status is not None and not status.endswith("_IN_PROGRESS"):
            return status
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"{stack_id} is still at work after {TIMEOUT_SECONDS} s")


def _reason(cloudformation: Any, stack_id: str, token: str) -> str:
    """The first failure of the operation that carries the token, in the form of StackInstance.StatusReason."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    failures = [
        event
        for page in pages
        for event in page["StackEvents"]
        if event.get("ClientRequestToken") == token and event["ResourceStatus"].endswith("_FAILED")
    ]
    if not failures:
        return f"{stack_id} did not succeed and gives no reason"
    first = failures[-1]  # the newest event comes first
    return (
        f"ResourceLogicalId:{first['LogicalResourceId']}, ResourceType:{first['ResourceType']}, "
        f"ResourceStatusReason:{first.get('ResourceStatusReason', '')}."
    )
