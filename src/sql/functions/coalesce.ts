import { unify } from "../types.ts";
import { any, defineFunction } from "./declare.ts";

export const coalesce = defineFunction({
  name: "coalesce",
  category: "other",
  returns: (types) => (types.length === 0 ? "unknown" : types.reduce(unify)),
  nulls: "sees",
  params: [any("x", { variadic: true })],
  doc: "The first argument that is not null, or null. Empty arrays and maps are not null.",
  examples: [
    { sql: "coalesce(a, b, 0)", rows: [{ a: null, b: 2n }], gives: 2n },
    { sql: "coalesce(a, 0)", gives: 0n },
    { sql: "coalesce(a)", gives: null },
    { sql: "coalesce()", fails: "E203" },
  ],
  compile: () => (...xs) => {
    for (const x of xs) if (x !== null && x !== undefined) return x;
    return null;
  },
});
