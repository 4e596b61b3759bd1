import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { type HttpTestServer, startHttpServer } from "../http_server.ts";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { Agent, withFolder } from "./agent.ts";
import { publishLines, subscribed } from "./mosquitto_clients.ts";

const directions = ["north", "south", "east", "west"];

/** A crossroads: cars over MQTT, and the HTTP API of the controller of its lights. */
interface Crossroads {
  readonly broker: Mosquitto;
  readonly controller: HttpTestServer;
  agent: Agent;
  /** How many cars have come. */
  cars: number;
  /** So many more cars come. */
  come(count: number): Promise<void>;
  /** Kills the agent, and starts it again. */
  kill(): Promise<void>;
  /** What the controller has taken at a path: the body of each message once, in the order in which it came first. */
  taken(path: string): string[];
}

async function withCrossroads(work: (crossroads: Crossroads) => Promise<void>): Promise<void> {
  const broker = await startMosquitto({ lines: ["max_queued_messages 0"] });
  const controller = await startHttpServer();
  const taken: { path: string; id: string; body: string }[] = [];
  controller.answer = ({ path, headers, body }) => {
    taken.push({ path, id: String(headers["idempotency-key"]), body });
    return {};
  };
  try {
    await withFolder(async (folder) => {
      const dataDir = join(folder, "data");
      const crossroads: Crossroads = {
        ...{ broker, controller, cars: 0 },
        agent: await Agent.start({ dataDir }),
        async come(count) {
          const lines = Array.from({ length: count }, (_, i) => {
            const n = crossroads.cars + i;
            return JSON.stringify({ n, direction: directions[(n * n) % 7 % 4] });
          });
          crossroads.cars += count;
          await publishLines(broker, "cars", lines, ["-q", "2"]);
        },
        async kill() {
          await crossroads.agent.end("SIGKILL");
          crossroads.agent = await Agent.start({ dataDir });
        },
        taken(path) {
          const bodies = new Map<string, string>();
          for (const each of taken.filter((one) => one.path === path)) {
            const before = bodies.get(each.id);
            assert.ok(before === undefined || before === each.body, `${each.id} stands for one message`);
            bodies.set(each.id, each.body);
          }
          return [...bodies.values()];
        },
      };
      try {
        const { agent } = crossroads;
        const rule = async (id: string, sql: string, qos: 1 | 2, action: Record<string, unknown>) => {
          const session = { server: broker.url, qos, clientid: id, enableClientSession: true };
          await agent.expect(200, "PUT", `/metadata/sources/mqtt/confKeys/${id}`, session);
          await agent.expect(201, "POST", "/streams", {
            sql: `CREATE STREAM ${id}_in () WITH (DATASOURCE="cars", FORMAT="json", TYPE="mqtt", CONF_KEY="${id}")`,
          });
          const actions = [{ rest: { url: `${controller.url}/${id}`, method: "post", timeout: "2s", ...action } }];
          await agent.expect(201, "POST", "/rules", { id, sql, actions, options: { qos } });
          await subscribed(broker, id);
        };
        await rule("each", "SELECT n FROM each_in", 1, { sendSingle: true });
        const counts =
          "SELECT COUNT(*) AS car_count, direction FROM counts_in WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY direction";
        await rule("counts", counts, 2, { omitIfEmpty: true });
        await work(crossroads);
        await crossroads.agent.assertBalanced();
      } finally {
        await crossroads.agent.end("SIGKILL");
      }
    });
  } finally {
    await controller.close();
    await broker.stop();
  }
}

test("a light controller that is down, busy, and up again gets every car in order, over kills of the agent", () =>
  withCrossroads(async (crossroads) => {
    const { controller } = crossroads;
    const each = () => crossroads.taken("/each").map((body) => (JSON.parse(body) as { n: number }).n);
    const isAway = () => crossroads.agent.reaches("each", (status) => status.sink_rest_0_0_connection_status !== 1);
    await crossroads.come(300);
    await eventually(() => each().length > 100, 30_000);
    // In the middle of its work, as far as one can tell.
    await controller.close();
    await crossroads.come(300);
    await isAway();
    await crossroads.kill();
    await crossroads.come(300);
    await isAway();
    const answer = controller.answer;
    let busy = 0;
    controller.answer = () => ({ status: 503, headers: { "retry-after": String(busy++ % 2) } });
    await controller.start();
    await eventually(() => busy > 4, 30_000);
    await crossroads.kill();
    await crossroads.come(100);
    controller.answer = answer;
    await eventually(() => new Set(each()).size === crossroads.cars, 60_000);
    // Cars that the broker brought twice after a kill are other messages of the same car.
    assert.deepEqual([...new Set(each())], Array.from({ length: crossroads.cars }, (_, n) => n));
    const heard = () => {
      const sums: Record<string, number> = {};
      for (const body of crossroads.taken("/counts")) {
        for (const { car_count, direction } of JSON.parse(body) as { car_count: number; direction: string }[]) {
          sums[direction] = (sums[direction] ?? 0) + car_count;
        }
      }
      return sums;
    };
    const total = () => Object.values(heard()).reduce((sum, n) => sum + n, 0);
    await eventually(() => total() >= crossroads.cars, 30_000);
    const expected: Record<string, number> = {};
    for (let n = 0; n < crossroads.cars; n++) {
      const direction = directions[(n * n) % 7 % 4]!;
      expected[direction] = (expected[direction] ?? 0) + 1;
    }
    assert.deepEqual(heard(), expected);
  }));
