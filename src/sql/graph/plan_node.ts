/**
 * The plan nodes of one operator of a graph, for what comes to it.
 *
 * | node | takes | gives |
 * | --- | --- | --- |
 * | watermark | rows | rows |
 * | function | rows, list | the same, with the field |
 * | aggfunc | list, groups | groups with the field |
 * | filter, pick, switch | anything | the same |
 * | window | rows | list |
 * | join | list, or rows with lookup tables | list |
 * | groupby | list | groups |
 * | orderby | list, groups | the same |
 * | script | rows, list, groups | rows, list |
 * @module
 */
import { type Diagnostic, diagnostic } from "../../diagnostics/diagnostic.ts";
import { didYouMean } from "../../diagnostics/suggest.ts";
import { changingSlotsOf, requireBoolean } from "../analyze/analyze.ts";
import { bindSelectList, exprsOf, type OutputItem, outputName } from "../analyze/select_list.ts";
import { Binder } from "../analyze/binder.ts";
import type { ScopeSource } from "../analyze/scope.ts";
import { checkRowHits } from "../analyze/stage_calls.ts";
import type { WindowSpec, WindowType } from "../analyze/windows.ts";
import { type Bound, type BoundAggregate, hasAggregate } from "../bound.ts";
import type { FunctionSet } from "../catalog.ts";
import type { Plan, PlanOptions, SourcePlan, TimestampColumn } from "../plan.ts";
import { planDelays } from "../plan_delays.ts";
import { ownerOf } from "../plan_joins.ts";
import { checkTimestamp } from "../plan_select.ts";
import { type GraphOperator, type GraphText, type Operation, propsPath } from "./graph.ts";
import { NodeScope } from "./node_scope.ts";
import { planGraphJoin } from "./plan_join.ts";
import { type Field, nameOf, remade, type Shape } from "./shape.ts";
import type { GraphTexts } from "./texts.ts";

/** What a node hands on. */
export interface Flow {
  readonly plan: Plan;
  readonly shape: Shape;
  /** Of a pick: what stands in front of it, with its select list. */
  readonly picked?: { readonly plan: Plan; readonly shape: Shape; readonly items: readonly OutputItem[] };
}

export interface NodePlannerParts {
  /** Of the whole graph, by position. */
  readonly sources: readonly ScopeSource[];
  readonly plans: readonly SourcePlan[];
  readonly functions: FunctionSet;
  readonly options: PlanOptions;
  readonly texts: GraphTexts;
  readonly report: (d: Diagnostic) => void;
}

type OperationOf<T extends Operation["nodeType"]> = Extract<Operation, { nodeType: T }>;

/** Plans one node after the other; what they have in common, such as the slots of rows, is counted here. */
export class NodePlanner {
  readonly #parts: NodePlannerParts;
  readonly #delays = planDelays();
  readonly changingSlots: number[] = [];
  /** Positions of streams that give event time. */
  readonly timed = new Set<number>();
  slotCount = 0;
  usesMeta = false;

  constructor(parts: NodePlannerParts) {
    this.#parts = parts;
  }

  /** What the node hands on, a switch for each case; empty after a report. `tables` are positions of lookup tables. */
  plan(node: GraphOperator, input: Flow, tables: readonly number[]): readonly Flow[] {
    return new Step(node, input, tables, this, this.#parts, this.#delays).plan();
  }

  /** Where several sources have a column, the first one here wins; added columns win over all. */
  precedenceOf(shape: Shape): readonly number[] {
    return shape.joined ? [this.#parts.sources.length, ...shape.sources] : [0];
  }
}

class Step {
  readonly #node: GraphOperator;
  readonly #input: Flow;
  readonly #tables: readonly number[];
  readonly #planner: NodePlanner;
  readonly #parts: NodePlannerParts;
  readonly #delays: ReturnType<typeof planDelays>;
  readonly #binder: Binder;

  constructor(
    node: GraphOperator,
    input: Flow,
    tables: readonly number[],
    planner: NodePlanner,
    parts: NodePlannerParts,
    delays: ReturnType<typeof planDelays>,
  ) {
    this.#node = node;
    this.#input = input;
    this.#tables = tables;
    this.#planner = planner;
    this.#parts = parts;
    this.#delays = delays;
    this.#binder = this.#binderFor(input.shape);
  }

  #binderFor(shape: Shape): Binder {
    const { sources, functions, options, report } = this.#parts;
    const scope = new NodeScope(sources, shape, report, options.ignoreCase);
    return new Binder(scope, functions, report, this.#planner.slotCount);
  }

  #keep(binder: Binder): void {
    this.#planner.slotCount = binder.slotCount;
    this.#planner.usesMeta ||= binder.usesMeta;
    this.#planner.changingSlots.push(...changingSlotsOf(binder));
  }

  plan(): readonly Flow[] {
    const { operation } = this.#node;
    if (!this.#accepts(operation.nodeType)) return [];
    const flows = this.#plan(operation);
    this.#keep(this.#binder);
    return flows;
  }

  #plan(operation: Operation): readonly Flow[] {
    switch (operation.nodeType) {
      case "watermark":
        return this.#watermark(operation);
      case "function":
        return this.#function(operation);
      case "aggfunc":
        return this.#aggfunc(operation);
      case "filter":
        return this.#filter(operation);
      case "pick":
        return this.#pick(operation);
      case "window":
        return this.#window(operation);
      case "join": {
        const { sources, plans, texts, report } = this.#parts;
        const path = `graph.nodes.${this.#node.name}`;
        const join = { operation, path, input: this.#input, tables: this.#tables, sources, plans, texts, report };
        const flow = planGraphJoin(join, (shape) => this.#binderFor(shape), (binder) => this.#keep(binder));
        return flow === undefined ? [] : [flow];
      }
      case "groupby":
        return this.#groupby(operation);
      case "orderby":
        return this.#orderby(operation);
      case "switch":
        return this.#switch(operation);
      case "script":
        return [this.#script(operation)];
      default:
        return operation satisfies never;
    }
  }

  // ---------------------------------------------------------------- checks

  #accepts(nodeType: Operation["nodeType"]): boolean {
    const { shape } = this.#input;
    const { kind } = shape;
    switch (nodeType) {
      case "watermark":
        return kind === "rows" || this.#refuseInput("single rows: it stands before windows");
      case "window":
        return kind === "rows" || this.#refuseInput("single rows");
      case "function":
        return kind !== "groups" || this.#refuseInput("single rows or a list without groups");
      case "aggfunc":
        return kind !== "rows" || this.#refuseInput("a list: lead a window to it");
      case "groupby":
        return kind === "list" || this.#refuseInput("a list without groups");
      case "orderby":
        return kind !== "rows" || this.#refuseInput("a list: lead a window to it");
      case "join":
        return kind !== "groups" || this.#refuseInput("a list without groups, or single rows with lookup tables");
      default:
        return true;
    }
  }

  #refuseInput(wanted: string): false {
    const { name, operation } = this.#node;
    const message = `The ${operation.nodeType} node "${name}" takes ${wanted}; found ${nameOf(this.#input.shape)}`;
    this.#refuse(message);
    return false;
  }

  #refuse(message: string, hint?: string, path = `graph.nodes.${this.#node.name}`): void {
    this.#parts.report(diagnostic("E217", message, hint === undefined ? { path } : { path, hint }));
  }

  // ---------------------------------------------------------------- steps in front of the node

  /** The steps that calls in the expressions of this node need in front of it. */
  #before(plan: Plan, clause: readonly Bound[]): Plan {
    const { analytics, rowNumbers, dedupTrigger } = this.#binder;
    const { shape } = this.#input;
    let before = plan;
    if (analytics.length > 0) {
      const owners = analytics.map((call) => shape.joined ? undefined : ownerOf(call, this.#parts.sources.length));
      before = { kind: "analytic", input: before, calls: analytics, owners };
    }
    if (rowNumbers.length > 0) before = { kind: "row_number", input: before, calls: rowNumbers };
    if (dedupTrigger !== undefined) {
      if (shape.kind !== "rows") {
        this.#binder.report("E216", "dedup_trigger() takes single rows", dedupTrigger.span);
      }
      before = { kind: "dedup_trigger", input: before, call: dedupTrigger };
    }
    checkRowHits(this.#binder, shape.kind !== "rows");
    return this.#delays(before, clause);
  }

  /** The aggregates that the expressions of this node need, over each list as a whole, or added to those of its groups. */
  #aggregated(plan: Plan): Plan {
    const aggregates = [...this.#binder.aggregates.values()];
    if (aggregates.length === 0) return plan;
    if (this.#input.shape.kind === "groups") {
      this.#addToGroups(aggregates);
      return plan;
    }
    return { kind: "list_aggregate", input: plan, aggregates };
  }

  #addToGroups(aggregates: readonly BoundAggregate[]): void {
    const { shape } = this.#input;
    if (shape.aggregates !== undefined) {
      shape.aggregates.push(...aggregates);
    } else if (aggregates.length > 0) {
      this.#binder.report(
        "E208",
        "The groups have been picked from: their rows are not there any more",
        aggregates[0]!.span,
        "aggregate before the pick, or in it",
      );
    }
  }

  #condition(from: GraphText, clause: "where" | "having" | "switch", what: string): Bound | undefined {
    const expr = this.#parts.texts.expression(from);
    if (expr === undefined) return undefined;
    const bound = this.#binder.bindIn(clause, expr);
    requireBoolean(this.#binder, bound, what);
    return bound;
  }

  // ---------------------------------------------------------------- nodes

  #watermark({ emitters }: OperationOf<"watermark">): readonly Flow[] {
    const { plan, shape } = this.#input;
    const { sources, options, report } = this.#parts;
    const path = `${propsPath(this.#node.name)}.emitters`;
    const names = (position: number) => [sources[position]!.name, sources[position]!.alias!];
    for (const emitter of emitters) {
      if (shape.sources.some((position) => names(position).includes(emitter))) continue;
      const hint = didYouMean(emitter, shape.sources.flatMap(names));
      this.#refuse(`Rows of emitter "${emitter}" do not come to watermark "${this.#node.name}"`, hint, path);
    }
    const timestamps: TimestampColumn[] = [];
    for (const position of shape.sources) {
      const { schema, name } = sources[position]!;
      if (!names(position).some((each) => emitters.includes(each))) {
        const message = `Rows of "${name}" come to watermark "${this.#node.name}" and are not among its emitters`;
        this.#refuse(message, `add "${name}"`, path);
        continue;
      }
      if (options.isEventTime) {
        const problems: Diagnostic[] = [];
        checkTimestamp(schema, problems);
        for (const problem of problems) report({ ...problem, path });
      }
      if (schema.timestamp === undefined) continue;
      this.#planner.timed.add(position);
      timestamps.push({ source: position, column: schema.timestamp, format: schema.timestampFormat });
    }
    const timed = { ...shape, timed: true };
    // In processing time there is nothing to wait for.
    if (!options.isEventTime) return [{ plan, shape: timed }];
    const { lateTolerance } = options;
    return [{ plan: { kind: "watermark", input: plan, timestamps, lateTolerance, rowByRow: true }, shape: timed }];
  }

  /** One call, with or without AS: the name it adds to the rows, and what it means. */
  #call(from: GraphText, what: string): { readonly name: string; readonly bound: Bound } | undefined {
    const item = this.#parts.texts.item(from);
    if (item === undefined) return undefined;
    const binder = this.#binder;
    if (item.expr.kind !== "call") {
      binder.report("E217", `${what} takes one call of a function`, item.expr.span, "for example abs(a) AS b");
      return undefined;
    }
    binder.clause = "select";
    const bound = binder.bind(item.expr);
    return { name: item.alias?.name ?? outputName(binder, item.expr)!, bound };
  }

  #function({ expr }: OperationOf<"function">): readonly Flow[] {
    const { shape } = this.#input;
    const call = this.#call(expr, "A function node");
    if (call === undefined) return [];
    const { name, bound } = call;
    if (hasAggregate(bound)) {
      this.#binder.report("E208", "Aggregates belong in aggfunc nodes", bound.span);
      return [];
    }
    const plan = this.#before(this.#input.plan, [bound]);
    const part = shape.joined ? this.#parts.sources.length : undefined;
    const source = part ?? (shape.sources.length === 1 && !shape.open ? shape.sources[0]! : -1);
    const { sendNilField } = this.#parts.options;
    return [{
      plan: { kind: "extend", input: plan, name, expr: bound, part, sendNilField },
      shape: withField(shape, name, { kind: "column", source }),
    }];
  }

  #aggfunc({ expr }: OperationOf<"aggfunc">): readonly Flow[] {
    const call = this.#call(expr, "An aggfunc node");
    if (call === undefined) return [];
    const { name, bound } = call;
    if (!hasAggregate(bound)) {
      this.#binder.report("E217", "An aggfunc node takes an aggregate", bound.span, "use a function node");
      return [];
    }
    const { plan, shape } = this.#grouped();
    return [{ plan, shape: withField(shape, name, { kind: "aggregate", bound }) }];
  }

  /** The input in groups, a list without groups being one; with the aggregates of this node. */
  #grouped(): Flow {
    const { plan, shape } = this.#input;
    const aggregates = [...this.#binder.aggregates.values()];
    if (shape.kind === "groups") {
      this.#addToGroups(aggregates);
      return { plan, shape };
    }
    return {
      plan: { kind: "aggregate", input: plan, groupBy: [], aggregates },
      shape: { ...shape, kind: "groups", aggregates },
    };
  }

  #filter({ expr }: OperationOf<"filter">): readonly Flow[] {
    const { shape } = this.#input;
    const isHaving = shape.kind === "groups";
    const condition = this.#condition(expr, isHaving ? "having" : "where", "A filter");
    if (condition === undefined) return [];
    const plan = this.#aggregated(this.#before(this.#input.plan, [condition]));
    return [{
      plan: isHaving ? { kind: "having", input: plan, condition, perGroup: true } : {
        kind: "filter",
        input: plan,
        condition,
        clause: "where",
        ofLists: shape.kind === "list",
        source: undefined,
      },
      shape,
    }];
  }

  #pick({ fields, isAgg }: OperationOf<"pick">): readonly Flow[] {
    const { shape } = this.#input;
    const parsed = fields.map((field) => this.#parts.texts.item(field));
    const items = parsed.filter((item) => item !== undefined);
    const binder = this.#binder;
    const finish = bindSelectList(binder, items, this.#parts.report);
    const output = finish().map((item): OutputItem => this.#ofField(item));
    if (items.length < parsed.length) return [];
    const before = this.#before(this.#input.plan, output.flatMap(exprsOf));
    const isAggregated = isAgg || binder.aggregates.size > 0 || output.some((item) => exprsOf(item).some(hasAggregate));
    const plan = this.#pickFrom(before, isAggregated);
    const { sendNilField } = this.#parts.options;
    const precedence = this.#planner.precedenceOf(shape);
    const spreads = output.some((item) => item.kind === "spread");
    return [{
      plan: { kind: "pick", input: plan, items: output, sendNilField, precedence },
      // The rows that unnest() makes of one row are a list.
      shape: remade(shape, spreads && shape.kind === "rows" ? "list" : shape.kind),
      picked: { plan, shape, items: output },
    }];
  }

  /** In an aggregated select list a list without groups is one group. */
  #pickFrom(plan: Plan, isAggregated: boolean): Plan {
    const { kind } = this.#input.shape;
    const aggregates = [...this.#binder.aggregates.values()];
    if (kind === "groups") {
      this.#addToGroups(aggregates);
      return plan;
    }
    const isNeeded = kind === "list" ? isAggregated : aggregates.length > 0;
    return isNeeded ? { kind: "aggregate", input: plan, groupBy: [], aggregates } : plan;
  }

  /** A field that an aggfunc has named is as good as an alias. */
  #ofField(item: OutputItem): OutputItem {
    if (item.kind !== "expression" || item.aliased) return item;
    return this.#input.shape.fields.get(item.name)?.kind === "aggregate" ? { ...item, aliased: true } : item;
  }

  #window({ type, unit, size, interval }: OperationOf<"window">): readonly Flow[] {
    const { plan, shape } = this.#input;
    const { isEventTime, slidingTwice, slidingOpenLeft } = this.#parts.options;
    if (isEventTime && !shape.timed) {
      const message =
        `In event time a watermark node must stand before window "${this.#node.name}", for all its inputs`;
      this.#refuse(message, "or leave isEventTime out");
    }
    const spec: WindowSpec = {
      type: type.replace("window", "") as WindowType,
      unit,
      length: size,
      interval,
      conditions: [],
      filter: undefined,
      triggerWhen: undefined,
      partitionBy: [],
      span: { start: 0, end: 0 },
    };
    return [{
      plan: {
        kind: "window",
        input: plan,
        spec,
        eventTime: isEventTime,
        ...(slidingTwice === undefined ? {} : { slidingTwice }),
        ...(slidingOpenLeft === undefined ? {} : { slidingOpenLeft }),
      },
      shape: { ...shape, kind: "list" },
    }];
  }

  #groupby({ dimensions }: OperationOf<"groupby">): readonly Flow[] {
    const { shape } = this.#input;
    const groupBy = dimensions.flatMap((dimension): Bound[] => {
      const expr = this.#parts.texts.expression(dimension);
      return expr === undefined ? [] : [this.#binder.bindIn("group by", expr)];
    });
    const plan = this.#before(this.#input.plan, groupBy);
    const aggregates: BoundAggregate[] = [];
    return [{
      plan: { kind: "aggregate", input: plan, groupBy, aggregates },
      shape: { ...shape, kind: "groups", aggregates },
    }];
  }

  #orderby({ sorts }: OperationOf<"orderby">): readonly Flow[] {
    const by = sorts.flatMap(({ field, descending }) => {
      const parsed = this.#parts.texts.expression(field);
      return parsed === undefined ? [] : [{ expr: this.#binder.bindIn("order by", parsed), descending }];
    });
    const plan = this.#aggregated(this.#before(this.#input.plan, by.map(({ expr }) => expr)));
    return [{ plan: { kind: "order", input: plan, by }, shape: this.#input.shape }];
  }

  #switch({ cases, stopAtFirstMatch }: OperationOf<"switch">): readonly Flow[] {
    const { shape } = this.#input;
    const conditions = cases.flatMap((each): Bound[] => {
      const bound = this.#condition(each, "switch", "A case");
      return bound === undefined ? [] : [bound];
    });
    if (conditions.length < cases.length) return [];
    const plan = this.#aggregated(this.#before(this.#input.plan, conditions));
    const judges = shape.kind === "list" ? "lists" as const : "rows" as const;
    const node = { kind: "switch" as const, input: plan, cases: conditions, stopAtFirstMatch, judges };
    return conditions.map((_, index) => ({ plan: { kind: "case", input: node, index }, shape }));
  }

  #script({ script, isAgg }: OperationOf<"script">): Flow {
    const { plan, shape } = this.#input;
    const { sources } = this.#parts;
    if (!shape.open) { for (const position of shape.sources) sources[position]!.wanted = "all"; }
    this.#planner.usesMeta ||= shape.kind === "rows";
    const fields = [...shape.fields].flatMap(([name, field]) =>
      field.kind === "aggregate" ? [{ name, expr: field.bound }] : []
    );
    const precedence = this.#planner.precedenceOf(shape);
    return {
      plan: { kind: "script", input: plan, script, isAgg, fields, precedence, source: shape.sources[0]! },
      shape: remade(shape, shape.kind === "rows" ? "rows" : "list"),
    };
  }
}

function withField(shape: Shape, name: string, field: Field): Shape {
  return { ...shape, fields: new Map([...shape.fields, [name, field]]) };
}
