"""What an account of the fake AWS has, and the operations of Systems Manager and Glue on it: as much as the functions
call, with the limits and the errors of the real ones."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.tables import DATABASE

MAX_SYNCS = 5
MAX_SYNCS_PER_PAGE = 50
TABLES_PER_PAGE = 100


@dataclass
class Sync:
    """A resource data sync as it was asked for, and what it takes until one sees what became of it."""

    wanted: dict[str, Any]
    created: float
    lists_until_status: int
    lists_until_gone: int | None = None


@dataclass
class Account:
    """What one account has in its one Region."""

    syncs: list[Sync] = field(default_factory=list)
    # How many lists do not show the status of a new sync, and how many still show one that was deleted.
    lists_until_status: int = 0
    lists_until_gone: int = 0
    # Which operations are carried out without an answer, and how often.
    lost: Counter[str] = field(default_factory=Counter)
    # Which operations are refused.
    refused: set[str] = field(default_factory=set)
    # The catalog's tables: the version and the definition as JSON.
    tables: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    stack_status: str = "CREATE_COMPLETE"
    answers: list[dict[str, Any]] = field(default_factory=list)


class Refusal(Exception):
    """An error of a service with AWS's JSON protocol."""

    def __init__(self, code: str, **members: str) -> None:
        super().__init__(code)
        self.code = code
        self.members = members


# Systems Manager.


def _create_sync(account: Account, wanted: dict[str, Any]) -> dict[str, Any]:
    if any(sync.wanted["SyncName"] == wanted["SyncName"] for sync in account.syncs):
        raise Refusal("ResourceDataSyncAlreadyExistsException", SyncName=wanted["SyncName"])
    is_second = any(map(_is_of_organization, (sync.wanted for sync in account.syncs))) and _is_of_organization(wanted)
    if is_second or len(account.syncs) >= MAX_SYNCS:
        message = "You have exceeded the allowed maximum sync configurations."
        raise Refusal("ResourceDataSyncCountExceededException", Message=message)
    account.syncs.append(Sync(wanted, time.time(), account.lists_until_status))
    return {}


def _is_of_organization(wanted: dict[str, Any]) -> bool:
    sharing = wanted["S3Destination"].get("DestinationDataSharing", {})
    return sharing.get("DestinationDataSharingType") == "Organization"


def _list_syncs(account: Account, request: dict[str, Any]) -> dict[str, Any]:
    first = int(request.get("NextToken", 0))
    size = request.get("MaxResults", MAX_SYNCS_PER_PAGE)
    if first == 0:
        gone = [sync for sync in account.syncs if sync.lists_until_gone == 0]
        account.syncs = [sync for sync in account.syncs if sync not in gone]
    items = []
    for sync in account.syncs:
        destination = {name: value for name, value in sync.wanted["S3Destination"].items()}
        destination.pop("DestinationDataSharing", None)  # SSM does not tell
        item = {**sync.wanted, "S3Destination": destination, "SyncCreatedTime": sync.created}
        if sync.lists_until_status == 0:
            item |= {"LastStatus": "InProgress"}
        if first == 0:
            sync.lists_until_status = max(0, sync.lists_until_status - 1)
            if sync.lists_until_gone is not None:
                sync.lists_until_gone -= 1
        items.append(item)
    page: dict[str, Any] = {"ResourceDataSyncItems": items[first : first + size]}
    if first + size < len(items):
        page["NextToken"] = str(first + size)
    return page


def _delete_sync(account: Account, request: dict[str, Any]) -> dict[str, Any]:
    for sync in account.syncs:
        if sync.wanted["SyncName"] == request["SyncName"] and sync.lists_until_gone is None:
            sync.lists_until_gone = account.lists_until_gone
            return {}
    raise Refusal("ResourceDataSyncNotFoundException", SyncName=request["SyncName"], Message="Not found.")


# Glue.


def _need_database(request: dict[str, Any]) -> None:
    if request["DatabaseName"] != DATABASE:
        raise Refusal("EntityNotFoundException", Message=f"Database {request['DatabaseName']} not found.")


def _get_tables(account: Account, request: dict[str, Any]) -> bytes:
    _need_database(request)
    first, size = int(request.get("NextToken", 0)), min(request.get("MaxResults", TABLES_PER_PAGE), TABLES_PER_PAGE)
    texts = [text for _, text in list(account.tables.values())[first : first + size]]
    token = b',"NextToken":"%d"' % (first + size) if first + size < len(account.tables) else b""
    return b'{"TableList":[' + b",".join(texts) + b"]" + token + b"}"


def _get_table(account: Account, request: dict[str, Any]) -> bytes:
    _need_database(request)
    return b'{"Table":' + _stored(account, request["Name"])[1] + b"}"


def _update_table(account: Account, request: dict[str, Any]) -> dict[str, Any]:
    _need_database(request)
    wanted = request["TableInput"]
    version, text = _stored(account, wanted["Name"])
    if request.get("VersionId", str(version)) != str(version):
        message = "Update table failed due to concurrent modifications."
        raise Refusal("ConcurrentModificationException", Message=message)
    kept = json.loads(text)
    # The definition is replaced: what is not sent is lost, but for what is Glue's own. Zero and false need not be sent.
    own = {name: kept[name] for name in ("DatabaseName", "CreateTime", "CreatedBy", "CatalogId")}
    storage = {"Compressed": False, "StoredAsSubDirectories": False, **wanted.get("StorageDescriptor", {})}
    table = {"Retention": 0, **wanted, **own, "StorageDescriptor": storage}
    table |= {"UpdateTime": time.time(), "VersionId": str(version + 1)}
    account.tables[wanted["Name"]] = (version + 1, json.dumps(table).encode())
    return {}


def _create_table(account: Account, request: dict[str, Any]) -> dict[str, Any]:
    _need_database(request)
    table = {**request["TableInput"], "DatabaseName": DATABASE, "VersionId": "0"}
    if table["Name"] in account.tables:
        raise Refusal("AlreadyExistsException", Message="Table already exists.")
    account.tables[table["Name"]] = (0, json.dumps(table).encode())
    return {}


def _stored(account: Account, name: str) -> tuple[int, bytes]:
    if name not in account.tables:
        raise Refusal("EntityNotFoundException", Message=f"Table {name} not found.")
    return account.tables[name]


JSON_OPERATIONS = {
    "CreateResourceDataSync": _create_sync,
    "ListResourceDataSync": _list_syncs,
    "DeleteResourceDataSync": _delete_sync,
    "GetTables": _get_tables,
    "GetTable": _get_table,
    "UpdateTable": _update_table,
    "CreateTable": _create_table,
}
