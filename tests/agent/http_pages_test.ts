import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { startHttpServer } from "../http_server.ts";
import { Agent, withFolder } from "./agent.ts";

const events = 1500;
const pageSize = 7;

test("events of an HTTP server, page by page, arrive once each over kills of the agent and faults of the server", async () => {
  const taken = new Map<string, number>();
  let asked = 0;
  const server = await startHttpServer(({ path, headers, body }) => {
    if (path === "/out") {
      const { n } = JSON.parse(body) as { n: number };
      taken.set(String(headers["idempotency-key"]), n);
      return {};
    }
    asked++;
    if (asked % 40 === 0) return { status: asked % 80 === 0 ? 500 : 0 };
    const from = Number(path.split("=")[1]);
    const page = Array.from(
      { length: Math.min(pageSize, events - from) },
      (_, i) => ({ n: from + i, next: from + i + 1 }),
    );
    return page.length === 0 ? { status: 204 } : { body: JSON.stringify(page) };
  });
  try {
    await withFolder(async (folder) => {
      const dataDir = join(folder, "data");
      let agent = await Agent.start({ dataDir });
      try {
        await agent.expect(200, "PUT", "/metadata/sources/httppull/confKeys/mes", {
          url: server.url,
          states: { next: 0 },
          interval: "2ms",
        });
        await agent.expect(201, "POST", "/streams", {
          sql: 'CREATE STREAM mes () WITH (TYPE="httppull", DATASOURCE="/events?from={{.next}}", CONF_KEY="mes")',
        });
        const action = { url: `${server.url}/out`, method: "post", sendSingle: true };
        const rule = { id: "events", sql: "SELECT n FROM mes", actions: [{ rest: action }], options: { qos: 2 } };
        await agent.expect(201, "POST", "/rules", rule);
        for (const count of [200, 500, 900]) {
          await eventually(() => taken.size > count, 30_000);
          await agent.end("SIGKILL");
          agent = await Agent.start({ dataDir });
        }
        await eventually(() => taken.size >= events, 30_000);
        const answered = asked;
        await eventually(() => asked > answered + 3);
        // No other message stands for an event that has one, and none came before those in front of it.
        assert.deepEqual([...taken.values()], Array.from({ length: events }, (_, n) => n));
        await agent.assertBalanced();
        // As people set it, such as to have the last events again.
        const reset = { type: 1, params: { streamName: "mes", input: { position: { next: events - 3 } } } };
        await agent.expect(200, "PUT", "/rules/events/reset_state", reset);
        await eventually(() => taken.size >= events + 3, 30_000);
        assert.deepEqual([...taken.values()].slice(events), [events - 3, events - 2, events - 1]);
      } finally {
        await agent.end("SIGKILL");
      }
    });
  } finally {
    await server.close();
  }
});
