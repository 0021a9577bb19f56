/**
 * What is shown, as the part of the address after `#`, so that it can be bookmarked and sent to somebody.
 *
 * An address is as untrusted as the data: what is malformed is ignored, and what is well formed but unknown to this
 * data matches nothing, rather than showing more than was asked for.
 */

import { NUMBER_COLUMNS, SEVERITIES, STATUSES, STRING_COLUMNS } from "./data";
import { emptyFilter, FACETS, type Facet, type Filter, FLAGS, LONGEST_SEARCH, type Tag } from "./filter";
import type { Column, Sort } from "./sort";

/** A node's own page. */
export interface NodeName { account: string; region: string; id: string }

export interface State { filter: Filter; sort: Sort | null; node: NodeName | null }

/** No address that this page makes comes near. */
const LONGEST = 20_000;

export function emptyState(): State {
  return { filter: emptyFilter(), sort: null, node: null };
}

/** Values joined so that any text can be one of them. */
function join(...parts: string[]): string {
  return parts.map((part) => part.replace(/[~/]/g, (letter) => (letter === "~" ? "~0" : "~1"))).join("/");
}

function split(joined: string, length: number): string[] | null {
  const parts = joined.split("/").map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
  return parts.length === length ? parts : null;
}

export function hashOf({ filter, sort, node }: State): string {
  const params = new URLSearchParams();
  if (filter.text.trim() !== "") params.append("q", filter.text);
  for (const facet of FACETS) for (const value of filter.values[facet]) params.append(facet, value);
  for (const flag of FLAGS) if (filter.flags[flag]) params.append(flag, "1");
  for (const tag of filter.tags) params.append("tag", join(tag.key, tag.value));
  if (filter.patch) params.append("patch", join(filter.patch.id, filter.patch.title));
  if (sort) params.append("sort", (sort.descending ? "-" : "") + sort.column);
  if (node) params.append("node", join(node.account, node.region, node.id));
  return params.toString();
}

const WORDS: Partial<Record<Facet, readonly string[]>> = { status: STATUSES, severity: SEVERITIES };
const COLUMNS: readonly string[] = [...STRING_COLUMNS, ...NUMBER_COLUMNS, "findings"];

export function stateOf(hash: string): State {
  const state = emptyState();
  const { filter } = state;
  const text = hash.replace(/^#/, "");
  if (text.length > LONGEST) return state;
  const tags: Tag[] = [];
  for (const [name, value] of new URLSearchParams(text)) {
    const facet = FACETS.find((known) => known === name);
    const flag = FLAGS.find((known) => known === name);
    if (facet) {
      const words = WORDS[facet];
      const chosen = filter.values[facet];
      if (!chosen.includes(value) && (!words || words.includes(value))) filter.values[facet] = [...chosen, value];
    } else if (flag) filter.flags[flag] = value === "1";
    else if (name === "q") filter.text = value.length <= LONGEST_SEARCH ? value : "";
    else if (name === "tag") {
      const parts = split(value, 2);
      if (parts) tags.push({ key: parts[0]!, value: parts[1]! });
    } else if (name === "patch") {
      const parts = split(value, 2);
      if (parts) filter.patch = { id: parts[0]!, title: parts[1]! };
    } else if (name === "node") {
      const parts = split(value, 3);
      if (parts) state.node = { account: parts[0]!, region: parts[1]!, id: parts[2]! };
    } else if (name === "sort") {
      const column = value.replace(/^-/, "");
      if (COLUMNS.includes(column)) state.sort = { column: column as Column, descending: value.startsWith("-") };
    }
  }
  filter.tags = tags;
  return state;
}
