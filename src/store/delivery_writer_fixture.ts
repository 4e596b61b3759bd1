/**
 * A process that commits units, for the test that kills it and the one that counts its flushes of the disk. Prints the
 * number of each that is committed. Arguments: the directory, how many units (default: no end), and their durability
 * (default: "power" for one in fifty).
 *
 * Unit n has log entry n, position n, messages 2n and 2n + 1 for outbox "a" and n for "b". What was taken from "a" is
 * delivered, a tenth of it becomes dead letters. Every tenth unit has a checkpoint.
 * @module
 */
import process from "node:process";
import type { Durability } from "./delivery_store.ts";
import { openStore } from "./sqlite.ts";

const [path, units = "Infinity", durability] = process.argv.slice(2);
const { delivery } = openStore(path!);
const outbox = delivery.outbox("r", "a");
const before = delivery.lastLogSequence("r");
for (let n = before + 1; n <= before + Number(units); n++) {
  const taken = outbox.take({ rowsMax: 3, nowMs: 0 }).messages.map(({ sequence }) => sequence);
  const append = [2 * n, 2 * n + 1].map((sequence) => ({ sequence, payload: "x".repeat(n % 3000), createdMs: n }));
  const delivered = taken.filter((sequence) => sequence % 10 !== 0);
  const buried = taken.filter((sequence) => sequence % 10 === 0)
    .map((sequence) => ({ sequence, reason: "tenth", diedMs: n }));
  const unit = {
    rule: "r",
    log: [{ sequence: n, payload: String(n) }],
    positions: new Map([["s", String(n)]]),
    outboxes: [
      { action: "a", delivered, buried, append },
      { action: "b", append: [{ sequence: n, payload: "b", createdMs: n }] },
    ],
  };
  const checkpoint = { plan: "p", sequence: n - 1, timeMs: n, state: `up to ${n - 1}` };
  const level = durability as Durability | undefined ?? (n % 50 === 0 ? "power" : "process");
  await delivery.commit(n % 10 === 0 ? { ...unit, checkpoint } : unit, level);
  process.stdout.write(`${n}\n`);
}
