import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rules } from "../../src/runtime/rules.ts";
import { World } from "../durable/world.ts";
import { eventually } from "../eventually.ts";

/** Looks at the ledger in every turn of the event loop until it is told to end. */
function watch(rules: Pick<Rules, "ledger">, id: string) {
  const found = new Set<string>();
  let looks = 0;
  let ended = false;
  const watching = (async () => {
    while (!ended) {
      for (const each of rules.ledger(id).imbalances) found.add(each);
      looks++;
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
  })();
  return {
    async end(): Promise<void> {
      ended = true;
      await watching;
      assert.ok(looks > 3, `only ${looks} looks`);
      assert.deepEqual([...found].slice(0, 5), []);
    },
  };
}

const batches = 40;
const rows = 25;

const cases: [name: string, options: object, action: object][] = [
  ["with qos 0", {}, {}],
  ["with qos 1", { qos: 1 }, {}],
  ["with qos 2 and a window", { qos: 2 }, {}],
  ["with a cache on disk", {}, { enableCache: true, memoryCacheThreshold: 16, bufferPageSize: 8, maxDiskCache: 1024 }],
  ["with a second queue", {}, { enableCache: true, resendAlterQueue: true, resendInterval: 1 }],
  ["with a second queue and qos 1", { qos: 1 }, { resendAlterQueue: true, resendInterval: 1 }],
];

for (const [name, options, settings] of cases) {
  test(`the ledger of a rule ${name} balances at every moment, also while its sink goes and comes`, () =>
    World.with(async (world) => {
      const { tape } = world;
      const sql = name.includes("window") ? "SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(3)" : "SELECT n FROM s";
      await world.define(sql, options, "r", [{ tape: settings }]);
      const watching = watch(world.engine.rules, "r");
      for (let i = 0; i < batches; i++) {
        tape.away = i % 10 > 6;
        tape.add(Array.from({ length: rows }, (_, n) => ({ n: i * rows + n })));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      tape.away = false;
      const { rules } = world.engine;
      await eventually(() => {
        const { rows: taken, actions } = rules.ledger("r");
        return taken.in === batches * rows && actions[0]!.messages.waiting === 0;
      });
      await watching.end();
      const { sent, dropped } = rules.ledger("r").actions[0]!.messages;
      assert.deepEqual(dropped, {});
      assert.equal(sent, name.includes("window") ? Math.floor(batches * rows / 3) : batches * rows);
    }));
}
