import assert from "node:assert/strict";
import { test } from "node:test";
import { age, bytes, count, iso, percent, secondsOf, time } from "./words";

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

test("numbers read as in the rest of the product", () => {
  assert.equal(count(20_000), "20,000");
  assert.equal(count(null), "unknown");
  assert.equal(percent(100), "100.0\u00a0%");
  assert.equal(percent(null), "–");
  assert.equal(bytes(9_000_000), "9.0 MB");
});
