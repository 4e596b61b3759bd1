import { defineFunction, float, index } from "./declare.ts";
import { roundHalfAway } from "./round_half_away.ts";

export const round = defineFunction({
  name: "round",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("x"), index("digits", { optional: true })],
  doc: "`x` rounded to `digits` decimals (0 when left out, negative for tens and hundreds), halves away from zero.",
  examples: [
    { sql: "round(2.5)", gives: 3 },
    { sql: "round(-2.5)", gives: -3 },
    { sql: "round(1.005, 2)", gives: 1.01 },
    { sql: "round(1250, -2)", gives: 1300 },
    { sql: "round(x, 2)", gives: null },
    { sql: "round('a')", fails: "E205" },
  ],
  compile: () => (x, digits = 0) => roundHalfAway(x, digits),
});
