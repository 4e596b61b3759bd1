/**
 * `/api/v1/health`: how the agent is, and why. Everything that somebody has to do something about has a reason here.
 * @module
 */
import type { Hono } from "hono";
import type { ConfigRegistry } from "../runtime/configs.ts";
import { nextTurn } from "../runtime/limits/rule_work.ts";
import type { ObservedRule, Rules } from "../runtime/rules.ts";
import type { LiveConnections } from "./connections.ts";
import type { AdminEnv } from "./failure.ts";
import { json } from "./reply.ts";

/** One thing that is not as it should be. */
export interface HealthReason {
  /** What it is about: `rules`, `connections`, `storage`, `certificate` … */
  readonly area: string;
  /** `problem`: something does not work. `warning`: it does, and will not for ever or not for everybody. */
  readonly severity: "warning" | "problem";
  /** The rule, connection or file. */
  readonly subject?: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/** Part of an agent that knows by itself whether it is well. Asked whenever somebody asks for the health; must be quick. */
export type HealthCheck = () => Iterable<HealthReason>;

/** `failing`: there is a problem. `degraded`: there are warnings only. */
export type HealthStatus = "ok" | "degraded" | "failing";

export interface Health {
  readonly status: HealthStatus;
  /** Whether the stored rules have been started. */
  readonly ready: boolean;
  /** Problems first; at most {@linkcode reasonsMax}. */
  readonly reasons: readonly HealthReason[];
  /** How many there are in all. */
  readonly total: number;
}

export interface HealthRoute {
  readonly rules: Rules;
  readonly configs: ConfigRegistry;
  readonly live?: LiveConnections;
  readonly ready?: () => boolean;
  readonly health?: readonly HealthCheck[];
}

/** A page of an interface that is read by people and polled by programs. */
export const reasonsMax = 100;
/** Others get their turn after so many milliseconds. */
const sliceMs = 5;

export function healthRoute(app: Hono<AdminEnv>, options: HealthRoute): void {
  app.get("/api/v1/health", async (c) => json(c, await healthOf(options)));
}

export async function healthOf(options: HealthRoute): Promise<Health> {
  const ready = options.ready?.() ?? true;
  const found = [...(options.health ?? []).flatMap((check) => [...check()]), ...connectionReasons(options)];
  if (!ready) found.push(notReady(options.rules));
  let sliceEnd = performance.now() + sliceMs;
  for (const rule of options.rules.observe()) {
    found.push(...ruleReasons(rule, options.rules));
    if (performance.now() < sliceEnd) continue;
    await nextTurn();
    sliceEnd = performance.now() + sliceMs;
  }
  const problems = found.filter(({ severity }) => severity === "problem");
  const warnings = found.filter(({ severity }) => severity === "warning");
  return {
    status: problems.length > 0 ? "failing" : warnings.length > 0 ? "degraded" : "ok",
    ready,
    reasons: [...problems, ...warnings].slice(0, reasonsMax),
    total: found.length,
  };
}

/** Why `/readyz` says no. */
export function waitingText(rules: Rules): string {
  const states = rules.list().map(({ status }) => status);
  const waiting = states.filter((state) => state === "starting").length;
  return waiting === 0 ? "stored rules are being started" : `${waiting} of ${states.length} rules wait for their start`;
}

function notReady(rules: Rules): HealthReason {
  const hint = "wait: rules start in the order of their ids; `weir rule ls` shows which have";
  return { area: "rules", severity: "warning", message: `Not ready: ${waitingText(rules)}`, hint };
}

function* ruleReasons({ id, state, nodes, ledger }: ObservedRule, rules: Rules): Iterable<HealthReason> {
  const about = { area: "rules", subject: id };
  if (state === "stopped by error") {
    const { message = "" } = rules.status(id);
    const why = message === "" ? "" : `: ${message}`;
    const hint = `see \`weir rule status ${id}\`, then \`weir rule start ${id}\``;
    yield { ...about, severity: "problem", message: `Rule ${id} is stopped by an error${why}`, hint };
    return;
  }
  for (const { name, connection } of nodes) {
    if (connection?.state !== "disconnected") continue;
    const { lastDisconnectedMessage: why } = connection;
    const message = `${name} of rule ${id} is disconnected${why === "" ? "" : `: ${why}`}`;
    yield { ...about, severity: "problem", message, hint: "see whether its peer runs and lets this machine in" };
  }
  for (const { action, messages } of ledger?.actions ?? []) {
    if (messages.dead === 0) continue;
    const message = `${messages.dead} messages of ${action} of rule ${id} were put aside since its start`;
    const hint = `\`weir rule dead-letters ls ${id}\` tells why; they can be sent again or thrown away`;
    yield { ...about, severity: "warning", message, hint };
  }
  if (ledger?.balanced === false) {
    const message = `The ledger of rule ${id} does not balance, which is a mistake of weir`;
    yield { ...about, severity: "problem", message, hint: `please report it with \`weir rule ledger ${id} --json\`` };
  }
}

function* connectionReasons({ configs, live }: HealthRoute): Iterable<HealthReason> {
  for (const { id, type } of configs.connections()) {
    const status = live?.status(id);
    // One that is not open is used by nobody.
    if (status?.state !== "disconnected") continue;
    const users = live?.usersOf(id) ?? [];
    const why = status.error === undefined || status.error === "" ? "" : `: ${status.error}`;
    yield {
      area: "connections",
      severity: users.length > 0 ? "problem" : "warning",
      subject: id,
      message: `${id} (${type}) is disconnected${why}`,
      hint: users.length > 0 ? `rules wait for it: ${users.slice(0, 5).join(", ")}` : "no running rule uses it",
    };
  }
}
