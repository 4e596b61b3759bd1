/**
 * Who may connect: passwords, certificates, and brokers that are not what they should be.
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { MqttOptions, TlsOptions } from "./connection.ts";
import { openMqtt } from "./open_mqtt.ts";
import { Reason } from "../protocol/reason.ts";
import { eventually } from "../../../tests/eventually.ts";
import { type Mosquitto, startMosquitto } from "../../../tests/mosquitto.ts";
import type { Certificates } from "../../../tests/peers/certificates.ts";

let server: Mosquitto;
let mutual: Mosquitto;
let files: Record<"server" | "mutual", Certificates>;
before(async () => {
  server = await startMosquitto({ tls: "server", users: { alice: "s3cret" } });
  mutual = await startMosquitto({ tls: "mutual" });
  files = { server: server.certificates!, mutual: mutual.certificates! };
});
after(async () => {
  await server?.stop();
  await mutual?.stop();
});

const read = (path: string): string => readFileSync(path, "utf8");

/** Connects and says a word to itself; resolves with the error when that fails. */
async function converse(
  options: MqttOptions,
): Promise<{ retryable: boolean; reasonCode: number | undefined } | undefined> {
  const client = openMqtt({ reconnectMs: { min: 10_000, max: 20_000 }, ...options });
  try {
    let heard = 0;
    const subscription = client.subscribe({
      filters: [{ filter: "self", qos: 1 }],
      onBatch: (batch) => {
        heard += batch.messages.length;
        batch.ack();
      },
    });
    await eventually(() => client.status.state === "connected" || client.status.state === "disconnected");
    if (client.status.state === "disconnected") return client.status.error;
    await subscription.subscribed();
    await client.publish([{ topic: "self", payload: "x".repeat(100_000), qos: 1 }]);
    await eventually(() => heard === 1);
    return undefined;
  } finally {
    await client.close();
  }
}

const alice = { username: "alice", password: "s3cret" };

for (const protocolVersion of ["3.1.1", "5"] as const) {
  test(`password is checked, MQTT ${protocolVersion}`, async () => {
    const servers = [server.url];
    assert.equal(await converse({ servers, protocolVersion, ...alice }), undefined);
    assert.equal(
      await converse({ servers: [`tcp://alice:s3cret@127.0.0.1:${server.port}`], protocolVersion }),
      undefined,
    );
    for (const wrong of [{ ...alice, password: "guess" }, {}]) {
      const error = await converse({ servers, protocolVersion, ...wrong });
      assert.equal(error?.retryable, false);
      assert.ok([Reason.NOT_AUTHORIZED, Reason.BAD_USER_NAME_OR_PASSWORD].some((code) => code === error?.reasonCode));
    }
  });
}

const cases: [name: string, broker: "server" | "mutual", tls: () => TlsOptions, works: boolean][] = [
  ["own authority", "server", () => ({ ca: read(files.server.ca) }), true],
  ["own authority as bytes", "server", () => ({ ca: [readFileSync(files.server.ca)] }), true],
  ["another authority", "server", () => ({ ca: read(files.server.otherCa) }), false],
  ["no authority given", "server", () => ({}), false],
  ["another authority, not verified", "server", () => ({
    ca: read(files.server.otherCa),
    rejectUnauthorized: false,
  }), true],
  ["another name", "server", () => ({ ca: read(files.server.ca), serverName: "elsewhere.example" }), false],
  ["TLS 1.3 only", "server", () => ({ ca: read(files.server.ca), minVersion: "TLSv1.3" }), true],
  ["client certificate", "mutual", () => ({
    ca: read(files.mutual.ca),
    cert: read(files.mutual.clientCert),
    key: read(files.mutual.clientKey),
  }), true],
  ["no client certificate", "mutual", () => ({ ca: read(files.mutual.ca) }), false],
];

for (const [name, which, tls, works] of cases) {
  test(`TLS with ${name} ${works ? "works" : "is refused"}`, async () => {
    const broker = which === "server" ? server : mutual;
    const error = await converse({
      servers: [`ssl://localhost:${broker.tlsPort}`],
      tls: tls(),
      ...(which === "server" ? alice : {}),
    });
    assert.equal(error === undefined, works, String(error));
    if (!works && which === "server") assert.equal(error!.retryable, false, String(error));
  });
}

test("TLS to a plain port fails, and so does plain to a TLS port", async () => {
  assert.ok(await converse({ servers: [`ssl://localhost:${server.port}`], connectTimeoutMs: 1000 }));
  assert.ok(await converse({ servers: [`tcp://localhost:${server.tlsPort}`], connectTimeoutMs: 1000 }));
});
