/**
 * The state of a rule with `qos` 1 or 2, kept as the rule runs and brought back when it starts.
 *
 * What enters the state is logged with the batch that brought it; a checkpoint is the whole state, and lets go of the
 * log before it. Recovery takes the checkpoint and gives the log back to the same steps. Results that come out then
 * have been in the outbox since, in the transaction of their log entry, so they go nowhere.
 *
 * Invariants: an entry is logged when, and only when, rows entered the state or results came out; a checkpoint is taken
 * between two batches only; after a recovery the state is that of the last committed unit.
 * @module
 */
import type { Clock, Logger } from "../../connector/context.ts";
import type { RuleContext } from "../../sql/functions/declare.ts";
import type { Value } from "../../value/value.ts";
import type { DeliveryStore, Payload } from "../../store/delivery_store.ts";
import type { Delivery } from "../delivery.ts";
import type { Batch } from "../operator.ts";
import type { Pipeline } from "../pipeline.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { readEntry, rowsText, timeText } from "./log_entry.ts";
import { RuleJournal } from "./rule_journal.ts";
import type { Recorder } from "./tap.ts";

export interface DurableRunOptions {
  readonly rule: string;
  readonly delivery: DeliveryStore;
  readonly journal: RuleJournal;
  /** Milliseconds between two checkpoints. */
  readonly checkpointInterval: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What a start found of the run before. */
export interface Recovery {
  /** `none`: there was nothing to bring back. `partly`: some steps of a changed rule begin without state. */
  readonly outcome: "none" | "restored" | "partly" | "clean";
  /** Why it is not all there. */
  readonly reason?: string;
  /** Entries of the log that were given back. */
  readonly entries: number;
  readonly tookMs: number;
}

/** The form of checkpoints; another one is not read. */
const form = 1;
/** The state of a step: its key, its type, what it gave. */
type SavedNode = readonly [key: string, type: string, state: Value];
/** A log longer than this, and than four times the state, costs more to read than the state costs to write. */
const logBytesMin = 4 * 1024 * 1024;
/** A recovery lets others run after so many milliseconds. */
const sliceMs = 10;

export class DurableRun implements Recorder {
  readonly journal: RuleJournal;
  replaying = false;
  recovery: Recovery = { outcome: "none", entries: 0, tookMs: 0 };
  readonly #options: DurableRunOptions;
  #pipeline!: Pipeline;
  #context!: RuleContext;
  /** Of the whole plan. */
  #plan = "";
  #text = "";
  #events: string[] = [];
  #touched = false;
  #logBytes = 0;
  #stateBytes = 0;
  #checkpointDue = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: DurableRunOptions) {
    this.#options = options;
    this.journal = options.journal;
  }

  /** @param textHash what the rule was written as; asked only of a rule that keeps state */
  attach(pipeline: Pipeline, context: RuleContext, textHash: () => string): void {
    this.#pipeline = pipeline;
    this.#context = context;
    this.#plan = pipeline.key;
    if (this.#keepsState) this.#text = textHash();
  }

  /** False for a rule without state: nothing is logged then. */
  get #keepsState(): boolean {
    return this.#pipeline.taps.length > 0;
  }

  // ---------------------------------------------------------------- while the rule runs

  /** To be called before rows are pushed, or time is told. */
  begin(now: number): void {
    if (this.#keepsState) this.#events.push(timeText(now));
  }

  record(tap: number, batch: Batch): void {
    this.#touched = true;
    this.#events.push(rowsText(this.#context.now, tap, batch));
  }

  /** What was begun is through; the actions have given their messages to the journal. `gave` says that there were any. */
  endBatch(gave: boolean, delivery?: Delivery): void {
    if (this.#touched || (gave && this.#events.length > 0)) {
      const text = `[${this.#events.join(",")}]`;
      this.journal.log(text);
      if (this.#logBytes === 0) this.#arm();
      this.#logBytes += text.length;
    }
    this.#events = [];
    this.#touched = false;
    if (this.#checkpointDue || this.#logBytes > Math.max(logBytesMin, 4 * this.#stateBytes)) this.#checkpoint();
    this.journal.endBatch(delivery);
  }

  #checkpoint(): void {
    this.#checkpointDue = false;
    this.#cancelTimer?.();
    if (this.#logBytes === 0) return;
    const nodes = this.#pipeline.nodes
      .map(({ key, type, operator }): Value => [key, type, operator.snapshot?.() ?? null])
      .filter((entry) => (entry as Value[])[2] !== null);
    const taps = this.#pipeline.taps.map((tap) => tap.key);
    const text = encodeState([form, this.#text, nodes, taps]);
    this.#stateBytes = text.length;
    this.#logBytes = 0;
    this.journal.checkpoint(this.#plan, text);
  }

  /** A checkpoint is due so long after the first entry behind the one before. */
  #arm(): void {
    const { clock, checkpointInterval } = this.#options;
    this.#cancelTimer?.();
    this.#cancelTimer = clock.after(checkpointInterval, () => {
      this.#checkpointDue = true;
      // While a batch is under way, its end does it.
      if (this.#events.length === 0 && this.#pipeline.settled() === undefined) this.endBatch(false);
    });
  }

  /** Bytes of the last checkpoint and of the log since. */
  get sizes(): { readonly stateBytes: number; readonly logBytes: number } {
    return { stateBytes: this.#stateBytes, logBytes: this.#logBytes };
  }

  // ---------------------------------------------------------------- when it starts

  /** Brings the state back, and tells where the sources stood. `stopped` tells that nobody waits for it any more. */
  async recover(stopped: () => boolean): Promise<{ readonly positions: ReadonlyMap<string, string> }> {
    const started = performance.now();
    this.replaying = true;
    try {
      this.recovery = { ...await this.#bringBack(stopped), tookMs: Math.round(performance.now() - started) };
    } finally {
      this.replaying = false;
      // What was counted has been counted by the run before.
      this.#pipeline.beginCounting();
    }
    const { outcome, reason, entries, tookMs } = this.recovery;
    const { log, delivery, rule } = this.#options;
    if (outcome !== "none") {
      if (reason === undefined) log.info("The state of the rule is back", { entries, tookMs });
      else log.warn("The rule starts without all of its state", { outcome, reason, entries, tookMs });
    }
    return { positions: delivery.positions(rule) };
  }

  async #bringBack(stopped: () => boolean): Promise<Omit<Recovery, "tookMs">> {
    const { rule, delivery } = this.#options;
    const saved = delivery.checkpoint(rule);
    if (saved === undefined) {
      const isLogged = delivery.lastLogSequence(rule) > 0 && !isEmpty(delivery.log(rule));
      if (isLogged) return this.#startClean("nothing tells what its log belongs to");
      // So that a log always stands behind a checkpoint that says what it is a log of.
      if (this.#keepsState) this.#firstCheckpoint();
      return { outcome: "none", entries: 0 };
    }
    let taps: readonly (number | undefined)[];
    let lacking: number;
    try {
      ({ taps, lacking } = this.#restore(decodeState(textOf(saved.state))));
    } catch (error) {
      return this.#startClean(`its checkpoint cannot be read: ${error instanceof Error ? error.message : error}`);
    }
    let entries = 0;
    let sliceEnd = performance.now() + sliceMs;
    for (const { payload } of delivery.log(rule)) {
      const text = textOf(payload);
      this.#logBytes += text.length;
      for (const { now, tap, batch } of readEntry(text)) {
        const own = tap === undefined ? undefined : taps[tap];
        if (tap === undefined || own !== undefined) this.#pipeline.replay(now, own, batch);
      }
      entries++;
      if (performance.now() < sliceEnd) continue;
      this.#pipeline.beginCounting();
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (stopped()) return { outcome: "none", entries };
      sliceEnd = performance.now() + sliceMs;
    }
    this.#stateBytes = saved.state.length;
    if (this.#logBytes > 0) this.#arm();
    if (lacking === 0) {
      if (saved.plan !== this.#plan) this.#replaceCheckpoint();
      return { outcome: "restored", entries };
    }
    // The log was that of another plan.
    this.#replaceCheckpoint();
    const all =
      lacking === this.#pipeline.nodes.filter(({ operator }) => (operator.snapshot?.() ?? null) !== null).length;
    const reason = "the rule, or a stream that it reads, was changed since";
    return { outcome: all ? "clean" : "partly", reason, entries };
  }

  /** The taps of now, by the numbers they had; and how many steps with state found none. */
  #restore(state: Value): { taps: (number | undefined)[]; lacking: number } {
    const [found, text, nodes, taps] = state as [number, string, SavedNode[], string[]];
    if (found !== form) throw new Error(`it has form ${found}, expected ${form}`);
    const own = this.#pipeline.nodes.filter(({ operator }) => (operator.snapshot?.() ?? null) !== null);
    const sameText = text === this.#text && taps.length === this.#pipeline.taps.length &&
      own.length === nodes.length && own.every(({ type }, i) => type === nodes[i]![1]);
    const known = new Map(nodes.map((node) => [node[0], node]));
    let lacking = 0;
    for (const [i, { key, operator }] of own.entries()) {
      const saved = known.get(key) ?? (sameText ? nodes[i] : undefined);
      if (saved === undefined) lacking++;
      else operator.restore!(saved[2]);
    }
    const now = new Map(this.#pipeline.taps.map((tap, i) => [tap.key, i]));
    return { taps: taps.map((key, i) => now.get(key) ?? (sameText ? i : undefined)), lacking };
  }

  #startClean(reason: string): Omit<Recovery, "tookMs"> {
    this.#replaceCheckpoint();
    return { outcome: "clean", reason, entries: 0 };
  }

  #firstCheckpoint(): void {
    this.#logBytes = 1;
    this.#checkpoint();
    this.journal.endBatch();
  }

  /** What is kept then belongs to the plan of now. */
  #replaceCheckpoint(): void {
    if (this.#keepsState) return this.#firstCheckpoint();
    this.journal.checkpoint(this.#plan, null);
    this.journal.endBatch();
  }

  // ---------------------------------------------------------------- when it stops

  /** All sources have ended, and what stood in open windows has come out: no start shall bring it out again. */
  complete(gave: boolean): void {
    this.#events = [];
    this.#touched = false;
    // A checkpoint that was due, or would be while the last results go out, would bring the windows back.
    this.#cancelTimer?.();
    this.#checkpointDue = false;
    this.#logBytes = 0;
    if (this.#keepsState) this.journal.checkpoint(this.#plan, null);
    this.endBatch(gave);
  }

  /** A complete rule that is started again begins from the beginning. */
  forgetPositions(): void {
    const { delivery, rule } = this.#options;
    for (const stream of delivery.positions(rule).keys()) this.journal.position(stream, null);
    this.journal.endBatch();
  }

  /**
   * Keeps the state as it is, so that the next start need not read the log. `settled` is false when a batch is under
   * way: what it did is forgotten, and its source gives it again.
   */
  close(settled: boolean): void {
    this.#cancelTimer?.();
    this.#events = [];
    this.#touched = false;
    if (!settled) return;
    this.#checkpoint();
    this.journal.endBatch();
  }
}

function isEmpty(entries: Iterable<unknown>): boolean {
  for (const _ of entries) return false;
  return true;
}

function textOf(payload: Payload): string {
  return typeof payload === "string" ? payload : new TextDecoder().decode(payload);
}
