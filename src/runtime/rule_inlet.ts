/**
 * One stream or table of a running rule: takes the rows of its feed and hands them to the rule.
 * @module
 */
import type { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { RowError } from "../diagnostics/row_error.ts";
import { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { Delivery } from "./delivery.ts";
import type { Feed, FeedConsumer, FeedRows } from "./feed.ts";

/** What an inlet needs of its rule. */
export interface InletOwner {
  accept(inlet: RuleInlet, rows: FeedRows, delivery: Delivery): void;
  letGo(inlet: RuleInlet): void;
  room(): Promise<void>;
  atWork(): Promise<void> | undefined;
  /** Somebody traces it, and needs the metadata. */
  readonly traced: boolean;
  undecodable(error: RowError): void;
  ended(inlet: RuleInlet, reason: string): void;
  failed(error: DiagnosticError): void;
}

/** Holding back the source, or dropping. */
export type OnFull = "block" | "dropOldest" | "dropNewest";

export interface InletOptions {
  /** The name of the stream or table. */
  readonly stream: string;
  readonly feed: Feed;
  /** Its positions in FROM: several when the statement joins a stream with itself. */
  readonly positions: readonly number[];
  readonly columns: ReadonlySet<string> | "all";
  readonly wantsMeta: boolean;
  readonly durable: boolean;
  /** What the stream says shall happen when the rule cannot follow. */
  readonly onFull: OnFull | undefined;
  /** False for tables: their end is not the end of the rule. */
  readonly drives: boolean;
}

export class RuleInlet implements FeedConsumer {
  readonly stream: string;
  readonly feed: Feed;
  readonly positions: readonly number[];
  readonly columns: ReadonlySet<string> | "all";
  readonly drives: boolean;
  readonly durable: boolean;
  readonly onFull: OnFull | undefined;
  /** See `FeedConsumer`; set before the inlet is added to its feed. */
  startPosition: string | undefined;
  /** Rows: those that it took, those that went into the pipeline, and those that were dropped before. */
  readonly metrics = new NodeMetrics();
  readonly #owner: InletOwner;
  readonly #usesMeta: boolean;
  /** What the feed had given to others before, and by the time the inlet left it. */
  #givenBefore = 0;
  #release = () => {};
  #givenAtEnd: number | undefined;

  constructor(owner: InletOwner, options: InletOptions) {
    this.#owner = owner;
    this.stream = options.stream;
    this.feed = options.feed;
    this.positions = options.positions;
    this.columns = options.columns;
    this.#usesMeta = options.wantsMeta;
    this.drives = options.drives;
    this.durable = options.durable;
    this.onFull = options.onFull;
  }

  /**
   * What happens when the rule cannot follow. Unless the stream says it: a rule that is alone on it holds it back, and so
   * does one that keeps what it does; of several others, none shall hold up the rest.
   */
  get whenFull(): OnFull {
    return this.onFull ?? (this.durable || !this.feed.shared ? "block" : "dropOldest");
  }

  get wantsMeta(): boolean {
    return this.#usesMeta || this.#owner.traced;
  }

  get holdsBack(): boolean {
    return this.whenFull === "block";
  }

  /** Announces that it will join: of what comes from now on, others are not given more than itself. */
  announce(): void {
    this.#release = this.feed.hold();
  }

  /** Begins to take rows. */
  join(): void {
    this.#givenBefore = this.feed.rowsGiven;
    this.feed.add(this);
    this.#release();
  }

  /** Takes nothing more. */
  leave(): void {
    this.#release();
    this.#givenAtEnd ??= this.feed.rowsGiven;
    this.feed.remove(this);
  }

  /** Rows that the feed has given while this was one of its takers. */
  get offered(): number {
    return (this.#givenAtEnd ?? this.feed.rowsGiven) - this.#givenBefore;
  }

  accept(rows: FeedRows, delivery: Delivery): void {
    this.metrics.recordsIn += rows.rows.length;
    this.#owner.accept(this, rows, delivery);
  }

  letGo(): void {
    this.#owner.letGo(this);
  }

  room(): Promise<void> {
    return this.holdsBack ? this.#owner.room() : Promise.resolve();
  }

  atWork(): Promise<void> | undefined {
    return this.#owner.atWork();
  }

  undecodable(error: RowError): void {
    this.#owner.undecodable(error);
  }

  ended(reason: string): void {
    this.#owner.ended(this, reason);
  }

  failed(error: DiagnosticError): void {
    this.#owner.failed(error);
  }
}
