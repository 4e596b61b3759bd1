import assert from "node:assert/strict";
import { test } from "node:test";
import { CurlStream } from "../peers/curl.ts";
import { EventStreamPeer } from "../peers/event_stream_peer.ts";
import { freePort } from "../peers/server_process.ts";
import { WebSocketPeer } from "../peers/web_socket_peer.ts";
import { withAgent } from "./agent.ts";

async function until(condition: () => boolean, what: () => string): Promise<void> {
  const late = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < late, what());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const numbersOf = (texts: readonly string[]) => texts.map((text) => (JSON.parse(text) as { n: number }).n);

test("what comes by WebSocket and from an event stream goes out in both ways", async () => {
  const port = await freePort();
  const environment = { WEIR__source__httpServerIp: "127.0.0.1", WEIR__source__httpServerPort: String(port) };
  const server = await WebSocketPeer.server();
  const events = await EventStreamPeer.start();
  try {
    await withAgent(async (agent) => {
      const confKeys: [type: string, settings: Record<string, unknown>][] = [
        ["websocket", { addr: `127.0.0.1:${server.port}` }],
        ["sse", { url: events.url }],
      ];
      for (const [type, settings] of confKeys) {
        await agent.expect(200, "PUT", `/metadata/sources/${type}/confKeys/far`, settings);
      }
      const streams = [
        'near () WITH (TYPE="websocket", DATASOURCE="/in", FORMAT="json")',
        'far () WITH (TYPE="websocket", DATASOURCE="/camera", FORMAT="json", CONF_KEY="far")',
        'events () WITH (TYPE="sse", DATASOURCE="/events", FORMAT="json", CONF_KEY="far")',
      ];
      for (const stream of streams) await agent.expect(201, "POST", "/streams", { sql: `CREATE STREAM ${stream}` });
      for (const [id, factor] of [["near", 1], ["far", 10], ["events", 100]] as const) {
        await agent.expect(201, "POST", "/rules", {
          id,
          sql: `SELECT n * ${factor} AS n FROM ${id}`,
          actions: [
            { sse: { path: "/out", sendSingle: true } },
            { websocket: { path: "/out", sendSingle: true } },
            { websocket: { addr: `127.0.0.1:${server.port}`, path: "/sink", sendSingle: true } },
          ],
        });
      }
      // The actions have the same settings, and so share a link.
      await until(() => server.opened === 2, () => `${server.opened} links of 2`);
      const page = new CurlStream(["--retry-connrefused", "--retry", "20", `http://127.0.0.1:${port}/out`]);
      const board = await WebSocketPeer.client(`ws://127.0.0.1:${port}/out`);
      const device = await WebSocketPeer.client(`ws://127.0.0.1:${port}/in`);
      await until(() => page.text.includes("retry:"), () => "the page is not connected");
      try {
        device.send('{"n":1}');
        server.send('{"n":2}');
        events.send('{"n":3}');
        const seen = () => [
          numbersOf([...page.text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data!)),
          numbersOf(board.texts),
          numbersOf(server.texts),
        ];
        // The test's server sends to all its links; weir's own actions do not listen.
        const wanted = [1, 20, 300];
        await until(
          () => seen().every((numbers) => wanted.every((n) => numbers.includes(n))),
          () => `seen ${JSON.stringify(seen())}`,
        );
        for (const numbers of seen()) assert.deepEqual(numbers.toSorted((a, b) => a - b), wanted);
      } finally {
        await page.stop();
        await board.kill();
        await device.kill();
      }
    }, { environment });
  } finally {
    await server.kill();
    await events.kill();
  }
});
