import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { Disconnected, ItemsFailed } from "../connector/errors.ts";
import type { MessageSettings, PayloadSink } from "../connector/sink.ts";
import { text } from "../connector/settings.ts";
import { PolicyGuard } from "./policy_guard.ts";
import type { PreparedAction } from "./prepare_action.ts";

const ada = { kind: "user", name: "ada", role: "editor" };
const settings = v.strictObject({ topic: text({ description: "A name.", dynamic: true }) });

function actionOn(topic: string): PreparedAction {
  const action = { connector: { name: "tape" }, settings: { topic }, connection: undefined, role: { settings } };
  return action as unknown as PreparedAction;
}

function fixture(topic: string) {
  const told: string[] = [];
  const guard = new PolicyGuard({
    policies: [{ name: "p", principals: ["*"], deny: { write: [{ topic: "no/#" }] } }],
    onRefusedMessage: (rule, _, message) => void told.push(`${rule}: ${message}`),
  });
  const writes: unknown[][] = [];
  const errors: Error[] = [];
  const sink: PayloadSink = {
    write: (...args) => {
      writes.push(args);
      const error = errors.shift();
      return error === undefined ? Promise.resolve() : Promise.reject(error);
    },
    close: () => Promise.resolve(),
  };
  return { guard, sink, guarded: guard.guarding(sink, actionOn(topic), "r1", ada), writes, errors, told };
}

const of = (...topics: string[]): MessageSettings[] => topics.map((topic) => ({ topic }));
const { signal } = new AbortController();

test("a sink whose messages all go to one place is left as it is", () => {
  const { guarded, sink } = fixture("a");
  assert.equal(guarded, sink);
});

test("what is allowed is written as it came, with everything that belongs to it", async () => {
  const { guarded, writes } = fixture("{{.t}}");
  const args = [["1", "2"], signal, ["i1", "i2"], of("a", "b"), ["t1", undefined]] as const;
  await guarded.write(...args);
  assert.equal(writes.length, 1);
  for (const [i, each] of args.entries()) assert.equal(writes[0]![i], each);
});

test("of a batch the refused are failed with the reason, the others written; what the sink fails keeps its place", async () => {
  const { guarded, writes, errors, told } = fixture("{{.t}}");
  errors.push(new ItemsFailed(new Map([[1, "too long"]])));
  const write = guarded.write(["1", "2", "3", "4"], signal, ["a", "b", "c", "d"], of("no/1", "x", "no/2", "y"), [
    "p",
    "q",
    "r",
    "s",
  ]);
  const failed = await write.then(() => undefined, (error) => error as ItemsFailed);
  assert.ok(failed instanceof ItemsFailed);
  assert.deepEqual([...failed.failed.keys()], [0, 2, 3]);
  assert.match(failed.failed.get(0)!, /^policy: user ada must not write tape \(topic no\/1\): policy p denies it/);
  assert.equal(failed.failed.get(3), "too long");
  assert.deepEqual(writes[0]!.filter((_, i) => i !== 1), [["2", "4"], ["b", "d"], of("x", "y"), ["q", "s"]]);
  assert.equal(told.length, 2);
});

test("a batch that is tried again comes to the sink in the same arrays", async () => {
  const { guarded, guard, writes, errors } = fixture("{{.t}}");
  errors.push(new Disconnected("away"), new Disconnected("away"));
  const [batch, ids, own] = [["1", "2", "3"], ["a", "b", "c"], of("no/1", "x", "y")];
  await assert.rejects(guarded.write(batch, signal, ids, own), Disconnected);
  await assert.rejects(guarded.write(batch, signal, ids, own), Disconnected);
  assert.equal(writes[0]![0], writes[1]![0]);
  assert.equal(writes[0]![2], writes[1]![2]);
  guard.replace([{ name: "p", principals: ["*"], deny: { write: [{ topic: "+" }, { topic: "no/#" }] } }]);
  await assert.rejects(guarded.write(batch, signal, ids, own), ItemsFailed);
  assert.equal(writes.length, 2, "nothing of it may be sent any more");
});
