import { defineFunction, text } from "./declare.ts";

/** The reversed polynomial of IEEE 802.3, for each byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

export const crc32 = defineFunction({
  name: "crc32",
  category: "hashing",
  returns: "string",
  nulls: "propagate",
  params: [text("value")],
  doc: "The IEEE CRC-32 of `value` in UTF-8, as lower-case hexadecimal digits without leading zeros.",
  examples: [
    { sql: "crc32('123456789')", gives: "cbf43926" },
    { sql: "crc32(value)", gives: null },
    { sql: "crc32()", fails: "E203" },
  ],
  compile: () => {
    const encoder = new TextEncoder();
    return (value) => {
      let rest = 0xffffffff;
      for (const byte of encoder.encode(value)) rest = table[(rest ^ byte) & 0xff]! ^ (rest >>> 8);
      return ((rest ^ 0xffffffff) >>> 0).toString(16);
    };
  },
});
