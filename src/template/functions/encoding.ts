/**
 * JSON, base64, base32, hashes and random identifiers.
 * @module
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { RowError } from "../../diagnostics/row_error.ts";
import { parseJsonText } from "../../sql/functions/json.ts";
import { jsonText } from "../../value/json_text.ts";
import type { Value } from "../../value/value.ts";
import { plain } from "../go_print.ts";
import { fail, type Run } from "../run.ts";
import { type Category, defineFunction, type TemplateFunction } from "./declare.ts";
import { deepCopy, measure } from "./measure.ts";

const category: Category = "encoding";

/** @throws {RowError} for what JSON has no form for, such as NaN. */
function json(value: Value, run: Run): string {
  measure(value, run);
  return jsonText(value);
}

/** JSON with line breaks and two spaces for each level, from JSON without any. */
function pretty(text: string): string {
  let result = "";
  let lead = "\n";
  const tokens = /"(?:[^"\\]|\\.)*"|\[\]|\{\}|[^\s"[\]{},:]+|[[\]{},:]/g;
  for (const [token] of text.matchAll(tokens)) {
    if (token === "{" || token === "[") {
      lead += "  ";
      result += token + lead;
    } else if (token === "}" || token === "]") {
      lead = lead.slice(0, -2);
      result += lead + token;
    } else if (token === ",") result += token + lead;
    else if (token === ":") result += ": ";
    else result += token;
  }
  return result;
}

function hash(name: string, algorithm: string, gives: string): TemplateFunction {
  return defineFunction({
    name,
    category,
    doc: `The ${algorithm.toUpperCase()} hash of a text, as hexadecimal digits.`,
    example: { template: `{{${name} "abc" | trunc 16}}`, gives },
    params: ["string"],
    run: (run, text) => {
      run.spendText(text.length * 4);
      return createHash(algorithm).update(text).digest("hex");
    },
  });
}

function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

const base32Signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function toBase32(bytes: Uint8Array): string {
  let result = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      result += base32Signs[(value >> bits) & 31];
    }
    value &= 255;
  }
  if (bits > 0) result += base32Signs[(value << (5 - bits)) & 31];
  return result.padEnd(Math.ceil(result.length / 8) * 8, "=");
}

function fromBase32(text: string): Uint8Array {
  const body = text.replace(/[\r\n]/g, "");
  if (body.length % 8 !== 0 || !/^[A-Z2-7]*={0,6}$/.test(body)) fail("b32dec was given a text that is not base32");
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const sign of body.replace(/=+$/, "")) {
    value = ((value << 5) | base32Signs.indexOf(sign)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 255);
    }
  }
  return Uint8Array.from(bytes);
}

function fromBase64(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(text, { lastChunkHandling: "strict" }));
  } catch {
    return fail("b64dec was given a text that is not base64");
  }
}

export const encodingFunctions: readonly TemplateFunction[] = [
  defineFunction({
    name: "toJson",
    aliases: ["json", "mustToJson"],
    category,
    doc: "A value as JSON, with keys in byte order; `<`, `>` and `&` are escaped.",
    example: {
      template: '{"row":{{toJson .}}}',
      data: { b: [1n, 2.5], a: "x" },
      gives: '{"row":{"a":"x","b":[1,2.5]}}',
    },
    params: ["any"],
    run: (run, value) => json(value, run),
  }),
  defineFunction({
    name: "toRawJson",
    aliases: ["mustToRawJson"],
    category,
    doc: "As `toJson`, with `<`, `>` and `&` as they are.",
    example: { template: "{{toRawJson .}}", data: { a: "<&>" }, gives: '{"a":"<&>"}' },
    params: ["any"],
    run: (run, value) =>
      json(value, run).replace(
        /\\\\|\\u003c|\\u003e|\\u0026/g,
        (found) => found === "\\\\" ? found : String.fromCharCode(parseInt(found.slice(2), 16)),
      ),
  }),
  defineFunction({
    name: "toPrettyJson",
    aliases: ["mustToPrettyJson"],
    category,
    doc: "As `toJson`, in several lines.",
    example: { template: "{{toPrettyJson .}}", data: { a: [1n] }, gives: '{\n  "a": [\n    1\n  ]\n}' },
    params: ["any"],
    run: (run, value) => {
      const text = json(value, run);
      run.spend(text.length >> 1);
      return pretty(text);
    },
  }),
  defineFunction({
    name: "fromJson",
    category,
    doc: "The value that a JSON text stands for; all numbers are floats. Nil for another text.",
    example: { template: "{{(fromJson .payload).t}}", data: { payload: '{"t":20.5}' }, gives: "20.5" },
    params: ["string"],
    run: (run, text) => {
      run.spend(text.length >> 2);
      try {
        return deepCopy(parseJsonText(text, "fromJson"), run);
      } catch (error) {
        if (error instanceof RowError && error.code === "E506") return null;
        throw error;
      }
    },
  }),
  defineFunction({
    name: "mustFromJson",
    category,
    doc: "As `fromJson`, but a text that is no JSON fails.",
    example: { template: '{{(mustFromJson "[1,2]") | last}}', gives: "2" },
    params: ["string"],
    run: (run, text) => {
      run.spend(text.length >> 2);
      return deepCopy(parseJsonText(text, "mustFromJson"), run);
    },
  }),
  defineFunction({
    name: "b64enc",
    category,
    doc: "A text in UTF-8, as base64.",
    example: { template: '{{b64enc "hi"}}', gives: "aGk=" },
    params: ["string"],
    run: (_run, text) => new TextEncoder().encode(text).toBase64(),
  }),
  defineFunction({
    name: "b64dec",
    category,
    doc: "The text that base64 stands for.",
    example: { template: '{{b64dec "aGk="}}', gives: "hi" },
    params: ["string"],
    run: (_run, text) => fromBase64(text),
  }),
  defineFunction({
    name: "base64",
    category,
    doc: "Any value as text, as base64; bytes as they are.",
    example: { template: "{{base64 .a}}", data: { a: 12n }, gives: "MTI=" },
    params: ["any"],
    run: (run, value) =>
      (value instanceof Uint8Array ? value : new TextEncoder().encode(plain(value ?? "", run))).toBase64(),
  }),
  defineFunction({
    name: "b32enc",
    category,
    doc: "A text in UTF-8, as base32.",
    example: { template: '{{b32enc "abc"}}', gives: "MFRGG===" },
    params: ["string"],
    run: (run, text) => {
      run.spend(text.length);
      return toBase32(new TextEncoder().encode(text));
    },
  }),
  defineFunction({
    name: "b32dec",
    category,
    doc: "The text that base32 stands for.",
    example: { template: '{{b32dec "MFRGG==="}}', gives: "abc" },
    params: ["string"],
    run: (run, text) => {
      run.spend(text.length);
      return new TextDecoder().decode(fromBase32(text));
    },
  }),
  hash("sha1sum", "sha1", "a9993e364706816a"),
  hash("sha256sum", "sha256", "ba7816bf8f01cfea"),
  hash("sha512sum", "sha512", "ddaf35a193617aba"),
  defineFunction({
    name: "adler32sum",
    category,
    doc: "The Adler-32 sum of a text, as decimal digits.",
    example: { template: '{{adler32sum "abc"}}', gives: "38600999" },
    params: ["string"],
    run: (run, text) => {
      run.spendText(text.length * 8);
      return String(adler32(new TextEncoder().encode(text)));
    },
  }),
  defineFunction({
    name: "uuidv4",
    category,
    doc: "A random UUID.",
    example: { template: "{{uuidv4}}" },
    params: [],
    run: () => randomUUID(),
  }),
  defineFunction({
    name: "randBytes",
    category,
    doc: "That many random bytes, as base64.",
    example: { template: "{{randBytes 8}}" },
    params: ["int"],
    run: (run, count) => {
      if (count < 0 || count > 65536) return fail(`randBytes makes 0 to 65536 bytes: ${count} wanted`);
      run.spend(count);
      return Uint8Array.from(randomBytes(count)).toBase64();
    },
  }),
];
