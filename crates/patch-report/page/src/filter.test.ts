import assert from "node:assert/strict";
import { test } from "node:test";
import { NONE } from "./data";
import { emptyFilter, type Filter, isEmpty, maskOf, othersMaskOf, shownOf, toggled, unknownTo, withFlag, withValues } from "./filter";
import { fleet } from "./sample";

const three = fleet([
  {
    account: "1", region: "eu-west-1", id: "i-a", name: "Web", os: "Amazon Linux 2023", status: 1, waiting: 1,
    tags: [["Env", "prod"], ["__proto__", "x"]], findings: [[0, "Missing"], [1, "Failed"]],
  },
  { account: "1", region: "us-east-1", id: "i-b", name: "db", status: 0, stale: 1, tags: [["Env", "test"], ["Owner", ""]] },
  { account: "2", region: "eu-west-1", id: "i-c", os: "SLES 15.5", status: 2, tags: [["env", "prod"]], findings: [[1, "Missing"]] },
], [{ id: "KB1", title: "First", severity: "CRITICAL", cves: "CVE-2024-1,CVE-2024-2" }, { id: "KB2", title: "Second" }]);

function shown(change: Partial<Filter>): string[] {
  const nodes = shownOf(maskOf(three, { ...emptyFilter(), ...change }));
  return [...nodes].map((i) => three.strings[three.nodes!.text.id[i]!]!);
}
const values = (facet: Parameters<typeof withValues>[1], ...chosen: string[]): Partial<Filter> =>
  withValues(emptyFilter(), facet, chosen);

const cases: [string, Partial<Filter>, string[]][] = [
  ["nothing asked for", {}, ["i-a", "i-b", "i-c"]],
  ["one value", values("account", "1"), ["i-a", "i-b"]],
  ["either of two values", values("account", "1", "2"), ["i-a", "i-b", "i-c"]],
  ["two facets", { values: { ...emptyFilter().values, account: ["1"], region: ["eu-west-1"] } }, ["i-a"]],
  ["an unknown value", values("account", "3"), []],
  ["no value", values("os", NONE), ["i-b"]],
  ["a status", values("status", "NOT_SCANNED"), ["i-c"]],
  ["a severity", values("severity", "CRITICAL"), ["i-a"]],
  ["an absent severity is unspecified", values("severity", "UNSPECIFIED"), ["i-a", "i-c"]],
  ["a patch state", values("patchState", "Missing"), ["i-a", "i-c"]],
  [
    "severity and state of one and the same patch",
    { values: { ...emptyFilter().values, severity: ["CRITICAL"], patchState: ["Failed"] } }, [],
  ],
  ["a patch", { patch: { id: "KB2", title: "Second" } }, ["i-a", "i-c"]],
  ["a patch of another title", { patch: { id: "KB2", title: "First" } }, []],
  ["stale", withFlag(emptyFilter(), "stale", true), ["i-b"]],
  ["waiting", withFlag(emptyFilter(), "waiting", true), ["i-a"]],
  ["a tag, whose key has a case", { tags: [{ key: "Env", value: "prod" }] }, ["i-a"]],
  ["either value of a tag", { tags: [{ key: "Env", value: "prod" }, { key: "Env", value: "test" }] }, ["i-a", "i-b"]],
  ["two tags", { tags: [{ key: "Env", value: "test" }, { key: "Owner", value: "" }] }, ["i-b"]],
  ["a tag named as a property of JavaScript's", { tags: [{ key: "__proto__", value: "x" }] }, ["i-a"]],
  ["a word in a name, in any case", { text: "WEB" }, ["i-a"]],
  ["a word in a tag", { text: "prod" }, ["i-a", "i-c"]],
  ["a CVE id", { text: "cve-2024-2" }, ["i-a"]],
  ["a word in a patch's title", { text: "second" }, ["i-a", "i-c"]],
  ["all words, wherever each is", { text: " sles   second " }, ["i-c"]],
  ["a word that is nowhere", { text: "sles web" }, []],
  ["no regular expression", { text: ".*" }, []],
];
for (const [name, change, expected] of cases) {
  test(`shows what is asked for: ${name}`, () => assert.deepEqual(shown(change), expected));
}

test("of nodes that only their patches tell of, what asks for more shows none", () => {
  const some = fleet([{ id: "i-a", findings: [[0, "Missing"]] }], [{ id: "KB1", title: "First", severity: "HIGH" }, { id: "KB2" }], [
    { account: "1", region: "eu-west-1", id: "i-x", findings: [[0, "Missing"]] },
    { account: "2", region: "us-east-1", id: "i-y", findings: [[1, "Failed"]] },
  ]);
  for (const [name, change, expected] of [
    ["nothing asked for", {}, [1, 1]],
    ["an account", values("account", "1"), [1, 0]],
    ["a Region", values("region", "us-east-1"), [0, 1]],
    ["a severity", values("severity", "HIGH"), [1, 0]],
    ["a patch state", values("patchState", "Failed"), [0, 1]],
    ["a patch", { patch: { id: "KB2", title: "" } }, [0, 1]],
    ["a word in an id", { text: "I-X" }, [1, 0]],
    ["a word in a patch", { text: "first" }, [1, 0]],
    ["a status", values("status", "NOT_SCANNED"), [0, 0]],
    ["no patch group", values("patchGroup", NONE), [0, 0]],
    ["stale", withFlag(emptyFilter(), "stale", true), [0, 0]],
    ["a tag", { tags: [{ key: "Env", value: "" }] }, [0, 0]],
  ] as [string, Partial<Filter>, number[]][]) {
    assert.deepEqual([...othersMaskOf(some, { ...emptyFilter(), ...change })], expected, name);
  }
  assert.equal(maskOf(some, emptyFilter()).length, 1);
});

test("a facet left out does not count", () => {
  const filter = withValues(withValues(emptyFilter(), "account", ["1"]), "region", ["us-east-1"]);
  assert.deepEqual([...maskOf(three, filter, "region")], [1, 1, 0]);
});

test("of a query that failed nothing matches", () => {
  const unknown = { ...three, findings: null };
  assert.deepEqual([...maskOf(unknown, withValues(emptyFilter(), "severity", ["CRITICAL"]))], [0, 0, 0]);
  assert.deepEqual(unknownTo(unknown, withValues(emptyFilter(), "severity", ["CRITICAL"])), ["QueryNonCompliantPatch"]);
  const flags = { ...emptyFilter(), flags: { stale: true, waiting: true, behind: true } };
  assert.deepEqual(unknownTo(unknown, flags), []);
  const nodes = { ...three.nodes!, hasWaiting: false, hasBehind: false };
  assert.deepEqual(unknownTo({ ...three, nodes }, flags), ["QueryPendingReboot", "QueryAgentsBehind"]);
});

test("a value chosen twice is as none", () => {
  const once = toggled(emptyFilter(), "status", "COMPLIANT");
  assert.equal(isEmpty(once), false);
  assert.equal(isEmpty(toggled(once, "status", "COMPLIANT")), true);
});
