/**
 * Benchmark `formats`: decoding and encoding in each format, microseconds and bytes a row; compression and encryption of
 * payloads beside.
 *
 * ```
 * bun tests/bench/formats_bench.ts [ROWS]
 * deno run -A --no-check tests/bench/formats_bench.ts
 * ```
 *
 * A row is what a gateway sends: an id, a text, four floats, a flag and a nested object. JSON and delimited
 * have declared columns where the row needs them. The digest shows that nobody made it faster by another result.
 * @module
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { pathToFileURL } from "node:url";
import type { Column, Decoder, Encoder } from "../../src/codec/codec.ts";
import { codecOf } from "../../src/codec/codecs.ts";
import { createPacker, createUnpacker } from "../../src/codec/pack.ts";
import { parseProto } from "../../src/codec/protobuf/parse_proto.ts";
import { messageSchema } from "../../src/codec/protobuf/schema.ts";
import { jsonText } from "../../src/value/json_text.ts";
import type { Struct } from "../../src/value/value.ts";

export interface FormatFigures {
  readonly name: string;
  /** Microseconds. */
  readonly decode: number;
  /** The same, when a rule wants one column only. */
  readonly decodeOne: number;
  readonly encode: number;
  /** Of one payload. */
  readonly bytes: number;
  readonly digest: string;
}

const proto = `syntax = "proto3";
message Reading {
  int64 id = 1; string device = 2; double temperature = 3; double humidity = 4; double voltage = 5; double current = 6;
  bool ok = 7; Site site = 8;
}
message Site { string name = 1; int64 line = 2; }`;

const float = { kind: "float" } as const;
const columns: readonly Column[] = [
  { name: "id", type: { kind: "bigint" } },
  { name: "device", type: { kind: "string" } },
  { name: "temperature", type: float },
  { name: "humidity", type: float },
  { name: "voltage", type: float },
  { name: "current", type: float },
  { name: "ok", type: { kind: "boolean" } },
  {
    name: "site",
    type: {
      kind: "struct",
      columns: [{ name: "name", type: { kind: "string" } }, { name: "line", type: { kind: "bigint" } }],
    },
  },
];

function rowAt(i: number): Struct {
  return {
    id: 1_700_000_000_000n + BigInt(i),
    device: `inverter-${i % 50}`,
    temperature: 20 + (i % 100) / 8,
    humidity: 0.1 * (i % 7),
    voltage: 229.7 + (i % 13) / 10,
    current: i % 32,
    ok: i % 3 !== 0,
    site: { name: "Hall 3", line: BigInt(i % 9) },
  };
}

const utf8 = new TextEncoder();
const bytesOf = (payload: string | Uint8Array) => typeof payload === "string" ? utf8.encode(payload) : payload;

/** Microseconds a call, the best of nine tries. */
function timed(count: number, work: (i: number) => unknown): number {
  let best = Infinity;
  for (let round = 0; round < 9; round++) {
    const begin = performance.now();
    for (let i = 0; i < count; i++) work(i);
    best = Math.min(best, performance.now() - begin);
  }
  return best * 1000 / count;
}

function measure(
  name: string,
  rows: readonly Struct[],
  encoder: Encoder,
  decoder: Decoder,
  one: Decoder,
): FormatFigures {
  const payloads = rows.map((row) => bytesOf(encoder.encodeRow(row)));
  const hash = createHash("sha256");
  for (const payload of payloads) hash.update(jsonText(decoder.decode(payload)));
  return {
    name,
    decode: timed(rows.length, (i) => decoder.decode(payloads[i]!)),
    decodeOne: timed(rows.length, (i) => one.decode(payloads[i]!)),
    encode: timed(rows.length, (i) => bytesOf(encoder.encodeRow(rows[i]!))),
    bytes: Math.round(payloads.reduce((sum, { length }) => sum + length, 0) / rows.length),
    digest: hash.digest("hex").slice(0, 8),
  };
}

/** @param count of different rows */
export function benchFormats(count: number): FormatFigures[] {
  const rows = Array.from({ length: count }, (_, i) => rowAt(i));
  const flat = rows.map(({ site: _, ...row }): Struct => row);
  const schema = messageSchema("t.Reading", parseProto("t.proto", proto, () => undefined).message("Reading"));
  const wantedOne = new Set(["temperature"]);
  const figures = ["json", "msgpack", "cbor", "protobuf", "delimited", "urlencoded"].map((format) => {
    const codec = codecOf(format);
    const isFlat = format === "delimited" || format === "urlencoded";
    const options = {
      ...(format === "protobuf" ? { schema } : {}),
      ...(format === "json" ? { columns } : isFlat ? { columns: columns.filter(({ name }) => name !== "site") } : {}),
    };
    const fields = isFlat ? columns.map(({ name }) => name).filter((name) => name !== "site") : [];
    const encoder = codec.createEncoder({ ...options, fields });
    const [all, one] = [
      codec.createDecoder({ ...options, wanted: "all" }),
      codec.createDecoder({ ...options, wanted: wantedOne }),
    ];
    return measure(format, isFlat ? flat : rows, encoder, all, one);
  });
  return [...figures, ...packFigures(rows)];
}

/** A batch of 100 rows of JSON a payload; figures are of one payload. */
function packFigures(rows: readonly Struct[]): FormatFigures[] {
  const json = codecOf("json").createEncoder({});
  const batches = Array.from(
    { length: Math.max(1, Math.floor(rows.length / 100)) },
    (_, i) => bytesOf(json.encodeRows(rows.slice(i * 100, i * 100 + 100))),
  );
  const plain = {
    compression: "",
    compressionProps: {},
    encryption: "",
    encProps: { mode: "cfb", aad: "", tagsize: 16 },
  } as const;
  const packed = (["gzip", "zlib", "flate", "zstd"] as const).map((method): FormatFigures => {
    const pack = createPacker({ ...plain, compression: method })!;
    const unpack = createUnpacker(method);
    const payloads = batches.map((batch) => pack(batch));
    const decode = timed(batches.length, (i) => unpack(payloads[i]!));
    const hash = createHash("sha256");
    for (const payload of payloads) hash.update(unpack(payload));
    return {
      name: `${method} of ${batches[0]!.length} bytes`,
      decode,
      decodeOne: decode,
      encode: timed(batches.length, (i) => pack(batches[i]!)),
      bytes: payloads[0]!.length,
      digest: hash.digest("hex").slice(0, 8),
    };
  });
  const message = bytesOf(json.encodeRow(rows[0]!));
  const encrypted = (["cfb", "gcm"] as const).map((mode): FormatFigures => {
    const aesKey = new Uint8Array(32).fill(7);
    const pack = createPacker({ ...plain, encryption: "aes", encProps: { ...plain.encProps, mode } }, { aesKey })!;
    const hash = createHash("sha256").update(String(pack(message).length));
    return {
      name: `aes ${mode} of ${message.length} bytes`,
      decode: 0,
      decodeOne: 0,
      encode: timed(rows.length, () => pack(message)),
      bytes: pack(message).length,
      digest: hash.digest("hex").slice(0, 8),
    };
  });
  return [...packed, ...encrypted];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const us = (value: number) => value === 0 ? "" : value.toFixed(2);
  console.log(
    "| format | decode µs | one column µs | encode µs | bytes | digest |\n| --- | --- | --- | --- | --- | --- |",
  );
  for (const { name, decode, decodeOne, encode, bytes, digest } of benchFormats(Number(process.argv[2] ?? 20_000))) {
    console.log(`| ${name} | ${us(decode)} | ${us(decodeOne)} | ${us(encode)} | ${bytes} | ${digest} |`);
  }
}
