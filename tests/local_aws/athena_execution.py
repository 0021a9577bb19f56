"""One query, from its text to its written result, with the rights of whoever started it.

Athena reads the Data Catalog and S3, decrypts, and writes the result with its caller's permissions:
https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from ministack.core.responses import get_account_id, request_scope
from ministack.services import athena, s3
from sqlglot import exp

from local_aws import athena_prepared, athena_sql, athena_tables, authorization, catalog, encryption, object_store
from local_aws.athena_engine import Engine, Row
from local_aws.athena_errors import MalformedQueryError, QueryError
from local_aws.athena_sql import TableName
from local_aws.athena_tables import Table
from local_aws.authorization import Denial
from local_aws.catalog import CatalogError
from local_aws.encryption import Judge


class CancelledQueryError(Exception):
    """The query was stopped by a limit of its workgroup."""


@dataclass(frozen=True)
class Result:
    """The columns of a result, their types in Athena's words, and its rows."""

    columns: list[str]
    types: list[str]
    rows: list[Row]


def split_location(location: str) -> tuple[str, str]:
    """The bucket and the key of an ``s3://`` address."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def judge_of_caller() -> Judge:
    """Judges what the request's caller may do; work that no caller asked for may do everything."""
    caller = authorization.caller()
    return partial(authorization.principal_may, caller) if caller else lambda action, resource, context: None


class Execution:
    """A query under way; ``record`` is the QueryExecution structure, whose statistics it keeps."""

    def __init__(self, engine: Engine, record: dict[str, Any], cutoff_bytes: int | None) -> None:
        self._engine = engine
        self._record = record
        self._cutoff_bytes = cutoff_bytes
        self._sql: str = record["Query"]
        self._database: str = record["QueryExecutionContext"]["Database"]
        self._judge = judge_of_caller()
        self._tables: dict[TableName, Table] = {}

    def run(self) -> Result:
        """Run the query and write its result. Raises QueryError, CatalogError or CancelledQueryError."""
        prepared = athena_prepared.parse(self._sql)
        if prepared is None or prepared.verb == "EXECUTE":
            tree = self._bound(prepared)
            result = self._select(tree) if isinstance(tree, exp.Query) else self._statement()
        else:
            athena_prepared.carry_out(prepared, self._record["WorkGroup"], self._judge)
            result = Result([], [], [])
        self._write(result)
        return result

    def _bound(self, prepared: athena_prepared.Statement | None) -> exp.Expression:
        """The query with its parameters, from now on that of the prepared statement if it executes one."""
        parameters = self._record.get("ExecutionParameters") or []
        if prepared is not None:
            self._sql = athena_prepared.find(self._record["WorkGroup"], prepared.name, self._judge)
            parameters = parameters if prepared.values is None else prepared.values
        try:
            return athena_sql.parse(self._sql, parameters)
        except MalformedQueryError as error:
            raise QueryError("SYNTAX_ERROR", str(error)) from error

    def _select(self, tree: exp.Query) -> Result:
        query = athena_sql.analyse(self._sql, tree, self._database, self._columns)
        needed = self._partitions_to_read(query)
        with self._engine.lock:
            relations = {name: self._load(name, needed[name], query) for name in self._tables}
            types, rows = self._engine.run(query.for_duckdb(relations.__getitem__))
        return Result(query.columns, types, rows)

    def _columns(self, name: TableName) -> dict[str, str]:
        """The columns of a table that the caller may read. Raises QueryError, or KeyError of what is missing."""
        if name not in self._tables:
            self._tables[name] = self._open(name)
        return self._tables[name].columns | athena_sql.HIDDEN_COLUMNS

    def _open(self, name: TableName) -> Table:
        self._need_glue("GetDatabase", {"Name": name.database})
        self._need_glue("GetTable", {"DatabaseName": name.database, "Name": name.table})
        if name.database not in catalog.databases():
            raise KeyError("database")
        try:
            definition = catalog.find_table(name.database, name.table)
        except CatalogError:
            raise KeyError("table") from None
        if definition["PartitionKeys"]:
            self._need_glue("GetPartitions", {"DatabaseName": name.database, "TableName": name.table})
        table = athena_tables.open_table(definition)
        for partition in table.partitions:
            denial = object_store.denial_to_list(self._judge, partition.bucket, partition.prefix)
            denial = denial or object_store.denial_to_read(self._judge, partition.bucket, partition.objects)
            if denial:
                location = f"s3://{partition.bucket}/{partition.prefix}"
                raise QueryError("PERMISSION_DENIED", f"Permission denied on S3 path: {location}. {denial.message}")
        return table

    def _need_glue(self, action: str, names: dict[str, str]) -> None:
        for resource in catalog.resource_arns(action, names):
            if denial := self._judge(f"glue:{action}", resource, {}):
                raise QueryError(None, f"Insufficient permissions to execute the query. {denial.message}")

    def _partitions_to_read(self, query: athena_sql.Query) -> dict[TableName, set[int]]:
        """The numbers of each table's partitions that are not pruned; counts their bytes for every place of reading."""
        scanned = 0
        needed: dict[TableName, set[int]] = {name: set() for name in self._tables}
        for read in query.reads:
            table = self._tables[read.table]
            types = table.partition_types
            for number, partition in enumerate(table.partitions):
                if read.may_hold(dict(zip(types, partition.values, strict=True)), types):
                    table.check(number)
                    needed[read.table].add(number)
                    scanned += partition.size
        limit = self._cutoff_bytes or scanned
        self._record["Statistics"]["DataScannedInBytes"] = min(scanned, limit)
        if scanned > limit:
            raise CancelledQueryError("Bytes scanned limit was exceeded")
        return needed

    def _load(self, name: TableName, needed: set[int], query: athena_sql.Query) -> str:
        table = self._tables[name]
        loaded = self._engine.tables.load(table, with_files=query.asks_for_files(name))
        broken = needed & loaded.broken.keys()
        # Nobody looks into a file for which only lines are counted.
        if broken and query.columns_read(name) - table.partition_types.keys() - athena_sql.HIDDEN_COLUMNS.keys():
            raise QueryError("HIVE_CURSOR_ERROR", f"Failed to read file at {loaded.broken[min(broken)]}")
        return loaded.relation

    def _statement(self) -> Result:
        """SHOW, and the DDL that MiniStack knows."""
        shown = _show(self._sql, self._database)
        if shown is not None:
            return shown
        ddl = athena._parse_ddl(self._sql)
        if ddl is None:
            raise QueryError("NOT_SUPPORTED", f"The local Athena has no such statement: {self._sql}")
        try:
            athena._run_ddl(ddl, self._database)
        except ValueError as error:
            raise QueryError(None, f"FAILED: {error}") from error
        return Result([], [], [])

    def _write(self, result: Result) -> None:
        configuration = self._record["ResultConfiguration"]
        bucket, key = split_location(configuration["OutputLocation"])
        encrypted = configuration.get("EncryptionConfiguration") or {}
        headers = {"content-type": "application/octet-stream"}
        if encrypted.get("EncryptionOption") == "SSE_KMS":
            headers |= {encryption.ALGORITHM: "aws:kms", encryption.KEY_ID: encrypted["KmsKey"]}
        elif encrypted.get("EncryptionOption") == "SSE_S3":
            headers[encryption.ALGORITHM] = "AES256"
        if self._denial_to_write(bucket, key, encrypted.get("KmsKey")):
            raise self._write_error()
        if self._record["StatementType"] == "DML":
            body = _csv([tuple(result.columns), *result.rows])
        else:
            body = "".join(f"{row[0]}\n" for row in result.rows)
        home = encryption.bucket_home(bucket)
        if home is None:
            raise self._write_error()
        with request_scope(*home):
            for suffix, content in (("", body), (".metadata", ",".join(result.columns))):
                if s3._put_object(bucket, key + suffix, content.encode(), dict(headers))[0] != 200:
                    raise self._write_error()

    def _denial_to_write(self, bucket: str, key: str, kms_key: str | None) -> Denial | None:
        return (
            self._judge("s3:GetBucketLocation", f"arn:aws:s3:::{bucket}", {})
            or self._judge("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}", {})
            or encryption.write_denial(self._judge, get_account_id(), bucket, kms_key)
        )

    def _write_error(self) -> QueryError:
        return QueryError(
            None,
            f"Access denied when writing output to url: {self._record['ResultConfiguration']['OutputLocation']} . "
            "Please ensure you are allowed to access the S3 bucket. If you are encrypting query results with KMS key, "
            "please ensure you are allowed to access your KMS key",
        )


def _show(sql: str, database: str) -> Result | None:
    """SHOW DATABASES, TABLES and PARTITIONS; None for another statement."""
    words = sql.strip().rstrip(";").replace("`", "").split()
    match [word.lower() for word in words[:2]]:
        case ["show", "databases" | "schemas"]:
            return _one_column("database_name", catalog.databases())
        case ["show", "tables"]:
            schema = words[3] if len(words) > 3 else database
            return _one_column("tab_name", [table["Name"] for table in catalog.tables(schema)])
        case ["show", "partitions"] if len(words) > 2:
            schema, _, name = words[2].rpartition(".")
            return _one_column("partition", _partition_names(schema or database, name))
    return None


def _partition_names(database: str, table: str) -> list[str]:
    keys = [key["Name"] for key in catalog.find_table(database, table)["PartitionKeys"]]
    return [
        "/".join(f"{key}={value}" for key, value in zip(keys, partition["Values"], strict=True))
        for partition in catalog.partitions(database, table)
    ]


def _one_column(name: str, values: list[str]) -> Result:
    return Result([name], ["string"], [(value,) for value in values])


def _csv(rows: list[Row]) -> str:
    """Athena's CSV: every value in quotation marks, NULL as nothing."""
    return "".join(
        ",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in row) + "\n" for row in rows
    )
