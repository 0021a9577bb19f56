"""The local AWS's Athena and real Trino do the same with odd files, odd definitions and wrong queries.

The cases are in `trino_cases`. Each runs on both engines, over the same Data Catalog and the same objects; where there
is no Trino, the local Athena alone is held to them.
"""

from __future__ import annotations

import pytest

import trino_cases
from conftest import TRINO_ACCOUNT
from engines import AthenaEngine, Outcome, TrinoEngine
from local_aws.server import LocalAws
from trino_cases import COLUMNS, DATABASE, GOOD, KEYS, ODD, DefinitionCase, ErrorCase, FileCase, Row

BUCKET = "trino-cases"
RESULTS = "trino-cases-results"
# As the crawler defines a table of JSON lines.
STORAGE = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
}
SERDE = "org.openx.data.jsonserde.JsonSerDe"

Engine = AthenaEngine | TrinoEngine

# What the local Athena is known to do otherwise than Trino, by the case's name.
LOCAL_ATHENA_DIFFERS = {
    "byte order mark alone": "is a row of NULLs",
    "twice the same": "GENERIC_INTERNAL_ERROR of DuckDB's",
    "half a surrogate pair": "GENERIC_INTERNAL_ERROR of DuckDB's",
    "fraction": "1.5: numbers lose their spelling",
    "large number": "15000000000.0: numbers lose their spelling",
    "small number": "1e-07: numbers lose their spelling",
    "object": "2.5: numbers inside lose their spelling",
    "below an underscore": "is read: only the file's own name counts",
    "compressed": "is read as it is",
    "string over double, 5": "5",
    "string over boolean, true": "HIVE_PARTITION_SCHEMA_MISMATCH",
    "double over int, 5": "HIVE_PARTITION_SCHEMA_MISMATCH",
    'boolean over string, "true"': "HIVE_PARTITION_SCHEMA_MISMATCH",
    "no time": "GENERIC_INTERNAL_ERROR of DuckDB's",
    "division by zero": "GENERIC_INTERNAL_ERROR of DuckDB's",
}


class Lake:
    """One database, whose tables have a partition with an odd file and one with a good one."""

    def __init__(self, aws: LocalAws) -> None:
        self._s3 = aws.client("s3", TRINO_ACCOUNT)
        self._glue = aws.client("glue", TRINO_ACCOUNT)
        athena = aws.client("athena", TRINO_ACCOUNT)
        for bucket in (BUCKET, RESULTS):
            self._s3.create_bucket(Bucket=bucket)
        results = {"ResultConfiguration": {"OutputLocation": f"s3://{RESULTS}/"}}
        athena.create_work_group(Name=DATABASE, Configuration=results)
        self._glue.create_database(DatabaseInput={"Name": DATABASE})
        self.athena = AthenaEngine(athena, DATABASE)
        self._tables: set[str] = set()

    def table(
        self,
        name: str,
        odd_file: bytes = b"",
        columns: dict[str, str] = COLUMNS,
        *,
        odd_columns: dict[str, str] | None = None,
        serde: dict[str, str] | None = None,
        key: str = "odd.json",
    ) -> None:
        """Defines a table with its files unless it is there. odd_columns: what the odd partition's descriptor has."""
        if name in self._tables:
            return
        self._tables.add(name)
        storage = {
            **STORAGE,
            "SerdeInfo": {"SerializationLibrary": SERDE, "Parameters": serde or {}},
            "Columns": _as_glue(columns),
            "Location": f"s3://{BUCKET}/{name}/",
        }
        keys = _as_glue(dict.fromkeys(KEYS, "string"))
        table = {"Name": name, "TableType": "EXTERNAL_TABLE", "PartitionKeys": keys, "StorageDescriptor": storage}
        self._glue.create_table(DatabaseName=DATABASE, TableInput=table)
        for values, described in ((ODD, columns if odd_columns is None else odd_columns), (GOOD, columns)):
            location = f"s3://{BUCKET}/{name}/{trino_cases.folder(values)}/"
            descriptor = {**storage, "Columns": _as_glue(described), "Location": location}
            partition = {"Values": list(values), "StorageDescriptor": descriptor}
            self._glue.create_partition(DatabaseName=DATABASE, TableName=name, PartitionInput=partition)
        self._s3.put_object(Bucket=BUCKET, Key=f"{name}/{trino_cases.folder(ODD)}/{key}", Body=odd_file)
        good = f"{name}/{trino_cases.folder(GOOD)}/good.json"
        self._s3.put_object(Bucket=BUCKET, Key=good, Body=trino_cases.GOOD_FILE)


def _as_glue(columns: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in columns.items()]


@pytest.fixture(scope="module")
def lake(local_aws: LocalAws) -> Lake:
    """The database, without a table."""
    return Lake(local_aws)


@pytest.fixture(params=["athena", "trino"])
def engine(request: pytest.FixtureRequest, lake: Lake) -> Engine:
    """Each of the two."""
    if request.param == "trino":
        return TrinoEngine(request.getfixturevalue("trino"))
    case = request.node.callspec.params.get("case")
    if case is not None and case.name in LOCAL_ATHENA_DIFFERS:
        request.applymarker(pytest.mark.xfail(reason=LOCAL_ATHENA_DIFFERS[case.name]))
    return lake.athena


def table_of(case: FileCase | DefinitionCase) -> str:
    """The name of a case's own table."""
    return "".join(character if character.isalnum() else "_" for character in f"of_{case.name}".lower())


def in_any_order(rows: list[Row]) -> list[Row]:
    """The rows in an order that does not depend on who gave them."""
    return sorted(rows, key=str)


def run(engine: Engine, sql: str) -> Outcome:
    """Runs a query on the cases' database."""
    return engine.run(sql, DATABASE)


@pytest.mark.parametrize("case", trino_cases.FILES, ids=lambda case: case.name)
def test_odd_files(engine: Engine, lake: Lake, case: FileCase) -> None:
    name = table_of(case)
    lake.table(name, case.content, serde=case.serde, key=case.key)
    columns = ", ".join(COLUMNS)
    found = run(engine, f"SELECT {columns}, accountid FROM {name} WHERE accountid = '{ODD[0]}'")
    if isinstance(case.expected, str):
        address = f"s3://{BUCKET}/{name}/{trino_cases.folder(ODD)}/{case.key}"
        assert found.error == case.expected.format(file=address)
        assert run(engine, f"SELECT count(name) FROM {name}").error == found.error, "one bad file fails every query"
        assert run(engine, f"SELECT count(*) FROM {name}").error is None, "but one that only counts lines"
    else:
        assert found.error is None
        assert in_any_order(found.rows) == in_any_order([(*row, ODD[0]) for row in case.expected])
        everything = [(str(len(case.expected) + 1),)]
        assert run(engine, f"SELECT count(*) FROM {name}").rows == everything, "the good file's row is there too"
    others = run(engine, f"SELECT {columns}, accountid FROM {name} WHERE accountid = '{GOOD[0]}'")
    assert others.rows == [("i-9", "good", None, GOOD[0])], "a partition that is left out does no harm"


@pytest.mark.parametrize("case", trino_cases.MISMATCHES, ids=lambda case: case.name)
def test_a_partition_column_of_a_type_that_does_not_fit(engine: Engine, lake: Lake, case: DefinitionCase) -> None:
    name = define(lake, case)
    expected = trino_cases.MISMATCH.format(table=name, table_type=case.table, partition_type=case.partition)
    for sql in (f"SELECT detail FROM {name}", f"SELECT * FROM {name}", f"SELECT 1 FROM {name} WHERE detail IS NULL"):
        assert run(engine, sql).error == expected, sql
    assert run(engine, f"SELECT detail FROM {name} WHERE accountid = '{GOOD[0]}'").error is None
    if isinstance(engine, TrinoEngine):
        # Athena's documents speak of any query on the partition, and the local Athena keeps to that.
        assert run(engine, f"SELECT count(*) FROM {name}").rows == [("2",)]
        assert run(engine, f"SELECT max(resourceid) FROM {name}").rows == [("i-9",)]


@pytest.mark.parametrize("case", trino_cases.COERCIONS, ids=lambda case: case.name)
def test_a_partition_column_of_another_type_that_fits(engine: Engine, lake: Lake, case: DefinitionCase) -> None:
    found = run(engine, f"SELECT detail FROM {define(lake, case)} WHERE accountid = '{ODD[0]}'")
    assert (found.error, found.rows) == (None, [(case.expected,)])


def define(lake: Lake, case: DefinitionCase) -> str:
    """Makes the case's table; returns its name."""
    content = b'{"resourceId":"i-1","Detail":%s}\n' % case.value
    name = table_of(case)
    columns, odd_columns = COLUMNS | {"detail": case.table}, COLUMNS | {"detail": case.partition}
    lake.table(name, content, columns, odd_columns=odd_columns)
    return name


@pytest.mark.parametrize("name", trino_cases.HARMLESS_PARTITION_COLUMNS)
def test_other_columns_of_a_partition_do_no_harm(engine: Engine, lake: Lake, name: str) -> None:
    table = f"beside_{name.replace(' ', '_')}"
    content = b'{"more":["x"],"resourceId":"i-1","Name":"one","Detail":"d","Region":"x"}\n'
    lake.table(table, content, odd_columns=trino_cases.HARMLESS_PARTITION_COLUMNS[name])
    found = run(engine, f"SELECT * FROM {table} WHERE accountid = '{ODD[0]}'")
    assert found == Outcome([*COLUMNS, *KEYS], [("i-1", "one", "d", *ODD)])


@pytest.mark.parametrize("case", trino_cases.ERRORS, ids=lambda case: case.name)
def test_errors(engine: Engine, lake: Lake, case: ErrorCase) -> None:
    lake.table("nodes", trino_cases.LINE_1)
    lake.table("twice", trino_cases.LINE_1, {**COLUMNS, "region": "string"})
    found = run(engine, case.sql)
    if case.only_name and isinstance(engine, AthenaEngine):
        assert found.error_name == case.expected.partition(":")[0]
    else:
        assert found.error == case.expected


def test_parameters_are_sql_text_for_the_question_marks(engine: Engine, lake: Lake) -> None:
    lake.table("nodes", trino_cases.LINE_1)
    sql = "-- Whose name isn't that? It's asked twice.\nSELECT name, ? + 1 AS next FROM nodes WHERE name <> ?"
    assert engine.run(sql, DATABASE, ["41", "'it''s'"]).rows != []
    assert engine.run(sql, DATABASE, ["41", "'good'"]) == Outcome(["name", "next"], [("one", "42")])
