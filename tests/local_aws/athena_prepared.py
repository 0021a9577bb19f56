"""Athena's prepared statements: their API, their SQL and their resource type.

https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html

- A statement belongs to a workgroup and is known there by its name, whoever made it.
- ``EXECUTE name USING …`` runs it, or ``EXECUTE name`` with the request's ExecutionParameters; ``PREPARE name FROM …``
  makes or replaces it, ``DEALLOCATE PREPARE name`` removes it. Each needs the right to the call of the API that does
  the same: https://docs.aws.amazon.com/athena/latest/ug/security-iam-athena-prepared-statements.html
- UpdatePreparedStatement and BatchGetPreparedStatement, and the list's pages, which MiniStack lacks.
- AWS::Athena::PreparedStatement, whose Ref is the statement's name.

AWS does not document when it refuses to execute a statement that is not there; here the query fails.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlglot
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import athena
from ministack.services.cloudformation import provisioners
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from local_aws.athena_errors import MalformedQueryError, QueryError, position
from local_aws.encryption import Judge
from local_aws.resource_handler import Created, Handler, Props, checked

# https://docs.aws.amazon.com/athena/latest/APIReference/API_CreatePreparedStatement.html
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_@:]{1,256}")
_MAX_STATEMENT_BYTES = 262_144
_MAX_LISTED = 50
# https://docs.aws.amazon.com/athena/latest/APIReference/API_BatchGetPreparedStatement.html
_MAX_BATCH = 256

_BEGINNING = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?P<verb>EXECUTE|PREPARE|DEALLOCATE\s+PREPARE)\b\s*", re.IGNORECASE | re.DOTALL
)
_REST = re.compile(
    r'"?(?P<name>[a-z_][a-z0-9_@:]*)"?(?:\s+(?P<link>USING|FROM)\s+(?P<following>\S.*?))?\s*;?\s*',
    re.IGNORECASE | re.DOTALL,
)
# What may stand behind the name, and must behind that of PREPARE.
_LINKS = {"EXECUTE": {"", "USING"}, "PREPARE": {"FROM"}, "DEALLOCATE": {""}}

_OPENING, _CLOSING = (
    {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE},
    {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE},
)


@dataclass(frozen=True)
class Statement:
    """One of the three statements of SQL: its verb, the name, and what it does with it."""

    verb: str  # EXECUTE, PREPARE or DEALLOCATE
    name: str
    # The text of PREPARE.
    query: str = ""
    # The values of EXECUTE, or None without USING.
    values: list[str] | None = None


def parse(sql: str) -> Statement | None:
    """The statement, if the text is one of the three. Raises MalformedQueryError for one that is not complete."""
    begun = _BEGINNING.match(sql)
    if begun is None:
        return None
    verb = begun["verb"].upper().split()[0]
    rest = _REST.fullmatch(sql, begun.end())
    if rest is None or (rest["link"] or "").upper() not in _LINKS[verb]:
        raise MalformedQueryError(f"{position(sql, begun.end())}: mismatched input '{sql[begun.end() :].strip()}'")
    following = rest["following"]
    if verb == "PREPARE":
        return Statement(verb, rest["name"], query=following)
    return Statement(verb, rest["name"], values=_values(following) if following else None)


def _values(text: str) -> list[str]:
    """The texts between the commas that no bracket encloses."""
    try:
        tokens = sqlglot.tokenize(text, dialect="athena")
    except SqlglotError as error:
        raise MalformedQueryError(f"line 1:1: {error}") from error
    values, depth, start = [], 0, 0
    for token in tokens:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if token.token_type == TokenType.COMMA and not depth:
            values.append(text[start : token.start].strip())
            start = token.end + 1
    return [*values, text[start:].strip()]


def find(workgroup: str, name: str, judge: Judge) -> str:
    """The text of a statement, for a caller who may have it. Raises QueryError."""
    _need(judge, "GetPreparedStatement", workgroup)
    record = athena._prepared_statements.get(_key(workgroup, name))
    if record is None:
        raise QueryError(None, _not_found_text(workgroup, name))
    return record["QueryStatement"]


def carry_out(statement: Statement, workgroup: str, judge: Judge) -> None:
    """Do what PREPARE or DEALLOCATE PREPARE says. Raises QueryError."""
    data = {"WorkGroup": workgroup, "StatementName": statement.name, "QueryStatement": statement.query}
    known = _key(workgroup, statement.name) in athena._prepared_statements
    if statement.verb == "DEALLOCATE":
        action, call = "DeletePreparedStatement", _delete
    else:
        action, call = ("UpdatePreparedStatement", _update) if known else ("CreatePreparedStatement", _create)
    _need(judge, action, workgroup)
    status, _, body = call(data)
    if status >= 400:
        raise QueryError(None, json.loads(body)["message"])


def _need(judge: Judge, action: str, workgroup: str) -> None:
    resource = f"arn:aws:athena:{get_region()}:{get_account_id()}:workgroup/{workgroup}"
    if denial := judge(f"athena:{action}", resource, {}):
        raise QueryError(None, f"Insufficient permissions to execute the query. {denial.message}")


def _key(workgroup: str, name: str) -> str:
    return f"{workgroup}/{name}"


# The API's calls.


def _create(data: dict[str, Any]) -> tuple:
    if refusal := _refused_input(data):
        return refusal
    key = _key(data["WorkGroup"], data["StatementName"])
    if key in athena._prepared_statements:
        return _invalid(f"PreparedStatement {data['StatementName']} already exists in workGroup {data['WorkGroup']}")
    athena._prepared_statements[key] = _record(data)
    return json_response({})


def _update(data: dict[str, Any]) -> tuple:
    if refusal := _refused_input(data):
        return refusal
    if (refusal := _missing(data)) is None:
        athena._prepared_statements[_key(data["WorkGroup"], data["StatementName"])] = _record(data)
    return refusal or json_response({})


def _get(data: dict[str, Any]) -> tuple:
    found = athena._prepared_statements.get(_key(data["WorkGroup"], data["StatementName"]))
    return _missing(data) or json_response({"PreparedStatement": found})


def _batch_get(data: dict[str, Any]) -> tuple:
    names = data["PreparedStatementNames"]
    if not 1 <= len(names) <= _MAX_BATCH:
        return _invalid(f"PreparedStatementNames must have between 1 and {_MAX_BATCH} elements.")
    records = {name: athena._prepared_statements.get(_key(data["WorkGroup"], name)) for name in names}
    unprocessed = [
        {"StatementName": name, "ErrorCode": "STATEMENT_NOT_FOUND", "ErrorMessage": "STATEMENT_NOT_FOUND"}
        for name, record in records.items()
        if record is None
    ]
    return json_response(
        {
            "PreparedStatements": [record for record in records.values() if record is not None],
            "UnprocessedPreparedStatementNames": unprocessed,
        }
    )


def _list(data: dict[str, Any]) -> tuple:
    if refusal := _missing_work_group(data):
        return refusal
    size, token = data.get("MaxResults") or _MAX_LISTED, data.get("NextToken") or "0"
    if not 1 <= size <= _MAX_LISTED or not token.isdigit():
        return _invalid(f"MaxResults is not within 1 to {_MAX_LISTED}, or NextToken is none of this list's")
    records = [each for each in athena._prepared_statements.values() if each["WorkGroupName"] == data["WorkGroup"]]
    records.sort(key=lambda each: each["StatementName"])
    start = int(token)
    answer: dict[str, Any] = {
        "PreparedStatements": [
            {member: each[member] for member in ("StatementName", "LastModifiedTime")}
            for each in records[start : start + size]
        ]
    }
    if start + size < len(records):
        answer["NextToken"] = str(start + size)
    return json_response(answer)


def _delete(data: dict[str, Any]) -> tuple:
    if refusal := _missing(data):
        return refusal
    del athena._prepared_statements[_key(data["WorkGroup"], data["StatementName"])]
    return json_response({})


def _record(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "StatementName": data["StatementName"],
        "WorkGroupName": data["WorkGroup"],
        "QueryStatement": data["QueryStatement"],
        **({"Description": data["Description"]} if data.get("Description") else {}),
        "LastModifiedTime": time.time(),
    }


def _refused_input(data: dict[str, Any]) -> tuple | None:
    if not _NAME.fullmatch(data["StatementName"]):
        return _invalid(f"StatementName must match {_NAME.pattern}")
    if not 1 <= len(data["QueryStatement"].encode()) <= _MAX_STATEMENT_BYTES:
        return _invalid(f"QueryStatement must be between 1 and {_MAX_STATEMENT_BYTES} bytes long.")
    return _missing_work_group(data)


def _missing_work_group(data: dict[str, Any]) -> tuple | None:
    if data["WorkGroup"] in athena._workgroups:
        return None
    return _invalid(f"WorkGroup {data['WorkGroup']} is not found.")


def _missing(data: dict[str, Any]) -> tuple | None:
    workgroup, name = data["WorkGroup"], data["StatementName"]
    if _key(workgroup, name) in athena._prepared_statements:
        return None
    return error_response_json("ResourceNotFoundException", _not_found_text(workgroup, name))


def _not_found_text(workgroup: str, name: str) -> str:
    return f"PreparedStatement {name} was not found in workGroup {workgroup}"


def _invalid(message: str) -> tuple:
    return error_response_json("InvalidRequestException", message)


_CALLS: dict[str, Callable[[dict[str, Any]], tuple]] = {
    "CreatePreparedStatement": _create,
    "UpdatePreparedStatement": _update,
    "GetPreparedStatement": _get,
    "BatchGetPreparedStatement": _batch_get,
    "ListPreparedStatements": _list,
    "DeletePreparedStatement": _delete,
}


# AWS::Athena::PreparedStatement: the name and the workgroup are what a change replaces the resource for.


def _create_resource(logical_id: str, props: Props, stack_name: str) -> Created:
    checked(_create(props))
    return props["StatementName"], {}


def _update_resource(physical_id: str, old: Props, new: Props, stack_name: str) -> Created:
    if (old["WorkGroup"], old["StatementName"]) == (new["WorkGroup"], new["StatementName"]):
        checked(_update(new))
    else:
        checked(_create(new))
        if old["StatementName"] == new["StatementName"]:
            # The physical id stays, so nobody else will remove the one of the other workgroup.
            checked(_delete(old))
    return new["StatementName"], {}


def _delete_resource(physical_id: str, props: Props) -> None:
    data = {**props, "StatementName": physical_id}
    if _missing(data) is None:
        checked(_delete(data))


_HANDLER: Handler = {"create": _create_resource, "update": _update_resource, "delete": _delete_resource}


def install() -> None:
    """Put the calls in place of MiniStack's, and add those and the resource type that it lacks."""
    serve, delete_work_group = athena.handle_request, athena._delete_workgroup

    async def handle(method: str, path: str, headers: dict, body: bytes, query_params: dict) -> tuple:
        call = _CALLS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if call is None:
            return await serve(method, path, headers, body, query_params)
        athena._ensure_default_workgroup()
        try:
            data = json.loads(body)
            return call(data)
        except (ValueError, KeyError) as error:
            return _invalid(f"The request lacks a required member or is no JSON: {error}")

    def delete(data: dict[str, Any]) -> tuple:
        answer = delete_work_group(data)
        if data.get("WorkGroup") not in athena._workgroups:
            for key, record in list(athena._prepared_statements.items()):
                if record["WorkGroupName"] == data.get("WorkGroup"):
                    del athena._prepared_statements[key]
        return answer

    athena.handle_request, athena._delete_workgroup = handle, delete
    provisioners._RESOURCE_HANDLERS["AWS::Athena::PreparedStatement"] = _HANDLER
