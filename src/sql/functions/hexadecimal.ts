/**
 * Ints as hexadecimal text and back.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { intMax } from "../../value/value.ts";
import { describe } from "./arguments.ts";
import { defineFunction, int, string } from "./declare.ts";

export const dec2hex = defineFunction({
  name: "dec2hex",
  category: "transform",
  returns: "string",
  nulls: "propagate",
  params: [int("n")],
  doc: "`n` in lower-case hexadecimal digits behind `0x`.",
  examples: [
    { sql: "dec2hex(255)", gives: "0xff" },
    { sql: "dec2hex(-255)", gives: "-0xff" },
    { sql: "dec2hex(n)", gives: null },
    { sql: "dec2hex('a')", fails: "E205" },
  ],
  compile: () => (n) => (n < 0n ? `-0x${(-n).toString(16)}` : `0x${n.toString(16)}`),
});

export const hex2dec = defineFunction({
  name: "hex2dec",
  category: "transform",
  returns: "int",
  nulls: "propagate",
  params: [string("text")],
  doc: "The int that the hexadecimal digits of `text` stand for, with or without `0x`.",
  examples: [
    { sql: "hex2dec('0xff')", gives: 255n },
    { sql: "hex2dec('FF')", gives: 255n },
    { sql: "hex2dec(text)", gives: null },
    { sql: "hex2dec('xyz')", fails: "E506" },
  ],
  compile: () => (text) => {
    const [, sign, digits] = /^([+-]?)(?:0[xX])?([0-9a-fA-F]{1,40})$/.exec(text) ?? [];
    const size = digits === undefined ? undefined : BigInt(`0x${digits}`);
    if (size === undefined || size > intMax) {
      throw new RowError("E506", `hex2dec() needs the hexadecimal digits of an int, found ${describe(text)}`);
    }
    return sign === "-" ? -size : size;
  },
});
