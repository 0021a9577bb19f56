/** Tables as CSV (RFC 4180), for a spreadsheet that must not take what a machine calls itself for a formula. */

export type Cell = string | number | null;

/** Lets Excel read it as UTF-8. */
const BOM = "\uFEFF";

/**
 * A sign that makes a formula where it begins a cell, the full-width forms included. What stands before it may be trimmed. A cell
 * also begins behind a semicolon, a tab or the end of a line, for spreadsheets with other separators, which do not see the
 * quotation marks.
 */
const FORMULA = /((?:^|[;\t\r\n])[\s\p{Cc}\ufeff]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/gu;

/** One field. A text that a spreadsheet would calculate gets an apostrophe before the sign. */
export function field(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const text = cell.replace(FORMULA, "$1'");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function record(cells: readonly Cell[]): string {
  return `${cells.map(field).join(",")}\r\n`;
}

/** The file in pieces of some thousand rows, so that a million of them need no one long string. */
export function csv(head: readonly string[], rows: Iterable<readonly Cell[]>): string[] {
  const pieces: string[] = [];
  let piece = BOM + record(head);
  let count = 0;
  for (const row of rows) {
    piece += record(row);
    if (++count % 5000 === 0) {
      pieces.push(piece);
      piece = "";
    }
  }
  pieces.push(piece);
  return pieces;
}

/** Hands the file to the browser as a download. */
export function save(name: string, head: readonly string[], rows: Iterable<readonly Cell[]>): void {
  const url = URL.createObjectURL(new Blob(csv(head, rows), { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // Not at once: the browser has yet to read it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
