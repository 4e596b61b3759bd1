import assert from "node:assert/strict";
import { test } from "node:test";
import { codecOf } from "../codec/codecs.ts";
import { readSettings } from "../connector/settings.ts";
import type { Struct } from "../value/value.ts";
import { actionSettings } from "./action_settings.ts";
import { payloadForms, resultTransform, rowForms } from "./result_transform.ts";

function settings(raw: Record<string, unknown>) {
  return readSettings(actionSettings, raw, { path: "", where: "test" });
}

function rowsOf(read: ReturnType<typeof settings>) {
  return resultTransform(read, rowForms);
}

const row: Struct = { a: 1, b: "x", c: { d: 2 }, list: [{ e: 3 }, { e: 4 }] };
const two: Struct[] = [{ a: 1 }, { a: 2 }];

const cases: [what: string, settings: Record<string, unknown>, rows: Struct[], payloads: string[]][] = [
  ["a list by default", {}, two, ['[{"a":1},{"a":2}]']],
  ["a message a row with sendSingle", { sendSingle: true }, two, ['{"a":1}', '{"a":2}']],
  ["an empty list as such", {}, [], ["[]"]],
  ["no empty list with omitIfEmpty", { omitIfEmpty: true }, [], []],
  ["empty rows as such", { sendSingle: true }, [{}, { a: 1 }], ["{}", '{"a":1}']],
  ["no empty rows with sendSingle and omitIfEmpty", { sendSingle: true, omitIfEmpty: true }, [{}, { a: 1 }], [
    '{"a":1}',
  ]],
  ["a list with empty rows, which is not empty", { omitIfEmpty: true }, [{}], ["[{}]"]],
  ["the fields, absent ones as null", { sendSingle: true, fields: ["b", "a", "z"] }, [row], [
    '{"a":1,"b":"x","z":null}',
  ]],
  ["all but the excluded fields", { sendSingle: true, excludeFields: ["c", "list", "z"] }, [row], ['{"a":1,"b":"x"}']],
  ["the object in dataField as such", { dataField: "c" }, [row], ['{"d":2}']],
  ["the object in dataField alone", { dataField: "c", sendSingle: true }, [row], ['{"d":2}']],
  ["the list in dataField", { dataField: "list" }, [row], ['[{"e":3},{"e":4}]']],
  ["dataField of the first row only", { tableDataField: "c" }, [row, { c: { d: 9 } }], ['{"d":2}']],
  ["dataField of each row with sendSingle", { dataField: "c", sendSingle: true }, [row, { c: { d: 9 } }], [
    '{"d":2}',
    '{"d":9}',
  ]],
  ["the list in dataField as one message, also with sendSingle", { dataField: "list", sendSingle: true }, [row], [
    '[{"e":3},{"e":4}]',
  ]],
  ["no empty list of dataField with omitIfEmpty", { dataField: "list", omitIfEmpty: true }, [{ list: [] }], []],
  ["fields of what dataField holds", { dataField: "list", fields: ["e", "f"] }, [row], [
    '[{"e":3,"f":null},{"e":4,"f":null}]',
  ]],
  ["nothing of an empty result", { dataField: "c", omitIfEmpty: true }, [], []],
  ["names of prototypes", { sendSingle: true, fields: ["__proto__", "toString"] }, [{ a: 1 }], [
    '{"__proto__":null,"toString":null}',
  ]],
  ["delimited rows", { format: "delimited", fields: ["b", "a"], delimiter: ";" }, [row, { a: 5 }], ["x;1\n;5"]],
];

for (const [what, raw, rows, payloads] of cases) {
  test(`resultTransform() gives ${what}`, () => {
    const read = settings(raw);
    const transform = resultTransform(read, payloadForms(codecOf(read.format).createEncoder(read)));
    const before = structuredClone(rows);
    const decoder = new TextDecoder();
    assert.deepEqual(transform(rows).map((p) => typeof p === "string" ? p : decoder.decode(p as Uint8Array)), payloads);
    assert.deepEqual(rows, before, "the rows belong to other actions too");
  });
}

test("resultTransform() refuses a dataField without rows", () => {
  const read = settings({ dataField: "a" });
  const transform = resultTransform(read, payloadForms(codecOf("json").createEncoder(read)));
  assert.throws(() => transform([row]), /dataField "a" must hold an object or a list of objects, found/);
  assert.throws(() => transform([{ b: 1 }]), /dataField "a"/);
});

test("resultTransform() gives rows in the same shapes", () => {
  assert.deepEqual(rowsOf(settings({}))(two), [two]);
  assert.deepEqual(rowsOf(settings({ sendSingle: true }))(two), [[{ a: 1 }], [{ a: 2 }]]);
  assert.deepEqual(rowsOf(settings({ fields: ["b"] }))([row]), [[{ b: "x" }]]);
  assert.deepEqual(rowsOf(settings({ omitIfEmpty: true }))([]), []);
});

test("resultTransform() leaves out the aggregates of an empty window with omitIfEmpty only", () => {
  const aggregates: Struct[] = [{ window_start: 1000 }];
  assert.deepEqual(rowsOf(settings({ omitIfEmpty: true }))(aggregates, true), []);
  assert.deepEqual(rowsOf(settings({ omitIfEmpty: true }))(aggregates, false), [aggregates]);
  assert.deepEqual(rowsOf(settings({}))(aggregates, true), [aggregates]);
});
