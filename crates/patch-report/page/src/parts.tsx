/** Small parts that several others are made of. */

import { scaleLinear } from "d3-scale";
import { stack, stackOffsetExpand } from "d3-shape";
import type { ComponentChildren, JSX } from "preact";
import type { Cell } from "./csv";
import { save } from "./csv";
import { STATUSES } from "./data";
import type { Counts } from "./figures";
import { count, short, word } from "./words";

export function Panel(props: {
  id: string; title: string; note?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren;
}): JSX.Element {
  return (
    <section class={`panel panel-${props.id}`} aria-labelledby={props.id}>
      <div class="panel-head">
        <h2 id={props.id} tabIndex={-1}>{props.title}</h2>
        {props.actions && <div class="actions">{props.actions}</div>}
      </div>
      {props.note && <p class="note">{props.note}</p>}
      {props.children}
    </section>
  );
}

/** A table too wide for its place scrolls in it, with the keyboard too; the page never does. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }): JSX.Element {
  return <div class="scroll" role="region" aria-label={`Table: ${label}`} tabIndex={0}>{children}</div>;
}

export function SaveButton(props: {
  what: string; name: string; head: readonly string[]; rows: () => Iterable<readonly Cell[]>; text?: string;
}): JSX.Element {
  return (
    <button type="button" class="quiet" onClick={() => save(props.name, props.head, props.rows())}>
      {props.text ?? "CSV"}<span class="hidden">: save {props.what}</span>
    </button>
  );
}

/** Below a table that shows its first rows only: how many these are, and a button for `step` more. */
export function More(props: { limit: number; all: number; step: number; show: () => void }): JSX.Element | null {
  const { limit, all, step, show } = props;
  if (all <= limit) return null;
  return (
    <p class="more">
      {count(limit)} of {count(all)} are shown.{" "}
      <button type="button" class="link no-print" onClick={show}>Show {count(Math.min(step, all - limit))} more</button>
    </p>
  );
}

/** A button that unfolds what shows its first `few` only, and folds it again. */
export function Fold(props: { open: boolean; few: number; all: string; turn: () => void }): JSX.Element {
  const { open, few, all, turn } = props;
  return (
    <button type="button" class="link more" aria-expanded={open} onClick={turn}>
      {open ? `Show the first ${few} only` : `Show all ${all}`}
    </button>
  );
}

/** Characters; the titles of most patches have fewer. */
const LONG = 120;

/** What somebody's machine calls something: it may neither turn round the words beside it nor fill the page. */
export function Name({ text }: { text: string }): JSX.Element {
  return <bdi class={text.length > LONG ? "long" : undefined}>{short(text)}</bdi>;
}

const SHAPES = ["●", "▲", "○"] as const;

/** A status in its colour, with a shape and a word that say the same. */
export function Status({ status }: { status: number }): JSX.Element {
  const name = STATUSES[status] ?? "NOT_SCANNED";
  return (
    <span class={`status status-${status}`}>
      <span aria-hidden="true">{SHAPES[status] ?? "○"}</span> {word(name)}
    </span>
  );
}

export function Severity({ severity }: { severity: string }): JSX.Element | null {
  if (severity === "") return null;
  const known = <Name text={word(severity.toUpperCase())} />;
  return <span class={`severity severity-${SEVERITY_CLASSES.get(severity.toUpperCase()) ?? "other"}`}>{known}</span>;
}

const SEVERITY_CLASSES = new Map([["CRITICAL", "critical"], ["HIGH", "high"], ["MEDIUM", "medium"], ["LOW", "low"]]);

const PARTS = ["compliant", "nonCompliant", "notScanned"] as const;
const stacked = stack<unknown, Counts, (typeof PARTS)[number]>().keys(PARTS).offset(stackOffsetExpand);
const width = scaleLinear([0, 1], [0, 100]);

/** Parts of a whole as a bar. For the eye only: its numbers always stand beside it. */
export function Bar({ counts }: { counts: Counts }): JSX.Element {
  return (
    <svg class="bar" aria-hidden="true" focusable="false">
      {stacked([counts]).map((series, i) => {
        const [from, to] = series[0]!;
        return to > from && (
          <rect key={series.key} class={`fill-${i}`} x={`${width(from)}%`} width={`${width(to - from)}%`} height="100%" />
        );
      })}
    </svg>
  );
}

/** The numbers of a bar, in words. */
export function CountsInWords({ counts }: { counts: Counts }): JSX.Element {
  const words = ["compliant", "non-compliant", "not scanned"];
  return (
    <span class="counts">
      {PARTS.map((part, i) => counts[part] > 0 && (
        <span key={part} class="count"><span class={`key key-${i}`} aria-hidden="true" />{count(counts[part])} {words[i]}</span>
      ))}
    </span>
  );
}
