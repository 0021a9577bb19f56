"""Athena's rules hold: the workgroup's, the Data Catalog's, the SerDe's, Trino's dialect and the caller's rights."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.server import LocalAws

ACCOUNT = "555500000003"
RESULTS = "athena-test-results"
WORKGROUP = "enforced"
KEYS = ("accountid", "region")
CRAWLED_COLUMNS = ("resourceid", "name", "count", "capturetime")


@dataclass
class Lake:
    """A bucket of data, a database over it, and queries under the enforced workgroup."""

    aws: LocalAws
    database: str = field(default_factory=lambda: f"lake{uuid.uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.s3 = self.aws.client("s3", ACCOUNT)
        self.glue = self.aws.client("glue", ACCOUNT)
        self.athena = self.aws.client("athena", ACCOUNT)
        self.s3.create_bucket(Bucket=self.database)
        self.glue.create_database(DatabaseInput={"Name": self.database})

    def table(self, name: str, *partitions: tuple[str, str], **options: Any) -> None:
        """Define a table of text columns with some registered partitions.

        Options: columns, partition_columns where they are others, serde (its parameters), parameters (the table's).
        """
        columns = options.get("columns", text(*CRAWLED_COLUMNS))
        serde = {
            "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
            "Parameters": options.get("serde", {}),
        }
        storage = {"Columns": columns, "Location": f"s3://{self.database}/{name}/", "SerdeInfo": serde}
        self.glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": name,
                "PartitionKeys": [{"Name": key, "Type": "string"} for key in KEYS] if partitions else [],
                "StorageDescriptor": storage,
                "Parameters": options.get("parameters", {}),
            },
        )
        own = {**storage, "Columns": options.get("partition_columns", columns)}
        for values in partitions:
            location = f"s3://{self.database}/{name}/{folder(*values)}/"
            self.glue.create_partition(
                DatabaseName=self.database,
                TableName=name,
                PartitionInput={"Values": list(values), "StorageDescriptor": {**own, "Location": location}},
            )

    def put(self, key: str, content: str | bytes, **options: str) -> None:
        self.s3.put_object(Bucket=self.database, Key=key, Body=content, **options)

    def start(self, sql: str, client: Any = None, **options: Any) -> dict[str, Any]:
        """Run a query to its end, whichever; returns its QueryExecution."""
        client = client or self.athena
        arguments = {"WorkGroup": WORKGROUP, "QueryExecutionContext": {"Database": self.database}, **options}
        query = client.start_query_execution(QueryString=sql, **arguments)["QueryExecutionId"]
        deadline = time.monotonic() + 30
        while True:
            execution = self.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            assert time.monotonic() < deadline, execution
            time.sleep(0.01)

    def rows(self, sql: str, **options: Any) -> list[tuple[str | None, ...]]:
        """The rows of a query that succeeds, without the names of the columns."""
        execution = self.start(sql, **options)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        found = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        return values(found)[1:]

    def error(self, sql: str, **options: Any) -> str:
        """The StateChangeReason of a query that fails."""
        status = self.start(sql, **options)["Status"]
        assert status["State"] == "FAILED", status
        assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]
        return status["StateChangeReason"]


def folder(account: str, region: str) -> str:
    return f"accountid={account}/region={region}"


def text(*names: str) -> list[dict[str, str]]:
    """Columns of text."""
    return [{"Name": name, "Type": "string"} for name in names]


def values(results: dict[str, Any]) -> list[tuple[str | None, ...]]:
    return [tuple(datum.get("VarCharValue") for datum in row["Data"]) for row in results["ResultSet"]["Rows"]]


@pytest.fixture(scope="module")
def workgroup(local_aws: LocalAws) -> str:
    local_aws.client("s3", ACCOUNT).create_bucket(Bucket=RESULTS)
    local_aws.client("athena", ACCOUNT).create_work_group(
        Name=WORKGROUP,
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {"OutputLocation": f"s3://{RESULTS}"},
        },
    )
    return WORKGROUP


@pytest.fixture
def lake(local_aws: LocalAws, workgroup: str) -> Lake:
    return Lake(local_aws)


@pytest.fixture
def nodes(lake: Lake) -> Lake:
    """A table `nodes` with two partitions of one and two rows, and a third folder that is not registered."""
    lake.table("nodes", ("111", "us-east-1"), ("222", "eu-west-1"))
    row = '{"resourceId":"%s","Name":"%s","Count":"%s","captureTime":"2026-01-15T12:00:00Z"}\n'
    lake.put(f"nodes/{folder('111', 'us-east-1')}/i-1.json", row % ("i-1", "one", "1"))
    lake.put(f"nodes/{folder('222', 'eu-west-1')}/i-2.json", row % ("i-2", "two", "") + row % ("i-3", "three", "30"))
    lake.put(f"nodes/{folder('333', 'eu-west-1')}/i-4.json", row % ("i-4", "four", "4"))
    return lake


# What is read.


def test_only_registered_partitions_are_read_and_their_values_come_from_the_catalog(nodes: Lake) -> None:
    assert nodes.rows("SELECT resourceid, accountid, region FROM nodes ORDER BY resourceid") == [
        ("i-1", "111", "us-east-1"),
        ("i-2", "222", "eu-west-1"),
        ("i-3", "222", "eu-west-1"),
    ]


def test_the_schema_comes_from_the_catalog(nodes: Lake) -> None:
    table = nodes.glue.get_table(DatabaseName=nodes.database, Name="nodes")["Table"]
    storage = {
        **table["StorageDescriptor"],
        "Columns": [{"Name": "name", "Type": "string"}, {"Name": "x", "Type": "int"}],
    }
    nodes.glue.update_table(
        DatabaseName=nodes.database,
        TableInput={"Name": "nodes", "PartitionKeys": table["PartitionKeys"], "StorageDescriptor": storage},
    )
    assert nodes.rows("SELECT * FROM nodes WHERE name = 'one'") == [("one", None, "111", "us-east-1")]
    assert nodes.error("SELECT resourceid FROM nodes").startswith("COLUMN_NOT_FOUND")


def test_a_column_named_like_a_partition_key_breaks_every_query_until_it_is_gone(lake: Lake) -> None:
    colliding = [{"Name": "name", "Type": "string"}, {"Name": "Region", "Type": "string"}]
    lake.table("aws_instanceinformation", ("111", "us-east-1"), columns=colliding)
    lake.put(f"aws_instanceinformation/{folder('111', 'us-east-1')}/i-1.json", '{"Name":"a","Region":"inside"}\n')
    expected = (
        "HIVE_INVALID_METADATA: Hive metadata for table aws_instanceinformation is invalid: "
        "Table descriptor contains duplicate columns"
    )
    assert lake.error("SELECT count(*) FROM aws_instanceinformation") == expected

    table = lake.glue.get_table(DatabaseName=lake.database, Name="aws_instanceinformation")["Table"]
    repaired = {**table["StorageDescriptor"], "Columns": colliding[:1]}
    lake.glue.update_table(
        DatabaseName=lake.database,
        TableInput={"Name": table["Name"], "PartitionKeys": table["PartitionKeys"], "StorageDescriptor": repaired},
    )
    # The partition's own descriptor still has the column; the partition's value wins over the file's.
    assert lake.rows("SELECT name, region FROM aws_instanceinformation") == [("a", "us-east-1")]


def test_changed_files_and_partitions_are_seen_by_the_next_query(nodes: Lake) -> None:
    count = "SELECT count(*) FROM nodes"
    assert nodes.rows(count) == [("3",)]
    key = f"nodes/{folder('111', 'us-east-1')}/i-1.json"
    nodes.put(key, '{"resourceId":"i-1"}\n{"resourceId":"i-9"}\n')
    assert nodes.rows(count) == [("4",)]
    nodes.s3.delete_object(Bucket=nodes.database, Key=key)
    assert nodes.rows(count) == [("2",)]
    nodes.glue.delete_partition(DatabaseName=nodes.database, TableName="nodes", PartitionValues=["222", "eu-west-1"])
    assert nodes.rows(count) == [("0",)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", []),
        ('{"Name":"a"}', [("a",)]),
        ('{"NAME":"a"}\n', [("a",)]),
        ('\n{"Name":"a"}\n', [("a",), (None,)]),
        ('{"Name":"a"}\n\n', [("a",), (None,)]),
        ('{"Name":"a"}\n\n{"Name":"b"}\n', [("a",), ("b",), (None,)]),
        ('{"Name":"a"}\r\n{"Name":"b"}\r\n', [("a",), ("b",)]),
        (b'\xef\xbb\xbf{"Name":"a"}\n', [("a",)]),
        ('{"Name":"a"} {"Name":"lost"}\n', [("a",)]),
        ('{"Name":"first","name":"last"}\n', [("last",)]),
        ('{"Other":"a"}\n{"Name":null}\n', [(None,), (None,)]),
        ('{"Name":5}\n{"Name":true}\n{"Name":{"x":[1,2]}}\n', [("5",), ("true",), ('{"x":[1,2]}',)]),
        ('{"Name":["a",1]}\n{"Name":[]}\n{"Name":"{a,}"}\n', [('["a",1]',), ("[]",), ("{a,}",)]),
        ('{"Name":"a","accountid":"theirs"}\n', [("a",)]),
        ('test\n{"Name":"a"}\n5\n', [("a",), (None,), (None,)]),
        ('["i-1","a","5"]\n["i-2"]\n', [("a",), (None,)]),
        ('{"Name":"a\tb \u2028 c\x85d"}\n{"Name":"e"} trailing\n', [("a\tb \u2028 c\x85d",), ("e",)]),
        ('{"Name":"a\\nb, \\"c\\" \u00e9"}\n', [('a\nb, "c" é',)]),
    ],
    ids=[
        "empty",
        "no newline at the end",
        "case",
        "blank line first",
        "blank line last",
        "blank line between",
        "crlf",
        "bom",
        "two on a line",
        "keys that differ by case",
        "absent and null",
        "other than text",
        "lists",
        "like a key of other tables",
        "no JSON at all",
        "arrays",
        "separators in a value",
        "escapes",
    ],
)
def test_lines_are_read_as_the_serde_reads_them(
    lake: Lake, content: str | bytes, expected: list[tuple[str | None, ...]]
) -> None:
    lake.table("nodes")
    lake.put("nodes/i-1.json", content)
    assert sorted(lake.rows("SELECT name FROM nodes"), key=str) == sorted(expected, key=str)


def test_files_whose_attributes_are_spelled_otherwise_are_read_together(nodes: Lake) -> None:
    nodes.put(f"nodes/{folder('111', 'us-east-1')}/i-1.json", '{"RESOURCEID":"i-1","name":"ONE"}\n{"NAME":"x"}\n')
    assert nodes.rows("SELECT resourceid, name FROM nodes ORDER BY name") == [
        ("i-1", "ONE"),
        ("i-3", "three"),
        ("i-2", "two"),
        (None, "x"),
    ]


@pytest.mark.parametrize(
    ("content", "lines"),
    [('{"Name":"a"', 1), ('{"Name":"a",}', 1), ('{"Name":}', 1), ('{"Name":"a"}\n[1', 2), ('{\n"Name":"a"\n}', 3)],
    ids=["cut off", "a comma too many", "no value", "second line", "spread over lines"],
)
def test_one_malformed_line_fails_what_needs_its_file(nodes: Lake, content: str, lines: int) -> None:
    """The text is that of Athena's engine 3; its pages still show the one before, "Row is not a valid JSON Object"."""
    place = f"nodes/{folder('111', 'us-east-1')}"
    nodes.put(f"{place}/bad.json", content + "\n")
    expected = f"HIVE_CURSOR_ERROR: Failed to read file at s3://{nodes.database}/{place}/bad.json"
    assert nodes.error("SELECT count(name) FROM nodes") == expected
    assert nodes.error("SELECT count(*) FROM nodes WHERE resourceid IS NOT NULL") == expected
    assert nodes.rows("SELECT count(name) FROM nodes WHERE accountid = '222'") == [("2",)], "the partition is pruned"
    # The lines are counted and nobody looks into them.
    counted = "SELECT accountid, count(*) FROM (SELECT * FROM nodes) GROUP BY 1 ORDER BY 1"
    assert nodes.rows(counted) == [("111", str(1 + lines)), ("222", "2")]

    nodes.s3.delete_object(Bucket=nodes.database, Key=f"{place}/bad.json")
    assert nodes.rows("SELECT count(name) FROM nodes") == [("3",)]


def test_malformed_lines_can_be_ignored(lake: Lake) -> None:
    lake.table("nodes", serde={"ignore.malformed.json": "true"})
    lake.put("nodes/i-1.json", '{"Name":"a"}\n{"test\n')
    assert lake.rows("SELECT name FROM nodes ORDER BY name") == [("a",), (None,)]


def test_malformed_lines_are_ignored_by_the_word_of_the_partition_or_of_the_table_itself(lake: Lake) -> None:
    """Trino makes the SerDe's properties of the partition's SerDe parameters and the table's own parameters."""
    lake.table("nodes", ("111", "us-east-1"))
    place = folder("111", "us-east-1")
    lake.put(f"nodes/{place}/i-1.json", '{"Name":"a"}\n{"test\n')
    key = {"DatabaseName": lake.database, "Name": "nodes"}
    table = lake.glue.get_table(**key)["Table"]
    definition = {member: table[member] for member in ("Name", "PartitionKeys", "StorageDescriptor")}
    ignoring = {
        **table["StorageDescriptor"],
        "SerdeInfo": {**table["StorageDescriptor"]["SerdeInfo"], "Parameters": {"ignore.malformed.json": "true"}},
    }

    def update_table(**changed: Any) -> None:
        lake.glue.update_table(DatabaseName=lake.database, TableInput=definition | changed)

    update_table(StorageDescriptor=ignoring)
    assert lake.error("SELECT name FROM nodes").startswith("HIVE_CURSOR_ERROR"), "the partition was there before"
    update_table(Parameters={"ignore.malformed.json": "true"})
    assert lake.rows("SELECT name FROM nodes ORDER BY name") == [("a",), (None,)]
    update_table()
    assert lake.error("SELECT name FROM nodes").startswith("HIVE_CURSOR_ERROR")
    lake.glue.update_partition(
        DatabaseName=lake.database,
        TableName="nodes",
        PartitionValueList=["111", "us-east-1"],
        PartitionInput={
            "Values": ["111", "us-east-1"],
            "StorageDescriptor": {**ignoring, "Location": f"s3://{lake.database}/nodes/{place}/"},
        },
    )
    assert lake.rows("SELECT name FROM nodes ORDER BY name") == [("a",), (None,)]


# Partitions whose descriptors are not the table's.


@pytest.mark.parametrize(
    "columns",
    [
        text("resourceid", "name", "more"),
        text("name"),
        text("name", "resourceid"),
        text("region", "resourceid", "name"),
    ],
    ids=["more", "fewer", "another order", "one of a partition key's name before them"],
)
def test_the_columns_of_a_partition_are_found_by_name(lake: Lake, columns: list[dict[str, str]]) -> None:
    lake.table("nodes", ("111", "us-east-1"), columns=text("resourceid", "name"), partition_columns=columns)
    lake.put(
        f"nodes/{folder('111', 'us-east-1')}/i-1.json", '{"more":"m","region":"r","Name":"a","resourceId":"i-1"}\n'
    )
    assert lake.rows("SELECT * FROM nodes") == [("i-1", "a", "111", "us-east-1")]


MISMATCH = (
    "HIVE_PARTITION_SCHEMA_MISMATCH: There is a mismatch between the table and partition schemas. The types are "
    "incompatible and cannot be coerced. The column '{column}' in table '{table}' is declared as type 'string', but "
    "partition 'accountid=111/region=us-east-1' declared column '{other}' as type 'array<string>'."
)


@pytest.mark.parametrize(
    ("columns", "column", "other"),
    [
        (["resourceid string", "name array<string>"], "name", "name"),
        (["name array<string>", "resourceid string"], "name", "name"),
        (["resourceid string", "more array<string>", "name string"], "name", "more"),
    ],
    ids=["same name and place", "same name", "same place"],
)
def test_a_partition_of_other_types_fails_what_reads_it(
    lake: Lake, columns: list[str], column: str, other: str
) -> None:
    """https://docs.aws.amazon.com/athena/latest/ug/updates-and-partitions.html has the rule, Trino the text."""
    typed = [dict(zip(("Name", "Type"), each.split(), strict=True)) for each in columns]
    lake.table("nodes", ("111", "us-east-1"), columns=text("resourceid", "name"), partition_columns=typed)
    expected = MISMATCH.format(table=f"{lake.database}.nodes", column=column, other=other)
    assert lake.error("SELECT name FROM nodes") == expected
    assert lake.error("SELECT count(*) FROM nodes") == expected
    assert lake.rows("SELECT count(*) FROM nodes WHERE accountid = '222'") == [("0",)], "the partition is pruned"


def test_numbers_of_a_partition_become_a_tables_text(lake: Lake) -> None:
    typed = [{"Name": "resourceid", "Type": "string"}, {"Name": "name", "Type": "int"}]
    lake.table("nodes", ("111", "us-east-1"), columns=text("resourceid", "name"), partition_columns=typed)
    lake.put(f"nodes/{folder('111', 'us-east-1')}/i-1.json", '{"Name":5}\n')
    assert lake.rows("SELECT name FROM nodes") == [("5",)]


def test_columns_of_other_types(lake: Lake) -> None:
    typed = [{"Name": "n", "Type": "int"}, {"Name": "f", "Type": "double"}, {"Name": "b", "Type": "boolean"}]
    lake.table("typed", columns=typed)
    lake.put("typed/f.json", '{"n":"12","f":1.5,"b":true}\n{"n":7}\n')
    assert lake.rows("SELECT n, f, b FROM typed ORDER BY n DESC") == [("12", "1.5", "true"), ("7", None, None)]


def test_pruned_partitions_are_not_paid_for(nodes: Lake) -> None:
    def scanned(where: str) -> int:
        return nodes.start(f"SELECT count(*) FROM nodes {where}")["Statistics"]["DataScannedInBytes"]

    first, second = scanned("WHERE accountid = '111'"), scanned("WHERE accountid = '222'")
    everything = scanned("")
    assert 0 < first < second and first + second == everything
    assert scanned("WHERE region IN ('eu-west-1') AND name = 'two'") == second
    assert scanned("WHERE accountid = '999'") == 0
    assert scanned("WHERE accountid = '111' OR name = 'two'") == everything


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT count(*) FROM (SELECT * FROM nodes) n WHERE n.accountid = '111'", "1"),
        ("WITH n AS (SELECT accountid AS a, name FROM nodes) SELECT count(*) FROM n WHERE a = '111'", "1"),
        (
            "WITH n AS (SELECT accountid, count(*) AS c FROM nodes GROUP BY accountid) SELECT * FROM n "
            "WHERE accountid = '111'",
            "1",
        ),
        ("SELECT * FROM (SELECT * FROM nodes LIMIT 9) n WHERE n.accountid = '111'", "1 2"),
        (
            "SELECT * FROM (SELECT accountid, region, row_number() OVER (PARTITION BY region) AS n FROM nodes) n "
            "WHERE accountid = '111' AND n = 1",
            "1 2",
        ),
        (
            "SELECT * FROM (SELECT accountid, region, row_number() OVER (PARTITION BY region) AS n FROM nodes) n "
            "WHERE region = 'us-east-1' AND n = 1",
            "1",
        ),
        (
            "SELECT * FROM (SELECT accountid FROM nodes UNION ALL SELECT region FROM nodes) n "
            "WHERE accountid = 'eu-west-1'",
            "2",
        ),
        ("SELECT count(*) FROM nodes a JOIN nodes b ON a.accountid = b.accountid WHERE a.accountid = '111'", "1 1"),
        ("SELECT count(*) FROM nodes a JOIN nodes b USING (accountid, region) WHERE accountid = '111'", "1 1"),
        ("SELECT count(*) FROM nodes a, nodes b WHERE a.region = b.region AND b.region = 'us-east-1'", "1 1"),
        (
            "SELECT count(*) FROM nodes a LEFT JOIN nodes b ON a.accountid = b.accountid WHERE a.accountid = '111'",
            "1 1",
        ),
        ("SELECT count(*) FROM nodes a LEFT JOIN nodes b ON a.name = b.name WHERE a.accountid = '111'", "1 1 2"),
        (
            "SELECT count(*) FROM nodes a LEFT JOIN nodes b ON a.accountid = b.accountid AND b.accountid = '111'",
            "1 1 2",
        ),
        (
            "SELECT count(*) FROM nodes a LEFT JOIN nodes b ON a.accountid = b.accountid AND a.accountid = '111'",
            "1 1 2 2",
        ),
        (
            "SELECT count(*) FROM nodes a LEFT JOIN nodes b ON a.accountid = b.accountid WHERE b.accountid = '111'",
            "1 1",
        ),
        (
            "SELECT count(*) FROM nodes a LEFT JOIN nodes b ON a.accountid = b.accountid WHERE b.accountid IS NULL",
            "1 1 2 2",
        ),
        (
            "SELECT count(*) FROM nodes a FULL JOIN nodes b ON a.accountid = b.accountid WHERE a.accountid = '111'",
            "1 1 2",
        ),
        (
            "WITH n AS (SELECT accountid, resourceid FROM nodes WHERE name <> ''), "
            "p AS (SELECT accountid, resourceid, max(count) AS c FROM nodes GROUP BY accountid, resourceid) "
            "SELECT n.resourceid, p.c FROM n LEFT JOIN p ON p.accountid = n.accountid AND p.resourceid = n.resourceid "
            "WHERE n.accountid IN ('111')",
            "1 1",
        ),
        ("WITH n AS (SELECT * FROM nodes) SELECT count(*) FROM n a JOIN n b ON a.name = b.name", "1 1 2 2"),
        ("WITH n AS (SELECT * FROM nodes) SELECT 1", ""),
        ("SELECT name FROM nodes WHERE accountid = '111' AND name IN (SELECT name FROM nodes)", "1 1 2"),
    ],
)
def test_a_condition_prunes_wherever_it_can_be_followed_to(nodes: Lake, sql: str, expected: str) -> None:
    """By what a query read, as Trino's plans have it; "1" and "2" are the two partitions, once for each reading."""
    sizes = {
        number: nodes.start(f"SELECT count(*) FROM nodes WHERE accountid = '{account}'")["Statistics"][
            "DataScannedInBytes"
        ]
        for number, account in (("1", "111"), ("2", "222"))
    }
    execution = nodes.start(sql)
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    assert execution["Statistics"]["DataScannedInBytes"] == sum(sizes[number] for number in expected.split())


# Where a row comes from.


def test_a_query_can_ask_for_the_object_of_each_row(nodes: Lake) -> None:
    key = f"nodes/{folder('111', 'us-east-1')}/odd.json"
    nodes.put(key, '{"Name":"x"}\n\n{}\n{ }\nno object\n["i-9"]\n')
    written = nodes.s3.head_object(Bucket=nodes.database, Key=key)["LastModified"]
    found = nodes.rows('SELECT "$path", count(*), count(name), count(resourceid) FROM nodes GROUP BY 1 ORDER BY 1')
    root = f"s3://{nodes.database}/nodes"
    assert found == [
        (f"{root}/{folder('111', 'us-east-1')}/i-1.json", "1", "1", "1"),
        (f"{root}/{folder('111', 'us-east-1')}/odd.json", "6", "1", "1"),
        (f"{root}/{folder('222', 'eu-west-1')}/i-2.json", "2", "2", "2"),
    ]
    execution = nodes.start("""SELECT DISTINCT "$file_modified_time" FROM nodes WHERE "$path" LIKE '%/odd.json'""")
    results = nodes.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    (column,) = results["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert column["Type"] == "timestamp with time zone"
    ((moment,),) = values(results)[1:]
    assert moment is not None and moment.startswith(f"{written:%Y-%m-%d %H:%M:%S}.") and moment.endswith(" UTC")


def test_the_object_of_a_row_is_shown_to_those_alone_who_ask(nodes: Lake) -> None:
    assert nodes.rows("SELECT * FROM nodes WHERE name = 'one'") == [
        ("i-1", "one", "1", "2026-01-15T12:00:00Z", "111", "us-east-1")
    ]
    joined = nodes.rows('SELECT a."$path" = b."$path" FROM nodes a JOIN nodes b ON a.name = b.name')
    assert joined == [("true",)] * 3
    assert nodes.error('SELECT "$path" FROM nodes a, nodes b').startswith("AMBIGUOUS_NAME")


def test_an_object_that_was_written_again_has_another_time(nodes: Lake) -> None:
    newest = 'SELECT max("$file_modified_time") FROM nodes'
    ((before,),) = nodes.rows(newest)
    time.sleep(0.01)
    row = '{"resourceId":"i-1","Name":"one","Count":"1","captureTime":"2026-01-15T12:00:00Z"}\n'
    nodes.put(f"nodes/{folder('111', 'us-east-1')}/i-1.json", row)
    ((after,),) = nodes.rows(newest)
    assert before is not None and after is not None and before < after


# The dialect.


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT count_if(name LIKE 't%') FROM nodes", ["2"]),
        ("SELECT sum(try_cast(count AS integer)) FROM nodes", ["31"]),
        ("SELECT max_by(name, resourceid) FROM nodes", ["three"]),
        ("SELECT listagg(name, ', ') WITHIN GROUP (ORDER BY name) FROM nodes", ["one, three, two"]),
        ("SELECT from_iso8601_timestamp(max(capturetime)) FROM nodes", ["2026-01-15 12:00:00.000 UTC"]),
        ("SELECT max(try(from_iso8601_timestamp(count))) FROM nodes WHERE count = ''", [None]),
        ("SELECT element_at(map_agg(resourceid, name), 'i-2') FROM nodes", ["two"]),
        (
            "SELECT json_format(CAST(map_agg(name, count) AS json))"
            " FROM (SELECT * FROM nodes ORDER BY name DESC) WHERE name < 'tr'",
            ['{"one":"1","three":"30"}'],
        ),
        ("SELECT count(*) / 2 FROM nodes", ["1"]),
        ("SELECT coalesce(try_cast('' AS integer), 0)", ["0"]),
        ("SELECT date_diff('day', date '2026-01-01', date '2026-01-15')", ["14"]),
        (
            "SELECT date_diff('day', timestamp '2026-01-01 23:00:00', timestamp '2026-01-03 01:00:00')",
            ["1"],
        ),
        ("SELECT array_join(array_agg(name ORDER BY name), '|') FROM nodes", ["one|three|two"]),
        ("WITH n AS (SELECT * FROM nodes) SELECT count(*) FROM n a JOIN n b ON a.accountid = b.accountid", ["5"]),
        ('SELECT max(n.name) FROM "awsdatacatalog".{database}.nodes n', ["two"]),
        ("SELECT nodes.name FROM {database}.nodes WHERE {database}.nodes.resourceid = 'i-1'", ["one"]),
        ("SELECT regexp_like(name, '^o'), split_part(capturetime, 'T', 1) FROM nodes LIMIT 1", None),
    ],
)
def test_the_dialect_is_athenas(nodes: Lake, sql: str, expected: list[str | None] | None) -> None:
    rows = nodes.rows(sql.format(database=nodes.database))
    assert rows == [tuple(expected)] if expected else len(rows) == 1


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT *\nFROM nope", "TABLE_NOT_FOUND: line 2:6: Table 'awsdatacatalog.{database}.nope' does not exist"),
        ("SELECT * FROM nodb.t", "SCHEMA_NOT_FOUND: line 1:15: Schema 'nodb' does not exist"),
        ("SELECT name, cvEids FROM nodes", "COLUMN_NOT_FOUND: line 1:14: Column 'cveids' cannot be resolved"),
        ("SELECT n.x FROM nodes n", "COLUMN_NOT_FOUND: line 1:8: Column 'n.x' cannot be resolved"),
        ("SELECT name AS x FROM nodes WHERE x = 'one'", "COLUMN_NOT_FOUND: line 1:35: Column 'x' cannot be resolved"),
        (
            "SELECT name FROM nodes a, nodes b",
            "AMBIGUOUS_NAME: line 1:8: Column 'name' is ambiguous",
        ),
        ("SELECT * FROM nodes WHERE count > 5", "TYPE_MISMATCH: line 1:27: Cannot apply operator: varchar > integer"),
        (
            "SELECT * FROM nodes WHERE capturetime >= DATE '2026-01-01'",
            "TYPE_MISMATCH: line 1:27: Cannot apply operator: varchar >= date",
        ),
        (
            "SELECT cast(name AS integer) FROM nodes WHERE name = 'one'",
            "INVALID_CAST_ARGUMENT: Cannot cast 'one' to INT",
        ),
        (
            "SELECT name, count(*) FROM nodes",
            "EXPRESSION_NOT_AGGREGATE: 'name' must be an aggregate expression or appear in GROUP BY clause",
        ),
        ("SELECT no_such_function(name) FROM nodes", "FUNCTION_NOT_FOUND: Function 'no_such_function' not registered"),
        ("MSCK REPAIR TABLE nodes", "NOT_SUPPORTED: The local Athena has no such statement: MSCK REPAIR TABLE nodes"),
    ],
)
def test_errors_are_trinos(nodes: Lake, sql: str, expected: str) -> None:
    assert nodes.error(sql) == expected.format(database=nodes.database)


@pytest.mark.parametrize(
    "sql", ["  ", "SELEC 1", "SELECT * FROM", "SELECT 1; SELECT 2", "SELECT 'unterminated", "SELECT " + "1" * 262_144]
)
def test_what_is_no_query_is_refused_at_once(lake: Lake, sql: str) -> None:
    with pytest.raises(ClientError) as caught:
        lake.start(sql)
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"


def test_execution_parameters(nodes: Lake) -> None:
    sql = "SELECT resourceid FROM nodes WHERE name = ? OR resourceid = ? /* ? */ ORDER BY 1"
    assert nodes.rows(sql, ExecutionParameters=["'one'", "'i-3'"]) == [("i-1",), ("i-3",)]
    expected = "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 2 but found 1"
    assert nodes.error(sql, ExecutionParameters=["'one'"]) == expected


# Prepared statements.

PREPARED = "SELECT resourceid FROM nodes WHERE name = ? OR resourceid = ? ORDER BY 1"


@pytest.fixture
def prepared(nodes: Lake) -> Lake:
    """`nodes` with a workgroup of its name, and in it the statement `find_Nodes`."""
    nodes.athena.create_work_group(
        Name=nodes.database,
        Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{RESULTS}/{nodes.database}/"}},
    )
    nodes.athena.create_prepared_statement(
        StatementName="find_Nodes", WorkGroup=nodes.database, QueryStatement=PREPARED, Description="By name or id"
    )
    return nodes


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("EXECUTE find_Nodes USING 'one', 'i-3'", []),
        ("execute find_Nodes\nusing concat('o', 'ne') , 'i-3';", []),
        ('-- the console\'s form\nEXECUTE "find_Nodes"', ["'one'", "'i-3'"]),
    ],
    ids=["using", "expressions", "execution parameters"],
)
def test_a_prepared_statement_is_executed_with_values(prepared: Lake, sql: str, parameters: list[str]) -> None:
    options = {"ExecutionParameters": parameters} if parameters else {}
    execution = prepared.start(sql, WorkGroup=prepared.database, **options)
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    assert execution["Query"] == sql
    assert execution["ResultConfiguration"]["OutputLocation"].endswith(f"{execution['QueryExecutionId']}.csv")
    results = prepared.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert values(results) == [("resourceid",), ("i-1",), ("i-3",)]


def test_the_values_of_a_prepared_statement_prune(prepared: Lake) -> None:
    prepared.athena.create_prepared_statement(
        StatementName="of_account",
        WorkGroup=prepared.database,
        QueryStatement="WITH n AS (SELECT * FROM nodes) SELECT count(name) FROM n WHERE ? IN ('all', accountid)",
    )

    def scanned(account: str) -> int:
        execution = prepared.start(f"EXECUTE of_account USING '{account}'", WorkGroup=prepared.database)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        return execution["Statistics"]["DataScannedInBytes"]

    assert 0 < scanned("111") < scanned("222")
    assert scanned("all") == scanned("111") + scanned("222")
    assert scanned("333") == 0


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("EXECUTE nope USING 1", "PreparedStatement nope was not found in workGroup {workgroup}"),
        (
            "EXECUTE find_Nodes USING 'one'",
            "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 2 but found 1",
        ),
        ("DEALLOCATE PREPARE nope", "PreparedStatement nope was not found in workGroup {workgroup}"),
        ("PREPARE x FROM SELECT 1", "StatementName must match"),
    ],
)
def test_a_statement_that_cannot_be_carried_out_fails(prepared: Lake, sql: str, expected: str) -> None:
    error = prepared.error(sql, WorkGroup=prepared.database)
    assert error.startswith(expected.format(workgroup=prepared.database))


def test_a_prepared_statement_belongs_to_its_workgroup(prepared: Lake) -> None:
    assert prepared.error("EXECUTE find_Nodes USING 'a', 'b'") == (
        f"PreparedStatement find_Nodes was not found in workGroup {WORKGROUP}"
    )
    listed = prepared.athena.list_prepared_statements(WorkGroup=prepared.database)["PreparedStatements"]
    assert [each["StatementName"] for each in listed] == ["find_Nodes"]
    prepared.athena.delete_work_group(WorkGroup=prepared.database, RecursiveDeleteOption=True)
    prepared.athena.create_work_group(Name=prepared.database)
    assert prepared.athena.list_prepared_statements(WorkGroup=prepared.database)["PreparedStatements"] == []


@pytest.mark.parametrize(
    "sql", ["EXECUTE", "EXECUTE a 1", "PREPARE my_select", "EXECUTE a USING", "DEALLOCATE PREPARE"]
)
def test_an_incomplete_statement_is_refused_at_once(lake: Lake, sql: str) -> None:
    with pytest.raises(ClientError, match="mismatched input") as caught:
        lake.start(sql)
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"


def test_sql_makes_replaces_and_removes_prepared_statements(prepared: Lake) -> None:
    group = {"WorkGroup": prepared.database}

    def run(sql: str) -> None:
        status = prepared.start(sql, **group)["Status"]
        assert status["State"] == "SUCCEEDED", status

    for query, expected in (("SELECT name FROM nodes WHERE name = ?", "one"), ("SELECT ?", "one")):
        run(f"PREPARE by_name FROM {query}")
        kept = prepared.athena.get_prepared_statement(StatementName="by_name", **group)["PreparedStatement"]
        assert kept["QueryStatement"] == query
        assert prepared.rows("EXECUTE by_name USING 'one'", **group) == [(expected,)]
    run("DEALLOCATE PREPARE by_name")
    with pytest.raises(prepared.athena.exceptions.ResourceNotFoundException):
        prepared.athena.get_prepared_statement(StatementName="by_name", **group)


def test_the_api_keeps_prepared_statements(prepared: Lake) -> None:
    athena, group = prepared.athena, {"WorkGroup": prepared.database}
    kept = athena.get_prepared_statement(StatementName="find_Nodes", **group)["PreparedStatement"]
    assert {name: kept[name] for name in kept if name != "LastModifiedTime"} == {
        "StatementName": "find_Nodes",
        "WorkGroupName": prepared.database,
        "QueryStatement": PREPARED,
        "Description": "By name or id",
    }
    athena.update_prepared_statement(StatementName="find_Nodes", QueryStatement="SELECT 1", **group)
    assert prepared.rows("EXECUTE find_Nodes", **group) == [("1",)]

    with pytest.raises(athena.exceptions.InvalidRequestException, match="already exists"):
        athena.create_prepared_statement(StatementName="find_Nodes", QueryStatement="SELECT 1", **group)
    with pytest.raises(athena.exceptions.InvalidRequestException, match="WorkGroup nope is not found"):
        athena.create_prepared_statement(StatementName="other", QueryStatement="SELECT 1", WorkGroup="nope")
    for call in (athena.get_prepared_statement, athena.delete_prepared_statement):
        with pytest.raises(athena.exceptions.ResourceNotFoundException, match="PreparedStatement nope was not found"):
            call(StatementName="nope", **group)
    with pytest.raises(athena.exceptions.ResourceNotFoundException):
        athena.update_prepared_statement(StatementName="nope", QueryStatement="SELECT 1", **group)

    for name in ("b_2", "a_1"):
        athena.create_prepared_statement(StatementName=name, QueryStatement="SELECT 1", **group)
    first = athena.list_prepared_statements(MaxResults=2, **group)
    rest = athena.list_prepared_statements(MaxResults=2, NextToken=first["NextToken"], **group)
    names = [each["StatementName"] for page in (first, rest) for each in page["PreparedStatements"]]
    assert (names, "NextToken" in rest) == (["a_1", "b_2", "find_Nodes"], False)
    batch = athena.batch_get_prepared_statement(PreparedStatementNames=["a_1", "nope"], **group)
    assert [each["StatementName"] for each in batch["PreparedStatements"]] == ["a_1"]
    assert [each["StatementName"] for each in batch["UnprocessedPreparedStatementNames"]] == ["nope"]
    athena.delete_prepared_statement(StatementName="a_1", **group)
    listed = athena.list_prepared_statements(**group)["PreparedStatements"]
    assert [each["StatementName"] for each in listed] == ["b_2", "find_Nodes"]


def test_executing_needs_the_right_to_get_the_statement(prepared: Lake) -> None:
    """https://docs.aws.amazon.com/athena/latest/ug/security-iam-athena-prepared-statements.html"""
    reader = Reader(prepared.aws, f"reader-{prepared.database}")
    query = {"sql": "EXECUTE find_Nodes USING 'one', ''", "client": reader.athena, "WorkGroup": prepared.database}
    reader.grant(set(READER))
    assert "is not authorized to perform: athena:GetPreparedStatement" in prepared.error(**query)
    reader.grant({*READER, "athena:GetPreparedStatement"})
    assert prepared.start(**query)["Status"]["State"] == "SUCCEEDED"
    update = {"sql": "PREPARE find_Nodes FROM SELECT 1", "client": reader.athena, "WorkGroup": prepared.database}
    assert "is not authorized to perform: athena:UpdatePreparedStatement" in prepared.error(**update)


def test_a_stack_has_prepared_statements(prepared: Lake) -> None:
    cloudformation = prepared.aws.client("cloudformation", ACCOUNT)

    def template(name: str, query: str) -> str:
        properties = {"WorkGroup": prepared.database, "StatementName": name, "QueryStatement": query}
        resource = {"Type": "AWS::Athena::PreparedStatement", "Properties": properties}
        return json.dumps({"Resources": {"Statement": resource}, "Outputs": {"Name": {"Value": {"Ref": "Statement"}}}})

    def names() -> dict[str, str]:
        listed = prepared.athena.list_prepared_statements(WorkGroup=prepared.database)["PreparedStatements"]
        kept = prepared.athena.batch_get_prepared_statement(
            PreparedStatementNames=[each["StatementName"] for each in listed], WorkGroup=prepared.database
        )
        return {each["StatementName"]: each["QueryStatement"] for each in kept["PreparedStatements"]}

    stack = f"prepared-{prepared.database}"
    cloudformation.create_stack(StackName=stack, TemplateBody=template("of_stack", "SELECT 1"))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    assert described["Outputs"][0]["OutputValue"] == "of_stack"
    assert names() == {"find_Nodes": PREPARED, "of_stack": "SELECT 1"}
    for name in ("of_stack", "renamed"):
        cloudformation.update_stack(StackName=stack, TemplateBody=template(name, "SELECT 2"))
        cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
        assert names() == {"find_Nodes": PREPARED, name: "SELECT 2"}
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    assert names() == {"find_Nodes": PREPARED}


def test_show(nodes: Lake) -> None:
    def lines(sql: str) -> list[str | None]:
        execution = nodes.start(sql)
        found = nodes.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        return [row[0] for row in values(found)]

    assert lines("SHOW PARTITIONS nodes") == ["accountid=111/region=us-east-1", "accountid=222/region=eu-west-1"]
    assert lines(f"SHOW TABLES IN {nodes.database}") == ["nodes"]
    assert nodes.database in lines("SHOW DATABASES")


# Results.


def test_the_result_lies_where_the_api_says(nodes: Lake) -> None:
    execution = nodes.start("SELECT name, nullif(count, '') c FROM nodes ORDER BY name")
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{RESULTS}/{execution['QueryExecutionId']}.csv"
    key = location.removeprefix(f"s3://{RESULTS}/")
    content = nodes.s3.get_object(Bucket=RESULTS, Key=key)["Body"].read().decode()
    assert content == '"name","c"\n"one","1"\n"three","30"\n"two",\n'
    assert nodes.s3.head_object(Bucket=RESULTS, Key=f"{key}.metadata")


def test_results_have_types_nulls_and_pages(nodes: Lake) -> None:
    execution = nodes.start(
        "SELECT name, nullif(count, '') AS c, count(*) AS n, 1 AS i, 0.5e0 AS d, true AS b, name || '!' "
        "FROM nodes GROUP BY name, count ORDER BY name"
    )
    query = {"QueryExecutionId": execution["QueryExecutionId"]}
    first = nodes.athena.get_query_results(**query, MaxResults=3)
    assert values(first)[0] == ("name", "c", "n", "i", "d", "b", "_col6"), "the header is the first of the three rows"
    assert len(values(first)) == 3
    second = nodes.athena.get_query_results(**query, MaxResults=3, NextToken=first["NextToken"])
    assert values(second) == [("two", None, "1", "1", "0.5", "true", "two!")]
    assert "NextToken" not in second
    assert second["ResultSet"]["Rows"][0]["Data"][1] == {}
    types = [column["Type"] for column in second["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
    assert types == ["varchar", "varchar", "bigint", "integer", "double", "boolean", "varchar"]


def test_a_failed_query_has_no_results(nodes: Lake) -> None:
    execution = nodes.start("SELECT * FROM nope")
    with pytest.raises(ClientError, match=r"Query did not finish successfully\. Final query state: FAILED"):
        nodes.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])


# The workgroup.


def test_an_enforced_workgroup_ignores_the_clients_location(nodes: Lake) -> None:
    elsewhere = {"OutputLocation": f"s3://{nodes.database}/elsewhere/"}
    execution = nodes.start("SELECT 1", ResultConfiguration=elsewhere)
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{RESULTS}/")

    # The enforcement taken away, the client's location is used.
    update = nodes.athena.update_work_group
    update(WorkGroup=WORKGROUP, ConfigurationUpdates={"EnforceWorkGroupConfiguration": False})
    try:
        execution = nodes.start("SELECT 1", ResultConfiguration=elsewhere)
        assert execution["ResultConfiguration"]["OutputLocation"].startswith(elsewhere["OutputLocation"])
    finally:
        update(WorkGroup=WORKGROUP, ConfigurationUpdates={"EnforceWorkGroupConfiguration": True})


def test_a_workgroup_must_exist_be_enabled_and_have_a_location(nodes: Lake) -> None:
    with pytest.raises(ClientError, match="WorkGroup no-such-group is not found"):
        nodes.start("SELECT 1", WorkGroup="no-such-group")
    with pytest.raises(ClientError, match="No output location provided"):
        nodes.start("SELECT 1", WorkGroup="primary")
    with pytest.raises(ClientError, match="Unable to verify/create output bucket"):
        location = {"OutputLocation": "s3://no-such-bucket-at-all/"}
        nodes.start("SELECT 1", WorkGroup="primary", ResultConfiguration=location)
    nodes.athena.create_work_group(Name=nodes.database)
    nodes.athena.update_work_group(WorkGroup=nodes.database, State="DISABLED")
    with pytest.raises(ClientError, match=f"WorkGroup {nodes.database} is disabled"):
        nodes.start("SELECT 1", WorkGroup=nodes.database)


def test_a_query_that_scans_too_much_is_cancelled(nodes: Lake) -> None:
    nodes.put(f"nodes/{folder('111', 'us-east-1')}/big.json", '{"Name":"%s"}\n' % ("x" * 10_000_000))
    nodes.athena.create_work_group(
        Name=nodes.database,
        Configuration={
            "ResultConfiguration": {"OutputLocation": f"s3://{RESULTS}/limited/"},
            "BytesScannedCutoffPerQuery": 10_000_000,
        },
    )
    execution = nodes.start("SELECT count(*) FROM nodes", WorkGroup=nodes.database)
    status = execution["Status"]
    assert (status["State"], status["StateChangeReason"]) == ("CANCELLED", "Bytes scanned limit was exceeded")
    assert execution["Statistics"]["DataScannedInBytes"] == 10_000_000, "so much was read, and is paid for"
    small = nodes.start("SELECT count(*) FROM nodes WHERE accountid = '222'", WorkGroup=nodes.database)
    assert small["Status"]["State"] == "SUCCEEDED"


# The caller's rights.

READER = [
    "athena:StartQueryExecution",
    "athena:GetQueryResults",
    "glue:GetDatabase",
    "glue:GetTable",
    "glue:GetPartitions",
    "s3:ListBucket",
    "s3:GetObject",
    "s3:GetBucketLocation",
    "s3:PutObject",
    "kms:Decrypt",
    "kms:GenerateDataKey",
]


@dataclass
class Reader:
    """A role's session that queries, and the grants of its role."""

    aws: LocalAws
    name: str

    def __post_init__(self) -> None:
        self.iam = self.aws.client("iam", ACCOUNT)
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
        role = self.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        session = self.aws.client("sts", ACCOUNT).assume_role(RoleArn=role, RoleSessionName="reader")
        self.athena = self.aws.client_for("athena", session["Credentials"])

    def grant(self, actions: set[str], resource: str = "*") -> None:
        statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": resource}
        document = json.dumps({"Statement": [statement]})
        self.iam.put_role_policy(RoleName=self.name, PolicyName="read", PolicyDocument=document)


@pytest.fixture
def encrypted(nodes: Lake) -> str:
    """A KMS key that the objects of `nodes` and the results of a workgroup named like the database are under."""
    key = nodes.aws.client("kms", ACCOUNT).create_key()["KeyMetadata"]["Arn"]
    nodes.put(
        f"nodes/{folder('111', 'us-east-1')}/i-1.json",
        '{"resourceId":"i-1"}\n',
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=key,
    )
    encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": key}
    nodes.athena.create_work_group(
        Name=nodes.database,
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {
                "OutputLocation": f"s3://{RESULTS}/{nodes.database}/",
                "EncryptionConfiguration": encryption,
            },
        },
    )
    return key


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("glue:GetDatabase", "Insufficient permissions to execute the query."),
        ("glue:GetTable", "Insufficient permissions to execute the query."),
        ("glue:GetPartitions", "Insufficient permissions to execute the query."),
        ("s3:ListBucket", "PERMISSION_DENIED: Permission denied on S3 path: s3://"),
        ("s3:GetObject", "PERMISSION_DENIED: Permission denied on S3 path: s3://"),
        ("kms:Decrypt", "PERMISSION_DENIED: Permission denied on S3 path: s3://"),
        ("s3:PutObject", "Access denied when writing output to url: s3://"),
        ("s3:GetBucketLocation", "Access denied when writing output to url: s3://"),
        ("kms:GenerateDataKey", "Access denied when writing output to url: s3://"),
    ],
)
def test_a_query_fails_without_the_callers_grant(nodes: Lake, encrypted: str, missing: str, expected: str) -> None:
    reader = Reader(nodes.aws, f"reader-{nodes.database}")
    reader.grant(set(READER))
    query = {"sql": "SELECT count(*) FROM nodes", "client": reader.athena, "WorkGroup": nodes.database}
    execution = nodes.start(**query)
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    stored = execution["ResultConfiguration"]["OutputLocation"].removeprefix(f"s3://{RESULTS}/")
    assert nodes.s3.head_object(Bucket=RESULTS, Key=stored)["SSEKMSKeyId"] == encrypted

    reader.grant(set(READER) - {missing})
    message = nodes.error(**query)
    assert message.startswith(expected)
    if not expected.startswith("Access denied"):
        assert f"assumed-role/reader-{nodes.database}/reader is not authorized to perform: {missing}" in message


@pytest.mark.parametrize("missing", ["s3:GetObject", "kms:Decrypt"])
def test_results_are_fetched_with_the_callers_rights(nodes: Lake, encrypted: str, missing: str) -> None:
    reader = Reader(nodes.aws, f"reader-{nodes.database}")
    reader.grant(set(READER))
    execution = nodes.start("SELECT 1", client=reader.athena, WorkGroup=nodes.database)
    query = {"QueryExecutionId": execution["QueryExecutionId"]}
    assert values(reader.athena.get_query_results(**query)) == [("_col0",), ("1",)]
    reader.grant(set(READER) - {missing})
    with pytest.raises(ClientError, match=f"is not authorized to perform: {missing}"):
        reader.athena.get_query_results(**query)


def test_what_is_named_by_its_id_is_its_workgroups(nodes: Lake) -> None:
    reader = Reader(nodes.aws, f"reader-{nodes.database}")
    reader.grant({"athena:*"}, f"arn:aws:athena:us-east-1:{ACCOUNT}:workgroup/{nodes.database}")
    others = f"{nodes.database}-others"
    for workgroup, may in ((nodes.database, True), (others, False)):
        location = {"ResultConfiguration": {"OutputLocation": f"s3://{RESULTS}/"}}
        nodes.athena.create_work_group(Name=workgroup, Configuration=location)
        query = nodes.start("SELECT 1", WorkGroup=workgroup)["QueryExecutionId"]
        saved = nodes.athena.create_named_query(
            Name="saved", Database=nodes.database, QueryString="SELECT 1", WorkGroup=workgroup
        )["NamedQueryId"]
        for call, request in (
            (reader.athena.get_query_execution, {"QueryExecutionId": query}),
            (reader.athena.batch_get_query_execution, {"QueryExecutionIds": [query]}),
            (reader.athena.get_named_query, {"NamedQueryId": saved}),
            (reader.athena.batch_get_named_query, {"NamedQueryIds": [saved]}),
        ):
            if may:
                call(**request)
            else:
                with pytest.raises(ClientError, match="is not authorized to perform: athena:"):
                    call(**request)
