/**
 * Functions of maps, which sprig calls dicts. Only a map that the template has made itself can be changed: rows belong to
 * others as well.
 * @module
 */
import { compareByteOrder } from "../../value/byte_order.ts";
import { getOwn, setOwn, type Struct, type Value, type ValueArray } from "../../value/value.ts";
import { plain } from "../go_print.ts";
import { isTrue, keysOf, typeOf } from "../go_value.ts";
import { fail, type Run } from "../run.ts";
import { type Category, defineFunction, isDict, type TemplateFunction } from "./declare.ts";
import { deepCopy } from "./measure.ts";

const category: Category = "maps";

function mustOwn(run: Run, name: string, dict: Struct): void {
  if (!run.owns(dict)) fail(`${name} cannot change a row: use deepCopy first`);
}

/** `target` with what `source` adds, or with `overwrites` what it has. Copies what the template does not own. */
function merged(run: Run, target: Struct, source: Struct, overwrites: boolean, depth = 0): Struct {
  if (depth > 200) fail("merge: maps are nested over 200 levels deep");
  const keys = keysOf(source);
  run.spend(keys.length + 1);
  const result = run.owns(target) ? target : copied(run, target);
  for (const key of keys) {
    const before = getOwn(result, key);
    const after = getOwn(source, key);
    if (isDict(before) && isDict(after)) setOwn(result, key, merged(run, before, after, overwrites, depth + 1));
    else if (overwrites || !isTrue(before)) setOwn(result, key, after);
  }
  return result;
}

function copied(run: Run, dict: Struct): Struct {
  const copy: Struct = {};
  const keys = keysOf(dict);
  run.spend(keys.length);
  for (const key of keys) setOwn(copy, key, dict[key]);
  return run.own(copy);
}

function merging(name: string, aliases: readonly string[], doc: string, overwrites: boolean): TemplateFunction {
  return defineFunction({
    name,
    aliases,
    category,
    doc,
    example: {
      template: `{{${name} (dict "a" 1) (dict "a" 2 "b" 3)}}`,
      gives: overwrites ? "map[a:2 b:3]" : "map[a:1 b:3]",
    },
    params: ["dict"],
    rest: "dict",
    run: (run, target, ...sources) =>
      sources.reduce((result, source) => merged(run, result, source, overwrites), target),
  });
}

function filtered(name: string, doc: string, gives: string, keeps: (named: boolean) => boolean): TemplateFunction {
  return defineFunction({
    name,
    category,
    doc,
    example: { template: `{{${name} . "a"}}`, data: { a: 1n, b: 2n }, gives },
    params: ["dict"],
    rest: "string",
    run: (run, dict, ...names) => {
      const wanted = new Set(names);
      const keys = keysOf(dict);
      run.spend(keys.length + names.length);
      const result: Struct = {};
      for (const key of keys) if (keeps(wanted.has(key))) setOwn(result, key, dict[key]);
      return run.own(result);
    },
  });
}

export const mapFunctions: readonly TemplateFunction[] = [
  defineFunction({
    name: "dict",
    category,
    doc: "A map of keys and values, one after the other.",
    example: { template: '{{dict "id" .id "n" 1 | toJson}}', data: { id: "a" }, gives: '{"id":"a","n":1}' },
    params: [],
    rest: "any",
    run: (run, ...parts) => {
      const result: Struct = {};
      for (let i = 0; i < parts.length; i += 2) {
        setOwn(result, plain(parts[i], run), i + 1 < parts.length ? parts[i + 1] ?? null : "");
      }
      return run.own(result);
    },
  }),
  defineFunction({
    name: "get",
    category,
    doc: "The value of a key, or the empty text.",
    example: { template: '{{get . "a-b"}}', data: { "a-b": 5n }, gives: "5" },
    params: ["dict", "string"],
    run: (_run, dict, key) => {
      const value = getOwn(dict, key);
      return value === undefined ? "" : value;
    },
  }),
  defineFunction({
    name: "set",
    category,
    doc: "The map, changed: with a key and its value. A row cannot be changed, so copy it first.",
    example: {
      template: '{{$d := deepCopy .}}{{$_ := set $d "b" 2}}{{toJson $d}}',
      data: { a: 1n },
      gives: '{"a":1,"b":2}',
    },
    params: ["dict", "string", "any"],
    run: (run, dict, key, value) => {
      mustOwn(run, "set", dict);
      setOwn(dict, key, value ?? null);
      return dict;
    },
  }),
  defineFunction({
    name: "unset",
    category,
    doc: "The map, changed: without a key. A row cannot be changed, so copy it first.",
    example: { template: '{{unset (deepCopy .) "b"}}', data: { a: 1n, b: 2n }, gives: "map[a:1]" },
    params: ["dict", "string"],
    run: (run, dict, key) => {
      mustOwn(run, "unset", dict);
      delete dict[key];
      return dict;
    },
  }),
  defineFunction({
    name: "hasKey",
    category,
    doc: "True when the map has the key.",
    example: { template: '{{hasKey . "a"}}', data: { a: null }, gives: "true" },
    params: ["dict", "string"],
    run: (_run, dict, key) => getOwn(dict, key) !== undefined,
  }),
  defineFunction({
    name: "pluck",
    category,
    doc: "A list of what several maps have under a key.",
    example: { template: '{{pluck "a" (dict "a" 1) (dict) (dict "a" 2)}}', gives: "[1 2]" },
    params: ["string"],
    rest: "dict",
    run: (_run, key, ...dicts) => dicts.map((dict) => getOwn(dict, key)).filter((value) => value !== undefined),
  }),
  defineFunction({
    name: "dig",
    category,
    doc: "The value that several keys lead to, map by map, or the default behind the keys when one is missing.",
    example: { template: '{{dig "a" "b" "none" .}}', data: { a: { b: 5n } }, gives: "5" },
    params: ["string", "any", "any"],
    rest: "any",
    run: (_run, first, ...others) => {
      const inner = others.pop();
      const preset = others.pop();
      let value: Value = inner;
      for (const key of [first, ...others]) {
        if (!isDict(value)) return fail(`dig: ${typeOf(value)} is no map`);
        if (typeof key !== "string") return fail(`dig: a key is a text, not ${typeOf(key)}`);
        value = getOwn(value, key);
        if (value === undefined) return preset;
      }
      return value;
    },
  }),
  merging("merge", ["mustMerge"], "Several maps as one, deeply; what comes first counts.", false),
  merging("mergeOverwrite", ["mustMergeOverwrite"], "Several maps as one, deeply; what comes last counts.", true),
  defineFunction({
    name: "keys",
    category,
    doc: "The keys of one or more maps, each in byte order.",
    example: { template: "{{keys .}}", data: { b: 1n, a: 2n }, gives: "[a b]" },
    params: [],
    rest: "dict",
    run: (run, ...dicts) =>
      dicts.flatMap((dict) => {
        const keys = keysOf(dict);
        run.spend(keys.length * 4);
        return keys.sort(compareByteOrder);
      }),
  }),
  defineFunction({
    name: "values",
    category,
    doc: "The values of a map, in the order of its keys.",
    example: { template: "{{values .}}", data: { b: 1n, a: 2n }, gives: "[2 1]" },
    params: ["dict"],
    run: (run, dict): ValueArray => {
      const keys = keysOf(dict);
      run.spend(keys.length * 4);
      return keys.sort(compareByteOrder).map((key) => getOwn(dict, key));
    },
  }),
  filtered("pick", "The map with only the given keys.", "map[a:1]", (named) => named),
  filtered("omit", "The map without the given keys.", "map[b:2]", (named) => !named),
  defineFunction({
    name: "deepCopy",
    aliases: ["mustDeepCopy"],
    category,
    doc: "A copy that the template may change.",
    example: { template: '{{set (deepCopy .) "b" 2}}', data: { a: 1n }, gives: "map[a:1 b:2]" },
    params: ["any"],
    run: (run, value) => deepCopy(value, run),
  }),
];
