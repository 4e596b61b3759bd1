import { defineFunction, float, index } from "./declare.ts";
import { roundHalfAway } from "./round_half_away.ts";

export const trunc = defineFunction({
  name: "trunc",
  category: "transform",
  returns: "float",
  nulls: "propagate",
  params: [float("x"), index("digits")],
  doc: "`x` with `digits` decimals. In spite of the name it is rounded, halves away from zero, as in eKuiper.",
  examples: [
    { sql: "trunc(1.239, 2)", gives: 1.24 },
    { sql: "trunc(5, 1)", gives: 5 },
    { sql: "trunc(x, 1)", gives: null },
    { sql: "trunc(1.5, 'a')", fails: "E205" },
  ],
  compile: () => roundHalfAway,
});
