import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { realClock, recordingLogger } from "../../src/connector/conformance.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { eventually } from "../../tests/eventually.ts";
import { type Content, Endpoint, type Incoming, type Peer } from "./endpoint.ts";
import { lose, type LossyLink, pass, startLossyLink } from "./lossy_link.ts";
import { codeOf, codeText } from "./protocol/message.ts";
import { request, type RequestOptions } from "./request.ts";
import { CoapServer } from "./server.ts";

const encoder = new TextEncoder();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function content(code: string, payload = "", options: Content["options"] = []): Content {
  return { code: codeOf(code), options, payload: encoder.encode(payload) };
}

interface World {
  readonly server: Endpoint;
  readonly client: Endpoint;
  readonly peer: Peer;
  readonly link: LossyLink;
  readonly options: RequestOptions;
}

/** A client and a server with a way between them; both wait 30 ms for acknowledgements at first. */
async function withLink(work: (world: World) => Promise<void>): Promise<void> {
  const context = { clock: realClock, log: recordingLogger([]) };
  const common = { ackTimeoutMs: 30, maxRetransmit: 4 };
  const server = new Endpoint({ ...common, listen: { address: "127.0.0.1", port: 0 } }, context);
  const client = new Endpoint({ ...common, listen: undefined }, context);
  const link = await startLossyLink((await server.port())!);
  const peer = { address: "127.0.0.1", port: link.port };
  const options = { confirmable: true, timeoutMs: 20_000, signal: AbortSignal.timeout(30_000), blockSize: 64 };
  try {
    await work({ server, client, peer, link, options });
  } finally {
    await client.close();
    await server.close();
    await link.close();
  }
}

test("a response comes with the acknowledgement, or by itself when it takes longer", () =>
  withLink(async ({ server, client, peer, link, options }) => {
    server.serve(({ message, respond }) => {
      const answer = () => respond({ ...content("2.05"), payload: message.payload });
      if (text(message.payload) === "slow") realClock.after(100, answer);
      else answer();
    });
    const quick = await client.request(peer, content("0.02", "quick"), options);
    assert.deepEqual([quick.type, text(quick.payload)], ["ACK", "quick"]);
    const slow = await client.request(peer, content("0.02", "slow"), options);
    assert.deepEqual([slow.type, text(slow.payload)], ["CON", "slow"]);
    // It is acknowledged, so it is not sent again.
    await eventually(() => link.seen.at(-1)!.message.type === "ACK" && link.seen.at(-1)!.way === "there");
  }));

test("a request is sent again with growing pauses until it is answered, and has its effect once", () =>
  withLink(async ({ server, client, peer, link, options }) => {
    let served = 0;
    server.serve(({ respond }) => {
      served++;
      respond(content("2.04", String(served)));
    });
    let lost = 0;
    const times: number[] = [];
    // Two requests get lost, then two answers.
    link.fate = (_message, _bytes, way) => {
      if (way === "there") times.push(performance.now());
      if (lost < 2 || way === "back" && lost < 4) {
        lost++;
        return lose;
      }
      return pass;
    };
    const response = await client.request(peer, content("0.03", "x"), options);
    assert.equal(text(response.payload), "1");
    assert.equal(served, 1);
    assert.equal(times.length, 5);
    assert.equal(new Set(link.seen.map(({ message }) => message.id)).size, 1, "the same message each time");
    const pauses = times.slice(1).map((time, i) => time - times[i]!);
    assert.ok(pauses[3]! > pauses[0]! * 2, `${pauses}`);
  }));

test("a peer that is away is Disconnected after all tries, one that rejects at once", () =>
  withLink(async ({ server, client, peer, link, options }) => {
    link.fate = () => lose;
    const begin = performance.now();
    await assert.rejects(client.request(peer, content("0.01"), options), (error) => {
      return error instanceof Disconnected && /does not answer: tried 5 times/.test(error.message);
    });
    // 30 ms doubled four times, each up to half as long again.
    assert.ok(performance.now() - begin > 30 * 31 - 50);
    assert.equal(link.seen.length, 5);
    link.fate = () => pass;
    server.serve(undefined);
    await assert.rejects(client.request(peer, content("0.01"), options), /rejects the message/);
    assert.ok(client.isIdle);
  }));

test("a response that never comes behind its acknowledgement is waited for until the time-out", () =>
  withLink(async ({ server, client, peer, options }) => {
    server.serve(() => {});
    const waiting = client.request(peer, content("0.01"), { ...options, timeoutMs: 50 });
    await assert.rejects(waiting, /gives no response within 50 ms/);
    const stop = new AbortController();
    const aborted = client.request(peer, content("0.01"), { ...options, signal: stop.signal });
    const reason = new Error("enough");
    setTimeout(() => stop.abort(reason), 20);
    await assert.rejects(aborted, (error) => error === reason);
    const closed = client.request(peer, content("0.01"), options);
    closed.catch(() => {});
    await client.close();
    await assert.rejects(closed, /closed/);
    await assert.rejects(client.request(peer, content("0.01"), options), Disconnected);
  }));

test("responses of others, or with another token, are not taken", () =>
  withLink(async ({ server, client, peer, link, options }) => {
    server.serve(({ respond }) => respond(content("2.05", "right")));
    let forged = 0;
    link.fate = (message, bytes, way) => {
      if (way === "there" || message.code === 0) return pass;
      const other = Uint8Array.from(bytes);
      other[4]! ^= 1;
      forged++;
      return [{ bytes: other }, { delayMs: 30 }];
    };
    const response = await client.request(peer, content("0.01"), options);
    assert.equal(text(response.payload), "right");
    assert.ok(forged > 0);
  }));

test("pings are answered, noise is not, and what nobody asked for is rejected", () =>
  withLink(async ({ server, options: _ }) => {
    const port = (await server.port())!;
    const socket = createSocket("udp4");
    const got: string[] = [];
    socket.on("message", (bytes) => got.push(bytes.toString("hex")));
    const random = new SeededRandom(1);
    for (let i = 0; i < 2000; i++) {
      socket.send(Uint8Array.from({ length: random.below(60) }, () => random.below(256) & ~0x40), port, "127.0.0.1");
      if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    // A response without a request, of an observer that is gone, and a ping.
    socket.send(Uint8Array.of(0x41, 0x45, 0, 1, 9), port, "127.0.0.1");
    socket.send(Uint8Array.of(0x51, 0x45, 0, 2, 9, 0x61, 5), port, "127.0.0.1");
    socket.send(Uint8Array.of(0x40, 0, 0, 3), port, "127.0.0.1");
    await eventually(() => got.length >= 3);
    assert.deepEqual(got.sort(), ["70000001", "70000002", "70000003"]);
    socket.close();
    await once(socket, "close");
  }));

test("payloads of any size go both ways over a link that loses, doubles and delays a third of all datagrams", () =>
  withLink(async ({ server, client, peer, link, options }) => {
    const writes: string[] = [];
    const resources = new CoapServer(server, realClock);
    resources.add({
      path: "big",
      take: ({ payload, done }) => {
        writes.push(text(payload));
        done("taken");
      },
    });
    const random = new SeededRandom(7959);
    link.fate = () => [lose, [{}, {}], [{ delayMs: 40 }], pass, pass, pass][random.below(6)]!;
    const path: Content["options"] = [[11, encoder.encode("big")]];
    const texts = Array.from({ length: 12 }, (_, i) => String(i).repeat(1 + random.below(300)));
    for (const each of texts) {
      const response = await request(client, peer, content("0.03", each, path), options);
      assert.equal(codeText(response.code), "2.04");
    }
    assert.deepEqual(writes, texts, "each once and in order");
  }));

test("a reader that has no room lets its peer try again", () =>
  withLink(async ({ server, client, peer, options }) => {
    let asked: Incoming | undefined;
    server.serve((incoming) => {
      asked = incoming;
      incoming.respond({ ...content("2.05", "0"), options: [[6, Uint8Array.of(1)]] });
    });
    const got: string[] = [];
    let room = 0;
    const follow = (message: { readonly payload: Uint8Array }) => {
      if (got.length >= room) return false;
      got.push(text(message.payload));
      return true;
    };
    const token = client.newToken();
    await client.request(peer, content("0.01"), { ...options, token, follow });
    const { from, message } = asked!;
    await server.send(from, { ...content("2.05", "1"), options: [[6, Uint8Array.of(2)]], token: message.token }, true);
    realClock.after(100, () => room = 1);
    await eventually(() => got.length === 1);
    await eventually(() => server.isIdle);
    client.forget(token);
    await server.send(from, { ...content("2.05", "2"), options: [[6, Uint8Array.of(3)]], token: message.token }, true);
    // Rejected, so nothing is tried again.
    await eventually(() => server.isIdle);
    assert.deepEqual(got, ["1"]);
  }));
