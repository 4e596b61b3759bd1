import assert from "node:assert/strict";
import { test } from "node:test";
import { didYouMean, nearest } from "./suggest.ts";

const cases: readonly (readonly [name: string, candidates: readonly string[], expected: string | undefined])[] = [
  ["temprature", ["humidity", "temperature"], "temperature"],
  ["QSO", ["qos"], "qos"],
  ["traffic_stream", ["cars", "traffic"], "traffic"],
  ["traffic", ["traffic_stream"], "traffic_stream"],
  ["trafficker", ["traffic"], "traffic"],
  ["trafficstream", ["traffic"], undefined],
  ["a_b", ["a"], undefined],
  ["t", ["s"], undefined],
  ["T", ["t"], "t"],
  ["demo", [], undefined],
];

for (const [name, candidates, expected] of cases) {
  test(`nearest() of ${name} in ${candidates.join(", ") || "nothing"} is ${expected}`, () => {
    assert.equal(nearest(name, candidates), expected);
  });
}

test("didYouMean() asks", () => {
  assert.equal(didYouMean("typ", ["type"]), 'did you mean "type"?');
  assert.equal(didYouMean("typ", ["server"]), undefined);
});
