/** The table of nodes. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Cell } from "./csv";
import { type Fleet, type Findings, type Nodes, STATUSES, type StringColumn } from "./data";
import { hashOf, type NodeName, type State } from "./hash";
import { Name, Panel, SaveButton, Scroll, Severity, Status } from "./parts";
import { type Column, type Sort, sorted } from "./sort";
import { fileName, type Shown, type View } from "./view";
import { count, iso, time, unbroken } from "./words";

const PAGE_SIZES = [25, 50, 100, 250];
/** More than anybody reads on paper; the CSV has them all. */
const MOST_PRINTED = 1000;

interface Head { column: Column; name: string; right?: boolean }

const HEADS: readonly Head[] = [
  { column: "id", name: "Node" }, { column: "name", name: "Name" }, { column: "account", name: "Account" },
  { column: "region", name: "Region" }, { column: "status", name: "Status" },
  { column: "severity", name: "Worst severity" }, { column: "missing", name: "Missing", right: true },
  { column: "failed", name: "Failed", right: true }, { column: "pendingReboot", name: "Pending reboot", right: true },
  { column: "rejected", name: "Rejected", right: true }, { column: "lastScan", name: "Last scan" },
  { column: "platform", name: "Platform" }, { column: "os", name: "OS version" },
  { column: "patchGroup", name: "Patch group" }, { column: "agent", name: "Agent" },
  { column: "state", name: "Instance status" }, { column: "computer", name: "Computer name" },
  { column: "ip", name: "IP address" },
];

export function NodeTable(props: View & { fleet: Fleet; shown: Shown }): JSX.Element {
  const { fleet, shown, state, show, summary, printing } = props;
  const { filter, sort } = state;
  const nodes = fleet.nodes!;
  const order = useMemo(() => sorted(fleet, shown.nodes, sort), [fleet, shown, sort]);
  const [size, setSize] = useState(50);
  const [page, setPage] = useState(0);
  useEffect(() => setPage(0), [order, size]);
  const pages = Math.max(1, Math.ceil(order.length / size));
  const at = Math.min(page, pages - 1);
  const rows = printing ? order.subarray(0, MOST_PRINTED) : order.subarray(at * size, (at + 1) * size);
  return (
    <Panel
      id="nodes" title="Nodes" note="Choose a node to see its patches and tags."
      actions={(
        <>
          <SaveButton
            what="the nodes shown" text="CSV of nodes" name={fileName("nodes", summary, filter)}
            head={NODE_HEAD} rows={() => nodeRows(fleet, order)}
          />
          {fleet.findings && (
            <SaveButton
              what="the patches that are not in order on the nodes shown" text="CSV of their patches"
              name={fileName("findings", summary, filter)} head={[...FINDING_NODE_HEAD, ...FINDING_HEAD]}
              rows={() => findingsOf(fleet, order)}
            />
          )}
        </>
      )}
    >
      <Scroll label="Nodes">
        <table class="nodes">
          <thead>
            <tr>
              {HEADS.map((head) => (
                <SortHead
                  key={head.column} head={head} sort={sort} printing={printing} sortBy={(next) => show({ sort: next })}
                />
              ))}
            </tr>
          </thead>
          <tbody>
            {[...rows].map((i) => <NodeRow key={i} fleet={fleet} nodes={nodes} i={i} state={state} />)}
          </tbody>
        </table>
      </Scroll>
      {order.length === 0 && <p class="note">No node meets the filter.</p>}
      {printing && order.length > MOST_PRINTED && (
        <p class="note">The first {count(MOST_PRINTED)} of {count(order.length)}.</p>
      )}
      {order.length > PAGE_SIZES[0]! && (
        <div class="pager no-print">
          <PageButton name="First" to={0} at={at} pages={pages} go={setPage} />
          <PageButton name="Previous" to={at - 1} at={at} pages={pages} go={setPage} />
          <span role="status">Page {count(at + 1)} of {count(pages)}</span>
          <PageButton name="Next" to={at + 1} at={at} pages={pages} go={setPage} />
          <PageButton name="Last" to={pages - 1} at={at} pages={pages} go={setPage} />
          <label>
            Rows{" "}
            <select value={size} onChange={(event) => setSize(Number(event.currentTarget.value))}>
              {PAGE_SIZES.map((option) => <option key={option} value={option}>{option}</option>)}
            </select>
          </label>
        </div>
      )}
    </Panel>
  );
}

/** One that leads nowhere says so and keeps the keyboard's place, which a disabled button would lose. */
function PageButton(props: {
  name: string; to: number; at: number; pages: number; go: (page: number) => void;
}): JSX.Element {
  const { name, to, at, pages, go } = props;
  const leads = to >= 0 && to < pages && to !== at;
  return <button type="button" aria-disabled={!leads} onClick={() => leads && go(to)}>{name}</button>;
}

/** A column that sorts: up, down, and then as the data came. */
export function SortHead(props: {
  head: { column: string; name: string; right?: boolean }; sort: { column: string; descending: boolean } | null;
  sortBy: (next: Sort | null) => void;
  /** On paper a head is text: Chromium leaves the words of a button out when it repeats the head on a further page. */
  printing: boolean;
}): JSX.Element {
  const { head, sort, sortBy, printing } = props;
  const mine = sort?.column === head.column ? sort : null;
  const column = head.column as Column;
  // Of numbers the large ones are looked for.
  const first = head.right === true;
  const next = (): Sort | null => {
    if (!mine) return { column, descending: first };
    return mine.descending === first ? { column, descending: !first } : null;
  };
  return (
    <th
      scope="col" class={head.right ? "right" : ""}
      aria-sort={mine ? (mine.descending ? "descending" : "ascending") : undefined}
    >
      {printing ? head.name : (
        <button type="button" class="sort" onClick={() => sortBy(next())}>
          {head.name}<span class="arrow" aria-hidden="true">{mine ? (mine.descending ? "▼" : "▲") : ""}</span>
        </button>
      )}
    </th>
  );
}

function NodeRow({ fleet, nodes, i, state }: { fleet: Fleet; nodes: Nodes; i: number; state: State }): JSX.Element {
  const text = (column: StringColumn): string => fleet.strings[nodes.text[column][i]!] ?? "";
  const shown = (column: StringColumn): JSX.Element => <Name text={text(column)} />;
  const { number } = nodes;
  const reported = (value: number): ComponentChildren => (value < 0 ? <span class="soft">–</span> : count(value));
  const node: NodeName = { account: text("account"), region: text("region"), id: text("id") };
  return (
    <tr>
      <th scope="row" class={unbroken(node.id)}><a href={`#${hashOf({ ...state, node })}`} data-node={node.id}><Name text={node.id || "(no id)"} /></a></th>
      <td class={unbroken(text("name"))}>{shown("name")}</td>
      <td class={unbroken(node.account)}>{shown("account")}</td>
      <td class={unbroken(node.region)}>{shown("region")}</td>
      <td><Status status={number.status[i]!} /></td>
      <td><Severity severity={text("severity")} /></td>
      <td class="right">{reported(number.missing[i]!)}</td>
      <td class="right">{reported(number.failed[i]!)}</td>
      <td class="right">
        {reported(number.pendingReboot[i]!)}
        {number.waiting[i] === 1 && <span class="mark"> waiting</span>}
      </td>
      <td class="right">{reported(number.rejected[i]!)}</td>
      <td class="fixed">
        {time(number.lastScan[i]!, false)}
        {number.stale[i] === 1 && <span class="mark"> stale</span>}
      </td>
      <td>{shown("platform")}</td>
      <td>{shown("os")}</td>
      <td class={unbroken(text("patchGroup"))}>{shown("patchGroup")}</td>
      <td class={unbroken(text("agent"))}>{shown("agent")}{number.behind[i] === 1 && <span class="mark"> behind</span>}</td>
      <td class={unbroken(text("state"))}>{shown("state")}</td>
      <td>{shown("computer")}</td>
      <td class={unbroken(text("ip"))}>{shown("ip")}</td>
    </tr>
  );
}

const NODE_HEAD = [
  "Node", "Name", "Account", "Region", "Status", "Worst severity", "Missing", "Failed", "Pending reboot", "Rejected",
  "Last scan", "Stale", "Waits for a reboot", "Platform", "OS version", "Patch group", "Baseline", "Agent",
  "Agent behind", "Instance status", "Computer name", "IP address", "Last seen", "Tags",
];

function* nodeRows(fleet: Fleet, order: Uint32Array): Iterable<Cell[]> {
  const nodes = fleet.nodes!;
  const { number } = nodes;
  const reported = (value: number): number | null => (value < 0 ? null : value);
  const yes = (value: number, known = true): string => (known ? (value === 1 ? "yes" : "no") : "");
  for (const i of order) {
    const text = (column: StringColumn): string => fleet.strings[nodes.text[column][i]!] ?? "";
    yield [
      text("id"), text("name"), text("account"), text("region"), STATUSES[number.status[i]!] ?? "", text("severity"),
      reported(number.missing[i]!), reported(number.failed[i]!), reported(number.pendingReboot[i]!),
      reported(number.rejected[i]!), iso(number.lastScan[i]!), yes(number.stale[i]!),
      yes(number.waiting[i]!, nodes.hasWaiting), text("platform"), text("os"), text("patchGroup"), text("baseline"),
      text("agent"), yes(number.behind[i]!, nodes.hasBehind), text("state"), text("computer"), text("ip"),
      iso(number.lastSeen[i]!), tagsAsJson(fleet, i),
    ];
  }
}

/** As `QueryNodes` has them: a JSON object of keys and values. */
function tagsAsJson(fleet: Fleet, i: number): string {
  const tags = tagsOf(fleet, i);
  // Of pairs, since a key may be a name that an object of JavaScript's takes for its own.
  return tags.length === 0
    ? "" : `{${tags.map(({ key, value }) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")}}`;
}

export function tagsOf(fleet: Fleet, i: number): { key: string; value: string }[] {
  const { tagStart, tagKey, tagValue } = fleet.nodes!;
  const tags: { key: string; value: string }[] = [];
  for (let j = tagStart[i]!; j < tagStart[i + 1]!; j++) {
    tags.push({ key: fleet.strings[tagKey[j]!] ?? "", value: fleet.strings[tagValue[j]!] ?? "" });
  }
  return tags;
}

const FINDING_NODE_HEAD = ["Account", "Region", "Node", "Name"];
export const FINDING_HEAD = ["Patch", "Title", "State", "Severity", "Patch severity", "Classification", "CVE ids"];

function* findingsOf(fleet: Fleet, order: Uint32Array): Iterable<Cell[]> {
  const { nodes, findings, strings } = fleet;
  if (!nodes || !findings) return;
  for (const i of order) {
    const text = (column: StringColumn): string => strings[nodes.text[column][i]!] ?? "";
    yield* findingRows(strings, findings, [text("account"), text("region"), text("id"), text("name")], i);
  }
}

/** The findings of the node at that place, with `name` in front of each. */
export function* findingRows(
  strings: string[], findings: Findings, name: readonly string[], place: number,
): Iterable<string[]> {
  for (let j = findings.start[place]!; j < findings.start[place + 1]!; j++) {
    yield [...name, ...findingCells(strings, findings, j)];
  }
}

function findingCells(strings: string[], { patch, which, state, states }: Findings, j: number): string[] {
  const at = which[j]!;
  const text = (column: keyof Findings["patch"]): string => strings[patch[column][at]!] ?? "";
  return [
    text("id"), text("title"), states[state[j]!] ?? "", text("severity"), text("patchSeverity"),
    text("classification"), text("cves"),
  ];
}
