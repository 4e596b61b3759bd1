/**
 * What the registry knows about one rule: its definition, its state, its present and its last run.
 * @module
 */
import type { LiveRule } from "./live_rule.ts";
import type { PreparedRule } from "./prepare_rule.ts";
import type { RuleDefinition } from "./rule_definition.ts";

export type RuleState = "starting" | "running" | "stopping" | "stopped" | "stopped by error";

export class RuleEntry {
  readonly id: string;
  /** Undefined for a stored text that this version cannot read. */
  definition: RuleDefinition | undefined;
  json: string;
  triggered: boolean;
  state: RuleState = "stopped";
  /** Why it last stopped. */
  message = "";
  lastStart = 0;
  lastStop = 0;
  live: LiveRule | undefined;
  prepared: PreparedRule | undefined;
  /** The metrics and nodes of the last run. */
  lastMetrics: Record<string, string | number> = {};
  topology: { sources: string[]; edges: Record<string, string[]> } | undefined;
  cancelPatrol: (() => void) | undefined;
  /** The end of the queue of commands. */
  queue: Promise<unknown> = Promise.resolve();

  constructor(id: string, json: string, definition: RuleDefinition | undefined) {
    this.id = id;
    this.json = json;
    this.definition = definition;
    this.triggered = definition?.triggered ?? true;
  }

  /** Runs `work` after everything that was asked for before. */
  enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => {});
    return result;
  }
}
