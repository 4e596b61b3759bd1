/**
 * Runs the rules of the registry: when they are commanded to, inside the slots of their schedules, and again after an
 * error.
 *
 * Invariant: everything here happens in the turn of the rule's entry, one after the other.
 * @module
 */
import type { Clock, Logger } from "../connector/context.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { nobodyKnown } from "../policy/actor.ts";
import { StoreError } from "../store/store_error.ts";
import type { LiveRule } from "./live_rule.ts";
import type { Tracing } from "./traces/tracing.ts";
import { type PreparedRule, prepareRule, type RuleEnvironment } from "./prepare_rule.ts";
import { readRule, type RuleDefaults, type RuleDefinition } from "./rule_definition.ts";
import type { RuleEntry } from "./rule_entry.ts";
import type { RuleLauncher } from "./rule_launcher.ts";
import { ledgerOf } from "./rule_ledger.ts";
import { metricsOf, topologyOf } from "./rule_status.ts";

export interface RuleRunnerParts {
  readonly environment: RuleEnvironment;
  readonly launcher: RuleLauncher;
  readonly defaults: RuleDefaults;
  /** Milliseconds; 10 s when absent. */
  readonly patrolInterval?: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Without it no rule is traced. */
  readonly tracing?: Tracing;
  /** A rule shall not run any more: stores that. */
  readonly onDone: (entry: RuleEntry) => void;
}

/** Longest wait for actions to write what they have when a rule stops. */
const stopGraceMs = 5000;
/** Longest wait between two looks at a rule that may restart after an error, or that has a schedule. */
const defaultPatrolMs = 10_000;

export class RuleRunner {
  readonly #parts: RuleRunnerParts;

  constructor(parts: RuleRunnerParts) {
    this.#parts = parts;
  }

  /** Starts or stops a rule that shall run as its schedule says; a failure is the rule's state. */
  async follow(entry: RuleEntry, prepared?: PreparedRule): Promise<void> {
    try {
      entry.definition ??= readRule(entry.json, this.#parts.defaults, entry.id);
    } catch (error) {
      return this.#failed(entry, error);
    }
    const slot = entry.slotAt(this.#parts.clock.now());
    if (slot !== undefined && !slot.runs) await this.#wait(entry, "schedule terminated", slot.nextStart);
    else if (entry.live === undefined && (slot === undefined || slot.from !== entry.heldFrom)) {
      await this.#launch(entry, entry.definition, prepared);
    }
    this.#watch(entry);
  }

  /** Without `prepared`, the rule is prepared anew, since streams and settings may have changed. */
  async #launch(entry: RuleEntry, definition: RuleDefinition, prepared?: PreparedRule): Promise<void> {
    const { environment, tracing } = this.#parts;
    try {
      if (definition.options.enableRuleTracer) await tracing?.load();
      const ready = prepared ?? await environment.connectors.loading(() => prepareRule(definition, environment));
      environment.policies?.checkRule(definition.owner ?? nobodyKnown, ready);
      this.#run(entry, ready);
    } catch (error) {
      this.#failed(entry, error);
    }
  }

  #run(entry: RuleEntry, prepared: PreparedRule): void {
    const { clock, launcher } = this.#parts;
    entry.state = "starting";
    entry.lastStart = clock.now();
    entry.prepared = prepared;
    const live: LiveRule = launcher.launch(prepared, {
      onEnded: (reason) => void this.#ended(entry, live, reason),
      onFailed: (error) => void this.#failedLive(entry, live, error),
    });
    entry.live = live;
    if (prepared.definition.options.enableRuleTracer) this.#parts.tracing?.begin(live, "always");
    entry.state = "running";
    entry.message = "";
    this.#limitRun(entry);
  }

  /** A rule that fails and starts again does not get more time by it. */
  #limitRun(entry: RuleEntry): void {
    const { runLimit } = entry;
    if (runLimit === undefined || entry.cancelRunLimit !== undefined) return;
    const cancel = this.#parts.clock.after(runLimit, () =>
      void entry.enqueue(async () => {
        if (entry.cancelRunLimit === cancel) await this.#over(entry, "duration terminated");
      }));
    entry.cancelRunLimit = cancel;
  }

  /**
   * Comes back when the schedule may say something else, or a failed rule is due again. A clock that is set calls no
   * timer, so that no wait is longer than the patrol's.
   */
  #watch(entry: RuleEntry): void {
    const { clock, patrolInterval: patrolMs = defaultPatrolMs } = this.#parts;
    entry.cancelPatrol?.();
    entry.cancelPatrol = undefined;
    const now = clock.now();
    const slot = entry.slotAt(now);
    if (slot === undefined && !(entry.state === "stopped by error" && entry.restarts)) return;
    const cancel = clock.after(
      Math.min((slot?.until ?? Infinity) - now, patrolMs),
      () =>
        void entry.enqueue(async () => {
          if (entry.cancelPatrol === cancel) await this.follow(entry);
        }),
    );
    entry.cancelPatrol = cancel;
  }

  /** Without another try at the next patrol, a scheduled rule waits for its next slot. */
  #failed(entry: RuleEntry, error: unknown): void {
    const { clock, log } = this.#parts;
    entry.state = "stopped by error";
    entry.message = messageOf(error);
    entry.lastStop = clock.now();
    log.error("A rule cannot run", { rule: entry.id, reason: entry.message });
    const { attempts } = entry.definition?.options.restartStrategy ?? { attempts: 0 };
    // A disk that fails is no fault of the rule, and what it has promised to keep waits for it.
    entry.restarts = attempts > 0 || isStoreFailure(error);
    if (!entry.restarts) entry.heldFrom = entry.slotAt(entry.lastStop)?.from;
  }

  /** All sources have ended. */
  async #ended(entry: RuleEntry, live: LiveRule, reason: string): Promise<void> {
    await entry.enqueue(async () => {
      if (entry.live === live) await this.#over(entry, reason === "" ? "done" : `done: ${reason}`);
    });
  }

  /** A rule that is done does not start again by itself, unless its schedule has another slot for it. */
  async #over(entry: RuleEntry, message: string): Promise<void> {
    const slot = entry.slotAt(this.#parts.clock.now());
    if (slot?.nextStart !== undefined) {
      entry.heldFrom = slot.from;
      await this.#wait(entry, message, slot.nextStart);
      return this.#watch(entry);
    }
    try {
      this.#parts.onDone(entry);
    } catch (error) {
      this.#parts.log.error("Cannot store that a rule is done", { rule: entry.id, reason: messageOf(error) });
    }
    await this.halt(entry, message);
  }

  /** A source or sink of a running rule can never be opened. */
  async #failedLive(entry: RuleEntry, live: LiveRule, error: DiagnosticError): Promise<void> {
    await entry.enqueue(async () => {
      if (entry.live !== live) return;
      await this.#takeDown(entry, "");
      this.#failed(entry, error);
      this.#watch(entry);
    });
  }

  /** Stops a running rule that may not run any more. To be called in its turn. */
  async refuse(entry: RuleEntry, error: unknown): Promise<void> {
    await this.#takeDown(entry, "");
    this.#failed(entry, error);
    this.#watch(entry);
  }

  /** Outside of its slots, and when it is done with one. */
  async #wait(entry: RuleEntry, message: string, nextStart: number | undefined): Promise<void> {
    this.#unlimit(entry);
    await this.#takeDown(entry, message);
    entry.state = nextStart === undefined ? "stopped" : "stopped: waiting for next schedule.";
  }

  /** Stops a rule until it is commanded again. */
  async halt(entry: RuleEntry, message: string): Promise<void> {
    this.release(entry);
    this.#unlimit(entry);
    if (entry.state === "stopped: waiting for next schedule.") entry.message = message;
    await this.#takeDown(entry, message);
    entry.state = "stopped";
  }

  /** Forgets what a rule that is not running waits for: nothing moves it until {@linkcode follow}. */
  release(entry: RuleEntry): void {
    entry.cancelPatrol?.();
    entry.cancelPatrol = undefined;
    entry.heldFrom = undefined;
    if (entry.live === undefined) this.#unlimit(entry);
  }

  #unlimit(entry: RuleEntry): void {
    entry.cancelRunLimit?.();
    entry.cancelRunLimit = undefined;
  }

  async #takeDown(entry: RuleEntry, message: string): Promise<void> {
    const { live } = entry;
    if (live === undefined) return;
    entry.state = "stopping";
    const grace = entry.definition?.options.forceExitTimeout ?? 0;
    await live.stop(grace > 0 ? grace : stopGraceMs);
    entry.lastMetrics = metricsOf(live);
    entry.lastLedger = ledgerOf(live);
    entry.topology = topologyOf(live);
    entry.live = undefined;
    entry.state = "stopped";
    entry.message = message;
    entry.lastStop = this.#parts.clock.now();
  }
}

function isStoreFailure(error: unknown): boolean {
  if (error instanceof DiagnosticError) return error.diagnostics.some(({ code }) => code === "E604");
  return error instanceof StoreError;
}

export function messageOf(error: unknown): string {
  return error instanceof DiagnosticError || error instanceof Error ? error.message : String(error);
}
