import assert from "node:assert/strict";
import { test } from "node:test";
import { DateTime } from "../../value/datetime.ts";
import { AddressedItem, type Body } from "../addressed_item.ts";
import type { Item } from "../send_queue.ts";
import { decodeItem, decodeKept, encodeItem, encodeItemWithId } from "./message_codec.ts";

const texts = ["", '{"a":1}', "\u0002", "\u0002r[]", "\u0002i1\nx", "\u0001x", "a\0b", "é\n"];
const blobs = [new Uint8Array(), new Uint8Array([0, 2, 255]), new Uint8Array([9, 8, 7, 6]).subarray(1, 3)];
const rows: Item[] = [
  [],
  [{ a: 1n, b: -0, c: "x", d: null, e: new Uint8Array([1]), f: new DateTime(5, "UTC"), g: [true, { h: NaN }] }, {}],
];

test("encodeItem() and decodeItem() give back what went in", () => {
  for (const item of [...texts, ...blobs]) assert.deepEqual(decodeItem(encodeItem(item), "payloads"), item);
  for (const item of rows) assert.deepEqual(decodeItem(encodeItem(item), "rows"), item);
});

test("messages keep the settings that they bring", () => {
  const settings = { topic: "a\nb", headers: { "X-Id": "\u0002i" } };
  for (const [accepts, bodies] of [["payloads", [...texts, ...blobs]], ["rows", rows]] as const) {
    for (const body of bodies as Body[]) {
      const item = new AddressedItem(body, settings);
      assert.deepEqual(decodeItem(encodeItem(item), accepts), item);
      assert.deepEqual(decodeKept(encodeItemWithId(item, "r-1-2"), accepts), { item, id: "r-1-2" });
    }
  }
});

test("encodeItem() leaves text and bytes as they are", () => {
  const text = '{"a":1}';
  assert.equal(encodeItem(text), text);
  assert.equal(encodeItem(blobs[1]!), blobs[1]);
});

test("encodeItemWithId() keeps the id beside the message", () => {
  for (const item of [...texts, ...blobs]) {
    assert.deepEqual(decodeKept(encodeItemWithId(item, "r-1-2"), "payloads"), { item, id: "r-1-2" });
  }
  for (const item of rows) {
    assert.deepEqual(decodeKept(encodeItemWithId(item, "r-1-2"), "rows"), { item, id: "r-1-2" });
  }
  assert.equal(decodeKept("x", "payloads").id, undefined);
});

test("decodeItem() refuses what was kept for another kind of sink, and what is damaged", () => {
  assert.throws(() => decodeItem("text", "rows"), TypeError);
  assert.throws(() => decodeItem(new Uint8Array([1]), "rows"), TypeError);
  assert.throws(() => decodeItem(encodeItem([{ a: 1 }]), "payloads"), TypeError);
  for (const bad of ["\u0002", "\u0002s{\nx", "\u0002s1\nx", "\u0002z", "\u0002r{", "\u0002r1"]) {
    assert.throws(() => decodeItem(bad, "rows"), TypeError, JSON.stringify(bad));
  }
});
