import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { readSettings } from "../../src/connector/settings.ts";
import { resolveTags, type Tag, type TagDefaults, tagList } from "./tag.ts";

const schema = v.strictObject({ tags: tagList({ description: "The values to read." }) });
const defaults: TagDefaults = {
  unitId: 1,
  addressBase: 0,
  byteOrder: "big",
  wordOrder: "big",
  report: "cycle",
  intervalMs: 1000,
};

function resolve(tags: readonly Record<string, unknown>[], more: Partial<TagDefaults> = {}): Tag[] {
  const settings = readSettings(schema, { tags }, { path: "", where: "modbus source" });
  return resolveTags(settings.tags, { ...defaults, ...more });
}

test("resolveTags() fills in what a tag does not say", () => {
  assert.deepEqual(resolve([{ name: "a", register: "holding", address: 7 }]), [{
    name: "a",
    unitId: 1,
    register: "holding",
    address: 7,
    count: 1,
    format: { type: "uint16", byteOrder: "big", wordOrder: "big" },
    scale: 1,
    offset: 0,
    unit: "",
    deadband: 0,
    report: "cycle",
    intervalMs: 1000,
  }]);
});

test("resolveTags() takes all that a tag says, in lenient spelling", () => {
  const [tag] = resolve([{
    Name: "energy",
    register: "Input",
    address: "31",
    type: "UINT32",
    unitID: "7",
    byteorder: "little",
    wordOrder: "little",
    scale: "0.1",
    offset: -40,
    unit: "kWh",
    deadband: 0.5,
    interval: "5s",
  }], { addressBase: 1 });
  assert.deepEqual(tag, {
    name: "energy",
    unitId: 7,
    register: "input",
    address: 30,
    count: 2,
    format: { type: "uint32", byteOrder: "little", wordOrder: "little" },
    scale: 0.1,
    offset: -40,
    unit: "kWh",
    deadband: 0.5,
    report: "change",
    intervalMs: 5000,
  });
});

test("resolveTags() knows coils, discrete inputs, bits and strings", () => {
  const tags = resolve([
    { name: "run", register: "coil", address: 3 },
    { name: "door", register: "discrete", address: 4, type: "bool" },
    { name: "alarm", register: "holding", address: 5, type: "bit", bit: 15 },
    { name: "serial", register: "holding", address: 6, type: "string", length: 11 },
  ]);
  assert.deepEqual(tags.map(({ format, count }) => [format, count]), [
    [undefined, 1],
    [undefined, 1],
    [{ type: "bit", bit: 15, byteOrder: "big" }, 1],
    [{ type: "string", length: 11, byteOrder: "big" }, 6],
  ]);
});

const visitors: readonly [visitor: Record<string, unknown>, address: number, format: unknown][] = [
  [{ register: "HoldingRegister", offset: 12, scale: 0.1 }, 12, { type: "int16", byteOrder: "big", wordOrder: "big" }],
  [{ register: "HoldingRegister", offset: 2, limit: 2, isSwap: false, isRegisterSwap: true }, 2, {
    type: "int32",
    byteOrder: "big",
    wordOrder: "little",
  }],
  [{ register: "InputRegister", offset: 2, limit: 2, type: "FLOAT", isSwap: true }, 2, {
    type: "float32",
    byteOrder: "little",
    wordOrder: "big",
  }],
  [{ register: "InputRegister", offset: 0, limit: 4, type: "DOUBLE" }, 0, {
    type: "float64",
    byteOrder: "big",
    wordOrder: "big",
  }],
  [{ register: "HoldingRegister", offset: 8, limit: 4, type: "STRING" }, 8, {
    type: "string",
    length: 8,
    byteOrder: "big",
  }],
  [{ register: "HoldingRegister", offset: 8, limit: 1, type: "BOOLEAN" }, 8, { type: "bool", byteOrder: "big" }],
  [{ register: "CoilRegister", offset: 2, limit: 1, scale: 1, isSwap: true, isRegisterSwap: true }, 2, undefined],
  [{ register: "DiscreteInputRegister", offset: 5, type: "BOOLEAN" }, 5, undefined],
];

for (const [visitor, address, format] of visitors) {
  test(`resolveTags() reads the visitor ${JSON.stringify(visitor)}, whatever the base of addresses`, () => {
    const [tag] = resolve([{ name: "a", slaveID: 3, ...visitor }], { addressBase: 1 });
    assert.equal(tag!.address, address);
    assert.equal(tag!.unitId, 3);
    assert.equal(tag!.offset, 0);
    assert.deepEqual(tag!.format, format);
  });
}

const at = { name: "a", register: "holding", address: 1 };

const wrong: readonly [tags: Record<string, unknown>[], message: RegExp, more?: Partial<TagDefaults>][] = [
  [[], /"tags" of the modbus source: found \[\], wanted at least one tag/],
  [[{ ...at, register: "holdin" }], /"tags\.0\.register".*found "holdin", wanted coil, discrete, input, holding, Coil/],
  [[{ ...at, adress: 1 }], /"tags\.0\.adress".*wanted a setting of a tag: name, register, address, type/],
  [[{ ...at, address: undefined }], /"tags\.0\.address".*found nothing, wanted a whole number from 0 to 65536/],
  [[{ ...at, address: 0 }], /Tag "a" has address 0, but addressBase is 1/, { addressBase: 1 }],
  [[{ ...at, address: 65_535, type: "int32" }], /Tag "a" ends behind the last register, which has address 65535/],
  [[{ ...at, address: 65_536, type: "int32" }], /which has address 65536/, { addressBase: 1 }],
  [[at, { ...at, address: 2 }], /"tags\.1\.name".*found "a", wanted a name that no other tag has/],
  [[{ ...at, type: "bit" }], /"tags\.0\.bit".*found nothing, wanted 0 to 15/],
  [[{ ...at, type: "bit", bit: 16 }], /"tags\.0\.bit".*found 16, wanted a whole number from 0 to 15/],
  [[{ ...at, bit: 1 }], /"tags\.0\.bit".*found 1, wanted nothing without type "bit"/],
  [[{ ...at, type: "string" }], /"tags\.0\.length".*wanted the bytes of the string, 1 to 250/],
  [[{ ...at, length: 3 }], /"tags\.0\.length".*wanted nothing without type "string"/],
  [[{ ...at, register: "coil", type: "int16" }], /"tags\.0\.type".*found "int16", wanted bool, as a coil is one bit/],
  [[{ ...at, scale: 0 }], /"tags\.0\.scale".*found 0, wanted a number other than 0/],
  [[{ ...at, type: "bool", scale: 2 }], /"tags\.0\.scale".*wanted nothing, as a bool is no number/],
  [
    [{ ...at, type: "string", length: 2, deadband: 2 }],
    /"tags\.0\.deadband".*wanted nothing, as a string is no number/,
  ],
  [[{ ...at, type: "int" }], /"tags\.0\.type".*found "int", wanted one of bool, bit, int16/],
  [[{ ...at, limit: 2 }], /"tags\.0\.limit".*wanted nothing: the number of registers follows from "type"/],
  [[{ ...at, isSwap: true }], /"tags\.0\.isSwap".*wanted "byteOrder" instead/],
  [[{ ...at, deadband: 2, report: "cycle" }], /Tag "a" has a deadband, which needs report "change"/],
  [[{ ...at, register: "HoldingRegister", offset: 3 }], /"tags\.0\.address".*the address is "offset"/],
  [[{ name: "a", register: "HoldingRegister" }], /"tags\.0\.offset".*found nothing, wanted the address, a whole/],
  [
    [{ name: "a", register: "HoldingRegister", offset: 1, limit: 3 }],
    /"tags\.0\.limit".*found 3, wanted a number of reg.*int can have: 1, 2, 4/,
  ],
  [[{ name: "a", register: "CoilRegister", offset: 1, limit: 8 }], /"tags\.0\.limit".*found 8, wanted 1: one bit/],
];

for (const [tags, message, more] of wrong) {
  test(`tags are refused: ${message.source}`, () => {
    assert.throws(() => resolve(tags, more), { name: "DiagnosticError", message });
  });
}
