"""Systems Manager's resource data syncs: CreateResourceDataSync, List…, Update… and Delete….

As on AWS, in each account and Region by itself
(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateResourceDataSync.html):

- Creating a sync writes a probe object before it answers. What keeps it from writing is an invalid configuration.
- The first delivery follows by itself. ``LastStatus`` is absent at first, then ``InProgress``, then ``Successful`` or
  ``Failed``.
- A deleted sync stays in the list for a while, and its name stays taken. Its deliveries end; its objects stay.
- There are at most five syncs, one of them for an organization.
- Only a ``SyncFromSource`` sync can be updated. It delivers nothing and has no status.
- The list does not tell ``DestinationDataSharing``.

AWS's delays are scaled by the environment variable ``LOCAL_AWS_TIME_SCALE`` (default 0.01).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextvars
import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.services import ssm

from local_aws import validation
from local_aws.sync_delivery import Delivery

logger = logging.getLogger("resource_data_sync")

# https://docs.aws.amazon.com/general/latest/gr/ssm.html
MAX_SYNCS = 5
MAX_RESULTS = 50

TO_DESTINATION, FROM_SOURCE = "SyncToDestination", "SyncFromSource"
ORGANIZATION_SHARING = {"DestinationDataSharingType": "Organization"}

# Seconds on AWS, before scaling. CloudFormation's own resource for syncs polls for half a minute and more in each case:
# https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-ssm/tree/5e900fd/aws-ssm-resourcedatasync
STATUS_ABSENT_SECONDS = 10
FIRST_DELIVERY_SECONDS = 30
DELETION_SECONDS = 30


class SyncError(Exception):
    """An error response: the error's name and its members."""

    def __init__(self, code: str, **members: str) -> None:
        super().__init__(code)
        self.code = code
        self.members = members


@dataclass
class Sync:
    """A sync as the API tells it; times are seconds since the epoch."""

    name: str
    kind: str
    destination: dict[str, Any] | None
    source: dict[str, Any] | None
    created: float
    modified: float
    status: str | None = None
    status_message: str | None = None
    last_sync: float | None = None
    last_success: float | None = None
    # Set by its deletion: when the sync disappears from the list, on the monotonic clock.
    gone_at: float | None = None
    delivery: asyncio.Task[None] | None = None

    @property
    def is_organizational(self) -> bool:
        """Whether it is the account's and Region's one Organizations sync."""
        return bool(self.destination and "DestinationDataSharing" in self.destination)

    def item(self) -> dict[str, Any]:
        """The ResourceDataSyncItem."""
        destination = self.destination and {k: v for k, v in self.destination.items() if k != "DestinationDataSharing"}
        members = {
            "SyncName": self.name,
            "SyncType": self.kind,
            "SyncSource": self.source,
            "S3Destination": destination,
            "LastSyncTime": self.last_sync,
            "LastSuccessfulSyncTime": self.last_success,
            "SyncLastModifiedTime": self.modified,
            "LastStatus": self.status,
            "SyncCreatedTime": self.created,
            "LastSyncStatusMessage": self.status_message,
        }
        return {name: value for name, value in members.items() if value is not None}


# By account and Region, then by name.
_syncs: defaultdict[tuple[str, str], dict[str, Sync]] = defaultdict(dict)


def create(request: dict[str, Any]) -> dict[str, Any]:
    """CreateResourceDataSync; its checks end with the probe object."""
    name, now = request["SyncName"], time.time()
    sync = Sync(name, _kind(request), request.get("S3Destination"), request.get("SyncSource"), now, now)
    _check_configuration(sync)
    others = _here()
    if name in others:
        raise SyncError("ResourceDataSyncAlreadyExistsException", SyncName=name)
    # Which error AWS gives for a second Organizations sync is not documented.
    if len(others) >= MAX_SYNCS or (sync.is_organizational and any(s.is_organizational for s in others.values())):
        raise SyncError(
            "ResourceDataSyncCountExceededException",
            Message="You have exceeded the allowed maximum sync configurations.",
        )
    if sync.kind == TO_DESTINATION:
        delivery = Delivery(name, get_account_id(), get_region(), sync.destination)
        if denial := contextvars.copy_context().run(delivery.probe):
            logger.info("sync %s was refused: %s", name, denial.message)
            raise _invalid(f"S3 write failed for bucket {sync.destination['BucketName']}")
        sync.delivery = asyncio.get_running_loop().create_task(_deliver(sync, delivery))
    others[name] = sync
    return {}


def list_syncs(request: dict[str, Any]) -> dict[str, Any]:
    """ListResourceDataSync, in the order of names."""
    wanted = request.get("SyncType")
    after = _read_token(request["NextToken"], wanted) if "NextToken" in request else ""
    rest = [s for _, s in sorted(_here().items()) if s.name > after and wanted in (None, s.kind)]
    page = rest[: request.get("MaxResults", MAX_RESULTS)]
    response: dict[str, Any] = {"ResourceDataSyncItems": [sync.item() for sync in page]}
    if len(page) < len(rest):
        response["NextToken"] = _token(page[-1].name, wanted)
    return response


def update(request: dict[str, Any]) -> dict[str, Any]:
    """UpdateResourceDataSync: a new source for a SyncFromSource sync."""
    if request["SyncType"] != FROM_SOURCE:
        raise _invalid(f"Only a sync of the SyncType {FROM_SOURCE} can be updated.")
    sync = _existing(request)
    sync.source = request["SyncSource"]
    sync.modified = time.time()
    return {}


def delete(request: dict[str, Any]) -> dict[str, Any]:
    """DeleteResourceDataSync; the name is free when it has left the list. Deleting once more meanwhile is no error."""
    sync = _existing(request)
    if sync.delivery:
        sync.delivery.cancel()
    if sync.gone_at is None:
        sync.gone_at = time.monotonic() + _scaled(DELETION_SECONDS)
    return {}


OPERATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "CreateResourceDataSync": create,
    "ListResourceDataSync": list_syncs,
    "UpdateResourceDataSync": update,
    "DeleteResourceDataSync": delete,
}


async def _deliver(sync: Sync, delivery: Delivery) -> None:
    await asyncio.sleep(_scaled(STATUS_ABSENT_SECONDS))
    sync.status, sync.last_sync = "InProgress", time.time()
    try:
        denial, _ = await asyncio.gather(delivery.run(), asyncio.sleep(_scaled(FIRST_DELIVERY_SECONDS)))
    except Exception:
        logger.exception("delivery of sync %s broke off", sync.name)
        sync.status, sync.status_message = "Failed", "Internal error"
        return
    if denial:
        logger.info("delivery of sync %s was refused: %s", sync.name, denial.message)
        sync.status = "Failed"
        sync.status_message = f"S3 write failed for bucket {sync.destination['BucketName']}"
    else:
        sync.status, sync.last_success = "Successful", time.time()


def _scaled(seconds: float) -> float:
    return seconds * float(os.environ.get("LOCAL_AWS_TIME_SCALE", "0.01"))


def _here() -> dict[str, Sync]:
    """The syncs of the request's account and Region, without those whose deletion has come to its end."""
    syncs = _syncs[get_account_id(), get_region()]
    for name in [s.name for s in syncs.values() if s.gone_at is not None and s.gone_at <= time.monotonic()]:
        del syncs[name]
    return syncs


def _existing(request: dict[str, Any]) -> Sync:
    sync = _here().get(request["SyncName"])
    if sync is None or sync.kind != _kind(request, default=sync.kind):
        raise SyncError(
            "ResourceDataSyncNotFoundException",
            SyncName=request["SyncName"],
            SyncType=_kind(request),
            Message=f"The specified sync name {request['SyncName']} wasn't found.",
        )
    return sync


def _kind(request: dict[str, Any], default: str = TO_DESTINATION) -> str:
    kind = request.get("SyncType", default)
    if kind not in (TO_DESTINATION, FROM_SOURCE):
        raise _invalid(f"The SyncType {kind} is not valid.")
    return kind


def _check_configuration(sync: Sync) -> None:
    if sync.kind == TO_DESTINATION:
        if sync.destination is None or sync.source is not None:
            raise _invalid(f"A sync of the SyncType {TO_DESTINATION} has an S3Destination and no SyncSource.")
        if sync.destination.get("DestinationDataSharing", ORGANIZATION_SHARING) != ORGANIZATION_SHARING:
            raise _invalid("The DestinationDataSharingType is not valid.")
    elif sync.source is None or sync.destination is not None:
        raise _invalid(f"A sync of the SyncType {FROM_SOURCE} has a SyncSource and no S3Destination.")


def _invalid(message: str) -> SyncError:
    return SyncError("ResourceDataSyncInvalidConfigurationException", Message=message)


def _token(name: str, kind: str | None) -> str:
    return base64.urlsafe_b64encode(json.dumps([get_account_id(), get_region(), kind, name]).encode()).decode()


def _read_token(token: str, kind: str | None) -> str:
    """The name to go on after; a token is good for the account, the Region and the SyncType that it was given for."""
    try:
        *scope, name = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, TypeError):
        scope, name = [], ""
    if scope != [get_account_id(), get_region(), kind]:
        raise SyncError("InvalidNextToken", Message="The specified token isn't valid.")
    return name


def _operation(headers: dict[str, str]) -> str:
    return headers.get("x-amz-target", "").rpartition(".")[2]


def _answer(operation: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    try:
        request = json.loads(body or b"{}")
        if problem := validation.violation("ssm", operation, request):
            raise SyncError("ValidationException", message=problem)
        status, response = 200, OPERATIONS[operation](request)
    except (validation.SerializationError, json.JSONDecodeError) as error:
        status, response = 400, {"__type": "SerializationException", "Message": str(error)}
    except SyncError as error:
        status, response = 400, {"__type": error.code, **error.members}
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(response).encode()


def install() -> None:
    """Serve the four operations, and let IAM see their resource ARN and their condition key ``ssm:SyncType``.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
    """
    serve_ssm = ssm.handle_request
    resource_arn, condition_keys = iam_actions.extract_resource_arn, iam_actions.request_tag_context

    async def serve(method, path, headers, body, query_params):
        operation = _operation(headers)
        if operation in OPERATIONS:
            return _answer(operation, body)
        return await serve_ssm(method, path, headers, body, query_params)

    def sync_arn(service, method, path, headers, body, query_params, region, account):
        name = _member(body, "SyncName") if service == "ssm" and _operation(headers) in OPERATIONS else None
        if name:
            return f"arn:aws:ssm:{region}:{account}:resource-data-sync/{name}"
        return resource_arn(service, method, path, headers, body, query_params, region, account)

    def sync_condition_keys(service, action, body, query_params):
        keys = condition_keys(service, action, body, query_params)
        kind = _member(body, "SyncType") if action.removeprefix("ssm:") in OPERATIONS else None
        return {**keys, "ssm:SyncType": kind} if kind else keys

    ssm.handle_request = serve
    iam_actions.extract_resource_arn, iam_actions.request_tag_context = sync_arn, sync_condition_keys


def _member(body: bytes, name: str) -> str | None:
    try:
        value = json.loads(body or b"{}").get(name)
    except (ValueError, AttributeError):
        return None
    return value if isinstance(value, str) else None
