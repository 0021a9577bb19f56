/** What the parts of the page are given: the data, what is counted of it, and how to show something else. */

import type { Fleet, Summary } from "./data";
import { type Filter, isEmpty, maskOf, othersMaskOf, patchesOfSeverity, shownOf } from "./filter";
import {
  agesOf, type Figures, figuresOf, type Group, groupsOf, type Heat, heatOf, type MissingPatch, missingOf,
} from "./figures";
import type { State } from "./hash";
import { secondsOf } from "./words";

/** What follows the filter and is of the nodes. */
export interface Shown {
  nodes: Uint32Array;
  figures: Figures;
  heat: Heat;
  ages: Group[];
  platforms: Group[];
  systems: Group[];
  patchGroups: Group[];
}

/** What follows the filter and is of the patches that are not in order. */
export interface Found {
  missing: MissingPatch[];
  /** Those of which only their patches are known. */
  others: Uint32Array;
}

/** A change of what is shown. One that a reader may want to go back from is a step in the browser's history. */
export type Show = (change: Partial<State>, step?: boolean) => void;

export interface View {
  summary: Summary;
  /** Null until the data is unpacked. */
  fleet: Fleet | null;
  /** Why there is no data. */
  problem: string | null;
  state: State;
  /** Null without nodes. */
  shown: Shown | null;
  /** Null without findings. */
  found: Found | null;
  show: Show;
  /** All rows at once, within reason, and nothing folded away. */
  printing: boolean;
}

export function shownBy(fleet: Fleet, filter: Filter, summary: Summary): Shown | null {
  if (!fleet.nodes) return null;
  const nodes = shownOf(maskOf(fleet, filter));
  return {
    nodes,
    figures: figuresOf(fleet.nodes, nodes),
    heat: heatOf(fleet, nodes),
    ages: agesOf(fleet.nodes, nodes, secondsOf(summary.made) ?? 0),
    platforms: groupsOf(fleet, nodes, "platform"),
    systems: groupsOf(fleet, nodes, "os"),
    patchGroups: groupsOf(fleet, nodes, "patchGroup"),
  };
}

export function foundBy(fleet: Fleet, filter: Filter, shown: Shown | null): Found | null {
  if (!fleet.findings) return null;
  const others = shownOf(othersMaskOf(fleet, filter));
  const wanted = patchesOfSeverity(fleet, filter.values.severity);
  return { others, missing: missingOf(fleet, shown?.nodes ?? new Uint32Array(0), others, wanted) };
}

/** Why a part of the report is not there, in Athena's words. */
export function missingPart(summary: Summary, query: string): string {
  const run = summary.queries.find(({ name }) => name === query);
  return `Not known: ${query} did not succeed${run?.reason ? ` (${run.reason})` : ""}.`;
}

/** A name for a file that is saved: what it holds, and of when. */
export function fileName(what: string, summary: Summary, filter: Filter): string {
  const day = summary.made.replace(/[^0-9TZ]/g, "").slice(0, 8);
  return `patch-${what}${isEmpty(filter) ? "" : "-filtered"}-${day}.csv`;
}

/** Moves the reader there, with the keyboard too. */
export function goTo(id: string): void {
  const target = document.getElementById(id);
  target?.focus({ preventScroll: true });
  target?.scrollIntoView({ block: "start" });
}
