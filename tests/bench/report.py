"""What a section shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Table:
    """A table of texts, with notes below it."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
