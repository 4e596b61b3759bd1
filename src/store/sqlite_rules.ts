/**
 * What SQLite keeps of rules with delivery: read when they start, one by one or all in one pass, and written within the
 * transaction of a unit.
 * @module
 */
import type { Checkpoint, DeliveryUnit } from "./delivery_store.ts";
import { type DeliverySql, ruleIdMax, type SqlRow } from "./delivery_sql.ts";
import { movedPositions } from "./delivery_unit.ts";
import { type KeptQueue, keptQueue, type SqliteOutbox } from "./sqlite_outbox.ts";
import { toStored } from "./stored_payload.ts";

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

function encodePositions(positions: ReadonlyMap<string, string>): string {
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

/** The actions of which an outbox is kept, by name. */
export function readActions(sql: DeliverySql, { state: { id }, queues, outboxes }: Rule): string[] {
  if (id === undefined) return [];
  if (queues === undefined) return sql.actions.all(id).map(({ action }) => action as string);
  const unused = [...queues.keys()].filter((action) => !outboxes.has(action));
  const used = [...outboxes.values()].filter(({ queue }) => queue !== undefined).map(({ action }) => action);
  return [...unused, ...used].sort();
}

/** The outbox of an action, where one is kept. */
export function readQueue(sql: DeliverySql, { state: { id }, queues }: Rule, action: string): KeptQueue | undefined {
  if (id === undefined) return undefined;
  if (queues !== undefined) return queues.get(action);
  const queue = sql.queue.get(id, action);
  return queue === undefined ? undefined : keptQueue(queue);
}

// ---- writing, within a transaction

/** Gives a rule its number. */
export function addRule(sql: DeliverySql, name: string, rule: Rule): number {
  const next = sql.ruleAfterLast.get()!.id as number;
  const id = next <= ruleIdMax ? next : sql.ruleInGap.get()!.id as number;
  if (id > ruleIdMax) throw new RangeError(`Cannot keep another rule: there are ${ruleIdMax}`);
  sql.addRule.run(id, name, rule.state.incarnation);
  rule.state = { ...rule.state, id };
  return id;
}

/** Writes the log, and the positions into its last entry or, without one, into their own row. */
export function appendLog(
  sql: DeliverySql,
  { log = [], positions: changed }: DeliveryUnit,
  rule: Rule,
  id: number,
): void {
  let { positions, lastLog } = rule.state;
  if (changed !== undefined && changed.size > 0) positions = movedPositions(positions, changed);
  const end = log.at(-1);
  for (const entry of log) {
    const text = entry === end && positions.size > 0 ? encodePositions(positions) : null;
    sql.addLog.run(id, entry.sequence, text, toStored(entry.payload));
  }
  if (end !== undefined) lastLog = end.sequence;
  // Entries without any position leave it to this row to say that there is none.
  if (positions !== rule.state.positions && (end === undefined || positions.size === 0)) {
    sql.putPositions.run(id, lastLog, encodePositions(positions));
  }
  rule.state = { ...rule.state, positions, lastLog };
}

/** Returns the sequence up to which the log has no meaning any more. */
export function saveCheckpoint(sql: DeliverySql, checkpoint: Checkpoint | null, rule: Rule, id: number): number {
  const { lastLog, positions } = rule.state;
  const sequence = checkpoint === null ? lastLog : checkpoint.sequence;
  sql.putCheckpoint.run(
    id,
    checkpoint?.plan ?? "",
    sequence,
    checkpoint?.timeMs ?? 0,
    checkpoint === null ? null : toStored(checkpoint.state),
  );
  rule.state = { ...rule.state, checkpointSequence: sequence, hasCheckpoint: checkpoint !== null };
  // The entry that holds them goes.
  if (sequence === lastLog && positions.size > 0) sql.putPositions.run(id, lastLog, encodePositions(positions));
  return sequence;
}
