/**
 * The built-in functions as the set a statement may call.
 * @module
 */
import type { FunctionSet } from "../catalog.ts";
import { functionNames, lookup } from "./registry.ts";

export const builtInFunctions: FunctionSet = {
  lookup,
  names: functionNames,
};
