/**
 * Rules that write files, in the forms that a user may ask for.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { eventually } from "../eventually.ts";
import { decrypt } from "../peers/unpackers.ts";
import { wireStream, withEngine } from "./engine.ts";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-file-sink-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const key = new Uint8Array(16).fill(7);

test("a rule writes CSV with a header, in the order of fields, as a file for each device", () =>
  inFolder((folder) =>
    withEngine(async ({ engine, streams, wire }) => {
      streams.execute(wireStream);
      const path = `${folder}/{{.device}}.csv`;
      const file = {
        path,
        fileType: "csv",
        format: "delimited",
        hasHeader: true,
        sendSingle: true,
        fields: ["device", "t"],
      };
      await engine.rules.create(
        JSON.stringify({ id: "r", sql: "SELECT device, t FROM s", actions: [{ file }, { wire: {} }] }),
      );
      wire.send('{"device":"a","t":1}', '{"device":"b","t":2}', '{"device":"a"}', '{"device":"../c","t":3}');
      await eventually(() => Number(engine.rules.status("r").sink_file_0_0_messages_processed_total) === 4);
      assert.equal(engine.rules.status("r").sink_file_0_0_exceptions_total, 1);
      await engine.rules.stop("r");
      assert.deepEqual((await readdir(folder)).sort(), ["a.csv", "b.csv"]);
      assert.equal(await readFile(join(folder, "a.csv"), "utf8"), "device,t\na,1\na,\n");
      assert.equal(await readFile(join(folder, "b.csv"), "utf8"), "device,t\nb,2\n");
    })
  ));

test("a rule writes an array that is compressed and encrypted", () =>
  inFolder((folder) =>
    withEngine(async ({ engine, streams, wire }) => {
      streams.execute(wireStream);
      const path = join(folder, "out.json.gz.aes");
      const file = { path, fileType: "json", compression: "gzip", encryption: "aes", sendSingle: true };
      await engine.rules.create(JSON.stringify({ id: "r", sql: "SELECT n FROM s", actions: [{ file }] }));
      for (let n = 0; n < 100; n++) wire.send(`{"n":${n}}`);
      await eventually(() => engine.rules.status("r").sink_file_0_0_records_out_total === 100);
      await engine.rules.stop("r");
      const bytes = await readFile(path);
      const text = gunzipSync(decrypt(key, bytes.subarray(0, 16), bytes.subarray(16))).toString();
      assert.deepEqual(JSON.parse(text), Array.from({ length: 100 }, (_, n) => ({ n })));
    }, { config: { timezone: "UTC", aesKey: key } })
  ));

test("encryption without a key, and a type that does not go with the format, are refused with the rule", () =>
  withEngine(async ({ engine, streams }) => {
    streams.execute(wireStream);
    for (const [file, code] of [[{ encryption: "aes" }, "E404"], [{ fileType: "csv" }, "E403"]] as const) {
      const rule = JSON.stringify({ id: "r", sql: "SELECT n FROM s", actions: [{ file: { path: "a", ...file } }] });
      await assert.rejects(engine.rules.create(rule), (error: Error) => error.message.includes(code));
    }
  }));
