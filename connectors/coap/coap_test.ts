import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { PayloadSink } from "../../src/connector/sink.ts";
import type { PayloadBatch, Source } from "../../src/connector/source.ts";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { eventually } from "../../tests/eventually.ts";
import { coapClient, freeUdpPort, startCoapServer } from "../../tests/peers/coap.ts";
import { connectionSettings, LazyEndpoint } from "./connection.ts";
import { type Content, Endpoint, type Incoming } from "./endpoint.ts";
import { startLossyLink } from "./lossy_link.ts";
import { coap } from "./mod.ts";
import { codeOf, codeText } from "./protocol/message.ts";
import { optionNumbers, textsOf, uintOf, uintOption } from "./protocol/options.ts";
import { CoapServer } from "./server.ts";

const encoder = new TextEncoder();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const signal = () => AbortSignal.timeout(30_000);
const quick = { ackTimeout: 100, maxRetransmit: 2 };

// Devices are runs of libcoap's client. Its server keeps the last message only, so that of the sink is our own.
conformance(coap, {
  losesConnection: true,
  source: async () => {
    const port = await freeUdpPort();
    let sending = Promise.resolve();
    let isOpen = true;
    return {
      connection: { listen: `127.0.0.1:${port}` },
      settings: () => ({ mode: "server", datasource: "conformance" }),
      // A device waits for its answer, which comes when the batch is acknowledged.
      send: (values) => {
        for (const n of values) {
          sending = sending.then(async () => {
            if (!isOpen) return;
            await coapClient(["-m", "post", "-B", "2", "-e", `{"n":${n}}`, `coap://127.0.0.1:${port}/conformance`]);
          });
        }
      },
      // There is nothing to lose.
      cut: () => Promise.resolve(),
      close: () => {
        isOpen = false;
        return sending;
      },
    };
  },
  sink: async () => {
    const port = await freeUdpPort();
    const received: number[] = [];
    const start = () => {
      const endpoint = new Endpoint({
        listen: { address: "127.0.0.1", port },
        ackTimeoutMs: 2000,
        maxRetransmit: 4,
      }, { clock: realClock, log: recordingLogger([]) });
      new CoapServer(endpoint, realClock).add({
        path: "in",
        take: ({ payload, done }) => {
          received.push((JSON.parse(text(payload)) as { n: number }).n);
          done("taken");
        },
      });
      return endpoint;
    };
    let endpoint = start();
    await endpoint.listen();
    return {
      connection: quick,
      settings: { uri: `coap://127.0.0.1:${port}/in` },
      received: () => received,
      cut: async () => {
        await endpoint.close();
        endpoint = start();
        await endpoint.listen();
      },
      close: () => endpoint.close(),
    };
  },
});

interface World {
  readonly logged: LogFields[];
  readonly states: string[];
  source(raw: Record<string, unknown>, connection?: Record<string, unknown>): Promise<Source>;
  sink(raw: Record<string, unknown>, connection?: Record<string, unknown>): Promise<PayloadSink>;
}

async function withCoap(work: (world: World) => Promise<void>): Promise<void> {
  const logged: LogFields[] = [];
  const states: string[] = [];
  const open: { close(): Promise<void> }[] = [];
  const status = (state: string) => void states.push(state);
  const context = { name: "test", clock: realClock, log: recordingLogger(logged), status };
  const opened = async (role: "source" | "sink", raw: Record<string, unknown>, own: Record<string, unknown> = {}) => {
    const place = { path: "", where: `coap ${role}` };
    const connection = new LazyEndpoint(readSettings(connectionSettings, { ...quick, ...own }, place), context);
    const settings = readSettings(coap[role]!.settings, raw, place);
    coap[role]!.check?.(settings, {});
    const handle = await coap[role]!.open(settings, { ...context, connection });
    open.push(handle, connection);
    return handle;
  };
  try {
    await work({
      logged,
      states,
      source: async (raw, own) => await opened("source", raw, own) as Source,
      sink: async (raw, own) => await opened("sink", raw, own) as PayloadSink,
    });
  } finally {
    for (const each of open) await each.close();
  }
}

/** A server that answers every request as the test says. */
async function withDevice(
  answer: (incoming: Incoming) => Content | undefined,
  work: (url: string, device: Endpoint) => Promise<void>,
): Promise<void> {
  const device = new Endpoint({
    listen: { address: "127.0.0.1", port: 0 },
    ackTimeoutMs: 100,
    maxRetransmit: 4,
  }, { clock: realClock, log: recordingLogger([]) });
  device.serve((incoming) => {
    const content = answer(incoming);
    if (content !== undefined) incoming.respond(content);
  });
  try {
    await work(`coap://127.0.0.1:${await device.port()}`, device);
  } finally {
    await device.close();
  }
}

function content(code: string, payload: string = "", options: Content["options"] = []): Content {
  return { code: codeOf(code), options, payload: encoder.encode(payload) };
}

async function textsFrom(source: Source): Promise<string[]> {
  const batch = await source.read(signal()) as PayloadBatch;
  batch.ack?.();
  return batch.payloads.map((payload) => text(payload as Uint8Array));
}

test("a resource of libcoap is observed: its changes come as they happen", async () => {
  const server = await startCoapServer();
  try {
    await withCoap(async ({ source, states }) => {
      const observed = await source({ uri: server.url, datasource: "example_data" });
      assert.match((await textsFrom(observed))[0]!, /^a123456789/);
      assert.equal(states.at(-1), "connected");
      for (const value of ["21.5", "22", "x".repeat(5000)]) {
        await coapClient(["-m", "put", "-f", "-", `${server.url}/example_data`], value);
        assert.deepEqual(await textsFrom(observed), [value]);
      }
      // The server forgets an observer that says goodbye.
      await observed.close();
      await eventually(() => /Observe:1/.test(server.process.log));
    });
  } finally {
    await server.stop();
  }
});

test("a resource of libcoap is polled, with several blocks", async () => {
  const server = await startCoapServer();
  try {
    await withCoap(async ({ source }) => {
      const polled = await source({ mode: "poll", uri: `${server.url}/example_data`, interval: 10 }, { blockSize: 64 });
      for (let i = 0; i < 3; i++) {
        const [whole] = await textsFrom(polled);
        assert.equal(whole!.length, 1500);
        assert.match(whole!, /^a1234.*56789$/);
      }
      const batch = await polled.read(signal());
      assert.equal(batch.meta!(0)?.code, "2.05");
      const missing = await source({ mode: "poll", uri: `${server.url}/nothing` });
      await assert.rejects(
        missing.read(signal()),
        (error) => error instanceof Disconnected && /4\.04/.test(error.message),
      );
    });
  } finally {
    await server.stop();
  }
});

test("an observation is taken up again with a server that was dead, and one that has forgotten it", async () => {
  const server = await startCoapServer();
  try {
    await withCoap(async ({ source }) => {
      const observed = await source({ uri: `${server.url}/example_data`, refresh: "300ms" });
      await textsFrom(observed);
      await coapClient(["-m", "put", "-e", "before", `${server.url}/example_data`]);
      assert.deepEqual(await textsFrom(observed), ["before"]);
      // Restarted quickly, it knows no observer any more.
      await server.process.kill();
      await server.process.start();
      assert.match((await textsFrom(observed))[0]!, /^a123456789/);
      await coapClient(["-m", "put", "-e", "after", `${server.url}/example_data`]);
      assert.deepEqual(await textsFrom(observed), ["after"]);
      // Nothing new has happened when it is only asked again.
      const silent = AbortSignal.timeout(1000);
      await assert.rejects(observed.read(silent), (error) => error === silent.reason);
      server.process.freeze();
      await assert.rejects(observed.read(signal()), /does not answer/);
      server.process.thaw();
    });
  } finally {
    await server.stop();
  }
});

test("notifications out of order are left out, and a server without observation is polled", async () => {
  let observer: Incoming | undefined;
  const answer = (incoming: Incoming) => {
    const isPlain = textsOf(incoming.message, optionNumbers.uriPath)[0] === "plain";
    if (!isPlain) observer ??= incoming;
    return content("2.05", "0", isPlain ? [] : [uintOption(optionNumbers.observe, 2 ** 24 - 2)]);
  };
  await withDevice(answer, (url, device) =>
    withCoap(async ({ source }) => {
      const observed = await source({ uri: url, datasource: "counted" });
      assert.deepEqual(await textsFrom(observed), ["0"]);
      const { from, message } = observer!;
      const notify = async (number: number, code = "2.05") => {
        const options = [uintOption(optionNumbers.observe, number)];
        await device.send(from, { ...content(code, String(number), options), token: message.token }, true);
        await eventually(() => device.isIdle);
      };
      // The numbers go round, and the third is an old one.
      for (const number of [2 ** 24 - 1, 3, 2, 4]) await notify(number);
      const got: string[] = [];
      while (got.length < 3) got.push(...await textsFrom(observed));
      assert.deepEqual(got, [String(2 ** 24 - 1), "3", "4"]);
      await notify(5, "4.04");
      await assert.rejects(observed.read(signal()), /observation has ended: 4\.04/);
      const plain = await source({ uri: `${url}/plain`, interval: 20 });
      for (let i = 0; i < 3; i++) assert.deepEqual(await textsFrom(plain), ["0"]);
    }));
});

test("notifications beyond what waits for a read are left to the server", async () => {
  let observer: Incoming | undefined;
  const answer = (incoming: Incoming) => {
    observer ??= incoming;
    return content("2.05", "first", [uintOption(optionNumbers.observe, 1)]);
  };
  await withDevice(answer, (url, device) =>
    withCoap(async ({ source }) => {
      const observed = await source({ uri: url });
      // Nobody acknowledges this batch.
      await observed.read(signal());
      const { from, message } = observer!;
      // Far more than are kept: on a busy machine the system throws many of them away.
      for (let number = 2; number < 6000; number++) {
        const options = [uintOption(optionNumbers.observe, number)];
        await device.send(from, { ...content("2.05", String(number), options), token: message.token }, false);
        if (number % 25 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      let count = 0;
      while (count < 999) count += (await observed.read(signal()) as PayloadBatch).payloads.length;
      assert.equal(count, 999, "with the first one 1000");
      const silent = AbortSignal.timeout(200);
      await assert.rejects(observed.read(silent), (error) => error === silent.reason);
    }));
});

test("a device is answered when its message is taken, with 5.03 when it cannot be, and once for all copies", () =>
  withCoap(async ({ source }) => {
    const port = await freeUdpPort();
    const server = await source({ mode: "server", datasource: "/telemetry/+" }, { listen: `127.0.0.1:${port}` });
    const link = await startLossyLink(port);
    try {
      const device = coapClient([
        "-m",
        "post",
        "-e",
        "1",
        "-B",
        "10",
        `coap://127.0.0.1:${link.port}/telemetry/a?unit=C`,
      ]);
      const batch = await server.read(signal()) as PayloadBatch;
      assert.deepEqual(batch.payloads.map((payload) => text(payload as Uint8Array)), ["1"]);
      const { from, ...meta } = batch.meta!(0)!;
      assert.deepEqual(meta, { path: "telemetry/a", method: "POST", query: ["unit=C"] });
      assert.match(String(from), /^127\.0\.0\.1:\d+$/);
      // An empty acknowledgement at first, for it takes a while.
      await eventually(() => link.seen.length >= 2);
      assert.deepEqual([link.seen[1]!.message.type, link.seen[1]!.message.code], ["ACK", 0]);
      batch.ack!();
      await device;
      assert.equal(
        codeText(link.seen.find(({ way, message }) => way === "back" && message.code !== 0)!.message.code),
        "2.04",
      );
      for (
        const [args, reason] of [
          [["-m", "get", "telemetry/a"], "4.05"],
          [["-m", "put", "-e", "1", "other"], "4.04"],
          [["-m", "put", "-e", "1", "-O", "9999,x", "telemetry/a"], "4.02"],
        ] as const
      ) {
        const url = `coap://127.0.0.1:${port}/${args.at(-1)}`;
        assert.match((await coapClient([...args.slice(0, -1), url])).stderr, new RegExp(`^${reason}`));
      }
      // What nobody has acknowledged when the rule stops must come again.
      const left = coapClient(["-m", "put", "-e", "2", "-B", "10", `coap://127.0.0.1:${port}/telemetry/b`]);
      await server.read(signal());
      await server.close();
      assert.match((await left).stderr, /^5\.03/);
    } finally {
      await link.close();
    }
  }));

test("payloads of libcoap's clients come in blocks of any size", () =>
  withCoap(async ({ source }) => {
    const port = await freeUdpPort();
    const server = await source({ mode: "server", datasource: "#" }, { listen: `127.0.0.1:${port}` });
    const got: string[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      while (!stop.signal.aborted) {
        const batch = await server.read(stop.signal) as PayloadBatch;
        got.push(...batch.payloads.map((payload) => text(payload as Uint8Array)));
        batch.ack!();
      }
    })().catch(() => {});
    const sent: string[] = [];
    for (const size of [16, 256, 1024]) {
      const value = "v".repeat(size * 5 + 3);
      sent.push(value);
      const { stderr } = await coapClient(
        ["-m", "put", "-b", String(size), "-f", "-", `coap://127.0.0.1:${port}/a`],
        value,
      );
      assert.equal(stderr, "");
    }
    assert.deepEqual(got, sent);
    stop.abort(new Error("done"));
    await reading;
  }));

test("a sink writes to libcoap, goes on where a server that was dead failed, and says what the server refuses", async () => {
  const server = await startCoapServer({ resources: 1 });
  const get = async (path: string) => (await coapClient(["-m", "get", `${server.url}/${path}`])).stdout.trimEnd();
  try {
    await withCoap(async ({ sink }) => {
      const put = await sink({ uri: `${server.url}/state`, method: "put" });
      await put.write(['{"a":1}'], signal());
      assert.equal(await get("state"), '{"a":1}');
      await put.write(["y".repeat(3000)], signal());
      assert.equal((await get("state")).length, 3000);
      // A template names another resource for each message; no more than one can be made.
      const batch = ["1", "2", "3", "4"];
      const settings = ["state", "second", "state?x=1", "coaps"].map((path) => ({
        uri: path === "coaps" ? "coaps://127.0.0.1/x" : `${server.url}/${path}`,
      }));
      await assert.rejects(put.write(batch, signal(), undefined, settings), (error) => {
        assert.ok(error instanceof ItemsFailed);
        assert.deepEqual([...error.failed.keys()], [1, 3]);
        assert.match(error.failed.get(1)!, /^4\.06 not acceptable/);
        assert.match(error.failed.get(3)!, /coaps are not supported/);
        return true;
      });
      assert.equal(await get("state"), "3");
      await server.process.kill();
      await assert.rejects(put.write(["5"], signal()), Disconnected);
      await server.process.start();
      await put.write(["6"], signal());
      assert.equal(await get("state"), "6");
      server.process.freeze();
      await assert.rejects(put.write(["7"], signal()), /does not answer/);
      server.process.thaw();
      const sent = await sink({ uri: `${server.url}/state`, method: "PUT", confirmable: false });
      await sent.write(["8"], signal());
      await eventually(() => /c:PUT.*\n?.*'8'/.test(server.process.log) || server.process.log.includes("'8'"));
      const remove = await sink({ uri: `${server.url}/state`, method: "delete" });
      await remove.write(["ignored"], signal());
      assert.equal(await get("state"), "");
    });
  } finally {
    await server.stop();
  }
});

test("a libcoap server that loses a third of what it sends gets every message, and is read in blocks", async () => {
  const server = await startCoapServer({ args: ["-l", "30%"] });
  const patient = { ackTimeout: 20, maxRetransmit: 12, blockSize: 256 };
  try {
    await withCoap(async ({ sink, source }) => {
      const put = await sink({ uri: `${server.url}/state`, method: "PUT" }, patient);
      for (let n = 0; n < 15; n++) await put.write([`v${n}`], signal());
      const puts = () => [...server.process.log.matchAll(/c:PUT .*:: '(v\d+)'/g)].map(([, value]) => value!);
      await eventually(() => puts().includes("v14"));
      assert.deepEqual([...new Set(puts())], Array.from({ length: 15 }, (_, n) => `v${n}`));
      const polled = await source({ mode: "poll", uri: `${server.url}/example_data` }, patient);
      assert.equal((await textsFrom(polled))[0]!.length, 1500);
    });
  } finally {
    await server.stop();
  }
});

test("what a server answers decides whether a message is tried again", async () => {
  const answers: Readonly<Record<string, Content>> = {
    busy: content("5.03", "", [uintOption(optionNumbers.maxAge, 7)]),
    limit: content("4.29", "slow down", [uintOption(optionNumbers.maxAge, 3)]),
    broken: content("5.00", "panic"),
    never: content("5.01"),
    bad: content("4.00", "no such field"),
  };
  const formats: (number | undefined)[] = [];
  const answer = ({ message }: Incoming) => {
    formats.push(uintOf(message, optionNumbers.contentFormat));
    return answers[textsOf(message, optionNumbers.uriPath)[0]!];
  };
  await withDevice(answer, (url) =>
    withCoap(async ({ sink }) => {
      for (const [path, ms] of [["busy", 7000], ["limit", 3000], ["broken", 2000]] as const) {
        const post = await sink({ uri: `${url}/${path}` });
        await assert.rejects(post.write(["1"], signal()), (error) => error instanceof RetryLater && error.ms === ms);
      }
      for (const [path, reason] of [["never", "5.01 not implemented"], ["bad", "4.00 bad request: no such field"]]) {
        const post = await sink({ uri: `${url}/${path}`, contentFormat: "application/cbor" });
        await assert.rejects(post.write(["1"], signal()), (error) =>
          error instanceof ItemsFailed && error.failed.get(0) === reason);
      }
      assert.deepEqual(formats, [50, 50, 50, 60, 60]);
    }));
});

test("settings that can never work are refused", async () => {
  const refused = async (role: "source" | "sink", raw: Record<string, unknown>, code: string, message: RegExp) => {
    await withCoap(async (world) => {
      await assert.rejects(world[role](raw), (error) => {
        assert.ok(error instanceof DiagnosticError, String(error));
        assert.equal(error.diagnostics[0]!.code, code);
        assert.match(error.message, message);
        return true;
      });
    });
  };
  await refused("source", {}, "E404", /needs a "uri"/);
  await refused("source", { uri: "coaps://device/x" }, "E408", /coaps are not supported/);
  await refused("source", { uri: "http://device/x" }, "E403", /wanted coap:/);
  await refused("source", { uri: "coap://device", method: "POST" }, "E403", /Only GET/);
  await refused("source", { mode: "server", datasource: "a" }, "E404", /"listen"/);
  await refused("source", { mode: "server", uri: "coap://a" }, "E403", /listen/);
  await refused("source", { mode: "server", datasource: "a/#/b" }, "E403", /alone at the end/);
  await refused("sink", { uri: "coap+tcp://device/x" }, "E408", /coap\+tcp/);
  await refused("sink", { uri: "coap://device/x", contentFormat: "json" }, "E403", /application\/json/);
});

test("a port that is taken is Disconnected, and used as soon as it is free", async () => {
  const port = await freeUdpPort();
  const listen = `127.0.0.1:${port}`;
  await withCoap(async ({ source }) => {
    const other = new Endpoint({ listen: { address: "127.0.0.1", port }, ackTimeoutMs: 1, maxRetransmit: 1 }, {
      clock: realClock,
      log: recordingLogger([]),
    });
    await other.listen();
    const raw = { mode: "server", datasource: "a" };
    await assert.rejects(
      source(raw, { listen }),
      (error) => error instanceof Disconnected && /EADDRINUSE/.test(error.message),
    );
    await other.close();
    await source(raw, { listen });
  });
});

test("a thousand observers that come and go leave no sockets behind", async () => {
  const server = await startCoapServer();
  const sockets = () => readdirSync("/proc/self/fd").length;
  try {
    await withCoap(async ({ source }) => {
      await textsFrom(await source({ uri: `${server.url}/time` }));
    });
    const before = sockets();
    for (let i = 0; i < 1000; i++) {
      await withCoap(async ({ source }) => {
        await textsFrom(await source({ uri: `${server.url}/time` }));
      });
    }
    await eventually(() => sockets() <= before + 2);
  } finally {
    await server.stop();
  }
});
