import assert from "node:assert/strict";
import { test } from "node:test";
import { readPosition, writePosition } from "./position.ts";

test("a position keeps session and identifiers, ranges in short", () => {
  const session = "gateway@tcp://broker:1883";
  const cases: [ids: number[], taken: string][] = [
    [[], ""],
    [[7], "7"],
    [[3, 1, 2, 9, 65_535, 65_534], "1-3,9,65534-65535"],
    [Array.from({ length: 65_535 }, (_, n) => n + 1), "1-65535"],
  ];
  for (const [ids, taken] of cases) {
    const text = writePosition({ session, ids });
    assert.equal(JSON.parse(text).taken, taken);
    assert.deepEqual(readPosition(text), { session, ids: [...ids].sort((a, b) => a - b) });
  }
  assert.deepEqual(readPosition(writePosition({ session: undefined, ids: [] })), { session: undefined, ids: [] });
});

test("readPosition() is undefined for anything else", () => {
  const texts = ["", "7", "null", "[]", "{}", '{"taken":7}', '{"session":1,"taken":""}'];
  for (const taken of ["0", "65536", "5-3", "1,,2", "x", "1-2-3", "-1", "1-65535,1-65535"]) {
    texts.push(JSON.stringify({ session: "s", taken }));
  }
  for (const text of texts) assert.equal(readPosition(text), undefined, text);
});
