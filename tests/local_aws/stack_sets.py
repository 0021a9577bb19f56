"""CloudFormation StackSets with service-managed permissions: one template, really deployed in accounts and Regions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-concepts.html

A stack set's operations are worked off at the same time, or one after the other where they are for the same instances.
Each deploys, updates or deletes one stack for each account and Region by CloudFormation's own API, as the role
``stacksets-exec-…`` of the account: whoever does not let that role read the template's code sees what AWS would show.
"""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.organization import the_organization
from local_aws.stack_operations import delete_stack, deploy_stack
from local_aws.stack_set_limits import Gate
from local_aws.stack_set_role import execution_client

Place = tuple[str, str]  # account and Region

DONE = ("SUCCEEDED", "FAILED", "STOPPED")
CANCELLED = "Cancelled since failure tolerance has exceeded"
STOPPED = "Cancelled since the operation was stopped"
SKIPPED = "SKIPPED_SUSPENDED_ACCOUNT"
# What CloudFormation, like every service, answers in a Region that the account has not enabled.
REGION_DISABLED = "The security token included in the request is invalid. (Error Code: InvalidClientTokenId)"
MAX_THREADS = 16


def now() -> datetime:
    """The present in UTC."""
    return datetime.now(timezone.utc)


@dataclass
class Instance:
    """One stack of a set, or the place for it."""

    account: str
    region: str
    unit: str
    stack_name: str
    stack_id: str = ""
    status: str = "OUTDATED"
    detailed_status: str = "PENDING"
    reason: str = ""
    operation_id: str = ""
    overrides: dict[str, str] = field(default_factory=dict)


@dataclass
class Operation:
    """One create, update or delete of instances, and how it goes."""

    id: str
    action: str
    places: list[Place]
    preferences: dict[str, Any]
    retain_stacks: bool = False
    targets: dict[str, Any] = field(default_factory=dict)
    status: str = "QUEUED"
    begun: bool = False
    created: datetime = field(default_factory=now)
    ended: datetime | None = None
    results: dict[Place, tuple[str, str]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)  # account -> the unit by which it has its instances

    @property
    def failed(self) -> int:
        """How many of its instances failed."""
        return sum(status == "FAILED" for status, _ in self.results.values())


@dataclass
class StackSet:
    """A set: what is to be deployed, where it is, and what was done."""

    name: str
    id: str
    description: str
    template: str
    parameters: dict[str, str]
    capabilities: list[str]
    auto_deployment: dict[str, bool]
    managed_execution: bool
    tags: list[dict[str, str]] = field(default_factory=list)
    token: str = ""  # of the request that made it
    deleted: bool = False
    instances: dict[Place, Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def running(self) -> list[Operation]:
        """The operations that have not come to an end."""
        return [each for each in self.operations.values() if each.status not in DONE]

    def start(self, operation: Operation) -> None:
        """Lets the operation run as soon as none that was there before works on the same instances."""
        with self.lock:
            self.operations[operation.id] = operation
            operation.results = dict.fromkeys(operation.places, ("PENDING", ""))
            self._start_ready()

    def _start_ready(self) -> None:
        before: set[Place] = set()
        for operation in self.running:
            if not operation.begun and before.isdisjoint(operation.places):
                operation.begun = True
                if operation.status == "QUEUED":
                    operation.status = "RUNNING"
                name = f"stack set {self.name}"
                threading.Thread(target=self._work_off, args=[operation], name=name, daemon=True).start()
            before.update(operation.places)

    def _work_off(self, operation: Operation) -> None:
        status = "FAILED"
        try:
            status = self._run(operation)
        finally:
            with self.lock:
                operation.status, operation.ended = status, now()
                self._start_ready()

    def _run(self, operation: Operation) -> str:
        """Works the operation off, Region by Region or all at once; a Region that fails ends it for those after it."""
        order = list(operation.preferences.get("RegionOrder", []))
        order += sorted({region for _, region in operation.places} - set(order))
        by_region = {region: [place for place in operation.places if place[1] == region] for region in order}
        parallel = operation.preferences.get("RegionConcurrencyType") == "PARALLEL"
        went_well: list[bool] = []

        def run_region(region: str) -> None:
            cancelled = not parallel and not all(went_well)
            went_well.append(self._run_region(operation, by_region[region], cancelled))

        with ThreadPoolExecutor(max(1, len(by_region)) if parallel else 1) as pool:
            list(pool.map(run_region, by_region))
        if operation.status == "STOPPING":
            return "STOPPED"
        return "SUCCEEDED" if all(went_well) else "FAILED"

    def _run_region(self, operation: Operation, places: list[Place], cancelled: bool) -> bool:
        """Works one Region's instances off; returns whether no more failed than are tolerated."""
        gate = Gate(operation.preferences, len(places), lambda: operation.status == "STOPPING")

        def run(place: Place) -> None:
            if cancelled or not gate.enter():
                why = STOPPED if operation.status == "STOPPING" else CANCELLED
                self._note(operation, place, "CANCELLED", why)
                return
            reason = "the local AWS broke off"
            try:
                self._note(operation, place, "RUNNING", "")
                reason = self._apply(operation, place)
            finally:
                self._note(operation, place, "FAILED" if reason else "SUCCEEDED", reason)
                gate.leave(bool(reason))

        with ThreadPoolExecutor(min(gate.concurrency, MAX_THREADS)) as pool:
            list(pool.map(run, places))
        return not cancelled and not gate.exceeded

    def _note(self, operation: Operation, place: Place, status: str, reason: str) -> None:
        with self.lock:
            operation.results[place] = (status, reason)
            instance = self.instances.get(place)
            if instance is None:
                return
            instance.detailed_status, instance.reason, instance.operation_id = status, reason, operation.id
            if status == "SUCCEEDED" and is_suspended(place) and not operation.retain_stacks:
                instance.detailed_status = SKIPPED
            elif operation.action != "DELETE":
                instance.status = "CURRENT" if status == "SUCCEEDED" else "OUTDATED"
            elif status == "SUCCEEDED":
                del self.instances[place]
            elif status == "FAILED":
                instance.status = instance.detailed_status = "INOPERABLE"

    def _apply(self, operation: Operation, place: Place) -> str:
        """Does the work in one account and Region; returns why it failed, or an empty string."""
        with self.lock:
            instance = self.instances.get(place)
            declared = self.parameters | (instance.overrides if instance else {})
        if instance is None or is_suspended(place) or (operation.action == "DELETE" and operation.retain_stacks):
            return ""
        if is_disabled(place):
            return REGION_DISABLED
        try:
            cloudformation = execution_client(*place)
            if operation.action == "DELETE":
                return delete_stack(cloudformation, instance.stack_name)
            reason = deploy_stack(
                cloudformation, instance.stack_name, self.template, declared, self.capabilities, self.tags
            )
            found = cloudformation.describe_stacks(StackName=instance.stack_name)["Stacks"]
            instance.stack_id = found[0]["StackId"]
            return reason
        except ClientError as error:
            return error.response["Error"]["Message"]
        except (BotoCoreError, TimeoutError) as error:
            return str(error)


def new_stack_name(stack_set: str) -> str:
    """The name that StackSets gives the stack of a new instance."""
    return f"StackSet-{stack_set}-{uuid.uuid4()}"


def is_suspended(place: Place) -> bool:
    """Whether the account is suspended, which StackSets passes over."""
    organization = the_organization()
    return organization is not None and place[0] in organization.suspended_accounts


def is_disabled(place: Place) -> bool:
    """Whether the account, or the management account, has not enabled the Region; StackSets needs both.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-prereqs.html
    """
    organization = the_organization()
    if organization is None:
        return False
    accounts = (place[0], organization.management_account)
    return any(place[1] in organization.disabled_regions.get(account, []) for account in accounts)
