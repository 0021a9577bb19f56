"""Athena: queries that run under their workgroup's rules, with their caller's rights, over the Data Catalog's tables.

- The workgroup must exist and be enabled; if it enforces its configuration, its result location and encryption replace
  the client's: https://docs.aws.amazon.com/athena/latest/ug/workgroups-settings-override.html
- The caller needs Glue's, S3's and KMS's permissions on what is read and on where the result goes:
  https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html
- The result lies where GetQueryExecution says, as CSV with every value in quotation marks, and is paged with the names
  of the columns as the first row: https://docs.aws.amazon.com/athena/latest/ug/querying.html
- A query pays for the bytes of all objects in the partitions that it can't do without, and
  BytesScannedCutoffPerQuery cancels one that reads more, with the reason that users of Athena report.

`athena_sql` analyses and translates the query, `athena_pruning` finds the partitions, `athena_tables` knows the tables,
`athena_loading` reads the files, and DuckDB is the engine. `athena_prepared` keeps prepared statements.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import error_response_json, get_account_id, json_response, new_uuid
from ministack.services import athena

from local_aws import athena_prepared, athena_sql, encryption
from local_aws.athena_engine import Engine
from local_aws.athena_errors import MalformedQueryError, QueryError
from local_aws.athena_execution import CancelledQueryError, Execution, judge_of_caller, split_location
from local_aws.authorization import Denial
from local_aws.catalog import CatalogError

logger = logging.getLogger("athena.query")

_ENGINE = "Athena engine version 3"
# https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html
_MAX_ROWS_PER_PAGE = 1000
# https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
_MAX_QUERY_BYTES = 262_144

_PRECISION = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "float": 17, "double": 17, "varchar": 2**31 - 1}

# AthenaError's categories: https://docs.aws.amazon.com/athena/latest/ug/error-reference.html
_USER_ERROR = 2


def _start_query_execution(engine: Engine, data: dict[str, Any]) -> tuple:
    sql = data.get("QueryString") or ""
    name = data.get("WorkGroup") or "primary"
    workgroup = athena._workgroups.get(name)
    if workgroup is None:
        return _invalid(f"WorkGroup {name} is not found.")
    if workgroup.get("State", "ENABLED") != "ENABLED":
        return _invalid(f"WorkGroup {name} is disabled.")
    if not 1 <= len(sql.encode()) <= _MAX_QUERY_BYTES:
        return _invalid(f"Query string must be between 1 and {_MAX_QUERY_BYTES} bytes long.")
    configuration = workgroup.get("Configuration") or {}
    result = _result_configuration(configuration, data.get("ResultConfiguration") or {})
    location = result.get("OutputLocation")
    if not location:
        return _invalid(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    if encryption.bucket_home(split_location(location)[0]) is None:
        return _invalid(f"Unable to verify/create output bucket {split_location(location)[0]}")
    parameters = data.get("ExecutionParameters") or []
    statement = athena._detect_statement_type(sql)
    try:
        prepared = athena_prepared.parse(sql)
        if prepared is None:
            athena_sql.parse(sql, parameters)
        elif prepared.verb == "EXECUTE":
            # What is executed gives the result its form, and only queries are prepared here.
            statement = "DML"
    except MalformedQueryError as error:
        return _invalid(str(error), AthenaErrorCode="MALFORMED_QUERY")
    except QueryError:
        pass  # The number of parameters is found wrong when the query runs.
    query_id = new_uuid()
    context = data.get("QueryExecutionContext") or {}
    execution = {
        "QueryExecutionId": query_id,
        "Query": sql,
        "StatementType": statement,
        "ResultConfiguration": {
            **result,
            "OutputLocation": f"{location.rstrip('/')}/{query_id}.{'csv' if statement == 'DML' else 'txt'}",
        },
        "QueryExecutionContext": {
            "Database": (context.get("Database") or "default").lower(),
            "Catalog": (context.get("Catalog") or "AwsDataCatalog").lower(),
        },
        "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
        "Statistics": {"DataScannedInBytes": 0},
        "WorkGroup": name,
        "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": _ENGINE},
        **({"ExecutionParameters": parameters} if parameters else {}),
    }
    athena._executions[query_id] = execution
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    # The thread works in a copy of this context: the caller's account, Region and rights.
    asyncio.get_running_loop().create_task(asyncio.to_thread(_execute, engine, execution, cutoff))
    return json_response({"QueryExecutionId": query_id})


def _invalid(message: str, **members: str) -> tuple:
    return error_response_json("InvalidRequestException", message, extra=members)


def _result_configuration(workgroup: dict[str, Any], client: dict[str, Any]) -> dict[str, Any]:
    """Where the result goes and how it is encrypted: the workgroup's word if it is enforced or the client has none."""
    configured = workgroup.get("ResultConfiguration") or {}
    # "If you do not specify a value, the default is true": CreateWorkGroup.
    enforced = workgroup.get("EnforceWorkGroupConfiguration", bool(configured))
    return dict(configured if enforced or not client.get("OutputLocation") else client)


def _execute(engine: Engine, execution: dict[str, Any], cutoff_bytes: int | None) -> None:
    """Run a query that has been accepted, to one of its final states."""
    status, started = execution["Status"], time.time()
    if status["State"] != "QUEUED":
        return
    status["State"] = "RUNNING"
    try:
        execution["_result"] = Execution(engine, execution, cutoff_bytes).run()
        _finish(status, "SUCCEEDED")
    except CancelledQueryError as error:
        _finish(status, "CANCELLED", str(error))
    except (QueryError, CatalogError) as error:
        _fail(status, str(error))
    except Exception as error:
        logger.exception("query %s", execution["QueryExecutionId"])
        _fail(status, f"GENERIC_INTERNAL_ERROR: {error}")
    elapsed = int((time.time() - started) * 1000)
    execution["Statistics"] |= {"EngineExecutionTimeInMillis": elapsed, "TotalExecutionTimeInMillis": elapsed}


def _finish(status: dict[str, Any], state: str, reason: str = "") -> None:
    if status["State"] == "CANCELLED":
        return  # StopQueryExecution was faster.
    status["CompletionDateTime"] = time.time()
    if reason:
        status["StateChangeReason"] = reason
    status["State"] = state


def _fail(status: dict[str, Any], message: str) -> None:
    status["AthenaError"] = {"ErrorCategory": _USER_ERROR, "Retryable": False, "ErrorMessage": message}
    _finish(status, "FAILED", message)


def _get_query_results(data: dict[str, Any]) -> tuple:
    execution = athena._executions.get(data.get("QueryExecutionId"))
    if execution is None:
        return _invalid(f"QueryExecution {data.get('QueryExecutionId')} was not found")
    state = execution["Status"]["State"]
    if state in ("QUEUED", "RUNNING"):
        return _invalid(f"Query has not yet finished. Current state: {state}")
    if state != "SUCCEEDED":
        return _invalid(f"Query did not finish successfully. Final query state: {state}")
    size, token = data.get("MaxResults") or _MAX_ROWS_PER_PAGE, data.get("NextToken") or "0"
    if not 1 <= size <= _MAX_ROWS_PER_PAGE or not token.isdigit():
        return _invalid("MaxResults is not within 1 to 1000, or NextToken is none of this query's")
    if denial := _denial_to_fetch(execution["ResultConfiguration"]["OutputLocation"]):
        return error_response_json("AccessDeniedException", denial.message)
    found = execution["_result"]
    # The names of the columns count as the first row of a query's result.
    header = [tuple(found.columns)] if execution["StatementType"] == "DML" else []
    start, total = int(token), len(header) + len(found.rows)
    page = [*header[start : start + size], *found.rows[max(start - len(header), 0) : start + size - len(header)]]
    columns = [_column_info(name, kind) for name, kind in zip(found.columns, found.types, strict=True)]
    result = {
        "UpdateCount": 0,
        "ResultSet": {
            # A NULL is a Datum without a value.
            "Rows": [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in page],
            "ResultSetMetadata": {"ColumnInfo": columns},
        },
    }
    if start + size < total:
        result["NextToken"] = str(start + size)
    return json_response(result)


def _denial_to_fetch(location: str) -> Denial | None:
    """Whether the caller may read a written result, which is what GetQueryResults does; None if so."""
    judge = judge_of_caller()
    bucket, key = split_location(location)
    return judge("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", {}) or encryption.read_denial(
        judge, get_account_id(), bucket, key
    )


def _column_info(name: str, kind: str) -> dict[str, Any]:
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": _PRECISION.get(kind, 0),
        "Scale": 0,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind == "varchar",
    }


# Where the ids stand in requests that name no workgroup, and what they are the ids of.
_IDS = {
    "QueryExecutionId": athena._executions, "QueryExecutionIds": athena._executions,
    "NamedQueryId": athena._named_queries, "NamedQueryIds": athena._named_queries,
}  # fmt: skip


def _workgroup(body: bytes) -> str | None:
    """The workgroup of what a request names by its id.

    A policy allows Athena's actions on workgroups:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonathena.html
    """
    for member, known in _IDS.items():
        ids = iam_actions._safe_json_field(body, member)
        for each in [ids] if isinstance(ids, str) else ids:
            if each in known:
                return known[each].get("WorkGroup", "primary")
    return None


def install() -> None:
    """Put this engine in place of MiniStack's, and have callers judged by the workgroup of what they name by its id."""
    engine, resource_arn = Engine(), iam_actions.extract_resource_arn

    def workgroup_arn(service, method, path, headers, body, query_params, region, account):
        if service == "athena" and (name := _workgroup(body)):
            return f"arn:aws:athena:{region}:{account}:workgroup/{name}"
        return resource_arn(service, method, path, headers, body, query_params, region, account)

    iam_actions.extract_resource_arn = workgroup_arn
    athena_prepared.install()
    athena._start_query_execution = partial(_start_query_execution, engine)
    athena._get_query_results = _get_query_results
