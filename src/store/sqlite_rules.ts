/**
 * What SQLite keeps of rules with delivery, as it is read when they start: one by one, or of all of them in one pass.
 * @module
 */
import type { DeliverySql, SqlRow } from "./delivery_sql.ts";
import { type KeptQueue, keptQueue, type SqliteOutbox } from "./sqlite_outbox.ts";

/** What is known of a rule. Replaced as a whole, so that a failed transaction puts the old one back. */
export interface RuleState {
  /** Undefined until its first unit. */
  readonly id: number | undefined;
  readonly incarnation: string;
  readonly lastLog: number;
  readonly checkpointSequence: number;
  readonly hasCheckpoint: boolean;
  readonly positions: ReadonlyMap<string, string>;
  /** The highest sequence of outboxes that were removed. */
  readonly retired: number;
}

export interface Rule {
  state: RuleState;
  /** What a failed transaction goes back to. */
  before: RuleState | undefined;
  readonly outboxes: Map<string, SqliteOutbox>;
  /** The outboxes that were kept when it was read, by action; undefined where nobody has looked. */
  readonly queues: Map<string, KeptQueue> | undefined;
}

export function encodePositions(positions: ReadonlyMap<string, string>): string {
  return JSON.stringify([...positions]);
}

function decodePositions(text: unknown): ReadonlyMap<string, string> {
  return new Map(JSON.parse(text as string) as [string, string][]);
}

function newRule(state: RuleState, queues?: Map<string, KeptQueue>): Rule {
  return { state, before: undefined, outboxes: new Map(), queues };
}

/** Rows of one rule in four tables; undefined where a table has none. */
interface RuleRows {
  readonly rule: SqlRow;
  readonly checkpoint: SqlRow | undefined;
  /** The newest entry of its log. */
  readonly log: SqlRow | undefined;
  readonly positions: SqlRow | undefined;
}

function stateOf({ rule, checkpoint, log, positions: own }: RuleRows): RuleState {
  const checkpointSequence = (checkpoint?.sequence ?? 0) as number;
  const logSequence = (log?.sequence ?? 0) as number;
  const isOwnNewer = own !== undefined && (own.sequence as number) >= logSequence;
  const positions = isOwnNewer ? own.positions : log?.positions ?? own?.positions ?? "[]";
  return {
    id: rule.id as number,
    incarnation: rule.incarnation as string,
    lastLog: Math.max(logSequence, checkpointSequence),
    checkpointSequence,
    hasCheckpoint: checkpoint?.kept === 1,
    positions: decodePositions(positions),
    retired: rule.retired as number,
  };
}

/** Reads one rule; one that is not kept begins with what `newIncarnation` gives. */
export function readRule(sql: DeliverySql, name: string, newIncarnation: () => string): Rule {
  const rule = sql.rule.get(name);
  if (rule === undefined) {
    return newRule({
      id: undefined,
      incarnation: newIncarnation(),
      lastLog: 0,
      checkpointSequence: 0,
      hasCheckpoint: false,
      positions: new Map(),
      retired: 0,
    });
  }
  const id = rule.id as number;
  return newRule(stateOf({
    rule,
    checkpoint: sql.checkpointSequence.get(id),
    log: sql.lastLog.get(id),
    positions: sql.positions.get(id),
  }));
}

/** Reads all that are kept, each table once, without the states of checkpoints and without messages. */
export function readRules(sql: DeliverySql): Map<string, Rule> {
  const byRule = (rows: SqlRow[]) => new Map(rows.map((row) => [row.rule as number, row]));
  const checkpoints = byRule(sql.checkpointSequences.all());
  const logs = byRule(sql.lastLogs.all());
  const positions = byRule(sql.allPositions.all());
  const queues = new Map<number, Map<string, KeptQueue>>();
  for (const row of sql.queues.all()) {
    let own = queues.get(row.rule as number);
    if (own === undefined) queues.set(row.rule as number, own = new Map());
    own.set(row.action as string, keptQueue(row));
  }
  const rules = new Map<string, Rule>();
  for (const rule of sql.allRules.all()) {
    const id = rule.id as number;
    const state = stateOf({
      rule,
      checkpoint: checkpoints.get(id),
      log: logs.get(id),
      positions: positions.get(id),
    });
    rules.set(rule.name as string, newRule(state, queues.get(id) ?? new Map()));
  }
  return rules;
}
