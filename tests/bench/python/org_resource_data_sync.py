"""Makes, changes and deletes the organization's resource data sync of an account and Region."""

import time
from collections.abc import Callable
from typing import Any

import answer
import boto3

SYNC_TYPE = "SyncToDestination"

ssm = boto3.client("ssm")


def handler(event: dict, context: Any) -> None:
    """Answers one request of CloudFormation."""
    physical_id = event.get("PhysicalResourceId", "not-created")
    try:
        if event["RequestType"] == "Delete":
            delete(physical_id)
            data = {}
        else:
            name, destination = read(event["ResourceProperties"])
            data = change(physical_id, name, destination)
            physical_id = name
    except Exception as error:
        answer.send(event, context, "FAILED", physical_id, reason=str(error))
    else:
        answer.send(event, context, "SUCCESS", physical_id, data)


def read(properties: dict) -> tuple[str, dict]:
    """The name and the destination that are wanted."""
    destination = {
        "BucketName": properties["S3BucketName"],
        "Prefix": properties.get("S3BucketPrefix"),
        "SyncFormat": "JsonSerDe",
        "Region": properties["S3BucketRegion"],
        "AWSKMSKeyARN": properties.get("KMSKeyArn"),
    }
    return properties["ResourceDataSyncName"], {key: value for key, value in destination.items() if value}


def change(physical_id: str, name: str, destination: dict) -> dict:
    """Makes the sync of this name ship to this destination, in place of the one that the physical id names."""
    old = find(physical_id) if physical_id != "not-created" else None
    if not (old and physical_id == name and old["S3Destination"] == destination):
        if old:
            delete(physical_id)
        sharing = {"DestinationDataSharing": {"DestinationDataSharingType": "Organization"}}
        ssm.create_resource_data_sync(SyncName=name, SyncType=SYNC_TYPE, S3Destination=destination | sharing)
        old = wait(lambda: with_status(find(name)))
    url = f"s3://{destination['BucketName']}/{destination.get('Prefix', '')}".rstrip("/")
    return {"SyncName": name, "LastStatus": old["LastStatus"], "Destination": url}


def delete(name: str) -> None:
    """Deletes the sync of this name, if there is one, and waits until it is gone."""
    try:
        ssm.delete_resource_data_sync(SyncName=name, SyncType=SYNC_TYPE)
    except ssm.exceptions.ResourceDataSyncNotFoundException:
        return
    wait(lambda: find(name) is None)


def find(name: str) -> dict | None:
    """The sync of this name, or None."""
    for page in ssm.get_paginator("list_resource_data_sync").paginate(SyncType=SYNC_TYPE):
        for item in page["ResourceDataSyncItems"]:
            if item["SyncName"] == name:
                return item
    return None


def with_status(sync: dict | None) -> dict | None:
    """The sync, once its first run has begun; None before."""
    if sync and sync.get("LastStatus") == "Failed":
        raise RuntimeError(sync.get("LastSyncStatusMessage", "the first run of the sync failed"))
    return sync if sync and "LastStatus" in sync else None


def wait(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it does."""
    for _ in range(60):
        time.sleep(1)
        if found := look():
            return found
    raise TimeoutError("Systems Manager took longer than a minute")
