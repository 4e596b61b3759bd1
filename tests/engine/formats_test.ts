/**
 * Each format, as the FORMAT of a stream and as the `format` of an action, in a rule as people write it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { eventually } from "../eventually.ts";
import { type EngineFixture, withEngine } from "./engine.ts";

const hex = (text: string) => Uint8Array.fromHex(text);

/** Written by the Python packages msgpack 1.0.3, cbor2 5.4.6 and protobuf 3.21. */
const readings = {
  msgpack: [
    "83a26964cf7fffffffffffffffa474656d70cb4036800000000000a47369746581a46e616d65a448616c6c",
    "83a269640aa474656d70cb403e000000000000a47369746581a46e616d65a4526f6f66",
  ],
  cbor: [
    "a36269641b7fffffffffffffff6474656d70fb40368000000000006473697465a1646e616d656448616c6c",
    "a36269640a6474656d70fb403e0000000000006473697465a1646e616d6564526f6f66",
  ],
  protobuf: [
    "08ffffffffffffffff7f1100000000008036401a060a0448616c6c",
    "080a110000000000003e401a060a04526f6f66",
  ],
};

const proto = `syntax = "proto3";
package plant;
message Reading { int64 id = 1; double temp = 2; Site site = 3; }
message Site { string name = 1; }
message Alarm { int64 id = 1; double excess = 2; repeated string names = 3; }
`;

const plantSchema = { name: "plant", content: proto, imports: {}, file: "", version: "" };

function rule(sql: string, properties: Record<string, unknown>): string {
  return JSON.stringify({ id: "r", sql, actions: [{ wire: properties }] });
}

function stream(format: string, more = "", columns = ""): string {
  return `CREATE STREAM s (${columns}) WITH (DATASOURCE="t", TYPE="wire", FORMAT="${format}"${more})`;
}

async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof DiagnosticError, String(error));
    return error.diagnostics.map(({ code, message, path }) => `${code} ${path}: ${message}`).join("\n");
  }
  assert.fail("nothing was refused");
}

const sql = "SELECT id, temp - 20 AS excess, site->name AS name FROM s WHERE temp > 25 OR id = 9223372036854775807";

for (const format of ["msgpack", "cbor", "protobuf"] as const) {
  test(`${format} is read, ints exactly, and results go out as JSON`, () =>
    withEngine(async ({ engine, streams, schemas, wire }) => {
      await schemas.create(plantSchema);
      streams.execute(stream(format, format === "protobuf" ? ', SCHEMAID="plant.Reading"' : ""));
      await engine.rules.create(rule(sql, {}));
      wire.sendBytes(...readings[format].map(hex), hex("c1"));
      await eventually(() => wire.written.length === 2);
      assert.deepEqual(wire.written, [
        '[{"excess":2.5,"id":9223372036854775807,"name":"Hall"}]',
        '[{"excess":10,"id":10,"name":"Roof"}]',
      ]);
      const failed = () => JSON.stringify(engine.rules.ledger("r").streams[0]!.payloads?.failed);
      await eventually(() => failed() === '{"E501":1}');
    }));
}

test("msgpack and cbor results are one payload, with sendSingle or batchSize as JSON has it", () =>
  withEngine(async ({ engine, streams, wire }) => {
    wire.decode = (bytes) => bytes.toHex();
    streams.execute(stream("json", "", "id BIGINT, t FLOAT"));
    const actions = [
      { wire: { format: "msgpack" } },
      { wire: { format: "CBOR", sendSingle: true } },
      { wire: { format: "msgpack", sendSingle: true, batchSize: 2 } },
      { wire: { format: "cbor", compression: "zstd" } },
    ];
    for (const [i, action] of actions.entries()) {
      wire.written.length = 0;
      const id = `r${i}`;
      await engine.rules.create(JSON.stringify({ id, sql: "SELECT id, t FROM s", actions: [action] }));
      wire.send('[{"id":9223372036854775807,"t":1},{"id":-1,"t":0.1}]');
      await eventually(() => wire.written.length > 0);
      await engine.rules.delete(id);
      const found = [...wire.written];
      if (i === 0) {
        assert.deepEqual(found, [
          "9182a26964cf7fffffffffffffffa174cb3ff0000000000000",
          "9182a26964ffa174cb3fb999999999999a",
        ]);
      } else if (i === 1) {
        assert.deepEqual(found, ["a26269641b7fffffffffffffff6174fa3f800000", "a2626964206174fb3fb999999999999a"]);
      } else if (i === 2) {
        assert.deepEqual(found, [
          "9282a26964cf7fffffffffffffffa174cb3ff000000000000082a26964ffa174cb3fb999999999999a",
        ]);
      } else assert.ok(found.every((each) => each.startsWith("28b52ffd")));
    }
  }));

test("protobuf results are messages; what does not fit is counted, the rule goes on", () =>
  withEngine(async ({ engine, streams, schemas, wire }) => {
    await schemas.create(plantSchema);
    wire.decode = (bytes) => bytes.toHex();
    streams.execute(stream("json"));
    const action = { format: "protobuf", schemaId: "plant.Alarm", sendSingle: true };
    await engine.rules.create(rule("SELECT id, excess, names, other FROM s", action));
    wire.send('{"id":10,"excess":1.5,"names":["a","b"],"other":1}', '{"id":"x"}', '{"id":11}');
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(wire.written, ["080a11000000000000f83f1a01611a0162", "080b"]);
    const status = engine.rules.status("r") as Record<string, unknown>;
    assert.match(JSON.stringify(status), /field \\"id\\": found the text \\"x\\", wanted a whole number/);
  }));

test("urlencoded is read as texts that columns convert, and written as pairs", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(stream("urlencoded", ', STRICT_VALIDATION="false"', "a BIGINT, b STRING"));
    const action = { format: "urlencoded", sendSingle: true };
    await engine.rules.create(rule('SELECT cast(a, "bigint") + 1 AS n, b FROM s', action));
    wire.send("a=41&b=x%20y&c=1");
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ["b=x+y&n=42"]);
  }));

test("a stream with SCHEMAID has the columns of the message", () =>
  withEngine(async ({ engine, streams, schemas }) => {
    await schemas.create(plantSchema);
    streams.execute(stream("protobuf", ', SCHEMAID="plant.Reading"', "declared BIGINT"));
    assert.deepEqual(streams.resolveSchema("stream", "s"), {
      id: { type: "bigint" },
      temp: { type: "float" },
      site: { type: "struct", properties: { name: { type: "string" } } },
    });
    assert.match(
      streams.execute("DESCRIBE STREAM s").text,
      /^Fields\n-+\nid\tbigint\ntemp\tfloat\nsite\tstruct\(name string\)\n\n/,
    );
    assert.match(
      await refusal(() => engine.rules.create(rule("SELECT tmp FROM s", {}))),
      /^E204 .*Cannot resolve column "tmp"/,
    );
    assert.match(JSON.stringify(streams.definitionJson("stream", "s")), /"Name":"declared"/);
  }));

test("DESCRIBE of a stream without columns tells those of the newest row that a rule has of it", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(stream("msgpack"));
    const describe = () =>
      streams.execute("DESCRIBE STREAM s", { wanted: engine.wantedColumns, newest: engine.newestRow })
        .text.split("\n").slice(2, -2).filter((line) => !/^(DATASOURCE|TYPE|FORMAT)/.test(line));
    assert.deepEqual(describe(), [""]);
    await engine.rules.create(rule("SELECT *, absent FROM s", {}));
    wire.sendBytes(hex(readings.msgpack[0]!));
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(describe(), ["id\tbigint", "site\tstruct(name string)", "temp\tfloat", ""]);
    await engine.rules.update("r", rule("SELECT temp, absent FROM s", {}));
    assert.deepEqual(describe(), ["absent\tunknown", "temp\tunknown", ""]);
    wire.sendBytes(hex(readings.msgpack[0]!));
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(describe(), ["absent\tunknown", "temp\tfloat", ""]);
    assert.deepEqual(streams.resolveSchema("stream", "s", engine.wantedColumns("s")), { absent: null, temp: null });
    await engine.rules.delete("r");
    assert.deepEqual(describe(), [""]);
  }));

test("a schema that is missing or has no such message is told where it is named", () =>
  withEngine(async ({ engine, streams, schemas }: EngineFixture) => {
    streams.execute(stream("protobuf", ', SCHEMAID="plant.Reading"'));
    assert.equal(
      await refusal(() => engine.rules.create(rule("SELECT * FROM s", {}))),
      'E410 stream s.SCHEMAID: There is no protobuf schema "plant"',
    );
    await schemas.create(plantSchema);
    await engine.rules.create(rule("SELECT * FROM s", {}));
    const wrong = [
      [{ format: "protobuf" }, "E404 actions.0.wire.schemaId: The format protobuf needs the setting schemaId"],
      [
        { format: "protobuf", schemaId: "plant.Alarms" },
        'E410 actions.0.wire.schemaId: The protobuf schema "plant" has no message "Alarms"',
      ],
      [
        { format: "protobuf", schemaId: "plant" },
        'E410 actions.0.wire.schemaId: "plant" names a schema and no message of it',
      ],
      [
        { format: "protobuf", schemaId: "plant.Alarm", batchSize: 2 },
        'E403 actions.0.wire.format: Messages of the format "protobuf" cannot be put together: batchSize and ' +
        "lingerInterval need another",
      ],
      [
        { format: "custom", schemaId: "plant.Alarm" },
        'E408 actions.0.wire.format: The format "custom" is not supported by this version of weir: it has binary, ' +
        "cbor, delimited, json, msgpack, protobuf, urlencoded",
      ],
    ] as const;
    for (const [action, message] of wrong) {
      assert.equal(await refusal(() => engine.rules.update("r", rule("SELECT * FROM s", action))), message);
    }
    streams.execute('CREATE STREAM none () WITH (DATASOURCE="t", TYPE="wire", FORMAT="protobuf")');
    assert.equal(
      await refusal(() => engine.rules.update("r", rule("SELECT * FROM none", {}))),
      "E404 stream none.SCHEMAID: The format protobuf needs the setting SCHEMAID",
    );
  }));

test("a running rule keeps its schema until it starts again", () =>
  withEngine(async ({ engine, streams, schemas, wire }) => {
    await schemas.create(plantSchema);
    streams.execute(stream("protobuf", ', SCHEMAID="plant.Reading"'));
    await engine.rules.create(rule("SELECT id FROM s", {}));
    const renamed = proto.replace("int64 id = 1; double temp", "int64 number = 9; string id = 1; double temp");
    await schemas.update({ ...plantSchema, content: renamed });
    wire.sendBytes(hex("080a"));
    await eventually(() => wire.written.length === 1);
    await engine.rules.restart("r");
    wire.sendBytes(hex("0a0178"));
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(wire.written, ['[{"id":10}]', '[{"id":"x"}]']);
    schemas.delete("plant");
    wire.sendBytes(hex("0a0179"));
    await eventually(() => wire.written.length === 3);
    await engine.rules.restart("r").catch(() => {});
    await eventually(() => engine.rules.status("r").status !== "running");
    assert.match(String(engine.rules.status("r").message), /There is no protobuf schema "plant"/);
  }));

test("a payload inside of a payload may need a schema", () =>
  withEngine(async ({ engine, streams, schemas, configs, wire }) => {
    await schemas.create(plantSchema);
    configs.putConfKey("source", "wire", "k", {
      payloadFormat: "protobuf",
      payloadField: "data",
      payloadSchemaId: "plant.Site",
    });
    streams.execute(stream("msgpack", ', CONF_KEY="k"'));
    await engine.rules.create(rule("SELECT device, name FROM s", {}));
    wire.sendBytes(hex("82a6646576696365a16ba464617461c4060a0448616c6c"));
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"device":"k","name":"Hall"}]']);
    configs.putConfKey("source", "wire", "k", { payloadFormat: "protobuf", payloadField: "data" });
    assert.match(
      await refusal(() => engine.rules.update("r", rule("SELECT name FROM s", {}))),
      /^E404 stream s.payloadSchemaId: The format protobuf needs the setting payloadSchemaId/,
    );
  }));

test("a stream that a graph defines itself may need a schema", () =>
  withEngine(async ({ engine, schemas, wire }) => {
    await schemas.create(plantSchema);
    const graph = (props: Record<string, unknown>) =>
      JSON.stringify({
        id: "g",
        graph: {
          nodes: {
            src: { type: "source", nodeType: "wire", props: { datasource: "t", format: "protobuf", ...props } },
            warm: { type: "operator", nodeType: "filter", props: { expr: "temp > 25" } },
            out: { type: "sink", nodeType: "wire", props: { sendSingle: true } },
          },
          topo: { sources: ["src"], edges: { src: ["warm"], warm: ["out"] } },
        },
      });
    assert.match(await refusal(() => engine.rules.create(graph({}))), /^E404 .*needs the setting SCHEMAID/);
    await engine.rules.create(graph({ schemaName: "plant", schemaMessage: "Reading" }));
    wire.sendBytes(...readings.protobuf.map(hex));
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['{"id":10,"site":{"name":"Roof"},"temp":30}']);
  }));

test("with qos 1, payloads of bytes wait for their sink, and nothing of them is lost", () =>
  withEngine(async ({ engine, streams, schemas, wire }) => {
    await schemas.create(plantSchema);
    wire.decode = (bytes) => bytes.toHex();
    streams.execute(stream("msgpack"));
    const actions = [{ wire: { format: "protobuf", schemaId: "plant.Reading", sendSingle: true } }];
    await engine.rules.create(JSON.stringify({ id: "r", sql: "SELECT * FROM s", actions, options: { qos: 1 } }));
    let release = () => {};
    wire.held = new Promise<void>((resolve) => (release = resolve));
    wire.sendBytes(...readings.msgpack.map(hex));
    await eventually(() => engine.rules.ledger("r").actions[0]!.results.out === 2);
    await engine.rules.restart("r");
    release();
    await eventually(() => new Set(wire.written).size === 2);
    assert.deepEqual([...new Set(wire.written)].sort(), [...readings.protobuf].sort());
  }));
