/**
 * The plan of a rule, of its statement or of its graph.
 * @module
 */
import { type Diagnostic, DiagnosticError, throwIfAny } from "../diagnostics/diagnostic.ts";
import type { Catalog, FunctionSet, SourceSchema } from "../sql/catalog.ts";
import { planGraph } from "../sql/graph/plan_graph.ts";
import type { PlanOptions, StatementPlan } from "../sql/plan.ts";
import { prepareSelect } from "../sql/prepare.ts";
import { graphStreams } from "./graph_streams.ts";
import { planOptionsOf, type RuleDefinition } from "./rule_definition.ts";
import { schemaOf } from "./source_schema.ts";
import type { StreamDefinition } from "./stream_definition.ts";

/** What a plan looks things up in. */
export interface PlanEnvironment {
  readonly streams: { get(name: string): StreamDefinition | undefined; names(): string[] };
  readonly functions: FunctionSet;
  /** See `PlanOptions`. */
  readonly ignoreCase?: boolean;
}

export interface PlannedRule {
  readonly plan: StatementPlan;
  /** What the spans of the plan point into. */
  readonly text: string;
  /** The streams that a graph defines itself, by name. */
  readonly own: ReadonlyMap<string, StreamDefinition>;
}

/** The streams and tables as SQL sees them. */
export function catalogOf(streams: PlanEnvironment["streams"]): Catalog {
  return {
    source: (name) => {
      const stream = streams.get(name);
      return stream === undefined ? undefined : schemaOf(stream);
    },
    sourceNames: () => streams.names(),
  };
}

/** @throws {DiagnosticError} everything that is wrong with the SQL or the graph. */
export function planRule(definition: RuleDefinition, environment: PlanEnvironment): PlannedRule {
  const options = { ...planOptionsOf(definition.options), ignoreCase: environment.ignoreCase ?? false };
  return planDefinition(definition, catalogOf(environment.streams), environment.functions, options);
}

/** As {@linkcode planRule}, over any catalog and with options of one's own. */
export function planDefinition(
  { sql, graph }: Pick<RuleDefinition, "sql" | "graph">,
  catalog: Catalog,
  functions: FunctionSet,
  options: PlanOptions,
): PlannedRule {
  if (graph === undefined) return { plan: prepareSelect(sql, catalog, functions, options), text: sql, own: new Map() };
  const problems: Diagnostic[] = [];
  const own = graphStreams(graph, (problem) => void problems.push(problem));
  const schemas = new Map<string, SourceSchema>([...own].map(([name, stream]) => [name, schemaOf(stream)]));
  try {
    const planned = planGraph(graph, catalog, schemas, functions, options);
    throwIfAny(problems);
    return { ...planned, own };
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    throw error.diagnostics === problems ? error : new DiagnosticError([...problems, ...error.diagnostics]);
  }
}
