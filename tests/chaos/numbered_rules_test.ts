import assert from "node:assert/strict";
import { test } from "node:test";
import { expectedOf, faultOf, type Promised, type Received, type RuleKind, ruleKinds } from "./numbered_rules.ts";

const count = 100;

/** Results as they would come, each with an id of its own. */
function unbroken(kind: RuleKind): Received[] {
  return expectedOf(kind, count, false).map((payload, i) => ({ payload, id: `r-${i}` }));
}

const fault = (kind: RuleKind, promised: Promised, received: readonly Received[]) =>
  faultOf(kind, promised, received, expectedOf(kind, count, false));

const all: readonly Promised[] = ["each at least once", "state exactly once", "exactly once by id"];

for (const kind of ruleKinds) {
  test(`faultOf() finds nothing in an unbroken run of "${kind}", nor in repeats`, () => {
    const results = unbroken(kind);
    const repeated = [...results.slice(0, 7), ...results.slice(3)];
    for (const promised of all) {
      assert.equal(fault(kind, promised, results), undefined);
      assert.equal(fault(kind, promised, repeated), undefined);
    }
  });

  test(`faultOf() finds what is missing of "${kind}"`, () => {
    const results = unbroken(kind).toSpliced(4, 1);
    for (const promised of all) assert.match(fault(kind, promised, results)!, /missing|in no window/);
  });

  test(`faultOf() finds results of "${kind}" out of order, under a second id and without one`, () => {
    const results = unbroken(kind);
    const swapped = results.with(2, results[3]!).with(3, results[2]!);
    assert.match(fault(kind, "state exactly once", swapped)!, /result 2 is/);
    assert.match(fault(kind, "exactly once by id", swapped)!, /result 2 is/);
    const again = [...results, { ...results[5]!, id: "other" }];
    assert.match(fault(kind, "exactly once by id", again)!, /1 twice under other ids/);
    assert.match(fault(kind, "exactly once by id", results.with(1, { ...results[1]!, id: "r-0" }))!, /has two results/);
    assert.match(
      fault(kind, "exactly once by id", results.with(1, { ...results[1]!, id: undefined }))!,
      /without an id/,
    );
  });
}

test("faultOf() takes for right what repeats of messages do to results, where they may come", () => {
  const plain = unbroken("plain").map(({ payload }) => ({ payload, id: undefined }));
  assert.equal(fault("plain", "each at least once", [...plain, ...plain]), undefined);
  const analytic = unbroken("analytic");
  const shifted = [...analytic.slice(0, 9), { payload: '{"before":8,"hits":9,"n":6,"nth":10}', id: "x" }];
  assert.equal(fault("analytic", "each at least once", [...shifted, ...analytic.slice(6)]), undefined);
  assert.match(fault("analytic", "state exactly once", [...shifted, ...analytic.slice(9)])!, /1 wrong/);
  const [first, ...others] = unbroken("tumbling");
  const larger = { ...first!, payload: first!.payload.replace('"c":10', '"c":13') };
  assert.equal(fault("tumbling", "each at least once", [larger, ...others]), undefined);
  assert.match(fault("tumbling", "exactly once by id", [larger, ...others])!, /1 wrong/);
});
