/**
 * Receives what a contender publishes: counts every expected reading, checks its content, and measures its latency.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { openMonotonicClock } from "./monotonic_clock.ts";
import { openConnection, subscribe } from "./mqtt_wire.ts";
import { FIRST_SEQUENCE, type Reading, readingOf, TIME_OFFSET_US } from "./readings.ts";

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface Collected {
  readonly received: number;
  /** Expected and never seen. */
  readonly lost: number;
  readonly duplicates: number;
  /** Not expected, or with other values than were sent. */
  readonly wrong: number;
  readonly latency: Latency;
  /** SHA-256, cut to 16 digits, over the readings by sequence, without their times. */
  readonly digest: string;
}

export class Collector {
  /** Messages with a sequence before the first: the answer to a probe. */
  probes = 0;
  received = 0;
  #total: number;
  #latenciesUs: Float64Array;
  #seen: Uint8Array;
  #readings: (Reading | undefined)[] = [];
  #duplicates = 0;
  #wrong = 0;
  #clock = openMonotonicClock();
  #close: () => void = () => {};

  private constructor(total: number) {
    this.#total = total;
    this.#latenciesUs = new Float64Array(total);
    this.#seen = new Uint8Array(total);
  }

  static async open(port: number, topic: string, total: number): Promise<Collector> {
    const collector = new Collector(total);
    const socket = await openConnection(port, `collector-${topic.replaceAll("/", "-")}`);
    collector.#close = () => socket.destroy();
    await subscribe(socket, topic, (payload) => collector.#take(payload));
    return collector;
  }

  close(): void {
    this.#close();
  }

  /** `expected` tells which sequences had to come. */
  result(expected: (sequence: number) => boolean): Collected {
    let lost = 0;
    let unexpected = 0;
    const hash = createHash("sha256");
    for (let index = 0; index < this.#total; index++) {
      const sequence = FIRST_SEQUENCE + index;
      const seen = this.#seen[index] === 1;
      if (expected(sequence) && !seen) lost++;
      if (!expected(sequence) && seen) unexpected++;
      const reading = this.#readings[index];
      if (seen && reading !== undefined) hash.update(`${sequence} ${reading.id} ${reading.temperature}\n`);
    }
    return {
      received: this.received,
      lost,
      duplicates: this.#duplicates,
      wrong: this.#wrong + unexpected,
      latency: summarise(this.#latenciesUs.slice(0, this.received)),
      digest: hash.digest("hex").slice(0, 16),
    };
  }

  #take(payload: Buffer): void {
    const now = this.#clock();
    const message = JSON.parse(payload.toString("latin1"));
    for (const row of Array.isArray(message) ? message : [message]) {
      const index = row.seq - FIRST_SEQUENCE;
      if (index < 0) {
        this.probes++;
      } else if (!(index < this.#total)) {
        this.#wrong++;
      } else if (this.#seen[index] === 1) {
        this.#duplicates++;
      } else {
        this.#seen[index] = 1;
        const sent = readingOf(row.seq);
        if (row.id !== sent.id || row.temperature !== sent.temperature || row.hum !== 41.5) this.#wrong++;
        this.#readings[index] = { id: row.id, temperature: row.temperature };
        this.#latenciesUs[this.received++] = now - (row.ts - TIME_OFFSET_US);
      }
    }
  }
}

function summarise(latenciesUs: Float64Array): Latency {
  latenciesUs.sort();
  const at = (share: number) => {
    const index = Math.min(latenciesUs.length - 1, Math.floor(latenciesUs.length * share));
    return Math.round(latenciesUs[index] ?? NaN) / 1_000;
  };
  return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
}
