import assert from "node:assert/strict";
import { test } from "node:test";
import { age, ageAt, bytes, count, iso, rateInWords, secondsOf, short, sinceMade, time } from "./words";

test("times are UTC", () => {
  assert.equal(iso(1_768_478_400), "2026-01-15T12:00:00Z");
  assert.equal(time(1_768_478_400), "2026-01-15 12:00 UTC");
  assert.equal(time(0), "");
  assert.equal(secondsOf("2026-01-15T12:00:00Z"), 1_768_478_400);
  assert.equal(secondsOf("<b>"), null);
  assert.equal(secondsOf(null), null);
});

test("ages are in whole units", () => {
  for (const [seconds, expected] of [
    [0, "less than a minute"], [60, "1 minute"], [7199, "1 hour"], [86_400, "1 day"], [30 * 86_400, "30 days"],
  ] as const) assert.equal(age(seconds), expected);
});

test("what is later than the report is told from what is new", () => {
  assert.equal(ageAt(1_000_000, 1_000_000 - 7200), "2 hours old when made");
  assert.equal(ageAt(1_000_000, 1_000_060), "less than a minute old when made");
  assert.equal(ageAt(1_000_000, 1_000_000 + 7200), "2 hours later than the report: a clock is wrong");
});

test("a report that is old says so, and one that is not made yet", () => {
  assert.equal(sinceMade(1_000_000, 1_000_000 + 3600), null);
  assert.equal(sinceMade(1_000_000, 1_000_000 - 60), null);
  assert.match(sinceMade(1_000_000, 1_000_000 + 3 * 86_400)!, /made 3 days ago/);
  assert.match(sinceMade(1_000_000, 1_000_000 - 3 * 86_400)!, /made in 3 days: a clock is wrong/);
});

test("a text longer than anybody reads is cut, and no letter in two", () => {
  assert.equal(short("x".repeat(300)), "x".repeat(300));
  assert.equal(short("x".repeat(100_000)), `${"x".repeat(300)}…`);
  assert.equal(short(`${"x".repeat(299)}🙂🙂`), `${"x".repeat(299)}…`);
});

test("numbers read as in the rest of the product", () => {
  assert.equal(count(20_000), "20,000");
  assert.equal(count(null), "unknown");
  assert.equal(bytes(9_000_000), "9.0 MB");
});

test("a rate reads as all or none only if it is", () => {
  for (const [compliant, nodes, expected] of [
    [18, 54, "33.3 %"], [20_000, 20_000, "100.0 %"], [19_999, 20_000, "over 99.9 %"], [1999, 2000, "over 99.9 %"],
    [1998, 2000, "99.9 %"], [0, 20_000, "0.0 %"], [1, 20_000, "under 0.1 %"], [1, 2000, "0.1 %"], [0, 0, "–"],
  ] as const) assert.equal(rateInWords(compliant, nodes), expected.replaceAll(" ", "\u00a0"), `${compliant} of ${nodes}`);
});
