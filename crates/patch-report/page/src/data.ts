/**
 * What stands in the file: the summary (small, plain JSON) and the data (columnar, each string once, gzipped).
 *
 * `report.rs` writes it. Everything in it comes from machines that nobody here vouches for: it is shown as text and
 * never as markup.
 */

/** How a saved query ended. */
export interface QueryRun {
  name: string;
  status: string;
  /** Athena's own words. */
  reason: string | null;
  rows: number | null;
  scannedBytes: number | null;
  seconds: number | null;
}

/** The numbers of the whole fleet; one is null if the query that it comes from failed. */
export interface Summary {
  version: number;
  tool: string;
  made: string;
  workgroup: string;
  database: string;
  region: string;
  account: string | null;
  staleAfterDays: number | null;
  queries: QueryRun[];
  incomplete: boolean;
  nodes: number | null;
  compliant: number | null;
  nonCompliant: number | null;
  notScanned: number | null;
  rate: number | null;
  stale: number | null;
  pendingReboot: number | null;
  agentsBehind: number | null;
  newestScan: string | null;
  oldestScan: string | null;
}

type Indices = number[];

interface RawNodes {
  account: Indices; region: Indices; id: Indices; name: Indices; computer: Indices; ip: Indices; state: Indices;
  platform: Indices; os: Indices; agent: Indices; status: number[]; lastScan: number[]; stale: number[];
  patchGroup: Indices; baseline: Indices; severity: Indices; missing: number[]; failed: number[];
  pendingReboot: number[]; rejected: number[]; behind: number[] | null; waiting: number[] | null; lastSeen: number[];
  tags: number[][];
}

/** As `JSON.parse` gives it. The part of a query that failed is null. */
export interface RawData {
  strings: string[];
  nodes: RawNodes | null;
  patches: {
    id: Indices; title: Indices; classification: Indices; patchSeverity: Indices; severity: Indices; cves: Indices;
  } | null;
  findings: {
    count: number[]; patch: number[]; state: Indices;
    /** Nodes that `nodes` has not, whose counts follow those of its. */
    others?: { account: Indices; region: Indices; id: Indices };
  } | null;
  silentAccounts: { account: Indices; nodes: number[]; lastSeen: Indices; days: number[] } | null;
  gone: {
    account: Indices; region: Indices; id: Indices; name: Indices; state: Indices; lastSeen: Indices; days: number[];
  } | null;
}

export const COMPLIANT = 0;
export const NON_COMPLIANT = 1;
export const NOT_SCANNED = 2;
/** Systems Manager's words for a node's status, by its number in the data. */
export const STATUSES = ["COMPLIANT", "NON_COMPLIANT", "NOT_SCANNED"] as const;
/** A baseline's severities, the worst first. */
export const SEVERITIES = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED"] as const;

/** The place of a severity in that order; one that is absent or unknown counts as unspecified. */
export function severityRank(severity: string): number {
  const rank = (SEVERITIES as readonly string[]).indexOf(severity.toUpperCase());
  return rank < 0 ? SEVERITIES.length - 1 : rank;
}

/** What stands for "no value" where nodes are counted by their values; as in the saved queries. */
export const NONE = "(none)";

/** Columns whose values are strings, by their index into `strings`. */
export const STRING_COLUMNS = [
  "account", "region", "id", "name", "computer", "ip", "state", "platform", "os", "agent", "patchGroup", "baseline",
  "severity",
] as const;
export type StringColumn = (typeof STRING_COLUMNS)[number];

/** Columns of numbers; -1 is what a node did not report, and a time of 0 is absent. */
export const NUMBER_COLUMNS = [
  "status", "lastScan", "stale", "missing", "failed", "pendingReboot", "rejected", "behind", "waiting", "lastSeen",
] as const;
export type NumberColumn = (typeof NUMBER_COLUMNS)[number];

/** The nodes, a typed array for each column: a filter is then one loop over numbers. */
export interface Nodes {
  count: number;
  text: Record<StringColumn, Uint32Array>;
  number: Record<NumberColumn, Float64Array>;
  /** How many there are. */
  regions: number;
  /** False if the query that says it failed. */
  hasBehind: boolean;
  hasWaiting: boolean;
  /** Keys and values of node `i` are `tagKey[j]`, `tagValue[j]` for `tagStart[i] <= j < tagStart[i + 1]`. */
  tagStart: Uint32Array;
  tagKey: Uint32Array;
  tagValue: Uint32Array;
}

/** What tells a node from all others. */
export type NameColumn = "account" | "region" | "id";

/** Nodes of which no more than their patches is known: `QueryNodes` has them not, or failed. */
export interface Others {
  count: number;
  text: Record<NameColumn, Uint32Array>;
  /** The place of the first of them in the findings: behind those that `QueryNodes` has. */
  first: number;
}

/** Patches that are not in order, and where. */
export interface Findings {
  patches: number;
  patch: Record<"id" | "title" | "classification" | "patchSeverity" | "severity" | "cves", Uint32Array>;
  /** By patch: its severity's rank. */
  rank: Uint8Array;
  /** By patch: which id and title it has; rows that differ only in severity or the like are one patch to the reader. */
  group: Uint32Array;
  groups: number;
  /** Findings of the node at `i` are `start[i] <= j < start[i + 1]`: those that `QueryNodes` has, and then the others. */
  start: Uint32Array;
  /** By node at the same places. */
  account: Uint32Array;
  others: Others;
  which: Uint32Array;
  /** Index into `states`. */
  state: Uint32Array;
  states: string[];
}

/** A number that the query does not have is null. */
export interface SilentAccount { account: string; nodes: number | null; lastSeen: string; days: number | null }
export interface GoneNode {
  account: string; region: string; id: string; name: string; state: string; lastSeen: string; days: number | null;
}

export interface Fleet {
  strings: string[];
  nodes: Nodes | null;
  findings: Findings | null;
  silent: SilentAccount[] | null;
  gone: GoneNode[] | null;
}

/** The data, ready to be filtered. */
export function fleetOf(raw: RawData): Fleet {
  const { strings } = raw;
  const text = (index: number): string => strings[index] ?? "";
  const known = (value = -1): number | null => (value < 0 ? null : value);
  const { silentAccounts: silent, gone } = raw;
  return {
    strings,
    nodes: raw.nodes && nodesOf(raw.nodes, strings.indexOf(NONE)),
    findings: raw.patches && raw.findings && findingsOf(raw, raw.patches, raw.findings),
    silent: silent && silent.account.map((account, i) => ({
      account: text(account), nodes: known(silent.nodes[i]), lastSeen: text(silent.lastSeen[i] ?? 0),
      days: known(silent.days[i]),
    })),
    gone: gone && gone.id.map((id, i) => ({
      account: text(gone.account[i] ?? 0), region: text(gone.region[i] ?? 0), id: text(id),
      name: text(gone.name[i] ?? 0), state: text(gone.state[i] ?? 0), lastSeen: text(gone.lastSeen[i] ?? 0),
      days: known(gone.days[i]),
    })),
  };
}

/** `none` is where the strings have that text: a machine that calls something so is counted with those that don't. */
function nodesOf(raw: RawNodes, none: number): Nodes {
  const count = raw.id.length;
  const text = {} as Nodes["text"];
  for (const column of STRING_COLUMNS) text[column] = Uint32Array.from(raw[column], (index) => (index === none ? 0 : index));
  const number = {} as Nodes["number"];
  for (const column of NUMBER_COLUMNS) number[column] = Float64Array.from(raw[column] ?? new Float64Array(count));
  const tagStart = new Uint32Array(count + 1);
  for (let i = 0; i < count; i++) tagStart[i + 1] = tagStart[i]! + (raw.tags[i]?.length ?? 0) / 2;
  const tagKey = new Uint32Array(tagStart[count]!);
  const tagValue = new Uint32Array(tagStart[count]!);
  let at = 0;
  for (const pairs of raw.tags) {
    for (let j = 0; j + 1 < pairs.length; j += 2) {
      tagKey[at] = pairs[j]!;
      tagValue[at++] = pairs[j + 1]!;
    }
  }
  return {
    count, text, number, regions: new Set(text.region).size, hasBehind: raw.behind !== null, hasWaiting: raw.waiting !== null, tagStart, tagKey, tagValue,
  };
}

/** A patch's state in one spelling: a node has it as Systems Manager's console does (`Missing`), or its API (`MISSING`). */
function stateIn(text: string): string {
  if (!/^[A-Z_]+$/.test(text)) return text;
  return text.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function findingsOf(
  { strings, nodes }: RawData, patches: NonNullable<RawData["patches"]>, raw: NonNullable<RawData["findings"]>,
): Findings {
  const patch = {
    id: Uint32Array.from(patches.id), title: Uint32Array.from(patches.title),
    classification: Uint32Array.from(patches.classification), patchSeverity: Uint32Array.from(patches.patchSeverity),
    severity: Uint32Array.from(patches.severity), cves: Uint32Array.from(patches.cves),
  };
  const rank = Uint8Array.from(patches.severity, (severity) => severityRank(strings[severity] ?? ""));
  const groupOf = new Map<string, number>();
  const group = Uint32Array.from(patches.id, (id, i) => {
    const key = `${id} ${patches.title[i]}`;
    const known = groupOf.get(key) ?? groupOf.size;
    groupOf.set(key, known);
    return known;
  });

  const start = new Uint32Array(raw.count.length + 1);
  const which = new Uint32Array(raw.patch.length);
  let at = 0;
  for (let node = 0; node < raw.count.length; node++) {
    // The first of a node is an index, the others say how much further.
    let index = 0;
    for (const end = at + raw.count[node]!; at < end; at++) which[at] = index += raw.patch[at]!;
    start[node + 1] = at;
  }
  const states = new Map<string, number>();
  const stateOf = new Map<number, number>();
  const state = Uint32Array.from(raw.state, (string) => {
    let known = stateOf.get(string);
    if (known === undefined) {
      const text = stateIn(strings[string] ?? "");
      known = states.get(text) ?? states.size;
      states.set(text, known);
      stateOf.set(string, known);
    }
    return known;
  });
  const names = raw.others ?? { account: [], region: [], id: [] };
  const others = {
    count: names.id.length, first: nodes?.id.length ?? 0,
    text: {
      account: Uint32Array.from(names.account), region: Uint32Array.from(names.region), id: Uint32Array.from(names.id),
    },
  };
  const account = Uint32Array.from([...(nodes?.account ?? []), ...names.account]);
  return {
    patches: patches.id.length, patch, rank, group, groups: groupOf.size, start, account, others, which, state,
    states: [...states.keys()],
  };
}

/** Base64 of gzip of JSON, as it stands in the file. No request is made: what is unpacked is in memory already. */
export async function unpack(base64: string): Promise<RawData> {
  if (!("DecompressionStream" in globalThis)) {
    throw new Error("This browser is too old. Chrome 123, Firefox 120, Safari 17.5 and newer ones do.");
  }
  try {
    return await unzip(base64);
  } catch (error) {
    throw new Error("It is damaged; perhaps the file was cut off on its way.", { cause: error });
  }
}

async function unzip(base64: string): Promise<RawData> {
  const binary = atob(base64.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Response(bytes).body!.pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(stream).json()) as RawData;
}
