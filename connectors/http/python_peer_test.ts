/** Client and connectors against an HTTP server and a TLS that others have written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { PayloadSink } from "../../src/connector/sink.ts";
import { type PythonHttp, type PythonHttpOptions, startPythonHttp } from "../../tests/peers/python_http.ts";
import { sourceSettings } from "../httppull/mod.ts";
import { PullSource } from "../httppull/source.ts";
import { methods, sinkSettings } from "../rest/mod.ts";
import { openRest } from "../rest/sink.ts";

const { signal } = new AbortController();
const context = {
  name: "t",
  clock: realClock,
  log: recordingLogger([]),
  status: () => {},
} as unknown as OpenContext;

async function withPython(options: PythonHttpOptions, work: (server: PythonHttp) => Promise<void>): Promise<void> {
  const server = await startPythonHttp(options);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

function open(raw: Record<string, unknown>): Promise<PayloadSink> {
  return openRest(readSettings(sinkSettings, { method: "POST", ...raw }, { path: "", where: "" }), context);
}

function pull(raw: Record<string, unknown>): PullSource {
  return new PullSource(readSettings(sourceSettings, { interval: 1, ...raw }, { path: "", where: "" }), context);
}

for (const protocol of ["HTTP/1.0", "HTTP/1.1"] as const) {
  for (const tls of [undefined, "server"] as const) {
    test(`rest and httppull speak ${protocol}${tls === undefined ? "" : " over TLS"} with Python's server`, () =>
      withPython({ protocol, ...(tls === undefined ? {} : { tls }) }, async (server) => {
        const { url, certificates: { ca: rootCaPath } } = server;
        for (const method of methods) {
          const sink = await open({
            url: `${url}/${method}`,
            method,
            bodyType: method === "HEAD" ? "none" : "json",
            rootCaPath,
          });
          await sink.write(["{}", "[1]"], signal);
          await sink.close();
        }
        const source = pull({ url, datasource: "/{{.n}}", states: { n: 0 }, rootCaPath });
        for (const n of [13, 14, 15]) {
          const { payloads: [payload] } = await source.read(signal);
          assert.equal(new TextDecoder().decode(payload as Uint8Array), `{"n": ${n}}`);
        }
        await source.close();
        const expected = methods.flatMap((method) => [[method, "{}"], [method, "[1]"]]).map(([method, body]) => ({
          method,
          path: `/${method}`,
          body: method === "HEAD" ? "" : body,
          client: false,
        }));
        assert.deepEqual(server.requests(), [
          ...expected,
          ...["/0", "/13", "/14"].map((path) => ({ method: "GET", path, body: "", client: false })),
        ]);
      }));
  }
}

test("rest trusts the authority that it is told to, and no other", () =>
  withPython({ tls: "server" }, async (server) => {
    const { url, certificates: { ca, otherCa } } = server;
    const refused = async (raw: Record<string, unknown>, message: RegExp) => {
      await assert.rejects(open({ url, ...raw }), (error) => {
        assert.ok(error instanceof Disconnected, String(error));
        assert.match(error.message, message);
        return true;
      });
    };
    await refused({}, /certificate|issuer|self.signed|verify/i);
    await refused({ rootCaPath: otherCa }, /certificate|issuer|verify/i);
    await refused({ rootCaPath: ca, serverName: "plant.example" }, /certificate|altnames|name|host/i);
    for (const raw of [{ rootCaPath: ca }, { insecureSkipVerify: true }, { rootCaPath: ca, serverName: "localhost" }]) {
      const sink = await open({ url, ...raw });
      await sink.write(["{}"], signal);
      await sink.close();
    }
    assert.equal(server.requests().length, 3);
  }));

test("rest shows its certificate to a server that asks for one", () =>
  withPython({ tls: "mutual" }, async (server) => {
    const { url, certificates: { ca: rootCaPath, clientCert, clientKey } } = server;
    const sink = await open({ url, rootCaPath, certificationPath: clientCert, privateKeyPath: clientKey });
    await sink.write(["{}"], signal);
    await sink.close();
    assert.deepEqual(server.requests().map(({ client }) => client), [true]);
    // With TLS 1.3 the server refuses after the client takes the connection for open.
    await assert.rejects(open({ url, rootCaPath }).then((bare) => bare.write(["{}"], signal)), Disconnected);
    assert.equal(server.requests().length, 1);
  }));

test("rest and httppull get over a server that freezes, dies and comes back", () =>
  withPython({}, async (server) => {
    const { url, process } = server;
    const sink = await open({ url, timeout: 300 });
    const source = pull({ url, timeout: 300 });
    await sink.write(["0"], signal);
    await source.read(signal);
    process.freeze();
    await assert.rejects(sink.write(["1"], signal), /has not answered within 300 ms/);
    await assert.rejects(source.read(signal), RetryLater);
    process.thaw();
    await sink.write(["2"], signal);
    await source.read(signal);
    await process.kill();
    await assert.rejects(sink.write(["3"], signal), Disconnected);
    await assert.rejects(source.read(signal), RetryLater);
    await process.start();
    await sink.write(["4"], signal);
    await source.read(signal);
    await Promise.all([sink.close(), source.close()]);
    const bodies = server.requests().filter(({ method }) => method === "POST").map(({ body }) => body);
    // What froze may have been taken when it thawed.
    assert.deepEqual(bodies.filter((body) => body !== "1"), ["0", "2", "4"]);
  }));
