/**
 * The plan of a rule, of its statement or of its graph.
 * @module
 */
import { type Diagnostic, diagnostic, DiagnosticError, throwIfAny } from "../diagnostics/diagnostic.ts";
import type { Catalog, FunctionSet, SourceSchema } from "../sql/catalog.ts";
import type { Graph } from "../sql/graph/graph.ts";
import { planGraph } from "../sql/graph/plan_graph.ts";
import type { PlanOptions, StatementPlan } from "../sql/plan.ts";
import { prepareSelect } from "../sql/prepare.ts";
import { graphStreams } from "./graph_streams.ts";
import { planOptionsOf, type RuleDefinition } from "./rule_definition.ts";
import type { Schemas } from "./schemas.ts";
import { schemaOf } from "./source_schema.ts";
import type { StreamDefinition } from "./stream_definition.ts";
import { withSchema } from "./stream_schema.ts";

/** What a plan looks things up in. */
export interface PlanEnvironment {
  readonly streams: { get(name: string): StreamDefinition | undefined; names(): string[] };
  /** Where streams find the columns of their SCHEMAID. */
  readonly schemas?: Schemas;
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
export function catalogOf(streams: PlanEnvironment["streams"], schemas?: Schemas): Catalog {
  return {
    source: (name) => {
      const stream = streams.get(name);
      return stream === undefined ? undefined : schemaOf(withSchema(stream, schemas));
    },
    sourceNames: () => streams.names(),
  };
}

/** @throws {DiagnosticError} everything that is wrong with the SQL or the graph. */
export function planRule(definition: RuleDefinition, environment: PlanEnvironment): PlannedRule {
  const { streams, schemas, functions, ignoreCase = false } = environment;
  const problems = definition.graph === undefined ? [] : wrongTypes(definition.graph, streams);
  return collecting(problems, () => {
    const options = { ...planOptionsOf(definition.options), ignoreCase };
    return planDefinition(definition, catalogOf(streams, schemas), functions, options, schemas);
  });
}

/** The type of a source node is that of the stream or table it names. */
function wrongTypes({ nodes }: Graph, streams: PlanEnvironment["streams"]): Diagnostic[] {
  return nodes.flatMap((node) => {
    const stream = node.type === "source" && node.definition !== undefined
      ? streams.get(node.definition.name)
      : undefined;
    if (node.type !== "source" || stream === undefined || stream.options.type === node.nodeType) return [];
    return [diagnostic(
      "E217",
      `"${stream.name}" is of type ${stream.options.type}, and node "${node.name}" of type ${node.nodeType}`,
      { path: `graph.nodes.${node.name}.nodeType` },
    )];
  });
}

/** Does `work`; what it finds wrong is told behind `problems`. */
function collecting<T>(problems: readonly Diagnostic[], work: () => T): T {
  let done: T;
  try {
    done = work();
  } catch (error) {
    if (!(error instanceof DiagnosticError) || problems.length === 0) throw error;
    throw new DiagnosticError([...problems, ...error.diagnostics], error.text);
  }
  throwIfAny(problems);
  return done;
}

/** As {@linkcode planRule}, over any catalog and with options of one's own. */
export function planDefinition(
  { sql, graph }: Pick<RuleDefinition, "sql" | "graph">,
  catalog: Catalog,
  functions: FunctionSet,
  options: PlanOptions,
  schemas?: Schemas,
): PlannedRule {
  if (graph === undefined) return { plan: prepareSelect(sql, catalog, functions, options), text: sql, own: new Map() };
  const problems: Diagnostic[] = [];
  const found = graphStreams(graph, (problem) => void problems.push(problem));
  const own = new Map([...found].map(([name, stream]) => [name, withSchema(stream, schemas)]));
  const known = new Map<string, SourceSchema>([...own].map(([name, stream]) => [name, schemaOf(stream)]));
  return collecting(problems, () => ({ ...planGraph(graph, catalog, known, functions, options), own }));
}
