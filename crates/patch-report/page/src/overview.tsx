/** Compliance by account and Region, and by what the nodes are. */

import { scaleThreshold } from "d3-scale";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Cell } from "./csv";
import { type Counts, type Group, type Heat, rateOf } from "./figures";
import { type Facet, type Filter, toggled, withValues } from "./filter";
import { Bar, CountsInWords, Fold, Name, Panel, SaveButton, Scroll } from "./parts";
import { fileName, goTo, type Show, type Shown, type View } from "./view";
import { count, nodesOf, rateInWords, unbroken } from "./words";

/** Steps of the rate, and the class of each. The last is for nothing less than all. */
const LIMITS = [50, 75, 90, 95, 100];
const heat = scaleThreshold(LIMITS, ["heat-0", "heat-1", "heat-2", "heat-3", "heat-4", "heat-5"]);
const STEPS = ["under 50 %", "50 to 75 %", "75 to 90 %", "90 to 95 %", "95 % and more", "all compliant"];
const FEW_ACCOUNTS = 12;
/** Of an account id or the name of a Region, with room to spare. */
const LONGEST = 16;
const FEW_GROUPS = 6;

function heatClass(counts: Counts): string {
  const rate = rateOf(counts);
  if (rate === null) return "";
  // A rate that is only rounded to 100 % is not all of them.
  return heat(counts.compliant < counts.nodes ? Math.min(rate, 99.9) : rate);
}

const COUNT_HEAD = ["Nodes", "Compliant", "Non-compliant", "Not scanned", "Compliance rate %"];

function countCells(counts: Counts): Cell[] {
  return [counts.nodes, counts.compliant, counts.nonCompliant, counts.notScanned, rateOf(counts)];
}

export function HeatTable(props: View & { shown: Shown }): JSX.Element {
  const { shown, state: { filter }, show, summary, printing } = props;
  const table = shown.heat;
  const [all, setAll] = useState(false);
  const rows = all || printing ? table.rows : table.rows.slice(0, FEW_ACCOUNTS);
  return (
    <Panel
      id="heat" title="By account and Region"
      note="The accounts with the most nodes that are not compliant come first. Choose an account, or one of its Regions."
      actions={(
        <SaveButton
          what="compliance by account and Region" name={fileName("accounts", summary, filter)}
          head={["Account", "Region", ...COUNT_HEAD]} rows={() => heatRows(table)}
        />
      )}
    >
      <Scroll label="Compliance by account and Region">
        <table class="heat">
          <thead>
            <tr>
              <th scope="col">Account</th>
              <th scope="col">All Regions</th>
              {table.regions.map((region) => <th key={region} scope="col" class={unbroken(region, LONGEST)}><Name text={region} /></th>)}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.account}>
                <th scope="row" class={unbroken(row.account, LONGEST)}>
                  <button
                    type="button" class="link clamped" onClick={() => show({ filter: only(filter, row.account, null) }, true)}
                  >
                    <Name text={row.account} />
                  </button>
                </th>
                <td class={heatClass(row.total)}><Rate counts={row.total} /></td>
                {row.cells.map((cell, i) => (cell ? (
                  <td key={table.regions[i]} class={heatClass(cell)}>
                    <button
                      type="button" class="cell"
                      onClick={() => {
                        show({ filter: only(filter, row.account, table.regions[i]!) }, true);
                        goTo("nodes");
                      }}
                    >
                      <Rate counts={cell} />
                      <span class="hidden"> Show the nodes of <Name text={row.account} /> in <Name text={table.regions[i]!} /></span>
                    </button>
                  </td>
                ) : <td key={table.regions[i]} class="none"><span class="hidden">no nodes</span></td>))}
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">All accounts</th>
              <td class={heatClass(table.total)}><Rate counts={table.total} /></td>
              {table.totals.map((counts, i) => (
                <td key={table.regions[i]} class={heatClass(counts)}><Rate counts={counts} /></td>
              ))}
            </tr>
          </tfoot>
        </table>
      </Scroll>
      {table.rows.length > FEW_ACCOUNTS && !printing && (
        <Fold open={all} few={FEW_ACCOUNTS} all={`${count(table.rows.length)} accounts`} turn={() => setAll(!all)} />
      )}
      <ul class="legend" aria-label="Colours">
        {STEPS.map((step, i) => <li key={step}><span class={`swatch heat-${i}`} aria-hidden="true" />{step}</li>)}
      </ul>
    </Panel>
  );
}

function only(filter: Filter, account: string, region: string | null): Filter {
  const next = withValues(filter, "account", [account]);
  return region === null ? next : withValues(next, "region", [region]);
}

function* heatRows(table: Heat): Iterable<Cell[]> {
  for (const row of table.rows) {
    for (const [i, cell] of row.cells.entries()) {
      if (cell) yield [row.account, table.regions[i]!, ...countCells(cell)];
    }
  }
}

function Rate({ counts }: { counts: Counts }): JSX.Element {
  return (
    <>
      <span class="rate">{rateInWords(counts.compliant, counts.nodes)}</span>{" "}
      <span class="of">{count(counts.compliant)} of {count(counts.nodes)}</span>
    </>
  );
}

/** Bars of one dimension. Without a facet they are there to be read only. */
export function Groups(props: {
  id: string; title: string; note?: string; groups: Group[]; facet: Facet | null; view: View; show: Show;
}): JSX.Element {
  const { id, title, groups, facet, view: { state: { filter }, summary, printing }, show } = props;
  const [all, setAll] = useState(false);
  // One more row needs no more room than the button that hides it.
  const folds = groups.length > FEW_GROUPS + 1;
  const rows = all || printing || !folds ? groups : groups.slice(0, FEW_GROUPS);
  return (
    <Panel
      id={id} title={title} note={props.note}
      actions={(
        <SaveButton
          what={title} name={fileName(id, summary, filter)} head={[title.replace(/^By /, ""), ...COUNT_HEAD]}
          rows={() => groups.map((group): Cell[] => [group.value, ...countCells(group)])}
        />
      )}
    >
      <ul class="groups">
        {rows.map((group) => (
          <li key={group.value}>
            <div class="group-head">
              {facet
                ? (
                  <button
                    type="button" class="link group-name clamped" aria-pressed={filter.values[facet].includes(group.value)}
                    onClick={() => show({ filter: toggled(filter, facet, group.value) }, true)}
                  >
                    <Name text={group.value} />
                  </button>
                )
                : <span class="group-name"><Name text={group.value} /></span>}
              <span class="group-rate"><strong>{rateInWords(group.compliant, group.nodes)}</strong> of {nodesOf(group.nodes)}</span>
            </div>
            <Bar counts={group} />
            <CountsInWords counts={group} />
          </li>
        ))}
      </ul>
      {groups.length === 0 && <p class="note">No nodes.</p>}
      {folds && !printing && (
        <Fold open={all} few={FEW_GROUPS} all={count(groups.length)} turn={() => setAll(!all)} />
      )}
    </Panel>
  );
}
