import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificates } from "../peers/certificates.ts";
import { curl } from "../peers/curl.ts";
import { freePort } from "../peers/server_process.ts";
import { Agent, withAgent, withFolder } from "./agent.ts";

const crossroads = "SELECT COUNT(*) as car_count, direction FROM traffic_stream WINDOW TUMBLING (SIZE 5 SECOND) " +
  "GROUP BY direction";

interface Count {
  readonly car_count: number;
  readonly direction: string;
}

async function dataServer() {
  const port = await freePort();
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    environment: { WEIR__source__httpServerIp: "127.0.0.1", WEIR__source__httpServerPort: String(port) },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });
}

async function until(condition: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const late = Date.now() + 60_000;
  while (!(await condition())) {
    assert.ok(Date.now() < late, what());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The light controller: takes counts while it is up. */
async function lightController() {
  const port = await freePort();
  const counts: Count[][] = [];
  let down = true;
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    if (down) return void response.writeHead(503).end();
    counts.push(JSON.parse(text) as Count[]);
    response.end("ok");
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${port}/lights`,
    counts,
    up: () => void (down = false),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("the crossroads rule counts every car that cameras push over HTTP, for a light controller that comes late", async () => {
  const { url, port, environment } = await dataServer();
  const lights = await lightController();
  try {
    await withAgent(async (agent) => {
      assert.equal(await listens(port), false, "an agent without such a stream listens on nothing");
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM traffic_stream () WITH (DATASOURCE="/cars", FORMAT="json", TYPE="httppush")',
      });
      assert.equal(await listens(port), false);
      await agent.expect(201, "POST", "/rules", {
        id: "crossroads",
        sql: crossroads,
        actions: [{ rest: { url: lights.url, method: "post" } }],
        options: { qos: 1 },
      });
      await until(() => listens(port), () => "the data server does not listen");
      const sent: Record<string, number> = { north: 0, south: 0, east: 0, west: 0 };
      const names = Object.keys(sent);
      // Cars come across the border of a window, whenever the test happens to start.
      const end = Date.now() + 5500;
      for (let round = 0; Date.now() < end; round++) {
        const cars = Array.from({ length: 10 }, (_, i) => names[(i * i + round) % names.length]!);
        // One connection for all cars of a camera.
        const config = cars.map((direction) =>
          `url = "${url}/cars"\ndata = "{\\"direction\\":\\"${direction}\\"}"\nsilent\nnext\n`
        ).join("");
        const { body } = await curl(["-K", "-"], config);
        assert.equal(body, "ok".repeat(cars.length));
        for (const direction of cars) sent[direction]!++;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      lights.up();
      const counted = () => {
        const sums: Record<string, number> = { north: 0, south: 0, east: 0, west: 0 };
        for (const window of lights.counts) for (const each of window) sums[each.direction]! += each.car_count;
        return sums;
      };
      await until(
        () => JSON.stringify(counted()) === JSON.stringify(sent),
        () => `sent ${JSON.stringify(sent)}, counted ${JSON.stringify(counted())}`,
      );
      assert.ok(lights.counts.length >= 2, "the cars fell into two windows at least");
      const total = Object.values(sent).reduce((sum, n) => sum + n, 0);
      assert.equal((await agent.status("crossroads")).source_traffic_stream_0_records_in_total, total);
      await agent.expect(200, "DELETE", "/rules/crossroads");
      await until(async () => !(await listens(port)), () => "the data server listens on");
    }, { environment });
  } finally {
    await lights.stop();
  }
});

/** Whole lines of a file that may be growing, or not be there yet. */
function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

test("what was answered with 200 is not lost by kills of the agent", () =>
  withFolder(async (folder) => {
    const { url, environment } = await dataServer();
    const dataDir = join(folder, "data");
    const output = join(folder, "out.ndjson");
    let agent = await Agent.start({ dataDir, environment });
    try {
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM s () WITH (DATASOURCE="/n", FORMAT="json", TYPE="httppush")',
      });
      await agent.expect(201, "POST", "/rules", {
        id: "relay",
        sql: "SELECT n FROM s",
        actions: [{ file: { path: output, sendSingle: true } }],
        options: { qos: 1 },
      });
      const total = 2000;
      let next = 0;
      let taken = 0;
      const errors: string[] = [];
      const pusher = async () => {
        while (next < total) {
          const n = next++;
          for (let isTaken = false; !isTaken;) {
            try {
              const response = await fetch(`${url}/n`, { method: "POST", body: `{"n":${n}}` });
              await response.body?.cancel();
              isTaken = response.status === 200;
            } catch (error) {
              errors.push((error as Error).message);
            }
            if (!isTaken) await new Promise((resolve) => setTimeout(resolve, 20));
          }
          taken++;
        }
      };
      const pushing = Promise.all(Array.from({ length: 8 }, pusher));
      for (let kill = 1; kill <= 3; kill++) {
        await until(() => taken >= (total * kill) / 4, () => `${taken} of ${total} taken`);
        await agent.end("SIGKILL");
        agent = await Agent.start({ dataDir, environment });
      }
      await pushing;
      const arrived = () => new Set(linesOf(output).map((line) => (JSON.parse(line) as { n: number }).n));
      await until(() => arrived().size === total, () => `${arrived().size} of ${total} arrived`);
      assert.ok(errors.length > 0, "pushers have noticed the kills");
      console.log(`${total} requests over 3 kills of the agent: ${linesOf(output).length} lines`);
    } finally {
      await agent.end("SIGKILL");
    }
  }));

test("the data server speaks HTTPS when it is told to", () =>
  withFolder(async (folder) => {
    const files = makeCertificates(folder);
    const { port, environment } = await dataServer();
    const tls = {
      WEIR__source__httpServerTls__certfile: files.serverCert,
      WEIR__source__httpServerTls__keyfile: files.serverKey,
    };
    await withAgent(async (agent) => {
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM s () WITH (DATASOURCE="/n", FORMAT="json", TYPE="httppush")',
      });
      await agent.expect(201, "POST", "/rules", { id: "r", sql: "SELECT n FROM s", actions: [{ nop: {} }] });
      await until(() => listens(port), () => "the data server does not listen");
      const push = (...args: string[]) => curl([...args, "-d", '{"n":1}', `https://localhost:${port}/n`]);
      assert.deepEqual(await push("--cacert", files.ca), { code: 0, status: 200, body: "ok", connections: 1 });
      assert.equal((await push("--cacert", files.otherCa)).code, 60);
      await agent.reaches("r", (status) => status.source_s_0_records_in_total === 1);
    }, { environment: { ...environment, ...tls } });
  }));

test("a port of the data server that is none gives the default", () =>
  withAgent((agent) => {
    assert.match(agent.output().stderr, /httpServerPort is no port/);
    return Promise.resolve();
  }, { environment: { WEIR__source__httpServerPort: "-5" } }));
