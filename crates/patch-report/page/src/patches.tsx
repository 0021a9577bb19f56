/** The missing patches that most nodes lack. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Cell } from "./csv";
import type { MissingPatch } from "./figures";
import { withValues } from "./filter";
import { More, Name, Panel, SaveButton, Scroll, Severity } from "./parts";
import { fileName, goTo, missingPart, type View } from "./view";
import { count, unbroken } from "./words";

const FEW = 10;
const STEP = 50;
/** More CVE ids than these are folded away. */
const FEW_CVES = 3;

export function MissingPatches(props: View): JSX.Element {
  const { shown, found, state: { filter }, show, summary, printing } = props;
  const [most, setMost] = useState(FEW);
  const limit = printing ? Math.max(most, 2 * FEW) : most;
  if (!found) {
    return <Panel id="patches" title="Top missing patches"><p class="gap">{missingPart(summary, "QueryNonCompliantPatch")}</p></Panel>;
  }
  const patches = found.missing;
  return (
    <Panel
      id="patches" title="Top missing patches"
      note="Approved by a baseline and not installed, by the nodes that lack them. Choose one to see its nodes."
      actions={(
        <SaveButton
          what="missing patches" name={fileName("missing-patches", summary, filter)}
          head={["Patch", "Title", "Classification", "Severity", "Patch severity", "Nodes", "Accounts", "CVE ids"]}
          rows={() => patches.map(patchCells)}
        />
      )}
    >
      <Scroll label="Top missing patches">
        <table class="patches">
          <thead>
            <tr>
              <th scope="col">Patch</th><th scope="col">Severity</th><th scope="col">CVE ids</th>
              <th scope="col" class="right">Nodes</th><th scope="col" class="right">Accounts</th>
            </tr>
          </thead>
          <tbody>
            {patches.slice(0, limit).map((patch) => {
              const chosen = filter.patch?.id === patch.id && filter.patch.title === patch.title;
              return (
                <tr key={JSON.stringify([patch.id, patch.title])} class={chosen ? "chosen-row" : ""}>
                  <th scope="row">
                    <button
                      type="button" class="link" aria-pressed={chosen}
                      onClick={() => {
                        const { id, title } = patch;
                        show({
                          filter: chosen
                            ? { ...withValues(filter, "patchState", []), patch: null }
                            : { ...withValues(filter, "patchState", ["Missing"]), patch: { id, title } },
                        }, true);
                        if (!chosen) goTo(shown ? "nodes" : "others");
                      }}
                    >
                      <Name text={patch.id || "(no id)"} />
                    </button>
                    {patch.title !== patch.id && <div class="sub"><Name text={patch.title} /></div>}
                  </th>
                  <td>
                    <Severity severity={patch.severity} />
                    {patch.patchSeverity !== "" && <div class="sub">vendor: <Name text={patch.patchSeverity} /></div>}
                  </td>
                  <td><Cves ids={patch.cves} all={printing} /></td>
                  <td class="right">{count(patch.nodes)}</td>
                  <td class="right">{count(patch.accounts)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
      {patches.length === 0 && <p class="note">None is missing.</p>}
      <More limit={limit} all={patches.length} step={STEP} show={() => setMost(most + STEP)} />
    </Panel>
  );
}

function patchCells(patch: MissingPatch): Cell[] {
  const { id, title, classification, severity, patchSeverity, nodes, accounts, cves } = patch;
  return [id, title, classification, severity, patchSeverity, nodes, accounts, cves.join(",")];
}

/** CVE ids, all of them at hand. */
export function Cves({ ids, all }: { ids: readonly string[]; all: boolean }): JSX.Element | null {
  if (ids.length === 0) return null;
  // Ids are broken between and not within.
  const list = (some: readonly string[]): JSX.Element[] => some.map((id, i) => (
    <span key={id}>{i > 0 && ", "}<span class={unbroken(id)}><Name text={id} /></span></span>
  ));
  if (all || ids.length <= FEW_CVES + 1) return <span class="cves">{list(ids)}</span>;
  return (
    <span class="cves">
      {list(ids.slice(0, FEW_CVES))}
      <details class="rest">
        <summary>{ids.length - FEW_CVES} more<span class="hidden"> CVE ids</span></summary>
        {list(ids.slice(FEW_CVES))}
      </details>
    </span>
  );
}
