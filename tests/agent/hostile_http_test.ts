/**
 * Clients that mean harm, against an agent that others can reach: it goes on answering, and its rules go on running.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificates } from "../peers/certificates.ts";
import { type Agent, withAgent, withFolder } from "./agent.ts";

const open = { WEIR__auth__mode: "off" };
const everywhere = ["--listen", "0.0.0.0:0"];

const portOf = (agent: Agent): number => Number(new URL(agent.url).port);

const sockets = (count: number, port: number, text: (i: number) => string): Promise<Socket[]> =>
  Promise.all(Array.from({ length: count }, (_, i) =>
    new Promise<Socket>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(text(i), "latin1");
        resolve(socket);
      });
      socket.on("error", () => resolve(socket));
      socket.resume();
    })));

type Ask = (
  method: string,
  path: string,
  body?: unknown,
) => Promise<{ readonly status: number; readonly text: string }>;

async function createRule(ask: Ask): Promise<void> {
  const sql = 'CREATE STREAM ticks () WITH (TYPE="simulator", CONF_KEY="ticks")';
  const settings = { data: [{ n: 1 }], interval: 5, loop: true };
  assert.equal((await ask("PUT", "/metadata/sources/simulator/confKeys/ticks", settings)).status, 200);
  assert.equal((await ask("POST", "/streams", { sql })).status, 201);
  const rule = { id: "r", sql: "SELECT n FROM ticks", actions: [{ nop: {} }] };
  assert.equal((await ask("POST", "/rules", rule)).status, 201);
}

async function sentBy(ask: Ask): Promise<number> {
  return Number(JSON.parse((await ask("GET", "/rules/r/status")).text).sink_nop_0_0_records_out_total ?? 0);
}

/** Each answer within a second, from a connection of its own, while the rule goes on. */
async function assertServes(ask: Ask): Promise<void> {
  const before = await sentBy(ask);
  for (let asked = 0; asked < 10 || await sentBy(ask) <= before; asked++) {
    const begin = performance.now();
    assert.equal((await ask("GET", "/rules")).status, 200);
    const tookMs = performance.now() - begin;
    assert.ok(tookMs < 1_000, `${tookMs} ms`);
    assert.ok(asked < 1_000, "the rule goes on");
  }
}

/** 1,000 that send a little now and then, and 200 new ones a second for those that are closed. */
async function withSlowClients(port: number, text: (i: number) => string, work: () => Promise<void>): Promise<void> {
  const slow = new Set(await sockets(1_000, port, text));
  const dripping = setInterval(() => {
    let begun = 0;
    for (const socket of slow) {
      if (!socket.destroyed) {
        socket.write("x");
        continue;
      }
      if (++begun > 20) continue;
      slow.delete(socket);
      void sockets(1, port, text).then(([next]) => slow.add(next!));
    }
  }, 100);
  try {
    await work();
  } finally {
    clearInterval(dripping);
    for (const socket of slow) socket.destroy();
  }
}

test("a thousand clients that never finish a request keep nobody else out", () =>
  withAgent(async (agent) => {
    await createRule((method, path, body) => agent.call(method, path, body));
    const heads = [
      "",
      "G",
      "GET /rules HTTP/1.1\r\nHost: a\r\nX: ",
      "POST /rules HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n",
    ];
    await withSlowClients(portOf(agent), (i) =>
      heads[i % heads.length]!, () =>
      assertServes((method, path, body) => agent.call(method, path, body)));
  }, { args: everywhere, environment: open }));

test("with TLS neither handshakes nor requests that never end keep anybody else out", () =>
  withFolder(async (folder) => {
    const { ca, serverCert, serverKey } = makeCertificates(folder);
    const config = join(folder, "weir.yaml");
    writeFileSync(config, `tls:\n  certFile: ${serverCert}\n  keyFile: ${serverKey}\n`);
    await withAgent(async (agent) => {
      const pem = readFileSync(ca, "utf8");
      const ask: Ask = (method, path, body) =>
        new Promise((resolve, reject) => {
          const options = { method, ca: pem, agent: new HttpsAgent({ keepAlive: false }) };
          const request = httpsRequest(agent.url.replace("0.0.0.0", "127.0.0.1") + path, options, (response) => {
            let text = "";
            response.on("data", (chunk) => text += chunk);
            response.on("end", () => resolve({ status: response.statusCode!, text }));
          });
          request.on("error", reject);
          request.end(body === undefined ? undefined : JSON.stringify(body));
        });
      await createRule(ask);
      const heads = ["", "\x16\x03\x01\x02\x00\x01", "GET / HTTP/1.1\r\n"];
      await withSlowClients(portOf(agent), (i) => heads[i % heads.length]!, () => assertServes(ask));
    }, { args: [...everywhere, "--config", config], environment: open });
  }));

test("a tap of an agent that others can reach streams, and ends when the agent does", () =>
  withAgent(async (agent) => {
    await createRule((method, path, body) => agent.call(method, path, body));
    const response = await fetch(`${agent.url}/api/v1/rules/r/tap`);
    assert.equal(response.status, 200);
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = "";
    while (!text.includes('data: {"n":1}')) text += decoder.decode((await reader.read()).value, { stream: true });
    const ended = agent.end();
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) text += decoder.decode(chunk.value);
    assert.match(text, /event: end/);
    assert.equal(await ended, 0);
  }, { args: everywhere, environment: open }));

/** Small, and the same for each seed on every engine. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

const paths = [
  "/",
  "/rules",
  "/streams",
  "/api/v1/state/x",
  "/data/import",
  "/config/uploads",
  "/rules/validate",
  "/configs",
];
const methods = [
  "GET",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "HEAD",
  "OPTIONS",
  "TRACE",
  "CONNECT",
  "BREW",
  "get",
  "P\u0000T",
];

/** A request that is wrong somewhere, or nowhere. */
function hostileRequest(random: (below: number) => number): string {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)]!;
  const noise = (length: number) => String.fromCharCode(...Array.from({ length }, () => random(256)));
  const bodies = [
    () => "{",
    () => "[".repeat(random(100_000)),
    () => '{"a":'.repeat(50_000) + "1" + "}".repeat(50_000),
    () => `{"id":"${noise(20)}","sql":"SELECT ${"(".repeat(random(2_000))}","actions":[{"log":{}}]}`,
    () => `{"sql":"CREATE STREAM ${noise(5)} () WITH (TYPE=\\"${noise(5)}\\")"}`,
    () => noise(random(5_000)),
    () => "x".repeat(random(200_000)),
    () => "",
  ];
  const body = pick(bodies)();
  const framing = pick([
    () => `Content-Length: ${body.length}\r\n\r\n${body}`,
    () => `Content-Length: ${body.length + 1 + random(1_000)}\r\n\r\n${body}`,
    () => `Content-Length: ${random(body.length + 1)}\r\n\r\n${body}`,
    () => `Content-Length: ${pick(["-1", "1e3", "0x10", "99999999999999999999", "5, 5", ""])}\r\n\r\n${body}`,
    () => `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    () => `Transfer-Encoding: chunked\r\n\r\n${pick(["zz", "-1", "fffffffffffffffff", ""])}\r\n${body}\r\n0\r\n\r\n`,
    () => `Transfer-Encoding: ${pick(["chunked, chunked", "gzip", "identity, chunked", noise(5)])}\r\n\r\n0\r\n\r\n`,
    () => `Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
    () => `Expect: ${pick(["100-continue", "nothing"])}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    () => "\r\n",
    () => "",
  ])();
  const headers = pick([
    () => "",
    () => `Host: ${noise(10)}\r\n`,
    () => `X: ${"y".repeat(random(40_000))}\r\n`,
    () => Array.from({ length: random(3_000) }, (_, i) => `X${i}: 1\r\n`).join(""),
    () => `${noise(30)}\r\n`,
    () => `Authorization: ${pick(["Basic", "Bearer", "Basic \u0000", "Bearer weir_a_b", noise(50)])}\r\n`,
    () => "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    () => "Content-Type: multipart/form-data; boundary=a\r\n",
    () => "Accept-Encoding: gzip\r\nRange: bytes=0-\r\nIf-None-Match: *\r\n",
  ])();
  const line = pick([
    () => `${pick(methods)} ${pick(paths)} HTTP/1.1`,
    () => `${pick(methods)} ${pick(paths)}${noise(10)} HTTP/1.1`,
    () => `${pick(methods)} ${pick(paths)}?${"a=%ff&".repeat(random(4_000))} HTTP/1.1`,
    () => `${pick(methods)} http://${noise(5)}/ HTTP/1.1`,
    () => `GET ${pick(paths)} HTTP/${pick(["1.0", "0.9", "2.0", "9.9", ""])}`,
    () => noise(random(200)),
    () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ])();
  return `${line}\r\n${random(4) === 0 ? "" : "Host: a\r\n"}${headers}${framing}`;
}

/** Sends, perhaps in pieces, and goes: at once, half, or after what comes back. */
function misbehave(port: number, random: (below: number) => number): Promise<void> {
  return new Promise((resolve) => {
    const text = Array.from({ length: 1 + random(4) }, () => hostileRequest(random)).join("");
    const end = random(4);
    const cut = random(text.length + 1);
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
      if (end === 0) {
        socket.write(text.slice(0, cut), "latin1");
        setImmediate(() => socket.destroy());
      } else if (end === 1) socket.end(text.slice(0, cut), "latin1");
      else {
        socket.write(text.slice(0, cut), "latin1");
        setImmediate(() => socket.write(text.slice(cut), "latin1"));
      }
    });
    const patience = setTimeout(() => socket.destroy(), 100);
    socket.on("data", () => {});
    socket.on("end", () => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(patience);
      resolve();
    });
  });
}

for (const [where, args] of [["loopback", []], ["every address", everywhere]] as const) {
  test(`whatever is sent instead of HTTP to an agent on ${where}, it lives and answers`, () =>
    withAgent(async (agent) => {
      const ask: Ask = (method, path, body) => agent.call(method, path, body);
      await createRule(ask);
      for (let seed = 1; seed <= 40; seed++) {
        const random = randomOf(seed);
        const all = Array.from({ length: 10 }, () => misbehave(portOf(agent), random));
        await Promise.all(all);
        assert.equal((await ask("GET", "/ping")).status, 200, `seed ${seed}`);
      }
      // Nobody can have known its name.
      assert.equal((await ask("GET", "/rules/r")).status, 200);
      await assertServes(ask);
      assert.doesNotMatch(agent.output().stderr, /failed unexpectedly/);
    }, { args: [...args], environment: open }));
}
