/** The key figures. Each is a switch that shows its nodes only. */

import type { JSX } from "preact";
import { emptyFilter, type Filter, isEmpty, toggled, withFlag } from "./filter";
import { Bar, CountsInWords } from "./parts";
import type { View } from "./view";
import { count, nodesOf, rateInWords } from "./words";

interface Tile {
  id: string;
  label: string;
  value: number | null;
  note: string;
  /** Draws the eye if it is not 0. */
  tone: "bad" | "warn" | "grey";
  pressed: boolean;
  next: Filter;
}

export function Kpis({ summary, fleet, state: { filter }, shown, show }: View): JSX.Element {
  const figures = shown?.figures;
  const counts = figures ?? {
    nodes: summary.nodes ?? 0, compliant: summary.compliant ?? 0, nonCompliant: summary.nonCompliant ?? 0,
    notScanned: summary.notScanned ?? 0,
  };
  const known = shown !== null || summary.nodes !== null;
  const status = (word: string): { pressed: boolean; next: Filter } => ({
    pressed: filter.values.status.includes(word), next: toggled(filter, "status", word),
  });
  const flag = (name: "stale" | "waiting" | "behind"): { pressed: boolean; next: Filter } => ({
    pressed: filter.flags[name], next: withFlag(filter, name, !filter.flags[name]),
  });
  const days = summary.staleAfterDays;
  const tiles: Tile[] = [
    {
      id: "non-compliant", label: "Non-compliant", value: known ? counts.nonCompliant : null, tone: "bad",
      note: "as their newest scan says", ...status("NON_COMPLIANT"),
    },
    {
      id: "not-scanned", label: "Never scanned", value: known ? counts.notScanned : null, tone: "grey",
      note: "count against the rate", ...status("NOT_SCANNED"),
    },
    {
      id: "stale", label: "Stale", value: figures ? figures.stale : summary.stale, tone: "warn",
      note: days === null ? "newest scan too old" : `newest scan over ${days} days old`, ...flag("stale"),
    },
    {
      id: "waiting", label: "Pending reboot", value: figures ? figures.waiting : summary.pendingReboot, tone: "warn",
      note: "patched, in effect after a reboot", ...flag("waiting"),
    },
    {
      id: "behind", label: "Agents behind", value: figures ? figures.behind : summary.agentsBehind, tone: "warn",
      note: "older than the fleet's newest", ...flag("behind"),
    },
  ];
  const compliant = status("COMPLIANT");
  return (
    <section class="kpis" aria-labelledby="kpis">
      <h2 id="kpis" class="hidden">Key figures</h2>
      <ul>
        <li class="kpi-rate">
          <button
            type="button" class="kpi" disabled={!shown} aria-pressed={compliant.pressed} data-kpi="rate"
            onClick={() => show({ filter: compliant.next }, true)}
          >
            <span class="kpi-label">Compliance rate</span>
            <span class="kpi-value">{known ? rateInWords(counts.compliant, counts.nodes) : "unknown"}</span>
            <span class="kpi-note">
              {known ? `${count(counts.compliant)} of ${nodesOf(counts.nodes)} ${counts.nodes === 1 ? "is" : "are"} compliant` : "compliant nodes in percent of all"}
            </span>
            {known && <><Bar counts={counts} /><CountsInWords counts={counts} /></>}
          </button>
        </li>
        {tiles.map((tile) => (
          <li key={tile.id}>
            <button
              type="button" class={`kpi ${tile.value ? `kpi-${tile.tone}` : ""}`}
              disabled={!shown || (tile.value === null && !tile.pressed)}
              aria-pressed={tile.pressed} data-kpi={tile.id} onClick={() => show({ filter: tile.next }, true)}
            >
              <span class="kpi-label">{tile.label}</span>
              <span class="kpi-value">{count(tile.value)}</span>
              <span class="kpi-note">{tile.note}</span>
            </button>
          </li>
        ))}
      </ul>
      {!isEmpty(filter) && fleet && !shown && <p class="note">Of all nodes: these numbers do not follow the filter.</p>}
      {!isEmpty(filter) && shown && (
        <p class="note">
          Of the nodes that the filter shows.{" "}
          <button type="button" class="link no-print" onClick={() => show({ filter: emptyFilter() }, true)}>
            Show all nodes
          </button>
        </p>
      )}
    </section>
  );
}
