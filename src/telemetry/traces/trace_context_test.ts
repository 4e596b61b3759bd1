import assert from "node:assert/strict";
import { test } from "node:test";
import { isSampled } from "./sampler.ts";
import type { Span } from "./span.ts";
import { formatTraceparent, newSpanId, newTraceId, parseTraceparent } from "./trace_context.ts";
import { TraceRing } from "./trace_ring.ts";

const [trace, span] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];

for (
  const [text, sampled] of [
    [`00-${trace}-${span}-01`, true],
    [`00-${trace}-${span}-00`, false],
    [`00-${trace}-${span}-03`, true],
    [`cc-${trace}-${span}-01-what-the-future-brings`, true],
    [`00-${trace}-${span}-01-more`, undefined],
    [`ff-${trace}-${span}-01`, undefined],
    [`00-${"0".repeat(32)}-${span}-01`, undefined],
    [`00-${trace}-${"0".repeat(16)}-01`, undefined],
    [`00-${trace.toUpperCase()}-${span}-01`, undefined],
    ["", undefined],
  ] as const
) {
  test(`parseTraceparent() of ${JSON.stringify(text)}`, () => {
    assert.equal(parseTraceparent(text)?.sampled, sampled);
  });
}

test("ids are made of the right length, and written as they are read", () => {
  const context = { traceId: newTraceId(), spanId: newSpanId(), sampled: true };
  assert.deepEqual(parseTraceparent(formatTraceparent(context)), context);
});

test("isSampled() takes about the ratio, and follows who sent the message", () => {
  const sampling = { sampler: "ratio", ratio: 0.25 } as const;
  const count = Array.from({ length: 4000 }, newTraceId)
    .filter((id) => isSampled("always", sampling, undefined, id)).length;
  assert.ok(count > 800 && count < 1200, String(count));
  const parent = (sampled: boolean) => ({ traceId: trace, spanId: span, sampled });
  assert.equal(isSampled("always", { ...sampling, ratio: 0 }, parent(true), trace), true);
  assert.equal(isSampled("always", { ...sampling, ratio: 1 }, parent(false), trace), false);
  assert.equal(isSampled("always", { sampler: "always", ratio: 0 }, parent(false), trace), true);
  assert.equal(isSampled("head", { sampler: "always", ratio: 1 }, undefined, trace), false);
});

test("TraceRing forgets the oldest traces, by number and by bytes", () => {
  const spanOf = (traceId: string, data = ""): Span => ({
    traceId,
    spanId: newSpanId(),
    name: "a",
    kind: "internal",
    rule: "r",
    startUs: 1,
    endUs: 2,
    attributes: {},
    data,
  });
  const ring = new TraceRing({ tracesMax: 3, bytesMax: 10_000 });
  for (const id of ["1", "2", "3", "4"]) ring.add(spanOf(id));
  assert.deepEqual(ring.ofRule("r", 0), ["4", "3", "2"]);
  ring.add(spanOf("5", "x".repeat(4400)));
  assert.deepEqual(ring.ofRule("r", 0), ["5", "4"].slice(0, ring.size));
  assert.ok(ring.bytes <= 10_000, String(ring.bytes));
  for (let i = 0; i < 600; i++) ring.add(spanOf("6"));
  assert.ok(ring.bytes <= 10_000 && ring.size <= 3, String(ring.bytes));
});
