/**
 * `/api/v1/rules/:name/tap`: the rows of a running rule as they come, as server-sent events.
 *
 * A row is an event without a name; `lost` tells how many rows came faster than they were taken, `end` that the rule has
 * stopped.
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Hono } from "hono";
import type { Heard, RowListener } from "../runtime/row_listener.ts";
import type { Rules } from "../runtime/rules.ts";
import { type AdminEnv, failing } from "./failure.ts";
import { pathName } from "./path.ts";

/** What a listener has is taken at most so often, which bounds what it costs. */
const pauseMs = 100;
/** Something is said at least so often: by that it is found out that nobody listens any more. */
const keepAliveMs = 5_000;

export function ruleTapRoute(app: Hono<AdminEnv>, rules: Rules): void {
  const missing = (id: string) => `Rule ${id} is not found.`;
  app.get("/api/v1/rules/:name/tap", failing({ prefix: "tap rule error", missing: { message: missing } }), (c) => {
    const listener = rules.listen(pathName(c), c.req.query("node"), c.get("principal"));
    c.header("Content-Type", "text/event-stream; charset=utf-8");
    c.header("Cache-Control", "no-store");
    // A proxy that gathers answers would hold back the rows.
    c.header("X-Accel-Buffering", "no");
    return c.body(eventsOf(listener));
  });
}

function eventsOf(listener: RowListener): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let begun = false;
  return new ReadableStream({
    async pull(controller) {
      if (!begun) {
        begun = true;
        return controller.enqueue(encoder.encode(": listening\n\n"));
      }
      const pausing = new AbortController();
      await Promise.race([listener.more(), sleep(keepAliveMs, undefined, { signal: pausing.signal }).catch(() => {})]);
      pausing.abort();
      const heard = listener.take();
      controller.enqueue(encoder.encode(textOf(heard)));
      if (heard.ended !== undefined) {
        listener.close();
        return controller.close();
      }
      await sleep(pauseMs);
    },
    cancel: () => listener.close(),
  }, { highWaterMark: 0 });
}

function textOf({ rows, lost, ended }: Heard): string {
  const events = rows.map((row) => `data: ${row}\n\n`);
  if (lost > 0) events.push(`event: lost\ndata: {"count":${lost}}\n\n`);
  if (ended !== undefined) events.push(`event: end\ndata: ${JSON.stringify({ reason: ended })}\n\n`);
  return events.length === 0 ? ": still here\n\n" : events.join("");
}
