/** Numbers and times as words. Times are UTC, as everywhere else in the product. */

import { rateOf } from "./figures";

const number = new Intl.NumberFormat("en-US");
const one = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export function count(value: number | null): string {
  return value === null ? "unknown" : number.format(value);
}

export function nodesOf(value: number): string {
  return `${count(value)} ${value === 1 ? "node" : "nodes"}`;
}

/** Compliant nodes of all, in percent. What is only rounded to all or to none does not read so. */
export function rateInWords(compliant: number, nodes: number): string {
  const rate = rateOf({ compliant, nodes });
  if (rate === null) return "–";
  if (rate === 100 && compliant < nodes) return "over\u00a099.9\u00a0%";
  if (rate === 0 && compliant > 0) return "under\u00a00.1\u00a0%";
  return `${one.format(rate)}\u00a0%`;
}

/** As Systems Manager writes a time; empty of 0, which is none. */
export function iso(seconds: number): string {
  return seconds > 0 ? `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z` : "";
}

/** `2026-01-15 12:00 UTC`, in a table without the zone. */
export function time(seconds: number, zone = true): string {
  return seconds > 0 ? `${iso(seconds).slice(0, 16).replace("T", " ")}${zone ? " UTC" : ""}` : "";
}

/** Epoch seconds of a time in the summary; null if there is none or nobody can read it. */
export function secondsOf(text: string | null): number | null {
  const milliseconds = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(milliseconds) ? null : Math.floor(milliseconds / 1000);
}

/** How long, in its largest whole unit: `3 days`. */
export function age(seconds: number): string {
  const units: [number, string][] = [[86_400, "day"], [3600, "hour"], [60, "minute"]];
  for (const [size, name] of units) {
    const whole = Math.floor(seconds / size);
    if (whole >= 1) return `${count(whole)} ${name}${whole === 1 ? "" : "s"}`;
  }
  return "less than a minute";
}

/** Clocks differ by less than this, in seconds. */
const SAME_TIME = 300;

/** How old something was at a time, or that it was later, so that one of the clocks is wrong. */
export function ageAt(time: number, seconds: number): string {
  const old = time - seconds;
  return old < -SAME_TIME ? `${age(-old)} later than the report: a clock is wrong` : `${age(Math.max(0, old))} old when made`;
}

/** What to say of when the report was made, if anything: that it is old, or that the clock now is behind it. */
export function sinceMade(made: number, now: number): string | null {
  const since = now - made;
  if (since < -SAME_TIME) {
    return `By this computer's clock this report will be made in ${age(-since)}: a clock is wrong. Ages are those of when it was made.`;
  }
  return since > 86_400 ? `This report was made ${age(since)} ago. It says what was known then.` : null;
}

export function bytes(value: number | null): string {
  if (value === null) return "";
  if (value < 1e6) return `${one.format(value / 1e3)} kB`;
  return value < 1e9 ? `${one.format(value / 1e6)} MB` : `${one.format(value / 1e9)} GB`;
}

/** A text as far as anybody reads it; the whole of it is in the CSV. */
export function short(text: string): string {
  // Not within a pair of code units that are one letter.
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** Characters. A tag of AWS's has up to 256. */
const LONGEST = 300;

/** The class of a text that is not to be broken; one longer than the ids of its kind may be. */
export function unbroken(text: string, longest = 24): string {
  return text.length <= longest ? "fixed" : "";
}

const WORDS = new Map([
  ["COMPLIANT", "Compliant"], ["NON_COMPLIANT", "Non-compliant"], ["NOT_SCANNED", "Not scanned"],
  ["CRITICAL", "Critical"], ["HIGH", "High"], ["MEDIUM", "Medium"], ["LOW", "Low"],
  ["INFORMATIONAL", "Informational"], ["UNSPECIFIED", "Unspecified"],
  ["SUCCEEDED", "Succeeded"], ["FAILED", "Failed"], ["CANCELLED", "Cancelled"], ["TIMED_OUT", "Timed out"],
  ["MISSING", "Not saved in the workgroup"],
]);

/** A word of AWS's in capitals, for people; any other text as it is. */
export function word(text: string): string {
  return WORDS.get(text) ?? text;
}
