import assert from "node:assert/strict";
import { test } from "node:test";
import { DateTime } from "./datetime.ts";
import { plainFloat, plainText } from "./plain_text.ts";
import { SeededRandom } from "./seeded_random.ts";
import type { Value } from "./value.ts";

test("plainText() has Go's forms", () => {
  const cases: [Value, string][] = [
    ["a b", "a b"],
    [12n, "12"],
    [true, "true"],
    [null, ""],
    [undefined, ""],
    [123456, "123456"],
    [999999.5, "999999.5"],
    [1234567, "1.234567e+06"],
    [1e6, "1e+06"],
    [-0.00001, "-1e-05"],
    [0.0001, "0.0001"],
    [1.5e100, "1.5e+100"],
    [2.5e-100, "2.5e-100"],
    [Infinity, "+Inf"],
    [[1, 2n, null], "[1 2 <nil>]"],
    [{ b: 2, a: null, "😀": 1, "\uffee": 1, gone: undefined }, "map[a:<nil> b:2 \uffee:1 😀:1]"],
    [[], "[]"],
    [{}, "map[]"],
    [new Uint8Array([1, 255]), "[1 255]"],
    [new DateTime(0, "UTC"), "1970-01-01 00:00:00 +0000 UTC"],
    [new DateTime(1_784_000_000_500, "Europe/Berlin"), "2026-07-14 05:33:20.5 +0200 CEST"],
    [new DateTime(1_700_000_000_120, "America/New_York"), "2023-11-14 17:13:20.12 -0500 EST"],
    [new DateTime(1_700_000_000_000, "Asia/Shanghai"), "2023-11-15 06:13:20 +0800 CST"],
    [new DateTime(1_700_000_000_000, "America/Sao_Paulo"), "2023-11-14 19:13:20 -0300 -03"],
    [new DateTime(1_700_000_000_000, "+05:30"), "2023-11-15 03:43:20 +0530 +0530"],
  ];
  for (const [value, text] of cases) assert.equal(plainText(value), text);
});

test("plainFloat() reads back as the same float", () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const value = new SeededRandom(seed).float();
    const text = plainFloat(value);
    assert.ok(Object.is(Number(text), value), `seed ${seed}`);
    const exponent = /e[+-](\d+)$/.exec(text);
    assert.equal(exponent !== null, Math.abs(value) < 1e-4 || Math.abs(value) >= 1e6, `seed ${seed}`);
    if (exponent !== null) assert.ok(exponent[1]!.length >= 2, `seed ${seed}`);
  }
});
