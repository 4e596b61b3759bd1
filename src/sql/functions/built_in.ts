/**
 * The built-in functions as the set a statement may call.
 * @module
 */
import type { FunctionSet } from "../catalog.ts";
import { functionNames, lookup, notYet } from "./registry.ts";

export const builtInFunctions: FunctionSet = {
  lookup,
  names: functionNames,
  notYet: (name) => notYet.has(name.toLowerCase()),
};
