import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { HandClock } from "../../tests/hand_clock.ts";
import { recordingLogger } from "../connector/conformance.ts";
import type { ConnectionState, ConnectorContext, LogFields } from "../connector/context.ts";
import { type Connector, defineConnector } from "../connector/declare.ts";
import { text } from "../connector/settings.ts";
import { MemoryStore } from "../store/memory.ts";
import { ConfigRegistry } from "./configs.ts";
import { ConnectionPool, openNamedConnections } from "./connections.ts";
import { ConnectorList } from "../connector/connector_list.ts";

interface Opened {
  readonly settings: { readonly host: string; readonly bus?: string | undefined };
  readonly context: ConnectorContext;
  closed: number;
  close(): Promise<void>;
}

function setUp() {
  const opened: Opened[] = [];
  const connector = defineConnector({
    name: "wire",
    status: "stable",
    summary: "A wire.",
    connection: {
      summary: "The wire.",
      settings: v.strictObject({
        host: text({ description: "Where." }),
        bus: text({ description: "Shared by its name.", optional: true }),
      }),
      identity: ({ bus }) => bus,
      open: (settings, context): Opened => {
        if (settings.host === "broken") throw new Error("cannot be opened");
        context.status("connecting");
        const connection: Opened = {
          settings,
          context,
          closed: 0,
          close: () => {
            connection.closed++;
            return Promise.resolve();
          },
        };
        opened.push(connection);
        return connection;
      },
    },
    examples: [],
  }) as Connector;
  const logged: LogFields[] = [];
  const pool = new ConnectionPool(new HandClock(), recordingLogger(logged));
  const acquire = (name: string, more: { host?: string; bus?: string; named?: string } = {}) => {
    const states: [ConnectionState, string | undefined][] = [];
    const lease = pool.acquire({
      connector,
      settings: { host: more.host ?? "h", bus: more.bus },
      named: more.named,
      name,
      onStatus: (state, message) => void states.push([state, message]),
    });
    return { ...lease, states };
  };
  return { connector, pool, opened, acquire, logged };
}

test("a private connection is its user's own, and closes with it", async () => {
  const { pool, opened, acquire } = setUp();
  const one = acquire("rule r source s");
  const two = acquire("rule r action 0 wire");
  assert.equal(opened.length, 2);
  assert.deepEqual(pool.anonymous().map(({ id, type }) => [id, type]), [
    ["rule r source s", "wire"],
    ["rule r action 0 wire", "wire"],
  ]);
  await one.release();
  await one.release();
  assert.deepEqual(opened.map(({ closed }) => closed), [1, 0]);
  await two.release();
  assert.deepEqual([opened[1]!.closed, pool.anonymous()], [1, []]);
});

test("users of one identity share a connection, and all hear of its state", async () => {
  const { opened, acquire } = setUp();
  const one = acquire("one", { bus: "b" });
  opened[0]!.context.status("connected");
  const two = acquire("two", { bus: "b" });
  const other = acquire("other", { bus: "c" });
  assert.equal(opened.length, 2);
  assert.equal(one.connection, two.connection);
  opened[0]!.context.status("disconnected", "cut");
  assert.deepEqual(one.states, [["connecting", undefined], ["connected", undefined], ["disconnected", "cut"]]);
  assert.deepEqual(two.states, [["connected", undefined], ["disconnected", "cut"]]);
  assert.deepEqual(other.states, [["connecting", undefined]]);
  await one.release();
  opened[0]!.context.status("connected");
  assert.equal(one.states.length, 3, "who has left hears nothing more");
  assert.equal(opened[0]!.closed, 0);
  await two.release();
  assert.equal(opened[0]!.closed, 1);
  const again = acquire("again", { bus: "b" });
  assert.equal(opened.length, 3);
  await again.release();
  await other.release();
});

test("a named connection is open from its definition on, whoever uses it", async () => {
  const { connector, pool, opened, acquire, logged } = setUp();
  const named = { id: "plant", type: "wire", settings: { host: "h" } };
  pool.openNamed(named, connector);
  pool.openNamed(named, connector);
  assert.equal(opened.length, 1);
  assert.deepEqual(pool.namedStatus("plant", "wire"), { state: "connecting", message: undefined, users: 0 });
  const one = acquire("one", { named: "plant" });
  const two = acquire("two", { named: "plant", host: "ignored" });
  assert.equal(opened.length, 1);
  opened[0]!.context.status("disconnected", "cut");
  assert.deepEqual(pool.namedStatus("plant", "wire"), { state: "disconnected", message: "cut", users: 2 });
  assert.equal(logged.at(-1)?.reason, "cut");
  assert.deepEqual(pool.anonymous(), []);
  await one.release();
  await two.release();
  assert.equal(opened[0]!.closed, 0);
  await pool.closeNamed("plant");
  assert.equal(opened[0]!.closed, 1);
  assert.equal(pool.namedStatus("plant", "wire"), undefined);
});

test("a pool that closes closes its named connections", async () => {
  const { connector, pool, opened } = setUp();
  for (const id of ["a", "b"]) pool.openNamed({ id, type: "wire", settings: { host: id } }, connector);
  await pool.close();
  assert.deepEqual(opened.map(({ closed }) => closed), [1, 1]);
});

test("openNamedConnections() opens all that can be opened", async () => {
  const { connector, pool, opened, logged } = setUp();
  const wire = { broken: { host: "broken" }, fine: { host: "h" }, wrong: { hots: "h" } };
  const configs = new ConfigRegistry({
    store: new MemoryStore(),
    file: { connections: { wire, unknown: { u: {} } } },
  });
  await openNamedConnections(pool, configs, new ConnectorList([connector]), recordingLogger(logged));
  assert.deepEqual(opened.map(({ settings }) => settings.host), ["h"]);
  for (const id of ["broken", "wrong"]) assert.ok(logged.some(({ connection }) => connection === id), id);
  await pool.close();
});
