/**
 * Durable delivery in the SQLite database of the store, through its one connection.
 * @module
 */
import { randomBytes } from "node:crypto";
import {
  type Checkpoint,
  type Committed,
  defaultOutboxSettings,
  type DeliverySizes,
  type DeliveryStore,
  type DeliveryUnit,
  type Dropped,
  type Durability,
  type LogEntry,
  type OutboxSettings,
} from "./delivery_store.ts";
import { type DeliverySql, prepareDelivery, type SqlDatabase } from "./delivery_sql.ts";
import { addedBytes, checkUnit, mergeSettings } from "./delivery_unit.ts";
import { GroupCommit, type Outcome } from "./group_commit.ts";
import { SqliteOutbox } from "./sqlite_outbox.ts";
import {
  addRule,
  appendLog,
  readActions,
  readQueue,
  readRule,
  readRules,
  type Rule,
  saveCheckpoint,
} from "./sqlite_rules.ts";
import { DiskKeptFree, SqliteSpace } from "./sqlite_space.ts";
import { SqliteTransaction } from "./sqlite_transaction.ts";
import { fromStored } from "./stored_payload.ts";
import { StoreError } from "./store_error.ts";

export interface SqliteDeliveryOptions {
  readonly database: SqlDatabase;
  /** The file of the database, to tell how large its log is. */
  readonly file?: string;
  /** Called when damage is met. */
  readonly onDamaged?: () => void;
  /** Calls `run` at the end of this turn of the event loop. Default: `setImmediate`. */
  readonly schedule?: (run: () => void) => void;
  readonly newIncarnation?: () => string;
}

const logPageRows = 64;

export class SqliteDelivery implements DeliveryStore {
  readonly #database: SqlDatabase;
  readonly #transaction: SqliteTransaction;
  readonly #space: SqliteSpace;
  readonly #onDamaged: () => void;
  #prepared: DeliverySql | undefined;
  /** Whether something was kept when that was asked first. */
  #wasKept: boolean | undefined;
  readonly #inUse = Promise.withResolvers<void>();
  readonly #group: GroupCommit<DeliveryUnit, Committed>;
  readonly #newIncarnation: () => string;
  readonly #rules = new Map<string, Rule>();
  #closed = false;

  constructor(options: SqliteDeliveryOptions) {
    this.#database = options.database;
    this.#transaction = new SqliteTransaction(options.database);
    this.#space = new SqliteSpace(options.database, options.file);
    this.#onDamaged = options.onDamaged ?? (() => {});
    this.#newIncarnation = options.newIncarnation ?? (() => randomBytes(8).toString("hex"));
    this.#group = new GroupCommit(
      (units, durability) => this.#transact(units, durability),
      options.schedule ?? setImmediate,
    );
  }

  /** Prepared at the first use: an agent that promises no delivery starts without them. */
  get #sql(): DeliverySql {
    if (this.#prepared === undefined) {
      this.#prepared = prepareDelivery(this.#database);
      this.#inUse.resolve();
    }
    return this.#prepared;
  }

  // ---- reading

  isInUse(): boolean {
    if (this.#prepared !== undefined) return true;
    return (this.#wasKept ??= this.#read(() =>
      this.#database.prepare("SELECT 1 FROM delivery_rule LIMIT 1").get() !== undefined
    ));
  }

  whenInUse(): Promise<void> {
    try {
      if (this.isInUse()) this.#inUse.resolve();
    } catch (error) {
      // Nobody waits for that; the first use tells.
      if (!(error instanceof StoreError)) throw error;
    }
    return this.#inUse.promise;
  }

  rules(): string[] {
    return this.#read(() => this.#sql.rules.all().map(({ name }) => name as string));
  }

  incarnation(rule: string): string {
    return this.#rule(rule).state.incarnation;
  }

  checkpoint(rule: string): Checkpoint | undefined {
    const { id, hasCheckpoint } = this.#rule(rule).state;
    if (id === undefined || !hasCheckpoint) return undefined;
    return this.#read(() => {
      const row = this.#sql.checkpoint.get(id);
      if (row === undefined || row.state === null) return undefined;
      return {
        plan: row.plan as string,
        sequence: row.sequence as number,
        timeMs: row.time as number,
        state: fromStored(row.state),
      };
    });
  }

  *log(rule: string): Generator<LogEntry> {
    const { id, checkpointSequence, lastLog } = this.#rule(rule).state;
    if (id === undefined || lastLog <= checkpointSequence) return;
    // In pages, because an open statement would keep the write-ahead log from being reused.
    for (let after = checkpointSequence;;) {
      const entries = this.#read(() =>
        this.#sql.log.all(id, after, logPageRows).map((row): LogEntry => ({
          sequence: row.sequence as number,
          payload: fromStored(row.payload),
        }))
      );
      yield* entries;
      if (entries.length < logPageRows) return;
      after = entries.at(-1)!.sequence;
    }
  }

  lastLogSequence(rule: string): number {
    return this.#rule(rule).state.lastLog;
  }

  positions(rule: string): ReadonlyMap<string, string> {
    return this.#rule(rule).state.positions;
  }

  lastSequence(rule: string): number {
    const { lastLog, retired } = this.#rule(rule).state;
    const kept = this.actions(rule).map((action) => this.outbox(rule, action).lastSequence);
    return Math.max(lastLog, retired, ...kept);
  }

  actions(rule: string): string[] {
    const owner = this.#rule(rule);
    return this.#read(() => readActions(this.#sql, owner));
  }

  outbox(rule: string, action: string, settings: Partial<OutboxSettings> = {}): SqliteOutbox {
    const owner = this.#rule(rule);
    let outbox = owner.outboxes.get(action);
    if (outbox === undefined) {
      const kept = this.#read(() => readQueue(this.#sql, owner, action));
      outbox = new SqliteOutbox(rule, action, mergeSettings(defaultOutboxSettings, settings), kept, {
        sql: this.#sql,
        ruleId: () => owner.state.id,
        read: (work) => this.#read(work),
      });
      owner.outboxes.set(action, outbox);
    } else outbox.configure(settings);
    return outbox;
  }

  #read<T>(work: () => T): T {
    this.#requireOpen();
    try {
      return work();
    } catch (error) {
      throw this.#failed("read from the store", error);
    }
  }

  #failed(doing: string, error: unknown): StoreError {
    if (error instanceof StoreError) return error;
    const failed = new StoreError(doing, error);
    if (failed.failure === "damaged") this.#onDamaged();
    return failed;
  }

  #rule(name: string): Rule {
    this.#requireOpen();
    let rule = this.#rules.get(name);
    if (rule !== undefined) return rule;
    rule = this.#read(() => readRule(this.#sql, name, this.#newIncarnation));
    this.#know(name, rule);
    return rule;
  }

  #know(name: string, rule: Rule): void {
    this.#rules.set(name, rule);
    this.#space.doubt(rule);
  }

  preload(): void {
    if (!this.isInUse()) return;
    for (const [name, rule] of this.#read(() => readRules(this.#sql))) {
      // What is known already may have been changed by a unit since.
      if (!this.#rules.has(name)) this.#know(name, rule);
    }
  }

  // ---- writing

  commit(unit: DeliveryUnit, durability: Durability = "process"): Promise<Committed> {
    try {
      this.#requireOpen();
      this.#markSettling(unit, true);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#group.add(unit, durability);
  }

  flush(): void {
    this.#group.flush();
  }

  #markSettling(unit: DeliveryUnit, settling: boolean): void {
    for (const work of unit.outboxes ?? []) this.outbox(unit.rule, work.action).markSettling(work, settling);
  }

  #transact(units: readonly DeliveryUnit[], durability: Durability): Outcome<Committed>[] {
    const outcomes: Outcome<Committed>[] = [];
    const touched = new Set<Rule>();
    const outboxes = new Set<SqliteOutbox>();
    let begun = false;
    try {
      for (const unit of units) {
        const rule = this.#rule(unit.rule);
        const refusal = this.#refusal(unit, rule);
        if (refusal !== undefined) {
          this.#markSettling(unit, false);
          outcomes.push({ error: refusal });
          continue;
        }
        if (!this.#writes(unit)) {
          this.#settleInMemory(unit, outboxes);
          outcomes.push({ result: { dropped: [] } });
          continue;
        }
        const added = addedBytes(unit);
        if (added > 0 && !this.#space.hasRoom(this.#sql, added)) {
          this.#markSettling(unit, false);
          outcomes.push({ error: this.#failed("commit to the store", new DiskKeptFree()) });
          continue;
        }
        if (!begun) this.#transaction.begin(this.#sql, durability);
        begun = true;
        touched.add(rule);
        outcomes.push({ result: { dropped: this.#apply(unit, rule, outboxes) } });
      }
      for (const outbox of outboxes) outbox.finish();
      if (begun) this.#transaction.commit(this.#sql);
    } catch (error) {
      if (begun) this.#transaction.rollBack();
      for (const outbox of outboxes) outbox.rolledBack();
      for (const rule of touched) {
        rule.state = rule.before ?? rule.state;
        rule.before = undefined;
      }
      for (const unit of units) this.#markSettling(unit, false);
      const failed = this.#failed("commit to the store", error instanceof StoreError ? error.cause : error);
      if (failed.failure === "full") this.#space.makeRoom();
      throw failed;
    }
    for (const outbox of outboxes) outbox.committed();
    for (const rule of touched) rule.before = undefined;
    return outcomes;
  }

  /** Why this unit cannot be committed, and it alone. */
  #refusal(unit: DeliveryUnit, rule: Rule): unknown {
    const view = {
      lastLogSequence: rule.state.lastLog,
      checkpointSequence: rule.state.checkpointSequence,
      outbox: (action: string) => this.outbox(unit.rule, action),
    };
    // What fails for another reason than these two concerns all.
    try {
      checkUnit(unit, view);
      for (const work of unit.outboxes ?? []) this.outbox(unit.rule, work.action).checkRoom(work);
    } catch (error) {
      if (error instanceof StoreError) throw error;
      return error;
    }
    return undefined;
  }

  #writes(unit: DeliveryUnit): boolean {
    return (unit.log ?? []).length > 0 || (unit.positions?.size ?? 0) > 0 || unit.checkpoint !== undefined ||
      (unit.outboxes ?? []).some((work) => this.outbox(unit.rule, work.action).writes(work));
  }

  /** Failed attempts that need no write; a failure of the others of its group concerns them all the same. */
  #settleInMemory(unit: DeliveryUnit, outboxes: Set<SqliteOutbox>): void {
    for (const { action, retried } of unit.outboxes ?? []) {
      if (retried === undefined) continue;
      const outbox = this.outbox(unit.rule, action);
      outboxes.add(outbox);
      outbox.begin();
      outbox.settleRetried(retried);
    }
  }

  #apply(unit: DeliveryUnit, rule: Rule, outboxes: Set<SqliteOutbox>): Dropped[] {
    rule.before ??= rule.state;
    const id = rule.state.id ?? addRule(this.#sql, unit.rule, rule);
    const dropped: Dropped[] = [];
    for (const work of unit.outboxes ?? []) {
      const outbox = this.outbox(unit.rule, work.action);
      outboxes.add(outbox);
      outbox.begin();
      dropped.push(...outbox.apply(work));
    }
    appendLog(this.#sql, unit, rule, id);
    if (unit.checkpoint !== undefined) {
      const sequence = saveCheckpoint(this.#sql, unit.checkpoint, rule, id);
      // Readers begin after the checkpoint, so that what a slice leaves is gone for them.
      this.#space.clearLog(this.#sql, rule, id, sequence);
    }
    return dropped;
  }

  // ---- removing

  remove(name: string): void {
    const rule = this.#settledRule(name);
    const { id } = rule.state;
    if (id !== undefined) {
      this.#alone("remove a rule from the store", () => {
        this.#sql.abandonRule.run(id);
        this.#sql.abandonQueues.run(id);
        this.#sql.dropCheckpoint.run(id);
        this.#sql.dropPositions.run(id);
      });
    }
    this.#rules.delete(name);
    this.#space.forget(rule);
    for (const outbox of rule.outboxes.values()) outbox.leave();
  }

  removeOutbox(name: string, action: string): void {
    const rule = this.#settledRule(name);
    const outbox = this.outbox(name, action);
    const { queue, lastSequence } = outbox;
    if (queue !== undefined) {
      this.#alone("remove an outbox from the store", () => {
        this.#sql.abandonQueue.run(queue);
        this.#sql.retire.run(rule.state.id!, lastSequence);
      });
      rule.state = { ...rule.state, retired: Math.max(rule.state.retired, lastSequence) };
    }
    rule.outboxes.delete(action);
    rule.queues?.delete(action);
    outbox.leave();
  }

  removeOrphans(exists: (rule: string) => boolean): string[] {
    const orphans = this.rules().filter((name) => !exists(name));
    for (const name of orphans) this.remove(name);
    return orphans;
  }

  /** The rule with nothing waiting to be committed. */
  #settledRule(name: string): Rule {
    this.#requireOpen();
    this.flush();
    return this.#rule(name);
  }

  /** Runs `work` in a transaction of its own. */
  #alone<T>(doing: string, work: () => T): T {
    try {
      return this.#transaction.alone(this.#sql, work);
    } catch (error) {
      throw this.#failed(doing, error);
    }
  }

  // ---- space

  maintain(): boolean {
    this.#requireOpen();
    return this.#alone("clear space in the store", () => this.#space.clear(this.#sql)) ||
      this.#read(() => this.#space.giveBack(this.#sql));
  }

  sizes(): DeliverySizes {
    return this.#read(() => this.#space.sizes(this.#sql));
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
