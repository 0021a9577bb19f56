"""The files of tables, loaded into DuckDB as Athena reads them.

JSON lines are read as the OpenX SerDe does (https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html), in
Trino's version, which Athena's engine 3 is built on:

- Attributes match columns whatever their case. Of two that differ by case alone the last one wins, as on Trino;
  Athena's page tells of an error.
- A missing attribute is NULL, an unknown one is ignored; what is no text becomes its JSON text in a text column.
- An object of no bytes has no rows. A blank line, or one that begins with neither ``{`` nor ``[``, is a row of NULLs.
  What follows the first JSON value on a line is lost, and the elements of an array fill the columns in their order.
- Any other line that is no JSON, such as the first of an object that is spread over several, fails every query that
  needs a column of the file's. With ``ignore.malformed.json`` it makes a row of NULLs. That is looked for among the
  parameters of the partition's own SerDe and those of the table, and not among those of the table's SerDe.

Tables are kept loaded for as long as neither the definition nor any file changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from ministack.core.responses import get_account_id, get_region

from local_aws import object_store
from local_aws.athena_sql import HIDDEN_COLUMNS
from local_aws.athena_tables import Table, serde_parameters

# Tables kept loaded, over all accounts.
_MAX_LOADED = 64

_NO_OBJECT = "no object"
# The attribute that tells which file a line comes from, where a query asks.
_FILE = "number of the file"


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

    def load(self, table: Table, *, with_files: bool = False) -> LoadedTable:
        """The table's rows as they are now, loaded unless they already are; ``with_files`` adds the hidden columns."""
        database = table.definition["DatabaseName"]
        identity = (get_account_id(), get_region(), database, table.name, str(with_files))
        fingerprint = _fingerprint(table, with_files)
        loaded = self._loaded.pop(identity, None)
        if loaded is None or loaded.fingerprint != fingerprint:
            if loaded is not None:
                self._drop(loaded)
            self._count += 1
            loaded = LoadedTable(f"table_{self._count}", fingerprint)
            loaded.broken = _Loader(self._connection, table, with_files).load(loaded.relation)
        self._loaded[identity] = loaded
        while len(self._loaded) > _MAX_LOADED:
            self._drop(self._loaded.pop(next(iter(self._loaded))))
        return loaded

    def _drop(self, loaded: LoadedTable) -> None:
        self._connection.execute(f"DROP TABLE {loaded.relation}")


def _fingerprint(table: Table, with_files: bool) -> str:
    digest = hashlib.sha256(json.dumps([table.definition["StorageDescriptor"], table.partition_types]).encode())
    for partition in table.partitions:
        place = [partition.values, partition.bucket, partition.prefix, partition.ignores_malformed]
        digest.update(json.dumps(place).encode())
        for key, record in partition.objects.items():
            digest.update(f"{key}\0{record['etag']}\0{record['last_modified'] if with_files else ''}\0".encode())
    return digest.hexdigest()


class _Loader:
    """Loads one table: DuckDB parses the lines, and only what is out of the ordinary is put right here first."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: Table, with_files: bool) -> None:
        self._connection = connection
        self._table = table
        self._with_files = with_files
        self._mappings = {
            name.lower().removeprefix("mapping."): attribute.lower()
            for name, attribute in serde_parameters(table.definition["StorageDescriptor"]).items()
            if name.lower().startswith("mapping.")
        }
        # The attributes' own spelling by their lower-case names.
        self._spellings: dict[str, str] = {}
        self._broken: dict[int, str] = {}
        # The partitions with what may be a comma too many, which DuckDB alone puts up with.
        self._suspect: set[int] = set()
        # The address and the time of each file, by its number.
        self._files: list[tuple[str, str]] = []

    def load(self, relation: str) -> dict[int, str]:
        """Make the relation; returns the first unreadable file of each partition that has one."""
        with tempfile.TemporaryDirectory(prefix="athena-") as name:
            folder = Path(name)
            numbers = range(len(self._table.partitions))
            paths = [path for number in numbers if (path := self._write(folder, number))]
            for number in sorted(self._inspect(paths) | self._suspect):
                self._write(folder, number, strictly=True)
            self._create(relation, folder, paths)
        return self._broken

    def _write(self, folder: Path, number: int, *, strictly: bool = False) -> str | None:
        """Write the partition's lines into one file of its number; None if it has none."""
        partition, path = self._table.partitions[number], folder / f"{number}.json"
        with path.open("wb") as file:
            for key, record in partition.objects.items():
                self._files.append((f"s3://{partition.bucket}/{key}", record["last_modified"]))
                content = object_store.body(partition.bucket, key, record)
                if not _is_usual(content):
                    content = _one_line_per_row(content)
                    if b",}" in content or b",]" in content:
                        self._suspect.add(number)
                if strictly:
                    content = self._strictly_parsed(number, content)
                file.write(_marked(content, len(self._files) - 1) if self._with_files else content)
        return str(path) if path.stat().st_size else None

    def _inspect(self, paths: list[str]) -> set[int]:
        """Learn the attributes' spellings; returns the partitions that have lines which DuckDB reads otherwise."""
        if not paths:
            return set()
        attributes = f"unnest(CASE WHEN json_type(json) = 'OBJECT' THEN json_keys(json) ELSE ['{_NO_OBJECT}'] END)"
        with contextlib.suppress(duckdb.InvalidInputException):
            query = f"SELECT DISTINCT {attributes} FROM read_ndjson_objects({_literals(paths)})"
            found = [attribute for (attribute,) in self._connection.execute(query).fetchall()]
            self._spellings = {attribute.lower(): attribute for attribute in found}
            if len(self._spellings) == len(found) and _NO_OBJECT not in self._spellings:
                return set()
        query = f"""
            SELECT DISTINCT parse_filename(filename, true), {attributes}
            FROM read_ndjson_objects({_literals(paths)}, filename = true, ignore_errors = true)"""
        by_partition = sorted(self._connection.execute(query).fetchall())
        self._spellings = {}
        for _, attribute in by_partition:
            self._spellings.setdefault(attribute.lower(), attribute)
        return {
            int(number)
            for number, attribute in by_partition
            if attribute == _NO_OBJECT or self._spellings[attribute.lower()] != attribute
        }

    def _create(self, relation: str, folder: Path, paths: list[str]) -> None:
        columns = self._table.columns
        if not paths:
            nothing = [
                f"CAST(NULL AS {kind}) AS {_identifier(name)}" for name, kind in (columns | HIDDEN_COLUMNS).items()
            ]
            self._connection.execute(f"CREATE TABLE {relation} AS SELECT {', '.join(nothing)} WHERE false")
            return
        keys = self._table.partition_types
        projection, read = [], set()
        for name, kind in columns.items():
            value = "NULL"
            if name in keys:
                value = f"p.{_identifier(name)}"
            elif attribute := self._spellings.get(self._mappings.get(name, name)):
                read.add(attribute)
                value = f"r.{_identifier(attribute)}"
            cast = "CAST" if name in keys else "TRY_CAST"
            projection.append(f"{cast}({value} AS {kind}) AS {_identifier(name)}")
        files = ""
        if self._with_files:
            read.add(_FILE)
            listed = folder / "files"
            listed.write_text("".join(json.dumps([number, *file]) + "\n" for number, file in enumerate(self._files)))
            projection += ['f.json ->> 1 AS "$path"', 'CAST(f.json ->> 2 AS TIMESTAMPTZ) AS "$file_modified_time"']
            files = f"""JOIN read_ndjson_objects({_literal(str(listed))}) f
                        ON f.json ->> 0 = r.{_identifier(_FILE)}"""
        # DuckDB reads no file without a column.
        wanted = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in sorted(read) or [_NO_OBJECT])
        values = ", ".join(
            f"({', '.join(_literal(value) for value in [str(number), *partition.values])})"
            for number, partition in enumerate(self._table.partitions)
        )
        names = ", ".join(_identifier(name) for name in ["partition number", *keys])
        self._connection.execute(
            f"""
            CREATE TABLE {relation} AS SELECT {", ".join(projection)}
            FROM read_json({_literals(paths)}, format = 'newline_delimited', records = true, columns = {{{wanted}}},
                           filename = 'file of the partition', hive_partitioning = false) r
            JOIN (VALUES {values}) p({names})
            ON p."partition number" = parse_filename(r."file of the partition", true)
            {files}"""
        )

    def _strictly_parsed(self, number: int, content: bytes) -> bytes:
        """The content of the file that was noted last as JSON objects, one a line, spelled as those of other files."""
        columns = [name for name in self._table.columns if name not in self._table.partition_types]
        lines = []
        for line in content.decode(errors="replace").removesuffix("\n").split("\n"):
            row: Any = {}
            if line.startswith(("{", "[")):
                try:
                    # Of what follows the first value on the line nobody is told.
                    row, _ = json.JSONDecoder(strict=False).raw_decode(line)
                except ValueError:
                    if not self._table.partitions[number].ignores_malformed:
                        self._broken.setdefault(number, self._files[-1][0])
            if isinstance(row, list):
                row = dict(zip((self._mappings.get(name, name) for name in columns), row, strict=False))
            spelled = {
                self._spellings.setdefault(name.lower(), name): value
                for name, value in {name.lower(): value for name, value in row.items()}.items()
            }
            lines.append(json.dumps(spelled) + "\n")
        return "".join(lines).encode()


def _is_usual(content: bytes) -> bool:
    """Whether each line, to the last, is what SSM writes: an object that ends with a text."""
    return (
        content.startswith(b"{")
        and content.endswith(b'"}\n')
        and content.count(b'"}\n{') == content.count(b"\n") - 1
        and b"\r" not in content
    )


def _one_line_per_row(content: bytes) -> bytes:
    """The content with an empty object in place of each blank line, which DuckDB would skip, and without a BOM."""
    lines = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b"".join((line.strip() or b"{}") + b"\n" for line in lines.removesuffix(b"\n").split(b"\n"))


def _marked(content: bytes, number: int) -> bytes:
    """The lines of a file with its number as their first attribute."""
    mark = b'{"%s":"%d",' % (_FILE.encode(), number)
    return re.sub(rb"(?m)^\{", mark, content).replace(mark + b"}", mark[:-1] + b"}")


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literals(texts: list[str]) -> str:
    return f"[{', '.join(map(_literal, texts))}]"
