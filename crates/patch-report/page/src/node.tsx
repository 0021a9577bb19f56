/** One node: what it is, its tags, and each patch that is not in order on it. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Fleet, type NameColumn, type Nodes, NOT_SCANNED, severityRank, type StringColumn } from "./data";
import { compare, cvesOf } from "./figures";
import { emptyFilter, withValues } from "./filter";
import { Path } from "./filters";
import type { NodeName } from "./hash";
import { FINDING_HEAD, findingRows, SortHead, tagsOf } from "./nodes";
import { Name, Panel, SaveButton, Scroll, Severity, Status } from "./parts";
import { Cves } from "./patches";
import { fileName, missingPart, type View } from "./view";
import { count, time, unbroken } from "./words";

/** The place of a node in the data, as its findings count it; -1 if it is not there. */
export function placeOf({ nodes, findings, strings }: Fleet, name: NodeName): number {
  const [id, account, region] = [strings.indexOf(name.id), strings.indexOf(name.account), strings.indexOf(name.region)];
  const placeIn = (text: Record<NameColumn, Uint32Array> | undefined): number => text?.id.findIndex(
    (other, i) => other === id && text.account[i] === account && text.region[i] === region,
  ) ?? -1;
  const place = placeIn(nodes?.text);
  if (place >= 0) return place;
  const other = placeIn(findings?.others.text);
  return other < 0 ? -1 : findings!.others.first + other;
}

export function NodePage(props: View & { fleet: Fleet; name: NodeName }): JSX.Element {
  const { fleet, name, show, summary, state } = props;
  const i = useMemo(() => placeOf(fleet, name), [fleet, name.account, name.region, name.id]);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [i]);
  const filter = withValues(withValues(emptyFilter(), "account", [name.account]), "region", [name.region]);
  const back = (
    <button type="button" class="no-print" onClick={() => show({ node: null }, true)}>Back to all nodes</button>
  );
  if (i < 0) {
    return (
      <section class="panel">
        <h2 ref={heading} tabIndex={-1}>No such node</h2>
        <p>
          This report knows no node <Name text={name.id} /> in account <Name text={name.account} /> and Region{" "}
          <Name text={name.region} />. {!fleet.nodes && missingPart(summary, "QueryNodes")}
        </p>
        {back}
      </section>
    );
  }
  const nodes = fleet.nodes && i < fleet.nodes.count ? fleet.nodes : null;
  const text = (column: StringColumn): string => (nodes && fleet.strings[nodes.text[column][i]!]) ?? "";
  const tags = nodes && tagsOf(fleet, i);
  return (
    <article class="node" aria-labelledby="node">
      <div class="node-path">
        <Path filter={filter} show={(change, step) => show({ ...change, node: null }, step)} node={name.id} />
        {back}
      </div>
      <section class="panel">
        <div class="panel-head">
          <h2 id="node" ref={heading} tabIndex={-1}><Name text={text("name") || text("computer") || name.id} /></h2>
          {nodes && <Status status={nodes.number.status[i]!} />}
        </div>
        <dl class="facts">
          <Fact title="Node" value={name.id} />
          <Fact title="Account" value={name.account} />
          <Fact title="Region" value={name.region} />
          {nodes && <Facts nodes={nodes} text={text} i={i} />}
        </dl>
        {!nodes && (
          <p class="gap">
            {fleet.nodes ? "QueryNodes does not have this node: no more than its patches is known."
              : missingPart(summary, "QueryNodes")}
          </p>
        )}
      </section>
      <Panel
        id="findings" title="Patches that are not in order"
        actions={fleet.findings && (
          <SaveButton
            what="the patches of this node"
            name={fileName(`node-${name.id.replace(/[^A-Za-z0-9-]/g, "_").slice(0, 60)}`, summary, emptyFilter())}
            head={FINDING_HEAD} rows={() => cellsOf(fleet, i)}
          />
        )}
      >
        {fleet.findings ? (
          <FindingTable
            fleet={fleet} i={i} all={props.printing} key={state.node?.id ?? ""}
            none={nodes?.number.status[i] === NOT_SCANNED ? "Not known: this node was never scanned." : "None."}
          />
        ) : <p class="gap">{missingPart(summary, "QueryNonCompliantPatch")}</p>}
      </Panel>
      {tags && (
        <Panel id="tags" title="Tags">
          {tags.length === 0
            ? <p class="note">None.</p>
            : <dl class="facts">{tags.map(({ key, value }) => <Fact key={key} title={key} value={value} />)}</dl>}
        </Panel>
      )}
    </article>
  );
}

function Fact({ title, value }: { title: string; value: ComponentChildren }): JSX.Element {
  const shown = typeof value === "string" ? <Name text={value} /> : value;
  return <div class="fact"><dt><Name text={title} /></dt><dd>{value === "" ? <span class="soft">–</span> : shown}</dd></div>;
}

/** What `QueryNodes` says of a node. */
function Facts({ nodes: { number }, text, i }: {
  nodes: Nodes; text: (column: StringColumn) => string; i: number;
}): JSX.Element {
  const reported = (value: number): string => (value < 0 ? "not reported" : count(value));
  const fact = (title: string, value: ComponentChildren): JSX.Element => <Fact title={title} value={value} />;
  return (
    <>
      {fact("Last scan", number.lastScan[i]! > 0
        ? <>{time(number.lastScan[i]!)}{number.stale[i] === 1 && <span class="mark"> stale</span>}</>
        : number.status[i] === NOT_SCANNED ? "never" : "time unknown")}
      {fact("Last seen", time(number.lastSeen[i]!))}
      {fact("Worst severity", text("severity") && <Severity severity={text("severity")} />)}
      {fact("Missing", reported(number.missing[i]!))}
      {fact("Failed", reported(number.failed[i]!))}
      {fact("Pending reboot", (
        <>{reported(number.pendingReboot[i]!)}{number.waiting[i] === 1 && <span class="mark"> waiting</span>}</>
      ))}
      {fact("Rejected", reported(number.rejected[i]!))}
      {fact("Platform", text("platform"))}
      {fact("OS version", text("os"))}
      {fact("Patch group", text("patchGroup"))}
      {fact("Baseline", text("baseline"))}
      {fact("Agent", (
        <><Name text={text("agent") || "–"} />{number.behind[i] === 1 && <span class="mark"> behind</span>}</>
      ))}
      {fact("Instance status", text("state"))}
      {fact("Computer name", text("computer"))}
      {fact("IP address", text("ip"))}
    </>
  );
}

function cellsOf({ strings, findings }: Fleet, i: number): string[][] {
  return findings ? [...findingRows(strings, findings, [], i)] : [];
}

const SEVERITY = 3;

function FindingTable(props: { fleet: Fleet; i: number; all: boolean; none: string }): JSX.Element {
  const { fleet, i, all } = props;
  // The worst first, until the reader asks for another order.
  const [sort, setSort] = useState<{ column: string; descending: boolean }>({ column: "Severity", descending: false });
  const rows = useMemo(() => {
    const at = FINDING_HEAD.indexOf(sort.column);
    const sign = sort.descending ? -1 : 1;
    return cellsOf(fleet, i).sort((a, b) => sign * (at === SEVERITY
      ? severityRank(a[at]!) - severityRank(b[at]!) : compare(a[at]!.toLowerCase(), b[at]!.toLowerCase()))
      || compare(a[0]!, b[0]!));
  }, [fleet, i, sort]);
  if (rows.length === 0) return <p class="note">{props.none}</p>;
  return (
    <Scroll label="Patches of this node">
      <table class="findings">
        <thead>
          <tr>
            {FINDING_HEAD.map((name) => (
              <SortHead
                key={name} head={{ column: name, name }} sort={sort} printing={all}
                sortBy={(next) => setSort(next ?? { column: "Severity", descending: false })}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>
              <th scope="row" class={unbroken(cells[0]!)}><Name text={cells[0]!} /></th>
              <td><Name text={cells[1]!} /></td>
              <td class={unbroken(cells[2]!)}><Name text={cells[2]!} /></td>
              <td><Severity severity={cells[SEVERITY]!} /></td>
              <td><Name text={cells[4]!} /></td>
              <td class={unbroken(cells[5]!)}><Name text={cells[5]!} /></td>
              <td><Cves ids={cvesOf(cells[6]!)} all={all} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
