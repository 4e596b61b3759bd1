/**
 * Delivery that forgets: for `weir query`, rule tests and unit tests. It is also what the durable one is compared with,
 * so it is written for plainness: lists that are searched from the front.
 * @module
 */
import {
  type Checkpoint,
  type Committed,
  defaultOutboxSettings,
  type DeliverySizes,
  type DeliveryStore,
  type DeliveryUnit,
  type Dropped,
  type LogEntry,
  type OutboxSettings,
} from "./delivery_store.ts";
import { checkUnit, mergeSettings, movedPositions } from "./delivery_unit.ts";
import { GroupCommit, type Outcome } from "./group_commit.ts";
import { MemoryOutbox } from "./memory_outbox.ts";

class MemoryRule {
  readonly incarnation: string;
  /** Something of it was committed. */
  kept = false;
  checkpoint: Checkpoint | undefined;
  checkpointSequence = 0;
  log: LogEntry[] = [];
  lastLogSequence = 0;
  positions: ReadonlyMap<string, string> = new Map();
  /** The highest sequence of outboxes that were removed. */
  retired = 0;
  readonly outboxes = new Map<string, MemoryOutbox>();
  readonly keptActions = new Set<string>();

  constructor(incarnation: string) {
    this.incarnation = incarnation;
  }
}

export class MemoryDelivery implements DeliveryStore {
  readonly #group: GroupCommit<DeliveryUnit, Committed>;
  readonly #rules = new Map<string, MemoryRule>();
  #incarnations = 0;
  readonly #inUse = Promise.withResolvers<void>();
  #closed = false;

  /** @param schedule calls `run` at the end of this turn of the event loop */
  constructor(schedule: (run: () => void) => void = setImmediate) {
    this.#group = new GroupCommit((units) => units.map((unit) => this.#commit(unit)), schedule);
  }

  #rule(name: string): MemoryRule {
    this.#requireOpen();
    let rule = this.#rules.get(name);
    if (rule === undefined) this.#rules.set(name, rule = new MemoryRule(`memory-${++this.#incarnations}`));
    this.#inUse.resolve();
    return rule;
  }

  isInUse(): boolean {
    return this.#incarnations > 0;
  }

  whenInUse(): Promise<void> {
    return this.#inUse.promise;
  }

  preload(): void {}

  rules(): string[] {
    this.#requireOpen();
    return [...this.#rules].filter(([, { kept }]) => kept).map(([name]) => name).sort();
  }

  incarnation(rule: string): string {
    return this.#rule(rule).incarnation;
  }

  checkpoint(rule: string): Checkpoint | undefined {
    return this.#rule(rule).checkpoint;
  }

  log(rule: string): Iterable<LogEntry> {
    return [...this.#rule(rule).log];
  }

  lastLogSequence(rule: string): number {
    return this.#rule(rule).lastLogSequence;
  }

  positions(rule: string): ReadonlyMap<string, string> {
    return this.#rule(rule).positions;
  }

  lastSequence(rule: string): number {
    const { lastLogSequence, retired, outboxes } = this.#rule(rule);
    return Math.max(lastLogSequence, retired, ...[...outboxes.values()].map(({ lastSequence }) => lastSequence));
  }

  actions(rule: string): string[] {
    return [...this.#rule(rule).keptActions].sort();
  }

  outbox(rule: string, action: string, settings: Partial<OutboxSettings> = {}): MemoryOutbox {
    const { outboxes } = this.#rule(rule);
    let outbox = outboxes.get(action);
    if (outbox === undefined) {
      outboxes.set(action, outbox = new MemoryOutbox(rule, action, mergeSettings(defaultOutboxSettings, settings)));
    } else {
      outbox.settings = mergeSettings(outbox.settings, settings);
      outbox.wakeWaiters();
    }
    return outbox;
  }

  commit(unit: DeliveryUnit): Promise<Committed> {
    try {
      this.#requireOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    for (const work of unit.outboxes ?? []) this.outbox(unit.rule, work.action).markSettling(work, true);
    return this.#group.add(unit, "process");
  }

  flush(): void {
    this.#group.flush();
  }

  #commit(unit: DeliveryUnit): Outcome<Committed> {
    const rule = this.#rule(unit.rule);
    const works = unit.outboxes ?? [];
    try {
      const { lastLogSequence, checkpointSequence } = rule;
      const outbox = (action: string) => this.outbox(unit.rule, action);
      checkUnit(unit, { lastLogSequence, checkpointSequence, outbox });
      for (const work of works) this.outbox(unit.rule, work.action).checkRoom(work);
    } catch (error) {
      for (const work of works) this.outbox(unit.rule, work.action).markSettling(work, false);
      return { error };
    }
    const dropped: Dropped[] = [];
    for (const work of works) {
      const outbox = this.outbox(unit.rule, work.action);
      if ((work.append ?? []).length > 0) rule.keptActions.add(work.action);
      dropped.push(...outbox.apply(work));
      outbox.wakeWaiters();
    }
    const { log = [], positions = new Map<string, string | null>(), checkpoint } = unit;
    rule.log.push(...log);
    rule.lastLogSequence = log.at(-1)?.sequence ?? rule.lastLogSequence;
    rule.positions = movedPositions(rule.positions, positions);
    if (checkpoint !== undefined) {
      rule.checkpoint = checkpoint ?? undefined;
      const upTo = rule.checkpointSequence = checkpoint?.sequence ?? rule.lastLogSequence;
      rule.log = rule.log.filter(({ sequence }) => sequence > upTo);
    }
    rule.kept ||= rule.keptActions.size > 0 || log.length > 0 || positions.size > 0 || checkpoint !== undefined;
    return { result: { dropped } };
  }

  remove(name: string): void {
    this.#requireOpen();
    this.flush();
    for (const outbox of this.#rules.get(name)?.outboxes.values() ?? []) outbox.leave();
    this.#rules.delete(name);
  }

  removeOutbox(name: string, action: string): void {
    this.#requireOpen();
    this.flush();
    const rule = this.#rule(name);
    const outbox = rule.outboxes.get(action);
    rule.retired = Math.max(rule.retired, outbox?.lastSequence ?? 0);
    outbox?.leave();
    rule.outboxes.delete(action);
    rule.keptActions.delete(action);
  }

  removeOrphans(exists: (rule: string) => boolean): string[] {
    const orphans = this.rules().filter((name) => !exists(name));
    for (const name of orphans) this.remove(name);
    return orphans;
  }

  maintain(): boolean {
    this.#requireOpen();
    return false;
  }

  sizes(): DeliverySizes {
    return { databaseBytes: 0, freeBytes: 0, walBytes: 0 };
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    for (const { outboxes } of this.#rules.values()) for (const outbox of outboxes.values()) outbox.leave();
  }

  #requireOpen(): void {
    if (this.#closed) throw new Error("The store is closed");
  }
}
