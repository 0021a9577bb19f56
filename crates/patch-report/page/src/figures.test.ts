import assert from "node:assert/strict";
import { test } from "node:test";
import { agesOf, cvesOf, figuresOf, findingValuesOf, groupsOf, heatOf, missingOf, rateOf, valuesOf } from "./figures";
import { emptyFilter, maskOf, patchesOfSeverity, patchesWanted, shownOf, statesWanted, withValues } from "./filter";
import { fleetOf, SEVERITIES } from "./data";
import { fleet, rawOf } from "./sample";

test("the rate is rounded half up to one digit", () => {
  for (const [compliant, nodes, expected] of [
    [18, 54, 33.3], [1, 16, 6.3], [1, 2000, 0.1], [1999, 2000, 100], [3, 2000, 0.2], [0, 7, 0], [7, 7, 100],
    [1, 80, 1.3], [29, 800, 3.6], [0, 0, null],
  ] as const) assert.equal(rateOf({ compliant, nodes }), expected, `${compliant} of ${nodes}`);
});

const four = fleet([
  { account: "1", region: "eu-west-1", id: "i-a", os: "A", status: 1, lastScan: 1_000_000, waiting: 1, findings: [[0, "Missing"], [1, "Missing"], [2, "Missing"]] },
  { account: "1", region: "us-east-1", id: "i-b", os: "B", status: 0, lastScan: 1_900_000, findings: [[2, "Missing"], [3, "Failed"]] },
  { account: "2", region: "eu-west-1", id: "i-c", status: 2 },
  { account: "2", region: "eu-west-1", id: "i-d", os: "A", status: 0, lastScan: 1_500_000, stale: 1, findings: [[2, "Missing"]] },
], [
  { id: "KB1", title: "T", severity: "LOW", cves: "CVE-2,CVE-1" }, { id: "KB1", title: "T", severity: "HIGH", cves: "CVE-3,CVE-1" },
  { id: "KB2", title: "T", severity: "MEDIUM" }, { id: "KB3", severity: "CRITICAL" },
]);
const all = shownOf(maskOf(four, emptyFilter()));
const no = new Uint32Array(0);
const every = patchesOfSeverity(four, []);

test("figures count nodes", () => {
  assert.deepEqual(figuresOf(four.nodes!, all), {
    nodes: 4, compliant: 2, nonCompliant: 1, notScanned: 1, stale: 1, waiting: 1, behind: 0, newestScan: 1_900_000,
    oldestScan: 1_000_000,
  });
});

test("a figure is unknown where its query failed, and not 0", () => {
  assert.equal(figuresOf({ ...four.nodes!, hasBehind: false }, all).behind, null);
});

test("groups have the most nodes first, and a name where there is no value", () => {
  assert.deepEqual(groupsOf(four, all, "os").map(({ value, nodes }) => [value, nodes]), [["A", 2], ["(none)", 1], ["B", 1]]);
});

test("a value that reads as none is counted with none", () => {
  const odd = fleet([{ id: "i-a", account: "", os: "(none)" }, { id: "i-b", account: "(none)" }]);
  const nodes = shownOf(maskOf(odd, emptyFilter()));
  assert.deepEqual(groupsOf(odd, nodes, "os").map(({ value, nodes: count }) => [value, count]), [["(none)", 2]]);
  assert.deepEqual(heatOf(odd, nodes).rows.map(({ account, total }) => [account, total.nodes]), [["(none)", 2]]);
  assert.deepEqual(valuesOf(odd, new Uint8Array([1, 1]), odd.nodes!.text.os), [{ value: "(none)", nodes: 2 }]);
  const filter = withValues(emptyFilter(), "os", ["(none)"]);
  assert.deepEqual([...maskOf(odd, filter)], [1, 1]);
});

test("accounts and Regions sum up to the whole", () => {
  const { regions, rows, totals, total } = heatOf(four, all);
  assert.deepEqual(regions, ["eu-west-1", "us-east-1"]);
  assert.deepEqual(rows.map(({ account, cells }) => [account, cells.map((cell) => cell?.nodes ?? null)]), [["1", [1, 1]], ["2", [2, null]]]);
  assert.deepEqual(totals.map(({ nodes }) => nodes), [3, 1]);
  assert.equal(total.nodes, 4);
});

test("ages end with those never scanned", () => {
  const ages = agesOf(four.nodes!, all, 2_000_000).map(({ value, nodes }) => [value, nodes]);
  assert.deepEqual(ages, [["over 1 to 7 days", 2], ["over 7 to 14 days", 1], ["never scanned", 1]].filter(([, n]) => n));
});

test("missing patches are one per id and title, with the worst severity, and count a node once", () => {
  const patches = missingOf(four, all, no, every);
  assert.deepEqual(patches.map(({ id, severity, nodes, accounts, cves }) => [id, severity, nodes, accounts, cves]), [
    ["KB2", "MEDIUM", 3, 2, []], ["KB1", "HIGH", 1, 1, ["CVE-1", "CVE-2", "CVE-3"]],
  ]);
});

test("missing patches follow the nodes and the severity asked for", () => {
  assert.deepEqual(missingOf(four, all.subarray(1), no, every).map(({ id, nodes }) => [id, nodes]), [["KB2", 2]]);
  assert.deepEqual(missingOf(four, all, no, patchesOfSeverity(four, ["LOW"])).map(({ id, severity }) => [id, severity]), [["KB1", "LOW"]]);
});

test("missing patches count the nodes that only their patches tell of, and an account once", () => {
  const raw = rawOf(
    [{ account: "1", id: "i-a", findings: [[0, "Missing"]] }, { account: "2", id: "i-b", findings: [[0, "Missing"]] }],
    [{ id: "KB1" }, { id: "KB2" }],
    [{ account: "1", id: "i-x", findings: [[0, "Missing"], [1, "Failed"]] }, { account: "3", id: "i-y", findings: [[1, "Missing"]] }],
  );
  const some = fleetOf(raw);
  const counts = (fleet: typeof some, nodes: Uint32Array, others: Uint32Array): unknown =>
    missingOf(fleet, nodes, others, patchesOfSeverity(fleet, [])).map(({ id, nodes: n, accounts }) => [id, n, accounts]);
  const two = new Uint32Array([0, 1]);
  assert.deepEqual(counts(some, two, two), [["KB1", 3, 2], ["KB2", 1, 1]]);
  // QueryNodes failed: all of them are others.
  const { others, ...findings } = raw.findings!;
  assert.ok(others);
  const names = {
    account: [...raw.nodes!.account, ...others.account], region: [...raw.nodes!.region, ...others.region],
    id: [...raw.nodes!.id, ...others.id],
  };
  const alone = fleetOf({ ...raw, nodes: null, findings: { ...findings, others: names } });
  assert.deepEqual(counts(alone, no, new Uint32Array([0, 1, 2, 3])), [["KB1", 3, 2], ["KB2", 1, 1]]);
});

test("a severity and a state have as many nodes as they would show", () => {
  const everyNode = new Uint8Array(4).fill(1);
  const findings = four.findings!;
  const counts = (mask: Uint8Array, severities: string[], states: string[]): [string, number][] => {
    const { severities: bySeverity, states: byState } = findingValuesOf(
      findings, mask, 0, patchesWanted(four, severities, null), statesWanted(findings, states),
    );
    return [...SEVERITIES.map((name, i): [string, number] => [name, bySeverity[i]!]),
      ...findings.states.map((name, i): [string, number] => [name, byState[i]!])].filter(([, n]) => n > 0);
  };
  assert.deepEqual(counts(everyNode, [], []), [["CRITICAL", 1], ["HIGH", 1], ["MEDIUM", 3], ["LOW", 1], ["Missing", 3], ["Failed", 1]]);
  assert.deepEqual(counts(everyNode, ["CRITICAL"], []), [["CRITICAL", 1], ["Failed", 1]]);
  assert.deepEqual(counts(everyNode, [], ["Failed"]), [["CRITICAL", 1], ["Failed", 1]]);
  assert.deepEqual(counts(new Uint8Array([0, 0, 1, 1]), [], []), [["MEDIUM", 1], ["Missing", 1]]);
  // As the filter itself has it.
  for (const severity of SEVERITIES) {
    const [, nodes] = counts(everyNode, [], []).find(([name]) => name === severity) ?? [severity, 0];
    assert.equal(shownOf(maskOf(four, withValues(emptyFilter(), "severity", [severity]))).length, nodes);
  }
});

test("CVE ids are taken apart", () => {
  assert.deepEqual(cvesOf("CVE-1, CVE-2,"), ["CVE-1", "CVE-2"]);
  assert.deepEqual(cvesOf(""), []);
});
