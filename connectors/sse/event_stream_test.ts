import assert from "node:assert/strict";
import { test } from "node:test";
import { EventStreamParser, type StreamEvent } from "./event_stream.ts";

function parse(text: string, pieces: number, id?: string): { events: StreamEvent[]; retryMs: number | undefined } {
  const parser = new EventStreamParser(1000, id);
  const bytes = new TextEncoder().encode(text);
  const events: StreamEvent[] = [];
  for (let i = 0; i < bytes.length; i += pieces) events.push(...parser.push(bytes.subarray(i, i + pieces)));
  return { events, retryMs: parser.retryMs };
}

const message = (data: string, id = "", event = "message"): StreamEvent => ({ event, data, id });

const cases: [name: string, text: string, events: StreamEvent[], retryMs?: number][] = [
  ["an event", "data: a\n\n", [message("a")]],
  ["several lines of data", "data: a\ndata:b\ndata\n\n", [message("a\nb\n")]],
  ["only one space is left out", "data:  a \n\n", [message(" a ")]],
  ["comments, unknown fields and empty events are none", ": hi\nfoo: 1\n\nevent: x\n\nid: 1\n\n", []],
  ["an id stays for later events", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [
    message("a", "1"),
    message("b", "1"),
    message("c", ""),
  ]],
  ["an id with a NUL is none", "id: 1\nid: a\0b\ndata: a\n\n", [message("a", "1")]],
  ["a type is for one event", "event: car\ndata: a\n\ndata: b\n\n", [message("a", "", "car"), message("b")]],
  ["every line end", "data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r", [message("a\nb\nc")]],
  ["a mark of byte order", "\ufeffdata: a\n\n", [message("a")]],
  ["retry", "retry: 250\nretry: soon\ndata: ä€😀\n\n", [message("ä€😀")], 250],
  ["an event that is cut off is none", "data: a\n\ndata: b\n", [message("a")]],
];

for (const [name, text, events, retryMs] of cases) {
  test(`EventStreamParser: ${name}`, () => {
    for (const pieces of [1, 2, 3, 1000]) {
      assert.deepEqual(parse(text, pieces), { events, retryMs }, `pieces of ${pieces}`);
    }
  });
}

test("EventStreamParser: begins with the id it is given, and refuses an event without end", () => {
  assert.deepEqual(parse("data: a\n\n", 5, "7").events, [message("a", "7")]);
  assert.throws(() => parse(`data: ${"x".repeat(2000)}`, 100), RangeError);
  assert.throws(() => parse(`data: ${"x".repeat(100)}\n`.repeat(20), 100), RangeError);
});
