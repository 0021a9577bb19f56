/**
 * Which nodes are shown.
 *
 * Within one facet any of the chosen values will do; between facets all have to hold. Severity, state and patch are of
 * a patch that is not in order: a node is shown if one and the same patch of it has all three.
 */

import { type Findings, type Fleet, type Nodes, NONE, STATUSES, type StringColumn, severityRank } from "./data";

/** Facets that are a column of the nodes. */
export const COLUMN_FACETS = ["account", "region", "platform", "os", "patchGroup", "state"] as const;
export type ColumnFacet = (typeof COLUMN_FACETS)[number] & StringColumn;
/** Those, and those that are words of their own. */
export const FACETS = [...COLUMN_FACETS, "status", "severity", "patchState"] as const;
export type Facet = (typeof FACETS)[number];
export const FLAGS = ["stale", "waiting", "behind"] as const;
export type Flag = (typeof FLAGS)[number];

export interface Tag { key: string; value: string }
export interface PatchName { id: string; title: string }

export interface Filter {
  text: string;
  values: Record<Facet, readonly string[]>;
  flags: Record<Flag, boolean>;
  tags: readonly Tag[];
  patch: PatchName | null;
}

export function emptyFilter(): Filter {
  return {
    text: "",
    values: {
      account: [], region: [], platform: [], os: [], patchGroup: [], state: [], status: [], severity: [], patchState: [],
    },
    flags: { stale: false, waiting: false, behind: false },
    tags: [],
    patch: null,
  };
}

export function isEmpty(filter: Filter): boolean {
  return filter.text.trim() === "" && filter.tags.length === 0 && filter.patch === null
    && FACETS.every((facet) => filter.values[facet].length === 0) && FLAGS.every((flag) => !filter.flags[flag]);
}

/** One that shows the nodes of one value only, or no longer asks for it if it was just that. */
export function toggled(filter: Filter, facet: Facet, value: string): Filter {
  const chosen = filter.values[facet];
  const next = chosen.includes(value) ? chosen.filter((other) => other !== value) : [...chosen, value];
  return withValues(filter, facet, next);
}

export function withValues(filter: Filter, facet: Facet, values: readonly string[]): Filter {
  return { ...filter, values: { ...filter.values, [facet]: values } };
}

export function withFlag(filter: Filter, flag: Flag, on: boolean): Filter {
  return { ...filter, flags: { ...filter.flags, [flag]: on } };
}

/** Of the text of a search, in characters: each word is looked for in every string of the data. */
export const LONGEST_SEARCH = 200;

/** The words to look for. All of them have to be in something of the node. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter((word) => word !== "");
}

const lower = new WeakMap<Fleet, string[]>();

/** The fleet's strings in lower case, made once: before the first search, if there is time. */
export function lowerCase(fleet: Fleet): string[] {
  let strings = lower.get(fleet);
  if (!strings) {
    strings = fleet.strings.map((text) => text.toLowerCase());
    lower.set(fleet, strings);
  }
  return strings;
}

/** Columns that the search looks into, besides tags and patches. */
const SEARCHED: readonly StringColumn[] = [
  "id", "name", "computer", "ip", "account", "region", "platform", "os", "patchGroup", "agent", "state", "baseline",
];

/** 1 for each node that the filter shows; `except` leaves one facet out, to count what it would give. */
export function maskOf(fleet: Fleet, filter: Filter, except?: Facet | "tag"): Uint8Array {
  const { nodes } = fleet;
  if (!nodes) return new Uint8Array(0);
  const mask = new Uint8Array(nodes.count).fill(1);
  for (const facet of COLUMN_FACETS) {
    if (facet !== except) keepValues(fleet, mask, nodes.text[facet], filter.values[facet]);
  }
  if (except !== "status" && filter.values.status.length > 0) {
    const wanted = STATUSES.map((status) => filter.values.status.includes(status));
    const { status } = nodes.number;
    for (let i = 0; i < mask.length; i++) if (!wanted[status[i]!]) mask[i] = 0;
  }
  for (const flag of FLAGS) {
    if (!filter.flags[flag]) continue;
    const column = nodes.number[flag];
    for (let i = 0; i < mask.length; i++) if (column[i] !== 1) mask[i] = 0;
  }
  if (except !== "tag") keepTagged(fleet, mask, filter.tags);
  keepFindings(fleet, mask, 0, filter, except);
  const columns = SEARCHED.map((column) => nodes.text[column]);
  for (const word of wordsOf(filter.text)) keepWord(fleet, mask, 0, columns, nodes, word);
  return mask;
}

/** Facets of what is known of the others too. */
export const OTHERS_FACETS: readonly Facet[] = ["account", "region", "severity", "patchState"];

/** As `maskOf`, of the nodes of which only the patches are known. One that asks for more than that shows none of them. */
export function othersMaskOf(fleet: Fleet, filter: Filter, except?: Facet): Uint8Array {
  const { findings } = fleet;
  if (!findings) return new Uint8Array(0);
  const { count, first, text } = findings.others;
  const asksForMore = filter.tags.length > 0 || FLAGS.some((flag) => filter.flags[flag])
    || FACETS.some((facet) => filter.values[facet].length > 0 && !OTHERS_FACETS.includes(facet));
  const mask = new Uint8Array(count).fill(asksForMore ? 0 : 1);
  for (const facet of ["account", "region"] as const) {
    if (facet !== except) keepValues(fleet, mask, text[facet], filter.values[facet]);
  }
  keepFindings(fleet, mask, first, filter, except);
  const columns = [text.id, text.account, text.region];
  for (const word of wordsOf(filter.text)) keepWord(fleet, mask, first, columns, null, word);
  return mask;
}

/** Which of the strings are among `values`. */
function stringsIn(fleet: Fleet, values: readonly string[]): Uint8Array {
  const wanted = new Set(values.map((value) => (value === NONE ? "" : value)));
  return Uint8Array.from(fleet.strings, (text) => (wanted.has(text) ? 1 : 0));
}

function keepValues(fleet: Fleet, mask: Uint8Array, column: Uint32Array, values: readonly string[]): void {
  if (values.length === 0) return;
  const wanted = stringsIn(fleet, values);
  for (let i = 0; i < mask.length; i++) if (!wanted[column[i]!]) mask[i] = 0;
}

/** Of the tags asked for, one of each key. */
function keepTagged(fleet: Fleet, mask: Uint8Array, tags: readonly Tag[]): void {
  const nodes = fleet.nodes!;
  for (const key of new Set(tags.map((tag) => tag.key))) {
    const keys = stringsIn(fleet, [key]);
    // A tag may have an empty value, so that there is no NONE here.
    const values = new Set(tags.filter((tag) => tag.key === key).map((tag) => tag.value));
    const wanted = Uint8Array.from(fleet.strings, (text) => (values.has(text) ? 1 : 0));
    for (let i = 0; i < mask.length; i++) {
      if (!mask[i]) continue;
      let found = false;
      for (let j = nodes.tagStart[i]!; !found && j < nodes.tagStart[i + 1]!; j++) {
        found = keys[nodes.tagKey[j]!] === 1 && wanted[nodes.tagValue[j]!] === 1;
      }
      if (!found) mask[i] = 0;
    }
  }
}

/** The queries that failed without which nobody can say which nodes the filter asks for: it shows none. */
export function unknownTo({ nodes, findings }: Fleet, { values, patch, flags }: Filter): string[] {
  const unknown: string[] = [];
  if (!findings && (patch || values.severity.length > 0 || values.patchState.length > 0)) unknown.push("QueryNonCompliantPatch");
  if (nodes && !nodes.hasWaiting && flags.waiting) unknown.push("QueryPendingReboot");
  if (nodes && !nodes.hasBehind && flags.behind) unknown.push("QueryAgentsBehind");
  return unknown;
}

/** By patch: 1 if its severity is asked for. */
export function patchesOfSeverity(fleet: Fleet, severities: readonly string[]): Uint8Array {
  const { findings } = fleet;
  if (!findings) return new Uint8Array(0);
  if (severities.length === 0) return new Uint8Array(findings.patches).fill(1);
  const ranks = new Set(severities.map(severityRank));
  return findings.rank.map((rank) => (ranks.has(rank) ? 1 : 0));
}

/** By patch: 1 if its severity is asked for, and the patch itself. */
export function patchesWanted(fleet: Fleet, severities: readonly string[], patch: PatchName | null): Uint8Array {
  const { findings, strings } = fleet;
  const wanted = patchesOfSeverity(fleet, severities);
  if (!findings || !patch) return wanted;
  const { id, title } = findings.patch;
  return wanted.map((yes, i) => (yes && strings[id[i]!] === patch.id && strings[title[i]!] === patch.title ? 1 : 0));
}

/** By state: whether it is asked for. */
export function statesWanted({ states }: Findings, chosen: readonly string[]): boolean[] {
  return states.map((state) => chosen.length === 0 || chosen.includes(state === "" ? NONE : state));
}

/** `first` is where the findings of the mask's first node are. */
function keepFindings(fleet: Fleet, mask: Uint8Array, first: number, filter: Filter, except?: string): void {
  const { findings } = fleet;
  const severities = except === "severity" ? [] : filter.values.severity;
  const states = except === "patchState" ? [] : filter.values.patchState;
  const { patch } = filter;
  if (severities.length === 0 && states.length === 0 && !patch) return;
  if (!findings) {
    // Nobody knows, so that nothing can be said to match.
    mask.fill(0);
    return;
  }
  const wanted = patchesWanted(fleet, severities, patch);
  const stateWanted = statesWanted(findings, states);
  const { start, which, state } = findings;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    let found = false;
    const end = start[first + i + 1]!;
    for (let j = start[first + i]!; !found && j < end; j++) found = wanted[which[j]!] === 1 && stateWanted[state[j]!]!;
    if (!found) mask[i] = 0;
  }
}

function keepWord(
  fleet: Fleet, mask: Uint8Array, first: number, columns: readonly Uint32Array[], tagged: Nodes | null, word: string,
): void {
  const { findings } = fleet;
  const strings = lowerCase(fleet);
  const hit = new Uint8Array(strings.length);
  for (let i = 0; i < strings.length; i++) if (strings[i]!.includes(word)) hit[i] = 1;
  let patchHit: Uint8Array | null = null;
  if (findings) {
    const { id, title, cves } = findings.patch;
    patchHit = new Uint8Array(findings.patches);
    for (let i = 0; i < patchHit.length; i++) patchHit[i] = hit[id[i]!]! | hit[title[i]!]! | hit[cves[i]!]!;
    if (!patchHit.includes(1)) patchHit = null;
  }
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    let found = columns.some((column) => hit[column[i]!] === 1);
    if (tagged) {
      for (let j = tagged.tagStart[i]!; !found && j < tagged.tagStart[i + 1]!; j++) {
        found = hit[tagged.tagKey[j]!] === 1 || hit[tagged.tagValue[j]!] === 1;
      }
    }
    if (!found && patchHit && findings) {
      for (let j = findings.start[first + i]!; !found && j < findings.start[first + i + 1]!; j++) {
        found = patchHit[findings.which[j]!] === 1;
      }
    }
    if (!found) mask[i] = 0;
  }
}

/** The nodes of a mask, in the data's order: by account, Region and id. */
export function shownOf(mask: Uint8Array): Uint32Array {
  let count = 0;
  for (let i = 0; i < mask.length; i++) count += mask[i]!;
  const shown = new Uint32Array(count);
  let at = 0;
  for (let i = 0; i < mask.length; i++) if (mask[i]) shown[at++] = i;
  return shown;
}
