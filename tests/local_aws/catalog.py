"""The Glue Data Catalog's tables and partitions, where MiniStack's differ from AWS's.

https://docs.aws.amazon.com/glue/latest/webapi/API_UpdateTable.html and the pages of the other calls:

- UpdateTable replaces the whole definition (MiniStack merges), counts ``VersionId`` from "0", keeps the old version
  unless ``SkipArchive``, and refuses a ``VersionId`` that is no longer current with ConcurrentModificationException.
- UpdatePartition, DeletePartition's and the batch call's errors, GetTableVersions.
- GetPartitions evaluates ``Expression`` and pages; GetTables filters by regular expression and pages.
- A call needs its action on the catalog, the database and the table, each by its ARN; MiniStack asks for the database
  only: https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html

The functions without a leading underscore are the catalog as the crawler and Athena use it: they take names and
inputs in the API's shapes, act in the account and Region of the current request and raise `CatalogError`.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ministack.core import iam_actions
from ministack.core.iam_evaluator import caller_arn
from ministack.core.responses import (
    AccountRegionScopedDict,
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)
from ministack.services import glue

from local_aws import authorization, partition_expression
from local_aws.partition_expression import UnsupportedExpressionError

# https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html
TABLE_INPUT_MEMBERS = frozenset(
    {
        "Name",
        "Description",
        "Owner",
        "LastAccessTime",
        "LastAnalyzedTime",
        "Retention",
        "StorageDescriptor",
        "PartitionKeys",
        "ViewOriginalText",
        "ViewExpandedText",
        "TableType",
        "Parameters",
        "TargetTable",
        "FederatedTable",
        "ViewDefinition",
    }
)

# Page sizes: the most that a caller may ask for, which is also what it gets without asking.
_TABLES_PER_PAGE = 100
_PARTITIONS_PER_PAGE = 1000
# https://docs.aws.amazon.com/glue/latest/webapi/API_BatchCreatePartition.html
MAX_PARTITIONS_PER_BATCH = 100

# "database/table" -> the archived definitions, oldest first.
_archived_versions = AccountRegionScopedDict()
# A read of a table and the write that depends on it are one step.
_lock = threading.RLock()


class CatalogError(Exception):
    """A call that Glue refuses: the error code and the text it answers with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def find_database(database: str) -> dict[str, Any]:
    """The Database structure. Raises CatalogError EntityNotFoundException."""
    try:
        return glue._databases[database.lower()]
    except KeyError:
        raise CatalogError("EntityNotFoundException", f"Database {database} not found.") from None


def databases() -> list[str]:
    """The names of all databases, sorted."""
    return sorted(glue._databases)


def find_table(database: str, name: str) -> dict[str, Any]:
    """The Table structure. Raises CatalogError EntityNotFoundException."""
    find_database(database)
    try:
        return glue._tables[_key(database, name)]
    except KeyError:
        raise CatalogError("EntityNotFoundException", f"Table {name} not found.") from None


def tables(database: str) -> list[dict[str, Any]]:
    """All Table structures of a database by name. Raises CatalogError EntityNotFoundException."""
    find_database(database)
    prefix = f"{database.lower()}/"
    return sorted((table for key, table in glue._tables.items() if key.startswith(prefix)), key=lambda t: t["Name"])


def partitions(database: str, table: str) -> list[dict[str, Any]]:
    """All Partition structures of a table, in order of registration."""
    return list(glue._partitions.get(_key(database, table), []))


def create_table(database: str, table_input: dict[str, Any], created_by: str) -> None:
    """Make a table; ``created_by`` is a principal's ARN. Raises CatalogError."""
    _check_table_input(table_input)
    with _lock:
        find_database(database)
        key = _key(database, table_input["Name"])
        if key in glue._tables:
            raise CatalogError("AlreadyExistsException", "Table already exists.")
        glue._tables[key] = _definition(database, table_input, created_by, int(time.time()), "0")


def update_table(
    database: str, table_input: dict[str, Any], *, version_id: str | None = None, skip_archive: bool = False
) -> None:
    """Replace a table's definition; with ``version_id`` only if that is the current one. Raises CatalogError."""
    _check_table_input(table_input)
    with _lock:
        old = find_table(database, table_input["Name"])
        if version_id is not None and version_id != old["VersionId"]:
            raise CatalogError(
                "ConcurrentModificationException", "Update table failed due to concurrent modifications."
            )
        key = _key(database, table_input["Name"])
        if not skip_archive:
            _archived_versions[key] = [*_archived_versions.get(key, []), old]
        version = str(int(old["VersionId"]) + 1)
        glue._tables[key] = _definition(database, table_input, old["CreatedBy"], old["CreateTime"], version)


def delete_table(database: str, name: str) -> None:
    """Remove a table with its partitions and versions. Raises CatalogError."""
    with _lock:
        find_table(database, name)
        key = _key(database, name)
        _archived_versions.pop(key, None)
        glue._partitions.pop(key, None)
        glue._partition_indexes.pop(key, None)
        glue._tables.pop(key)


def create_partition(database: str, table: str, partition_input: dict[str, Any]) -> None:
    """Register a partition. Raises CatalogError."""
    with _lock:
        values = _checked_values(find_table(database, table), partition_input)
        if _position(database, table, values) is not None:
            raise CatalogError("AlreadyExistsException", "Partition already exists.")
        record = _partition(database, table, partition_input, int(time.time()))
        glue._partitions.setdefault(_key(database, table), []).append(record)


def update_partition(database: str, table: str, values: list[str], partition_input: dict[str, Any]) -> None:
    """Replace a partition's definition, its values included. Raises CatalogError."""
    with _lock:
        new_values = _checked_values(find_table(database, table), partition_input)
        position = _position(database, table, values)
        if position is None:
            raise CatalogError("EntityNotFoundException", "Partition not found.")
        if new_values != values and _position(database, table, new_values) is not None:
            raise CatalogError("AlreadyExistsException", "Partition already exists.")
        records = glue._partitions[_key(database, table)]
        records[position] = _partition(database, table, partition_input, records[position]["CreationTime"])


def delete_partition(database: str, table: str, values: list[str]) -> None:
    """Remove a partition. Raises CatalogError."""
    with _lock:
        find_table(database, table)
        position = _position(database, table, values)
        if position is None:
            raise CatalogError("EntityNotFoundException", "Cannot find partition.")
        del glue._partitions[_key(database, table)][position]


def _key(database: str, table: str) -> str:
    # "For Hive compatibility, this is folded to lowercase when it is stored."
    return f"{database.lower()}/{table.lower()}"


def _check_table_input(table_input: dict[str, Any]) -> None:
    """Refuse what the SDKs refuse before sending, so that a client that copies a whole Table back is found out."""
    unknown = sorted(table_input.keys() - TABLE_INPUT_MEMBERS)
    if unknown:
        raise CatalogError("InvalidInputException", f"Unknown members of TableInput: {', '.join(unknown)}")
    if not table_input.get("Name"):
        raise CatalogError(
            "ValidationException",
            "1 validation error detected: Value null at 'tableInput.name' failed to satisfy constraint: "
            "Member must not be null",
        )


def _definition(
    database: str, table_input: dict[str, Any], created_by: str, create_time: int, version_id: str
) -> dict[str, Any]:
    """A Table structure, with the members that only Glue sets and a TableInput may not carry."""
    return {
        "PartitionKeys": [],
        "Retention": 0,
        **table_input,
        "Name": table_input["Name"].lower(),
        "DatabaseName": database.lower(),
        "CreateTime": create_time,
        "UpdateTime": int(time.time()),
        "CreatedBy": created_by,
        "IsRegisteredWithLakeFormation": False,
        "IsMultiDialectView": False,
        "IsMaterializedView": False,
        "CatalogId": get_account_id(),
        "VersionId": version_id,
    }


def _partition(database: str, table: str, partition_input: dict[str, Any], creation_time: int) -> dict[str, Any]:
    return {
        **partition_input,
        "DatabaseName": database.lower(),
        "TableName": table.lower(),
        "CreationTime": creation_time,
        "CatalogId": get_account_id(),
    }


def _checked_values(table: dict[str, Any], partition_input: dict[str, Any]) -> list[str]:
    values = partition_input.get("Values") or []
    if len(values) != len(table["PartitionKeys"]):
        raise CatalogError(
            "InvalidInputException", "The number of partition keys do not match the number of partition values"
        )
    return values


def _position(database: str, table: str, values: list[str]) -> int | None:
    records = glue._partitions.get(_key(database, table), [])
    return next((i for i, record in enumerate(records) if record["Values"] == values), None)


# The API's calls: from the request's members to the response's.


def _create_table(data: dict[str, Any]) -> dict[str, Any]:
    create_table(data["DatabaseName"], data.get("TableInput") or {}, caller_arn())
    return {}


def _update_table(data: dict[str, Any]) -> dict[str, Any]:
    update_table(
        data["DatabaseName"],
        data.get("TableInput") or {},
        version_id=data.get("VersionId"),
        skip_archive=bool(data.get("SkipArchive")),
    )
    return {}


def _delete_table(data: dict[str, Any]) -> dict[str, Any]:
    delete_table(data["DatabaseName"], data["Name"])
    return {}


def _get_table(data: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"Table": find_table(data["DatabaseName"], data["Name"])}
    except CatalogError as error:
        # Of all calls this one does not say what it did not find.
        raise CatalogError(error.code, "Entity Not Found") from error


def _get_tables(data: dict[str, Any]) -> dict[str, Any]:
    try:
        wanted = re.compile(data.get("Expression") or ".*")
    except re.error as error:
        raise CatalogError("InvalidInputException", f"Invalid regular expression: {error}") from error
    found = [table for table in tables(data["DatabaseName"]) if wanted.fullmatch(table["Name"])]
    return _page(found, data, "TableList", _TABLES_PER_PAGE)


def _get_table_versions(data: dict[str, Any]) -> dict[str, Any]:
    current = find_table(data["DatabaseName"], data["TableName"])
    archived = _archived_versions.get(_key(data["DatabaseName"], data["TableName"]), [])
    newest_first = [{"Table": table, "VersionId": table["VersionId"]} for table in (current, *reversed(archived))]
    return _page(newest_first, data, "TableVersions", _TABLES_PER_PAGE)


def _create_partition(data: dict[str, Any]) -> dict[str, Any]:
    create_partition(data["DatabaseName"], data["TableName"], data.get("PartitionInput") or {})
    return {}


def _batch_create_partition(data: dict[str, Any]) -> dict[str, Any]:
    inputs = data.get("PartitionInputList") or []
    if len(inputs) > MAX_PARTITIONS_PER_BATCH:
        raise CatalogError(
            "ValidationException",
            "1 validation error detected: Value at 'partitionInputList' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_PARTITIONS_PER_BATCH}",
        )
    find_table(data["DatabaseName"], data["TableName"])
    errors = []
    for partition_input in inputs:
        try:
            create_partition(data["DatabaseName"], data["TableName"], partition_input)
        except CatalogError as error:
            detail = {"ErrorCode": error.code, "ErrorMessage": str(error)}
            errors.append({"PartitionValues": partition_input.get("Values") or [], "ErrorDetail": detail})
    return {"Errors": errors}


def _update_partition(data: dict[str, Any]) -> dict[str, Any]:
    update_partition(
        data["DatabaseName"],
        data["TableName"],
        data.get("PartitionValueList") or [],
        data.get("PartitionInput") or {},
    )
    return {}


def _delete_partition(data: dict[str, Any]) -> dict[str, Any]:
    delete_partition(data["DatabaseName"], data["TableName"], data.get("PartitionValues") or [])
    return {}


def _get_partitions(data: dict[str, Any]) -> dict[str, Any]:
    table = find_table(data["DatabaseName"], data["TableName"])
    found = partitions(data["DatabaseName"], data["TableName"])
    if data.get("Expression"):
        found = list(_matching(table, found, data["Expression"]))
    if segment := data.get("Segment"):
        found = found[segment["SegmentNumber"] :: segment["TotalSegments"]]
    if data.get("ExcludeColumnSchema"):
        found = [
            {**partition, "StorageDescriptor": {**partition.get("StorageDescriptor", {}), "Columns": []}}
            for partition in found
        ]
    return _page(found, data, "Partitions", _PARTITIONS_PER_PAGE)


def _matching(table: dict[str, Any], found: list[dict[str, Any]], expression: str) -> Iterator[dict[str, Any]]:
    types = {key["Name"].lower(): key.get("Type", "string").lower() for key in table["PartitionKeys"]}
    try:
        condition = partition_expression.parse(expression)
        for partition in found:
            if partition_expression.holds(condition, dict(zip(types, partition["Values"], strict=True)), types):
                yield partition
    except UnsupportedExpressionError as error:
        raise CatalogError("InvalidInputException", f"Unsupported expression '{expression}'") from error


def _page(items: list[dict[str, Any]], data: dict[str, Any], member: str, most: int) -> dict[str, Any]:
    size = data.get("MaxResults") or most
    if not 1 <= size <= most:
        bound = f"less than or equal to {most}" if size > most else "greater than or equal to 1"
        raise CatalogError(
            "ValidationException",
            f"1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: "
            f"Member must have value {bound}",
        )
    token = data.get("NextToken") or "0"
    if not token.isdigit():
        raise CatalogError("InvalidInputException", "The token is invalid.")
    start = int(token)
    response: dict[str, Any] = {member: items[start : start + size]}
    if start + size < len(items):
        response["NextToken"] = str(start + size)
    return response


_CALLS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "CreateTable": _create_table,
    "UpdateTable": _update_table,
    "DeleteTable": _delete_table,
    "GetTable": _get_table,
    "GetTables": _get_tables,
    "GetTableVersions": _get_table_versions,
    "CreatePartition": _create_partition,
    "BatchCreatePartition": _batch_create_partition,
    "UpdatePartition": _update_partition,
    "DeletePartition": _delete_partition,
    "GetPartitions": _get_partitions,
}


def _answer(call: Callable[[dict[str, Any]], dict[str, Any]], data: dict[str, Any]) -> tuple:
    try:
        return json_response(call(data))
    except CatalogError as error:
        return error_response_json(error.code, str(error))


def resource_arns(action: str, data: dict[str, Any]) -> list[str]:
    """Every resource on which Glue demands the action, the catalog first; none for actions that are not listed."""
    root = f"arn:aws:glue:{get_region()}:{get_account_id()}"
    if action.endswith("Crawler") and data.get("Name"):
        return [f"{root}:crawler/{data['Name']}"]
    database = data.get("DatabaseName")
    if action in ("GetDatabase", "UpdateDatabase", "DeleteDatabase"):
        return [f"{root}:catalog", f"{root}:database/{data.get('Name')}"]
    if not database or not action.endswith(("Table", "Tables", "TableVersions", "Partition", "Partitions")):
        return []
    table = (data.get("TableInput") or {}).get("Name") or data.get("TableName") or data.get("Name") or "*"
    return [f"{root}:catalog", f"{root}:database/{database}", f"{root}:table/{database}/{table}"]


def _denied(action: str, data: dict[str, Any]) -> tuple | None:
    """The refusal of a caller who lacks the action on any of its resources."""
    caller = authorization.caller()
    if caller is None:
        return None
    for arn in resource_arns(action, data):
        denial = authorization.principal_may(caller, f"glue:{action}", arn)
        if denial is not None:
            return error_response_json("AccessDeniedException", denial.message)
    return None


def _load(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def install() -> None:
    """Put the calls in place of MiniStack's, for the API and for CloudFormation alike, and judge every resource."""
    serve, first_resource = glue._handle_request_sync, iam_actions.extract_resource_arn
    for action, call in _CALLS.items():
        name = "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        setattr(glue, name, partial(_answer, call))
    # What MiniStack has no call for.
    added = {action: _CALLS[action] for action in ("UpdatePartition", "GetTableVersions")}

    def handle(method, path, headers, body, query_params):
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        data = _load(body)
        if refusal := _denied(action, data):
            return refusal
        return _answer(added[action], data) if action in added else serve(method, path, headers, body, query_params)

    def resource_arn(service, method, path, headers, body, query_params, region, account_id):
        if service == "glue":
            arns = resource_arns(headers.get("x-amz-target", "").rpartition(".")[2], _load(body))
            if arns:
                return arns[0]
        return first_resource(service, method, path, headers, body, query_params, region, account_id)

    glue._handle_request_sync, iam_actions.extract_resource_arn = handle, resource_arn
