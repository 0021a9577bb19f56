"""What a query reads of a table: the Glue definition's columns, and the files of the registered partitions.

The schema comes from the Data Catalog and never from the files. Only registered partitions are read, and their values
come from the catalog. JSON lines are read as the OpenX SerDe does:
https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html

- Attributes match columns whatever their case; of two that differ by case alone the last one wins.
- A missing attribute is NULL, an unknown one is ignored; what is no text becomes its JSON text in a text column.
- An object of no bytes has no rows, a blank line is a row of NULLs, what follows the first JSON object on a line is
  lost, and a line that is no JSON object fails the query unless ``ignore.malformed.json`` makes it a row of NULLs.

Tables are loaded into one DuckDB database and kept for as long as neither the definition nor any file changes.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from ministack.core.responses import get_account_id, get_region

from local_aws import catalog, object_store
from local_aws.athena_errors import QueryError
from local_aws.object_store import BucketNotFoundError, Objects

_JSON_SERDES = frozenset({"org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe"})

# Hive's types -> DuckDB's, for what is not text; arrays, maps and structs are kept as their JSON text.
_TYPES = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}

# Tables kept loaded, over all accounts.
_MAX_LOADED = 64

_NO_OBJECT = "no object"


@dataclass
class _Partition:
    """A registered partition (or the whole of a table without partitions) with its files."""

    values: list[str]
    bucket: str
    prefix: str
    objects: Objects = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes that a query reads of it."""
        return sum(record["size"] for record in self.objects.values())


@dataclass
class Table:
    """A table as one query meets it."""

    definition: dict[str, Any]
    partitions: list[_Partition]

    @property
    def name(self) -> str:
        """The table's name in the catalog."""
        return self.definition["Name"]

    @property
    def partition_types(self) -> dict[str, str]:
        """The partition keys by name, with their Hive types."""
        return {key["Name"].lower(): key.get("Type", "string").lower() for key in self.definition["PartitionKeys"]}

    @property
    def columns(self) -> dict[str, str]:
        """All columns by name in the order of ``SELECT *``, with their types in DuckDB's words."""
        listed = [*self.definition["StorageDescriptor"]["Columns"], *self.definition["PartitionKeys"]]
        return {column["Name"].lower(): _duckdb_type(column.get("Type", "string")) for column in listed}


def open_table(definition: dict[str, Any]) -> Table:
    """A table with its partitions and the names of their files.

    ``definition`` is a Table structure. Raises QueryError as Athena does for a definition that it cannot use.
    """
    name, storage = definition["Name"], definition.get("StorageDescriptor") or {}
    listed = [*(storage.get("Columns") or []), *definition["PartitionKeys"]]
    if len({column["Name"].lower() for column in listed}) < len(listed):
        raise QueryError(
            "HIVE_INVALID_METADATA",
            f"Hive metadata for table {name} is invalid: Table descriptor contains duplicate columns",
        )
    if (storage.get("SerdeInfo") or {}).get("SerializationLibrary") not in _JSON_SERDES:
        raise QueryError("HIVE_UNSUPPORTED_FORMAT", f"Unable to create input format for table {name}")
    partitions = [_partition([], storage["Location"])]
    if definition["PartitionKeys"]:
        registered = catalog.partitions(definition["DatabaseName"], name)
        partitions = [_partition(each["Values"], each["StorageDescriptor"]["Location"]) for each in registered]
    _find_files(partitions)
    return Table(definition, partitions)


@dataclass
class LoadedTable:
    """A table in DuckDB."""

    relation: str
    fingerprint: str
    # The address of the first file that cannot be read, by the number of its partition.
    broken: dict[int, str] = field(default_factory=dict)


class LoadedTables:
    """The tables kept in DuckDB, shared by all queries of the process. Not thread-safe: its user takes turns."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._loaded: dict[tuple[str, ...], LoadedTable] = {}
        self._count = 0

    def load(self, table: Table) -> LoadedTable:
        """The table's rows as they are now, loaded unless they already are."""
        identity = (get_account_id(), get_region(), table.definition["DatabaseName"], table.name)
        fingerprint = _fingerprint(table)
        loaded = self._loaded.pop(identity, None)
        if loaded is None or loaded.fingerprint != fingerprint:
            if loaded is not None:
                self._drop(loaded)
            self._count += 1
            loaded = LoadedTable(f"table_{self._count}", fingerprint)
            loaded.broken = _Loader(self._connection, table).load(loaded.relation)
        self._loaded[identity] = loaded
        while len(self._loaded) > _MAX_LOADED:
            self._drop(self._loaded.pop(next(iter(self._loaded))))
        return loaded

    def _drop(self, loaded: LoadedTable) -> None:
        self._connection.execute(f"DROP TABLE {loaded.relation}")


def _partition(values: list[str], location: str) -> _Partition:
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    return _Partition(values, bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else "")


def _find_files(partitions: list[_Partition]) -> None:
    """Give every partition the objects below it, with one listing of each bucket."""
    by_bucket: dict[str, dict[str, _Partition]] = {}
    for partition in partitions:
        by_bucket.setdefault(partition.bucket, {})[partition.prefix] = partition
    for bucket, by_prefix in by_bucket.items():
        try:
            listed = object_store.list_objects(bucket, _common_prefix(list(by_prefix)))
        except BucketNotFoundError:
            raise QueryError(
                None, f"The specified bucket does not exist (Service: Amazon S3; Bucket: {bucket})"
            ) from None
        for key, record in listed.items():
            # Trino's Hive reader skips names that start so.
            if not key.rpartition("/")[2].startswith(("_", ".")):
                partition = _owner(by_prefix, key)
                if partition is not None:
                    partition.objects[key] = record


def _common_prefix(prefixes: list[str]) -> str:
    first, last = min(prefixes), max(prefixes)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:same]


def _owner(by_prefix: dict[str, _Partition], key: str) -> _Partition | None:
    """The partition that a key lies in, however deep."""
    folder = key
    while folder:
        folder = folder[: folder.rfind("/", 0, -1) + 1]
        if folder in by_prefix:
            return by_prefix[folder]
    return by_prefix.get("")


def _fingerprint(table: Table) -> str:
    digest = hashlib.sha256(json.dumps([table.definition["StorageDescriptor"], table.partition_types]).encode())
    for partition in table.partitions:
        digest.update(json.dumps([partition.values, partition.bucket, partition.prefix]).encode())
        for key, record in partition.objects.items():
            digest.update(f"{key}\0{record['etag']}\0".encode())
    return digest.hexdigest()


def _duckdb_type(hive_type: str) -> str:
    kind = hive_type.lower()
    return kind.upper() if kind.startswith("decimal") else _TYPES.get(kind, "VARCHAR")


class _Loader:
    """Loads one table: DuckDB parses the lines, and only what is out of the ordinary is put right here first."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: Table) -> None:
        self._connection = connection
        self._table = table
        serde = table.definition["StorageDescriptor"]["SerdeInfo"].get("Parameters") or {}
        self._ignore_malformed = serde.get("ignore.malformed.json", "").lower() == "true"
        self._mappings = {
            name.lower().removeprefix("mapping."): attribute.lower()
            for name, attribute in serde.items()
            if name.lower().startswith("mapping.")
        }
        self._broken: dict[int, str] = {}

    def load(self, relation: str) -> dict[int, str]:
        """Make the relation; returns the first unreadable file of each partition that has one."""
        with tempfile.TemporaryDirectory(prefix="athena-") as folder:
            files = self._write(Path(folder), _one_line_per_row)
            spellings = self._spellings(files)
            if spellings is None:
                files = self._write(Path(folder), self._strictly_parsed)
                spellings = self._spellings(files) or {}
            self._create(relation, files, spellings)
        return self._broken

    def _write(self, folder: Path, convert: Callable[[bytes], bytes]) -> list[str]:
        """One file per partition that has any rows, named by the partition's number."""
        files = []
        for number, partition in enumerate(self._table.partitions):
            path = folder / f"{number}.json"
            with path.open("wb") as file:
                for key, record in partition.objects.items():
                    try:
                        file.write(convert(object_store.body(partition.bucket, key, record)))
                    except ValueError:
                        self._broken.setdefault(number, f"s3://{partition.bucket}/{key}")
            if path.stat().st_size:
                files.append(str(path))
        return files

    def _spellings(self, files: list[str]) -> dict[str, str] | None:
        """The attributes' own spelling by their lower-case names; None if the lines need closer inspection."""
        if not files:
            return {}
        query = f"""
            SELECT DISTINCT unnest(CASE WHEN json_type(json) = 'OBJECT' THEN json_keys(json) ELSE ['{_NO_OBJECT}'] END)
            FROM read_ndjson_objects({_literals(files)})"""
        try:
            found = [attribute for (attribute,) in self._connection.execute(query).fetchall()]
        except duckdb.InvalidInputException:
            return None
        spellings = {attribute.lower(): attribute for attribute in found}
        return spellings if len(spellings) == len(found) and _NO_OBJECT not in spellings else None

    def _create(self, relation: str, files: list[str], spellings: dict[str, str]) -> None:
        keys = self._table.partition_types
        projection, read = [], {}
        for name, kind in self._table.columns.items():
            if name in keys:
                projection.append(f"CAST(p.{_identifier(name)} AS {kind}) AS {_identifier(name)}")
                continue
            attribute = spellings.get(self._mappings.get(name, name))
            if attribute is None:
                projection.append(f"CAST(NULL AS {kind}) AS {_identifier(name)}")
                continue
            read[attribute] = "VARCHAR"
            projection.append(f"TRY_CAST(r.{_identifier(attribute)} AS {kind}) AS {_identifier(name)}")
        if not files:
            nothing = [f"CAST(NULL AS {kind}) AS {_identifier(name)}" for name, kind in self._table.columns.items()]
            self._connection.execute(f"CREATE TABLE {relation} AS SELECT {', '.join(nothing)} WHERE false")
            return
        # DuckDB reads no file without a column.
        columns = ", ".join(f"{_literal(name)}: '{kind}'" for name, kind in (read or {_NO_OBJECT: "VARCHAR"}).items())
        values = ", ".join(
            f"({', '.join(_literal(value) for value in [str(number), *partition.values])})"
            for number, partition in enumerate(self._table.partitions)
        )
        names = ", ".join(_identifier(name) for name in ["partition number", *keys])
        self._connection.execute(
            f"""
            CREATE TABLE {relation} AS SELECT {", ".join(projection)}
            FROM read_json({_literals(files)}, format = 'newline_delimited', records = true, columns = {{{columns}}},
                           filename = 'file of the partition', hive_partitioning = false) r
            JOIN (VALUES {values}) p({names})
            ON p."partition number" = parse_filename(r."file of the partition", true)"""
        )

    def _strictly_parsed(self, content: bytes) -> bytes:
        """The content as lower-case JSON objects, one a line. Raises ValueError for a line that is none."""
        lines = []
        for line in _one_line_per_row(content).decode(errors="replace").splitlines():
            try:
                # Of what follows the first value on the line nobody is told.
                row, _ = json.JSONDecoder().raw_decode(line.lstrip())
                if not isinstance(row, dict):
                    raise ValueError("not a JSON object")
            except ValueError:
                if not self._ignore_malformed:
                    raise
                row = {}
            lines.append(json.dumps({attribute.lower(): value for attribute, value in row.items()}) + "\n")
        return "".join(lines).encode()


def _one_line_per_row(content: bytes) -> bytes:
    """The content with an empty object in place of each blank line, which DuckDB would skip, and without a BOM."""
    usual = content.startswith(b"{") and not any(odd in content for odd in (b"\n\n", b"\n ", b"\n\t", b"\r"))
    if usual:
        return content if content.endswith(b"\n") else content + b"\n"
    lines = content.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n")
    return b"".join((line.strip() or b"{}") + b"\n" for line in lines)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literals(texts: list[str]) -> str:
    return f"[{', '.join(map(_literal, texts))}]"
