"""Stands in for CloudFormation StackSets with service-managed permissions: one template, many accounts and Regions.

MiniStack has no StackSets. This does from outside what StackSets does inside: the same stack in each account and
Region, several at a time, each with its own result, in StackSets' own words
(https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackInstance.html). As StackSets does, it
refuses templates with transforms.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_aws.server import LocalAws

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
POLL_SECONDS = 0.05
TIMEOUT_SECONDS = 3600

# A stack whose creation failed can't be updated; StackSets deletes it and makes it again.
_TO_BE_MADE_AGAIN = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}

Parameters = Mapping[str, str] | Callable[[str, str], Mapping[str, str]]


@dataclass(frozen=True)
class Instance:
    """How an operation on one stack instance ended.

    status is SUCCEEDED or FAILED, as StackInstanceStatus.DetailedStatus; status_reason is empty, or names the first
    resource that failed and CloudFormation's reason; duration is in seconds.
    """

    account: str
    region: str
    status: str
    status_reason: str
    duration: float

    @property
    def succeeded(self) -> bool:
        """Whether the operation did what it was asked to do."""
        return self.status == "SUCCEEDED"


def deploy(
    server: LocalAws,
    template_body: str,
    parameters: Parameters,
    accounts: Iterable[str],
    regions: Iterable[str],
    *,
    stack_name: str,
    concurrency: int = 8,
    progress: Callable[[Instance], None] | None = None,
) -> list[Instance]:
    """Creates or updates the stack in each account and Region and returns each result, by account and Region.

    parameters are the same everywhere, or a function of account and Region. `progress` is called in this thread with
    each result as it comes. A failed instance does not stop the others. Raises ValueError for a template with a
    transform.
    """

    def operate(account: str, region: str) -> str:
        values = parameters(account, region) if callable(parameters) else parameters
        return _deploy_one(server.client("cloudformation", account, region), stack_name, template_body, values)

    probe = server.client("cloudformation")
    if probe.validate_template(TemplateBody=template_body).get("DeclaredTransforms"):
        raise ValueError("stack sets with service-managed permissions do not support templates with transforms")
    return _on_each(operate, accounts, regions, concurrency, progress)


def delete(
    server: LocalAws,
    accounts: Iterable[str],
    regions: Iterable[str],
    *,
    stack_name: str,
    concurrency: int = 8,
    progress: Callable[[Instance], None] | None = None,
) -> list[Instance]:
    """Deletes the stack in each account and Region, and returns as `deploy` does; no stack is a success."""

    def operate(account: str, region: str) -> str:
        return _delete_one(server.client("cloudformation", account, region), stack_name)

    return _on_each(operate, accounts, regions, concurrency, progress)


def _on_each(
    operate: Callable[[str, str], str],
    accounts: Iterable[str],
    regions: Iterable[str],
    concurrency: int,
    progress: Callable[[Instance], None] | None,
) -> list[Instance]:
    def run(account: str, region: str) -> Instance:
        start = time.monotonic()
        try:
            reason = operate(account, region)
        except ClientError as error:
            reason = str(error)
        status = "FAILED" if reason else "SUCCEEDED"
        return Instance(account, region, status, reason, time.monotonic() - start)

    regions = list(regions)
    with ThreadPoolExecutor(concurrency) as pool:
        running = [pool.submit(run, account, region) for account in accounts for region in regions]
        for done in as_completed(running):
            if progress is not None:
                progress(done.result())
    return [instance.result() for instance in running]


def _deploy_one(cloudformation: Any, stack_name: str, template_body: str, parameters: Mapping[str, str]) -> str:
    """Returns why it failed, or an empty string."""
    status = _status(cloudformation, stack_name)
    if status in _TO_BE_MADE_AGAIN:
        if reason := _delete_one(cloudformation, stack_name):
            return reason
        status = None
    token = str(uuid.uuid4())
    call = cloudformation.update_stack if status else cloudformation.create_stack
    try:
        stack_id = call(
            StackName=stack_name,
            TemplateBody=template_body,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=CAPABILITIES,
            ClientRequestToken=token,
        )["StackId"]
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return ""
        raise
    ended = _wait(cloudformation, stack_id)
    return "" if ended in ("CREATE_COMPLETE", "UPDATE_COMPLETE") else _reason(cloudformation, stack_id, token)


def _delete_one(cloudformation: Any, stack_name: str) -> str:
    """Returns why it failed, or an empty string."""
    if _status(cloudformation, stack_name) is None:
        return ""
    stack_id = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]["StackId"]
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
        f"ResourceStatusReason:{first.get('ResourceStatusReason', '')}"
    )
