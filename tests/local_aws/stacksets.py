"""The same stack in many accounts and Regions, from outside and without a StackSet: members for tests, quickly.

Several at a time, each with its own result, in StackSets' own words
(https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackInstance.html). The StackSets themselves are
`stack_sets_api`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from botocore.exceptions import ClientError

from local_aws.server import LocalAws
from local_aws.stack_operations import delete_stack, deploy_stack

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]

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
    each result as it comes. A failed instance does not stop the others.
    """

    def operate(account: str, region: str) -> str:
        values = parameters(account, region) if callable(parameters) else parameters
        cloudformation = server.client("cloudformation", account, region)
        return deploy_stack(cloudformation, stack_name, template_body, values, CAPABILITIES, [])

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
        return delete_stack(server.client("cloudformation", account, region), stack_name)

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
