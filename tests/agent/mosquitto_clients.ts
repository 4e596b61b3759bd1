/**
 * The clients that come with mosquitto, as processes: independent of every MQTT code that weir has.
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { eventually } from "../eventually.ts";
import type { Mosquitto } from "../mosquitto.ts";

let subscribers = 0;

/** Publishes each text as one message with `mosquitto_pub -l`; further arguments such as `-q 1` may be given. */
export async function publishLines(
  broker: Mosquitto,
  topic: string,
  lines: readonly string[],
  args: readonly string[] = [],
): Promise<void> {
  await run("mosquitto_pub", ["-p", String(broker.port), "-t", topic, "-l", ...args], `${lines.join("\n")}\n`);
}

/** Publishes one message, of any bytes, with `mosquitto_pub -s`. */
export async function publish(
  broker: Mosquitto,
  topic: string,
  payload: string | Uint8Array,
  args: readonly string[] = [],
): Promise<void> {
  const how = payload.length === 0 ? "-n" : "-s";
  await run("mosquitto_pub", ["-p", String(broker.port), "-t", topic, how, ...args], payload);
}

async function run(program: string, args: readonly string[], input: string | Uint8Array): Promise<void> {
  const child = spawn(program, [...args], { stdio: ["pipe", "ignore", "pipe"] });
  let stderr = "";
  child.stderr!.on("data", (chunk) => stderr += String(chunk));
  child.stdin!.on("error", () => {});
  child.stdin!.end(input);
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${stderr}`);
}

/** What `mosquitto_sub` has printed: a line a message. */
export class Subscriber {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #text = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#closed = new Promise((resolve) => child.on("close", resolve));
    child.stdout!.on("data", (chunk) => this.#text += String(chunk));
  }

  /** Resolves when the broker has confirmed the subscription. */
  static async start(broker: Mosquitto, topic: string, args: readonly string[] = []): Promise<Subscriber> {
    const id = `watch-${process.pid}-${subscribers++}`;
    const all = ["-p", String(broker.port), "-t", topic, "-i", id, ...args];
    const subscriber = new Subscriber(spawn("mosquitto_sub", all, { stdio: ["ignore", "pipe", "inherit"] }));
    await subscribed(broker, id);
    return subscriber;
  }

  get lines(): readonly string[] {
    return this.#text.split("\n").slice(0, -1);
  }

  /** All lines once there are `count`. */
  async get(count: number): Promise<readonly string[]> {
    await eventually(() => this.lines.length >= count, 30_000);
    return this.lines;
  }

  async stop(): Promise<void> {
    // Not `child.kill`: Deno forgets the process after it.
    if (this.#child.exitCode === null && this.#child.signalCode === null) process.kill(this.#child.pid!, "SIGKILL");
    await this.#closed;
  }
}

/** Resolves when the broker has confirmed a subscription of a client. */
export async function subscribed(broker: Mosquitto, clientId: string): Promise<void> {
  await eventually(() => broker.log.includes(`Sending SUBACK to ${clientId}\n`), 30_000);
}
