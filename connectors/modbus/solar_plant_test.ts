/**
 * The solar plant: fifty inverters and a dead one on one line, a rule that looks for voltages out of range, a coil of another
 * device and an HTTP application that learn of them.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { realClock } from "../../src/connector/conformance.ts";
import { withAgent } from "../../tests/agent/agent.ts";
import { eventually } from "../../tests/eventually.ts";
import { type Slave, startSlave } from "../../tests/peers/modbus_slave.ts";
import { Line } from "./line.ts";
import { readRequest, writeRegistersRequest } from "./protocol/request.ts";
import { TcpFraming } from "./protocol/tcp_framing.ts";
import { tcpPort } from "./tcp_port.ts";

const inverters = Array.from({ length: 50 }, (_, i) => i + 1);
const intervalMs = 200;

function masterOf(slave: Slave): Line {
  return new Line({
    open: tcpPort({ host: "127.0.0.1", port: slave.port, connectTimeoutMs: 10_000 }, realClock),
    framing: new TcpFraming(),
    timeoutMs: 10_000,
    pauseMs: 0,
    broadcastPauseMs: 20,
    delayAfterConnectMs: 0,
    close: "stay",
    quietMs: 50,
    restMaxMs: 10_000,
    silencesMax: 3,
  }, { clock: realClock, status: () => {} });
}

interface Application extends AsyncDisposable {
  readonly url: string;
  /** The bodies of its requests. */
  readonly posts: unknown[];
}

async function startApplication(): Promise<Application> {
  const posts: unknown[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => body += String(chunk));
    request.on("end", () => {
      posts.push(JSON.parse(body));
      response.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  const close = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return { url: `http://127.0.0.1:${port}/alarms`, posts, [Symbol.asyncDispose]: close };
}

test("a rule over fifty inverters, one of them dead, switches a coil elsewhere and posts to an application", async () => {
  await using application = await startApplication();
  const plant = await startSlave({ units: inverters });
  const cabinet = await startSlave();
  const [plantMaster, cabinetMaster] = [masterOf(plant), masterOf(cabinet)];
  try {
    for (const unit of inverters) await plantMaster.send(unit, writeRegistersRequest(0, [2300, 57]));
    await withAgent(async (agent) => {
      await agent.expect(200, "PUT", "/metadata/sources/modbus/confKeys/plant", {
        // As KubeEdge spells it.
        ip: "127.0.0.1",
        port: plant.port,
        timeout: "300ms",
        interval: `${intervalMs}ms`,
        // Nobody answers for unit 99.
        units: [99, ...inverters],
        unitColumn: "device_id",
        tags: [
          { name: "voltage", register: "holding", address: 0, type: "uint16", scale: 0.1, unit: "V" },
          { name: "current", register: "HoldingRegister", offset: 1, limit: 1, scale: 0.1, unit: "A" },
        ],
      });
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM inverter_metrics () WITH (TYPE="modbus", CONF_KEY="plant")',
      });
      await agent.expect(201, "POST", "/rules", {
        id: "trip",
        sql: "SELECT device_id, voltage, current FROM inverter_metrics WHERE voltage < 200 OR voltage > 250",
        actions: [
          {
            modbus: {
              server: `tcp://127.0.0.1:${cabinet.port}`,
              verify: "read back",
              tags: [{ name: "trip", register: "coil", address: 7 }],
              dataTemplate: '{"trip": true}',
              sendSingle: true,
            },
          },
          { rest: { url: application.url, method: "post", bodyType: "json", sendSingle: true } },
        ],
      });
      await agent.reaches("trip", (status) => Number(status.source_inverter_metrics_0_records_in_total) >= 200);
      assert.deepEqual(await cabinetMaster.send(1, readRequest("coil", 7, 1)), [0], "nobody is out of range yet");
      assert.deepEqual(application.posts, []);

      await plantMaster.send(50, writeRegistersRequest(0, [1999]));
      const begin = performance.now();
      const coil = async () => (await cabinetMaster.send(1, readRequest("coil", 7, 1)))[0];
      while (await coil() !== 1) {
        assert.ok(performance.now() - begin < 20_000, "the coil is never switched");
        await realClock.sleep(2);
      }
      const tookMs = performance.now() - begin;
      // An idle machine needs less than an interval, here and there with the time-out of the dead one.
      assert.ok(tookMs < intervalMs + 5000, `${tookMs} ms`);
      await eventually(() => application.posts.length > 0);
      assert.deepEqual(application.posts[0], { device_id: 50, voltage: 199.9, current: 5.7 });
    });
  } finally {
    await plantMaster.close();
    await cabinetMaster.close();
    await plant.kill();
    await cabinet.kill();
  }
});
