"""The columns that a crawler finds in JSON lines.

Glue's JSON classifier: every attribute of every line is a column, in order of first sight and with its name in lower
case (column names of the Data Catalog do not tell cases apart): https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html
Lines that are no JSON object tell nothing, and neither do empty files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

# How much of each file is read.
_READ_BYTES = 1024 * 1024

_INT_BITS, _BIGINT_BITS = 31, 63


@dataclass
class Schema:
    """Columns by name in order of first sight, with Glue's type or None while only null was seen, and statistics."""

    types: dict[str, str | None] = field(default_factory=dict)
    # The attributes' own spelling, which the SerDe's parameter `paths` holds.
    spellings: dict[str, str] = field(default_factory=dict)
    objects: int = 0
    bytes: int = 0
    records: int = 0

    def columns(self) -> list[dict[str, str]]:
        """The columns in the shape of the catalog."""
        return [{"Name": name, "Type": kind or "string"} for name, kind in self.types.items()]

    def merge(self, other: Schema) -> None:
        """Add what another part of the table has."""
        for name, kind in other.types.items():
            self._see(other.spellings[name], kind)
        self.objects += other.objects
        self.bytes += other.bytes
        self.records += other.records

    def _see(self, attribute: str, kind: str | None) -> None:
        name = attribute.lower()
        self.spellings.setdefault(name, attribute)
        self.types[name] = _common_type(self.types.get(name), kind)


class SchemaReader:
    """Reads files into schemas, and reads a line in full only if none of the same shape was read before.

    A fleet's files hold millions of lines of a few dozen shapes. A line's shape is what is left of it without its
    values: of an object whose values are all strings, every second pair of quotation marks.
    """

    def __init__(self) -> None:
        self._shapes: dict[bytes, tuple[str, ...]] = {}

    def read(self, bodies: Iterable[bytes]) -> Schema:
        """The schema of some files' contents, in order."""
        schema = Schema()
        seen: set[bytes] = set()
        for body in bodies:
            schema.objects += 1
            schema.bytes += len(body)
            for line in body[:_READ_BYTES].splitlines():
                parts = line.split(b'"')
                del parts[3::4]
                shape = b'"'.join(parts)
                if shape in seen:
                    schema.records += 1
                    continue
                attributes = self._attributes(shape, line)
                if attributes is None:
                    continue
                schema.records += 1
                if shape in self._shapes:
                    seen.add(shape)
                for attribute, kind in attributes:
                    schema._see(attribute, kind)
        return schema

    def _attributes(self, shape: bytes, line: bytes) -> list[tuple[str, str | None]] | None:
        known = self._shapes.get(shape)
        if known is not None:
            return [(attribute, "string") for attribute in known]
        try:
            row = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except ValueError:
            return None
        if not isinstance(row, dict):
            return None
        # Three of the four marks of each pair are left, unless a value holds some itself and the shape is a single one.
        if all(isinstance(value, str) for value in row.values()) and shape.count(b'"') == 3 * len(row):
            self._shapes[shape] = tuple(row)
        return [(attribute, _type_of(value)) for attribute, value in row.items()]


def column_names(bodies: Iterable[bytes]) -> frozenset[str]:
    """The column names in some files' contents."""
    return frozenset(SchemaReader().read(bodies).types)


def _type_of(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        bits = value.bit_length()
        return "int" if bits <= _INT_BITS else "bigint" if bits <= _BIGINT_BITS else "double"
    if isinstance(value, float):
        return "double"
    if isinstance(value, list):
        element: str | None = None
        for item in value:
            element = _common_type(element, _type_of(item))
        return f"array<{element or 'string'}>"
    if isinstance(value, dict):
        return f"struct<{','.join(_fields(value))}>"
    return "string"


def _fields(value: dict[str, Any]) -> Iterator[str]:
    for name, member in value.items():
        yield f"{name}:{_type_of(member) or 'string'}"


def _common_type(left: str | None, right: str | None) -> str | None:
    """The type that holds both; text holds everything."""
    if left is None or right is None or left == right:
        return left or right
    numbers = ["int", "bigint", "double"]
    if left in numbers and right in numbers:
        return max(left, right, key=numbers.index)
    return "string"
