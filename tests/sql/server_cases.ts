/**
 * What holds for the connector `sql` at every server. The file of a server names how it differs.
 * @module
 */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { sql } from "../../connectors/sql/mod.ts";
import { conformance } from "../../src/connector/conformance.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { Struct } from "../../src/connector/source.ts";
import { DateTime } from "../../src/value/datetime.ts";
import { eventually } from "../eventually.ts";
import { freePort } from "../peers/server_process.ts";
import { ruleCases } from "./rule_cases.ts";
import { type ServerKind, sharedServer, type SqlServer, urlOf } from "./server_kind.ts";
import { messages, SqlWorld } from "./world.ts";

const { signal } = new AbortController();

/** Registers the cases; they share one server. */
export function serverCases(kind: ServerKind): void {
  const running = sharedServer(kind);
  let tables = 0;
  const table = () => `t${++tables}`;

  /** A test with the server and a connection to it. */
  const withServer = (
    name: string,
    work: (server: SqlServer, world: SqlWorld) => Promise<void>,
    settings: Record<string, unknown> = {},
  ) =>
    test(`${kind.scheme}: ${name}`, async () => {
      const server = await running();
      const world = new SqlWorld({ dburl: urlOf(kind, server), ...settings });
      try {
        await work(server, world);
      } finally {
        await world.close();
      }
    });

  conformance(sql, {
    losesConnection: true,
    givesPositions: true,
    source: async () => {
      const server = await running();
      const name = table();
      server.sql(`CREATE TABLE ${name} (id ${kind.serial} PRIMARY KEY, n INT)`);
      return {
        connection: { dburl: urlOf(kind, server) },
        settings: () => ({ interval: "20ms", internalSqlQueryCfg: { table: name, limit: 7, indexField: "id" } }),
        send: (values) => void server.sql(`INSERT INTO ${name} (n) VALUES ${values.map((n) => `(${n})`).join(", ")}`),
        cut: () => Promise.resolve(server.dropClients()),
        close: () => Promise.resolve(),
      };
    },
    lookup: async () => {
      const server = await running();
      const name = table();
      server.sql(`CREATE TABLE ${name} (id BIGINT PRIMARY KEY, kind VARCHAR(20))`);
      return {
        connection: { dburl: urlOf(kind, server) },
        settings: { datasource: name },
        fill: (rows) =>
          void server.sql(rows.map(({ id, kind }) => `INSERT INTO ${name} VALUES (${id}, '${kind}');`).join("\n")),
        cut: () => Promise.resolve(server.dropClients()),
        close: () => Promise.resolve(),
      };
    },
    sink: async () => {
      const server = await running();
      const name = table();
      server.sql(`CREATE TABLE ${name} (at ${kind.serial} PRIMARY KEY, n INT, id VARCHAR(50) UNIQUE)`);
      const column = (column: string) =>
        server.sql(`SELECT ${column} FROM ${name} ORDER BY at`).split("\n").filter((line) => line !== "");
      return {
        connection: { dburl: urlOf(kind, server) },
        settings: { table: name, idColumn: "id" },
        received: () => column("n").map(Number),
        receivedIds: () => column("id"),
        cut: () => Promise.resolve(server.dropClients()),
        close: () => Promise.resolve(),
      };
    },
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

  withServer("values come back as they went", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (${kind.columns})`);
    const sink = await world.sink({ table: name });
    await sink.write([[row, { ...row, i: -1n }], [{ i: null, s: "only" }]], signal);
    const [first, second, third] = await world.rows({ datasource: name });
    const expected = kind.scheme === "mysql" ? { ...row, b: 1n } : row;
    assert.deepEqual(first, expected);
    assert.deepEqual(second, { ...expected, i: -1n });
    assert.equal(third!.s, "only");
    assert.equal(third!.i, null);
  });

  withServer("a table is made of the first rows, with keys and ids", async (_server, world) => {
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

  withServer("columns are found in another letter case", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (deviceid INT, "Mixed" INT)`.replaceAll('"', kind.scheme === "mysql" ? "`" : '"'));
    const sink = await world.sink({ table: name.toUpperCase().toLowerCase() });
    await sink.write(messages({ deviceId: 1n, mixed: 2n }), signal);
    assert.deepEqual(await world.rows({ datasource: name }), [{ deviceid: 1n, Mixed: 2n }]);
    const lookup = await world.lookup({ datasource: name });
    assert.deepEqual(await lookup.find(["deviceId"], [1n], ["MIXED"], signal), [{ deviceId: 1n, MIXED: 2n }]);
    await lookup.close();
  });

  // ---------------------------------------------------------------- injection

  withServer("what the data hold stays data", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (a VARCHAR(200), k VARCHAR(200) PRIMARY KEY)`);
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
    assert.equal(server.sql(`SELECT count(*) FROM ${name}`), "0");
  });

  withServer("columns that the data name are names or nothing", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (a INT)`);
    const sink = await world.sink({ table: name });
    const columns = ["a) VALUES (1); --", 'a"', "a`", "a b", "", "ä", "a.b", "__proto__x;"];
    const batch = columns.map((column) => [{ [column]: 1n }]);
    await assert.rejects(sink.write([...batch, [{ a: 1n }]], signal), (error) => {
      assert.ok(error instanceof ItemsFailed);
      assert.deepEqual([...error.failed.keys()], columns.map((_, i) => i));
      return true;
    });
    assert.equal(server.sql(`SELECT a FROM ${name}`), "1");
    const other = await world.sink({ table: `${name}; DROP TABLE ${name}` });
    await assert.rejects(other.write(messages({ a: 1n }), signal), RetryLater);
    assert.equal(server.sql(`SELECT a FROM ${name}`), "1");
  });

  // ---------------------------------------------------------------- the source

  withServer("rows that are equal in the index come together, whatever the limit", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (k INT, n INT)`);
    const pairs = [[1, 1], [1, 2], [2, 3], [2, 4], [2, 5], [3, 6], [3, 7], [4, 8]];
    server.sql(`INSERT INTO ${name} VALUES ${pairs.map((pair) => `(${pair})`).join(", ")}`);
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

  withServer("several index columns are compared one after the other", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (a INT, b BIGINT)`);
    const pairs = ["(1, 9007199254740993)", "(1, 9007199254740992)", "(2, 1)", "(2, 0)", "(3, 0)"];
    server.sql(`INSERT INTO ${name} VALUES ${pairs.join(", ")}`);
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

  withServer("datetimes are an index with all their digits", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (at TIMESTAMP(6) NULL, n INT)`);
    const texts = ["2026-01-02 03:04:05.000001", "2026-01-02 03:04:05.000002", "2026-01-02 03:04:05.000003"];
    server.sql(`INSERT INTO ${name} VALUES ${texts.map((text, n) => `('${text}', ${n})`).join(", ")}`);
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

  withServer("a result that is too large is refused, and the next query works", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (n INT)`);
    server.sql(`INSERT INTO ${name} VALUES (1), (2), (3)`);
    const source = await world.source({ datasource: name, interval: "5ms", rowsMax: 2 });
    await assert.rejects(source.read(signal), (error) => {
      assert.ok(error instanceof RetryLater);
      assert.match(error.message, /over 2 rows: limit it/);
      return true;
    });
    assert.equal((await world.rows({ datasource: name })).length, 3);
  });

  // ---------------------------------------------------------------- the sink

  withServer("rows that the database refuses fail alone, and messages as a whole", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (n INT PRIMARY KEY, s VARCHAR(5) NOT NULL)`);
    const sink = await world.sink({ table: name });
    const batch = Array.from({ length: 200 }, (_, n) => [{ n: BigInt(n), s: "x" } as Struct]);
    batch[7] = [{ n: 7n, s: null }];
    batch[50] = [{ n: 50n, s: "x" }, { n: 49n, s: "double" }];
    batch[120] = [{ n: "no number", s: "x" }];
    batch[121] = [{ n: 121n, s: "x", nowhere: 1n }];
    batch[199] = [{ n: 0n, s: "again" }];
    await assert.rejects(sink.write(batch, signal), (error) => {
      assert.ok(error instanceof ItemsFailed, String(error));
      assert.deepEqual([...error.failed.keys()].sort((a, b) => a - b), [7, 50, 120, 121, 199]);
      return true;
    });
    assert.equal(server.sql(`SELECT count(*) FROM ${name}`), "195");
  });

  withServer("rows say what they do: insert, update, upsert, delete, in their order", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (a INT, b INT, v INT, PRIMARY KEY (a, b))`);
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
    const lines = server.sql(`SELECT b, v FROM ${name} ORDER BY b`).replaceAll(/[\t|]/g, " ").split("\n");
    assert.deepEqual(lines, ["1 3", "2 2", "3 5", "5 1"]);
  });

  withServer("a message that is sent again is not written again, also between others", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (n INT UNIQUE, id VARCHAR(50) PRIMARY KEY)`);
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
      server.sql(`SELECT n FROM ${name} ORDER BY n`).replaceAll("\n", " "),
      "1 2 3 4 5 101 102 103 104 105",
    );
  });

  withServer("a table or an index that is missing is waited for", async (server, world) => {
    const name = table();
    const sink = await world.sink({ table: name, idColumn: "id" });
    await assert.rejects(sink.write(messages({ n: 1n }), signal, ["a"]), RetryLater);
    server.sql(`CREATE TABLE ${name} (n INT, id VARCHAR(50))`);
    await assert.rejects(sink.write(messages({ n: 1n }), signal, ["a"]), (error) => {
      assert.ok(error instanceof RetryLater);
      assert.match(error.message, /needs a primary key or a unique index on exactly id/);
      return true;
    });
    server.sql(`CREATE UNIQUE INDEX ${name}_id ON ${name} (id)`);
    await sink.write(messages({ n: 1n }), signal, ["a"]);
    assert.equal(server.sql(`SELECT n FROM ${name}`), "1");
  });

  withServer("a lock that is held is tried later", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (k INT PRIMARY KEY, v INT); INSERT INTO ${name} VALUES (1, 0);`);
    const sink = await world.sink({ table: name, keyField: "k", writeMode: "upsert" });
    await world.connection.use(signal, async (session) => {
      await session.run("BEGIN", [], { rowsMax: 1 });
      await session.run(`UPDATE ${name} SET v = 1 WHERE k = 1`, [], { rowsMax: 1 });
      const impatient = new SqlWorld({ dburl: urlOf(kind, server) });
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
    assert.equal(server.sql(`SELECT v FROM ${name} ORDER BY k`), "3\n4");
  });

  // ---------------------------------------------------------------- faults

  test(`${kind.scheme}: a wrong password is told, and never shown`, async () => {
    const { port, login } = await running();
    const world = new SqlWorld({ dburl: `${kind.scheme}://${login.user}:geheim@127.0.0.1:${port}/${login.database}` });
    const sink = await world.sink({ table: "t" });
    await assert.rejects(sink.write(messages({ n: 1n }), signal), Disconnected);
    assert.match(world.state, /^disconnected: .*(password|denied)/i);
    assert.doesNotMatch(JSON.stringify([world.states, world.logged]), /geheim/);
    await world.close();
  });

  test(`${kind.scheme}: a server that speaks something else is none`, async () => {
    const garbage = createServer((socket) => {
      socket.on("error", () => {});
      socket.resume();
      socket.write(new Uint8Array(300).fill(0x5a));
    });
    await new Promise<void>((done) => garbage.listen(0, "127.0.0.1", () => done()));
    const { port } = garbage.address() as AddressInfo;
    const world = new SqlWorld({ dburl: `${kind.scheme}://u:p@127.0.0.1:${port}/d`, connectTimeout: "500ms" });
    const sink = await world.sink({ table: "t" });
    await assert.rejects(sink.write(messages({ n: 1n }), signal), Disconnected);
    assert.match(world.state, /^disconnected/);
    await world.close();
    await new Promise((done) => garbage.close(done));
  });

  test(`${kind.scheme}: nobody there`, async () => {
    const world = new SqlWorld({ dburl: `${kind.scheme}://u:p@127.0.0.1:${await freePort()}/d` });
    await eventually(() => world.state.startsWith("disconnected"));
    assert.match(world.state, /ECONNREFUSED|refused/);
    const lookup = await world.lookup({ datasource: "t" });
    await assert.rejects(async () => await lookup.find(["a"], [1n], "all", signal), Disconnected);
    await lookup.close();
    await world.close();
  });

  withServer("a server that falls silent is given up in time, and found again", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (n INT)`);
    const sink = await world.sink({ table: name });
    await sink.write(messages({ n: 1n }), signal);
    server.freeze();
    try {
      // It takes a moment until all of its threads have stopped.
      const write = async () => {
        for (let i = 0; i < 1000; i++) await sink.write(messages({ n: 2n }), signal);
      };
      await assert.rejects(write, (error) => {
        assert.ok(error instanceof Disconnected);
        assert.match(error.message, /not answered within 300 ms/);
        return true;
      });
      assert.match(world.state, /^disconnected: .*not answered/);
      const abort = new AbortController();
      const reason = new Error("the rule stops");
      const aborted = sink.write(messages({ n: 3n }), abort.signal);
      setTimeout(() => abort.abort(reason), 50);
      await assert.rejects(aborted, (error) => error === reason);
    } finally {
      server.thaw();
    }
    await eventually(() => world.state === "connected");
    await sink.write(messages({ n: 4n }), signal);
    assert.match(server.sql(`SELECT n FROM ${name} ORDER BY n`), /^1\n(2\n)*(3\n)?4$/);
  }, { queryTimeout: "300ms", connectTimeout: "300ms" });

  withServer("sessions are few, and none is left", async (server, world) => {
    const name = table();
    server.sql(`CREATE TABLE ${name} (k INT PRIMARY KEY); INSERT INTO ${name} VALUES (1), (2);`);
    const lookup = await world.lookup({ datasource: name });
    const asks = Array.from(
      { length: 2000 },
      (_, i) => lookup.find(["k"], [BigInt(i % 4)], i % 2 === 0 ? "all" : ["k"], signal),
    );
    const found = await Promise.all(asks);
    assert.equal(found.flat().length, 1000);
    const own = await world.lookup({ templateSqlQueryCfg: { templateSql: `SELECT * FROM ${name} WHERE k = {{.k}}` } });
    await Promise.all(Array.from({ length: 100 }, () => own.find(["k"], [1n], "all", signal)));
    assert.ok(Number(server.sql(kind.countSessions)) <= 4);
    for (let i = 0; i < 150; i++) {
      const other = new SqlWorld({ dburl: urlOf(kind, server), maxConnections: 1 });
      // Half of them are closed while they connect.
      if (i % 2 === 0) await other.connection.use(signal, (session) => session.run("SELECT 1", [], { rowsMax: 1 }));
      await other.close();
    }
    await eventually(() => Number(server.sql(kind.countSessions)) <= 4);
  }, { maxConnections: 4 });

  withServer("TLS, with and without checks", async (server) => {
    const { ca, otherCa } = server.certificates!;
    const works = async (options: string, settings: Record<string, unknown> = {}) => {
      const world = new SqlWorld({ dburl: urlOf(kind, server, options), ...settings });
      try {
        await world.connection.use(signal, (session) => session.run("SELECT 1", [], { rowsMax: 1 }));
        return true;
      } catch (error) {
        assert.match((error as Error).message, /certificate|self.signed|unable to verify|UNKNOWN_?CA|CERT/i);
        return false;
      } finally {
        await world.close();
      }
    };
    assert.equal(await works(kind.tls.checked, { rootCaPath: ca }), true);
    assert.equal(await works("", { rootCaPath: ca }), true);
    assert.equal(await works(kind.tls.unchecked), true);
    assert.equal(await works(kind.tls.checked, { rootCaPath: otherCa }), false);
    assert.equal(await works(kind.tls.checked), false);
    assert.equal(await works("", { insecureSkipVerify: true }), true);
  });

  ruleCases(kind, running);
}
