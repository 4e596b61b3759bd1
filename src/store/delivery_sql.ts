/**
 * The statements of the durable side of delivery, prepared once.
 *
 * Owner and sequence are packed into one integer in SQL, with `|`, because JavaScript's numbers end at 53 bits and the
 * engines hand them over as floats; `|` makes integers of its operands.
 * @module
 */
import { sequenceMax } from "./delivery_store.ts";

export type SqlValue = string | number | Uint8Array | null;
export type SqlRow = Record<string, unknown>;

/** What is used of a statement of `node:sqlite`. */
export interface SqlStatement {
  run(...values: SqlValue[]): { readonly changes: number | bigint };
  get(...values: SqlValue[]): SqlRow | undefined;
  all(...values: SqlValue[]): SqlRow[];
  iterate(...values: SqlValue[]): Iterable<SqlRow>;
}

/** What is used of a database of `node:sqlite`; tests put one that fails before it. */
export interface SqlDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
}

/** The bit of the resend lane, between queue and sequence. */
export const resendBit = 2 ** 44;
/** Bits for the owner are what 63 leave. */
export const ruleIdMax = 2 ** 19 - 1;
export const queueIdMax = 2 ** 18 - 1;

const mask = sequenceMax;
const inQueue = "id > ((?1 << 45) | ?2) AND id <= ((?1 << 45) | ?3)";
const message = `id & ${mask} AS sequence, key, created, attempts, payload`;

/** Statements on a range of ids: what stands first in it, and the deletion of a piece of it, both ends inclusive. */
function range(database: SqlDatabase, table: string, shift: number, ownerMask: string) {
  return {
    front: database.prepare(
      `SELECT id & ${ownerMask} AS rest, octet_length(payload) AS bytes FROM ${table}
       WHERE id BETWEEN ((?1 << ${shift}) | ?2) AND ((?1 << ${shift}) | ?3) ORDER BY id LIMIT ?4`,
    ),
    delete: database.prepare(
      `DELETE FROM ${table} WHERE id BETWEEN ((?1 << ${shift}) | ?2) AND ((?1 << ${shift}) | ?3)`,
    ),
  };
}
export type RangeStatements = ReturnType<typeof range>;

export function prepareDelivery(database: SqlDatabase) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    begin: prepare("BEGIN IMMEDIATE"),
    commit: prepare("COMMIT"),

    rules: prepare("SELECT name FROM delivery_rule WHERE name IS NOT NULL ORDER BY name"),
    rule: prepare("SELECT id, incarnation, retired FROM delivery_rule WHERE name = ?"),
    allRules: prepare("SELECT id, name, incarnation, retired FROM delivery_rule WHERE name IS NOT NULL"),
    ruleAfterLast: prepare("SELECT coalesce(max(id), 0) + 1 AS id FROM delivery_rule"),
    ruleInGap: prepare(
      `SELECT min(id) + 1 AS id FROM (SELECT 0 AS id UNION ALL SELECT id FROM delivery_rule) AS before
       WHERE NOT EXISTS (SELECT 1 FROM delivery_rule WHERE id = before.id + 1)`,
    ),
    addRule: prepare("INSERT INTO delivery_rule (id, name, incarnation) VALUES (?, ?, ?)"),
    abandonRule: prepare("UPDATE delivery_rule SET name = NULL WHERE id = ?"),
    abandonedRule: prepare("SELECT id FROM delivery_rule WHERE name IS NULL LIMIT 1"),
    dropRule: prepare("DELETE FROM delivery_rule WHERE id = ?"),

    checkpoint: prepare("SELECT plan, sequence, time, state FROM checkpoint WHERE rule = ?"),
    checkpointSequence: prepare("SELECT sequence, state IS NOT NULL AS kept FROM checkpoint WHERE rule = ?"),
    checkpointSequences: prepare("SELECT rule, sequence, state IS NOT NULL AS kept FROM checkpoint"),
    putCheckpoint: prepare(
      "INSERT OR REPLACE INTO checkpoint (rule, plan, sequence, time, state) VALUES (?, ?, ?, ?, ?)",
    ),
    dropCheckpoint: prepare("DELETE FROM checkpoint WHERE rule = ?"),

    positions: prepare("SELECT sequence, positions FROM source_position WHERE rule = ?"),
    allPositions: prepare("SELECT rule, sequence, positions FROM source_position"),
    putPositions: prepare("INSERT OR REPLACE INTO source_position (rule, sequence, positions) VALUES (?, ?, ?)"),
    dropPositions: prepare("DELETE FROM source_position WHERE rule = ?"),

    lastLog: prepare(
      `SELECT id & ${mask} AS sequence, positions FROM input_log
       WHERE id BETWEEN (?1 << 44) AND ((?1 << 44) | ${mask}) ORDER BY id DESC LIMIT 1`,
    ),
    lastLogs: prepare(
      `SELECT rule.id AS rule, log.id & ${mask} AS sequence, log.positions FROM delivery_rule AS rule
       JOIN input_log AS log ON log.id = (
         SELECT id FROM input_log WHERE id BETWEEN (rule.id << 44) AND ((rule.id << 44) | ${mask})
         ORDER BY id DESC LIMIT 1
       )`,
    ),
    log: prepare(
      `SELECT id & ${mask} AS sequence, payload FROM input_log
       WHERE id > ((?1 << 44) | ?2) AND id <= ((?1 << 44) | ${mask}) ORDER BY id LIMIT ?3`,
    ),
    addLog: prepare("INSERT INTO input_log (id, positions, payload) VALUES ((?1 << 44) | ?2, ?3, ?4)"),
    logRange: range(database, "input_log", 44, String(mask)),

    actions: prepare("SELECT action FROM outbox_queue WHERE rule = ? ORDER BY action"),
    queue: prepare(
      `SELECT queue.id, payload FROM outbox_queue AS queue LEFT JOIN outbox ON outbox.id = (queue.id << 45)
       WHERE rule = ? AND action = ?`,
    ),
    queues: prepare(
      `SELECT queue.id, rule, action, payload FROM outbox_queue AS queue
       LEFT JOIN outbox ON outbox.id = (queue.id << 45) WHERE rule IS NOT NULL`,
    ),
    queueAfterLast: prepare("SELECT coalesce(max(id), 0) + 1 AS id FROM outbox_queue"),
    queueInGap: prepare(
      `SELECT min(id) + 1 AS id FROM (SELECT 0 AS id UNION ALL SELECT id FROM outbox_queue) AS before
       WHERE NOT EXISTS (SELECT 1 FROM outbox_queue WHERE id = before.id + 1)`,
    ),
    addQueue: prepare("INSERT INTO outbox_queue (id, rule, action) VALUES (?, ?, ?)"),
    abandonQueue: prepare("UPDATE outbox_queue SET rule = NULL WHERE id = ?"),
    abandonQueues: prepare("UPDATE outbox_queue SET rule = NULL WHERE rule = ?"),
    retire: prepare("UPDATE delivery_rule SET retired = max(retired, ?2) WHERE id = ?1"),
    abandonedQueue: prepare("SELECT id FROM outbox_queue WHERE rule IS NULL LIMIT 1"),
    dropQueue: prepare("DELETE FROM outbox_queue WHERE id = ?"),

    putHead: prepare(
      `INSERT INTO outbox (id, created, attempts, payload) VALUES ((?1 << 45), 0, 0, ?2)
       ON CONFLICT (id) DO UPDATE SET payload = ?2`,
    ),
    addMessage: prepare(
      "INSERT INTO outbox (id, key, created, attempts, payload) VALUES ((?1 << 45) | ?2, ?3, ?4, 0, ?5)",
    ),
    messages: prepare(`SELECT ${message} FROM outbox WHERE ${inQueue} ORDER BY id LIMIT ?4`),
    message: prepare(`SELECT ${message} FROM outbox WHERE id = ((?1 << 45) | ?2)`),
    keys: prepare(`SELECT id & ${mask} AS sequence, key FROM outbox WHERE ${inQueue} ORDER BY id LIMIT ?4`),
    nextKey: prepare(
      "SELECT key FROM outbox WHERE id >> 44 = ((?1 << 1) | ?2) AND key IS NOT NULL AND key > ?3 ORDER BY key LIMIT 1",
    ),
    keyMessages: prepare(
      `SELECT ${message} FROM outbox
       WHERE id >> 44 = ((?1 << 1) | ?2) AND key IS NOT NULL AND key = ?3 ORDER BY id LIMIT ?4`,
    ),
    oldest: prepare(
      `SELECT id & ${mask} AS sequence, created FROM outbox WHERE ${inQueue} ORDER BY id LIMIT 1`,
    ),
    ages: prepare(
      `SELECT id & ${mask} AS sequence, created, octet_length(payload) AS bytes FROM outbox
       WHERE ${inQueue} ORDER BY id LIMIT ?4`,
    ),
    moveMessage: prepare("UPDATE outbox SET id = (?1 << 45) | ?3, attempts = ?4 WHERE id = ((?1 << 45) | ?2)"),
    outboxRange: range(database, "outbox", 45, "((1 << 45) - 1)"),

    bury: prepare(
      `INSERT INTO dead_letter (id, key, created, attempts, died, reason, payload)
       SELECT (?1 << 45) | ?3, key, created, ?4, ?5, ?6, payload FROM outbox WHERE id = ((?1 << 45) | ?2)`,
    ),
    deadLetters: prepare(
      `SELECT ${message}, died, reason FROM dead_letter WHERE ${inQueue} ORDER BY id LIMIT ?4`,
    ),
    exhume: prepare(
      `INSERT INTO outbox (id, key, created, attempts, payload) SELECT id, key, created, 0, payload FROM dead_letter
       WHERE id BETWEEN ((?1 << 45) | ?2) AND ((?1 << 45) | ?3)`,
    ),
    deadRange: range(database, "dead_letter", 45, "((1 << 45) - 1)"),

    vacuumSlice: prepare("PRAGMA incremental_vacuum(256)"),
    pages: prepare(
      "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    ),
  };
}
export type DeliverySql = ReturnType<typeof prepareDelivery>;
