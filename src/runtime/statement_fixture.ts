/**
 * Statements for tests: a catalog of streams by their CREATE statements, and plans over it.
 * @module
 */
import type { CreateStatement } from "../sql/ast.ts";
import type { Catalog, FunctionSet } from "../sql/catalog.ts";
import { builtInFunctions } from "../sql/functions/built_in.ts";
import { parseStatement } from "../sql/parse.ts";
import { defaultPlanOptions, inputsOf, type Plan, type PlanOptions, type StatementPlan } from "../sql/plan.ts";
import { prepareSelect } from "../sql/prepare.ts";

export const builtIns: FunctionSet = builtInFunctions;

/** Schemaless `demo`, `typed (a BIGINT, b FLOAT)`, and `timed` with event time in `ts`. */
export const catalog: Catalog = {
  source(name) {
    if (!["demo", "typed", "timed"].includes(name)) return undefined;
    const create = parseStatement("CREATE STREAM typed (a BIGINT, b FLOAT) WITH ()") as CreateStatement;
    return {
      name,
      kind: "stream",
      columns: name === "typed" ? create.columns : undefined,
      strictValidation: false,
      timestamp: name === "timed" ? "ts" : undefined,
      timestampFormat: undefined,
    };
  },
  sourceNames: () => ["demo", "typed", "timed"],
};

export function planOf(sql: string, options: Partial<PlanOptions> = {}): StatementPlan {
  return prepareSelect(sql, catalog, builtIns, { ...defaultPlanOptions, ...options });
}

/** The nodes of a plan that is a chain, from the one behind the source to the result. */
export function chainOf({ root }: StatementPlan): Plan[] {
  const chain: Plan[] = [];
  for (let node = root; node.kind !== "source"; node = inputsOf(node)[0]!) chain.unshift(node);
  return chain;
}

/** The kinds of a plan's nodes, from the source to the result. */
export function kindsOf(plan: StatementPlan): string {
  return chainOf(plan).map((node) => node.kind).join(" > ");
}
