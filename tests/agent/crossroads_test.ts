import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startMosquitto } from "../mosquitto.ts";
import { weir, withAgent, withFolder } from "./agent.ts";
import { publishLines, subscribed, Subscriber } from "./mosquitto_clients.ts";

const sql = "SELECT COUNT(*) as car_count, direction FROM traffic_stream WINDOW TUMBLING (SIZE 5 SECOND) " +
  "GROUP BY direction";

interface Count {
  readonly car_count: number;
  readonly direction: string;
}

test("the crossroads rule counts every car of live MQTT once, in windows of five seconds", async () => {
  const broker = await startMosquitto();
  const counts = await Subscriber.start(broker, "signals");
  try {
    await withAgent(async (agent) => {
      const settings = { server: broker.url, clientid: "cameras" };
      await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/cameras", settings);
      await agent.expect(201, "POST", "/streams", {
        sql:
          'CREATE STREAM traffic_stream () WITH (DATASOURCE="cars/+", FORMAT="json", TYPE="mqtt", CONF_KEY="cameras")',
      });
      const actions = [{ mqtt: { server: broker.url, topic: "signals", qos: 1 } }];
      await agent.expect(201, "POST", "/rules", { id: "crossroads", sql, actions });
      await subscribed(broker, "cameras");
      const sent: Record<string, number> = { north: 0, south: 0, east: 0, west: 0 };
      const names = Object.keys(sent);
      const total = () => Object.values(sent).reduce((sum, n) => sum + n, 0);
      const heard = () => {
        const sums: Record<string, number> = { north: 0, south: 0, east: 0, west: 0 };
        for (const line of counts.lines) {
          for (const { car_count, direction } of JSON.parse(line) as Count[]) sums[direction]! += car_count;
        }
        return sums;
      };
      // Cars come across the border of a window, whenever the test happens to start.
      const until = Date.now() + 5500;
      for (let round = 0; Date.now() < until; round++) {
        const cars = Array.from({ length: 20 }, (_, i) => names[(i * i + round) % names.length]!);
        for (const direction of cars) sent[direction]!++;
        await publishLines(broker, `cars/${round % 3}`, cars.map((direction) => JSON.stringify({ direction })));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const late = Date.now() + 20_000;
      while (JSON.stringify(heard()) !== JSON.stringify(sent)) {
        assert.ok(Date.now() < late, `sent ${JSON.stringify(sent)}, heard ${JSON.stringify(heard())}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.ok(counts.lines.length >= 2, "the cars fell into two windows at least");
      for (const line of counts.lines) {
        const directions = (JSON.parse(line) as Count[]).map(({ direction }) => direction);
        assert.equal(new Set(directions).size, directions.length, `one row a direction: ${line}`);
      }
      assert.equal((await agent.status("crossroads")).source_traffic_stream_0_records_in_total, total());
    });
  } finally {
    await counts.stop();
    await broker.stop();
  }
});

const rows = [
  { ts: 1_700_000_000_000, direction: "north" },
  { ts: 1_700_000_001_000, direction: "south" },
  { ts: 1_700_000_004_999, direction: "north" },
  { ts: 1_700_000_005_000, direction: "north" },
  { ts: 1_700_000_012_000, direction: "east" },
];
const ndjson = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const expected = [
  { car_count: 2, direction: "north" },
  { car_count: 1, direction: "south" },
  { car_count: 1, direction: "north" },
  { car_count: 1, direction: "east" },
];
const lines = expected.map((row) => `${JSON.stringify(row)}\n`).join("");

test("weir query counts the cars of a file by their own time", () =>
  withFolder(async (folder) => {
    const file = join(folder, "cars.ndjson");
    await writeFile(file, ndjson);
    const args = ["query", sql, "--stream", `traffic_stream=${file}`, "--event-time", "ts"];
    assert.deepEqual(await weir(args), { code: 0, stdout: lines, stderr: "" });
  }));

test("weir query reads standard input and CSV, and prints CSV and tables", () =>
  withFolder(async (folder) => {
    const stdin = ["query", sql, "--stream", "traffic_stream=-", "--event-time", "ts"];
    assert.deepEqual(await weir(stdin, ndjson), { code: 0, stdout: lines, stderr: "" });
    assert.deepEqual(await weir([...stdin, "--output", "csv"], ndjson), {
      code: 0,
      stdout: "car_count,direction\n2,north\n1,south\n1,north\n1,east\n",
      stderr: "",
    });

    const file = join(folder, "cars.csv");
    await writeFile(file, `ts,direction\r\n${rows.map((r) => `${r.ts},${r.direction}\r\n`).join("")}`);
    const csv = ["query", sql, "--stream", `traffic_stream=${file}`, "--event-time", "ts", "--output", "table"];
    assert.deepEqual(await weir(csv), {
      code: 0,
      stdout: [
        "car_count  direction",
        "---------  ---------",
        "        2  north",
        "        1  south",
        "        1  north",
        "        1  east",
        "4 rows",
        "",
      ].join("\n"),
      stderr: "",
    });
  }));

test("weir query without event time closes the last window at the end of the input", async () => {
  const { code, stdout } = await weir(["query", sql, "--stream", "traffic_stream=-"], ndjson);
  assert.equal(code, 0);
  const counts = stdout.trim().split("\n").map((line) => JSON.parse(line) as Count);
  assert.deepEqual(counts, [
    { car_count: 3, direction: "north" },
    { car_count: 1, direction: "south" },
    { car_count: 1, direction: "east" },
  ]);
});

test("weir query leaves out lines that it cannot read, and says so", async () => {
  const input = `${ndjson}not json\n{"ts": "soon", "direction": "up"}\n`;
  const outcome = await weir(["query", sql, "--stream", "traffic_stream=-", "--event-time", "ts"], input);
  assert.equal(outcome.code, 0);
  assert.equal(outcome.stdout, lines);
  assert.match(outcome.stderr, /^weir query: -:6: E501: .+$/m);
  assert.match(outcome.stderr, /^weir query: E5\d\d: .*ts.*$/m);
});

test("weir query says what is wrong, and how it ended in its exit code", () =>
  withFolder(async (folder) => {
    const missing = join(folder, "missing.ndjson");
    const cases: [args: string[], code: number, stderr: RegExp][] = [
      [["SELEC 1 FROM demo", "--stream", "demo=-"], 1, /E1\d\d[^]*1:1[^]*\^/],
      [["SELECT nope( FROM demo", "--stream", "demo=-"], 1, /E1\d\d/],
      [["SELECT nosuch(a) FROM demo", "--stream", "demo=-"], 1, /E2\d\d.*nosuch[^]*\^\^\^/],
      [["SELECT a FROM dem", "--stream", "demo=-"], 1, /E201[^]*did you mean "demo"/],
      [["SELECT a FROM demo", "--stream", `demo=${missing}`], 1, /cannot read .*missing\.ndjson/],
      [["SELECT a FROM demo", "--stream", `demo=${folder}`], 1, /cannot read/],
      [["SELECT a FROM demo"], 2, /--stream NAME=FILE/],
      [[], 2, /no statement/],
      [["SELECT a FROM demo", "--stream", "demo"], 2, /expected NAME=FILE/],
      [["SELECT a FROM demo", "--stream", "demo=-", "--output", "tabel"], 2, /did you mean "table"/],
      [["SELECT a FROM demo", "--stream", "demo=-", "--evnt-time", "ts"], 2, /did you mean/],
      [["SELECT a FROM demo", "--stream", "demo=-", "--late-tolerance", "soon"], 2, /expected a duration/],
    ];
    for (const [args, code, stderr] of cases) {
      const outcome = await weir(["query", ...args], '{"a":1}\n');
      assert.deepEqual({ code: outcome.code, stdout: outcome.stdout }, { code, stdout: "" }, outcome.stderr);
      assert.match(outcome.stderr, stderr, args.join(" "));
    }
  }));

test("weir query reads marks of editors, carriage returns, empty lines and a last line without an end", async () => {
  const input = '\ufeff{"a":1}\r\n\r\n  \n[{"a":2},{"a":3}]\n{"a":4}';
  assert.deepEqual(await weir(["query", "SELECT a FROM demo", "--stream", "demo=-"], input), {
    code: 0,
    stdout: '{"a":1}\n{"a":2}\n{"a":3}\n{"a":4}\n',
    stderr: "",
  });
  assert.deepEqual(await weir(["query", "SELECT a FROM demo", "--stream", "demo=-"], ""), {
    code: 0,
    stdout: "",
    stderr: "",
  });
});

test("weir query takes windows and lines of any size", async () => {
  const count = 200_000;
  const line = `[${'{"a":1},'.repeat(count - 1)}{"a":2}]\n`;
  for (const output of ["csv", "table", "ndjson"]) {
    const sql = "SELECT a FROM demo GROUP BY TUMBLINGWINDOW(hh, 1)";
    const { code, stdout, stderr } = await weir(["query", sql, "--stream", "demo=-", "--output", output], line);
    assert.equal(code, 0, stderr);
    const lines = stdout.split("\n");
    assert.ok(lines.length > count && lines.length < count + 5, `${output}: ${lines.length}`);
  }
});
