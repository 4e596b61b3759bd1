/**
 * What the registry knows about one rule: its definition, its state, its present and its last run.
 * @module
 */
import type { LiveRule } from "./live_rule.ts";
import type { PreparedRule } from "./prepare_rule.ts";
import type { RuleDefinition } from "./rule_definition.ts";
import type { RuleLedger } from "./rule_ledger.ts";
import { type Schedule, type Slot, slotAt } from "./schedule.ts";

export type RuleState =
  | "starting"
  | "running"
  | "stopping"
  | "stopped"
  | "stopped: waiting for next schedule."
  | "stopped by error";

export class RuleEntry {
  readonly id: string;
  /** Undefined for a stored text that this version cannot read. */
  definition: RuleDefinition | undefined;
  json: string;
  triggered: boolean;
  state: RuleState = "stopped";
  /** Of a rule stopped by an error: the next patrol starts it again. */
  restarts = false;
  /** Why it last stopped. */
  message = "";
  lastStart = 0;
  lastStop = 0;
  live: LiveRule | undefined;
  prepared: PreparedRule | undefined;
  /** The metrics and nodes of the last run, once it is over. */
  lastMetrics: Record<string, string | number> = {};
  lastLedger: RuleLedger | undefined;
  topology: { sources: string[]; edges: Record<string, string[]> } | undefined;
  /** Ends the wait for the next look at the schedule, or for the next try of a rule that failed. */
  cancelPatrol: (() => void) | undefined;
  /** Ends the wait for the end of `duration`, of a rule without `cron`. */
  cancelRunLimit: (() => void) | undefined;
  /** Begin of the slot in which it does not start again by itself, since it is done or has failed there. */
  heldFrom: number | undefined;
  #known: { readonly schedule: Schedule; readonly slot: Slot } | undefined;
  /** The end of the queue of commands. */
  queue: Promise<unknown> = Promise.resolve();

  constructor(id: string, json: string, definition: RuleDefinition | undefined) {
    this.id = id;
    this.json = json;
    this.definition = definition;
    this.triggered = definition?.triggered ?? true;
  }

  /** What its schedule says about `now`; undefined for a rule that is not bound to times. */
  slotAt(now: number): Slot | undefined {
    const schedule = this.definition?.schedule;
    if (schedule === undefined) return undefined;
    const known = this.#known;
    if (known?.schedule === schedule && known.slot.from <= now && now < known.slot.until) return known.slot;
    const slot = slotAt(schedule, now);
    this.#known = { schedule, slot };
    return slot;
  }

  /** Milliseconds that it may run, of a rule whose `duration` is not that of its slots. */
  get runLimit(): number | undefined {
    const { schedule, options } = this.definition ?? {};
    return schedule?.cron === undefined && options !== undefined && options.duration > 0 ? options.duration : undefined;
  }

  /** Runs `work` after everything that was asked for before. */
  enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => {});
    return result;
  }
}
