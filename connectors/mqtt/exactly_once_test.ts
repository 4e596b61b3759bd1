/**
 * QoS 2 in a kept session, cut at every step of the protocol and of the engine: what was taken is what was published.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { PayloadBatch, PayloadSlice } from "../../src/connector/source.ts";
import { eventually } from "../../tests/eventually.ts";
import { startMosquitto } from "../../tests/mosquitto.ts";
import type { MqttConnection } from "./client/connection.ts";
import { startCuttingProxy } from "./client/cutting_proxy.ts";
import { openMqtt } from "./client/open_mqtt.ts";
import { SessionBroker } from "./client/session_broker.ts";
import { systemTiming } from "./client/timing.ts";
import { MqttSource } from "./source.ts";

const utf8 = new TextDecoder();

/** What a kill leaves. */
class Disk {
  readonly rows: string[] = [];
  position: string | undefined;
}

function openSource(connection: MqttConnection, position: string | undefined): MqttSource {
  return new MqttSource({ datasource: "t/#", qos: 2 } as never, {
    connection,
    keepsSession: true,
    tellsSession: true,
    keepsPosition: true,
    position,
    clock: realClock,
    log: recordingLogger([]),
  });
}

/** A process with one rule: reads ahead, writes rows and position in one go, then acknowledges. */
class Engine {
  readonly #connection: MqttConnection;
  readonly #source: MqttSource;
  readonly #disk: Disk;
  readonly #onStep: () => void;
  readonly #abort = new AbortController();
  readonly #taken: PayloadBatch[] = [];
  #busy = false;
  dead = false;

  constructor(url: string, disk: Disk, onStep: () => void) {
    this.#disk = disk;
    this.#onStep = onStep;
    this.#connection = openMqtt({
      servers: [url],
      clientId: "gateway",
      session: "keep",
      reconnectMs: { min: 1, max: 2 },
      // The wait for a sign of the old session is long beside a loopback.
      timing: { ...systemTiming, after: (ms, callback) => systemTiming.after(ms === 2000 ? 100 : ms, callback) },
    });
    this.#source = openSource(this.#connection, disk.position);
    this.#read().catch((error) => {
      if (!this.dead) throw error;
    });
  }

  async #read(): Promise<void> {
    while (!this.dead) {
      this.#taken.push(await this.#source.read(this.#abort.signal));
      if (!this.#busy) void this.#work();
    }
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let batch = this.#taken.shift(); batch !== undefined; batch = this.#taken.shift()) {
      await new Promise((resolve) => setTimeout(resolve));
      this.#onStep();
      if (this.dead) return;
      this.#disk.rows.push(...batch.payloads.map((payload) => textOf(payload as PayloadSlice)));
      this.#disk.position = batch.position ?? this.#disk.position;
      this.#onStep();
      if (this.dead) return;
      batch.ack!();
    }
    this.#busy = false;
  }

  /** Nothing that happens from now on has any effect; the broker has to be cut off as well. */
  kill(): void {
    this.dead = true;
    this.#abort.abort(new Error("killed"));
    void this.#connection.close();
  }
}

function textOf({ bytes, start, end }: PayloadSlice): string {
  return utf8.decode(bytes.subarray(start, end));
}

/** What happens at a step. */
type Trouble = "none" | "kill" | "cut" | "forget" | "forget and kill";

interface World {
  readonly broker: SessionBroker;
  readonly disk: Disk;
  steps: number;
}

/** Runs `work` with an engine that is started again after each kill. */
async function withWorld(troubleAt: (step: number) => Trouble, work: (world: World) => Promise<void>): Promise<void> {
  const disk = new Disk();
  let engine: Engine | undefined;
  let over = false;
  const step = (): void => {
    if (over) return;
    const trouble = troubleAt(++world.steps);
    if (trouble === "none") return;
    if (trouble.startsWith("forget")) broker.forget();
    else broker.cut();
    if (!trouble.endsWith("kill")) return;
    engine?.kill();
    engine = undefined;
    setTimeout(() => {
      if (!over) engine ??= new Engine(broker.url, disk, step);
    });
  };
  const broker = new SessionBroker(3, step);
  const world: World = { broker, disk, steps: 0 };
  await broker.start();
  try {
    engine = new Engine(broker.url, disk, step);
    await work(world);
  } finally {
    over = true;
    engine?.kill();
    await broker.stop();
  }
}

const payloads = Array.from({ length: 9 }, (_, n) => String(n));

/** Publishes all and returns the steps that it took. */
async function run(troubleAt: (step: number) => Trouble, name: string): Promise<number> {
  let steps = 0;
  await withWorld(troubleAt, async (world) => {
    const { broker, disk } = world;
    await eventually(() => broker.subscribed);
    for (const payload of payloads) broker.publish(payload);
    await eventually(() => broker.idle);
    assert.deepEqual(disk.rows, payloads, name);
    steps = world.steps;
  });
  return steps;
}

for (const trouble of ["kill", "cut"] as const) {
  test(`a message of QoS 2 is taken exactly once whatever step a ${trouble} comes at`, async () => {
    let last = await run(() => "none", "without trouble");
    for (let at = 1; at <= last; at++) {
      last = Math.max(last, await run((step) => step === at ? trouble : "none", `${trouble} at step ${at}`));
      if (at > 300) assert.fail("it never ends");
    }
  });
}

/** Mulberry32: uniform in [0, 1). */
function randomOf(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test("a message of QoS 2 is taken exactly once through many kills and cuts", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = randomOf(seed);
    let left = 8;
    await run((step) => {
      if (step < 5 || left === 0 || random() > 0.15) return "none";
      left--;
      return random() < 0.7 ? "kill" : "cut";
    }, `seed ${seed}`);
  }
});

test("a new session takes no message for one of the session before", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = randomOf(seed);
    const name = `seed ${seed}`;
    let left = 6;
    let losses = 0;
    let lastLoss = 0;
    const troubleAt = (step: number): Trouble => {
      // The first steps in a new session are the dangerous ones.
      const likely = losses > 0 && step < lastLoss + 12 ? 0.25 : 0.1;
      if (step < 5 || left === 0 || random() > likely) return "none";
      left--;
      const lot = random();
      if (lot < 0.4) return "kill";
      if (lot < 0.5) return "cut";
      losses++;
      lastLoss = step;
      return lot < 0.75 ? "forget" : "forget and kill";
    };
    await withWorld(troubleAt, async ({ broker, disk }) => {
      // Those that the present session has been given: what an earlier one held is gone with it.
      let due: string[] = [];
      let known = 0;
      for (const payload of Array.from({ length: 40 }, (_, n) => String(n))) {
        await eventually(() => broker.subscribed);
        if (known !== losses) due = [];
        known = losses;
        due.push(payload);
        broker.publish(payload);
        if (random() < 0.5) await eventually(() => known !== losses || disk.rows.includes(payload));
      }
      await eventually(() => broker.subscribed && broker.idle);
      if (known !== losses) due = [];
      assert.deepEqual(due.filter((payload) => !disk.rows.includes(payload)), [], name);
    });
  }
});

test("a source that comes back to a connection which lived on begins with an empty position, and loses nothing", async () => {
  const broker = new SessionBroker(3, () => {});
  await broker.start();
  const connection = openMqtt({ servers: [broker.url], clientId: "gateway", session: "keep" });
  const signal = AbortSignal.timeout(20_000);
  const texts = ({ payloads }: PayloadBatch) => payloads.map((payload) => textOf(payload as PayloadSlice));
  try {
    const first = openSource(connection, undefined);
    await eventually(() => broker.subscribed);
    broker.publish("1");
    const one = await first.read(signal);
    assert.deepEqual(texts(one), ["1"]);
    one.ack!();
    // Released by the broker, but nobody keeps a position without it any more.
    await eventually(() => broker.released === 1);
    await first.close();
    for (const payload of ["2", "3", "4"]) broker.publish(payload);
    await eventually(() => connection.counters.heldMessages === 2);
    assert.equal(broker.idle, false);

    const second = openSource(connection, one.position);
    const empty = await second.read(signal);
    assert.deepEqual(texts(empty), []);
    assert.equal(JSON.parse(empty.position!).taken, "");
    // The identifier of "1" is free from here on; before, a new message could have been taken for it.
    empty.ack!();
    const rows: string[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      for (;;) {
        const batch = await second.read(stop.signal);
        rows.push(...texts(batch));
        batch.ack!();
      }
    })().catch(() => {});
    await eventually(() => broker.idle);
    stop.abort();
    await reading;
    assert.deepEqual(rows, ["2", "3", "4"]);
    await second.close();
  } finally {
    await connection.close();
    await broker.stop();
  }
});

test("a source without positions of its own gives an empty one where it finds one", async () => {
  const broker = new SessionBroker(3, () => {});
  await broker.start();
  const connection = openMqtt({ servers: [broker.url], clientId: "gateway", session: "keep" });
  const source = new MqttSource({ datasource: "t", qos: 1 } as never, {
    connection,
    keepsSession: true,
    tellsSession: true,
    keepsPosition: true,
    position: '{"session":"gateway@tcp://b:1","taken":"1-3"}',
    clock: realClock,
    log: recordingLogger([]),
  });
  try {
    const batch = await source.read(AbortSignal.timeout(20_000));
    assert.deepEqual([batch.payloads.length, batch.position], [0, '{"taken":""}']);
  } finally {
    await source.close();
    await connection.close();
    await broker.stop();
  }
});

/**
 * The messages of QoS 2 that mosquitto has begun anew although it had released them: 2.0.11 does after some reconnects,
 * as its log shows, and no client can tell such a message from a new one. Each has a topic of its own.
 */
function begunAnew(log: string): Set<string> {
  const released = new Set<string>();
  const anew = new Set<string>();
  for (const line of log.split("\n")) {
    const release = /Sending PUBREL to gateway \(m(\d+)/.exec(line);
    if (release !== null) released.add(release[1]!);
    const begun = /Sending PUBLISH to gateway \(d\d, q2, r0, m(\d+), 't\/(\d+)'/.exec(line);
    if (begun !== null && released.delete(begun[1]!)) anew.add(begun[2]!);
  }
  return anew;
}

test("what mosquitto sends with QoS 2 is taken exactly once though processes die and connections break", async () => {
  const random = randomOf(4);
  const broker = await startMosquitto({ lines: ["max_queued_messages 0"] });
  const proxy = await startCuttingProxy(broker.port, () => 3000 + Math.floor(random() * 12_000));
  const writer = openMqtt({ servers: [broker.url] });
  const disk = new Disk();
  let total = 0;
  let kills = 0;
  let engine: Engine | undefined;
  const start = () => {
    const own: Engine = new Engine(proxy.url, disk, () => {
      if (kills >= 60 || own.dead || random() > 0.1) return;
      kills++;
      own.kill();
      setTimeout(start);
    });
    engine = own;
  };
  try {
    start();
    await eventually(() => broker.log.includes("Sending SUBACK to gateway"), 30_000);
    await writer.connected(AbortSignal.timeout(20_000));
    // A busy machine may come through 60 lives before a connection has carried enough to be cut.
    while (kills < 60 || (proxy.cuts < 5 && total < 50_000)) {
      // More under way than a connection lives for would be sent again for ever.
      await eventually(() => disk.rows.length >= total - 50, 30_000);
      const texts = Array.from({ length: 50 }, () => String(total++));
      await writer.publish(texts.map((payload) => ({ topic: `t/${payload}`, payload, qos: 2 })));
    }
    proxy.heal();
    await eventually(() => new Set(disk.rows).size === total, 60_000);
    const anew = begunAnew(broker.log);
    const twice = disk.rows.filter((row, at) => disk.rows.indexOf(row) !== at && !anew.has(row));
    assert.deepEqual(twice, []);
    assert.ok(
      proxy.cuts > 0 && anew.size < total / 4,
      `${total} messages, ${proxy.cuts} cuts, ${anew.size} messages begun anew`,
    );
  } finally {
    kills = 60;
    engine?.kill();
    await writer.close();
    await proxy.stop();
    await broker.stop();
  }
});
