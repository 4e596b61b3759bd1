/**
 * Records in the audit trail what an agent is asked to do.
 *
 * What anybody can repeat as often as he likes, requests that are refused, is recorded once and then, while it goes on,
 * once a minute with a count. Whoever comes from ever new addresses uses up an allowance, and from then on all like him
 * are one count a minute: nobody fills the disk by being refused. Known accounts have an allowance of their own, so that
 * strangers cannot hide what these were refused. Recording never fails a request: what cannot be written is counted, told
 * in the log and in the health.
 * @module
 */
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import type { Logger } from "../connector/context.ts";
import { Allowance } from "./allowance.ts";
import type { AuditEvent, AuditLog } from "./audit_log.ts";

/** What a caller says of an event; the rest is empty. */
export type Recorded = Pick<AuditEvent, "action"> & Partial<Omit<AuditEvent, "time" | "count">>;

export interface AuditorOptions {
  readonly trail: AuditLog;
  readonly log: Logger;
  /** Entries older than so many milliseconds are removed; none when absent. */
  readonly keepMs?: number;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

/** Longer texts are cut off: they come from outside. */
export const textLengthMax = 256;
/** The longest reason that an entry holds. */
export const reasonLengthMax = 500;
/** So long like refusals are counted before the next one is written. */
const gatherMs = 60_000;
/** So many are told apart; all others of the time count as one. */
const gatheredMax = 1_000;
/** Entries about refusals that were told apart: so many at once, then so many a minute. */
const refusalsMax = 1_000;
const refusalsPerMinute = 1;
const pruneEveryMs = 24 * 3600 * 1000;
/** What cannot be written is told in the log so often at most. */
const complainMs = 60_000;

interface Gathered {
  readonly sinceMs: number;
  readonly event: Recorded;
  /** Stands for all that are not told apart. */
  readonly isOthers: boolean;
  count: number;
}

export class Auditor {
  readonly #options: AuditorOptions;
  readonly #now: () => number;
  readonly #gathered = new Map<string, Gathered>();
  readonly #strangers = new Allowance(refusalsMax, refusalsPerMinute);
  readonly #accounts = new Allowance(refusalsMax, refusalsPerMinute);
  #dueMs = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pruner: ReturnType<typeof setInterval> | undefined;
  #failed = 0;
  #isFailing = false;
  #complainedMs = -Infinity;
  #written = 0;

  constructor(options: AuditorOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Entries that could not be written since the start. */
  get failed(): number {
    return this.#failed;
  }

  /** True when the last entry could not be written. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** Entries that were written since the start. */
  get written(): number {
    return this.#written;
  }

  /** Records the start, and begins to remove what is older than is to be kept. */
  start(version: string): void {
    this.#prune();
    if (this.#options.keepMs !== undefined) {
      this.#pruner = setInterval(() => this.#prune(), pruneEveryMs);
      this.#pruner.unref();
    }
    this.record({ action: "start", subject: `weir ${version}`, outcome: "done" });
  }

  /** Writes what it has gathered, and the stop. */
  stop(reason: string): void {
    clearInterval(this.#pruner);
    this.#flush();
    this.record({ action: "stop", reason, outcome: "done" });
  }

  record(event: Recorded): void {
    this.#write(event, 1);
  }

  /** Records what somebody may repeat as he likes. */
  refuse(event: Omit<Recorded, "outcome">): void {
    const now = this.#now();
    // The timer does it, too, when nothing more comes.
    if (now >= this.#dueMs) this.#gather(now - gatherMs);
    const key = JSON.stringify([event.action, event.actor, event.address, event.status]);
    const known = this.#gathered.get(key);
    if (known !== undefined) known.count++;
    else if (this.#gathered.size < gatheredMax && this.#mayTell(event, now)) {
      this.#begin(key, { ...event, outcome: "refused" }, 1, false);
    } else this.#countAsOther(event, 1);
  }

  #mayTell({ actor = "" }: Pick<Recorded, "actor">, now: number): boolean {
    return (actor === "" ? this.#strangers : this.#accounts).take(now);
  }

  #countAsOther({ action, actor = "" }: Pick<Recorded, "action" | "actor">, count: number): void {
    const key = JSON.stringify([action, actor === ""]);
    const known = this.#gathered.get(key);
    if (known !== undefined) known.count += count;
    else this.#begin(key, { action, outcome: "refused", reason: "many others" }, count, true);
  }

  /** Writes the first, and counts those that follow. */
  #begin(key: string, event: Recorded, count: number, isOthers: boolean): void {
    this.#write(event, count);
    const now = this.#now();
    this.#gathered.set(key, { sinceMs: now, event, isOthers, count: 0 });
    this.#dueMs = Math.min(this.#dueMs, now + gatherMs);
    this.#wake();
  }

  #wake(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#gather(this.#now() - gatherMs);
      if (this.#gathered.size > 0) this.#wake();
    }, gatherMs);
    this.#timer.unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#gather(Infinity);
  }

  /** Writes the counts of what began before a time. What goes on is gathered for another minute. */
  #gather(before: number): void {
    this.#dueMs = Infinity;
    for (const [key, { sinceMs, event, isOthers, count }] of this.#gathered) {
      if (sinceMs > before) {
        this.#dueMs = Math.min(this.#dueMs, sinceMs + gatherMs);
        continue;
      }
      this.#gathered.delete(key);
      if (count === 0) continue;
      if (before === Infinity) this.#write(event, count);
      else if (isOthers || this.#mayTell(event, this.#now())) this.#begin(key, event, count, isOthers);
      else this.#countAsOther(event, count);
    }
  }

  #write(event: Recorded, count: number): void {
    const { actor = "", role = "", address = "", target = "", subject = "", outcome = "done", status = 0 } = event;
    try {
      this.#options.trail.append({
        time: this.#now(),
        action: event.action,
        actor: cut(actor),
        role,
        address: cut(address),
        target: cut(target),
        subject: cut(subject),
        outcome,
        status,
        reason: cut(event.reason ?? "", reasonLengthMax),
        count,
      });
      this.#written++;
      this.#isFailing = false;
    } catch (error) {
      this.#complain("The audit trail cannot be written", error);
    }
  }

  #prune(): void {
    const { keepMs, trail, log } = this.#options;
    if (keepMs === undefined) return;
    try {
      const now = this.#now();
      const entries = trail.prune(now - keepMs, now);
      if (entries > 0) log.info("Old entries of the audit trail were removed", { entries });
    } catch (error) {
      this.#complain("The audit trail cannot be cut", error);
    }
  }

  #complain(what: string, error: unknown): void {
    this.#failed++;
    this.#isFailing = true;
    const now = this.#now();
    if (now - this.#complainedMs < complainMs) return;
    this.#complainedMs = now;
    this.#options.log.error(what, { error: (error as Error).message, failed: this.#failed });
  }
}

/** Control characters would let a text pretend to be another line. */
function cut(text: string, length = textLengthMax): string {
  // deno-lint-ignore no-control-regex -- they are what is meant.
  const clean = text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, " ");
  return clean.length > length ? `${clean.slice(0, length - 1)}…` : clean;
}
