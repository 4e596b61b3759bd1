/**
 * Functions of texts. Lengths and places count bytes of UTF-8 where Go's do.
 * @module
 */
import { randomInt } from "node:crypto";
import type { Value } from "../../value/value.ts";
import { plain, print, printed, printf, println } from "../go_print.ts";
import { quoted } from "../go_quote.ts";
import { fail, lengthMax, type Run } from "../run.ts";
import { camelCase, initials, separated, swapCase, titleCase, untitleCase } from "./letter_case.ts";
import { type Category, defineFunction, type Example, type TemplateFunction } from "./declare.ts";
import { wrap } from "./wrap.ts";

const category: Category = "text";

/** A function from text to text. */
function map(name: string, doc: string, example: Example, run: (text: string) => string): TemplateFunction {
  return defineFunction({
    name,
    category,
    doc,
    example,
    params: ["string"],
    run: (state, text) => {
      // Most of these search with a pattern.
      state.spend(text.length >> 1);
      return run(text);
    },
  });
}

/** A question about a text and a part of it, in that unusual order, which suits pipelines. */
function test(name: string, doc: string, example: Example, run: (text: string, part: string) => boolean) {
  return defineFunction({
    name,
    category,
    doc,
    example,
    params: ["string", "string"],
    run: (_run, part, text) => run(text, part),
  });
}

/** The bytes of `text` from `from` to `to`, as text. */
export function bytesBetween(text: string, from: number, to?: number): string {
  // deno-lint-ignore no-control-regex -- all of ASCII: a byte each.
  if (/^[\x00-\x7f]*$/.test(text)) return text.slice(from, to);
  return new TextDecoder().decode(new TextEncoder().encode(text).subarray(from, to));
}

export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Refuses a result of `count` times `length` before it is built. */
function spendProduct(run: Run, count: number, length: number): void {
  run.spendText(Math.min(count * length, lengthMax + 1));
}

function trimSet(text: string, signs: string): string {
  const set = new Set(signs);
  const chars = Array.from(text);
  let start = 0;
  let end = chars.length;
  while (start < end && set.has(chars[start]!)) start++;
  while (end > start && set.has(chars[end - 1]!)) end--;
  return chars.slice(start, end).join("");
}

function abbreviate(text: string, offset: number, max: number): string {
  const length = byteLength(text);
  if (max < 4 || (offset > 0 && max < 7) || length <= max) return text;
  const from = offset > length ? length : length - offset < max - 3 ? length - (max - 3) : offset;
  if (from <= 4) return bytesBetween(text, 0, max - 3) + "...";
  if (from + max - 3 < length) return "..." + abbreviate(bytesBetween(text, from), 0, max - 3);
  return "..." + bytesBetween(text, length - (max - 3));
}

function indent(text: string, count: number, run: Run): string {
  const pad = padding(count, run);
  spendProduct(run, text.split("\n").length, count);
  return pad + text.replaceAll("\n", `\n${pad}`);
}

function padding(count: number, run: Run): string {
  if (count < 0) fail(`cannot indent by ${count}`);
  spendProduct(run, count, 1);
  return " ".repeat(count);
}

function random(name: string, doc: string, signs: string): TemplateFunction {
  return defineFunction({
    name,
    category,
    doc,
    example: { template: `{{${name} 8}}` },
    params: ["int"],
    run: (run, count) => {
      if (count < 0) fail(`${name} cannot make ${count} characters`);
      run.spend(count);
      return Array.from({ length: count }, () => signs[randomInt(signs.length)]).join("");
    },
  });
}

const digits = "0123456789";
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function withoutNil(values: readonly Value[]): Value[] {
  return values.filter((value) => value !== null && value !== undefined);
}

/** As `html` and its kin read their arguments: a single text as it is, others as `print` joins them. */
function joined(values: readonly Value[], run: Run): string {
  const text = values.length === 1 ? printed(values[0], run) : print(values.map((value) => value ?? "<no value>"), run);
  // All who ask escape what they get.
  run.spend(text.length * 2);
  return text;
}

const htmlEscapes: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  '"': "&#34;",
  "'": "&#39;",
  "\0": "\ufffd",
};

function jsEscape(char: string): string {
  if ("\\'\"".includes(char)) return `\\${char}`;
  return Array.from(
    { length: char.length },
    (_, i) => `\\u${char.charCodeAt(i).toString(16).toUpperCase().padStart(4, "0")}`,
  ).join("");
}

function urlEscape(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll("%20", "+").replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

export const textFunctions: readonly TemplateFunction[] = [
  defineFunction({
    name: "print",
    category,
    doc: "The arguments as one text, with a space between two of which neither is a text.",
    example: { template: '{{print 1 2 "a" 3}}', gives: "1 2a3" },
    params: [],
    rest: "any",
    run: (run, ...values) => print(values, run),
  }),
  defineFunction({
    name: "printf",
    category,
    doc: "The arguments formatted with the verbs of Go: `%v %d %s %q %f %.2f %e %g %t %x %T %%` and the others.",
    example: { template: '{{printf "%s: %.1f" .id .t}}', data: { id: "a", t: 20.25 }, gives: "a: 20.2" },
    params: ["string"],
    rest: "any",
    run: (run, format, ...values) => printf(format, values, run),
  }),
  defineFunction({
    name: "println",
    category,
    doc: "The arguments with a space between any two, and a line break.",
    example: { template: '{{println 1 "a"}}', gives: "1 a\n" },
    params: [],
    rest: "any",
    run: (run, ...values) => println(values, run),
  }),
  defineFunction({
    name: "html",
    category,
    doc: "The arguments as text that can stand in HTML.",
    example: { template: '{{html "<a & b>"}}', gives: "&lt;a &amp; b&gt;" },
    params: [],
    rest: "any",
    // deno-lint-ignore no-control-regex -- HTML has no form for NUL.
    run: (run, ...values) => joined(values, run).replace(/[<>&"'\x00]/g, (char) => htmlEscapes[char]!),
  }),
  defineFunction({
    name: "js",
    category,
    doc: "The arguments as text that can stand in a string of JavaScript.",
    example: { template: '{{js "it\'s"}}', gives: "it\\'s" },
    params: [],
    rest: "any",
    run: (run, ...values) => joined(values, run).replace(/[\\'"<>&=]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, jsEscape),
  }),
  defineFunction({
    name: "urlquery",
    category,
    doc: "The arguments as text that can stand in the query of a URL.",
    example: { template: '{{urlquery "a b&c"}}', gives: "a+b%26c" },
    params: [],
    rest: "any",
    run: (run, ...values) => urlEscape(joined(values, run)),
  }),
  map("trim", "Without white space on both sides.", { template: '[{{trim "  a "}}]', gives: "[a]" }, (t) => t.trim()),
  defineFunction({
    name: "trimAll",
    aliases: ["trimall"],
    category,
    doc: "Without the given characters on both sides.",
    example: { template: '{{trimAll "$" "$5.00"}}', gives: "5.00" },
    params: ["string", "string"],
    run: (run, signs, text) => {
      run.spendText(text.length * 8);
      return trimSet(text, signs);
    },
  }),
  defineFunction({
    name: "trimSuffix",
    category,
    doc: "Without the given end.",
    example: { template: '{{trimSuffix "-" "hello-"}}', gives: "hello" },
    params: ["string", "string"],
    run: (_run, end, text) => end !== "" && text.endsWith(end) ? text.slice(0, -end.length) : text,
  }),
  defineFunction({
    name: "trimPrefix",
    category,
    doc: "Without the given beginning.",
    example: { template: '{{trimPrefix "-" "-hello"}}', gives: "hello" },
    params: ["string", "string"],
    run: (_run, start, text) => text.startsWith(start) ? text.slice(start.length) : text,
  }),
  map("upper", "In capital letters.", { template: '{{upper "pump"}}', gives: "PUMP" }, (t) => t.toUpperCase()),
  map("lower", "In small letters.", { template: '{{lower "PUMP"}}', gives: "pump" }, (t) => t.toLowerCase()),
  map("title", "Each word with a capital.", { template: '{{title "hello world"}}', gives: "Hello World" }, titleCase),
  map("untitle", "Each word with a small first letter.", {
    template: '{{untitle "Hello World"}}',
    gives: "hello world",
  }, untitleCase),
  map("swapcase", "Small for capital letters and the other way round.", {
    template: '{{swapcase "Hello"}}',
    gives: "hELLO",
  }, swapCase),
  map(
    "snakecase",
    "Words joined by `_`.",
    { template: '{{snakecase "FirstName"}}', gives: "first_name" },
    (t) => separated(t, "_"),
  ),
  map(
    "kebabcase",
    "Words joined by `-`.",
    { template: '{{kebabcase "FirstName"}}', gives: "first-name" },
    (t) => separated(t, "-"),
  ),
  map("camelcase", "Words joined, each with a capital.", {
    template: '{{camelcase "http_server"}}',
    gives: "HttpServer",
  }, camelCase),
  map("initials", "The first letters of the words.", { template: '{{initials "First Try"}}', gives: "FT" }, initials),
  map(
    "nospace",
    "Without any white space.",
    { template: '{{nospace "a b c"}}', gives: "abc" },
    (t) => t.replace(/\s/g, ""),
  ),
  defineFunction({
    name: "repeat",
    category,
    doc: "The text several times.",
    example: { template: '{{repeat 3 "ab"}}', gives: "ababab" },
    params: ["int", "string"],
    run: (run, count, text) => {
      if (count < 0) fail(`repeat cannot repeat ${count} times`);
      spendProduct(run, count, text.length);
      return text.repeat(text === "" ? 0 : count);
    },
  }),
  defineFunction({
    name: "substr",
    category,
    doc: "The bytes from one place up to another; a negative end stands for the end of the text.",
    example: { template: '{{substr 0 5 "hello world"}}', gives: "hello" },
    params: ["int", "int", "string"],
    run: (_run, start, end, text) => {
      if (start < 0) return bytesBetween(text, 0, Math.max(0, end));
      const length = byteLength(text);
      const last = end < 0 || end > length ? length : end;
      if (start > last) fail(`substr: ${start} lies behind ${last}`);
      return bytesBetween(text, start, last);
    },
  }),
  defineFunction({
    name: "trunc",
    category,
    doc: "The first bytes, or with a negative number the last.",
    example: { template: '{{trunc 5 "hello world"}} {{trunc -5 "hello world"}}', gives: "hello world" },
    params: ["int", "string"],
    run: (_run, count, text) => {
      const length = byteLength(text);
      if (count < 0) return length + count > 0 ? bytesBetween(text, length + count) : text;
      return count < length ? bytesBetween(text, 0, count) : text;
    },
  }),
  defineFunction({
    name: "abbrev",
    category,
    doc: "Cut to a length that includes the three points at its end.",
    example: { template: '{{abbrev 5 "hello world"}}', gives: "he..." },
    params: ["int", "string"],
    run: (_run, max, text) => abbreviate(text, 0, max),
  }),
  defineFunction({
    name: "abbrevboth",
    category,
    doc: "Cut on both sides: the first argument is where to begin, the second the length.",
    example: { template: '{{abbrevboth 5 10 "1234 5678 9123"}}', gives: "...5678..." },
    params: ["int", "int", "string"],
    run: (_run, offset, max, text) => abbreviate(text, offset, max),
  }),
  random("randAlphaNum", "Random letters and digits.", digits + letters),
  random("randAlpha", "Random letters.", letters),
  random("randNumeric", "Random digits.", digits),
  random(
    "randAscii",
    "Random printable ASCII.",
    Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join(""),
  ),
  defineFunction({
    name: "shuffle",
    category,
    doc: "The characters in random order.",
    example: { template: '{{shuffle "hello"}}' },
    params: ["string"],
    run: (run, text) => {
      const chars = Array.from(text);
      run.spend(chars.length);
      for (let i = chars.length - 1; i > 0; i--) {
        const j = randomInt(i + 1);
        [chars[i], chars[j]] = [chars[j]!, chars[i]!];
      }
      return chars.join("");
    },
  }),
  defineFunction({
    name: "wrap",
    category,
    doc: "Lines of at most that many characters, broken at spaces.",
    example: { template: '{{wrap 10 "the quick brown fox"}}', gives: "the quick\nbrown fox" },
    params: ["int", "string"],
    run: (run, width, text) => wrap(text, width, "\n", false, run),
  }),
  defineFunction({
    name: "wrapWith",
    category,
    doc: "As `wrap`, with another text than a line break; longer words are broken too.",
    example: { template: '{{wrapWith 5 "/" "Hello World"}}', gives: "Hello/World" },
    params: ["int", "string", "string"],
    run: (run, width, lineBreak, text) => wrap(text, width, lineBreak, true, run),
  }),
  test("contains", "True when the second text contains the first.", {
    template: '{{contains "cat" "catch"}}',
    gives: "true",
  }, (text, part) => text.includes(part)),
  test("hasPrefix", "True when the second text begins with the first.", {
    template: '{{hasPrefix "cat" "catch"}}',
    gives: "true",
  }, (text, part) => text.startsWith(part)),
  test("hasSuffix", "True when the second text ends with the first.", {
    template: '{{hasSuffix "cat" "catch"}}',
    gives: "false",
  }, (text, part) => text.endsWith(part)),
  defineFunction({
    name: "quote",
    category,
    doc: "Each argument between double quotes, with escapes; nil is left out.",
    example: { template: "{{quote .id 5}}", data: { id: 'a"b' }, gives: '"a\\"b" "5"' },
    params: [],
    rest: "any",
    run: (run, ...values) =>
      withoutNil(values).map((value) => {
        const text = plain(value, run);
        run.spend(text.length >> 1);
        return quoted(text);
      }).join(" "),
  }),
  defineFunction({
    name: "squote",
    category,
    doc: "Each argument between single quotes, without escapes; nil is left out.",
    example: { template: '{{squote "a" 5}}', gives: "'a' '5'" },
    params: [],
    rest: "any",
    run: (run, ...values) => withoutNil(values).map((value) => `'${plain(value, run)}'`).join(" "),
  }),
  defineFunction({
    name: "cat",
    category,
    doc: "The arguments with spaces between them; nil is left out.",
    example: { template: '{{cat "hello" 5 "world"}}', gives: "hello 5 world" },
    params: [],
    rest: "any",
    run: (run, ...values) => withoutNil(values).map((value) => plain(value, run)).join(" "),
  }),
  defineFunction({
    name: "indent",
    category,
    doc: "Every line with that many spaces in front.",
    example: { template: '{{indent 2 "a\\nb"}}', gives: "  a\n  b" },
    params: ["int", "string"],
    run: (run, count, text) => indent(text, count, run),
  }),
  defineFunction({
    name: "nindent",
    category,
    doc: "As `indent`, on a new line.",
    example: { template: 'a:{{nindent 2 "b"}}', gives: "a:\n  b" },
    params: ["int", "string"],
    run: (run, count, text) => "\n" + indent(text, count, run),
  }),
  defineFunction({
    name: "replace",
    category,
    doc: "Every occurrence of the first text replaced by the second.",
    example: { template: '{{"I Am Henry VIII" | replace " " "-"}}', gives: "I-Am-Henry-VIII" },
    params: ["string", "string", "string"],
    run: (run, old, fresh, text) => {
      run.spendText(text.length * 8);
      const count = old === "" ? text.length + 1 : text.split(old).length - 1;
      spendProduct(run, 1, text.length + count * fresh.length);
      // A function, as dollar signs of the text would mean something.
      return old === "" ? fresh + Array.from(text, (char) => char + fresh).join("") : text.replaceAll(old, () => fresh);
    },
  }),
  defineFunction({
    name: "plural",
    category,
    doc: "The first text for 1, else the second.",
    example: { template: '{{len .l | plural "one pump" "many pumps"}}', data: { l: [1n] }, gives: "one pump" },
    params: ["string", "string", "int"],
    run: (_run, one, many, count) => count === 1 ? one : many,
  }),
];
