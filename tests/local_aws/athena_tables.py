"""What a query reads of a table: the Glue definition's columns, and the files of the registered partitions.

The schema comes from the Data Catalog and never from the files. Only registered partitions are read, and their values
come from the catalog. A partition has a descriptor of its own. Its columns are found by their names, but their types
must go with the table's, or every query that reads the partition fails:
https://docs.aws.amazon.com/athena/latest/ug/updates-and-partitions.html

`athena_loading` reads the files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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

# What a partition's column may be where the table's is of another type, by Hive's names. Each version of Trino's reader
# takes more than the last; here are the changes that Athena documents as compatible, and those from and to text:
# https://docs.aws.amazon.com/athena/latest/ug/types-of-updates.html
_COERCIBLE = {
    "string": {"tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "date", "timestamp", "varchar"},
    "varchar": {"string"},
    "tinyint": {"string"},
    "smallint": {"string", "tinyint"},
    "int": {"string", "tinyint", "smallint"},
    "bigint": {"string", "tinyint", "smallint", "int"},
    "float": {"string"},
    "double": {"string", "float"},
    "date": {"string"},
    "timestamp": {"string"},
}


@dataclass
class Partition:
    """A registered partition (or the whole of a table without partitions) with its files."""

    values: list[str]
    bucket: str
    prefix: str
    columns: list[dict[str, str]]
    ignores_malformed: bool
    objects: Objects = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes that a query reads of it."""
        return sum(record["size"] for record in self.objects.values())


@dataclass
class Table:
    """A table as one query meets it."""

    definition: dict[str, Any]
    partitions: list[Partition]

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

    def check(self, number: int) -> None:
        """Raise QueryError if the columns of a partition are of other types than the table's.

        Athena documents that it compares the columns by their position in the two lists, Trino has come to compare
        those of one name. What this raises on is what either of them would.
        """
        partition = self.partitions[number]
        own, others = self.definition["StorageDescriptor"]["Columns"], partition.columns
        by_name = {column["Name"].lower(): column for column in others}
        pairs = [(column, by_name[column["Name"].lower()]) for column in own if column["Name"].lower() in by_name]
        for column, other in [*pairs, *zip(own, others, strict=False)]:
            wanted, found = _type(column), _type(other)
            if wanted != found and found.partition("(")[0] not in _COERCIBLE.get(wanted.partition("(")[0], set()):
                name = "/".join(f"{k}={v}" for k, v in zip(self.partition_types, partition.values, strict=True))
                raise QueryError(
                    "HIVE_PARTITION_SCHEMA_MISMATCH",
                    "There is a mismatch between the table and partition schemas. The types are incompatible and "
                    f"cannot be coerced. The column '{column['Name']}' in table "
                    f"'{self.definition['DatabaseName']}.{self.name}' is declared as type '{wanted}', but partition "
                    f"'{name}' declared column '{other['Name']}' as type '{found}'.",
                )


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
    registered = [{"Values": [], "StorageDescriptor": storage}]
    if definition["PartitionKeys"]:
        registered = catalog.partitions(definition["DatabaseName"], name)
    partitions = [_partition(definition, each) for each in registered]
    _find_files(partitions)
    return Table(definition, partitions)


def _partition(definition: dict[str, Any], registered: dict[str, Any]) -> Partition:
    storage = registered["StorageDescriptor"]
    bucket, _, prefix = storage["Location"].removeprefix("s3://").partition("/")
    parameters = {**serde_parameters(storage), **(definition.get("Parameters") or {})}
    return Partition(
        registered["Values"],
        bucket,
        f"{prefix.rstrip('/')}/" if prefix.strip("/") else "",
        storage.get("Columns") or [],
        parameters.get("ignore.malformed.json", "").lower() == "true",
    )


def serde_parameters(storage: dict[str, Any]) -> dict[str, str]:
    """The parameters of a descriptor's SerDe."""
    return (storage.get("SerdeInfo") or {}).get("Parameters") or {}


def _find_files(partitions: list[Partition]) -> None:
    """Give every partition the objects below it, with one listing of each bucket."""
    by_bucket: dict[str, dict[str, Partition]] = {}
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


def _owner(by_prefix: dict[str, Partition], key: str) -> Partition | None:
    """The partition that a key lies in, however deep."""
    folder = key
    while folder:
        folder = folder[: folder.rfind("/", 0, -1) + 1]
        if folder in by_prefix:
            return by_prefix[folder]
    return by_prefix.get("")


def _type(column: dict[str, str]) -> str:
    kind = column.get("Type", "string").lower()
    return "int" if kind == "integer" else kind


def _duckdb_type(hive_type: str) -> str:
    kind = hive_type.lower()
    return kind.upper() if kind.startswith("decimal") else _TYPES.get(kind, "VARCHAR")
