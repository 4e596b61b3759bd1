/**
 * `/api/v1/rules/costs`: what each rule has taken and given so far, for somebody who asks again and compares.
 * @module
 */
import type { Hono } from "hono";
import { sum } from "../runtime/ledger.ts";
import { nextTurn } from "../runtime/limits/rule_work.ts";
import type { ObservedRule, Rules } from "../runtime/rules.ts";
import type { AdminEnv } from "./failure.ts";
import { json } from "./reply.ts";

/** Counters begin with each start of the rule; all are 0 for one that does not run. */
export interface RuleCost {
  readonly id: string;
  readonly status: string;
  /** When its counting began, Unix milliseconds. */
  readonly since: number;
  readonly rowsIn: number;
  /** Messages written by all actions. */
  readonly messagesOut: number;
  /** Processor time of its steps and its own decoding. */
  readonly workMs: number;
  readonly stateBytes: number;
  /** Rows that wait for their turn, and messages that wait to be sent. */
  readonly waiting: number;
  /** Rows, payloads and messages left out without an error, late rows included. */
  readonly dropped: number;
  /** Those lost by an error, dead letters included. */
  readonly failed: number;
  /** That of the latest batch through all steps and of the slowest sink's latest write. */
  readonly latencyUs: number;
}

export interface RuleCosts {
  /** A clock that only goes on, milliseconds: rates are differences by its differences. */
  readonly at: number;
  readonly rules: readonly RuleCost[];
}

/** Others get their turn after so many milliseconds. */
const sliceMs = 5;

export function ruleCostRoute(app: Hono<AdminEnv>, rules: Rules): void {
  app.get("/api/v1/rules/costs", async (c) => {
    const costs: RuleCost[] = [];
    const at = performance.now();
    let sliceEnd = at + sliceMs;
    for (const rule of rules.observe()) {
      costs.push(costOf(rule));
      if (performance.now() < sliceEnd) continue;
      await nextTurn();
      sliceEnd = performance.now() + sliceMs;
    }
    return json(c, { at, rules: costs } satisfies RuleCosts);
  });
}

function costOf({ id, state, nodes, ledger, work }: ObservedRule): RuleCost {
  const { rows, streams = [], actions = [], since = 0 } = ledger ?? {};
  const ofStreams = streams.flatMap(({ payloads, envelopes, rows }) => [payloads, envelopes, rows]);
  const accounts = [rows, ...ofStreams, ...actions.map(({ results }) => results)].filter((each) => each !== undefined);
  const messages = actions.map((action) => action.messages);
  const total = <T>(items: readonly T[], of: (item: T) => number) => items.reduce((all, item) => all + of(item), 0);
  const ofKind = (kind: string) => nodes.filter((node) => node.kind === kind).map(({ metrics }) => metrics.latencyUs);
  return {
    id,
    status: state,
    since,
    rowsIn: rows?.in ?? 0,
    messagesOut: total(messages, ({ sent }) => sent),
    workMs: Math.round((work?.spentMs ?? 0) * 1000) / 1000,
    stateBytes: work?.stateBytes ?? 0,
    waiting: total(streams, ({ taken }) => taken.held) + total(messages, ({ waiting }) => waiting),
    dropped: total(accounts, ({ dropped, late }) => sum(dropped) + late) +
      total(messages, ({ dropped }) => sum(dropped)),
    failed: total(accounts, ({ failed }) => sum(failed)) + total(messages, ({ failed, dead }) => sum(failed) + dead),
    latencyUs: total(ofKind("op"), (us) => us) + Math.max(0, ...ofKind("sink")),
  };
}
