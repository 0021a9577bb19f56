"""What a section shows, as text for a terminal and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Table:
    """A table of texts, with notes below it."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Aligned columns, the first to the left and the others to the right."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.columns))]

        def aligned(line: list[str]) -> str:
            first, *others = (
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            return "  ".join([first, *others]).rstrip()

        rule = "-" * len(aligned(["x" * width for width in widths]))
        notes = [f"  {note}" for note in self.notes]
        return "\n".join([self.title, rule, aligned(self.columns), rule, *map(aligned, self.rows), *notes])

    def markdown(self) -> str:
        """A table with its title as a bold line and its notes as a list."""

        def row(cells: list[str]) -> str:
            return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

        rule = row(["---", *["---:"] * (len(self.columns) - 1)])
        lines = [f"**{self.title}**", "", row(self.columns), rule, *map(row, self.rows)]
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines)
