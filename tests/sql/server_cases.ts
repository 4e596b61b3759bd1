/**
 * What holds for the connector `sql` at every server: the contract, and what it does when the server or the way to it fails.
 * The file of a server names how it differs.
 * @module
 */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { sql } from "../../connectors/sql/mod.ts";
import { SqlError } from "../../connectors/sql/session.ts";
import { conformance } from "../../src/connector/conformance.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { eventually } from "../eventually.ts";
import { freePort } from "../peers/server_process.ts";
import { startDamagingProxy } from "./damaging_proxy.ts";
import { ruleCases } from "./rule_cases.ts";
import { type ServerKind, sharedServer, type SqlServer, urlOf } from "./server_kind.ts";
import { tableCases } from "./table_cases.ts";
import { messages, SqlWorld } from "./world.ts";

const { signal } = new AbortController();

/** Registers the cases; they share one server. */
export function serverCases(kind: ServerKind): void {
  const running = sharedServer(kind);
  let tables = 0;
  const table = () => `s${++tables}`;

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

  tableCases(kind, async () => {
    const server = await running();
    return { dburl: urlOf(kind, server), sql: server.sql };
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

  test(`${kind.scheme}: what is damaged on the way ends sessions, and nothing else`, async () => {
    const server = await running();
    const place = kind.scheme === "postgres" ? "$1" : "?";
    const attempt = async (seed: number) => {
      const proxy = await startDamagingProxy(server.port, seed);
      const world = new SqlWorld({
        dburl: urlOf(kind, { ...server, port: proxy.port }, kind.tls.none),
        connectTimeout: "400ms",
        queryTimeout: "200ms",
        maxConnections: 1,
      });
      const text = `SELECT 1 AS a, 'x' AS b, now() AS c WHERE 'x' = ${place}`;
      try {
        for (let i = 0; i < 4; i++) {
          const run = { rowsMax: 10, isRepeated: i % 2 === 0 };
          await world.connection.use(signal, (session) => session.run(text, ["x"], run));
        }
      } catch (error) {
        assert.ok(error instanceof SqlError, `seed ${seed}: ${error}`);
      }
      await world.close();
      await proxy.close();
    };
    for (let from = 0; from < 72; from += 12) {
      await Promise.all(Array.from({ length: 12 }, (_, i) => attempt(from + i)));
    }
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
        assert.match(error.message, /not answered within 1000 ms/);
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
  }, { queryTimeout: "1s", connectTimeout: "1s" });

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
