import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { conformance } from "../../src/connector/conformance.ts";
import { createEngine } from "../../src/runtime/engine.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { connectorConfigs } from "../../src/runtime/connector_configs.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { eventually } from "../../tests/eventually.ts";
import { skeleton } from "./mod.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

/** The peer. Better is one that others have written: a program of a Debian package, started by a module in tests/peers. */
async function startPeer() {
  const sockets = new Set<Socket>();
  const lines: string[] = [];
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    let rest = "";
    socket.on("data", (chunk) => {
      const parts = (rest + String(chunk)).split("\n");
      rest = parts.pop()!;
      for (const line of parts) {
        const isRefused = line.includes("refused");
        if (!isRefused) lines.push(line);
        socket.write(isRefused ? "not wanted\n" : "ok\n");
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    lines,
    connected: () => sockets.size,
    send: (text: string) => sockets.forEach((socket) => socket.write(text)),
    cut: () => sockets.forEach((socket) => socket.destroy()),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

// What every connector must do, against the peer.
conformance(skeleton, {
  source: async () => {
    const peer = await startPeer();
    return {
      settings: () => ({ port: peer.port }),
      send: async (values) => {
        await eventually(() => peer.connected() > 0);
        peer.send(values.map((n) => `{"n":${n}}\n`).join(""));
      },
      cut: () => Promise.resolve(peer.cut()),
      close: () => peer.close(),
    };
  },
  sink: async () => {
    const peer = await startPeer();
    return {
      settings: { port: peer.port },
      received: () => peer.lines.map((line) => JSON.parse(line).n),
      cut: () => Promise.resolve(peer.cut()),
      close: () => peer.close(),
    };
  },
  losesConnection: true,
});

test("a rule reads lines and writes lines, and puts aside what the peer does not want", async () => {
  const [input, output] = [await startPeer(), await startPeer()];
  const store = new MemoryStore();
  const connectors = new ConnectorList([skeleton]);
  const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
  const streams = new StreamRegistry({ store, configs });
  const log = createLog({ level: "error", format: "logfmt", write: () => {} });
  const engine = createEngine({ connectors, store, streams, configs, config: { timezone: "UTC" }, log });
  await engine.start();
  try {
    configs.putConfKey("source", "skeleton", "input", { port: input.port });
    streams.execute('CREATE STREAM demo () WITH (TYPE="skeleton", CONF_KEY="input", FORMAT="json")');
    const action = { port: output.port, prefix: "{{.line}}: ", sendSingle: true, fields: ["n"] };
    const sql = "SELECT * FROM demo WHERE n > 1";
    await engine.rules.create(JSON.stringify({ id: "r", sql, actions: [{ skeleton: action }] }));
    await eventually(() => input.connected() > 0);
    input.send('{"n":1,"line":"a"}\n{"n":2,"line":"b"}\n{"n":3,"line":"refused"}\n{"n":4,"line":"d"}\n');
    await eventually(() => output.lines.length === 2);
    assert.deepEqual(output.lines, ['b: {"n":2}', 'd: {"n":4}']);
    await eventually(() => engine.rules.status("r").sink_skeleton_0_0_exceptions_total === 1);
  } finally {
    await engine.close();
    await input.close();
    await output.close();
  }
});
