import { RowError } from "../../diagnostics/row_error.ts";
import { describe } from "./arguments.ts";
import { any, defineFunction } from "./declare.ts";

export const chr = defineFunction({
  name: "chr",
  category: "transform",
  returns: "int",
  nulls: "propagate",
  params: [any("x")],
  doc:
    "The code point of the one character `x`; a number is given back as an int. In spite of the name the result is no " +
    "character, as in eKuiper.",
  examples: [
    { sql: "chr('A')", gives: 65n },
    { sql: "chr('😀')", gives: 128512n },
    { sql: "chr(65)", gives: 65n },
    { sql: "chr(x)", gives: null },
    { sql: "chr('AB')", fails: "E506" },
  ],
  compile: () => (x) => {
    if (typeof x === "bigint") return x;
    if (typeof x === "number" && Number.isSafeInteger(Math.trunc(x))) return BigInt(Math.trunc(x));
    const code = typeof x === "string" ? x.codePointAt(0) : undefined;
    if (typeof x === "string" && code !== undefined && x.length === (code > 0xffff ? 2 : 1)) return BigInt(code);
    throw new RowError("E506", `chr() needs one character or a number, found ${describe(x)}`);
  },
});
