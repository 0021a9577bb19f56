/**
 * Starts the page: paints the summary, unpacks the data, and then follows the reader.
 *
 * Everything that is shown is a function of the summary, the data and the address; `paint` is called when one of them
 * changes.
 */

import { render } from "preact";
import { App } from "./app";
import { type Fleet, fleetOf, type Summary, unpack } from "./data";
import { lowerCase } from "./filter";
import { hashOf, type State, stateOf } from "./hash";
import { type Found, foundBy, goTo, type Shown, shownBy } from "./view";

const VERSION = 1;

function textOf(id: string): string {
  return document.getElementById(id)?.textContent ?? "";
}

/** Tells the reader's tabs and history apart. */
function titleOf({ node }: State): string {
  return node ? `${node.id} – Patch compliance` : "Patch compliance";
}

/** Takes the place of what is there for readers without JavaScript. */
function makeRoot(): HTMLElement {
  const root = document.createElement("div");
  root.className = "page";
  document.getElementById("app")?.replaceWith(root);
  return root;
}

function start(): void {
  const summary = JSON.parse(textOf("summary")) as Summary;
  const root = makeRoot();
  let fleet: Fleet | null = null;
  let problem: string | null = null;
  let state: State = stateOf(location.hash);
  let shown: Shown | null = null;
  let found: Found | null = null;
  let printing = false;

  const paint = (): void => {
    const focused = document.activeElement;
    render(<App {...{ summary, fleet, problem, state, shown, found, show, printing }} />, root);
    document.title = titleOf(state);
    // What took itself away, as a filter does that is removed, must not take the place of the keyboard along.
    if (focused && !focused.isConnected) document.querySelector<HTMLElement>(".result")?.focus({ preventScroll: true });
  };
  const filterAnew = (): void => {
    if (!fleet) return;
    shown = shownBy(fleet, state.filter, summary);
    found = foundBy(fleet, state.filter, shown);
  };
  const apply = (next: State): void => {
    const refilter = next.filter !== state.filter;
    const left = next.node === null ? state.node : null;
    state = next;
    if (refilter) filterAnew();
    paint();
    if (left) focusOn(left.id);
  };
  const show = (change: Partial<State>, step = false): void => {
    const next = { ...state, ...change };
    apply(next);
    const hash = hashOf(next);
    if (`#${hash}` === location.hash || (hash === "" && location.hash === "")) return;
    try {
      if (step) history.pushState(null, "", `#${hash}`);
      else history.replaceState(null, "", `#${hash}`);
    } catch {
      // Browsers limit how often; what can't be bookmarked for a moment is shown all the same.
    }
  };
  addEventListener("popstate", () => apply(merged(state, stateOf(location.hash))));
  addEventListener("beforeprint", () => {
    printing = true;
    paint();
  });
  addEventListener("afterprint", () => {
    printing = false;
    paint();
  });
  paint();

  const fill = async (): Promise<void> => {
    try {
      if (summary.version !== VERSION) throw new Error(`It is of version ${summary.version}, this page reads ${VERSION}.`);
      const data = document.getElementById("data");
      fleet = fleetOf(await unpack(data?.textContent ?? ""));
      // Some megabytes of text that nobody reads again.
      data?.remove();
      filterAnew();
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    paint();
    if (fleet) setTimeout(lowerCase, 500, fleet);
  };
  // Once the first picture is on the screen.
  requestAnimationFrame(() => setTimeout(() => void fill(), 0));
}

/** Keeps the filter's identity if it is the same, so that nothing is counted anew. */
function merged(old: State, next: State): State {
  const same = hashOf({ ...old, sort: null, node: null }) === hashOf({ ...next, sort: null, node: null });
  return same ? { ...next, filter: old.filter } : next;
}

/** Back from a node's own page: to its row, if it is there. */
function focusOn(node: string): void {
  const link = document.querySelector<HTMLElement>(`a[data-node="${CSS.escape(node)}"]`);
  if (link) link.focus();
  else goTo("nodes");
}

start();
