import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { Connector, OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { Lookup } from "../../src/connector/lookup.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { PayloadSink, RowSink } from "../../src/connector/sink.ts";
import type { Source } from "../../src/connector/source.ts";
import { jsonText } from "../../src/value/json_text.ts";
import { eventually } from "../../tests/eventually.ts";
import { type RedisServer, startRedis } from "../../tests/peers/redis.ts";
import { freePort } from "../../tests/peers/server_process.ts";
import { redis } from "./mod.ts";
import { redisPub } from "./redis_pub.ts";
import { redisSub } from "./redis_sub.ts";

const { signal } = new AbortController();
const utf8 = new TextDecoder();
const close = (server: RedisServer) => () => server.stop();

conformance(redis, {
  losesConnection: true,
  lookup: async () => {
    const server = await startRedis();
    return {
      settings: { addr: server.address },
      keyOnly: "Redis finds rows by their key only",
      fill: (rows) => void server.cliLines(rows.map((row) => `SET ${row.id} '${jsonText(row)}'`)),
      cut: () => Promise.resolve(server.dropClients()),
      close: close(server),
    };
  },
  sink: async () => {
    const server = await startRedis();
    return {
      settings: { addr: server.address, key: "out", dataType: "list" },
      received: () =>
        server.cli("LRANGE", "out", "0", "-1").split("\n").filter((line) => line !== "")
          .map((line) => (JSON.parse(line) as { n: number }).n).reverse(),
      cut: () => Promise.resolve(server.dropClients()),
      close: close(server),
    };
  },
});

conformance(redisSub, {
  losesConnection: true,
  source: async () => {
    const server = await startRedis();
    return {
      settings: () => ({ address: server.address, channels: ["some", "conform*"] }),
      send: (values) => void server.cliLines(values.map((n) => `PUBLISH conformance '{"n":${n}}'`)),
      cut: () => Promise.resolve(server.dropClients()),
      close: close(server),
    };
  },
});

conformance(redisPub, {
  losesConnection: true,
  sink: async () => {
    const server = await startRedis();
    const subscriber = spawn("redis-cli", ["-p", String(server.port), "SUBSCRIBE", "out"], { stdio: "pipe" });
    let output = "";
    subscriber.stdout.on("data", (chunk) => output += String(chunk));
    await eventually(() => output.includes("subscribe"));
    return {
      settings: { address: server.address, channel: "out" },
      received: () => [...output.matchAll(/\{"n":(\d+)\}/g)].map(([, n]) => Number(n)),
      cut: () => Promise.resolve(server.dropClients(["normal"])),
      close: async () => {
        subscriber.kill("SIGKILL");
        await server.stop();
      },
    };
  },
});

type RawSettings = Record<string, unknown>;

function contextOf(name: string): OpenContext<never> {
  return { name, clock: realClock, log: recordingLogger([]), status: () => {}, connection: undefined as never };
}

async function open<Role extends "sink" | "lookup" | "source">(
  connector: Connector,
  role: Role,
  raw: RawSettings,
): Promise<Role extends "lookup" ? Lookup : Role extends "source" ? Source : RowSink & PayloadSink> {
  const { settings, open } = connector[role]!;
  return await open(readSettings(settings, raw, { path: "", where: role }), contextOf(role)) as never;
}

async function withRedis(work: (server: RedisServer) => Promise<void>, options = {}): Promise<void> {
  const server = await startRedis(options);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

// ---------------------------------------------------------------- sink

test("redis sink: writes rows to the key of a column, of a template, and each column to a key of its own", () =>
  withRedis(async (server) => {
    const byField = await open(redis, "sink", { addr: server.address, field: "id", db: 3 });
    await byField.write([[{ id: "a", v: 1n }, { id: 7n, v: 2.5 }], [{ id: true, v: null }]], signal);
    await byField.close();
    assert.equal(server.cli("-n", "3", "GET", "a"), '{"id":"a","v":1}');
    assert.equal(server.cli("-n", "3", "GET", "7"), '{"id":7,"v":2.5}');
    assert.equal(server.cli("-n", "3", "GET", "true"), '{"id":true,"v":null}');
    const byTemplate = await open(redis, "sink", { address: server.address, key: "line:{{.line}}" });
    await byTemplate.write([[{ v: 1n }], [{ v: 2n }]], signal, undefined, [{ key: "line:1" }, { key: "line:2" }]);
    await byTemplate.close();
    assert.equal(server.cli("GET", "line:2"), '{"v":2}');
    const multiple = await open(redis, "sink", { addr: server.address, keyType: "multiple" });
    await multiple.write([[{ t: "text", i: 5n, f: 1e21, b: false, l: [1n, "x"], n: null }]], signal);
    await multiple.close();
    assert.deepEqual(
      server.cli("MGET", "t", "i", "f", "b", "l", "n").split("\n"),
      ["text", "5", "1000000000000000000000", "false", '[1,"x"]', ""],
    );
  }));

test("redis sink: lists, expirations and deletions by rowkindField", () =>
  withRedis(async (server) => {
    const list = await open(redis, "sink", {
      addr: server.address,
      field: "id",
      dataType: "list",
      rowkindField: "do",
      expiration: "1h",
    });
    await list.write([[{ id: "l", v: 1n }, { id: "l", v: 2n, do: "insert" }, { id: "l", v: 3n }]], signal);
    await list.write([[{ id: "l", do: "delete" }]], signal);
    await list.close();
    assert.equal(server.cli("LRANGE", "l", "0", "-1"), '{"do":"insert","id":"l","v":2}\n{"id":"l","v":1}');
    assert.ok(Number(server.cli("PTTL", "l")) > 3_500_000);
    const keys = await open(redis, "sink", {
      addr: server.address,
      field: "id",
      rowkindField: "do",
      expiration: 60000,
    });
    await keys.write([[{ id: "k1" }, { id: "k2" }, { id: "k1", do: "delete" }]], signal);
    await keys.close();
    assert.equal(server.cli("EXISTS", "k1", "k2"), "1");
    assert.ok(Number(server.cli("PTTL", "k2")) > 50_000);
  }));

test("redis sink: fails the items that cannot be written, and writes the others", () =>
  withRedis(async (server) => {
    server.cli("SET", "taken", "x");
    const raw = { addr: server.address, field: "id", rowkindField: "do", dataType: "list" };
    const sink = await open(redis, "sink", raw);
    const batch = [[{ id: "a" }], [{ id: "taken" }], [{ id: "b" }, { v: 1n }], [{ id: "c", do: "burn" }], [{
      id: "d",
    }]];
    await assert.rejects(sink.write(batch, signal), (error) => {
      assert.ok(error instanceof ItemsFailed);
      assert.deepEqual([...error.failed.keys()].sort(), [1, 2, 3]);
      assert.match(error.failed.get(1)!, /WRONGTYPE/);
      assert.equal(error.failed.get(2), 'Column "id" must hold the key: found nothing');
      assert.equal(
        error.failed.get(3),
        'Column "do" must be one of insert, update, upsert, delete: found "burn"',
      );
      return true;
    });
    assert.equal(server.cli("EXISTS", "a", "b", "c", "d"), "2");
    await sink.close();
  }));

test("redis sink: a server that is full or loading is asked again later", () =>
  withRedis(async (server) => {
    const sink = await open(redis, "sink", { addr: server.address, key: "k" });
    server.cli("CONFIG", "SET", "maxmemory", "1");
    await assert.rejects(sink.write([[{ a: 1n }]], signal), (error) => error instanceof RetryLater);
    server.cli("CONFIG", "SET", "maxmemory", "0");
    await sink.write([[{ a: 1n }]], signal);
    await sink.close();
    assert.equal(server.cli("GET", "k"), '{"a":1}');
  }));

test("redis sink: 20,000 rows in one write keep their order", () =>
  withRedis(async (server) => {
    const sink = await open(redis, "sink", { addr: server.address, key: "l", dataType: "list" });
    await sink.write([Array.from({ length: 20_000 }, (_, n) => ({ n: BigInt(n) }))], signal);
    await sink.close();
    const got = server.cli("LRANGE", "l", "0", "-1").split("\n").map((line) => (JSON.parse(line) as { n: number }).n);
    assert.deepEqual(got.reverse(), Array.from({ length: 20_000 }, (_, n) => n));
  }));

// ---------------------------------------------------------------- lookup

test("redis lookup: rows of lists, of rows without their key, and of a KEY beside other columns", () =>
  withRedis(async (server) => {
    server.cli("RPUSH", "l", '{"a":1}', '{"a":2}', '[{"a":3}]');
    server.cli("SET", "p1", '{"kind":"pump","__proto__":1}');
    const lists = await open(redis, "lookup", { addr: server.address, dataType: "list", datasource: "0" });
    assert.deepEqual(await lists.find(["id"], ["l"], "all", signal), [
      { a: 1, id: "l" },
      { a: 2, id: "l" },
      { a: 3, id: "l" },
    ]);
    await assert.rejects(
      async () => await lists.find(["id"], ["p1"], "all", signal),
      /Cannot read the key "p1": WRONGTYPE/,
    );
    await assert.rejects(
      async () => await lists.find(["id", "b"], ["p1", 1n], "all", signal),
      /wanted one column, or a KEY/,
    );
    await lists.close();
    const rows = await open(redis, "lookup", { addr: server.address, key: "id" });
    const found = async (kind: string) => (await rows.find(["kind", "id"], [kind, "p1"], "all", signal)).length;
    assert.deepEqual([await found("pump"), await found("valve")], [1, 0]);
    await assert.rejects(async () => await rows.find(["kind"], ["pump"], "all", signal), /wanted KEY "id", found kind/);
    server.cli("SET", "bad", "no json");
    await assert.rejects(
      async () => await rows.find(["id"], ["bad"], "all", signal),
      /The value of the key "bad" is no JSON/,
    );
    server.cli("SET", "bad", "7");
    await assert.rejects(
      async () => await rows.find(["id"], ["bad"], "all", signal),
      /The value of the key "bad" is no JSON object/,
    );
    await rows.close();
  }));

// ---------------------------------------------------------------- sub and pub

test("redisSub: gives bytes as they were sent, with their channel; redisPub: channels of templates", () =>
  withRedis(async (server) => {
    const source = await open(redisSub, "source", { address: server.address, datasource: "a, b.*" });
    const sink = await open(redisPub, "sink", { address: server.address, channel: "{{.c}}" });
    const bytes = new Uint8Array([0, 255, 10, 13]);
    const settings = [{ channel: "a" }, { channel: "b.1" }, { channel: "" }];
    await assert.rejects(sink.write(["x", bytes, "y"], signal, undefined, settings), (error) => {
      return error instanceof ItemsFailed && error.failed.get(2) === "The channel is empty" && error.failed.size === 1;
    });
    const got: [unknown, Uint8Array][] = [];
    while (got.length < 2) {
      const batch = await source.read(AbortSignal.timeout(20_000));
      assert.equal(batch.kind, "payloads");
      if (batch.kind === "payloads") {
        batch.payloads.forEach((each, i) => got.push([batch.meta!(i)!.channel, each as Uint8Array]));
      }
    }
    assert.deepEqual(got.map(([channel]) => channel), ["a", "b.1"]);
    assert.equal(utf8.decode(got[0]![1]), "x");
    assert.deepEqual([...got[1]![1]], [...bytes]);
    await source.close();
    await sink.close();
  }));

test("redisSub: takes no more while nobody reads; what Redis cannot keep either ends in a loss that is told", () =>
  withRedis(async (server) => {
    server.cli("CONFIG", "SET", "client-output-buffer-limit", "pubsub 8mb 0 0");
    const source = await open(redisSub, "source", { address: server.address, channels: "a", bufferLength: 10 });
    const payload = "x".repeat(1000);
    const publish = (count: number) => server.cliLines(Array.from({ length: count }, () => `PUBLISH a ${payload}`));
    const take = async (until: number) => {
      let got = 0;
      while (got < until) {
        const batch = await source.read(AbortSignal.timeout(20_000));
        if (batch.kind === "payloads") got += batch.payloads.length;
      }
      return got;
    };
    publish(2000);
    const first = await source.read(AbortSignal.timeout(20_000));
    const held = first.kind === "payloads" ? first.payloads.length : 0;
    // What one read of the socket brought, not all that was sent.
    assert.ok(held >= 10 && held < 1900, `${held} messages were taken unasked`);
    assert.equal(await take(2000 - held), 2000 - held);
    // More than Redis, the sockets and the buffer hold together.
    publish(30_000);
    await assert.rejects(take(30_000), (error) => {
      return error instanceof Disconnected && /the server has closed the connection|reset/i.test(error.message);
    });
    await source.close();
  }));

// ---------------------------------------------------------------- faults

test("redis: a server that is away is told as a lost connection", async () => {
  const port = await freePort();
  for (const [connector, role, raw] of roles(`127.0.0.1:${port}`)) {
    await assert.rejects(open(connector, role, raw), (error) => {
      return error instanceof Disconnected && /ECONNREFUSED|refused/i.test(error.message);
    }, connector.name);
  }
});

test("redis: passwords, users and databases of the server", () =>
  withRedis(async (server) => {
    const { address } = server;
    const login = { password: "secret", username: "gateway" };
    for (const [connector, role, raw] of roles(address)) {
      await assert.rejects(open(connector, role, raw), (error) => {
        return error instanceof Disconnected && /NOAUTH/.test(error.message);
      }, connector.name);
      for (const bad of [{ password: "wrong" }, { ...login, password: "wrong" }]) {
        await assert.rejects(open(connector, role, { ...raw, ...bad }), (error) => {
          return error instanceof Disconnected && /WRONGPASS/.test(error.message);
        }, connector.name);
      }
      for (const good of [{ password: "main" }, login]) {
        await (await open(connector, role, { ...raw, ...good })).close();
      }
    }
    await assert.rejects(
      open(redis, "sink", { addr: address, password: "main", key: "k", db: 99 }),
      /E403: The server .* has no database 99/,
    );
    const sink = await open(redis, "sink", { addr: address, field: "id", ...login });
    await assert.rejects(sink.write([[{ id: "own:1" }], [{ id: "other" }]], signal), (error) => {
      return error instanceof ItemsFailed && /NOPERM/.test(error.failed.get(1)!) && error.failed.size === 1;
    });
    await sink.close();
  }, { lines: ["requirepass main", "user gateway on >secret ~own:* &* +@all -info"] }));

test("redis: TLS with an authority that is trusted, or not; and the socket of the machine", () =>
  withRedis(async (server) => {
    const { ca, otherCa } = server.certificates!;
    const address = `rediss://127.0.0.1:${server.tlsPort}`;
    const good = await open(redis, "sink", { addr: address, key: "k", rootCaPath: ca });
    await good.write([[{ a: 1n }]], signal);
    await good.close();
    assert.equal(server.cli("GET", "k"), '{"a":1}');
    await assert.rejects(
      open(redis, "sink", { addr: address, key: "k", rootCaPath: otherCa }),
      (error) => error instanceof Disconnected && /certificate|issuer/i.test(error.message),
    );
    await (await open(redis, "sink", { addr: address, key: "k", insecureSkipVerify: true })).close();
    const local = await open(redis, "sink", { addr: `unix://${server.path}`, key: "k" });
    await local.write([[{ a: 2n }]], signal);
    await local.close();
    assert.equal(server.cli("GET", "k"), '{"a":2}');
  }, { tls: true }));

test("redis: settings that can never work", () => {
  for (
    const [connector, role, raw, message] of [
      [redis, "sink", { addr: "a:1" }, /E404: keyType "single" needs a "key"/],
      [redis, "sink", { addr: "a b", key: "k" }, /E403: Bad value for setting "addr".*wanted a host and port/],
      [redis, "sink", { addr: "redis://u:p@h", key: "k" }, /E403: Bad value for setting "addr"/],
      [redis, "sink", { addr: "h:99999", key: "k" }, /E403: Cannot read the address "h:99999"/],
      [redis, "sink", { username: "u", key: "k" }, /E404: a "username" needs a "password"/],
      [redis, "lookup", { addr: "h", datasource: "x" }, /E403: Bad value for setting "datasource"/],
      [redisSub, "source", { address: "h" }, /E404: redisSub needs "channels" to read/],
    ] as const
  ) {
    assert.throws(() => {
      const settings = readSettings(connector[role]!.settings, raw, { path: "", where: role });
      connector[role]!.check!(settings, {});
    }, message);
  }
});

test("redis: a server that freezes counts as lost after the timeout", () =>
  withRedis(async (server) => {
    const raw = { addr: server.address, key: "k", timeout: 300 };
    const sink = await open(redis, "sink", raw);
    const lookup = await open(redis, "lookup", { addr: server.address, timeout: 300 });
    server.process.freeze();
    const isSilent = (error: unknown) => error instanceof Disconnected && /no answer within 300 ms/.test(error.message);
    await Promise.all([
      assert.rejects(sink.write([[{ a: 1n }]], signal), isSilent),
      assert.rejects(async () => await lookup.find(["id"], ["k"], "all", signal), isSilent),
      assert.rejects(open(redis, "sink", raw), isSilent),
    ]);
    await sink.close();
    await lookup.close();
    server.process.thaw();
    const again = await open(redis, "sink", raw);
    await again.write([[{ a: 2n }]], signal);
    await again.close();
    assert.equal(server.cli("GET", "k"), '{"a":2}');
  }));

test("redis: an answer that comes late, but in time, is waited for", () =>
  withRedis(async (server) => {
    const sink = await open(redis, "sink", { addr: server.address, key: "l", dataType: "list" });
    server.cli("CLIENT", "PAUSE", "400");
    await sink.write([[{ a: 1n }]], signal);
    await sink.close();
    assert.equal(server.cli("LLEN", "l"), "1");
  }));

test("redisSub: a server that freezes under a silent subscription is found out", () =>
  withRedis(async (server) => {
    const after = (ms: number, callback: () => void) => realClock.after(ms / 50, callback);
    const clock = { ...realClock, after };
    const settings = readSettings(
      redisSub.source!.settings,
      { address: server.address, channels: "a", timeout: "50s" },
      {
        path: "",
        where: "source",
      },
    );
    const source = await redisSub.source!.open(settings, { ...contextOf("sub"), clock });
    const read = source.read(AbortSignal.timeout(20_000));
    read.catch(() => {});
    // Alive, it answers the probes.
    await realClock.sleep(1500);
    server.process.freeze();
    await assert.rejects(read, (error) => error instanceof Disconnected && /no answer within/.test(error.message));
    await source.close();
    server.process.thaw();
  }));

test("redis: answers that are no Redis", async () => {
  for (
    const garbage of [
      "HTTP/1.1 400 Bad Request\r\n\r\n",
      "\xff\xfe\x00garbage\r\n",
      "*99999999\r\n",
      ":1\r\n:2\r\n:3\r\n",
    ]
  ) {
    const server = await startPlain((socket) => void socket.on("data", () => socket.write(garbage)));
    for (const [connector, role, raw] of roles(server.address)) {
      await assert.rejects(
        open(connector, role, { ...raw, timeout: 200 }).then(async (handle) => {
          await handle.close();
          // An integer is a kind of answer; what matters is that nothing hangs or throws elsewhere.
          if (!garbage.startsWith(":")) throw new Error(`opened on ${JSON.stringify(garbage)}`);
          throw new Disconnected("an answer of sorts");
        }),
        (error) => error instanceof Disconnected,
        `${connector.name} ${JSON.stringify(garbage)}`,
      );
    }
    await eventually(() => server.sockets.size === 0);
    await server.close();
  }
});

test("redis: 1,000 connections that break leave no socket behind", () =>
  withRedis(async (server) => {
    const opened: string[] = [];
    for (let i = 0; i < 250; i++) {
      for (const [connector, role, raw] of roles(server.address)) {
        const handle = await open(connector, role, raw);
        opened.push(connector.name);
        await handle.close();
      }
    }
    assert.equal(opened.length, 1000);
    await eventually(() => /connected_clients:1\b/.test(server.cli("INFO", "clients")));
  }));

/** One of each, at an address. */
function roles(address: string): [Connector, "sink" | "lookup" | "source", RawSettings][] {
  return [
    [redis, "sink", { addr: address, key: "k" }],
    [redis, "lookup", { addr: address }],
    [redisSub, "source", { address, channels: ["a"] }],
    [redisPub, "sink", { address, channel: "a" }],
  ];
}

async function startPlain(
  onSocket: (socket: Socket) => void,
): Promise<{ address: string; sockets: Set<Socket>; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    onSocket(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    close: async () => {
      server.close();
      await once(server, "close");
    },
  };
}
