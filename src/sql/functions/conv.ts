import { RowError } from "../../diagnostics/row_error.ts";
import { defineFunction, index, text } from "./declare.ts";

export const conv = defineFunction({
  name: "conv",
  category: "math",
  returns: "string",
  nulls: "propagate",
  params: [text("n"), index("from", { constant: true }), index("to", { constant: true })],
  doc:
    "The number that `n` begins with, read in base `from` and written in base `to` (2 to 36), in upper case, as 64 " +
    'unsigned bits. A negative `from` keeps it within a signed int, a negative `to` writes it with its sign. "0" when ' +
    "`n` begins with no digit, null when a base is out of range.",
  examples: [
    { sql: "conv('ff', 16, 10)", gives: "255" },
    { sql: "conv('1101x', 2, 16)", gives: "D" },
    { sql: "conv('-1', 10, 16)", gives: "FFFFFFFFFFFFFFFF" },
    { sql: "conv('-1', 10, -16)", gives: "-1" },
    { sql: "conv('x', 10, 16)", gives: "0" },
    { sql: "conv('1', 1, 10)", gives: null },
    { sql: "conv(n, 10, 16)", gives: null },
    { sql: "conv('10000000000000000', 16, 10)", fails: "E506" },
  ],
  compile: () => (n, from, to) => {
    const base = Math.abs(from);
    const target = Math.abs(to);
    if (base < 2 || base > 36 || target < 2 || target > 36) return null;
    let value = readPrefix(n, base);
    // A negative base asks for a signed number.
    if (from < 0) value = clampToInt(value);
    const bits = BigInt.asUintN(64, value);
    return (to < 0 ? BigInt.asIntN(64, bits) : bits).toString(target).toUpperCase();
  },
});

const uintMax = (1n << 64n) - 1n;

/** The number at the start of `text`; digits end at the first character that is none in this base. */
function readPrefix(text: string, base: number): bigint {
  const [, sign, digits] = /^\s*([+-]?)([0-9a-z]*)/i.exec(text)!;
  let value = 0n;
  for (const letter of digits!) {
    const digit = parseInt(letter, 36);
    if (digit >= base) break;
    value = value * BigInt(base) + BigInt(digit);
    if (value > uintMax) throw new RowError("E506", `conv(): ${text.slice(0, 40)} does not fit in 64 bits`);
  }
  return sign === "-" ? -value : value;
}

function clampToInt(value: bigint): bigint {
  const max = (1n << 63n) - 1n;
  return value > max ? max : value < -max - 1n ? -max - 1n : value;
}
