/**
 * What holds for the tables of every database: values, names, the order of a source, what a sink writes and refuses.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { Struct } from "../../src/connector/source.ts";
import { DateTime } from "../../src/value/datetime.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { messages, SqlWorld } from "./world.ts";

/** How a product differs. */
export interface TableKind {
  readonly scheme: "sqlite" | "postgres" | "mysql";
  /** Columns `i` bigint, `f` double, `d` decimal, `s` text, `b` boolean, `t` datetime with microseconds, `y` bytes, `j` JSON. */
  readonly columns: string;
  /** Makes waiting for a lock short. */
  readonly shortLocks: string;
}

/** A database, as another program uses it. */
export interface Database {
  readonly dburl: string;
  /** What a statement gives: a row a line. */
  sql(text: string): string;
}

const { signal } = new AbortController();

/** Registers the cases. */
export function tableCases(kind: TableKind, open: () => Promise<Database>): void {
  let tables = 0;
  const table = () => `t${++tables}`;

  /** A test with the database and a connection to it. */
  const withTable = (name: string, work: (database: Database, world: SqlWorld) => Promise<void>) =>
    test(`${kind.scheme}: ${name}`, async () => {
      const database = await open();
      const world = new SqlWorld({ dburl: database.dburl });
      try {
        await work(database, world);
      } finally {
        await world.close();
      }
    });

  // ---------------------------------------------------------------- values

  const row: Struct = {
    i: 9007199254740993n,
    f: 0.1,
    d: 12.5,
    s: `it's "a" \\ text; -- ü 🙂`,
    b: true,
    t: new DateTime(Date.UTC(2026, 6, 2, 3, 4, 5, 678), "UTC"),
    y: new Uint8Array([0, 1, 254, 255]),
    j: { a: [1, null, "x"] },
  };

  withTable("values come back as they went", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (${kind.columns})`);
    const sink = await world.sink({ table: name });
    await sink.write([[row, { ...row, i: -1n }], [{ i: null, s: "only" }]], signal);
    const [first, second, third] = await world.rows({ datasource: name });
    const expected = kind.scheme === "mysql" ? { ...row, b: 1n } : row;
    assert.deepEqual(first, expected);
    assert.deepEqual(second, { ...expected, i: -1n });
    assert.equal(third!.s, "only");
    assert.equal(third!.i, null);
  });

  withTable("a table is made of the first rows, with keys and ids", async (_database, world) => {
    const name = table();
    const sink = await world.sink({ table: name, createTable: true, keyField: "s, i", idColumn: "message" });
    const { d: _, ...most } = row;
    await sink.write([[most, { ...most, i: 2n, more: null }]], signal, ["a"]);
    const rows = await world.rows({ datasource: name });
    const [first, second] = rows.toSorted((a, b) => String(a.message).length - String(b.message).length);
    assert.deepEqual({ ...first, b: first!.b === 1n ? true : first!.b }, { ...most, message: "a", more: null });
    assert.equal(second!.message, "a/1");
    await assert.rejects(sink.write([[most]], signal, ["b"]), ItemsFailed);
  });

  withTable("columns are found in another letter case", async (database, world) => {
    const name = table();
    database.sql(
      `CREATE TABLE ${name} (deviceid INT, "Mixed" INT)`.replaceAll('"', kind.scheme === "mysql" ? "`" : '"'),
    );
    const sink = await world.sink({ table: name.toUpperCase().toLowerCase() });
    await sink.write(messages({ deviceId: 1n, mixed: 2n }), signal);
    assert.deepEqual(await world.rows({ datasource: name }), [{ deviceid: 1n, Mixed: 2n }]);
    const lookup = await world.lookup({ datasource: name });
    assert.deepEqual(await lookup.find(["deviceId"], [1n], ["MIXED"], signal), [{ deviceId: 1n, MIXED: 2n }]);
    await lookup.close();
  });

  // ---------------------------------------------------------------- injection

  withTable("what the data hold stays data", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (a VARCHAR(200), k VARCHAR(200) PRIMARY KEY)`);
    const evil = `x'); DROP TABLE ${name}; -- \\' OR "1"="1"`;
    const sink = await world.sink({ table: name, keyField: "k", rowkindField: "kind" });
    for (const kind of ["insert", "update", "upsert"]) await sink.write(messages({ a: evil, k: evil, kind }), signal);
    assert.deepEqual(await world.rows({ datasource: name }), [{ a: evil, k: evil }]);
    const lookup = await world.lookup({ datasource: name });
    assert.deepEqual(await lookup.find(["a"], [evil], "all", signal), [{ a: evil, k: evil }]);
    assert.deepEqual(await lookup.find(["a"], ["' OR '1'='1"], "all", signal), []);
    await lookup.close();
    for (const quotes of ["", "'"]) {
      const templateSql = `SELECT * FROM ${name} WHERE a = ${quotes}{{.a}}${quotes}`;
      const own = await world.lookup({ templateSqlQueryCfg: { templateSql } });
      assert.deepEqual(await own.find(["a"], [evil], "all", signal), [{ a: evil, k: evil }]);
      assert.deepEqual(await own.find(["a"], ["' OR '1'='1"], "all", signal), []);
      await own.close();
    }
    await sink.write(messages({ k: evil, kind: "delete" }), signal);
    assert.equal(database.sql(`SELECT count(*) FROM ${name}`), "0");
  });

  withTable("any text stands in a statement as itself, in quotes and without", async (_, world) => {
    const random = new SeededRandom(7);
    const signs = [
      "'",
      '"',
      "\\",
      "`",
      "$",
      "[",
      "]",
      "--",
      "#",
      "/*",
      "*/",
      ";",
      "%",
      "\n",
      "E'",
      "$$",
      "?",
      "$1",
      "é",
      "🙂",
      "x",
    ];
    const places = ["{{.a}}", "'{{.a}}'", "'it''s {{.a}}'", "/* ' */ '{{.a}}'"];
    if (kind.scheme === "mysql") places.push('"{{.a}}"', "'\\\\{{.a}}'");
    if (kind.scheme === "postgres") places.push("E'{{.a}}'", "E'\\\\{{.a}}'", "$$ ' $$ || '{{.a}}'");
    for (const place of places) {
      const lookup = await world.lookup({ templateSqlQueryCfg: { templateSql: `SELECT ${place} AS x, {{.a}} AS y` } });
      for (let i = 0; i < 40; i++) {
        const length = random.below(6);
        const text = Array.from({ length }, () => random.pick(signs)).join("");
        const [found] = await lookup.find(["a"], [text], "all", signal);
        assert.equal(found!.y, text);
        assert.ok(
          String(found!.x).endsWith(text),
          `${place}: ${JSON.stringify(text)} came as ${JSON.stringify(found!.x)}`,
        );
        assert.ok(String(found!.x).length <= text.length + 6, `${place}: ${found!.x}`);
      }
      await lookup.close();
    }
  });

  withTable("columns that the data name are names or nothing", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (a INT)`);
    const sink = await world.sink({ table: name });
    const columns = ["a) VALUES (1); --", 'a"', "a`", "a b", "", "ä", "a.b", "__proto__x;"];
    const batch = columns.map((column) => [{ [column]: 1n }]);
    await assert.rejects(sink.write([...batch, [{ a: 1n }]], signal), (error) => {
      assert.ok(error instanceof ItemsFailed);
      assert.deepEqual([...error.failed.keys()], columns.map((_, i) => i));
      return true;
    });
    assert.equal(database.sql(`SELECT a FROM ${name}`), "1");
    const other = await world.sink({ table: `${name}; DROP TABLE ${name}` });
    await assert.rejects(other.write(messages({ a: 1n }), signal), RetryLater);
    assert.equal(database.sql(`SELECT a FROM ${name}`), "1");
  });

  // ---------------------------------------------------------------- the source

  withTable("rows that are equal in the index come together, whatever the limit", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (k INT, n INT)`);
    const pairs = [[1, 1], [1, 2], [2, 3], [2, 4], [2, 5], [3, 6], [3, 7], [4, 8]];
    database.sql(`INSERT INTO ${name} VALUES ${pairs.map((pair) => `(${pair})`).join(", ")}`);
    for (const limit of [1, 2, 3, 4, 7, 8, 9]) {
      const source = await world.source({
        interval: "5ms",
        internalSqlQueryCfg: { table: name, limit, indexField: "k", indexValue: 0 },
      });
      const got: number[] = [];
      while (got.length < pairs.length) {
        const batch = await source.read(AbortSignal.timeout(20_000));
        assert.ok(batch.kind === "rows");
        got.push(...batch.rows.map(({ n }) => Number(n)));
      }
      assert.deepEqual(got.sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8], `limit ${limit}`);
      await source.close();
    }
  });

  withTable("several index columns are compared one after the other", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (a INT, b BIGINT)`);
    const pairs = ["(1, 9007199254740993)", "(1, 9007199254740992)", "(2, 1)", "(2, 0)", "(3, 0)"];
    database.sql(`INSERT INTO ${name} VALUES ${pairs.join(", ")}`);
    const source = await world.source({
      interval: "5ms",
      internalSqlQueryCfg: { table: name, limit: 1, indexFields: [{ indexField: "a" }, { indexField: "b" }] },
    });
    const got: string[] = [];
    for (let i = 0; i < pairs.length; i++) {
      const batch = await source.read(AbortSignal.timeout(20_000));
      assert.ok(batch.kind === "rows" && batch.rows.length === 1);
      got.push(`(${batch.rows[0]!.a}, ${batch.rows[0]!.b})`);
    }
    assert.deepEqual(got, ["(1, 9007199254740992)", "(1, 9007199254740993)", "(2, 0)", "(2, 1)", "(3, 0)"]);
    await source.close();
  });

  withTable("datetimes are an index with all their digits", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (at TIMESTAMP(6) NULL, n INT)`);
    const texts = ["2026-01-02 03:04:05.000001", "2026-01-02 03:04:05.000002", "2026-01-02 03:04:05.000003"];
    database.sql(`INSERT INTO ${name} VALUES ${texts.map((text, n) => `('${text}', ${n})`).join(", ")}`);
    const index = {
      indexField: "at",
      indexValue: "02/01/2025",
      indexFieldType: "DATETIME",
      dateTimeFormat: "dd/MM/yyyy",
    };
    const templateSql = `SELECT * FROM ${name} WHERE at > '{{.at}}' ORDER BY at LIMIT 1`;
    for (
      const config of [
        { internalSqlQueryCfg: { table: name, limit: 1, ...index } },
        { templateSqlQueryCfg: { templateSql, ...index } },
      ]
    ) {
      const source = await world.source({ interval: "5ms", ...config });
      const got: unknown[] = [];
      for (let i = 0; i < texts.length; i++) {
        const batch = await source.read(AbortSignal.timeout(20_000));
        assert.ok(batch.kind === "rows" && batch.rows[0]!.at instanceof DateTime);
        got.push(...batch.rows.map(({ n }) => n));
      }
      assert.deepEqual(got, [0n, 1n, 2n]);
      await assert.rejects(source.read(AbortSignal.timeout(60)), /timed out|timeout/i);
      await source.close();
    }
  });

  withTable("a result that is too large is refused, and the next query works", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (n INT)`);
    database.sql(`INSERT INTO ${name} VALUES (1), (2), (3)`);
    const source = await world.source({ datasource: name, interval: "5ms", rowsMax: 2 });
    await assert.rejects(source.read(signal), (error) => {
      assert.ok(error instanceof RetryLater);
      assert.match(error.message, /over 2 rows: limit it/);
      return true;
    });
    assert.equal((await world.rows({ datasource: name })).length, 3);
  });

  // ---------------------------------------------------------------- the sink

  withTable("rows that the database refuses fail alone, and messages as a whole", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (n INT PRIMARY KEY, s VARCHAR(5) NOT NULL)`);
    const sink = await world.sink({ table: name });
    const batch = Array.from({ length: 200 }, (_, n) => [{ n: BigInt(n), s: "x" } as Struct]);
    batch[7] = [{ n: 7n, s: null }];
    batch[50] = [{ n: 50n, s: "x" }, { n: 49n, s: "double" }];
    batch[120] = [{ n: "no number", s: "x" }];
    batch[121] = [{ n: 121n, s: "x", nowhere: 1n }];
    batch[199] = [{ n: 0n, s: "again" }];
    await assert.rejects(sink.write(batch, signal), (error) => {
      assert.ok(error instanceof ItemsFailed, String(error));
      // SQLite takes a text for a number.
      const refused = kind.scheme === "sqlite" ? [7, 50, 121, 199] : [7, 50, 120, 121, 199];
      assert.deepEqual([...error.failed.keys()].sort((a, b) => a - b), refused);
      return true;
    });
    assert.equal(database.sql(`SELECT count(*) FROM ${name}`), kind.scheme === "sqlite" ? "196" : "195");
  });

  withTable("rows say what they do: insert, update, upsert, delete, in their order", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (a INT, b INT, v INT, PRIMARY KEY (a, b))`);
    const sink = await world.sink({ table: name, keyField: ["a", "b"], rowkindField: "k" });
    const change = (k: string | null, b: number, v: number) => ({ a: 1n, b: BigInt(b), v: BigInt(v), k });
    await assert.rejects(
      sink.write(
        messages(
          change("insert", 1, 1),
          change("upsert", 2, 1),
          change("upsert", 2, 2),
          change("upsert", 1, 3),
          change(null, 3, 1),
          change("update", 3, 5),
          change("update", 9, 5),
          change("insert", 4, 1),
          change("delete", 4, 0),
          change("delete", 8, 0),
          change("insert", 5, 1),
          change("what", 5, 1),
          { a: 1n, k: "delete" },
        ),
        signal,
      ),
      (error) => error instanceof ItemsFailed && [...error.failed.keys()].join() === "11,12",
    );
    const lines = database.sql(`SELECT b, v FROM ${name} ORDER BY b`).replaceAll(/[\t|]/g, " ").split("\n");
    assert.deepEqual(lines, ["1 3", "2 2", "3 5", "5 1"]);
  });

  withTable("a message that is sent again is not written again, also between others", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (n INT UNIQUE, id VARCHAR(50) PRIMARY KEY)`);
    const sink = await world.sink({ table: name, idColumn: "id" });
    const rows = (...numbers: number[]) => numbers.map((n) => [{ n: BigInt(n) }, { n: BigInt(n + 100) }]);
    const ids = (...numbers: number[]) => numbers.map((n) => `m-${n}`);
    await sink.write(rows(1, 2), signal, ids(1, 2));
    await sink.write(rows(1, 2, 3), signal, ids(1, 2, 3));
    // The id is new, and the number is not.
    await assert.rejects(
      sink.write(rows(4, 1, 5), signal, ids(4, 6, 5)),
      (error) => error instanceof ItemsFailed && [...error.failed.keys()].join() === "1",
    );
    assert.equal(
      database.sql(`SELECT n FROM ${name} ORDER BY n`).replaceAll("\n", " "),
      "1 2 3 4 5 101 102 103 104 105",
    );
  });

  withTable("a table or an index that is missing is waited for", async (database, world) => {
    const name = table();
    const sink = await world.sink({ table: name, idColumn: "id" });
    await assert.rejects(sink.write(messages({ n: 1n }), signal, ["a"]), RetryLater);
    database.sql(`CREATE TABLE ${name} (n INT, id VARCHAR(50))`);
    await assert.rejects(sink.write(messages({ n: 1n }), signal, ["a"]), (error) => {
      assert.ok(error instanceof RetryLater);
      assert.match(error.message, /needs a primary key or a unique index on exactly id/);
      return true;
    });
    database.sql(`CREATE UNIQUE INDEX ${name}_id ON ${name} (id)`);
    await sink.write(messages({ n: 1n }), signal, ["a"]);
    assert.equal(database.sql(`SELECT n FROM ${name}`), "1");
  });

  withTable("a lock that is held is tried later", async (database, world) => {
    const name = table();
    database.sql(`CREATE TABLE ${name} (k INT PRIMARY KEY, v INT); INSERT INTO ${name} VALUES (1, 0);`);
    const sink = await world.sink({ table: name, keyField: "k", writeMode: "upsert" });
    await world.connection.use(signal, async (session) => {
      await session.run("BEGIN", [], { rowsMax: 1 });
      await session.run(`UPDATE ${name} SET v = 1 WHERE k = 1`, [], { rowsMax: 1 });
      const impatient = new SqlWorld({ dburl: database.dburl });
      await impatient.connection.use(signal, async (other) => {
        await other.run(kind.shortLocks, [], { rowsMax: 1 });
      });
      const blocked = await impatient.sink({ table: name, keyField: "k", writeMode: "upsert" });
      await assert.rejects(blocked.write(messages({ k: 1n, v: 2n }), signal), RetryLater);
      await session.run("COMMIT", [], { rowsMax: 1 });
      await blocked.write(messages({ k: 1n, v: 3n }), signal);
      await impatient.close();
    });
    await sink.write(messages({ k: 2n, v: 4n }), signal);
    assert.equal(database.sql(`SELECT v FROM ${name} ORDER BY k`), "3\n4");
  });
}
