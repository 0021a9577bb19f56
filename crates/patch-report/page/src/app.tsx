/** The page as a whole. */

import type { JSX } from "preact";
import { Filters } from "./filters";
import { Header, Queries } from "./header";
import { Kpis } from "./kpis";
import { Lost } from "./lost";
import { NodePage } from "./node";
import { NodeTable } from "./nodes";
import { Groups, HeatTable } from "./overview";
import { OtherNodes } from "./others";
import { MissingPatches } from "./patches";
import { goTo, missingPart, type View } from "./view";

export function App(props: View): JSX.Element {
  const { summary, fleet, problem, state, printing } = props;
  return (
    <>
      <a
        class="skip" href="#content"
        onClick={(event) => {
          // The part of the address after # is the filter's.
          event.preventDefault();
          goTo("content");
        }}
      >
        Skip to the report
      </a>
      <Header summary={summary} />
      <main id="content" tabIndex={-1}>
        {problem !== null && <div class="notice bad"><p><strong>The data can't be shown.</strong> {problem}</p></div>}
        {fleet && state.node && <NodePage {...props} fleet={fleet} name={state.node} />}
        {/* Hidden and not gone, so that the way back leads to the same page of the same table. */}
        <div class="overview" hidden={state.node !== null && fleet !== null}><Overview {...props} /></div>
        <Queries summary={summary} printing={printing} />
      </main>
      <footer class="foot">
        <p>Made by patch-report {summary.tool}. Times are UTC. Compliance rate: compliant nodes in percent of all
          nodes, those not scanned included. This file holds its data and asks nothing of any server.</p>
      </footer>
    </>
  );
}

/** Regions that half the page's width has room for, and half of a very wide one. */
const FEW_REGIONS = 4;
const MANY_REGIONS = 9;

/** Which panels stand beside which: a table of many Regions has a row of its own, and no patches need no height. */
function layoutOf({ fleet, found }: View): string {
  // Of the whole fleet, so that no panel moves when the reader chooses a Region.
  const regions = fleet?.nodes?.regions ?? 0;
  if (regions > FEW_REGIONS) return regions > MANY_REGIONS ? "wide-heat widest-heat" : "wide-heat";
  return found && found.missing.length === 0 ? "no-patches" : "";
}

function Overview(props: View): JSX.Element {
  const { summary, fleet, problem, shown, found, show } = props;
  return (
    <>
      {fleet && (fleet.nodes || fleet.findings) && <Filters {...props} fleet={fleet} />}
      <Kpis {...props} />
      {!fleet && problem === null && <p class="loading" role="status">Unpacking the data …</p>}
      {fleet && !shown && <p class="gap panel">{missingPart(summary, "QueryNodes")}</p>}
      <div class={`panels ${layoutOf(props)}`}>
        {shown && <HeatTable {...props} shown={shown} />}
        {fleet && <MissingPatches {...props} />}
        {shown && (
          <>
            <Groups id="platform" title="By platform" groups={shown.platforms} facet="platform" view={props} show={show} />
            <Groups id="age" title="By age of the newest scan" groups={shown.ages} facet={null} view={props} show={show} />
            <Groups id="os" title="By OS version" groups={shown.systems} facet="os" view={props} show={show} />
            <Groups id="group" title="By patch group" groups={shown.patchGroups} facet="patchGroup" view={props} show={show} />
          </>
        )}
        {fleet && shown && <NodeTable {...props} fleet={fleet} shown={shown} />}
        {fleet?.findings && found && <OtherNodes {...props} fleet={fleet} findings={fleet.findings} listed={found.others} />}
        {fleet && <Lost {...props} fleet={fleet} />}
      </div>
    </>
  );
}
