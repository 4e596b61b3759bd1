/**
 * What a running rule tells those who trace it. A rule that nobody traces has none, and makes nothing for it.
 * @module
 */
import type { Struct } from "../value/value.ts";
import type { Action } from "./action.ts";
import type { FeedRows } from "./feed.ts";
import type { RuleInlet } from "./rule_inlet.ts";

export interface RuleTracing {
  /** Rows have come, and are decoded. */
  received(inlet: RuleInlet, rows: FeedRows): void;
  /**
   * The rows from `from` on are about to go through the pipeline. Traced rows go alone, so that what they bring about can
   * be told from the rest.
   *
   * @param end where the rule would stop
   * @returns where it shall stop
   */
  begin(rows: FeedRows, from: number, end: number): number;
  /** An action has made messages of a result: those from `before` on. */
  made(action: Action, before: number, rows: readonly Struct[], output: number): void;
  /** A row failed. */
  failed(reason: string): void;
  /** What has begun is through, or, without that, what came out because of the time. */
  done(): void;
  /** The rule stops, or nobody traces it any more. */
  close(): void;
}
