import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { SchemaRegistry } from "../../src/runtime/schemas.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { admin, type Fixture } from "./fixture.ts";

const proto = 'syntax = "proto3"; package plant; message Reading { int64 id = 1; }';

/** plant.proto and plant/units.proto deflated, plant/site.proto stored, with a comment: made by Python's zipfile. */
const archive = Uint8Array.fromBase64([
  "UEsDBBQAAAAIAHqRd11S42WiWwAAAHUAAAALAAAAcGxhbnQucHJvdG8rrswrSaxQsFVQKijKL8k3VrJWyMwtyC8qUVAqzcssKdYD",
  "CyOJFuQk5pXoF2eWpMKlclOLixPTUxWCUhNTMvPSFaoVQoFaFUD6gQYbWisEA1UrgLQAuUbWCrUAUEsDBBQAAAAIAHqRd10AAAAA",
  "AgAAAAAAAAAGAAAAcGxhbnQvAwBQSwMEFAAAAAgAepF3XZg87V43AAAANgAAABEAAABwbGFudC91bml0cy5wcm90byuuzCtJrFCw",
  "VVAqKMovyTdWslbITS0uTkxPVQjNyyxRqFYoLinKzEtXKK7MTcrPASo0tFaoBQBQSwMEFAAAAAAAAAAhAMjSHGU0AAAANAAAABAA",
  "AABwbGFudC9zaXRlLnByb3Rvc3ludGF4ID0gInByb3RvMyI7IG1lc3NhZ2UgU2l0ZSB7IHN0cmluZyBuYW1lID0gMTsgfVBLAQIU",
  "AxQAAAAIAHqRd11S42WiWwAAAHUAAAALAAAAAAAAAAAAAACAAQAAAABwbGFudC5wcm90b1BLAQIUAxQAAAAIAHqRd10AAAAAAgAA",
  "AAAAAAAGAAAAAAAAAAAAEAD9QYQAAABwbGFudC9QSwECFAMUAAAACAB6kXddmDztXjcAAAA2AAAAEQAAAAAAAAAAAAAAgAGqAAAA",
  "cGxhbnQvdW5pdHMucHJvdG9QSwECFAMUAAAAAAAAACEAyNIcZTQAAAA0AAAAEAAAAAAAAAAAAAAAgAEQAQAAcGxhbnQvc2l0ZS5w",
  "cm90b1BLBQYAAAAABAAEAOoAAAByAQAADgBtYWRlIGJ5IGEgdGVzdA==",
].join(""));

interface Scene extends Fixture {
  readonly schemas: SchemaRegistry;
  readonly store: MemoryStore;
  readonly directory: string;
}

async function withSchemas(work: (scene: Scene) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "weir-schemas-"));
  try {
    const store = new MemoryStore();
    const schemas = await SchemaRegistry.open(store);
    await work({ ...admin({ schemas: { schemas, directory } }), schemas, store, directory });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("schemas are created, listed, read, replaced and deleted, and are there after a restart", () =>
  withSchemas(async ({ ask, store }) => {
    assert.equal((await ask("GET", "/schemas/protobuf")).text, "[]");
    const created = await ask("POST", "/schemas/protobuf", { name: "plant", content: proto });
    assert.deepEqual([created.status, created.text], [201, "protobuf schema plant is created"]);
    assert.deepEqual((await ask("GET", "/schemas/protobuf")).json(), ["plant"]);
    assert.deepEqual((await ask("GET", "/schemas/protobuf/plant")).json(), {
      type: "protobuf",
      name: "plant",
      content: proto,
      file: "",
      soFile: "",
      version: "",
    });
    const content = proto.replace("id = 1", "id = 2");
    const updated = await ask("PUT", "/schemas/protobuf/plant", { content, version: "2" });
    assert.deepEqual([updated.status, updated.text], [200, "protobuf schema plant is updated"]);
    const reopened = await SchemaRegistry.open(store);
    assert.deepEqual(reopened.get("plant"), { name: "plant", content, imports: {}, file: "", version: "2" });
    assert.equal(reopened.message("plant.Reading").columns.length, 1);
    const deleted = await ask("DELETE", "/schemas/protobuf/plant");
    assert.deepEqual([deleted.status, deleted.text], [200, "protobuf schema plant is deleted"]);
    assert.deepEqual((await SchemaRegistry.open(store)).names(), []);
  }));

test("a stored schema that cannot be read is named, and does not keep the others away", async () => {
  const store = new MemoryStore();
  const good = JSON.stringify({ name: "good", content: proto, imports: {}, file: "", version: "" });
  for (const [name, text] of [["good", good], ["cut", good.slice(0, 30)], ["old", "{}"]]) {
    store.put("schema", `protobuf/${name}`, text!);
  }
  const schemas = await SchemaRegistry.open(store);
  assert.deepEqual(schemas.names(), ["good"]);
  assert.deepEqual(schemas.unreadable, ["cut", "old"]);
  schemas.delete("cut");
  await schemas.create({ name: "old", content: proto, imports: {}, file: "", version: "" });
  assert.deepEqual((await SchemaRegistry.open(store)).unreadable, []);
});

test("mistakes have the status and the words that clients of eKuiper know", () =>
  withSchemas(async ({ ask }) => {
    await ask("POST", "/schemas/protobuf", { name: "plant", content: proto, version: "2" });
    const cases: [string, string, unknown, number, RegExp][] = [
      ["POST", "/schemas/protobuf", { name: "plant", content: proto }, 400, /protobuf schema plant already exists/],
      ["POST", "/schemas/protobuf", { name: "a/b", content: proto }, 400, /invalid characters/],
      ["POST", "/schemas/protobuf", { content: proto }, 400, /id cannot be empty/],
      ["POST", "/schemas/protobuf", { name: "x" }, 400, /must specify content or file/],
      [
        "POST",
        "/schemas/protobuf",
        { name: "x", content: "a", file: "b" },
        400,
        /Cannot specify both content and file/,
      ],
      ["POST", "/schemas/protobuf", { name: "x", content: "mesage M {}" }, 400, /x.proto: illegal token 'mesage'/],
      [
        "POST",
        "/schemas/protobuf",
        { name: "x", content: 'import "y.proto";' },
        400,
        /y.proto, which is not registered/,
      ],
      ["POST", "/schemas/protobuf", { name: "x", content: proto, soFile: "x.so" }, 400, /Go cannot be loaded/],
      ["POST", "/schemas/custom", { name: "x", soFile: "x.so" }, 400, /type custom are not supported/],
      ["POST", "/schemas/avro", { name: "x" }, 404, /unknown schema type avro/],
      ["POST", "/schemas/protobuf", "{", 400, /Invalid body: Error decoding the schema/],
      ["PUT", "/schemas/protobuf/plant", { content: proto, version: "1" }, 400, /new version \(1\) is lower/],
      ["PUT", "/schemas/protobuf/plant", { name: "other", content: proto }, 400, /the body names schema other/],
      ["GET", "/schemas/protobuf/plnt", undefined, 404, /protobuf schema plnt not found/],
      ["DELETE", "/schemas/protobuf/nothing", undefined, 404, /protobuf schema nothing not found/],
      ["GET", "/schemas/custom/x", undefined, 404, /custom schema x not found/],
    ];
    for (const [method, path, body, status, message] of cases) {
      const answer = await ask(method, path, body);
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      assert.match(answer.json().message, message);
    }
    assert.deepEqual((await ask("GET", "/schemas/protobuf")).json(), ["plant"]);
    assert.equal((await ask("GET", "/schemas/custom")).text, "[]");
    const same = await ask("PUT", "/schemas/protobuf/plant", { content: proto, version: "2" });
    assert.equal(same.status, 200, "the same version is no lower one");
  }));

test("schemas import each other by their names", () =>
  withSchemas(async ({ ask, schemas }) => {
    await ask("POST", "/schemas/protobuf", { name: "units", content: "message Unit { optional string symbol = 1; }" });
    const content = 'import "units.proto"; message Reading { optional Unit unit = 1; }';
    await ask("POST", "/schemas/protobuf", { name: "plant", content });
    const unit = () => schemas.message("plant.Reading").columns[0]!.type;
    assert.deepEqual(unit(), { kind: "struct", columns: [{ name: "symbol", type: { kind: "string" } }] });
    await ask("PUT", "/schemas/protobuf/units", { content: "message Unit { optional int32 code = 1; }" });
    assert.deepEqual(unit(), { kind: "struct", columns: [{ name: "code", type: { kind: "bigint" } }] });
    await ask("DELETE", "/schemas/protobuf/units");
    assert.throws(
      unit,
      /E410: The protobuf schema "plant" cannot be used: plant.proto imports units.proto, which is not/,
    );
  }));

test("files are uploaded as a form, .proto and .zip", () =>
  withSchemas(async ({ app, schemas }) => {
    const upload = (name: string, form: FormData | string) =>
      Promise.resolve(app.request(`/schemas/protobuf/${name}/upload`, { method: "PUT", body: form }));
    const formOf = (bytes: BlobPart, fileName: string, version?: string) => {
      const form = new FormData();
      form.append("file", new File([bytes], fileName));
      if (version !== undefined) form.append("version", version);
      return form;
    };
    const created = await upload("a", formOf(proto, "any.proto", "2"));
    assert.deepEqual([created.status, await created.json()], [201, { type: "protobuf", name: "a" }]);
    assert.equal(created.headers.get("Location"), "/schemas/protobuf/a");
    assert.equal((await upload("a", formOf(proto, "any.proto", "3"))).status, 200);
    assert.equal((await upload("plant", formOf(archive, "p.zip"))).status, 201);
    assert.deepEqual(schemas.message("plant.Reading").columns.map(({ name }) => name), ["unit", "site"]);
    assert.deepEqual([schemas.get("a").version, schemas.get("a").content], ["3", proto]);
    assert.equal((await upload("a", proto)).status, 415);
    const two = formOf(proto, "a.proto");
    two.append("file", new File([proto], "b.proto"));
    const cases = [
      [two, /wanted exactly one part "file"/],
      [new FormData(), /wanted exactly one part "file"|Invalid body/],
      [formOf(proto, "a.proto", "x".repeat(5000)), /"version" must be a text of at most 4096 bytes/],
      [formOf(proto, "a.proto", "1"), /is lower/],
      [formOf("mesage", "a.proto", "4"), /illegal token/],
      [formOf("no zip", "a.zip", "4"), /it is no zip archive/],
    ] as const;
    for (const [form, message] of cases) {
      const answer = await upload("a", form);
      assert.equal(answer.status, 400);
      assert.match((await answer.json()).message, message);
    }
  }));

test("files of the data directory are read, .proto and .zip, and no others", () =>
  withSchemas(async ({ ask, schemas, directory }) => {
    writeFileSync(join(directory, "a.proto"), proto);
    writeFileSync(join(directory, "p.zip"), archive);
    const outside = join(tmpdir(), `weir-outside-${process.pid}.proto`);
    writeFileSync(outside, "secret");
    try {
      for (const [name, file] of [["a", "a.proto"], ["b", pathToFileURL(join(directory, "a.proto")).href]]) {
        assert.equal((await ask("POST", "/schemas/protobuf", { name, file })).status, 201);
        assert.equal((await ask("GET", `/schemas/protobuf/${name}`)).json().content, proto);
      }
      assert.equal((await ask("POST", "/schemas/protobuf", { name: "plant", file: "p.zip" })).status, 201);
      assert.deepEqual(schemas.message("plant.Reading").columns.map(({ name }) => name), ["unit", "site"]);
      const refused = [
        [outside, /are read in the data directory/],
        ["../x.proto", /leads out of the data directory/],
        [pathToFileURL(outside).href, /are read in the data directory/],
        ["nothing.proto", /Cannot read "nothing.proto"/],
        ["weir.db", /belongs to weir itself/],
        ["https://example.com/a.proto", /not fetched from other machines/],
      ] as const;
      for (const [file, message] of refused) {
        const answer = await ask("POST", "/schemas/protobuf", { name: "x", file });
        assert.equal(answer.status, 400);
        assert.match(answer.json().message, message);
        assert.ok(!answer.text.includes("secret"));
      }
      for (
        const [bytes, message] of [
          [archive.subarray(0, 100), /it is no zip archive/],
          [new Uint8Array(30), /it is no zip archive/],
          [archive, /it has no file y.proto/],
        ] as const
      ) {
        writeFileSync(join(directory, "bad.zip"), bytes);
        const answer = await ask("POST", "/schemas/protobuf", { name: "y", file: "bad.zip" });
        assert.match(answer.json().message, message);
      }
      for (let at = 0; at < archive.length; at++) {
        const damaged = archive.slice();
        damaged[at]! ^= 0xff;
        writeFileSync(join(directory, "bad.zip"), damaged);
        const { status } = await ask("PUT", "/schemas/protobuf/plant", { file: "bad.zip" });
        assert.ok(status === 200 || status === 400, `${status} with byte ${at} damaged`);
      }
    } finally {
      rmSync(outside);
    }
  }));
