/**
 * A lookup table at run time: one open store and one cache, asked by every rule that joins with the table.
 *
 * Invariants: at most one handle of the store is open; a handle that was lost is closed before the next is opened; a
 * question never waits for a back-off: while the store is away, the rows that ask fail, each with the reason.
 * @module
 */
import type { Clock, ConnectionState, Logger } from "../connector/context.ts";
import { Disconnected } from "../connector/errors.ts";
import { type LookupKey, lookupKey } from "../connector/lookup_key.ts";
import type { Lookup, LookupColumns } from "../connector/lookup.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { ConnectionMetrics } from "../telemetry/connection_metrics.ts";
import type { Struct, Value } from "../value/value.ts";
import { Backoff } from "./backoff.ts";
import { type CacheSection, LookupCache, type LookupCacheSettings } from "./lookup_cache.ts";

/** One way to ask a lookup table: by fixed key columns. */
export interface KeyedLookup {
  /**
   * The rows whose key columns equal `values`. In place when the store or the cache can, else a promise.
   *
   * None when a value equals nothing, as null does; the store is not asked then. The caller changes neither the array
   * nor the rows.
   *
   * @throws {RowError} E510, or rejects with it, when the store is away or fails.
   */
  find(values: readonly Value[], columns: LookupColumns): readonly Struct[] | Promise<readonly Struct[]>;
}

export interface LookupTableOptions {
  /** The name of the table. */
  readonly name: string;
  readonly open: (onStatus: (state: ConnectionState, message?: string) => void) => Promise<Lookup>;
  /** True when the store stands on a connection that reports its own state. */
  readonly reportsStatus: boolean;
  /** Undefined: every question goes to the store. */
  readonly cache: LookupCacheSettings | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Question {
  readonly keys: readonly string[];
  readonly values: readonly Value[];
  readonly columns: LookupColumns;
}

const none: readonly Struct[] = [];

export class LookupTable {
  readonly name: string;
  readonly connection: ConnectionMetrics;
  readonly cache: LookupCache | undefined;
  readonly #options: LookupTableOptions;
  readonly #abort = new AbortController();
  readonly #backoff = new Backoff();
  #lookup: Lookup | undefined;
  /** Whether the handle has ever answered: one that never did is not replaced without a pause. */
  #answered = false;
  /** While a handle is being opened: settles when there is one, or a reason why there is none. Never rejects. */
  #opening: Promise<void> | undefined;
  /** The end of the handle before, if there was one. Never rejects. */
  #closing: Promise<void> | undefined;
  /** Why there is no handle. */
  #missing = "it is not open";
  #cancelRetry: () => void = () => {};
  #failure: DiagnosticError | undefined;
  readonly #onFailed = new Set<(error: DiagnosticError) => void>();

  constructor(options: LookupTableOptions) {
    this.name = options.name;
    this.#options = options;
    this.connection = new ConnectionMetrics(options.clock);
    this.cache = options.cache === undefined ? undefined : new LookupCache(options.cache);
  }

  /**
   * Starts opening the store. Being unable to is a status, not an error. A store that can be opened in place is: one in
   * memory misses nothing of what is published from now on.
   */
  start(): void {
    this.#opening ??= this.#open().finally(() => this.#opening = undefined);
  }

  /**
   * Calls back when the settings prove wrong, so that the store can never be opened; at once when they have already.
   * Returns what stops that.
   */
  onFailed(listener: (error: DiagnosticError) => void): () => void {
    this.#onFailed.add(listener);
    if (this.#failure !== undefined) listener(this.#failure);
    return () => void this.#onFailed.delete(listener);
  }

  /** Asks by these columns, which are different ones, at least one. */
  keyed(keys: readonly string[]): KeyedLookup {
    if (this.cache !== undefined) return this.#cached(keys, this.cache);
    return {
      find: (values, columns) => lookupKey(values) === undefined ? none : this.#ask({ keys, values, columns }),
    };
  }

  #cached(keys: readonly string[], cache: LookupCache): KeyedLookup {
    const { clock } = this.#options;
    // A rule asks with the same columns every time.
    let lastColumns: LookupColumns | undefined;
    let section: CacheSection;
    /** Questions under way, so that a key that many rows ask for at once is asked once. */
    let underWay: Map<LookupKey, Promise<readonly Struct[]>>;
    return {
      find: (values, columns) => {
        const key = lookupKey(values);
        if (key === undefined) return none;
        if (columns !== lastColumns) {
          lastColumns = columns;
          section = cache.section(keys, columns);
          underWay = new Map();
        }
        const known = section.get(key, clock.now()) ?? underWay.get(key);
        if (known !== undefined) return known;
        const answer = this.#ask({ keys, values, columns });
        if (!(answer instanceof Promise)) return section.put(key, answer, clock.now());
        const [into, asked] = [section, underWay];
        const kept = answer
          .then((rows) => into.put(key, rows, clock.now()))
          .finally(() => asked.delete(key));
        asked.set(key, kept);
        return kept;
      },
    };
  }

  async close(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort(new Error("The table is closed"));
    this.#cancelRetry();
    await this.#opening;
    const lookup = this.#lookup;
    this.#lookup = undefined;
    this.#missing = "it is closed";
    await this.#closing;
    await this.#end(lookup);
  }

  // ---------------------------------------------------------------- asking

  #ask(question: Question): readonly Struct[] | Promise<readonly Struct[]> {
    const lookup = this.#lookup;
    if (lookup === undefined) return this.#askOpened(question);
    let answer: readonly Struct[] | Promise<readonly Struct[]>;
    try {
      answer = this.#put(question, lookup);
    } catch (error) {
      return this.#askAgain(question, lookup, error);
    }
    if (answer instanceof Promise) {
      return answer.then(
        (rows) => this.#note(rows),
        (error) => this.#askAgain(question, lookup, error),
      );
    }
    return this.#note(answer);
  }

  #put({ keys, values, columns }: Question, lookup: Lookup): readonly Struct[] | Promise<readonly Struct[]> {
    return lookup.find(keys, values, columns, this.#abort.signal);
  }

  #note(rows: readonly Struct[]): readonly Struct[] {
    this.#answered = true;
    return rows;
  }

  /** A connection may have been closed while nobody asked: a fresh one gets the question once more. */
  #askAgain(question: Question, lookup: Lookup, error: unknown): Promise<readonly Struct[]> {
    if (!(error instanceof Disconnected)) throw this.#rowError(error);
    this.#lose(lookup, error);
    return this.#askOpened(question);
  }

  async #askOpened(question: Question): Promise<readonly Struct[]> {
    await this.#opening;
    const lookup = this.#lookup;
    if (lookup === undefined) throw this.#rowError(this.#missing);
    try {
      return this.#note(await this.#put(question, lookup));
    } catch (error) {
      if (error instanceof Disconnected) this.#lose(lookup, error);
      throw this.#rowError(error);
    }
  }

  #rowError(cause: unknown): RowError {
    if (cause instanceof RowError) return cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new RowError("E510", `Cannot look up in table "${this.name}": ${reason}`, { cause });
  }

  // ---------------------------------------------------------------- opening

  async #open(): Promise<void> {
    const { open, reportsStatus } = this.#options;
    try {
      if (this.#closing !== undefined) await this.#closing;
      if (!reportsStatus) this.connection.report("connecting");
      this.#lookup = await open((state, message) => void this.connection.report(state, message));
      this.#answered = false;
      if (!reportsStatus) this.connection.report("connected");
    } catch (error) {
      if (error instanceof DiagnosticError) this.#fail(error);
      else this.#retry(error);
    }
  }

  /** Several questions may find the same handle lost. */
  #lose(lookup: Lookup, error: Error): void {
    if (this.#lookup !== lookup || this.#abort.signal.aborted) return;
    this.#lookup = undefined;
    this.#closing = this.#end(lookup);
    if (!this.#answered) return this.#retry(error);
    this.#backoff.reset();
    this.#told(error);
    this.start();
  }

  #retry(error: unknown): void {
    this.#told(error);
    if (this.#abort.signal.aborted) return;
    this.#cancelRetry = this.#options.clock.after(this.#backoff.next(), () => this.start());
  }

  #told(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.connection.report("disconnected", reason);
    const { log } = this.#options;
    const expected = error instanceof Disconnected || !(error instanceof Error);
    const fields = { reason, ...(expected ? {} : { stack: error.stack }) };
    if (this.#missing === reason) log.debug("A lookup table is still lost", fields);
    else log.warn("A lookup table was lost and will be opened again", fields);
    this.#missing = reason;
  }

  #fail(error: DiagnosticError): void {
    this.#failure = error;
    this.#missing = error.message;
    this.connection.report("disconnected", error.message);
    for (const listener of this.#onFailed) listener(error);
  }

  async #end(lookup: Lookup | undefined): Promise<void> {
    try {
      await lookup?.close();
    } catch (error) {
      this.#options.log.warn("A lookup table did not close cleanly", { reason: String(error) });
    }
  }
}
