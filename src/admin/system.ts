/**
 * `/`, `/ping` and the probes: is it there, what is it, how is it.
 * @module
 */
import type { Hono } from "hono";
import type { Rules } from "../runtime/rules.ts";
import type { AdminEnv } from "./failure.ts";
import { waitingText } from "./health.ts";
import { empty, json, sentence } from "./reply.ts";

/** What `GET /` tells. */
export interface SystemInfo {
  /** What `version` shows; UIs decide on features by it. */
  readonly version: string;
  /** weir's own version. */
  readonly weirVersion: string;
  readonly os: string;
  readonly arch: string;
  readonly upTimeSeconds: number;
  /** Since the last call, of one processor. */
  readonly cpuPercent: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
}

export interface SystemRoutes {
  readonly info: () => SystemInfo;
  /** Whether rules run and requests can be served; a false answers `/readyz` with 503. */
  readonly ready?: () => boolean;
  /** Ends the process soon after it returned; without it `/stop` does not exist. */
  readonly stop?: () => void;
  /** Of which `/readyz` says how many wait. */
  readonly rules?: Rules;
}

export function systemRoutes(app: Hono<AdminEnv>, { info, ready, stop, rules }: SystemRoutes): void {
  app.on(["GET", "POST"], "/", (c) => {
    const now = info();
    return json(c, {
      version: now.version,
      os: now.os,
      arch: now.arch,
      upTimeSeconds: Math.floor(now.upTimeSeconds),
      cpuUsage: `${now.cpuPercent.toFixed(2)}%`,
      memoryUsed: String(now.memoryUsedBytes),
      memoryTotal: String(now.memoryTotalBytes),
      weir: now.weirVersion,
    });
  });

  app.get("/ping", (c) => empty(c));
  app.get("/healthz", (c) => sentence(c, "ok"));
  app.get("/readyz", (c) => {
    if (ready?.() ?? true) return sentence(c, "ok");
    c.header("Content-Type", "text/plain; charset=utf-8");
    return c.body(rules === undefined ? "not ready" : `not ready: ${waitingText(rules)}`, 503);
  });

  if (stop !== undefined) {
    app.on(["GET", "POST"], "/stop", (c) => {
      stop();
      return sentence(c, "stop success");
    });
  }
}
