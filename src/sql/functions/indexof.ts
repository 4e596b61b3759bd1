import { isNullLike } from "./arguments.ts";
import { characterIndexOf } from "./code_points.ts";
import { defineFunction, text } from "./declare.ts";

export const indexof = defineFunction({
  name: "indexof",
  category: "text",
  returns: "int",
  nulls: "sees",
  params: [text("value"), text("part")],
  doc: "The position of `part` in `value`, counted in characters from 0, or -1 when it is not there.",
  examples: [
    { sql: "indexof('pump-7', '-')", gives: 4n },
    { sql: "indexof('日本-7', '-')", gives: 2n },
    { sql: "indexof('pump', 'x')", gives: -1n },
    { sql: "indexof(value, 'x')", gives: -1n },
    { sql: "indexof('pump')", fails: "E203" },
  ],
  compile: () => (value, part) => isNullLike(value) || isNullLike(part) ? -1n : BigInt(characterIndexOf(value!, part!)),
});
