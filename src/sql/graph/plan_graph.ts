/**
 * Makes the plan of a graph: the nodes of the same planner, put together by the arrows instead of by the clauses of a
 * SELECT. What a node does not find in SQL is a plan node of its own: `extend`, `pick`, `switch`, `script`.
 *
 * Every node is bound by itself, with the names that its inputs bring (`NodeScope`). Two things reach over several nodes:
 * a grouped list is one aggregation, placed where the groups are made, to which later nodes add their aggregates; and a
 * pick in front of a sink is the sink's select list, so that a graph that says what a SELECT says has its plan.
 * @module
 */
import { type Diagnostic, diagnostic, throwIfAny } from "../../diagnostics/diagnostic.ts";
import { didYouMean } from "../../diagnostics/suggest.ts";
import type { OutputItem } from "../analyze/select_list.ts";
import type { ScopeSource } from "../analyze/scope.ts";
import type { Catalog, FunctionSet, SourceSchema } from "../catalog.ts";
import type { PlanOptions, ProjectPlan, SourcePlan, StatementPlan } from "../plan.ts";
import { rewritePlan } from "../rewrite/rewrite.ts";
import { type Graph, type GraphEdge, type GraphOperator, type GraphSource, propsPath } from "./graph.ts";
import { type Flow, NodePlanner } from "./plan_node.ts";
import { mergedShape, nameOf, type Shape, shapeOfSource } from "./shape.ts";
import { GraphTexts } from "./texts.ts";

export interface GraphPlan {
  readonly plan: StatementPlan;
  /** The expressions, which the spans of the plan point into. */
  readonly text: string;
}

/** More mistakes than this help nobody. */
const diagnosticsMax = 50;

const takesSeveral = ["watermark", "window", "join"];

/**
 * @param inline the streams that the graph defines itself, by the name of their node
 * @throws {DiagnosticError} E217 for nodes that do not fit together, and everything that can be wrong with expressions,
 * each with the path of its expression.
 */
export function planGraph(
  graph: Graph,
  catalog: Catalog,
  inline: ReadonlyMap<string, SourceSchema>,
  functions: FunctionSet,
  options: PlanOptions,
): GraphPlan {
  return new GraphPlanner(graph, catalog, inline, functions, options).plan();
}

type UnfinishedSource = Omit<SourcePlan, "columns"> & { columns: SourcePlan["columns"] };

class GraphPlanner {
  readonly #graph: Graph;
  readonly #options: PlanOptions;
  readonly #diagnostics: Diagnostic[] = [];
  readonly #texts: GraphTexts;
  readonly #sources: ScopeSource[] = [];
  /** By position. Which columns they need is known when all nodes are bound. */
  readonly #plans: UnfinishedSource[] = [];
  readonly #nodes: NodePlanner;
  /** What each node hands on; a switch one for each case. Undefined behind a mistake. */
  readonly #flows = new Map<string, readonly (Flow | undefined)[]>();

  constructor(
    graph: Graph,
    catalog: Catalog,
    inline: ReadonlyMap<string, SourceSchema>,
    functions: FunctionSet,
    options: PlanOptions,
  ) {
    this.#graph = graph;
    this.#options = options;
    const report = (d: Diagnostic) => this.#report(d);
    this.#texts = new GraphTexts(report);
    this.#readSources(catalog, inline);
    this.#nodes = new NodePlanner({
      sources: this.#sources,
      plans: this.#plans,
      functions,
      options,
      texts: this.#texts,
      report,
    });
  }

  #report(d: Diagnostic): void {
    this.#diagnostics.push(this.#texts.locate(d));
    if (this.#diagnostics.length === diagnosticsMax) throwIfAny(this.#diagnostics);
  }

  #refuse(path: string, message: string, hint?: string): void {
    this.#report(diagnostic("E217", message, hint === undefined ? { path } : { path, hint }));
  }

  // ---------------------------------------------------------------- sources

  #readSources(catalog: Catalog, inline: ReadonlyMap<string, SourceSchema>): void {
    const nodes = new Map(this.#graph.nodes.map((node) => [node.name, node]));
    for (const [position, name] of this.#graph.sources.entries()) {
      const node = nodes.get(name) as GraphSource;
      const schema = node.definition === undefined ? inline.get(name) : this.#defined(node, node.definition, catalog);
      const known = schema ?? standIn(node.definition?.name ?? name);
      // Both the name of the stream and that of the node can stand in front of a column.
      this.#sources.push({ name: known.name, alias: name, schema: known, wanted: new Set() });
      this.#plans.push({ kind: "source", name: known.name, position, schema: known, columns: "all" });
    }
    for (const [i, { name }] of this.#sources.entries()) {
      const other = this.#sources.findIndex((each, j) => j !== i && each.name === name);
      if (other !== -1 && inline.has(this.#sources[i]!.alias!)) {
        this.#refuse(`graph.nodes.${this.#sources[i]!.alias}`, `"${name}" names two streams`, "rename the node");
      }
    }
  }

  #defined(
    node: GraphSource,
    wanted: NonNullable<GraphSource["definition"]>,
    catalog: Catalog,
  ): SourceSchema | undefined {
    const path = `${propsPath(node.name)}.sourceName`;
    const schema = catalog.source(wanted.name);
    if (schema === undefined) {
      const hint = didYouMean(wanted.name, catalog.sourceNames()) ?? "create it first with CREATE STREAM";
      this.#report(diagnostic("E201", `Unknown ${wanted.kind} "${wanted.name}"`, { path, hint }));
      return undefined;
    }
    const kind = schema.kind === "stream" ? "stream" : "table";
    if (kind !== wanted.kind) {
      this.#refuse(path, `"${wanted.name}" is a ${kind}, and the sourceType of the node is ${wanted.kind}`);
    } else if (schema.kind === "scan_table") {
      this.#refuse(path, `Table "${wanted.name}" is no lookup table`, 'create it WITH (…, KIND="lookup")');
    }
    return schema;
  }

  // ---------------------------------------------------------------- the whole

  plan(): GraphPlan {
    const incoming = Map.groupBy(this.#graph.edges, ({ to }) => to);
    const projects: ProjectPlan[] = [];
    for (const node of this.#graph.nodes) {
      const edges = incoming.get(node.name) ?? [];
      if (node.type === "source") this.#planSource(node.name);
      else if (node.type === "operator") this.#planOperator(node, edges);
      else projects.push(...this.#planSink(node.name, edges));
    }
    throwIfAny(this.#diagnostics);
    const [only] = projects;
    const isOne = projects.length === 1 && this.#graph.sinks.length === 1;
    const { output: _, ...single } = only!;
    const sources = this.#sources.map(({ name }) => name);
    this.#setColumns();
    const plan: StatementPlan = {
      root: isOne ? single : { kind: "outputs", inputs: projects },
      slotCount: this.#nodes.slotCount,
      changingSlots: this.#nodes.changingSlots,
      sources,
      ...(this.#options.ignoreCase === true ? { ignoreCase: true } : {}),
      usesMeta: this.#nodes.usesMeta || this.#options.sendMetaToSink,
    };
    return { plan: rewritePlan(plan), text: this.#texts.text };
  }

  /** The columns that were asked for, now that everything is bound. */
  #setColumns(): void {
    for (const [position, { wanted, schema }] of this.#sources.entries()) {
      if (wanted === "all" || this.#options.ignoreCase === true) continue;
      const columns = new Set(wanted);
      if (this.#nodes.timed.has(position) && schema.timestamp !== undefined) columns.add(schema.timestamp);
      this.#plans[position]!.columns = columns;
    }
  }

  #planSource(name: string): void {
    const position = this.#graph.sources.indexOf(name);
    this.#flows.set(name, [{ plan: this.#plans[position]!, shape: shapeOfSource(position) }]);
  }

  #flowOf({ from, case: index }: GraphEdge): Flow | undefined {
    return this.#flows.get(from)?.[index ?? 0];
  }

  #isTable({ from }: GraphEdge): boolean {
    const position = this.#graph.sources.indexOf(from);
    return position !== -1 && this.#sources[position]!.schema.kind !== "stream";
  }

  #planOperator(node: GraphOperator, edges: readonly GraphEdge[]): void {
    const { nodeType } = node.operation;
    const path = `graph.nodes.${node.name}`;
    const tables = edges.filter((edge) => this.#isTable(edge));
    const streams = edges.filter((edge) => !this.#isTable(edge));
    if (nodeType !== "join" && tables.length > 0) {
      this.#refuse(path, `Lookup table "${tables[0]!.from}" can lead to a join only, not to ${nodeType}`);
    }
    if (!takesSeveral.includes(nodeType) && streams.length > 1) {
      const names = streams.map(({ from }) => from).join(", ");
      this.#refuse(
        path,
        `A ${nodeType} node takes one input, found ${names}`,
        `only ${takesSeveral.join(", ")} take several`,
      );
      return;
    }
    const inputs = streams.map((edge) => this.#flowOf(edge)).filter((flow) => flow !== undefined);
    if (streams.length === 0) {
      if (nodeType === "join") this.#refuse(path, "A join needs a stream that leads to it");
      return;
    }
    // What is wrong further up has been told.
    if (inputs.length < streams.length) return;
    const kinds = new Set(inputs.map(({ shape }) => `${nameOf(shape)}`));
    if (kinds.size > 1) {
      this.#refuse(path, `The inputs of "${node.name}" do not fit together: ${[...kinds].join(" and ")}`);
      return;
    }
    const input: Flow = inputs.length === 1 ? inputs[0]! : {
      plan: { kind: "merge", inputs: inputs.map(({ plan }) => plan) },
      shape: mergedShape(inputs.map(({ shape }) => shape)),
    };
    const positions = tables.map(({ from }) => this.#graph.sources.indexOf(from));
    if (input.shape.open) this.#wantAll([...inputs.map(({ shape }) => shape), ...positions.map(shapeOfSource)]);
    this.#flows.set(node.name, this.#nodes.plan(node, input, positions));
  }

  /** Beside columns that are not known, those of a stream or table cannot be told apart: any may be asked for. */
  #wantAll(shapes: readonly Shape[]): void {
    for (const { open, sources } of shapes) {
      if (!open) { for (const position of sources) this.#sources[position]!.wanted = "all"; }
    }
  }

  // ---------------------------------------------------------------- sinks

  /** A sink takes several inputs: whichever case of a switch may lead to it. */
  #planSink(name: string, edges: readonly GraphEdge[]): ProjectPlan[] {
    const output = this.#graph.sinks.indexOf(name);
    return edges.flatMap((edge): ProjectPlan[] => {
      if (this.#isTable(edge)) {
        this.#refuse(`graph.nodes.${name}`, `Lookup table "${edge.from}" can lead to a join only, not to a sink`);
        return [];
      }
      const flow = this.#flowOf(edge);
      if (flow === undefined) return [];
      const { sendNilField, sendMetaToSink } = this.#options;
      if (sendMetaToSink && (flow.shape.kind !== "rows" || flow.shape.sources.length > 1)) {
        const message = `sendMetaToSink cannot be combined with lists or several sources, as sink "${name}" gets them`;
        this.#report(diagnostic("E303", message, { path: "options.sendMetaToSink" }));
      }
      const shape = flow.picked?.shape ?? flow.shape;
      return [{
        kind: "project",
        input: flow.picked?.plan ?? flow.plan,
        items: flow.picked?.items ?? this.#everything(shape),
        limit: undefined,
        sendNilField,
        sendMeta: sendMetaToSink,
        precedence: this.#nodes.precedenceOf(shape),
        output,
      }];
    });
  }

  /** All columns, with those that nodes have added. */
  #everything(shape: Shape): OutputItem[] {
    this.#wantAll([shape]);
    const added = [...shape.fields].flatMap(([name, field]): OutputItem[] =>
      field.kind === "column" ? [] : [{ kind: "expression", name, aliased: true, visible: true, expr: field.bound }]
    );
    return [{ kind: "star", source: undefined, except: [], replace: [] }, ...added];
  }
}

/** For a source that is unknown: with any column, so that what else is wrong is told with it. */
function standIn(name: string): SourceSchema {
  const none = { columns: undefined, timestamp: undefined, timestampFormat: undefined };
  return { name, kind: "stream", strictValidation: false, ...none };
}
