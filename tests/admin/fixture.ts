/**
 * An admin interface over memory, and a short way to ask it.
 * @module
 */
import type { Hono } from "hono";
import { type AdminOptions, createAdmin } from "../../src/admin/app.ts";
import type { AdminEnv } from "../../src/admin/failure.ts";
import type { Logger } from "../../src/connector/context.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { DeadLetters } from "../../src/runtime/durable/dead_letters.ts";
import { KeyedStates } from "../../src/runtime/keyed_states.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { MemoryDelivery } from "../../src/store/memory_delivery.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { MemoryRules } from "./memory_rules.ts";

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  // deno-lint-ignore no-explicit-any -- a test looks into answers of any shape.
  json(): any;
}

export interface Fixture {
  readonly app: Hono<AdminEnv>;
  readonly rules: MemoryRules;
  readonly streams: StreamRegistry;
  readonly logged: string[];
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

function memoryLog(lines: string[]): Logger {
  const log: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (message, fields) => void lines.push(`${message} ${JSON.stringify(fields)}`),
    with: () => log,
  };
  return log;
}

/** A text body goes out as it is, anything else as JSON. */
export function admin(options: Partial<AdminOptions> = {}): Fixture {
  const store = new MemoryStore();
  const configs = new ConfigRegistry({
    store,
    file: {
      sources: { mqtt: { default: { server: "tcp://127.0.0.1:1883", password: "hidden" } } },
      connections: { mqtt: { plant: { server: "tcp://plant:1883" } } },
    },
    types: { source: ["mqtt", "file"], sink: ["mqtt", "log"], connection: ["mqtt"] },
  });
  const streams = new StreamRegistry({ store, configs });
  const rules = new MemoryRules(streams);
  const logged: string[] = [];
  const deadLetters = new DeadLetters(new MemoryDelivery(), (id) => {
    rules.get(id);
    return { actions: [], replayed() {}, wake() {} };
  });
  const app = createAdmin({
    rules,
    deadLetters,
    streams,
    configs,
    states: new KeyedStates(store),
    log: memoryLog(logged),
    info: () => ({
      version: "2.4.0",
      weirVersion: "0.1.0",
      os: "linux",
      arch: "x64",
      upTimeSeconds: 12.7,
      cpuPercent: 1.25,
      memoryUsedBytes: 1000,
      memoryTotalBytes: 2000,
    }),
    ...options,
  });
  async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const init = text === undefined ? { method, headers } : { method, headers, body: text };
    const response = await app.request(`http://127.0.0.1:9081${path}`, init);
    const answer = await response.text();
    return { status: response.status, text: answer, headers: response.headers, json: () => JSON.parse(answer) };
  }
  return { app, rules, streams, logged, ask };
}
