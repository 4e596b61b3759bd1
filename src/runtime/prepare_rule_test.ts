import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { mqtt } from "../../connectors/mqtt/mod.ts";
import { Probe } from "../../tests/probe_connector.ts";
import { type Connector, defineConnector } from "../connector/declare.ts";
import { choice, text } from "../connector/settings.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { builtInFunctions } from "../sql/functions/built_in.ts";
import { MemoryStore } from "../store/memory.ts";
import { ConfigRegistry } from "./configs.ts";
import { connectorConfigs } from "./connector_configs.ts";
import { explainPlan } from "./explain.ts";
import { type PreparedRule, prepareRule } from "./prepare_rule.ts";
import { readRule } from "./rule_definition.ts";
import { StreamRegistry } from "./streams.ts";
import { ConnectorList } from "../connector/connector_list.ts";

/** A sink with a setting that all actions have, under the same name. */
const own = defineConnector({
  name: "own",
  status: "experimental",
  summary: "Has a format of its own.",
  sink: {
    summary: "Writes.",
    delivery: "at-most-once",
    accepts: "rows",
    settings: v.strictObject({
      format: choice(["a", "b"], { description: "Its own.", default: "a" }),
      to: text({ description: "Where." }),
    }),
    open: () => Promise.reject(new Error("not opened in this test")),
  },
  examples: [],
}) as Connector;

const connectors = new ConnectorList([new Probe().connector, mqtt, own]);
const store = new MemoryStore();
const configs = new ConfigRegistry({
  store,
  file: {
    sources: {
      mqtt: { plant: { server: "tcp://plant:1", qos: 2, useInt64ForWholeNumber: true, onFull: "dropNewest" } },
    },
    sinks: { mqtt: { cloud: { server: "tcp://cloud:1", sendSingle: true } } },
    connections: { mqtt: { named: { server: "tcp://named:1" } } },
  },
  ...connectorConfigs(connectors),
});
const streams = new StreamRegistry({ store, configs });
for (
  const sql of [
    'CREATE STREAM s (a BIGINT, b STRING, t DATETIME) WITH (TYPE="probe", DATASOURCE="s", TIMESTAMP="t")',
    'CREATE STREAM m () WITH (TYPE="mqtt", DATASOURCE="a/b", CONF_KEY="plant", FORMAT="json")',
    'CREATE STREAM bare () WITH (TYPE="mqtt", FORMAT="json")',
    'CREATE STREAM temporary () WITH (TYPE="probe", DATASOURCE="x", TEMP="true")',
    'CREATE STREAM shared () WITH (TYPE="probe", DATASOURCE="x", SHARED="true")',
    'CREATE STREAM strange () WITH (TYPE="prob")',
    'CREATE STREAM unkeyed () WITH (TYPE="mqtt", DATASOURCE="a", CONF_KEY="plnt")',
    'CREATE STREAM sink_only () WITH (TYPE="own")',
  ]
) streams.execute(sql);

const environment = { connectors, configs, streams, functions: builtInFunctions, timezone: "UTC" };

function prepare(
  sql: string,
  actions: unknown[] = [{ probe: { to: "x" } }],
  more = {},
  sinkDefaults = {},
): PreparedRule {
  const definition = readRule(JSON.stringify({ id: "r", sql, actions, ...more }), { generateId: () => "g" });
  return prepareRule(definition, { ...environment, sinkDefaults });
}

test("prepareRule() merges the settings of confKeys, connections and actions", () => {
  const { inputs: [input], actions } = prepare("SELECT * FROM m", [
    { mqtt: { resourceId: "cloud", topic: "t", clientid: "c" } },
    { mqtt: { connectionSelector: "named", topic: "t", qos: 1, retain: true } },
    { own: { to: "x", format: "b", sendSingle: true } },
  ]);
  const { source } = input!;
  assert.deepEqual(source.settings, { datasource: "a/b", qos: 2 });
  const connectionOf = (role: { connection: { settings: unknown; named: string | undefined } | undefined }) => {
    const { server, clientid } = role.connection!.settings as Record<string, unknown>;
    return { server, clientid, named: role.connection!.named };
  };
  assert.deepEqual(connectionOf(source), { server: ["tcp://plant:1"], clientid: undefined, named: undefined });
  assert.deepEqual(connectionOf(actions[0]!), { server: ["tcp://cloud:1"], clientid: "c", named: undefined });
  assert.deepEqual(connectionOf(actions[1]!), { server: ["tcp://named:1"], clientid: undefined, named: "named" });
  assert.deepEqual(actions.map(({ common }) => common.sendSingle), [true, false, true]);
  assert.deepEqual(actions[1]!.settings, { topic: "t", qos: 1, retained: true, properties: {} });
  assert.deepEqual(actions[2]!.settings, { to: "x", format: "b" });
  assert.equal(actions[2]!.common.format, "json");
});

test("prepareRule() takes what an action does not set from the defaults of all actions", () => {
  const actions = [
    { probe: { to: "x" } },
    { probe: { to: "x", EnableCache: "false", memoryCacheThreshold: 64, bufferPageSize: 64, resendInterval: null } },
  ];
  const defaults = { enableCache: true, memoryCacheThreshold: 512, resendInterval: 2000 };
  const kept = prepare("SELECT a FROM s", actions, {}, defaults).actions.map(({ common }) => [
    common.enableCache,
    common.memoryCacheThreshold,
    common.resendInterval,
    common.maxDiskCache,
  ]);
  assert.deepEqual(kept, [[true, 512, 2000, 1_024_000], [false, 64, 2000, 1_024_000]]);
});

test("prepareRule() reads a second sink for what is sent again", () => {
  const mqttAction = { server: "tcp://a:1", Topic: "live", resendAlterQueue: true, resendDestination: "late" };
  const [action] = prepare("SELECT a FROM s", [{ mqtt: mqttAction }]).actions;
  assert.equal((action!.settings as { topic: string }).topic, "live");
  assert.equal((action!.resend!.settings as { topic: string }).topic, "late");
  assert.deepEqual(action!.resend!.connection, action!.connection);
  const plain = prepare("SELECT a FROM s", [{ mqtt: { ...mqttAction, resendDestination: "" } }]);
  assert.equal(plain.actions[0]!.resend, undefined);
});

test("prepareRule() says what a stream wants when a rule cannot follow", () => {
  const onFullOf = (sql: string) => prepare(sql, undefined).inputs[0]!.source.onFull;
  assert.equal(onFullOf("SELECT a FROM s"), undefined);
  assert.equal(onFullOf("SELECT a FROM m"), "dropNewest");
});

test("prepareRule() makes decoders that know columns and settings", () => {
  const payload = new TextEncoder().encode('{"a":1,"b":2}');
  assert.deepEqual(prepare("SELECT * FROM m").inputs[0]!.source.createDecoder!("all").decode(payload), [{
    a: 1n,
    b: 2n,
  }]);
  const typed = prepare("SELECT a FROM s").inputs[0]!.source.createDecoder!(new Set(["a"]));
  assert.deepEqual(typed.decode(payload), [{ a: 1n }]);
});

const refused: [what: string, sql: string, actions: unknown[], message: RegExp, path?: string, more?: unknown][] = [
  ["an unknown stream", "SELECT a FROM t", [{ probe: { to: "x" } }], /^E201: /],
  ["an unknown column", "SELECT c FROM s", [{ probe: { to: "x" } }], /^E20\d: .*"c"/],
  ["an unknown action", "SELECT a FROM s", [{ prob: {} }], /^E405: .*did you mean "probe"/, "actions.0.prob"],
  ["an action that is a source only", "SELECT a FROM s", [{ simulator: {} }], /^E405: .*this version has/],
  [
    "an unknown property",
    "SELECT a FROM s",
    [{ probe: { to: "x", sendSingel: true } }],
    /^E402: .*"sendSingle"/,
    "actions.0.probe.sendSingel",
  ],
  [
    "numbers of a cache that do not go together",
    "SELECT a FROM s",
    [{ probe: { to: "x", maxDiskCache: -1, memoryCacheThreshold: 300, cacheBytesMax: 0 } }],
    /^E403: invalid cache properties: maxDiskCache is -1, use 1024000; cacheBytesMax is 0, use 536870912; memoryCacheThreshold 300 is not a multiple of the bufferPageSize 256, use 512$/,
    "actions.0.probe",
  ],
  [
    "pages that are larger than the memory",
    "SELECT a FROM s",
    [{ probe: { to: "x", memoryCacheThreshold: 64, bufferPageSize: 128 } }],
    /^E403: invalid cache properties: bufferPageSize 128 is more than the memoryCacheThreshold 64, use 64$/,
    "actions.0.probe",
  ],
  [
    "another destination of a sink without topic",
    "SELECT a FROM s",
    [{ probe: { to: "x", resendAlterQueue: true, resendDestination: "y" } }],
    /^E403: resendDestination takes the place of the topic, which the probe action has not/,
    "actions.0.probe.resendDestination",
  ],
  ["a missing property", "SELECT a FROM s", [{ probe: {} }], /^E40\d: .*to/, "actions.0.probe.to"],
  [
    "a common property of a wrong type",
    "SELECT a FROM s",
    [{ probe: { to: "x", bufferLength: "many" } }],
    /^E403: /,
    "actions.0.probe.bufferLength",
  ],
  [
    "a property that is not built yet",
    "SELECT a FROM s",
    [{ probe: { to: "x", format: "custom" } }],
    /^E408: /,
    "actions.0.probe.format",
  ],
  [
    "a template where none may stand",
    "SELECT a FROM s",
    [{ mqtt: { topic: "t", server: "tcp://{{.a}}" } }],
    /^E403: Setting "server" of the mqtt action cannot hold a template/,
    "actions.0.mqtt.server",
  ],
  [
    "a bad template",
    "SELECT a FROM s",
    [{ mqtt: { topic: "t", properties: { k: "{{.a" } } }],
    /^E409: /,
    "actions.0.mqtt.properties.k",
  ],
  [
    "batches of a format that cannot be joined",
    "SELECT a FROM s",
    [{ probe: { to: "x", format: "binary", batchSize: 5 } }],
    /^E403: Messages of the format "binary" cannot be put together/,
    "actions.0.probe.format",
  ],
  [
    "encryption without a key",
    "SELECT a FROM s",
    [{ probe: { to: "x", encryption: "aes" } }],
    /^E404: AES Key is not defined/,
    "actions.0.probe.encryption",
  ],
  ["an unknown format", "SELECT a FROM s", [{ probe: { to: "x", format: "jsn" } }], /jsn/, "actions.0.probe.format"],
  [
    "fields with excludeFields",
    "SELECT a FROM s",
    [{ probe: { to: "x", fields: ["a"], excludeFields: ["b"] } }],
    /^E403: .*together/,
    "actions.0.probe.excludeFields",
  ],
  [
    "an unknown resourceId",
    "SELECT a FROM s",
    [{ mqtt: { topic: "t", resourceId: "clod" } }],
    /^E406: .*did you mean "cloud"/,
  ],
  [
    "an unknown connection",
    "SELECT a FROM s",
    [{ mqtt: { topic: "t", connectionSelector: "nmed" } }],
    /^E406: .*did you mean "named"/,
  ],
  [
    "a session without client id",
    "SELECT a FROM s",
    [{ mqtt: { topic: "t", enableClientSession: true } }],
    /^E404: .*clientid/,
  ],
  ["a temporary stream", "SELECT a FROM temporary", [{ probe: { to: "x" } }], /^E303: .*temporary/, "temp"],
  [
    "blocking on a shared stream",
    "SELECT a FROM shared",
    [{ probe: { to: "x" } }],
    /^E303: .*disableBufferFullDiscard/,
    "options.disableBufferFullDiscard",
    { options: { disableBufferFullDiscard: true } },
  ],
  [
    "an unknown source type",
    "SELECT a FROM strange",
    [{ probe: { to: "x" } }],
    /^E405: .*did you mean "probe"/,
    "stream strange",
  ],
  [
    "a source type that is a sink only",
    "SELECT a FROM sink_only",
    [{ probe: { to: "x" } }],
    /^E405: Unknown source type "own"/,
  ],
  ["an unknown confKey", "SELECT a FROM unkeyed", [{ probe: { to: "x" } }], /^E406: .*did you mean "plant"/],
  [
    "a source without what it needs",
    "SELECT a FROM bare",
    [{ probe: { to: "x" } }],
    /DATASOURCE/,
    "stream bare.datasource",
  ],
];

for (const [what, sql, actions, message, path, more] of refused) {
  test(`prepareRule() refuses ${what}`, () => {
    assert.throws(() => prepare(sql, actions, more as object), (error) => {
      assert.ok(error instanceof DiagnosticError, String(error));
      assert.match(error.message, message);
      if (path !== undefined) assert.equal(error.diagnostics[0]!.path, path);
      return true;
    });
  });
}

test("prepareRule() tells all that is wrong with the settings at once", () => {
  const actions = [{ prob: {} }, { mqtt: { topci: "t", qos: 9, servr: "x" } }];
  assert.throws(() => prepare("SELECT a FROM strange", actions), (error) => {
    assert.ok(error instanceof DiagnosticError);
    const places = error.diagnostics.map(({ code, path }) => `${code} ${path}`);
    for (
      const place of [
        "E405 stream strange",
        "E405 actions.0.prob",
        "E402 actions.1.mqtt.topci",
        "E403 actions.1.mqtt.qos",
        "E402 actions.1.mqtt.servr",
      ]
    ) assert.ok(places.includes(place), `${place} in ${places.join(", ")}`);
    const hintOf = (name: string) => error.diagnostics.find(({ path }) => path?.endsWith(name))?.hint;
    assert.equal(hintOf("topci"), 'did you mean "topic"?');
    assert.equal(hintOf("servr"), 'did you mean "server"?');
    return true;
  });
});

test("prepareRule() accepts a temporary stream for a temporary rule", () => {
  assert.equal(
    prepare("SELECT a FROM temporary", undefined, { temp: true }).inputs[0]!.source.stream.name,
    "temporary",
  );
});

test("explainPlan() prints a node a line, its input one tab deeper", () => {
  const explain = (sql: string, more = {}) => explainPlan(prepare(sql, undefined, more).plan, sql).split("\n");
  const simple = explain("SELECT a, b AS c FROM s WHERE a > 1");
  assert.deepEqual(simple.map((line) => JSON.parse(line)), [
    { op: "ProjectPlan_0", info: "Fields:[ a, b AS c ]" },
    { op: "FilterPlan_1", info: "Condition:{ a > 1 }" },
    { op: "DataSourcePlan_2", info: "StreamName: s, Fields:[ a, b ]" },
  ]);
  assert.deepEqual(simple.map((line) => /^\t*/.exec(line)![0].length), [0, 1, 2]);
  const state = explain("SELECT a FROM s GROUP BY STATEWINDOW(a > 1, b) OVER (PARTITION BY b)")[1]!;
  assert.deepEqual(JSON.parse(state), {
    op: "WindowPlan_1",
    info: "{ type: state, conditions: [ a > 1, b ], partition: [ b ], time: processing }",
  });
  const eventTime = { options: { isEventTime: true, lateTolerance: "2s" } };
  const windowed = explain(
    "SELECT count(*) AS n, b FROM s GROUP BY b, TUMBLINGWINDOW(ss, 10) HAVING count(*) > 1 ORDER BY b DESC LIMIT 3",
    eventTime,
  ).map((line) => JSON.parse(line) as { op: string; info: string });
  const names = windowed.map(({ op }) => op.replace(/_\d+$/, ""));
  assert.equal(names[0], "ProjectPlan");
  assert.deepEqual(names.slice(-2), ["WatermarkPlan", "DataSourcePlan"]);
  for (const name of ["OrderPlan", "HavingPlan", "IncAggWindowPlan"]) assert.ok(names.includes(name), names.join());
  const infos = windowed.map(({ info }) => info).join("\n");
  for (const part of ["Limit:3", "b DESC", "LateTolerance:2000ms", "type: tumbling", "time: event"]) {
    assert.ok(infos.includes(part), `${part} in ${infos}`);
  }
});
