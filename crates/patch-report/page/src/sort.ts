/** The order of the nodes in their table. */

import { type Fleet, type NumberColumn, STRING_COLUMNS, type StringColumn, severityRank } from "./data";
import { compare } from "./figures";

export type Column = StringColumn | NumberColumn | "findings";
export interface Sort { column: Column; descending: boolean }

const ranks = new WeakMap<Fleet, Map<Column, Float64Array>>();

function isText(column: Column): column is StringColumn {
  return (STRING_COLUMNS as readonly string[]).includes(column);
}

/** By node: a number that sorts as the column does; -1 is a node without a value. Made once for each column. */
function ranksOf(fleet: Fleet, column: Column): Float64Array {
  let known = ranks.get(fleet);
  if (!known) ranks.set(fleet, (known = new Map()));
  let rank = known.get(column);
  if (!rank) known.set(column, (rank = ranked(fleet, column)));
  return rank;
}

function ranked(fleet: Fleet, column: Column): Float64Array {
  const nodes = fleet.nodes!;
  if (column === "findings") {
    const start = fleet.findings?.start;
    return Float64Array.from({ length: nodes.count }, (_, i) => (start ? start[i + 1]! - start[i]! : -1));
  }
  if (!isText(column)) {
    const isTime = column === "lastScan" || column === "lastSeen";
    return ranksOfNumbers(isTime ? nodes.number[column].map((time) => time || -1) : nodes.number[column]);
  }
  const values = nodes.text[column];
  if (column === "severity") {
    // The worst first, as in every list of severities.
    return Float64Array.from(values, (value) => (fleet.strings[value] ? severityRank(fleet.strings[value]!) : -1));
  }
  const distinct = [...new Set(values)].map((index) => ({ index, key: keyOf(fleet.strings[index] ?? "") }));
  distinct.sort((a, b) => compare(a.key, b.key));
  const place = new Map(distinct.map(({ index, key }, i) => [index, key === "" ? -1 : i]));
  return Float64Array.from(values, (value) => place.get(value)!);
}

/**
 * Numbers as their places among each other. Machines report numbers of any size, and one that is large times the number
 * of nodes is no longer exact.
 */
function ranksOfNumbers(values: Float64Array): Float64Array {
  const distinct = Float64Array.from(new Set(values)).sort();
  const place = new Map(Array.from(distinct, (value, i) => [value, value < 0 ? -1 : i]));
  return values.map((value) => place.get(value)!);
}

/** Letters of either case are the same, and a number in a text sorts as a number (`3.10` after `3.9`). */
function keyOf(text: string): string {
  return text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

/** The nodes in order. Those without a value are last in either direction; equals stay in the data's order. */
export function sorted(fleet: Fleet, shown: Uint32Array, sort: Sort | null): Uint32Array {
  if (!sort) return shown;
  const rank = ranksOf(fleet, sort.column);
  const size = fleet.nodes!.count + 1;
  // A number each for rank and place, so that the engine's own numeric sort does it, without a call per comparison.
  let top = 0;
  for (const i of shown) if (rank[i]! > top) top = rank[i]!;
  const keys = Float64Array.from(shown, (i) => {
    const value = rank[i]!;
    const place = value < 0 ? top + 1 : sort.descending ? top - value : value;
    return place * size + i;
  });
  keys.sort();
  return Uint32Array.from(keys, (key) => key % size);
}
