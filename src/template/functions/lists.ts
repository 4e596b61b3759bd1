/**
 * Functions of lists. None changes the list it is given.
 * @module
 */
import { compareByteOrder } from "../../value/byte_order.ts";
import { getOwn, setOwn, type Struct, type Value, type ValueArray } from "../../value/value.ts";
import { plain } from "../go_print.ts";
import { isTrue, keysOf, typeOf } from "../go_value.ts";
import { fail, type Run } from "../run.ts";
import { type Category, defineFunction, type Example, isDict, type TemplateFunction } from "./declare.ts";
import { deepEqual } from "./measure.ts";
import { byteLength, bytesBetween } from "./text.ts";

const category: Category = "lists";

/** A function of one list. */
function of(name: string, doc: string, example: Example, compute: (list: ValueArray, run: Run) => Value) {
  return defineFunction({
    name,
    aliases: [`must${name[0]!.toUpperCase()}${name.slice(1)}`],
    category,
    doc,
    example,
    params: ["list"],
    run: (run, list) => {
      run.spend(list.length >> 2);
      return compute(list, run);
    },
  });
}

/** The texts of a list without nil, or the text of anything else. */
function texts(value: Value, run: Run): string[] {
  if (!Array.isArray(value)) return value === null || value === undefined ? [] : [plain(value, run)];
  run.spend(value.length);
  return value.filter((item) => item !== null && item !== undefined).map((item) => plain(item, run));
}

function item(value: Value, key: Value): Value {
  if (value === null || value === undefined) return fail("index of nothing");
  if (isDict(value)) {
    return typeof key === "string" ? getOwn(value, key) : fail(`index: a map has texts as keys, not ${typeOf(key)}`);
  }
  const length = Array.isArray(value) || value instanceof Uint8Array
    ? value.length
    : typeof value === "string"
    ? byteLength(value)
    : fail(`index cannot look into ${typeOf(value)}`);
  if (typeof key !== "bigint") return fail(`index: a list has ints as places, not ${typeOf(key)}`);
  if (key < 0n || key >= BigInt(length)) return fail(`index ${key} is out of range: there are ${length} items`);
  const place = Number(key);
  if (Array.isArray(value)) return value[place];
  return BigInt((typeof value === "string" ? new TextEncoder().encode(value) : value as Uint8Array)[place]!);
}

function bounds(length: number, from: number, to: number): [number, number] {
  if (from < 0 || to < from || to > length) {
    return fail(`slice: ${from} to ${to} is out of range: the length is ${length}`);
  }
  return [from, to];
}

function named(parts: readonly string[]): Struct {
  const struct: Struct = {};
  for (const [i, part] of parts.entries()) setOwn(struct, `_${i}`, part);
  return struct;
}

function splitAt(text: string, separator: string, max: number): string[] {
  const parts = separator === "" ? Array.from(text) : text.split(separator);
  if (max < 0 || parts.length <= max) return parts;
  return max === 0 ? [] : [...parts.slice(0, max - 1), parts.slice(max - 1).join(separator)];
}

export const listFunctions: readonly TemplateFunction[] = [
  defineFunction({
    name: "len",
    category,
    doc: "How many items a list or map has, or bytes of UTF-8 a text.",
    example: { template: "{{len .}}", data: [{ a: 1n }, { a: 2n }], gives: "2" },
    params: ["any"],
    run: (run, value) => {
      if (typeof value === "string") return BigInt(byteLength(value));
      if (isDict(value)) run.spend(Object.keys(value).length * 3);
      if (Array.isArray(value) || value instanceof Uint8Array) return BigInt(value.length);
      return isDict(value) ? BigInt(keysOf(value).length) : fail(`len of ${typeOf(value)}`);
    },
  }),
  defineFunction({
    name: "index",
    category,
    doc: "The item of a list or map at a place; further arguments go further inside.",
    example: { template: '{{(index . 0).a}} {{index . 1 "a"}}', data: [{ a: 1n }, { a: 2n }], gives: "1 2" },
    params: ["any"],
    rest: "any",
    run: (_run, value, ...keys) => keys.reduce((inner: Value, key) => item(inner, key), value),
  }),
  defineFunction({
    name: "slice",
    aliases: ["mustSlice"],
    category,
    doc: "The items of a list, or the bytes of a text, from one place up to but without another.",
    example: { template: '{{slice .l 1 3}} {{slice "pump-7" 5}}', data: { l: [1n, 2n, 3n, 4n] }, gives: "[2 3] 7" },
    params: ["any", "int", "int"],
    optional: 2,
    run: (run, value, from = 0, to) => {
      if (typeof value === "string") {
        return bytesBetween(value, ...bounds(byteLength(value), from, to ?? byteLength(value)));
      }
      if (!Array.isArray(value) && !(value instanceof Uint8Array)) return fail(`slice cannot cut ${typeOf(value)}`);
      run.spend(value.length >> 2);
      return value.slice(...bounds(value.length, from, to ?? value.length));
    },
  }),
  defineFunction({
    name: "list",
    aliases: ["tuple"],
    category,
    doc: "A list of the arguments.",
    example: { template: '{{list 1 "a" 2.5}}', gives: "[1 a 2.5]" },
    params: [],
    rest: "any",
    run: (_run, ...values) => values,
  }),
  of("first", "The first item, or nil.", { template: "{{first (list 1 2 3)}}", gives: "1" }, (list) => list[0]),
  of("last", "The last item, or nil.", { template: "{{last (list 1 2 3)}}", gives: "3" }, (list) => list.at(-1)),
  of("rest", "All but the first item.", { template: "{{rest (list 1 2 3)}}", gives: "[2 3]" }, (list) => list.slice(1)),
  of(
    "initial",
    "All but the last item.",
    { template: "{{initial (list 1 2 3)}}", gives: "[1 2]" },
    (list) => list.slice(0, -1),
  ),
  of(
    "reverse",
    "The items in reverse order.",
    { template: "{{reverse (list 1 2 3)}}", gives: "[3 2 1]" },
    (list) => list.toReversed(),
  ),
  of("uniq", "Each item once.", { template: "{{uniq (list 1 1 2)}}", gives: "[1 2]" }, (list, run) => {
    const seen: ValueArray = [];
    for (const value of list) if (!seen.some((other) => deepEqual(other, value, run))) seen.push(value);
    return seen;
  }),
  of(
    "compact",
    "The items that are not empty.",
    { template: '{{compact (list 1 "" 0 "a")}}', gives: "[1 a]" },
    (list) => list.filter(isTrue),
  ),
  defineFunction({
    name: "append",
    aliases: ["push", "mustAppend", "mustPush"],
    category,
    doc: "The list with one more item at its end.",
    example: { template: "{{append (list 1 2) 3}}", gives: "[1 2 3]" },
    params: ["list", "any"],
    run: (run, list, value) => {
      run.spend(list.length >> 2);
      return [...list, value];
    },
  }),
  defineFunction({
    name: "prepend",
    aliases: ["mustPrepend"],
    category,
    doc: "The list with one more item in front.",
    example: { template: "{{prepend (list 1 2) 0}}", gives: "[0 1 2]" },
    params: ["list", "any"],
    run: (run, list, value) => {
      run.spend(list.length >> 2);
      return [value, ...list];
    },
  }),
  defineFunction({
    name: "concat",
    category,
    doc: "Several lists as one.",
    example: { template: "{{concat (list 1) (list 2 3)}}", gives: "[1 2 3]" },
    params: [],
    rest: "list",
    run: (run, ...lists) => {
      for (const list of lists) run.spend(list.length >> 2);
      return lists.flat();
    },
  }),
  defineFunction({
    name: "without",
    aliases: ["mustWithout"],
    category,
    doc: "The list without the items that equal one of the others.",
    example: { template: "{{without (list 1 2 3) 1 3}}", gives: "[2]" },
    params: ["list"],
    rest: "any",
    run: (run, list, ...others) => list.filter((value) => !others.some((other) => deepEqual(value, other, run))),
  }),
  defineFunction({
    name: "has",
    aliases: ["mustHas"],
    category,
    doc: "True when the list has an item that equals the first argument.",
    example: { template: "{{has 4 (list 1 4)}}", gives: "true" },
    params: ["any", "any"],
    run: (run, wanted, list) => {
      if (list === null || list === undefined) return false;
      if (!Array.isArray(list)) return fail(`has cannot look into ${typeOf(list)}`);
      return list.some((value) => deepEqual(value, wanted, run));
    },
  }),
  defineFunction({
    name: "chunk",
    aliases: ["mustChunk"],
    category,
    doc: "The list in lists of at most that many items.",
    example: { template: "{{chunk 2 (list 1 2 3)}}", gives: "[[1 2] [3]]" },
    params: ["int", "list"],
    run: (run, size, list) => {
      if (size < 1) return fail(`chunk needs a size of 1 or more: ${size} given`);
      run.spend(list.length);
      const chunks: ValueArray[] = [];
      for (let i = 0; i < list.length; i += size) chunks.push(list.slice(i, i + size));
      return chunks;
    },
  }),
  defineFunction({
    name: "join",
    category,
    doc: "The items as one text, with a text between them.",
    example: { template: '{{join ", " .ids}}', data: { ids: ["a", "b"] }, gives: "a, b" },
    params: ["string", "any"],
    run: (run, separator, list) => {
      const parts = texts(list, run);
      run.spendText(parts.reduce((sum, part) => sum + part.length + separator.length, 0));
      return parts.join(separator);
    },
  }),
  defineFunction({
    name: "toStrings",
    category,
    doc: "The items as texts; nil is left out.",
    example: { template: "{{toStrings (list 1 2.5)}}", gives: "[1 2.5]" },
    params: ["any"],
    run: (run, list) => texts(list, run),
  }),
  defineFunction({
    name: "sortAlpha",
    category,
    doc: "The items as texts in byte order.",
    example: { template: '{{sortAlpha (list "c" "a" "b")}}', gives: "[a b c]" },
    params: ["any"],
    run: (run, list) => {
      const parts = texts(list, run);
      run.spend(parts.length * 5);
      return parts.sort(compareByteOrder);
    },
  }),
  defineFunction({
    name: "splitList",
    category,
    doc: "The parts of a text between separators.",
    example: { template: '{{splitList "," "a,b"}}', gives: "[a b]" },
    params: ["string", "string"],
    run: (run, separator, text) => {
      run.spend(text.length >> 2);
      return splitAt(text, separator, -1);
    },
  }),
  defineFunction({
    name: "split",
    category,
    doc: "The parts of a text between separators, as a map with the keys `_0`, `_1` and so on.",
    example: { template: '{{(split "/" "plant/7")._1}}', gives: "7" },
    params: ["string", "string"],
    run: (run, separator, text) => {
      run.spend(text.length >> 1);
      return named(splitAt(text, separator, -1));
    },
  }),
  defineFunction({
    name: "splitn",
    category,
    doc: "As `split`, with at most that many parts.",
    example: { template: '{{(splitn "/" 2 "a/b/c")._1}}', gives: "b/c" },
    params: ["string", "int", "string"],
    run: (run, separator, max, text) => {
      run.spend(text.length >> 1);
      return named(splitAt(text, separator, max));
    },
  }),
];
