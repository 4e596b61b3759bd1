import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startMosquitto } from "../mosquitto.ts";
import { type Agent, type Answer, weir, withAgent, withFolder } from "./agent.ts";
import { publish, publishLines, subscribed, Subscriber } from "./mosquitto_clients.ts";

interface Problem {
  readonly error: number;
  readonly message: string;
  readonly diagnostics: readonly {
    readonly code: string;
    readonly message: string;
    readonly path?: string;
    readonly hint?: string;
    readonly span?: { readonly line: number; readonly column: number };
  }[];
}

function problem({ status, text }: Answer): Problem {
  assert.equal(status, 400, text);
  return JSON.parse(text);
}

const typed = 'CREATE STREAM typed (a BIGINT, b STRING) WITH (TYPE="simulator", ' +
  `EXTRA='{"data":[{"a":1,"b":"x"}],"interval":5,"loop":true}')`;
const nop = [{ nop: {} }];

test("what is wrong with a request is told with its place, and the agent goes on", () =>
  withAgent(async (agent) => {
    await agent.expect(201, "POST", "/streams", { sql: typed });
    await agent.expect(201, "POST", "/rules", { id: "works", sql: "SELECT a FROM typed", actions: nop });
    const mqtt = { server: "tcp://127.0.0.1:1", topic: "t" };
    type Case = [path: string, body: unknown, code: string, message: RegExp, place: string];
    const cases: Case[] = [
      ["/streams", { sql: "CREATE STREM s () WITH ()" }, "E1", /STREM/, "1:8"],
      ["/streams", { sql: 'CREATE STREAM s () WITH (DATASORCE="x")' }, "E4", /DATASORCE/i, "1:26"],
      ["/streams", { sql: 'CREATE STREAM s (a BIGIN) WITH (TYPE="mqtt")' }, "E", /BIGIN/, "1:20"],
      ["/rules", { sql: "SELECT a FORM typed", actions: nop }, "E1", /./, "1:10"],
      ["/rules", { sql: "SELECT a FROM tpyed", actions: nop }, "E201", /tpyed/, "1:15"],
      ["/rules", { sql: "SELECT c FROM typed", actions: nop }, "E20", /"c"/, "1:8"],
      ["/rules", { sql: "SELECT a FROM typed WHERE a > abs('x')", actions: nop }, "E205", /'x'|number/, "1:35"],
      ["/rules", { sql: "SELECT lenght(b) FROM typed", actions: nop }, "E2", /lenght/, "1:8"],
      ["/rules", { sql: "SELECT a FROM typed", actions: [{ mqt: {} }] }, "E405", /mqt/, "actions.0.mqt"],
      [
        "/rules",
        { sql: "SELECT a FROM typed", actions: [{ log: {} }, { mqtt: { ...mqtt, topci: "x" } }] },
        "E402",
        /topci/,
        "actions.1.mqtt.topci",
      ],
      [
        "/rules",
        { sql: "SELECT a FROM typed", actions: [{ mqtt: { ...mqtt, qos: 9 } }] },
        "E403",
        /qos/,
        "actions.0.mqtt.qos",
      ],
      [
        "/rules",
        { sql: "SELECT a FROM typed", actions: [{ mqtt: { ...mqtt, retained: "perhaps" } }] },
        "E403",
        /retained/,
        "actions.0.mqtt.retained",
      ],
      [
        "/rules",
        { sql: "SELECT a FROM typed", actions: [{ mqtt: { ...mqtt, topic: "a/+" } }] },
        "E403",
        /wildcards/,
        "actions.0.mqtt.topic",
      ],
      [
        "/rules",
        { sql: "SELECT a FROM typed", actions: [{ mqtt: { ...mqtt, server: "nowhere" } }] },
        "E403",
        /broker URL/,
        "actions.0.mqtt.server.0",
      ],
      [
        "/rules",
        { sql: "SELECT a FROM typed", actions: [{ mqtt: { ...mqtt, dataTemplate: "{{.a | uper}}" } }] },
        "E409",
        /uper/,
        "1:8",
      ],
      [
        "/rules",
        { sql: "SELECT a FROM typed", actions: [{ mqtt: { ...mqtt, server: "tcp://{{.a}}" } }] },
        "E403",
        /cannot hold a template/,
        "actions.0.mqtt.server",
      ],
      ["/rules", { sql: "SELECT a FROM typed", actions: nop, options: { qoss: 1 } }, "E402", /qoss/, "options.qoss"],
      [
        "/rules",
        { sql: "SELECT a FROM typed", actions: nop, options: { lateTolerance: "soon" } },
        "E403",
        /lateTol/,
        "options.lateTolerance",
      ],
      ["/rules", { id: "a/b", sql: "SELECT a FROM typed", actions: nop }, "E704", /invalid characters/, "id"],
      ["/rules", { id: 5, sql: "SELECT a FROM typed", actions: nop }, "E703", /string/, "id"],
      ["/rules", { id: "x", sql: 5, actions: nop }, "E703", /string/, "sql"],
      ["/rules", { id: "x", sql: "SELECT a FROM typed", actions: "nop" }, "E703", /array/, "actions"],
      ["/rules", { id: "x", sql: "SELECT a FROM typed", actions: ["nop"] }, "E703", /object/, "actions.0"],
      ["/rules", "{", "E703", /invalid rule json/, ""],
      ["/rules", "", "E703", /invalid rule json/, ""],
      ["/rules", "[]", "E703", /must be a JSON object/, ""],
      ["/rules", `${"[".repeat(100_000)}`, "E703", /invalid rule json/, ""],
      ["/streams", "{", "E703", /Invalid body/, ""],
    ];
    for (const [path, body, code, message, place] of cases) {
      const what = `${path} ${JSON.stringify(body).slice(0, 200)}`;
      const found = problem(await agent.call("POST", path, body));
      const [first] = found.diagnostics;
      assert.ok(first!.code.startsWith(code), `${what}: ${first!.code} ${found.message}`);
      assert.match(found.message, message, what);
      const { span } = first!;
      const where = span === undefined ? first!.path ?? "" : `${span.line}:${span.column}`;
      if (place !== "") assert.equal(where, place, `${what}: ${found.message}`);
    }
    assert.equal(JSON.parse(await agent.expect(200, "GET", "/rules")).length, 1);
    // A type is looked up when a rule needs it.
    await agent.expect(201, "POST", "/streams", { sql: 'CREATE STREAM odd () WITH (TYPE="mqt")' });
    const odd = problem(await agent.call("POST", "/rules", { sql: "SELECT a FROM odd", actions: nop }));
    assert.equal(odd.diagnostics[0]!.code, "E405");
    assert.equal(odd.diagnostics[0]!.hint, 'did you mean "mqtt"?');

    const hint = problem(await agent.call("POST", "/rules", { sql: "SELECT a FROM tpyed", actions: nop }));
    assert.equal(hint.diagnostics[0]!.hint, 'did you mean "typed"?');

    const large = `{"sql": "${"x".repeat(9 * 1024 * 1024)}"}`;
    assert.equal((await agent.call("POST", "/rules", large)).status, 413);
    for (const name of ["a%2Fb", "a%20b", "%ff", "..%2f..", "x".repeat(5000)]) {
      const { status, text } = await agent.call("POST", `/rules/${name}/start`);
      assert.ok(status === 400 || status === 404, `${name.slice(0, 20)}: ${status} ${text}`);
    }
    await agent.reaches("works", (s) => s.status === "running" && Number(s.sink_nop_0_0_records_out_total) > 10);
  }));

test("bad messages are told in the status and dropped alone", async () => {
  const broker = await startMosquitto();
  const out = await Subscriber.start(broker, "out");
  try {
    await withAgent(async (agent) => {
      const settings = { server: broker.url, clientid: "weir-in", qos: 1 };
      await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/in", settings);
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM demo () WITH (DATASOURCE="in/#", FORMAT="json", TYPE="mqtt", CONF_KEY="in", ' +
          'SHARED="true")',
      });
      const actions = [{ mqtt: { server: broker.url, topic: "out", sendSingle: true } }];
      const sql = "SELECT n, n * 2 AS twice FROM demo";
      await agent.expect(201, "POST", "/rules", { id: "r", sql, actions });
      await agent.expect(201, "POST", "/rules", {
        id: "errors",
        sql,
        actions: [{ mqtt: { server: broker.url, topic: "errors" } }],
        options: { sendError: true },
      });
      await subscribed(broker, "weir-in");
      const errors = await Subscriber.start(broker, "errors");
      const bad = ["{", "", "5", "null", '"text"', '{"n":1}}', "\u0000", "nul", "[1]", '{"n":'];
      for (const payload of bad) await publish(broker, "in/bad", payload, ["-q", "1"]);
      await publish(broker, "in/bad", new Uint8Array([0xff, 0xfe, 0x7b]), ["-q", "1"]);
      // A row on which the expression fails.
      await publish(broker, "in/bad", '{"n":"five"}', ["-q", "1"]);
      await publish(broker, "in/list", '[{"n":1},{"n":2}]', ["-q", "1"]);
      await publish(broker, "in/good", '{"n":3}', ["-q", "1"]);
      const lines = await out.get(3);
      assert.deepEqual(lines.slice(-3), ['{"n":1,"twice":2}', '{"n":2,"twice":4}', '{"n":3,"twice":6}']);
      const status = await agent.status("r");
      assert.equal(status.status, "running");
      assert.equal(status.source_demo_0_records_in_total, bad.length + 4);
      assert.ok(status.op_demo_2_decoder_0_exceptions_total === bad.length + 1, JSON.stringify(status, null, 1));
      assert.match(String(status.op_demo_2_decoder_0_last_exception), /^E501: /);
      assert.equal(status.op_3_project_0_exceptions_total, 1);
      assert.match(String(status.op_3_project_0_last_exception), /^E5\d\d: /);
      const all = JSON.parse(await agent.expect(200, "GET", "/rules/status/all"));
      assert.notEqual(all.r.last_exception, "");

      const told = (await errors.get(bad.length + 3)).map((line) => JSON.parse(line));
      assert.deepEqual(told.slice(-3), [[{ n: 1, twice: 2 }], [{ n: 2, twice: 4 }], [{ n: 3, twice: 6 }]]);
      for (const [row] of told.slice(0, -3)) assert.equal(typeof row.error, "string", JSON.stringify(row));
      await errors.stop();
    });
  } finally {
    await out.stop();
    await broker.stop();
  }
});

test("a message of 10 MB is a row like any other, or a bad one", async () => {
  const broker = await startMosquitto();
  try {
    await withFolder((folder) =>
      withAgent(async (agent) => {
        const path = join(folder, "out.ndjson");
        await define(agent, broker.url, "in", path);
        await subscribed(broker, "weir-in");
        const text = "é".repeat(5 * 1024 * 1024);
        await publish(broker, "in", JSON.stringify({ n: 1, text }), ["-q", "1"]);
        await publish(broker, "in", `{"n":2,"text":"${text}`, ["-q", "1"]);
        await publish(broker, "in", `${"[".repeat(10 * 1024 * 1024)}`, ["-q", "1"]);
        await publish(broker, "in", '{"n":3}', ["-q", "1"]);
        const status = await agent.reaches("r", (s) => s.sink_file_0_0_records_out_total === 2);
        assert.equal(status.op_2_decoder_0_exceptions_total, 2);
        assert.ok(String(status.op_2_decoder_0_last_exception).length < 1000);
        const [first, second] = (await readFile(path, "utf8")).split("\n").map((line) => line && JSON.parse(line));
        assert.equal(first.text, text);
        assert.deepEqual(second, { n: 3 });
      })
    );
  } finally {
    await broker.stop();
  }
});

async function define(agent: Agent, server: string, topic: string, path: string): Promise<void> {
  const settings = { server, clientid: "weir-in", qos: 1 };
  await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/in", settings);
  await agent.expect(201, "POST", "/streams", {
    sql: `CREATE STREAM demo () WITH (DATASOURCE="${topic}", FORMAT="json", TYPE="mqtt", CONF_KEY="in")`,
  });
  const actions = [{ file: { path, sendSingle: true } }];
  await agent.expect(201, "POST", "/rules", { id: "r", sql: "SELECT * FROM demo", actions });
}

/** As long as a broker takes it: mosquitto knows up to 200 levels. */
const long = "long/".repeat(100) + "x".repeat(60_000);
for (const topic of ["a b/c d", "données/温度/🌡", "$odd", "a//b/", "q'uo`te\\x", long]) {
  test(`a topic like ${topic.slice(0, 30)} is read and written`, async () => {
    const broker = await startMosquitto();
    const out = await Subscriber.start(broker, `out/${topic}`);
    try {
      await withAgent(async (agent) => {
        const settings = { server: broker.url, clientid: "weir-in" };
        await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/in", settings);
        const datasource = topic.replaceAll("\\", "\\\\");
        await agent.expect(201, "POST", "/streams", {
          sql: `CREATE STREAM demo () WITH (DATASOURCE="${datasource}", FORMAT="json", TYPE="mqtt", CONF_KEY="in")`,
        });
        await agent.expect(201, "POST", "/rules", {
          id: "r",
          sql: "SELECT n, meta(topic) AS topic FROM demo",
          actions: [{ mqtt: { server: broker.url, topic: `out/${topic}`, sendSingle: true } }],
        });
        await subscribed(broker, "weir-in");
        await publishLines(broker, topic, ['{"n":1}']);
        assert.deepEqual(JSON.parse((await out.get(1))[0]!), { n: 1, topic });
      });
    } finally {
      await out.stop();
      await broker.stop();
    }
  });
}

test("topic filters that no broker takes are refused", () =>
  withAgent(async (agent) => {
    for (const [i, topic] of ["a/#/b", "a+/b", " , ", "x".repeat(70_000)].entries()) {
      const sql = `CREATE STREAM s${i} () WITH (DATASOURCE="${topic}", FORMAT="json", TYPE="mqtt")`;
      await agent.expect(201, "POST", "/streams", { sql });
      const found = problem(await agent.call("POST", "/rules", { sql: `SELECT * FROM s${i}`, actions: nop }));
      assert.match(found.message, /wanted a topic filter in DATASOURCE/);
      assert.equal(found.diagnostics[0]!.path, `stream s${i}.datasource`);
      assert.ok(found.message.length < 1000);
    }
  }));

test("a typo in the configuration is shown with its line, and ends with 1", () =>
  withFolder(async (folder) => {
    const config = join(folder, "weir.yaml");
    const cases: [text: string, stderr: RegExp][] = [
      ["listen: 127.0.0.1:0\nlog:\n  levl: info\n", /levl[^]*weir\.yaml:3[^]*did you mean "level"/],
      ["log:\n  level: loud\n", /weir\.yaml:2/],
      ["connections:\n  mqtt:\n    plant:\n      srver: tcp://b:1\n", /srver[^]*weir\.yaml:4[^]*did you mean "server"/],
      ["sources:\n  mqtt:\n    plant:\n      qos: 9\n", /qos[^]*weir\.yaml:4/],
      ["listen: [\n", /weir\.yaml:/],
    ];
    for (const [text, stderr] of cases) {
      await writeFile(config, text);
      const outcome = await weir([
        "serve",
        "--config",
        config,
        "--data-dir",
        join(folder, "data"),
        "--listen",
        "127.0.0.1:0",
      ]);
      assert.equal(outcome.code, 1, outcome.stderr);
      assert.equal(outcome.stdout, "");
      assert.match(outcome.stderr, stderr);
    }
  }));
