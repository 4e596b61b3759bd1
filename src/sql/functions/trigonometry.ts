/**
 * Angles and hyperbolic functions, all in radians. Outside its domain a function is null.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { defineFunction, type Example, float, type SqlFunction } from "./declare.ts";

/** A function of one number; a result that is not a number is null. */
function ofOneNumber(
  name: string,
  doc: string,
  examples: readonly Example[],
  apply: (x: number) => number,
): SqlFunction {
  return defineFunction({
    name,
    category: "math",
    returns: "float",
    nulls: "propagate",
    params: [float("x")],
    doc,
    examples: [
      ...examples,
      { sql: `${name}(x)`, gives: null },
      { sql: `${name}(x)`, rows: [{ x: "a" }], fails: "E506" },
    ],
    compile: () => (x) => {
      const result = apply(x);
      return Number.isNaN(result) ? null : result;
    },
  });
}

export const acos = ofOneNumber(
  "acos",
  "The angle whose cosine is `x`; null when `x` is not from -1 to 1.",
  [{ sql: "acos(1)", gives: 0 }, { sql: "acos(2)", gives: null }],
  Math.acos,
);

export const asin = ofOneNumber(
  "asin",
  "The angle whose sine is `x`; null when `x` is not from -1 to 1.",
  [{ sql: "asin(0)", gives: 0 }, { sql: "asin(2)", gives: null }],
  Math.asin,
);

export const atan = ofOneNumber("atan", "The angle whose tangent is `x`.", [{ sql: "atan(0)", gives: 0 }], Math.atan);

export const atan2 = defineFunction({
  name: "atan2",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("y"), float("x")],
  doc: "The angle of the point (`x`, `y`), from -π to π.",
  examples: [
    { sql: "atan2(0, 1)", gives: 0 },
    { sql: "atan2(1, x)", gives: null },
    { sql: "atan2('a', 1)", fails: "E205" },
  ],
  compile: () => Math.atan2,
});

export const cos = ofOneNumber("cos", "The cosine of `x`.", [{ sql: "cos(0)", gives: 1 }], Math.cos);
export const cosh = ofOneNumber("cosh", "The hyperbolic cosine of `x`.", [{ sql: "cosh(0)", gives: 1 }], Math.cosh);

export const cot = defineFunction({
  name: "cot",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("x")],
  doc: "The cotangent of `x`. Refused where it is infinite.",
  examples: [
    { sql: "cot(x)", gives: null },
    { sql: "cot(0)", fails: "E506" },
  ],
  compile: () => (x) => {
    const result = 1 / Math.tan(x);
    if (!Number.isFinite(result)) throw new RowError("E506", `cot() of ${x} is infinite`);
    return result;
  },
});

export const degrees = ofOneNumber(
  "degrees",
  "The angle `x` in degrees.",
  [{ sql: "degrees(0)", gives: 0 }],
  (x) => x * (180 / Math.PI),
);

export const radians = ofOneNumber(
  "radians",
  "The angle `x`, given in degrees, in radians.",
  [{ sql: "radians(180)", gives: Math.PI }],
  (x) => x * (Math.PI / 180),
);

export const sin = ofOneNumber("sin", "The sine of `x`.", [{ sql: "sin(0)", gives: 0 }], Math.sin);
export const sinh = ofOneNumber("sinh", "The hyperbolic sine of `x`.", [{ sql: "sinh(0)", gives: 0 }], Math.sinh);
export const tan = ofOneNumber("tan", "The tangent of `x`.", [{ sql: "tan(0)", gives: 0 }], Math.tan);
export const tanh = ofOneNumber("tanh", "The hyperbolic tangent of `x`.", [{ sql: "tanh(0)", gives: 0 }], Math.tanh);

export const pi = defineFunction({
  name: "pi",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [],
  doc: "The number π.",
  examples: [{ sql: "pi()", gives: Math.PI }, { sql: "pi(1)", fails: "E203" }],
  compile: () => () => Math.PI,
});
