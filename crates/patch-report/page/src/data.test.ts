import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { fleetOf, severityRank, unpack } from "./data";
import { rawOf } from "./sample";

const raw = rawOf([
  { id: "i-a", tags: [["k", "v"], ["__proto__", "w"]], findings: [[1, "Missing"], [3, "Failed"], [3, "Missing"]] },
  { id: "i-b" },
  { id: "i-c", tags: [["k", ""]], findings: [[0, "Failed"]] },
], [{ id: "p0", title: "t" }, { id: "p1", title: "t" }, { id: "p0", title: "t", severity: "LOW" }, { id: "p3" }]);

test("what is packed is unpacked, line ends around it or not", async () => {
  const packed = gzipSync(JSON.stringify(raw)).toString("base64");
  assert.deepEqual(await unpack(`\n${packed}\n`), raw);
});

test("data that is cut off is an error and no half of a report", async () => {
  const packed = gzipSync(JSON.stringify(raw)).toString("base64");
  await assert.rejects(unpack(packed.slice(0, -40)));
  await assert.rejects(unpack(""));
});

test("a patch's index is as far from the one before as it says, and begins anew with each node", () => {
  const findings = fleetOf(raw).findings!;
  assert.deepEqual([...findings.start], [0, 3, 3, 4]);
  assert.deepEqual([...findings.which], [1, 3, 3, 0]);
  assert.deepEqual([...findings.state].map((state) => findings.states[state]), ["Missing", "Failed", "Missing", "Failed"]);
});

test("a state is the same in either spelling", () => {
  const states = ["Missing", "MISSING", "INSTALLED_PENDING_REBOOT", "InstalledPendingReboot", "=1"];
  const { findings } = fleetOf(rawOf([{ id: "i-a", findings: states.map((state) => [0, state]) }], [{ id: "p0" }]));
  assert.deepEqual(findings!.states, ["Missing", "InstalledPendingReboot", "=1"]);
  assert.deepEqual([...findings!.state], [0, 0, 1, 1, 2]);
});

test("rows of one id and title are one patch", () => {
  assert.deepEqual([...fleetOf(raw).findings!.group], [0, 1, 0, 2]);
});

test("findings are there without the nodes, whose names they then have", () => {
  const { findings, nodes } = fleetOf({ ...raw, nodes: null, findings: { ...raw.findings!, others: { account: raw.nodes!.account, region: raw.nodes!.region, id: raw.nodes!.id } } });
  assert.equal(nodes, null);
  assert.equal(findings!.others.first, 0);
  assert.equal(findings!.others.count, 3);
  assert.deepEqual([...findings!.which], [1, 3, 3, 0]);
  // Neither is there without the other.
  assert.equal(fleetOf({ ...raw, patches: null }).findings, null);
});

test("tags belong to their nodes", () => {
  assert.deepEqual([...fleetOf(raw).nodes!.tagStart], [0, 2, 2, 3]);
});

test("the part of a query that failed is null", () => {
  const fleet = fleetOf({ ...raw, findings: null, nodes: { ...raw.nodes!, behind: null } });
  assert.equal(fleet.findings, null);
  assert.equal(fleet.gone, null);
  assert.equal(fleet.nodes!.hasBehind, false);
  assert.equal(fleetOf({ ...raw, nodes: null }).nodes, null);
});

test("a number that a query does not have is null and not -1", () => {
  const { silent, gone } = fleetOf({
    ...raw, silentAccounts: { account: [0], nodes: [-1], lastSeen: [0], days: [-1] },
    gone: { account: [0], region: [0], id: [0], name: [0], state: [0], lastSeen: [0], days: [-1] },
  });
  assert.deepEqual([silent![0]!.nodes, silent![0]!.days, gone![0]!.days], [null, null, null]);
});

test("severities have an order, and an unknown one is unspecified", () => {
  assert.ok(severityRank("critical") < severityRank("HIGH"));
  assert.equal(severityRank("toString"), severityRank("UNSPECIFIED"));
});
