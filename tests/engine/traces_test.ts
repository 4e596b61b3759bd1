/**
 * Traces of rules: what they hold, where they come from and go to, and that they cost nothing while nobody asks for them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { tracingDefaults, type TracingSettings } from "../../src/runtime/traces/tracing.ts";
import type { TraceNode } from "../../src/telemetry/traces/trace_ring.ts";
import { publish, subscribed, Subscriber } from "../agent/mosquitto_clients.ts";
import { eventually } from "../eventually.ts";
import { type HttpTestServer, startHttpServer } from "../http_server.ts";
import { startMosquitto } from "../mosquitto.ts";
import { withDataServer } from "./data_server.ts";
import { type EngineFixture, wireRule, wireStream, withEngine } from "./engine.ts";
import { otlpSpans } from "./otlp_spans.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentId = "b7ad6b7169203331";
const sampled = `00-${traceId}-${parentId}-01`;
const unsampled = `00-${traceId}-${parentId}-00`;

function withTraces(work: (fixture: EngineFixture) => Promise<void>, settings: Partial<TracingSettings> = {}) {
  const tracing = { ...tracingDefaults, batchDelay: 5, ...settings };
  return withEngine(work, { version: "9.9.9", config: { timezone: "UTC", tracing } });
}

async function withCollector(work: (collector: HttpTestServer) => Promise<void>): Promise<void> {
  const collector = await startHttpServer(() => ({}));
  try {
    await work(collector);
  } finally {
    await collector.close();
  }
}

const names = (node: TraceNode) => node.ChildSpan.map(({ name }) => name);

/** The trees of a rule, oldest first, once there are so many with all of their spans. */
async function treesOf({ engine }: EngineFixture, rule: string, count: number, spans = 2): Promise<TraceNode[]> {
  const trees = () => engine.traces.ofRule(rule, 0).map((id) => engine.traces.trace(id)!).reverse();
  await eventually(() => trees().length >= count && trees().every(({ ChildSpan }) => ChildSpan.length >= spans));
  return trees();
}

test("a traced message has spans from the source to the sink", () =>
  withTraces(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s WHERE a > 1"));
    await engine.traces.start("r", "always");
    assert.equal(engine.rules.list()[0]!.trace, true);
    wire.send('{"a":1}', '{"a":2}');
    const [left, passed] = await treesOf(fixture, "r", 2);
    assert.equal(left!.name, "source_s");
    assert.deepEqual(left!.attribute, { rule: "r", data: '{"a":1}' });
    assert.deepEqual(names(left!), ["decoder", "filter"]);
    await eventually(() => names(engine.traces.trace(passed!.traceID)!).length === 4);
    const whole = engine.traces.trace(passed!.traceID)!;
    assert.deepEqual(names(whole).toSorted(), ["decoder", "filter", "project", "sink_wire_0"]);
    const filter = whole.ChildSpan.find(({ name }) => name === "filter")!;
    assert.deepEqual([filter.attribute["weir.rows.in"], filter.attribute["weir.rows.out"]], [1, 1]);
    for (const { parentSpanID, startTime, endTime } of whole.ChildSpan) {
      assert.equal(parentSpanID, whole.spanID);
      assert.ok(startTime <= endTime, `${startTime} ${endTime}`);
      assert.match(startTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    }
    engine.traces.stop("r");
    assert.equal(engine.rules.list()[0]!.trace, false);
    wire.send('{"a":3}');
    await eventually(() => wire.written.length === 2);
    assert.equal(engine.traces.ofRule("r", 0).length, 2);
    assert.equal(engine.traces.ofRule("r", 1)[0], passed!.traceID);
  }));

test("a result of a window is linked to the messages that went in", () =>
  withTraces(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT count(*) AS n FROM s GROUP BY COUNTWINDOW(3)"));
    await engine.traces.start("r", "always");
    wire.send('{"a":1}', '{"a":2}', '{"a":3}');
    const trees = await treesOf(fixture, "r", 3);
    await eventually(() => names(engine.traces.trace(trees[2]!.traceID)!).includes("sink_wire_0"));
    assert.deepEqual(trees[2]!.links.map(({ traceID }) => traceID), trees.slice(0, 2).map(({ traceID }) => traceID));

    await engine.rules.delete("r");
    await engine.rules.create(wireRule("t", "SELECT count(*) AS n FROM s GROUP BY TUMBLINGWINDOW(ms, 50)"));
    await engine.traces.start("t", "always");
    wire.send('{"a":1}');
    await eventually(() =>
      engine.traces.ofRule("t", 0).some((id) => {
        const tree = engine.traces.trace(id)!;
        return tree.name === "window" && tree.links.length === 1 && names(tree).includes("sink_wire_0");
      })
    );
  }));

test("the option enableRuleTracer traces a rule from its start on", () =>
  withTraces(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { options: { enableRuleTracer: true } }));
    wire.send('{"a":1}');
    const [tree] = await treesOf(fixture, "r", 1, 3);
    assert.deepEqual(names(tree!).toSorted(), ["decoder", "project", "sink_wire_0"]);
  }));

test("what a rule with qos 1 keeps is traced until the sink has it", () =>
  withTraces(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(
      wireRule("r", "SELECT a FROM s", { options: { qos: 1, enableRuleTracer: true } }),
    );
    wire.send('{"a":1}', '{"a":2}');
    const trees = await treesOf(fixture, "r", 2, 3);
    for (const tree of trees) assert.ok(names(tree).includes("sink_wire_0"), names(tree).join());
    assert.deepEqual(wire.written, ['[{"a":1}]', '[{"a":2}]']);
  }));

test("a batch of traced messages is one message, and the sending of each of them", () =>
  withTraces(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    const actions = [{ wire: { batchSize: 2 } }];
    await engine.rules.create(JSON.stringify({ id: "r", sql: "SELECT a FROM s", actions }));
    await engine.traces.start("r", "always");
    wire.send('{"a":1}', '{"a":2}');
    for (const tree of await treesOf(fixture, "r", 2, 3)) assert.ok(names(tree).includes("sink_wire_0"));
    assert.deepEqual(wire.written, ['[{"a":1},{"a":2}]']);
  }));

test("there is a limit of traces in a second, and what is beyond it is counted", () =>
  withTraces(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s"));
    await engine.traces.start("r", "always");
    wire.send(...Array.from({ length: 500 }, (_, a) => JSON.stringify({ a })));
    await eventually(() => wire.written.length === 500);
    assert.deepEqual(wire.written.map((text) => JSON.parse(text)[0].a), Array.from({ length: 500 }, (_, a) => a));
    const { limited, traces } = engine.traces.figures!;
    assert.equal(traces, 5);
    assert.ok(limited >= 400, String(limited));
  }, { perSecondMax: 10, tracesMax: 5 }));

test("a rule that nobody traces makes the messages that it made before, and listens to nothing", () =>
  withTraces(async ({ engine, streams, wire }) => {
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s WHERE a > 0"));
    assert.equal(engine.traces.figures, undefined, "nothing is loaded");
    wire.send('{"a":1}');
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.traceparents, [undefined]);
    await engine.traces.start("r", "always");
    wire.send('{"a":2}');
    await eventually(() => wire.written.length === 2);
    assert.match(String(wire.traceparents[1]), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    engine.traces.stop("r");
    wire.send('{"a":3}');
    await eventually(() => wire.written.length === 3);
    assert.equal(wire.traceparents[2], undefined);
  }));

test("MQTT 5 brings the trace of a message, and takes it on", async () => {
  const broker = await startMosquitto();
  const out = await Subscriber.start(broker, "out", ["-V", "5", "-F", "%P %p"]);
  try {
    await withTraces(async (fixture) => {
      const { engine, configs, streams } = fixture;
      configs.putConfKey("source", "mqtt", "k", {
        server: broker.url,
        clientid: "weir-traces",
        protocolVersion: "5",
        qos: 1,
      });
      streams.execute('CREATE STREAM m () WITH (DATASOURCE="in/#", FORMAT="json", TYPE="mqtt", CONF_KEY="k")');
      const mqtt = { server: broker.url, topic: "out", protocolVersion: "5", qos: 1 };
      await engine.rules.create(JSON.stringify({ id: "r", sql: "SELECT a FROM m", actions: [{ mqtt }] }));
      await engine.traces.start("r", "head");
      await subscribed(broker, "weir-traces");
      const send = (a: number, traceparent?: string) => {
        const property = traceparent === undefined
          ? []
          : ["-D", "publish", "user-property", "traceparent", traceparent];
        return publish(broker, "in/x", `{"a":${a}}`, ["-V", "5", "-q", "1", ...property]);
      };
      await send(1);
      await send(2, unsampled);
      await send(3, "00-nonsense");
      await send(4, sampled);
      await eventually(() => out.lines.length === 4);
      const spans = (await treesOf(fixture, "r", 1, 3)).map(({ traceID, parentSpanID }) => [traceID, parentSpanID]);
      assert.deepEqual(spans, [[traceId, parentId]], "only what the sender samples");
      const tree = engine.traces.trace(traceId)!;
      assert.equal(tree.attribute["messaging.system"], "mqtt");
      assert.equal(tree.attribute["messaging.destination.name"], "in/x");
      const sink = tree.ChildSpan.find(({ name }) => name === "sink_mqtt_0")!;
      assert.equal(sink.attribute["messaging.destination.name"], "out");
      assert.deepEqual(out.lines.slice(0, 3).map((line) => line.includes("traceparent")), [false, false, false]);
      assert.ok(out.lines[3]!.includes(`traceparent:00-${traceId}-${sink.spanID}-01`), out.lines[3]!);
    });
  } finally {
    await out.stop();
    await broker.stop();
  }
});

test("a request brings the trace of its message, and the rest sink takes it on", () =>
  withCollector(async (receiver) => {
    await withDataServer(async (fixture) => {
      const { engine, streams, url } = fixture;
      streams.execute('CREATE STREAM h () WITH (DATASOURCE="/in", FORMAT="json", TYPE="httppush")');
      const rest = { url: `${receiver.url}/out?key=secret`, method: "post" };
      await engine.rules.create(JSON.stringify({ id: "r", sql: "SELECT a FROM h", actions: [{ rest }] }));
      await engine.traces.start("r", "head");
      const send = async (headers: Record<string, string>) => {
        const response = await fetch(url("/in"), { method: "POST", body: '{"a":1}', headers });
        await response.text();
        return response.status;
      };
      await eventually(() => fixture.dataServer.address !== undefined);
      await eventually(async () => (await send({})) === 200);
      assert.equal(await send({ traceparent: sampled }), 200);
      const [tree] = await treesOf(fixture, "r", 1, 3);
      assert.equal(tree!.parentSpanID, parentId);
      const sink = tree!.ChildSpan.find(({ name }) => name === "sink_rest_0")!;
      assert.equal(sink.attribute["http.request.method"], "POST");
      assert.equal(sink.attribute["url.full"], `${receiver.url}/out`);
      assert.deepEqual(
        receiver.requests.map(({ headers }) => headers.traceparent).filter((each) => each !== undefined),
        [`00-${traceId}-${sink.spanID}-01`],
      );
    });
  }));

for (const protocol of ["http/json", "http/protobuf"] as const) {
  test(`spans are exported as OTLP over ${protocol}`, () =>
    withCollector((collector) =>
      withTraces(async (fixture) => {
        const { engine, streams, wire } = fixture;
        streams.execute(wireStream);
        await engine.rules.create(wireRule("r", "SELECT a FROM s WHERE a > 0"));
        await engine.traces.start("r", "always");
        wire.send('{"a":1}');
        await eventually(() => (engine.traces.figures?.exported ?? 0) === 5);
        const [{ path, headers }] = collector.requests as [typeof collector.requests[number]];
        assert.equal(path, "/v1/traces");
        assert.equal(headers["x-key"], "k");
        const { resource, spans } = await otlpSpans(collector.requests, protocol);
        assert.equal(resource["service.name"], "weir-7");
        assert.equal(resource["service.version"], "9.9.9");
        assert.equal(resource.site, "north");
        const root = spans.find(({ name }) => name === "source_s")!;
        const tree = engine.traces.trace(root.traceId)!;
        assert.deepEqual(
          spans.map(({ spanId }) => spanId).toSorted(),
          [
            tree.spanID,
            ...tree.ChildSpan.map(({ spanID }) => spanID),
          ].toSorted(),
        );
        for (const span of spans) {
          assert.equal(span.attributes["weir.rule.id"], "r");
          assert.equal(span.attributes["weir.data"], undefined, "rows stay here");
          assert.equal(span.parentSpanId, span === root ? "" : root.spanId);
        }
      }, {
        endpoint: collector.url,
        protocol,
        headers: { "x-key": "k" },
        serviceName: "weir-7",
        resourceAttributes: { site: "north" },
      })
    ));
}

test("a collector that is busy, slow or away holds up no rule, and gets the spans later", () =>
  withCollector((collector) =>
    withTraces(async (fixture) => {
      const { engine, streams, wire } = fixture;
      const answers = [{ status: 429, headers: { "retry-after": "0" } }, {
        status: 503,
        headers: { "retry-after": "0" },
      }, {
        status: 0,
      }];
      collector.answer = () => answers.shift() ?? {};
      streams.execute(wireStream);
      await engine.rules.create(wireRule("r", "SELECT a FROM s"));
      await engine.traces.start("r", "always");
      wire.send('{"a":1}');
      await eventually(() => (engine.traces.figures?.exported ?? 0) === 4);
      assert.equal(collector.requests.length, 4);
      assert.deepEqual(engine.traces.figures!.dropped, {});

      const { promise, resolve } = Promise.withResolvers<void>();
      collector.answer = async () => {
        await promise;
        return {};
      };
      wire.send(...Array.from({ length: 50 }, (_, a) => JSON.stringify({ a })));
      await eventually(() => wire.written.length === 51);
      await eventually(() => (engine.traces.figures!.dropped["queue full"] ?? 0) > 0);
      assert.ok(engine.traces.figures!.waiting <= 20);
      resolve();
      await eventually(() => engine.traces.figures!.waiting === 0);

      collector.answer = () => ({ status: 400 });
      wire.send('{"a":1}');
      await eventually(() => engine.traces.figures!.dropped.refused === 4);
      collector.answer = () => ({ body: '{"partialSuccess":{"rejectedSpans":"3"}}' });
      wire.send('{"a":1}');
      await eventually(() => (engine.traces.figures!.dropped.rejected ?? 0) >= 3);
    }, { endpoint: collector.url, queueSize: 20, batchSize: 4, timeout: 5000 })
  ));

test("POST /tracer sends traces to a collector, and ends it", () =>
  withCollector((collector) =>
    withTraces(async ({ engine, streams, wire }) => {
      streams.execute(wireStream);
      await engine.rules.create(wireRule("r", "SELECT a FROM s"));
      await assert.rejects(engine.traces.collect({ url: "ftp://x" }), /E403|expected a URL/);
      await engine.traces.collect({ url: `127.0.0.1:${collector.port}`, serviceName: "mine" });
      await engine.traces.start("r", "always");
      wire.send('{"a":1}');
      await eventually(() => engine.traces.figures!.exported === 4);
      await engine.traces.collect(undefined);
      const asked = collector.requests.length;
      wire.send('{"a":2}');
      await eventually(() => engine.traces.ofRule("r", 0).length === 2);
      assert.equal(collector.requests.length, asked);
      assert.equal((await otlpSpans(collector.requests, "http/json")).resource["service.name"], "mine");
      assert.equal(engine.traces.figures!.exported, 4);
    })
  ));
