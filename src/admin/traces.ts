/**
 * Traces of rules, with the routes of eKuiper: begin and end them, look at them, send them to a collector.
 * @module
 */
import type { Hono } from "hono";
import { fail } from "../diagnostics/diagnostic.ts";
import type { Actor } from "../policy/actor.ts";
import type { Collector, TraceFigures } from "../runtime/traces/tracing.ts";
import { strategies, type Strategy } from "../telemetry/traces/sampler.ts";
import type { TraceNode } from "../telemetry/traces/trace_ring.ts";
import { readObject, textField } from "./body.ts";
import { type AdminEnv, failing } from "./failure.ts";
import { pathName } from "./path.ts";
import { empty, json, sentence } from "./reply.ts";

export interface TraceRoutes {
  /** @throws {DiagnosticError} E701 for a rule that there is not, E703 for one that does not run */
  start(id: string, strategy: Strategy, actor?: Actor): Promise<void>;
  /** @throws {DiagnosticError} as `start` */
  stop(id: string): void;
  /** Ids of traces, newest first; all with 0. */
  ofRule(id: string, limit: number): readonly string[];
  trace(id: string): TraceNode | undefined;
  /** @throws {DiagnosticError} E403 for what is no URL */
  collect(collector: Collector | undefined): Promise<void>;
  readonly figures: TraceFigures | undefined;
}

export function traceRoutes(app: Hono<AdminEnv>, traces: TraceRoutes): void {
  const missing = { message: (id: string) => `Rule ${id} is not found.` };
  app.post("/rules/:name/trace/start", failing({ prefix: "start rule trace error", missing }), async (c) => {
    const body = await readObject(c, "the strategy");
    await traces.start(pathName(c), strategyOf(textField(body, "strategy")), c.get("principal"));
    return empty(c);
  });
  app.post("/rules/:name/trace/stop", failing({ prefix: "stop rule trace error", missing }), (c) => {
    traces.stop(pathName(c));
    return empty(c);
  });

  app.get("/trace/rule/:name", failing({ prefix: "get rule traces error" }), (c) => {
    const limit = c.req.query("limit") ?? "0";
    if (!/^\d{1,9}$/.test(limit)) {
      fail("E403", `limit must be a whole number from 0 on, found ${JSON.stringify(limit)}`);
    }
    return json(c, traces.ofRule(pathName(c), Number(limit)));
  });
  app.get("/trace/:name", failing({ prefix: "get trace error" }), (c) => {
    const id = pathName(c);
    const trace = traces.trace(id);
    if (trace === undefined) {
      fail("E701", `trace ${id} is not found`, { hint: "only the newest are remembered: tracing.tracesMax" });
    }
    return json(c, trace);
  });

  app.post("/tracer", failing({ prefix: "set tracer error" }), async (c) => {
    const body = await readObject(c, "the collector");
    const action = textField(body, "action").toLowerCase();
    if (action !== "start" && action !== "stop") {
      fail("E403", `"action" must be start or stop, found ${JSON.stringify(action)}`, { path: "action" });
    }
    const [url, serviceName] = [textField(body, "collector_url"), textField(body, "service_name")];
    const given = { ...(url === "" ? {} : { url }), ...(serviceName === "" ? {} : { serviceName }) };
    await traces.collect(action === "start" ? given : undefined);
    return sentence(c, "success");
  });
}

function strategyOf(text: string): Strategy {
  if (text === "") return "always";
  const known = strategies.find((each) => each === text);
  return known ??
    fail("E403", `"strategy" must be always or head, found ${JSON.stringify(text)}`, { path: "strategy" });
}
