/**
 * Benchmark `delivery-store`: what durable delivery costs in the store, by message.
 *
 * ```
 * bun tests/bench/delivery_store_bench.ts [--messages 40000] [--directory DIR] [--json FILE]
 * deno run -A --no-check tests/bench/delivery_store_bench.ts
 * ```
 *
 * Messages of 80 bytes, in groups that share a transaction. Of each case: microseconds a message, bytes a message given
 * to the file system (`wchar` of `/proc/self/io`) and of these what the disk got (`write_bytes`: a page that is written
 * twice before it goes out counts once; 0 on tmpfs), and a digest of what came out again.
 * @module
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { DeliveryStore, DeliveryUnit, Durability, Message } from "../../src/store/delivery_store.ts";
import { openStore } from "../../src/store/sqlite.ts";

export interface DeliveryFigure {
  readonly name: string;
  readonly durability: Durability;
  readonly group: number;
  readonly microseconds: number;
  /** A message; undefined where `/proc` is not. */
  readonly bytesWritten: number | undefined;
  readonly bytesToDisk: number | undefined;
  readonly digest: string;
}

const payload = JSON.stringify({ device_id: "inverter-0007", voltage: 231.4, current: 14.2, ts: 1_700_000_000_000 });

function newMessages(after: number, count: number): Message[] {
  return Array.from({ length: count }, (_, i) => ({ sequence: after + i + 1, payload, createdMs: 1_700_000_000_000 }));
}

type Commit = (unit: DeliveryUnit) => Promise<unknown>;
type Case = (
  store: DeliveryStore,
  commit: Commit,
  group: number,
  rounds: number,
  seen: (sequence: number) => void,
) => Promise<void>;

function take(store: DeliveryStore, rule: string, count: number, seen: (sequence: number) => void): number[] {
  const taken = store.outbox(rule, "a").take({ rowsMax: count, nowMs: 0 }).messages;
  for (const { sequence } of taken) seen(sequence);
  return taken.map(({ sequence }) => sequence);
}

const cases: Readonly<Record<string, Case>> = {
  // What was delivered meanwhile goes with what is new, as it does under load.
  "outbox: append, take, delete": async (store, commit, group, rounds, seen) => {
    let delivered: number[] = [];
    for (let n = 0; n < rounds; n++) {
      await commit({ rule: "r", outboxes: [{ action: "a", delivered, append: newMessages(n * group, group) }] });
      delivered = take(store, "r", group, seen);
    }
  },
  "outbox of keys: append, take, delete": async (store, commit, group, rounds, seen) => {
    store.outbox("r", "a", { order: "key" });
    let delivered: number[] = [];
    for (let n = 0; n < rounds; n++) {
      const append = newMessages(n * group, group).map((each) => ({ ...each, key: `device-${each.sequence % 50}` }));
      await commit({ rule: "r", outboxes: [{ action: "a", delivered, append }] });
      delivered = take(store, "r", group, seen);
    }
  },
  "outbox: each message of another rule": async (store, commit, group, rounds, seen) => {
    const delivered: number[][] = Array.from({ length: group }, () => []);
    const names = Array.from({ length: group }, (_, i) => `r${i}`);
    for (let n = 0; n < rounds; n++) {
      await Promise.all(
        names.map((rule, i) =>
          commit({ rule, outboxes: [{ action: "a", delivered: delivered[i]!, append: newMessages(n, 1) }] })
        ),
      );
      for (const [i, rule] of names.entries()) delivered[i] = take(store, rule, 1, seen);
    }
  },
  "outbox: append only": async (_store, commit, group, rounds) => {
    for (let n = 0; n < rounds; n++) {
      await commit({ rule: "r", outboxes: [{ action: "a", append: newMessages(n * group, group) }] });
    }
  },
  "log: append, a checkpoint every 10,000": async (store, commit, group, rounds, seen) => {
    const batch = payload.repeat(group);
    const every = Math.ceil(10_000 / group);
    for (let n = 1; n <= rounds; n++) {
      const checkpoint = { plan: "p", sequence: n, timeMs: n, state: payload.repeat(100) };
      const positions = new Map([["s", String(n * 80)]]);
      const unit = { rule: "r", log: [{ sequence: n, payload: batch }], positions };
      await commit(n % every === 0 ? { ...unit, checkpoint } : unit);
    }
    seen(store.lastLogSequence("r"));
  },
  "log, position and outbox": async (store, commit, group, rounds, seen) => {
    const batch = payload.repeat(group);
    let delivered: number[] = [];
    for (let n = 1; n <= rounds; n++) {
      const outboxes = [{ action: "a", delivered, append: newMessages((n - 1) * group, group) }];
      const positions = new Map([["s", String(n * 80)]]);
      await commit({ rule: "r", log: [{ sequence: n, payload: batch }], positions, outboxes });
      delivered = take(store, "r", group, seen);
    }
  },
};

function readWritten(): { readonly bytesWritten: number; readonly bytesToDisk: number } | undefined {
  let text: string;
  try {
    text = readFileSync("/proc/self/io", "utf8");
  } catch {
    return undefined;
  }
  const field = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)![1]);
  return { bytesWritten: field("wchar"), bytesToDisk: field("write_bytes") };
}

async function measureCase(
  name: string,
  durability: Durability,
  group: number,
  messages: number,
  directory: string,
): Promise<DeliveryFigure> {
  const path = mkdtempSync(join(directory, "weir-bench-"));
  const { store, delivery } = openStore(path);
  const hash = createHash("sha256");
  try {
    const rounds = Math.max(1, Math.floor(messages / group));
    const before = readWritten();
    const begin = performance.now();
    await cases[name]!(delivery, (unit) => delivery.commit(unit, durability), group, rounds, (sequence) => {
      hash.update(`${sequence},`);
    });
    const microseconds = ((performance.now() - begin) * 1000) / (rounds * group);
    const after = readWritten();
    const written = (field: "bytesWritten" | "bytesToDisk") =>
      before === undefined || after === undefined ? undefined : (after[field] - before[field]) / (rounds * group);
    const { rows } = delivery.outbox("r", "a").counts();
    const digest = hash.update(`${rows},${delivery.lastLogSequence("r")}`).digest("hex").slice(0, 12);
    return {
      name,
      durability,
      group,
      microseconds,
      bytesWritten: written("bytesWritten"),
      bytesToDisk: written("bytesToDisk"),
      digest,
    };
  } finally {
    store.close();
    rmSync(path, { recursive: true, force: true });
  }
}

/** Groups that are flushed one by one take so long that fewer messages do. */
const powerShare = 10;

export async function measureDelivery(
  messages: number,
  groups: readonly number[],
  directory = tmpdir(),
  told: (figure: DeliveryFigure) => void = () => {},
): Promise<DeliveryFigure[]> {
  const figures: DeliveryFigure[] = [];
  for (const name of Object.keys(cases)) {
    for (const durability of ["process", "power"] as const) {
      for (const group of groups) {
        const count = durability === "power" && group < 100 ? Math.ceil(messages / powerShare) : messages;
        const figure = await measureCase(name, durability, group, count, directory);
        figures.push(figure);
        told(figure);
      }
    }
  }
  return figures;
}

function printFigure({ name, durability, group, microseconds, bytesWritten, bytesToDisk, digest }: DeliveryFigure) {
  const bytes = (value: number | undefined) => (value === undefined ? "-" : value.toFixed(0)).padStart(7);
  const columns = [name.padEnd(40), durability.padEnd(7), String(group).padStart(5)];
  console.log(
    `${columns.join("  ")}  ${microseconds.toFixed(2).padStart(8)} µs ${bytes(bytesWritten)} B ${
      bytes(bytesToDisk)
    } B  ${digest}`,
  );
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      messages: { type: "string", default: "40000" },
      directory: { type: "string", default: tmpdir() },
      json: { type: "string" },
    },
  });
  console.log(`${"".padEnd(40)}  level    group  a message: time, bytes written, of them to the disk`);
  const figures = await measureDelivery(Number(values.messages), [1, 20, 200], values.directory, printFigure);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(figures, undefined, 2) + "\n");
  process.exit(0);
}
