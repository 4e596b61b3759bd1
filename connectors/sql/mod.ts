/**
 * The connector `sql`: tables of SQLite, PostgreSQL and MySQL as streams, lookup tables and sinks.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { choice, duration, flag, integer, list, refuseSetting, text } from "../../src/connector/settings.ts";
import { checkConnection, connectionSettings, SqlConnection } from "./connection.ts";
import { indexesOf } from "./indexes.ts";
import { tableNames } from "./names.ts";

/** One index column, as it stands in both query settings. */
const indexEntries = {
  indexField: text({
    description: "Column that grows from row to row; the query gives rows behind the last one.",
    optional: true,
  }),
  indexValue: v.optional(v.pipe(
    v.union([v.string(), v.number(), v.boolean()]),
    v.description("The value to begin behind. Without it, the first query gives all rows."),
  )),
  indexFieldType: text({
    description: "`DATETIME` for a column of datetimes; any other says nothing.",
    optional: true,
  }),
  dateTimeFormat: text({
    description: "How `indexValue` is written when it is a datetime, such as `YYYY-MM-dd HH:mm:ss`.",
    optional: true,
  }),
};

const indexFields = list(v.strictObject({ ...indexEntries, indexField: text({ description: "The column." }) }), {
  description: "Several index columns, compared one after the other, instead of `indexField`.",
  default: [],
});

const templateEntries = {
  templateSql: text({
    description:
      "The statement, a template of Go. What it prints stays a value: texts become parameters or are escaped.",
  }),
  ...indexEntries,
  indexFields,
};

const rowsMax = integer({
  description: "Most rows of one result; a larger one is refused as a whole.",
  default: 100_000,
  min: 2,
  max: 10_000_000,
});

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: text({ description: "The table, when the query settings name none.", optional: true }),
  interval: duration({ description: "Time from one query to the next.", default: 10_000, min: 1 }),
  internalSqlQueryCfg: v.optional(
    v.pipe(
      v.strictObject({
        table: text({ description: "The table, also as `schema.table`.", optional: true }),
        limit: integer({ description: "Most rows of one query.", optional: true, min: 1, max: 1_000_000 }),
        ...indexEntries,
        indexFields,
      }),
      v.description("What to read of a table."),
    ),
  ),
  templateSqlQueryCfg: v.optional(
    v.pipe(
      v.strictObject(templateEntries),
      v.description("A statement of one's own; it wins over `internalSqlQueryCfg`. Its data are the index columns."),
    ),
  ),
  rowsMax,
});

/** Settings of the lookup. */
export const lookupSettings = v.strictObject({
  datasource: text({ description: "The table.", optional: true }),
  templateSqlQueryCfg: v.optional(
    v.pipe(
      v.strictObject(templateEntries),
      v.description("A statement of one's own instead of the table; its data are the columns of the join."),
    ),
  ),
  rowsMax,
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  table: text({ description: "The table, also as `schema.table`." }),
  fields: list(v.string(), {
    description: "Columns to write, null where a row has them not. Empty: those that each row has.",
    default: [],
  }),
  keyField: list(v.string(), {
    description: "The key of the table, several columns where it has them: what updates, upserts and deletions go by.",
    default: [],
  }),
  rowkindField: text({
    description:
      "Column that says what a row does: `insert`, `update`, `upsert` or `delete`; an insert without. It is " +
      "not written.",
    default: "",
  }),
  writeMode: choice(["insert", "upsert"], {
    description: "What rows do without `rowkindField`. `upsert` writes over the row of the same key.",
    default: "insert",
  }),
  createTable: flag({
    description: "Make the table when it is not there, with columns for what the first rows hold.",
    default: false,
  }),
  idColumn: text({
    description: "Column with a unique index that gets the id of the message, in rules with `qos` 1 and 2, so that " +
      "what is sent again is not written again. Of several rows, all but the first get a number behind it.",
    default: "",
  }),
});

type SourceSettings = v.InferOutput<typeof sourceSettings>;
type LookupSettings = v.InferOutput<typeof lookupSettings>;
type SinkSettings = v.InferOutput<typeof sinkSettings>;

/** What is asked: a statement, or a table. */
function queryOf(
  { datasource, templateSqlQueryCfg: template }: SourceSettings | LookupSettings,
  table: string | undefined,
): { readonly template: string } | { readonly table: string } {
  if (template !== undefined) return { template: template.templateSql };
  const name = table || datasource;
  if (name === undefined || name === "") {
    refuseSetting("internalSqlQueryCfg", "Nothing says what to read: set its table, or templateSqlQueryCfg", "E404");
  }
  return { table: name };
}

/** @throws {DiagnosticError} what can be known to be wrong without the database. */
function checkSource(settings: SourceSettings): void {
  queryOf(settings, settings.internalSqlQueryCfg?.table);
  indexesOf(settings.templateSqlQueryCfg ?? settings.internalSqlQueryCfg ?? {}, "postgres");
}

function checkSink({ keyField, rowkindField, writeMode, idColumn, table }: SinkSettings): void {
  tableNames("sqlite", table);
  if (keyField.length > 0) return;
  if (rowkindField !== "") refuseSetting("keyField", "rowkindField needs a key: set keyField", "E404");
  if (writeMode === "upsert") refuseSetting("keyField", "Upserts need a key: set keyField", "E404");
  if (idColumn !== "" && idColumn === rowkindField) refuseSetting("idColumn", "It is the column of rowkindField");
}

const prose =
  "SQLite files are read and written by weir itself; PostgreSQL and MySQL or MariaDB over their own protocols. Streams, " +
  "tables and actions with the same connection settings share sessions. SQL Server and Oracle are refused (E408).\n\n" +
  "**Values.** Whole numbers of databases are ints, decimals and floats are floats, datetimes without a zone are taken as " +
  "UTC, bytes are `bytea`, JSON becomes objects and lists (its numbers floats). Of SQLite, the declared types `DATETIME`, " +
  "`TIMESTAMP`, `DATE`, `BOOLEAN` and `JSON` are heeded. To a table, objects and lists go as JSON, datetimes in UTC, and " +
  "a column that a row has not is left to the database.\n\n" +
  "**Source.** `internalSqlQueryCfg` names a table, `templateSqlQueryCfg` has a statement of one's own, which wins and whose " +
  "data are the values of the index columns. Along index columns, each query gives what stands behind the last row, in order, and the place is kept in " +
  "rules with `qos` 1 and 2. Rows that are equal in all index columns come together, also beyond `limit`; one that is added " +
  "later with values that have been read already is not found, so let the last index column be one that only grows, such " +
  "as a number that the database gives. Without index columns each query gives all rows.\n\n" +
  "**Lookup.** Questions of a batch are asked together, and what is found must be equal in weir's terms: the text `1` finds " +
  "no number.\n\n" +
  "**Sink.** A batch is one transaction with few statements. Rows that the database refuses fail alone, and all others " +
  "are written; locks and deadlocks are tried again, and so is a table that is missing. Columns are found in any letter " +
  "case. Column names that come with the data must be letters, digits and `_`.\n\n" +
  "A SQLite file is used in place: other rules wait for each statement, so keep an index on the columns that are asked for.";

export const sql = defineConnector({
  name: "sql",
  status: "experimental",
  summary: "Reads, looks up and writes rows of SQLite, PostgreSQL and MySQL.",
  description: prose,
  connection: {
    summary: "A database, and the sessions at it.",
    settings: connectionSettings,
    identity: (settings) => JSON.stringify(settings),
    check: checkConnection,
    open: (settings, context) => new SqlConnection(settings, context),
  },
  source: {
    summary: "Queries a table, or a statement, at intervals.",
    delivery: "exactly-once",
    promise: (settings, _, { keepsPosition }) => {
      const { templateSqlQueryCfg: template, internalSqlQueryCfg: table } = settings;
      if (indexesOf(template ?? table ?? {}, "sqlite").length === 0) {
        return { level: "at-most-once", limit: "without index columns each query gives all rows anew" };
      }
      if (!keepsPosition) {
        return {
          level: "at-most-once",
          limit: "the stream is shared: at a start it begins with the configured values",
        };
      }
      if (template !== undefined) {
        return { level: "at-least-once", limit: "what a statement of one's own gives again is not known" };
      }
      return { level: "exactly-once" };
    },
    emits: "rows",
    meta: [],
    settings: sourceSettings,
    check: checkSource,
    open: async (settings, context) => {
      const { connection } = context;
      const { SqlSource } = await import("./source.ts");
      return new SqlSource({
        connection,
        query: queryOf(settings, settings.internalSqlQueryCfg?.table),
        indexes: indexesOf(settings.templateSqlQueryCfg ?? settings.internalSqlQueryCfg ?? {}, connection.dialect),
        limit: settings.internalSqlQueryCfg?.limit,
        rowsMax: settings.rowsMax,
        intervalMs: settings.interval,
        context,
      });
    },
  },
  lookup: {
    summary: "Looks up rows of a table, or of a statement.",
    opens: "with rule",
    settings: lookupSettings,
    check: (settings) => void queryOf(settings, undefined),
    open: async (settings, { connection, clock }) => {
      const { SqlLookup } = await import("./lookup.ts");
      return new SqlLookup({ connection, query: queryOf(settings, undefined), rowsMax: settings.rowsMax, clock });
    },
  },
  sink: {
    summary: "Writes rows to a table.",
    delivery: "exactly-once",
    promise: ({ idColumn, rowkindField, writeMode }) =>
      idColumn !== "" || (rowkindField === "" && writeMode === "upsert")
        ? { level: "exactly-once" }
        : { level: "at-least-once", limit: "without idColumn a row that is sent again is written again" },
    accepts: "rows",
    settings: sinkSettings,
    check: checkSink,
    open: async (settings, { connection, durability }) => {
      const { SqlSink } = await import("./sink.ts");
      return new SqlSink({
        connection,
        dialect: connection.dialect,
        table: settings.table,
        fields: settings.fields,
        keys: settings.keyField,
        rowkindField: settings.rowkindField,
        kind: settings.writeMode,
        idColumn: settings.idColumn,
        createsTable: settings.createTable,
        durability,
      });
    },
  },
  examples: [
    { title: "A file in the data directory", role: "connection", settings: { dburl: "sqlite:plant.db" } },
    {
      title: "PostgreSQL with TLS",
      role: "connection",
      settings: {
        dburl: "postgres://weir:secret@db.plant:5432/plant?sslmode=verify-full",
        rootCaPath: "/etc/weir/ca.pem",
      },
    },
    {
      title: "New rows of a table, 500 at a time",
      role: "source",
      settings: {
        dburl: "mysql://weir:secret@127.0.0.1:3306/plant",
        interval: "5s",
        internalSqlQueryCfg: { table: "readings", limit: 500, indexField: "id", indexValue: 0 },
      },
    },
    {
      title: "A statement of one's own",
      role: "source",
      settings: {
        interval: "1m",
        templateSqlQueryCfg: {
          templateSql: "SELECT * FROM readings WHERE at > {{.at}} AND kind = 'pump' ORDER BY at",
          indexField: "at",
          indexValue: "2026-01-01 00:00:00",
          indexFieldType: "DATETIME",
        },
      },
    },
    { title: "A table of devices", role: "lookup", settings: { dburl: "sqlite:plant.db", datasource: "devices" } },
    {
      title: "Each row once, in a table that is made when it is not there",
      role: "sink",
      settings: { dburl: "sqlite:plant.db", table: "alerts", createTable: true, idColumn: "message_id" },
    },
    {
      title: "The newest row of each device",
      role: "sink",
      settings: { table: "state", keyField: "device_id", writeMode: "upsert" },
    },
  ],
});
