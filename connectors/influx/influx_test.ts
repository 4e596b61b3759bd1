import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { Clock } from "../../src/connector/context.ts";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { type InfluxOptions, type InfluxServer, startInflux } from "../../tests/peers/influxdb.ts";
import { freePort } from "../../tests/peers/server_process.ts";
import { influx } from "./mod.ts";

const { signal } = new AbortController();

conformance(influx, {
  losesConnection: true,
  sink: async () => {
    const server = await startInflux();
    await server.query("CREATE DATABASE d");
    return {
      settings: { addr: server.url, database: "d", measurement: "m" },
      received: async () => (await server.query("SELECT n FROM m", "d")).map(({ n }) => Number(n)),
      cut: async () => {
        await server.process.kill();
        await server.process.start();
      },
      close: () => server.stop(),
    };
  },
});

async function openSink(raw: Record<string, unknown>, clock: Clock = realClock): Promise<RowSink> {
  const settings = readSettings(influx.sink!.settings, raw, { path: "", where: "sink" });
  influx.sink!.check!(settings, {});
  const log = recordingLogger([]);
  const context: OpenContext<never> = { name: "test", clock, log, status: () => {}, connection: undefined as never };
  return await influx.sink!.open(settings, context) as RowSink;
}

async function withInflux(work: (server: InfluxServer) => Promise<void>, options: InfluxOptions = {}): Promise<void> {
  const server = await startInflux(options);
  try {
    if (options.auth === undefined && options.tls === undefined) await server.query("CREATE DATABASE d");
    await work(server);
  } finally {
    await server.stop();
  }
}

test("influx: rows with tags, kinds of fields and times of their own", () =>
  withInflux(async (server) => {
    const sink = await openSink({
      addr: server.url.replace("http://", ""),
      database: "d",
      measurement: "{{.kind}}",
      tags: { hall: "{{.hall}}", site: "north" },
      tsFieldName: "ts",
      precision: "us",
    });
    const rows = [
      { i: 7n, f: 1.5, b: true, s: 'a "b" \\ \n c', l: [1n], none: null, ts: 1_700_000_000_000_001n },
      { i: 8n, f: 2, b: false, s: "", l: [], none: null, ts: 1_700_000_000_000_002 },
    ];
    await sink.write([rows], signal, undefined, [{ measurement: "pump, big", tags: { hall: "a=1 b", site: "north" } }]);
    await sink.close();
    const got = await server.query('SELECT * FROM "pump, big"', "d");
    const common = { name: "pump, big", hall: "a=1 b", site: "north" };
    assert.deepEqual(got, [
      { ...common, time: "1700000000000001000", i: 7, f: 1.5, b: true, s: 'a "b" \\ \n c', l: "[1]" },
      { ...common, time: "1700000000000002000", i: 8, f: 2, b: false, s: "", l: "[]" },
    ]);
    const kinds = await server.query("SHOW FIELD KEYS", "d");
    assert.deepEqual(Object.fromEntries(kinds.map(({ fieldKey, fieldType }) => [fieldKey, fieldType])), {
      b: "boolean",
      f: "float",
      i: "integer",
      l: "string",
      s: "string",
    });
  }));

test("influx: without tsFieldName, rows of one instant all stay, at the time they are written", () =>
  withInflux(async (server) => {
    const clock = { ...realClock, now: () => 1_700_000_000_123 };
    const sink = await openSink(
      { addr: server.url, database: "d", measurement: "m", fields: "n", precision: "s" },
      clock,
    );
    await sink.write([[{ n: 1n, x: 1n }, { n: 2n }], [{ n: 3n }]], signal);
    await sink.write([[{ n: 4n }]], signal);
    await sink.close();
    assert.deepEqual(await server.query("SELECT * FROM m", "d"), [
      { name: "m", time: "1700000000000000000", n: 1 },
      { name: "m", time: "1700000000000000001", n: 2 },
      { name: "m", time: "1700000000000000002", n: 3 },
      { name: "m", time: "1700000000000000003", n: 4 },
    ]);
  }));

test("influx: of lines that the server refuses, just their messages fail, and all others are written", () =>
  withInflux(async (server) => {
    const sink = await openSink({ addr: server.url, database: "d", measurement: "m", tsFieldName: "ts" });
    const at = 1_700_000_000_000;
    await sink.write([[{ v: 1.5, ts: at }]], signal);
    const batch = Array.from({ length: 40 }, (_, i) => [{ v: i as unknown, ts: at + 1 + i }]) as {
      v: number;
      ts: number;
    }[][];
    const bad = [3, 4, 31];
    for (const i of bad) batch[i] = [{ v: "text" as unknown as number, ts: at + 1 + i }];
    batch[7] = [{ v: NaN, ts: at + 8 }];
    batch[8] = [{ v: 1, ts: "later" as unknown as number }];
    await assert.rejects(sink.write(batch, signal), (error) => {
      assert.ok(error instanceof ItemsFailed);
      assert.deepEqual([...error.failed.keys()].sort((a, b) => a - b), [3, 4, 7, 8, 31]);
      for (const i of bad) {
        assert.match(error.failed.get(i)!, /400: partial write: field type conflict: input field "v"/);
      }
      assert.match(error.failed.get(7)!, /is NaN/);
      assert.match(error.failed.get(8)!, /Column "ts" must hold the time as a whole number in ms: found later/);
      return true;
    });
    await sink.close();
    assert.equal((await server.query("SELECT v FROM m", "d")).length, 36);
  }));

test("influx: 30,000 rows in one write", () =>
  withInflux(async (server) => {
    const sink = await openSink({ addr: server.url, database: "d", measurement: "m" });
    const batch = Array.from({ length: 300 }, (_, i) =>
      Array.from({ length: 100 }, (_, k) => ({ n: BigInt(i * 100 + k) })));
    await sink.write(batch, signal);
    await sink.close();
    const [sum] = await server.query("SELECT count(n), sum(n) FROM m", "d");
    assert.deepEqual([sum!.count, sum!.sum], [30_000, 30_000 * 29_999 / 2]);
  }));

test("influx: names, tags and texts of any signs come back as they were, or their row fails", () =>
  withInflux(async (server) => {
    const random = new SeededRandom(7);
    const signs = [",", "=", " ", "\\", '"', "'", "\t", "#", "é", "日", "😀", "a", "{", "}", "/", "\n", "\u0001", "%"];
    const word = () => Array.from({ length: 1 + random.below(6) }, () => signs[random.below(signs.length)]!).join("");
    const sink = await openSink({ addr: server.url, database: "d", measurement: "x", tsFieldName: "ts" });
    const wanted = new Map<string, Record<string, unknown>>();
    const made = Array.from({ length: 400 }, (_, i) => {
      const point = { measurement: word(), tag: `t${word()}`, value: word(), field: `f${word()}`, text: word() };
      const time = BigInt(1_700_000_000_000 + i);
      return { ...point, time, row: { [point.field]: point.text, ts: time } };
    });
    const failed = new Set<number>();
    const settings = made.map(({ measurement, tag, value }) => ({ measurement, tags: { [tag]: value } }));
    await assert.rejects(sink.write(made.map(({ row }) => [row]), signal, undefined, settings), (error) => {
      assert.ok(error instanceof ItemsFailed);
      for (const [i, reason] of error.failed) {
        // Of what weir lets through, the server refuses nothing.
        assert.match(reason, /cannot (hold a backslash|hold a line end|begin with)/);
        failed.add(i);
      }
      return true;
    });
    await sink.close();
    for (const [i, { measurement, tag, value, field, text, time }] of made.entries()) {
      const mayFail = [measurement, tag, value, field].some((each) => /\n|\\([,= "]|$)/.test(each)) ||
        /^[#\t]/.test(measurement);
      assert.equal(
        failed.has(i),
        mayFail,
        JSON.stringify(made[i], (_, each) => typeof each === "bigint" ? `${each}` : each),
      );
      if (!mayFail) wanted.set(`${time}000000`, { name: measurement, [tag]: value, [field]: text });
    }
    assert.ok(wanted.size > 60 && failed.size > 50, `${wanted.size} ${failed.size}`);
    const got = new Map<string, Record<string, unknown>>();
    for (const { time, ...row } of await server.query("SELECT * FROM /.*/", "d")) {
      got.set(time as string, Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)));
    }
    for (const [time, row] of wanted) assert.deepEqual(got.get(time), row);
    assert.equal(got.size, wanted.size);
  }));

test("influx: lines of a template, and rows of a template", () =>
  withInflux(async (server) => {
    const lines = await openSink({ addr: server.url, database: "d", useLineProtocol: true, dataTemplate: "{{.}}" });
    const text = "m,t=a v=1 1700000000000\n\nm,t=b v=2 1700000000001\n";
    await lines.write([[{ a: 1n }], [{ a: 2n }]], signal, undefined, [{ dataTemplate: text }, { dataTemplate: " " }]);
    await assert.rejects(lines.write([[]], signal, undefined, [{ dataTemplate: "no line" }]), (error) => {
      return error instanceof ItemsFailed && /unable to parse 'no line'/.test(error.failed.get(0)!);
    });
    await lines.close();
    assert.deepEqual((await server.query("SELECT t, v FROM m", "d")).map(({ t, v }) => [t, v]), [["a", 1], ["b", 2]]);
    const rows = await openSink({ addr: server.url, database: "d", measurement: "r", dataTemplate: "{{.}}" });
    await assert.rejects(
      rows.write([[], [], []], signal, undefined, [{ dataTemplate: '[{"v":3},{"v":4}]' }, { dataTemplate: "no" }, {
        dataTemplate: "7",
      }]),
      (error) => {
        assert.ok(error instanceof ItemsFailed);
        assert.match(error.failed.get(1)!, /The dataTemplate has made no JSON:/);
        assert.equal(error.failed.get(2), "The dataTemplate has made no JSON object");
        return true;
      },
    );
    await rows.close();
    assert.deepEqual((await server.query("SELECT v FROM r", "d")).map(({ v }) => v), [3, 4]);
  }));

test("influx: users, databases and retention policies that are wrong, then right", () =>
  withInflux(async (server) => {
    await server.query("CREATE USER admin WITH PASSWORD 'secret' WITH ALL PRIVILEGES");
    const raw = { addr: server.url, username: "admin", password: "secret", database: "later", measurement: "m" };
    const row = [[{ n: 1n }]];
    const wrong = await openSink({ ...raw, password: "wrong" });
    await assert.rejects(wrong.write(row, signal), (error) => {
      return error instanceof Disconnected && /has answered 401: authorization failed/.test(error.message);
    });
    await wrong.close();
    await server.query("CREATE USER reader WITH PASSWORD 'r'");
    await server.query("CREATE DATABASE own");
    const reader = await openSink({ ...raw, username: "reader", password: "r", database: "own" });
    await assert.rejects(reader.write(row, signal), (error) => {
      return error instanceof Disconnected && /has answered 403: .*not authorized to write/.test(error.message);
    });
    await reader.close();
    const sink = await openSink(raw);
    await assert.rejects(sink.write(row, signal), (error) => {
      return error instanceof Disconnected && /has answered 404: database not found: "later"/.test(error.message);
    });
    await server.query("CREATE DATABASE later");
    await sink.write(row, signal);
    await sink.close();
    const policy = await openSink({ ...raw, retentionPolicy: "week" });
    await assert.rejects(policy.write(row, signal), (error) => {
      return error instanceof RetryLater && /retention policy not found: week/.test(error.message);
    });
    await server.query('CREATE RETENTION POLICY "week" ON "later" DURATION 7d REPLICATION 1');
    await policy.write(row, signal);
    await policy.close();
    assert.equal((await server.query("SELECT n FROM week.m", "later")).length, 1);
  }, { auth: true }));

test("influx: TLS with an authority that is trusted, or not", () =>
  withInflux(async (server) => {
    const { ca, otherCa } = server.certificates!;
    const raw = { addr: server.url, database: "none", measurement: "m" };
    const good = await openSink({ ...raw, rootCaPath: ca });
    await assert.rejects(good.write([[{ n: 1n }]], signal), /has answered 404: database not found/);
    await good.close();
    await assert.rejects(openSink({ ...raw, rootCaPath: otherCa }), (error) => error instanceof Disconnected);
  }, { tls: true }));

test("influx: a server that is away, freezes, and comes back", () =>
  withInflux(async (server) => {
    const away = { addr: `127.0.0.1:${await freePort()}`, database: "d", measurement: "m" };
    await assert.rejects(openSink(away), (error) => error instanceof Disconnected);
    const sink = await openSink({ addr: server.url, database: "d", measurement: "m", timeout: 300 });
    await sink.write([[{ n: 1n }]], signal);
    server.process.freeze();
    await assert.rejects(sink.write([[{ n: 2n }]], signal), (error) => {
      return error instanceof Disconnected && /has not answered within 300 ms/.test(error.message);
    });
    server.process.thaw();
    for (let i = 0; i < 5; i++) {
      await server.process.kill();
      await assert.rejects(sink.write([[{ n: 3n }]], signal), (error) => error instanceof Disconnected);
      await server.process.start();
      await sink.write([[{ n: BigInt(4 + i) }]], signal);
    }
    await sink.close();
    const got = (await server.query("SELECT n FROM m", "d")).map(({ n }) => n);
    assert.deepEqual(got.filter((n) => n !== 2), [1, 4, 5, 6, 7, 8]);
  }));

test("influx: settings that can never work", async () => {
  const raw = { database: "d", measurement: "m" };
  for (
    const [more, message] of [
      [{ measurement: "" }, /E404: The points need a "measurement"/],
      [{ useLineProtocol: true }, /E404: useLineProtocol needs a "dataTemplate"/],
      [{ database: "" }, /E403: Bad value for setting "database"/],
      [{ addr: "ftp://h" }, /E403: Bad value for setting "addr".*wanted an address such as/],
      [{ precision: "h" }, /E403: Bad value for setting "precision"/],
      [{ rootCaPath: "/nowhere" }, /E403: Cannot read the file/],
    ] as const
  ) {
    await assert.rejects(openSink({ ...raw, ...more }), message);
  }
});
