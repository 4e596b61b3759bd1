/**
 * Durable delivery in the SQLite database of the store, through its one connection.
 *
 * A transaction of level "power" runs with `synchronous=FULL`, where SQLite flushes the write-ahead log at each commit,
 * and with it all that was committed before; otherwise `NORMAL` flushes at checkpoints only. The level is a setting of
 * the connection that may change between transactions.
 * @module
 */
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { clearSlice } from "./clear_slice.ts";
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
  sequenceMax,
} from "./delivery_store.ts";
import { type DeliverySql, prepareDelivery, ruleIdMax, type SqlDatabase } from "./delivery_sql.ts";
import { checkUnit, mergeSettings, movedPositions } from "./delivery_unit.ts";
import { GroupCommit, type Outcome } from "./group_commit.ts";
import { SqliteOutbox } from "./sqlite_outbox.ts";
import { fromStored, toStored } from "./stored_payload.ts";
import { StoreError } from "./store_error.ts";

export interface SqliteDeliveryOptions {
  readonly database: SqlDatabase;
  /** The file of the database, to tell how large its log is. */
  readonly file?: string;
  /** Calls `run` at the end of this turn of the event loop. Default: `setImmediate`. */
  readonly schedule?: (run: () => void) => void;
  readonly newIncarnation?: () => string;
}

/** What is known of a rule. Replaced as a whole, so that a failed transaction puts the old one back. */
interface RuleState {
  /** Undefined until its first unit. */
  readonly id: number | undefined;
  readonly incarnation: string;
  readonly lastLog: number;
  readonly checkpointSequence: number;
  readonly positions: ReadonlyMap<string, string>;
  /** The highest sequence of outboxes that were removed. */
  readonly retired: number;
}

interface Rule {
  state: RuleState;
  /** What a failed transaction goes back to. */
  before: RuleState | undefined;
  readonly outboxes: Map<string, SqliteOutbox>;
}

const logPageRows = 64;
/** What one slice of clearing takes out: a few milliseconds. */
const sliceLimit = { rows: 2000, bytes: 4 * 1024 * 1024 };
/** Space is given back when there is this much of it, and it is a quarter of the file: some is needed again at once. */
const freePagesMin = 256;
/** The write-ahead log is that long only after something large. */
const walBytesMax = 16 * 1024 * 1024;

function encodePositions(positions: ReadonlyMap<string, string>): string {
  return JSON.stringify([...positions]);
}

function decodePositions(text: unknown): ReadonlyMap<string, string> {
  return new Map(JSON.parse(text as string) as [string, string][]);
}

export class SqliteDelivery implements DeliveryStore {
  readonly #database: SqlDatabase;
  readonly #file: string | undefined;
  #prepared: DeliverySql | undefined;
  /** Whether something was kept when that was asked first. */
  #wasKept: boolean | undefined;
  readonly #inUse = Promise.withResolvers<void>();
  readonly #group: GroupCommit<DeliveryUnit, Committed>;
  readonly #newIncarnation: () => string;
  readonly #rules = new Map<string, Rule>();
  /** Rules with entries left that their checkpoint contains. */
  readonly #uncleared = new Set<Rule>();
  #durability: Durability | undefined;
  #closed = false;

  constructor(options: SqliteDeliveryOptions) {
    this.#database = options.database;
    this.#file = options.file;
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
    if (this.isInUse()) this.#inUse.resolve();
    return this.#inUse.promise;
  }

  rules(): string[] {
    return this.#read(() => this.#sql.rules.all().map(({ name }) => name as string));
  }

  incarnation(rule: string): string {
    return this.#rule(rule).state.incarnation;
  }

  checkpoint(rule: string): Checkpoint | undefined {
    const { id } = this.#rule(rule).state;
    const row = id === undefined ? undefined : this.#read(() => this.#sql.checkpoint.get(id));
    if (row === undefined || row.state === null) return undefined;
    return {
      plan: row.plan as string,
      sequence: row.sequence as number,
      timeMs: row.time as number,
      state: fromStored(row.state),
    };
  }

  *log(rule: string): Generator<LogEntry> {
    const { id, checkpointSequence } = this.#rule(rule).state;
    if (id === undefined) return;
    // In pages, because an open statement would keep the write-ahead log from being reused.
    for (let after = checkpointSequence;;) {
      const rows = this.#read(() => this.#sql.log.all(id, after, logPageRows));
      for (const row of rows) {
        after = row.sequence as number;
        yield { sequence: after, payload: fromStored(row.payload) };
      }
      if (rows.length < logPageRows) return;
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
    const { id } = this.#rule(rule).state;
    if (id === undefined) return [];
    return this.#read(() => this.#sql.actions.all(id).map(({ action }) => action as string));
  }

  outbox(rule: string, action: string, settings: Partial<OutboxSettings> = {}): SqliteOutbox {
    const owner = this.#rule(rule);
    let outbox = owner.outboxes.get(action);
    if (outbox === undefined) {
      outbox = this.#read(() =>
        new SqliteOutbox(rule, action, mergeSettings(defaultOutboxSettings, settings), {
          sql: this.#sql,
          ruleId: () => owner.state.id,
          read: (work) => this.#read(work),
        })
      );
      owner.outboxes.set(action, outbox);
    } else outbox.configure(settings);
    return outbox;
  }

  #read<T>(work: () => T): T {
    this.#requireOpen();
    try {
      return work();
    } catch (error) {
      throw error instanceof StoreError ? error : new StoreError("read from the store", error);
    }
  }

  #rule(name: string): Rule {
    this.#requireOpen();
    let rule = this.#rules.get(name);
    if (rule !== undefined) return rule;
    rule = { state: this.#read(() => this.#load(name)), before: undefined, outboxes: new Map() };
    this.#rules.set(name, rule);
    // What a checkpoint left of the log may have been cut off by the end of the process.
    if (rule.state.checkpointSequence > 0) this.#uncleared.add(rule);
    return rule;
  }

  #load(name: string): RuleState {
    const row = this.#sql.rule.get(name);
    if (row === undefined) {
      const incarnation = this.#newIncarnation();
      return { id: undefined, incarnation, lastLog: 0, checkpointSequence: 0, positions: new Map(), retired: 0 };
    }
    const id = row.id as number;
    const checkpointSequence = (this.#sql.checkpointSequence.get(id)?.sequence ?? 0) as number;
    const log = this.#sql.lastLog.get(id);
    const logSequence = (log?.sequence ?? 0) as number;
    const own = this.#sql.positions.get(id);
    const isOwnNewer = own !== undefined && (own.sequence as number) >= logSequence;
    const positions = isOwnNewer ? own.positions : log?.positions ?? own?.positions ?? "[]";
    return {
      id,
      incarnation: row.incarnation as string,
      lastLog: Math.max(logSequence, checkpointSequence),
      checkpointSequence,
      positions: decodePositions(positions),
      retired: row.retired as number,
    };
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
        if (!begun) this.#begin(durability);
        begun = true;
        touched.add(rule);
        outcomes.push({ result: { dropped: this.#apply(unit, rule, outboxes) } });
      }
      for (const outbox of outboxes) outbox.finish();
      if (begun) this.#sql.commit.run();
    } catch (error) {
      if (begun) this.#rollBack();
      for (const outbox of outboxes) outbox.rolledBack();
      for (const rule of touched) {
        rule.state = rule.before ?? rule.state;
        rule.before = undefined;
      }
      for (const unit of units) this.#markSettling(unit, false);
      throw new StoreError("commit to the store", error instanceof StoreError ? error.cause : error);
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

  #begin(durability: Durability): void {
    if (durability !== this.#durability) {
      this.#database.exec(`PRAGMA synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`);
      this.#durability = durability;
    }
    this.#sql.begin.run();
  }

  #rollBack(): void {
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // Some failures end the transaction by themselves.
    }
  }

  #apply(unit: DeliveryUnit, rule: Rule, outboxes: Set<SqliteOutbox>): Dropped[] {
    rule.before ??= rule.state;
    const id = rule.state.id ?? this.#addRule(unit.rule, rule);
    const dropped: Dropped[] = [];
    for (const work of unit.outboxes ?? []) {
      const outbox = this.outbox(unit.rule, work.action);
      outboxes.add(outbox);
      outbox.begin();
      dropped.push(...outbox.apply(work));
    }
    this.#appendLog(unit, rule, id);
    if (unit.checkpoint !== undefined) this.#saveCheckpoint(unit.checkpoint, rule, id);
    return dropped;
  }

  #addRule(name: string, rule: Rule): number {
    const next = this.#sql.ruleAfterLast.get()!.id as number;
    const id = next <= ruleIdMax ? next : this.#sql.ruleInGap.get()!.id as number;
    if (id > ruleIdMax) throw new RangeError(`Cannot keep another rule: there are ${ruleIdMax}`);
    this.#sql.addRule.run(id, name, rule.state.incarnation);
    rule.state = { ...rule.state, id };
    return id;
  }

  /** Writes the log, and the positions into its last entry or, without one, into their own row. */
  #appendLog({ log = [], positions: changed }: DeliveryUnit, rule: Rule, id: number): void {
    let { positions, lastLog } = rule.state;
    if (changed !== undefined && changed.size > 0) positions = movedPositions(positions, changed);
    const end = log.at(-1);
    for (const entry of log) {
      const text = entry === end && positions.size > 0 ? encodePositions(positions) : null;
      this.#sql.addLog.run(id, entry.sequence, text, toStored(entry.payload));
    }
    if (end !== undefined) lastLog = end.sequence;
    // Entries without any position leave it to this row to say that there is none.
    if (positions !== rule.state.positions && (end === undefined || positions.size === 0)) {
      this.#sql.putPositions.run(id, lastLog, encodePositions(positions));
    }
    rule.state = { ...rule.state, positions, lastLog };
  }

  #saveCheckpoint(checkpoint: Checkpoint | null, rule: Rule, id: number): void {
    const { lastLog, positions } = rule.state;
    const sequence = checkpoint === null ? lastLog : checkpoint.sequence;
    this.#sql.putCheckpoint.run(
      id,
      checkpoint?.plan ?? "",
      sequence,
      checkpoint?.timeMs ?? 0,
      checkpoint === null ? null : toStored(checkpoint.state),
    );
    rule.state = { ...rule.state, checkpointSequence: sequence };
    if (sequence === lastLog && positions.size > 0) {
      // The entry that holds them goes.
      this.#sql.putPositions.run(id, lastLog, encodePositions(positions));
    }
    // Readers begin after the checkpoint, so that what a slice leaves is gone for them.
    if (!clearSlice(this.#sql.logRange, id, 0, sequence, sliceLimit)) this.#uncleared.add(rule);
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
    this.#uncleared.delete(rule);
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
    let begun = false;
    try {
      this.#begin("process");
      begun = true;
      const result = work();
      this.#sql.commit.run();
      return result;
    } catch (error) {
      if (begun) this.#rollBack();
      throw new StoreError(doing, error);
    }
  }

  // ---- space

  maintain(): boolean {
    this.#requireOpen();
    return this.#alone("clear space in the store", () => this.#clear()) || this.#giveBack();
  }

  /** Clears a slice of what was removed; true when there was something. */
  #clear(): boolean {
    const queue = this.#sql.abandonedQueue.get()?.id as number | undefined;
    if (queue !== undefined) {
      const last = 2 ** 45 - 1;
      if (
        clearSlice(this.#sql.outboxRange, queue, 0, last, sliceLimit) &&
        clearSlice(this.#sql.deadRange, queue, 0, last, sliceLimit)
      ) this.#sql.dropQueue.run(queue);
      return true;
    }
    const rule = this.#sql.abandonedRule.get()?.id as number | undefined;
    if (rule !== undefined) {
      if (clearSlice(this.#sql.logRange, rule, 0, sequenceMax, sliceLimit)) this.#sql.dropRule.run(rule);
      return true;
    }
    for (const rule of this.#uncleared) {
      const { id, checkpointSequence } = rule.state;
      if (id === undefined || clearSlice(this.#sql.logRange, id, 0, checkpointSequence, sliceLimit)) {
        this.#uncleared.delete(rule);
      }
      return true;
    }
    return false;
  }

  /** Gives a slice of free pages back to the file system; true when there was something. */
  #giveBack(): boolean {
    return this.#read(() => {
      const { page_count, freelist_count } = this.#sql.pages.get() as Record<string, number>;
      if (freelist_count! >= freePagesMin && freelist_count! * 4 >= page_count!) {
        // It gives back one page a step, and of the ways to run it only this one takes all steps under both engines.
        this.#sql.vacuumSlice.all();
        const after = this.#sql.pages.get() as Record<string, number>;
        // A database without the means for it gives nothing back.
        if (after.freelist_count! < freelist_count!) return true;
      }
      if (this.#walBytes() <= walBytesMax) return false;
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      return false;
    });
  }

  #walBytes(): number {
    if (this.#file === undefined) return 0;
    return statSync(`${this.#file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  sizes(): DeliverySizes {
    return this.#read(() => {
      const { page_count, freelist_count, page_size } = this.#sql.pages.get() as Record<string, number>;
      return {
        databaseBytes: page_count! * page_size!,
        freeBytes: freelist_count! * page_size!,
        walBytes: this.#walBytes(),
      };
    });
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
