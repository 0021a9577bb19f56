import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyFilter, isEmpty, withValues } from "./filter";
import { emptyState, hashOf, type State, stateOf } from "./hash";

const ODD = "a~b/c#d&e=f%20+ \"<>'\u202e漢🙂";

test("what is shown comes back from its address", () => {
  const state: State = {
    filter: {
      ...withValues(withValues(emptyFilter(), "account", ["111122223333", ODD]), "status", ["NON_COMPLIANT"]),
      text: ODD, flags: { stale: true, waiting: false, behind: true },
      tags: [{ key: ODD, value: ODD }, { key: "Empty", value: "" }], patch: { id: ODD, title: ODD },
    },
    sort: { column: "missing", descending: true },
    node: { account: "1", region: ODD, id: ODD },
  };
  assert.deepEqual(stateOf(`#${hashOf(state)}`), state);
});

test("nothing asked for has no address", () => {
  assert.equal(hashOf(emptyState()), "");
  assert.deepEqual(stateOf(""), emptyState());
});

for (const [name, hash] of [
  ["no pairs", "#content"], ["broken escapes", "#%E0%A4%A&%&=&=="], ["an unknown status", "#status=GOOD"],
  ["an unknown severity", "#severity=__proto__"], ["an unknown column", "#sort=-constructor"],
  ["names of JavaScript's", "#__proto__=1&constructor=2&toString=3"], ["a tag without a value", "#tag=Env"],
  ["a node in four parts", "#node=1/2/3/4"], ["far too long", `#status=COMPLIANT&os=${"x".repeat(30_000)}`],
  ["a search for more words than can be typed", `#q=${"x+".repeat(5000)}`],
  ["markup", "#<img src=x onerror=alert(1)>"],
] as const) {
  test(`a malformed address is ignored: ${name}`, () => {
    const state = stateOf(hash);
    assert.ok(isEmpty(state.filter));
    assert.equal(state.sort, null);
    assert.equal(state.node, null);
  });
}

test("a value that is well formed stays, though nobody knows it", () => {
  assert.deepEqual(stateOf("#account=999&account=999").filter.values.account, ["999"]);
});
