/** What is counted of the nodes that are shown. The words are those of the glossary in docs/queries.md. */

import { type Findings, type Fleet, NONE, type Nodes, SEVERITIES, type StringColumn } from "./data";

/** Nodes by status. */
export interface Counts { nodes: number; compliant: number; nonCompliant: number; notScanned: number }

export interface Figures extends Counts {
  stale: number;
  /** Null if the query that tells failed. */
  waiting: number | null;
  behind: number | null;
  /** Epoch seconds, 0 if no node was ever scanned. */
  newestScan: number;
  oldestScan: number;
}

/** Compliant nodes in percent of all nodes, rounded half up to one digit; null of no nodes. */
export function rateOf({ compliant, nodes }: { compliant: number; nodes: number }): number | null {
  // In whole numbers, so that no half is lost to a binary fraction.
  return nodes === 0 ? null : Math.floor((compliant * 2000 + nodes) / (2 * nodes)) / 10;
}

function noCounts(): Counts {
  return { nodes: 0, compliant: 0, nonCompliant: 0, notScanned: 0 };
}

function count(counts: Counts, status: number): void {
  counts.nodes++;
  if (status === 0) counts.compliant++;
  else if (status === 1) counts.nonCompliant++;
  else counts.notScanned++;
}

export function figuresOf(nodes: Nodes, shown: Uint32Array): Figures {
  const { status, stale, waiting, behind, lastScan } = nodes.number;
  const figures: Figures = { ...noCounts(), stale: 0, waiting: 0, behind: 0, newestScan: 0, oldestScan: 0 };
  let waits = 0;
  let lags = 0;
  for (const i of shown) {
    count(figures, status[i]!);
    figures.stale += stale[i]!;
    waits += waiting[i]!;
    lags += behind[i]!;
    const scan = lastScan[i]!;
    if (scan > figures.newestScan) figures.newestScan = scan;
    if (scan > 0 && (figures.oldestScan === 0 || scan < figures.oldestScan)) figures.oldestScan = scan;
  }
  return { ...figures, waiting: nodes.hasWaiting ? waits : null, behind: nodes.hasBehind ? lags : null };
}

export interface Group extends Counts { value: string }

/** The nodes by the values of a column, the most nodes first. */
export function groupsOf(fleet: Fleet, shown: Uint32Array, column: StringColumn): Group[] {
  const nodes = fleet.nodes!;
  const values = nodes.text[column];
  const { status } = nodes.number;
  const groups = new Map<number, Group>();
  for (const i of shown) {
    const value = values[i]!;
    let group = groups.get(value);
    if (!group) groups.set(value, (group = { value: fleet.strings[value] || NONE, ...noCounts() }));
    count(group, status[i]!);
  }
  return [...groups.values()].sort((a, b) => b.nodes - a.nodes || compare(a.value, b.value));
}

/** In the order of code points, as Athena sorts. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const DAY = 86_400;
/** Upper ends of the ages, in days. */
const AGES = [1, 7, 14, 30, 60, 90] as const;

/** The nodes by the age of their newest scan when the report was made. */
export function agesOf(nodes: Nodes, shown: Uint32Array, made: number): Group[] {
  const names = [
    "up to 1 day", ...AGES.slice(1).map((end, i) => `over ${AGES[i]} to ${end} days`), `over ${AGES.at(-1)} days`,
    "time unknown", "never scanned",
  ];
  const groups = names.map((value): Group => ({ value, ...noCounts() }));
  const { status, lastScan } = nodes.number;
  for (const i of shown) {
    let place: number;
    if (status[i] === 2) place = names.length - 1;
    else if (lastScan[i] === 0) place = names.length - 2;
    else {
      const days = (made - lastScan[i]!) / DAY;
      place = AGES.findIndex((end) => days <= end);
      if (place < 0) place = AGES.length;
    }
    count(groups[place]!, status[i]!);
  }
  return groups.filter((group) => group.nodes > 0);
}

/** Accounts × Regions. */
export interface Heat {
  regions: string[];
  rows: { account: string; total: Counts; cells: (Counts | null)[] }[];
  totals: Counts[];
  total: Counts;
}

/** By account and Region: the accounts with the most nodes that are not compliant first. */
export function heatOf(fleet: Fleet, shown: Uint32Array): Heat {
  const nodes = fleet.nodes!;
  const { account, region } = nodes.text;
  const { status } = nodes.number;
  const cells = new Map<number, Map<number, Counts>>();
  const regions = new Map<number, Counts>();
  const total = noCounts();
  for (const i of shown) {
    let row = cells.get(account[i]!);
    if (!row) cells.set(account[i]!, (row = new Map()));
    let cell = row.get(region[i]!);
    if (!cell) row.set(region[i]!, (cell = noCounts()));
    let column = regions.get(region[i]!);
    if (!column) regions.set(region[i]!, (column = noCounts()));
    count(cell, status[i]!);
    count(column, status[i]!);
    count(total, status[i]!);
  }
  const name = (index: number): string => fleet.strings[index] || NONE;
  const order = [...regions.keys()].sort((a, b) => compare(name(a), name(b)));
  const rows = [...cells].map(([index, row]) => {
    const sum = noCounts();
    for (const cell of row.values()) {
      sum.nodes += cell.nodes;
      sum.compliant += cell.compliant;
      sum.nonCompliant += cell.nonCompliant;
      sum.notScanned += cell.notScanned;
    }
    return { account: name(index), total: sum, cells: order.map((at) => row.get(at) ?? null) };
  });
  rows.sort((a, b) => b.total.nodes - b.total.compliant - (a.total.nodes - a.total.compliant)
    || compare(a.account, b.account));
  return { regions: order.map(name), rows, totals: order.map((at) => regions.get(at)!), total };
}

export interface MissingPatch {
  id: string;
  title: string;
  classification: string;
  severity: string;
  patchSeverity: string;
  cves: string[];
  nodes: number;
  accounts: number;
}

/**
 * Missing patches as `QueryTopMissingPatches` has them, of the nodes shown and the others: one per id and title, those
 * that most nodes lack first, then the more severe. `wanted` says by patch whether it counts at all.
 */
export function missingOf(
  { findings, strings }: Fleet, nodes: Uint32Array, others: Uint32Array, wanted: Uint8Array,
): MissingPatch[] {
  if (!findings) return [];
  const { start, which, state, group, rank, account } = findings;
  const shown = new Uint32Array(nodes.length + others.length);
  shown.set(nodes);
  shown.set(others.map((i) => findings.others.first + i), nodes.length);
  if (others.length > 0) shown.sort((a, b) => account[a]! - account[b]! || a - b);
  const missing = findings.states.map((word) => word === "Missing");
  const lacking = new Uint32Array(findings.groups);
  // The last node that a group was counted for, plus one: a group counts once in a node.
  const stamp = new Uint32Array(findings.groups);
  const seen = new Uint8Array(findings.patches);
  // Which account last had it: they come account by account.
  const accounts = new Uint32Array(findings.groups);
  const lastAccount = new Int32Array(findings.groups).fill(-1);
  for (const i of shown) {
    const end = start[i + 1]!;
    for (let j = start[i]!; j < end; j++) {
      const patch = which[j]!;
      if (!missing[state[j]!] || !wanted[patch]) continue;
      seen[patch] = 1;
      const at = group[patch]!;
      if (stamp[at] === i + 1) continue;
      stamp[at] = i + 1;
      lacking[at]!++;
      if (lastAccount[at] !== account[i]) {
        lastAccount[at] = account[i]!;
        accounts[at]!++;
      }
    }
  }
  const members = new Map<number, number[]>();
  for (let patch = 0; patch < seen.length; patch++) {
    if (!seen[patch]) continue;
    const list = members.get(group[patch]!);
    if (list) list.push(patch);
    else members.set(group[patch]!, [patch]);
  }
  const text = (column: keyof typeof findings.patch, patch: number): string =>
    strings[findings.patch[column][patch]!] ?? "";
  const most = (column: keyof typeof findings.patch, patches: number[]): string =>
    patches.map((patch) => text(column, patch)).reduce((a, b) => (b > a ? b : a), "");
  const patches = [...members].map(([at, list]) => {
    const worst = list.reduce((a, b) => (rank[b]! < rank[a]! ? b : a));
    const cves = new Set(list.flatMap((patch) => cvesOf(text("cves", patch))));
    return {
      id: text("id", worst), title: text("title", worst), classification: most("classification", list),
      severity: SEVERITIES[rank[worst]!]!, patchSeverity: most("patchSeverity", list), cves: [...cves].sort(compare),
      nodes: lacking[at]!, accounts: accounts[at]!, rank: rank[worst]!,
    };
  });
  patches.sort((a, b) => b.nodes - a.nodes || a.rank - b.rank || compare(a.id, b.id) || compare(a.title, b.title));
  return patches.map(({ rank: _, ...patch }) => patch);
}

/** The ids in a value in which Systems Manager joins them by commas. */
export function cvesOf(joined: string): string[] {
  return joined.split(",").map((id) => id.trim()).filter((id) => id !== "");
}

/**
 * How many of the nodes in `mask`, the first of which has its findings at `first`, have a finding of which severity and
 * of which state, of those findings that `wanted` (by patch) and `stateWanted` (by state) let count.
 */
export function findingValuesOf(
  findings: Findings, mask: Uint8Array, first: number, wanted: Uint8Array, stateWanted: readonly boolean[],
): { severities: Uint32Array; states: Uint32Array } {
  const { start, which, state, rank, states } = findings;
  const counts = { severities: new Uint32Array(SEVERITIES.length), states: new Uint32Array(states.length) };
  // The last node that each was counted for, plus one.
  const stamps = { severities: new Uint32Array(SEVERITIES.length), states: new Uint32Array(states.length) };
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    for (let j = start[first + i]!; j < start[first + i + 1]!; j++) {
      const at = state[j]!;
      if (!wanted[which[j]!] || !stateWanted[at]) continue;
      const severity = rank[which[j]!]!;
      if (stamps.severities[severity] !== i + 1) {
        stamps.severities[severity] = i + 1;
        counts.severities[severity]!++;
      }
      if (stamps.states[at] !== i + 1) {
        stamps.states[at] = i + 1;
        counts.states[at]!++;
      }
    }
  }
  return counts;
}

/** How many of the nodes in `mask` have which value: what a facet offers. */
export function valuesOf(fleet: Fleet, mask: Uint8Array, column: Uint32Array): { value: string; nodes: number }[] {
  const counts = new Uint32Array(fleet.strings.length);
  const known = new Uint8Array(fleet.strings.length);
  for (let i = 0; i < mask.length; i++) {
    known[column[i]!] = 1;
    if (mask[i]) counts[column[i]!]!++;
  }
  const values: { value: string; nodes: number }[] = [];
  for (let i = 0; i < known.length; i++) if (known[i]) values.push({ value: fleet.strings[i] || NONE, nodes: counts[i]! });
  return values.sort((a, b) => compare(a.value, b.value));
}
