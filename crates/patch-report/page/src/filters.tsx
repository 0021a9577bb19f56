/** Search, filters, what is chosen of them, and how many nodes that leaves. */

import type { JSX, RefObject } from "preact";
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Findings, type Fleet, NONE, SEVERITIES, STATUSES, type Summary } from "./data";
import { compare, findingValuesOf, valuesOf } from "./figures";
import {
  COLUMN_FACETS, emptyFilter, FACETS, type Facet, type Filter, FLAGS, type Flag, isEmpty, maskOf,
  LONGEST_SEARCH, OTHERS_FACETS, othersMaskOf, patchesWanted, statesWanted, toggled, type Tag, unknownTo, withFlag, withValues,
} from "./filter";
import { Name } from "./parts";
import { missingPart, type Show, type View } from "./view";
import { count, nodesOf, short, word } from "./words";

export const FACET_NAMES: Record<Facet, string> = {
  account: "Account", region: "Region", platform: "Platform", os: "OS version", patchGroup: "Patch group",
  state: "Instance status", status: "Status", severity: "Severity", patchState: "Patch state",
};
const FLAG_NAMES: Record<Flag, string> = { stale: "Stale", waiting: "Pending reboot", behind: "Agent behind" };
/** More than fit in a menu are found by its search. */
const MOST_OPTIONS = 200;
/** Long enough to type on, short enough to seem at once. */
const PAUSE_MS = 120;

export function Filters({ fleet, summary, state: { filter }, shown, found, show }: View & { fleet: Fleet }): JSX.Element {
  const { nodes } = fleet;
  const others = fleet.findings?.others.count ?? 0;
  return (
    <section class="filters" aria-labelledby="filters">
      <h2 id="filters" class="hidden">Filter</h2>
      <div class="controls no-print">
        <Search filter={filter} show={show} patches={fleet.findings !== null} />
        {(nodes ? FACETS : OTHERS_FACETS).map((facet) => (
          <FacetMenu key={facet} facet={facet} fleet={fleet} summary={summary} filter={filter} show={show} />
        ))}
        {nodes && <TagMenu fleet={fleet} filter={filter} show={show} />}
        {nodes && FLAGS.map((flag) => (
          <label key={flag} class="flag">
            <input
              type="checkbox" checked={filter.flags[flag]} data-flag={flag}
              disabled={!filter.flags[flag] && unknownTo(fleet, withFlag(emptyFilter(), flag, true)).length > 0}
              onChange={() => show({ filter: withFlag(filter, flag, !filter.flags[flag]) }, true)}
            />
            {FLAG_NAMES[flag]}
          </label>
        ))}
      </div>
      <Path filter={filter} show={show} />
      <div class="chosen">
        <p class="result" role="status" tabIndex={-1}>
          {nodes && <><strong>{count(shown?.nodes.length ?? 0)}</strong> of {nodesOf(nodes.count)}</>}
          {!nodes && <><strong>{count(found?.others.length ?? 0)}</strong> of {nodesOf(others)} with patches that are not in order</>}
          <span class="hidden"> shown</span>
        </p>
        <Chips filter={filter} show={show} />
      </div>
      {unknownTo(fleet, filter).map((query) => <p key={query} class="gap">{missingPart(summary, query)}</p>)}
    </section>
  );
}

/** Waits until the typing pauses, so that each letter need not be counted through. */
function Search({ filter, show, patches }: { filter: Filter; show: Show; patches: boolean }): JSX.Element {
  const id = useId();
  const [text, setText] = useState(filter.text);
  const timer = useRef(0);
  // Something else may be chosen while the typing pauses.
  const latest = useRef(filter);
  latest.current = filter;
  useEffect(() => {
    clearTimeout(timer.current);
    setText(filter.text);
  }, [filter.text]);
  return (
    <div class="search">
      <label for={id} class="hidden">{patches ? "Search in nodes, tags and patches" : "Search in nodes and tags"}</label>
      <input
        id={id} type="search" value={text} autocomplete="off"
        placeholder={patches ? "Search nodes, tags, patches, CVE ids" : "Search nodes and tags"} spellcheck={false}
        maxLength={LONGEST_SEARCH}
        onInput={(event) => {
          const typed = event.currentTarget.value;
          setText(typed);
          clearTimeout(timer.current);
          timer.current = window.setTimeout(() => show({ filter: { ...latest.current, text: typed } }), PAUSE_MS);
        }}
      />
    </div>
  );
}

/** Where in account, Region and node the reader is, and the way back. */
export function Path({ filter, show, node }: { filter: Filter; show: Show; node?: string }): JSX.Element | null {
  const account = filter.values.account.length === 1 ? filter.values.account[0] : undefined;
  const region = filter.values.region.length === 1 ? filter.values.region[0] : undefined;
  const to = (next: Filter): (() => void) => () => show({ filter: next, node: null }, true);
  const steps: { kind: string; name?: string; go: () => void }[] = [
    { kind: "All accounts", go: to(withValues(withValues(filter, "account", []), "region", [])) },
  ];
  if (account) steps.push({ kind: "Account", name: account, go: to(withValues(filter, "region", [])) });
  if (region) steps.push({ kind: "Region", name: region, go: to(filter) });
  if (node !== undefined) steps.push({ kind: "Node", name: node, go: () => undefined });
  if (steps.length === 1) return null;
  return (
    <nav class="path" aria-label="Drill-down">
      <ol>
        {steps.map(({ kind, name, go }, i) => {
          const text = name === undefined ? kind : <>{kind} <Name text={name} /></>;
          return (
            <li key={kind}>
              {i === steps.length - 1
                ? <span aria-current="page">{text}</span>
                : <button type="button" class="link" onClick={go}>{text}</button>}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

function Chips({ filter, show }: { filter: Filter; show: Show }): JSX.Element | null {
  if (isEmpty(filter)) return null;
  const chips: { of: string; value?: string; without: Filter }[] = [];
  if (filter.text.trim() !== "") chips.push({ of: "Search", value: filter.text, without: { ...filter, text: "" } });
  for (const facet of FACETS) {
    for (const value of filter.values[facet]) {
      chips.push({ of: FACET_NAMES[facet], value: word(value), without: toggled(filter, facet, value) });
    }
  }
  for (const flag of FLAGS) {
    if (filter.flags[flag]) chips.push({ of: FLAG_NAMES[flag], without: withFlag(filter, flag, false) });
  }
  for (const tag of filter.tags) {
    const tags = filter.tags.filter((other) => other !== tag);
    chips.push({ of: `Tag ${tag.key}`, value: tag.value, without: { ...filter, tags } });
  }
  if (filter.patch) chips.push({ of: "Patch", value: filter.patch.id, without: { ...filter, patch: null } });
  return (
    <ul class="chips" aria-label="Filters in effect">
      {chips.map(({ of, value, without }) => (
        <li key={JSON.stringify([of, value])}>
          <button type="button" class="chip" onClick={() => show({ filter: without }, true)}>
            <span class="hidden">Remove the filter </span>
            <span class="chip-text"><Name text={of} />{value !== undefined && <>: <Name text={value} /></>}</span>
            <span class="no-print" aria-hidden="true">×</span>
          </button>
        </li>
      ))}
      <li class="no-print">
        <button type="button" class="link" onClick={() => show({ filter: emptyFilter() }, true)}>Clear all</button>
      </li>
    </ul>
  );
}

/** Closes an open menu on Escape, and when the reader clicks or moves elsewhere, as menus do. */
function useClosing(menu: RefObject<HTMLDetailsElement | null>): void {
  useEffect(() => {
    const close = (event: Event): void => {
      const details = menu.current;
      if (!details?.open) return;
      if (event instanceof KeyboardEvent) {
        if (event.key !== "Escape") return;
        details.querySelector("summary")?.focus();
      } else if (event.target instanceof Node && details.contains(event.target)) return;
      details.open = false;
    };
    const events = ["pointerdown", "focusin", "keydown"];
    for (const event of events) document.addEventListener(event, close);
    return () => {
      for (const event of events) document.removeEventListener(event, close);
    };
  }, [menu]);
}

interface Choice { value: string; nodes: number }

/** Choices with boxes, and a search among them if they are many. */
function Choices(props: {
  legend: string; choices: Choice[]; chosen: readonly string[]; toggle: (value: string) => void;
}): JSX.Element {
  const { legend, choices, chosen, toggle } = props;
  const [text, setText] = useState("");
  const wanted = text.trim().toLowerCase();
  const found = wanted === "" ? choices : choices.filter(({ value }) => value.toLowerCase().includes(wanted));
  const many = choices.length > 10;
  return (
    <fieldset class="choices">
      <legend class="hidden">{legend}</legend>
      {many && (
        <input
          type="search" class="choice-search" value={text} aria-label={`Find in ${legend}`} placeholder="Find"
          onInput={(event) => setText(event.currentTarget.value)}
        />
      )}
      <div class="choice-list">
        {found.slice(0, MOST_OPTIONS).map(({ value, nodes }) => (
          <label key={value} class="choice">
            <input
              type="checkbox" value={value} checked={chosen.includes(value)} onChange={() => toggle(value)}
            />
            <span class="choice-text"><Name text={word(value) || "(empty)"} /></span>
            <span class="choice-count">{count(nodes)}</span>
          </label>
        ))}
      </div>
      {found.length === 0 && <p class="note">None.</p>}
      {found.length > MOST_OPTIONS && <p class="note">The first {MOST_OPTIONS} of {count(found.length)}.</p>}
    </fieldset>
  );
}

function Menu(props: {
  name: string; facet: string; chosen: number; body: () => JSX.Element;
}): JSX.Element {
  const menu = useRef<HTMLDetailsElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const [fromRight, setFromRight] = useState(false);
  useClosing(menu);
  useLayoutEffect(() => {
    // A menu near the right edge opens to the left: the page never scrolls sideways.
    const right = body.current?.getBoundingClientRect().right ?? 0;
    setFromRight(open && right > document.documentElement.clientWidth);
  }, [open]);
  return (
    <details ref={menu} class="menu" data-facet={props.facet} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary class={props.chosen > 0 ? "active" : ""}>
        {props.name}
        {props.chosen > 0 && <span class="badge">{props.chosen}<span class="hidden"> chosen</span></span>}
      </summary>
      {open && <div ref={body} class={`menu-body ${fromRight ? "from-right" : ""}`}>{props.body()}</div>}
    </details>
  );
}

function FacetMenu(props: {
  facet: Facet; fleet: Fleet; summary: Summary; filter: Filter; show: Show;
}): JSX.Element {
  const { facet, fleet, summary, filter, show } = props;
  const chosen = filter.values[facet];
  const unknown = !fleet.findings && (facet === "severity" || facet === "patchState");
  return (
    <Menu
      name={FACET_NAMES[facet]} facet={facet} chosen={chosen.length}
      body={() => (unknown ? <p class="gap">{missingPart(summary, "QueryNonCompliantPatch")}</p> : (
        <Choices
          legend={FACET_NAMES[facet]} choices={choicesOf(fleet, filter, facet)} chosen={chosen}
          toggle={(value) => show({ filter: toggled(filter, facet, value) }, true)}
        />
      ))}
    />
  );
}

/** What a facet offers, with how many nodes each would show under the other filters. */
function choicesOf(fleet: Fleet, filter: Filter, facet: Facet): Choice[] {
  const { nodes, findings } = fleet;
  if (facet === "severity" || facet === "patchState") return findings ? findingChoices(fleet, findings, filter, facet) : [];
  if (!nodes) {
    const column = findings && (facet === "account" || facet === "region") ? findings.others.text[facet] : new Uint32Array(0);
    return valuesOf(fleet, othersMaskOf(fleet, filter, facet), column);
  }
  const mask = maskOf(fleet, filter, facet);
  if (facet === "status") {
    const counts = STATUSES.map(() => 0);
    for (let i = 0; i < mask.length; i++) if (mask[i]) counts[nodes.number.status[i]!]!++;
    return STATUSES.map((value, i) => ({ value, nodes: counts[i]! }));
  }
  const column = COLUMN_FACETS.find((known) => known === facet)!;
  return valuesOf(fleet, mask, nodes.text[column]);
}

function findingChoices(
  fleet: Fleet, findings: Findings, filter: Filter, facet: "severity" | "patchState",
): Choice[] {
  const { values, patch } = filter;
  const wanted = patchesWanted(fleet, facet === "severity" ? [] : values.severity, patch);
  const states = statesWanted(findings, facet === "patchState" ? [] : values.patchState);
  const [mask, first] = fleet.nodes
    ? [maskOf(fleet, filter, facet), 0] : [othersMaskOf(fleet, filter, facet), findings.others.first];
  const counts = findingValuesOf(findings, mask, first, wanted, states);
  if (facet === "severity") return SEVERITIES.map((value, i) => ({ value, nodes: counts.severities[i]! }));
  return findings.states.map((state, i) => ({ value: state || NONE, nodes: counts.states[i]! }))
    .sort((a, b) => compare(a.value, b.value));
}

function TagMenu({ fleet, filter, show }: { fleet: Fleet; filter: Filter; show: Show }): JSX.Element {
  return (
    <Menu
      name="Tag" facet="tag" chosen={filter.tags.length}
      body={() => <TagChoices fleet={fleet} filter={filter} show={show} />}
    />
  );
}

function TagChoices({ fleet, filter, show }: { fleet: Fleet; filter: Filter; show: Show }): JSX.Element {
  const id = useId();
  const keys = useMemo(() => {
    const used = new Set(fleet.nodes?.tagKey);
    return [...used].map((index) => fleet.strings[index] ?? "").sort(compare);
  }, [fleet]);
  const [key, setKey] = useState(() => filter.tags[0]?.key ?? keys[0] ?? "");
  const choices = useMemo(() => tagValues(fleet, filter, key), [fleet, filter, key]);
  const toggle = (value: string): void => {
    const without = filter.tags.filter((tag) => tag.key !== key || tag.value !== value);
    const tags: Tag[] = without.length < filter.tags.length ? without : [...without, { key, value }];
    show({ filter: { ...filter, tags } }, true);
  };
  if (keys.length === 0) return <p class="note">No node has a tag.</p>;
  return (
    <>
      <label class="tag-key" for={id}>Key</label>
      <select id={id} value={key} onChange={(event) => setKey(event.currentTarget.value)}>
        {keys.map((name) => <option key={name} value={name}>{short(name)}</option>)}
      </select>
      <Choices
        key={key} legend={`values of the tag ${key}`} choices={choices}
        chosen={filter.tags.filter((tag) => tag.key === key).map((tag) => tag.value)} toggle={toggle}
      />
    </>
  );
}

/** The values of a key; counted under all filters but those of tags. */
function tagValues(fleet: Fleet, filter: Filter, key: string): Choice[] {
  const { nodes } = fleet;
  if (!nodes) return [];
  const mask = maskOf(fleet, filter, "tag");
  const index = fleet.strings.indexOf(key);
  const counts = new Map<number, number>();
  for (let i = 0; i < mask.length; i++) {
    for (let j = nodes.tagStart[i]!; j < nodes.tagStart[i + 1]!; j++) {
      if (nodes.tagKey[j] !== index) continue;
      const value = nodes.tagValue[j]!;
      counts.set(value, (counts.get(value) ?? 0) + mask[i]!);
    }
  }
  return [...counts].map(([value, shown]) => ({ value: fleet.strings[value] ?? "", nodes: shown }))
    .sort((a, b) => compare(a.value, b.value));
}
