"""CloudFormation StackSets with service-managed permissions: one template, really deployed in accounts and Regions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-concepts.html

A stack set's operations are worked off one after the other. Each deploys, updates or deletes one stack for each account
and Region by CloudFormation's own API, as the role ``stacksets-exec-…`` of the account, which is made at first use as
StackSets does: whoever does not let that role read the template's code sees what AWS would show.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.stack_operations import delete_stack, deploy_stack

Place = tuple[str, str]  # account and Region

DONE = ("SUCCEEDED", "FAILED", "STOPPED")
CANCELLED = "Cancelled since failure tolerance has exceeded"
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


@dataclass
class Operation:
    """One create, update or delete of instances, and how it goes."""

    id: str
    action: str
    places: list[Place]
    preferences: dict[str, Any]
    retain_stacks: bool = False
    status: str = "QUEUED"
    created: datetime = field(default_factory=now)
    ended: datetime | None = None
    results: dict[Place, tuple[str, str]] = field(default_factory=dict)

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
    units: set[str] = field(default_factory=set)
    instances: dict[Place, Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def running(self) -> list[Operation]:
        """The operations that have not come to an end."""
        return [each for each in self.operations.values() if each.status not in DONE]

    def start(self, operation: Operation) -> None:
        """Lets the operation run after those that are under way."""
        with self.lock:
            self.operations[operation.id] = operation
            if len(self.running) == 1:
                operation.status = "RUNNING"
                threading.Thread(target=self._work_off, name=f"stack set {self.name}", daemon=True).start()

    def _work_off(self) -> None:
        while True:
            with self.lock:
                waiting = self.running
                if not waiting:
                    return
                operation = waiting[0]
                operation.status = "RUNNING"
            status = "FAILED"
            try:
                status = self._run(operation)
            finally:
                with self.lock:
                    operation.status, operation.ended = status, now()

    def _run(self, operation: Operation) -> str:
        order = operation.preferences.get("RegionOrder") or sorted({region for _, region in operation.places})
        by_region = {region: [place for place in operation.places if place[1] == region] for region in order}
        parallel = operation.preferences.get("RegionConcurrencyType") == "PARALLEL"
        with ThreadPoolExecutor(len(by_region) if parallel and by_region else 1) as pool:
            went_well: list[bool] = []

            def run_region(region: str) -> None:
                stopped = not parallel and not all(went_well)
                went_well.append(self._run_region(operation, by_region[region], stopped))

            list(pool.map(run_region, by_region))
        if operation.status == "STOPPING":
            return "STOPPED"
        return "SUCCEEDED" if all(went_well) else "FAILED"

    def _run_region(self, operation: Operation, places: list[Place], stopped: bool) -> bool:
        """Works one Region's instances off; returns whether no more failed than are tolerated."""
        tolerance, concurrency = limits(operation.preferences, len(places))
        failures = 0

        def run(place: Place) -> None:
            nonlocal failures
            if stopped or failures > tolerance or operation.status == "STOPPING":
                self._note(operation, place, "CANCELLED", CANCELLED)
                return
            self._note(operation, place, "RUNNING", "")
            reason = self._apply(operation, place)
            failures += bool(reason)
            self._note(operation, place, "FAILED" if reason else "SUCCEEDED", reason)

        with ThreadPoolExecutor(min(concurrency, MAX_THREADS)) as pool:
            list(pool.map(run, places))
        return not stopped and failures <= tolerance

    def _note(self, operation: Operation, place: Place, status: str, reason: str) -> None:
        with self.lock:
            operation.results[place] = (status, reason)
            instance = self.instances.get(place)
            if instance is None:
                return
            instance.detailed_status, instance.reason, instance.operation_id = status, reason, operation.id
            if operation.action != "DELETE":
                instance.status = "CURRENT" if status == "SUCCEEDED" else "OUTDATED"
            elif status == "SUCCEEDED":
                del self.instances[place]
            elif status == "FAILED":
                instance.status = "INOPERABLE"

    def _apply(self, operation: Operation, place: Place) -> str:
        """Does the work in one account and Region; returns why it failed, or an empty string."""
        with self.lock:
            instance = self.instances.get(place)
        if instance is None or (operation.action == "DELETE" and operation.retain_stacks):
            return ""
        try:
            cloudformation = execution_client(*place)
            if operation.action == "DELETE":
                return delete_stack(cloudformation, instance.stack_name)
            reason = deploy_stack(
                cloudformation, instance.stack_name, self.template, self.parameters, self.capabilities
            )
            found = cloudformation.describe_stacks(StackName=instance.stack_name)["Stacks"]
            instance.stack_id = found[0]["StackId"]
            return reason
        except ClientError as error:
            return str(error)


def limits(preferences: dict[str, Any], accounts: int) -> tuple[int, int]:
    """How many failures of a Region's accounts are tolerated and how many accounts are worked on at once.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackSetOperationPreferences.html
    """
    if "FailureTolerancePercentage" in preferences:
        tolerance = accounts * preferences["FailureTolerancePercentage"] // 100
    else:
        tolerance = preferences.get("FailureToleranceCount", 0)
    if "MaxConcurrentPercentage" in preferences:
        concurrency = max(1, accounts * preferences["MaxConcurrentPercentage"] // 100)
    else:
        concurrency = preferences.get("MaxConcurrentCount", 1)
    if preferences.get("ConcurrencyMode", "STRICT_FAILURE_TOLERANCE") == "STRICT_FAILURE_TOLERANCE":
        concurrency = min(concurrency, tolerance + 1)
    return tolerance, concurrency


# --- The role in each account


_session = boto3.Session()
_session_lock = threading.Lock()


def _client(service: str, account: str, region: str, credentials: dict[str, str] | None = None) -> Any:
    given = credentials or {"AccessKeyId": account, "SecretAccessKey": "test", "SessionToken": None}
    with _session_lock:  # making a client is not thread-safe, using one is
        return _session.client(
            service,
            region_name=region,
            endpoint_url=os.environ["AWS_ENDPOINT_URL"],
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            config=Config(proxies={}, retries={"mode": "standard"}),
        )


def execution_client(account: str, region: str) -> Any:
    """CloudFormation as the account's execution role for service-managed stack sets."""
    name = f"stacksets-exec-{hashlib.sha256(account.encode()).hexdigest()[:32]}"
    iam = _client("iam", account, region)
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
        iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=_policy(everything))
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    arn = f"arn:aws:iam::{account}:role/{name}"
    session = _client("sts", account, region).assume_role(RoleArn=arn, RoleSessionName="stacksets")
    return _client("cloudformation", account, region, session["Credentials"])


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def new_stack_name(stack_set: str) -> str:
    """The name that StackSets gives the stack of a new instance."""
    return f"StackSet-{stack_set}-{uuid.uuid4()}"
