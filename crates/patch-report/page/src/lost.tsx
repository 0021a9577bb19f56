/** What no longer reports: accounts that have gone silent, and nodes that are gone. */

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Cell } from "./csv";
import type { Fleet } from "./data";
import { wordsOf } from "./filter";
import { More, Name, Panel, SaveButton, Scroll } from "./parts";
import { fileName, missingPart, type View } from "./view";
import { count, secondsOf, time, unbroken } from "./words";

const FEW = 10;
const STEP = 100;

/** A time of a query's; as it stands there if it is none. */
function seen(text: string): string {
  const seconds = secondsOf(text);
  return seconds === null ? text : time(seconds, false);
}

export function Lost(props: View & { fleet: Fleet }): JSX.Element {
  const { fleet, state: { filter }, summary } = props;
  const { account, region } = filter.values;
  const words = wordsOf(filter.text);
  const meets = (row: { account: string; region?: string }): boolean =>
    (account.length === 0 || account.includes(row.account))
    && (row.region === undefined || region.length === 0 || region.includes(row.region))
    && words.every((word) => Object.values(row).some((value) => String(value ?? "").toLowerCase().includes(word)));
  const silent = fleet.silent?.filter(meets) ?? null;
  const gone = fleet.gone?.filter(meets) ?? null;
  const days = summary.staleAfterDays;
  return (
    <>
      <List
        id="silent" title="Silent accounts" query="QuerySilentAccounts" view={props}
        note={(
          <>
            Nothing newer than {days === null ? "the limit" : `${days} days`} has come from them. Follows the search and
            the accounts of the filter.
          </>
        )}
        head={["Account", "Nodes", "Last seen", "Days ago"]} right={[1, 3]}
        rows={silent?.map((row) => [row.account, row.nodes, row.lastSeen, row.days]) ?? null} times={2}
      />
      <List
        id="gone" title="Nodes gone" query="QueryNodesGone" view={props}
        note={(
          <>
            Terminated, or out of touch. Those that are terminated count nowhere else. Follows the search, the accounts
            and the Regions of the filter.
          </>
        )}
        head={["Node", "Name", "Account", "Region", "Instance status", "Last seen", "Days ago"]} right={[6]}
        rows={gone?.map((row) => [row.id, row.name, row.account, row.region, row.state, row.lastSeen, row.days]) ?? null}
        times={5}
      />
    </>
  );
}

/** A short table with a row for each of `rows`, of which more are shown on demand. */
export function List(props: {
  id: string; title: string; note: ComponentChildren; query: string; view: View; head: string[]; right: number[];
  /** The column of times. */
  times?: number;
  rows: Cell[][] | null;
  /** How the first cell of a row is shown, if not as its text. */
  first?: (row: number) => ComponentChildren;
  actions?: ComponentChildren;
}): JSX.Element {
  const { id, title, query, view: { summary, state: { filter }, printing }, head, right, times, rows, first } = props;
  const [most, setMost] = useState(FEW);
  if (rows === null) return <Panel id={id} title={title}><p class="gap">{missingPart(summary, query)}</p></Panel>;
  const limit = printing ? Math.max(most, STEP) : most;
  const shown = (cell: Cell, column: number): ComponentChildren => {
    if (cell === null) return <span class="soft">–</span>;
    if (typeof cell === "number") return count(cell);
    return <Name text={column === times ? seen(cell) : cell} />;
  };
  const side = (column: number, text: string): string => (right.includes(column) ? "right" : unbroken(text));
  return (
    <Panel
      id={id} title={`${title} (${count(rows.length)})`}
      note={props.note}
      actions={(
        <>
          <SaveButton what={title} name={fileName(id, summary, filter)} head={head} rows={() => rows} />
          {props.actions}
        </>
      )}
    >
      {rows.length > 0 && (
        <Scroll label={title}>
          <table>
            <thead>
              <tr>{head.map((name, column) => <th key={name} scope="col" class={right.includes(column) ? "right" : ""}>{name}</th>)}</tr>
            </thead>
            <tbody>
              {rows.slice(0, limit).map((cells, row) => (
                <tr key={row}>
                  {cells.map((cell, column) => (column === 0
                    ? <th key={column} scope="row" class={side(column, String(cell))}>{first?.(row) ?? shown(cell, column)}</th>
                    : <td key={column} class={side(column, String(cell))}>{shown(cell, column)}</td>))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {rows.length === 0 && <p class="note">None.</p>}
      <More limit={limit} all={rows.length} step={STEP} show={() => setMost(most + STEP)} />
    </Panel>
  );
}
