import { plainText } from "../../value/plain_text.ts";
import { isStruct } from "../../value/value.ts";
import { characterCount } from "./code_points.ts";
import { any, defineFunction } from "./declare.ts";

export const length = defineFunction({
  name: "length",
  category: "text",
  returns: "int",
  nulls: "zero",
  params: [any("x")],
  doc: "The number of elements of an array or map, else of characters in the plain text of `x`.",
  examples: [
    { sql: "length('Zürich')", gives: 6n },
    { sql: "length(a)", rows: [{ a: [1n, null] }], gives: 2n },
    { sql: "length(a)", rows: [{ a: { k: 1n } }], gives: 1n },
    { sql: "length(a)", gives: 0n },
  ],
  compile: () => (x) => {
    if (typeof x === "string") return BigInt(characterCount(x));
    if (Array.isArray(x)) return BigInt(x.length);
    return BigInt(isStruct(x) ? Object.keys(x).length : characterCount(plainText(x)));
  },
});
