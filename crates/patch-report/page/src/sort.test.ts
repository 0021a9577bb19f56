import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyFilter, maskOf, shownOf } from "./filter";
import { fleet } from "./sample";
import { type Column, sorted } from "./sort";

const some = fleet([
  { id: "i-d", name: "web-10", missing: 3, lastScan: 50 }, { id: "i-c", name: "", missing: 0 },
  { id: "i-b", name: "Web-9", missing: -1, lastScan: 70 }, { id: "i-a", name: "app", missing: 3, lastScan: 60 },
]);
const all = shownOf(maskOf(some, emptyFilter()));
const ids = (nodes: Uint32Array): string => [...nodes].map((i) => some.strings[some.nodes!.text.id[i]!]!.slice(2)).join("");

for (const [column, descending, expected] of [
  ["id", false, "abcd"], ["id", true, "dcba"],
  // Numbers in a text are numbers, either case is the same, and what is absent is last in both directions.
  ["name", false, "abdc"], ["name", true, "dbac"],
  ["missing", false, "cdab"], ["missing", true, "dacb"],
  ["lastScan", false, "dabc"], ["lastScan", true, "badc"],
] as [Column, boolean, string][]) {
  test(`sorts by ${column}, ${descending ? "descending" : "ascending"}`, () => {
    assert.equal(ids(sorted(some, all, { column, descending })), expected);
  });
}

test("numbers of any size sort, and no node is lost", () => {
  const large = fleet([
    { id: "i-a", missing: 9e15 }, { id: "i-b", missing: 99_999_999_999 }, { id: "i-c", missing: -1 }, { id: "i-d", missing: 9e15 },
    { id: "i-e", missing: 1 },
  ]);
  const nodes = shownOf(maskOf(large, emptyFilter()));
  assert.deepEqual([...sorted(large, nodes, { column: "missing", descending: true })], [0, 3, 1, 4, 2]);
  assert.deepEqual([...sorted(large, nodes, { column: "missing", descending: false })], [4, 1, 0, 3, 2]);
});

test("without a column the order is the data's", () => assert.equal(ids(sorted(some, all, null)), "dcba"));

test("sorts what is shown and no more", () => {
  assert.equal(ids(sorted(some, all.subarray(0, 2), { column: "id", descending: false })), "cd");
});
