"""What Trino 483 does with odd files, odd definitions and wrong queries: plain data, each case seen on real Trino.

`test_trino_cases.py` runs every case on Trino and on the local AWS's Athena, which is held to the same answer. All
tables have the columns COLUMNS, read as those of the crawler's tables are (JSON lines, by the OpenX SerDe), and the
partition keys KEYS. Whether AWS's own reader does the same is documented for some cases only:
https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field

Row = tuple[str | None, ...]

DATABASE = "cases"
COLUMNS = {"resourceid": "string", "name": "string", "detail": "string"}
KEYS = ("accountid", "region")

# The values of the two registered partitions. Odd files lie in the first one.
ODD, GOOD = ("111", "us-east-1"), ("222", "eu-west-1")
GOOD_FILE = b'{"resourceId":"i-9","Name":"good","Title":"good"}\n'


def folder(values: tuple[str, str]) -> str:
    """Where a partition's files lie below its table's location."""
    return "/".join(f"{key}={value}" for key, value in zip(KEYS, values, strict=True))


@dataclass(frozen=True)
class FileCase:
    """A file in the odd partition, and the rows of COLUMNS that it reads as; or the error of a query that reads it.

    `{file}` in an error stands for the file's address. `key` is the file's name below the partition's folder.
    """

    name: str
    content: bytes
    expected: list[Row] | str
    serde: dict[str, str] = field(default_factory=dict)
    key: str = "odd.json"


BROKEN = "HIVE_CURSOR_ERROR: Failed to read file at {file}"
IGNORE_MALFORMED = {"ignore.malformed.json": "true"}
NOTHING = (None, None, None)
I_1 = ("i-1", "one", None)
I_2 = ("i-2", "two", None)
LINE_1 = b'{"resourceId":"i-1","Name":"one"}'
LINE_2 = b'{"resourceId":"i-2","Name":"two"}'
PRETTY = b'{\n  "resourceId": "i-1",\n  "Name": "one"\n}\n'


def _detail(name: str, json: bytes, expected: str | None) -> FileCase:
    """A line whose attribute Detail has that JSON value."""
    return FileCase(name, b'{"resourceId":"i-1","Detail":%s}\n' % json, [("i-1", None, expected)])


FILES = [
    # Lines.
    FileCase("zero bytes", b"", []),
    FileCase("one newline", b"\n", [NOTHING]),
    FileCase("one line", LINE_1 + b"\n", [I_1]),
    FileCase("no newline at the end", LINE_1 + b"\n" + LINE_2, [I_1, I_2]),
    FileCase("blank line first", b"\n" + LINE_1 + b"\n", [I_1, NOTHING]),
    FileCase("blank line between", LINE_1 + b"\n\n" + LINE_2 + b"\n", [I_1, I_2, NOTHING]),
    FileCase("blank line last", LINE_1 + b"\n\n", [I_1, NOTHING]),
    FileCase("line of blanks", LINE_1 + b"\n \t \n", [I_1, NOTHING]),
    FileCase("blanks around an object", b"  " + LINE_1 + b" \t\n", [I_1]),
    FileCase("CRLF", LINE_1 + b"\r\n" + LINE_2 + b"\r\n", [I_1, I_2]),
    FileCase("CRLF blank line", LINE_1 + b"\r\n\r\n", [I_1, NOTHING]),
    FileCase("CR alone", LINE_1 + b"\r" + LINE_2 + b"\n", [I_1, I_2]),
    FileCase("byte order mark", b"\xef\xbb\xbf" + LINE_1 + b"\n", [I_1]),
    FileCase("byte order mark alone", b"\xef\xbb\xbf", []),
    FileCase("two objects on one line", LINE_1 + b" " + LINE_2 + b"\n", [I_1]),
    FileCase("two objects touching", LINE_1 + LINE_2 + b"\n", [I_1]),
    FileCase("words after an object", LINE_1 + b" and so on\n", [I_1]),
    FileCase("empty object", b"{}\n", [NOTHING]),
    # A line that begins like an object or a list and is none fails the query; one that begins otherwise is all NULL.
    FileCase("object cut off", LINE_1 + b'\n{"resourceId":"i-2","Na', BROKEN),
    FileCase("text cut off", b'{"resourceId":"i-1","Name":"on\n' + LINE_2 + b"\n", BROKEN),
    FileCase("comma missing", b'{"resourceId":"i-1" "Name":"one"}\n', BROKEN),
    FileCase("comma too many", b'{"resourceId":"i-1","Name":"one",}\n', BROKEN),
    FileCase("value missing", b'{"resourceId":"i-1","Name":}\n', BROKEN),
    FileCase("pretty-printed", PRETTY, BROKEN),
    FileCase("list cut off", b'["i-1",\n', BROKEN),
    FileCase("words", LINE_1 + b"\ntest it\n", [I_1, NOTHING]),
    FileCase("object after a word", b"test " + LINE_1 + b"\n", [NOTHING]),
    FileCase("closing brace", LINE_1 + b"\n}\n", [I_1, NOTHING]),
    FileCase("number", b"5\n", [NOTHING]),
    FileCase("text", b'"test"\n', [NOTHING]),
    FileCase("null", b"null\n", [NOTHING]),
    FileCase("list, read by position", b'["i-1","one",{"a":[1]},"more"]\n', [("i-1", "one", '{"a":[1]}')]),
    FileCase("list that is too short", b'["i-1"]\n', [("i-1", None, None)]),
    FileCase("object cut off, ignored", LINE_1 + b'\n{"resourceId":"i-2","Na', [I_1, NOTHING], IGNORE_MALFORMED),
    FileCase("comma too many, ignored", b'{"resourceId":"i-1","Name":"one",}\n', [NOTHING], IGNORE_MALFORMED),
    FileCase("pretty-printed, ignored", PRETTY, [NOTHING] * 4, IGNORE_MALFORMED),
    FileCase("words, ignored", LINE_1 + b"\ntest it\n" + LINE_2 + b"\n", [I_1, I_2, NOTHING], IGNORE_MALFORMED),
    FileCase("list, ignored", b'["i-1","one"]\n', [I_1], IGNORE_MALFORMED),
    # Attributes.
    FileCase("changed case", b'{"RESOURCEID":"i-1","name":"one"}\n', [I_1]),
    FileCase("differ by case", b'{"resourceId":"i-1","Name":"first","name":"last"}\n', [("i-1", "last", None)]),
    FileCase("twice the same", b'{"resourceId":"i-1","Name":"first","Name":"last"}\n', [("i-1", "last", None)]),
    FileCase("missing attribute", b'{"resourceId":"i-1"}\n', [("i-1", None, None)]),
    FileCase("unknown attribute", b'{"resourceId":"i-1","Name":"one","New":{"x":[1]}}\n', [I_1]),
    FileCase("like the partition keys", b'{"resourceId":"i-1","Name":"one","Region":"x","accountid":"y"}\n', [I_1]),
    FileCase("mapped", b'{"resourceId":"i-1","Title":"one","Name":"no"}\n', [I_1], {"mapping.name": "Title"}),
    FileCase("dot in an attribute", b'{"resourceId":"i-1","Na.me":"one"}\n', [("i-1", None, None)]),
    # Values in a column of text.
    _detail("null value", b"null", None),
    _detail("the word null", b'"null"', "null"),
    _detail("empty text", b'""', ""),
    _detail("escapes", b'"a\\nb \\"c\\" \\u00e9 \\/"', 'a\nb "c" é /'),
    _detail("beyond the BMP", '"\N{ROCKET} \\ud83d\\ude80"'.encode(), "\N{ROCKET} \N{ROCKET}"),
    _detail("half a surrogate pair", b'"a\\ud83db"', "a?b"),
    _detail("control characters", b'"a\x01b\tc"', "a\x01b\tc"),
    _detail("invalid UTF-8", b'"a\xffb"', "a\N{REPLACEMENT CHARACTER}b"),
    _detail("line separator", b'"a\xe2\x80\xa8b"', "a\N{LINE SEPARATOR}b"),
    _detail("integer", b"5", "5"),
    _detail("large integer", b"12345678901234567890123", "12345678901234567890123"),
    _detail("fraction", b"1.50", "1.50"),
    _detail("large number", b"1.5e10", "1.5E+10"),
    _detail("small number", b"1e-7", "1E-7"),
    _detail("truth", b"true", "true"),
    _detail("object", b'{ "b": [1, 2.50], "A": null }', '{"b":[1,2.50],"A":null}'),
    _detail("list", b'[ "x", {"y": 1.0} ]', '["x",{"y":1.0}]'),
    # Names of files.
    FileCase("no suffix", LINE_1 + b"\n", [I_1], key="odd"),
    FileCase("odd characters", LINE_1 + b"\n", [I_1], key="\N{LATIN SMALL LETTER U WITH DIAERESIS} &+%.json"),
    FileCase("deep in the partition", LINE_1 + b"\n", [I_1], key="some/where/odd.json"),
    FileCase("underscore in front", LINE_1 + b"\n", [], key="_odd.json"),
    FileCase("dot in front", LINE_1 + b"\n", [], key=".odd.json"),
    FileCase("below an underscore", LINE_1 + b"\n", [], key="_some/odd.json"),
    FileCase("mark of a folder", b"", [], key="some/"),
    FileCase("compressed", gzip.compress(LINE_1 + b"\n", mtime=0), [I_1], key="odd.json.gz"),
]


@dataclass(frozen=True)
class DefinitionCase:
    """The types of the column `detail` in a table and in its odd partition's descriptor, and its value in the odd file.

    Of MISMATCHES no query that asks for the column gets an answer, unless its WHERE leaves the partition out; of
    COERCIONS it reads what is expected.
    """

    table: str
    partition: str
    value: bytes = b"5"
    expected: str | None = None

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.table} over {self.partition}, {self.value.decode()}"


# https://docs.aws.amazon.com/athena/latest/ug/updates-and-partitions.html
MISMATCH = (
    "HIVE_PARTITION_SCHEMA_MISMATCH: There is a mismatch between the table and partition schemas. The types are "
    "incompatible and cannot be coerced. The column 'detail' in table 'cases.{table}' is declared as type "
    "'{table_type}', but partition 'accountid=111/region=us-east-1' declared column 'detail' as type "
    "'{partition_type}'."
)
MISMATCHES = [
    DefinitionCase("string", "array<string>"),
    DefinitionCase("string", "struct<x:string>"),
    DefinitionCase("string", "map<string,string>"),
    DefinitionCase("array<string>", "string"),
    DefinitionCase("struct<x:string>", "string"),
    DefinitionCase("struct<x:string>", "struct<y:string>"),
    DefinitionCase("int", "bigint"),
    DefinitionCase("int", "double"),
    DefinitionCase("int", "boolean"),
    DefinitionCase("boolean", "int"),
]
COERCIONS = [
    DefinitionCase("string", "int", b"5", "5"),
    DefinitionCase("string", "bigint", b"12345678901", "12345678901"),
    DefinitionCase("string", "double", b"1.50", "1.5"),
    DefinitionCase("string", "double", b"5", "5.0"),
    DefinitionCase("string", "boolean", b"true", "TRUE"),
    DefinitionCase("string", "varchar(10)", b'"five"', "five"),
    DefinitionCase("int", "string", b'"5"', "5"),
    DefinitionCase("int", "string", b'"five"', None),
    DefinitionCase("bigint", "int", b"5", "5"),
    DefinitionCase("double", "string", b'"1.5"', "1.5"),
    DefinitionCase("double", "int", b"5", "5.0"),
    DefinitionCase("boolean", "string", b'"true"', "true"),
]

# What a partition's descriptor may list beside what the table's does, without any harm to the values.
HARMLESS_PARTITION_COLUMNS = {
    "fewer": {"resourceid": "string"},
    "none": {},
    "others": {**COLUMNS, "more": "array<string>"},
    "another first": {"more": "string", **COLUMNS},
    "in another order": dict(reversed(COLUMNS.items())),
    "the partition keys too": {**COLUMNS, "region": "string", "accountid": "string"},
}


@dataclass(frozen=True)
class ErrorCase:
    """A query that fails, and its error: Trino's, and if not `only_name`, the local Athena's to the letter.

    There are tables `nodes`, without fault, and `twice`, with a column named like a partition key.
    """

    name: str
    sql: str
    expected: str
    only_name: bool = False


DUPLICATE = (
    "HIVE_INVALID_METADATA: Hive metadata for table twice is invalid: Table descriptor contains duplicate columns"
)
ERRORS = [
    ErrorCase("duplicate column", "SELECT name FROM twice", DUPLICATE),
    ErrorCase("duplicate column, count", "SELECT count(*) FROM twice", DUPLICATE),
    ErrorCase("duplicate column, one partition", "SELECT name FROM twice WHERE accountid = '222'", DUPLICATE),
    ErrorCase("duplicate column, join", "SELECT 1 FROM nodes, twice", DUPLICATE),
    ErrorCase(
        "missing table",
        "SELECT *\nFROM nope",
        "TABLE_NOT_FOUND: line 2:6: Table 'awsdatacatalog.cases.nope' does not exist",
    ),
    ErrorCase("missing database", "SELECT * FROM no.t", "SCHEMA_NOT_FOUND: line 1:15: Schema 'no' does not exist"),
    ErrorCase("missing catalog", "SELECT * FROM no.no.t", "CATALOG_NOT_FOUND: line 1:15: Catalog 'no' not found"),
    ErrorCase(
        "missing column",
        "SELECT name, nope FROM nodes",
        "COLUMN_NOT_FOUND: line 1:14: Column 'nope' cannot be resolved",
    ),
    ErrorCase(
        "missing column of an alias",
        "SELECT n.nope FROM nodes AS n",
        "COLUMN_NOT_FOUND: line 1:8: Column 'n.nope' cannot be resolved",
    ),
    ErrorCase(
        "alias in its own SELECT",
        "SELECT name AS x FROM nodes WHERE x = 'one'",
        "COLUMN_NOT_FOUND: line 1:35: Column 'x' cannot be resolved",
    ),
    ErrorCase(
        "ambiguous column", "SELECT name FROM nodes a, nodes b", "AMBIGUOUS_NAME: line 1:8: Column 'name' is ambiguous"
    ),
    ErrorCase(
        "text and number",
        "SELECT 1 FROM nodes WHERE name = 5",
        "TYPE_MISMATCH: line 1:32: Cannot apply operator: varchar = integer",
        only_name=True,
    ),
    ErrorCase(
        "text and date",
        "SELECT 1 FROM nodes WHERE name >= DATE '2026-01-01'",
        "TYPE_MISMATCH: line 1:32: Cannot apply operator: varchar <= date",
        only_name=True,
    ),
    ErrorCase(
        "no number",
        "SELECT cast(name AS integer) FROM nodes WHERE name = 'good'",
        "INVALID_CAST_ARGUMENT: Cannot cast 'good' to INT",
    ),
    ErrorCase(
        "no time",
        "SELECT from_iso8601_timestamp('')",
        'INVALID_FUNCTION_ARGUMENT: Invalid format: ""',
    ),
    ErrorCase("division by zero", "SELECT 1 / (count(*) - count(*)) FROM nodes", "DIVISION_BY_ZERO: Division by zero"),
    ErrorCase(
        "not grouped",
        "SELECT name, count(*) FROM nodes",
        "EXPRESSION_NOT_AGGREGATE: line 1:8: 'name' must be an aggregate expression or appear in GROUP BY clause",
        only_name=True,
    ),
    ErrorCase(
        "missing function",
        "SELECT nope(name) FROM nodes",
        "FUNCTION_NOT_FOUND: line 1:8: Function 'nope' not registered",
        only_name=True,
    ),
    ErrorCase(
        "no parameter",
        "SELECT name FROM nodes WHERE name = ?",
        "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 1 but found 0",
    ),
]
