/**
 * Traces one running rule: makes spans of its messages, from the source to the sinks.
 *
 * A trace has a span for the message, and below it one for the decoder, each step of the plan that it came to, and each
 * message that an action sends. What comes out of a window because of the time is a trace of its own, linked to the
 * messages that went in.
 *
 * Invariants: a row that is not traced makes nothing; what is remembered of rows that wait is held by their batch.
 * @module
 */
import { inputsOf, type Plan } from "../../sql/plan.ts";
import { isSampled, type Sampling, type Strategy } from "../../telemetry/traces/sampler.ts";
import type { Attributes, Span, SpanContext, SpanEvent } from "../../telemetry/traces/span.ts";
import { formatTraceparent, newSpanId, newTraceId, parseTraceparent } from "../../telemetry/traces/trace_context.ts";
import { JsonWriter } from "../../value/json_text.ts";
import type { Struct } from "../../value/value.ts";
import type { Action } from "../action.ts";
import { type ItemTrace, TracedItem } from "../addressed_item.ts";
import type { FeedRows } from "../feed.ts";
import type { LiveRule } from "../live_rule.ts";
import type { RuleInlet } from "../rule_inlet.ts";
import type { RuleTracing } from "../rule_tracing.ts";
import { type EndShape, messageAttributes, sinkShape, sourceShape, traceparentOf } from "./end_attributes.ts";

export interface RuleTracerOptions {
  readonly strategy: Strategy;
  readonly sampling: Sampling;
  /** Unix microseconds. */
  readonly nowUs: () => number;
  /** False when there were too many in this second. */
  readonly mayBegin: () => boolean;
  readonly onSpan: (span: Span) => void;
}

/** A message that is traced, or something that came out of a window. */
interface Root {
  readonly context: SpanContext;
  readonly parentId?: string;
  readonly name: string;
  readonly shape: EndShape;
  readonly startUs: number;
  readonly decodedUs?: number;
  readonly data: string;
  readonly links?: readonly SpanContext[];
}

/** What a step of the plan did for the present root. */
interface Step {
  startUs: number;
  endUs: number;
  rowsIn: number;
  rowsOut: number;
}

/** Characters of a row in a span. */
const dataCharactersMax = 1024;
/** Messages that a result of a window is linked to: the newest of those that went in since the result before. */
const linksMax = 32;

export class RuleTracer implements RuleTracing {
  readonly #live: LiveRule;
  readonly #rule: string;
  readonly #options: RuleTracerOptions;
  readonly #roots = new WeakMap<FeedRows, (Root | undefined)[]>();
  readonly #sources = new Map<RuleInlet, { readonly name: string; readonly type: string; readonly shape: EndShape }>();
  readonly #sinks = new Map<Action, EndShape>();
  readonly #writer = new JsonWriter();
  readonly #stops: (() => void)[] = [];
  /** Where rows wait for others. */
  readonly #windows = new Set<number>();
  /** Steps of the plan that did something, by the position of their node. */
  #steps = new Map<number, Step>();
  #root: Root | undefined;
  /** Untraced rows are under way: what comes of them is not traced. */
  #isSkipping = false;
  #failure: string | undefined;
  #hasResult = false;
  #gathered: SpanContext[] = [];

  constructor(live: LiveRule, options: RuleTracerOptions) {
    const { definition, inputs } = live.prepared;
    this.#live = live;
    this.#rule = definition.id;
    this.#options = options;
    for (const [i, { source }] of inputs.entries()) {
      const { name, options: { type = "mqtt", datasource = "" } } = source.stream;
      this.#sources.set(live.inlets[i]!, { name: `source_${name}`, type, shape: sourceShape(type, datasource) });
    }
    for (const [i, action] of live.actions.entries()) {
      this.#sinks.set(action, sinkShape(action.type, definition.actions[i]?.properties ?? {}));
    }
    this.#listen();
  }

  /** Steps are told apart by what they give; while nobody listens, giving costs nothing. */
  #listen(): void {
    const { nodes, givens } = this.#live.pipeline;
    const takers = new Map<Plan, number[]>();
    for (const [i, { plan }] of nodes.entries()) {
      if (/window/.test(plan.kind)) this.#windows.add(i);
      for (const input of inputsOf(plan)) takers.set(input, [...takers.get(input) ?? [], i]);
    }
    for (const [plan, given] of givens) {
      const own = nodes.findIndex((node) => node.plan === plan);
      const next = takers.get(plan) ?? [];
      this.#stops.push(given.listen(({ rows }) => this.#gave(own, next, rows.length)));
    }
  }

  #gave(own: number, next: readonly number[], rows: number): void {
    if (this.#isSkipping) return;
    const now = this.#options.nowUs();
    const giver = own < 0 ? undefined : this.#stepOf(own, now);
    if (giver !== undefined) {
      giver.endUs = now;
      giver.rowsOut += rows;
    }
    for (const each of next) this.#stepOf(each, now).rowsIn += rows;
  }

  #stepOf(node: number, now: number): Step {
    let step = this.#steps.get(node);
    if (step === undefined) this.#steps.set(node, step = { startUs: now, endUs: now, rowsIn: 0, rowsOut: 0 });
    return step;
  }

  // ---------------------------------------------------------------- messages come in

  received(inlet: RuleInlet, rows: FeedRows): void {
    if (!inlet.drives) return;
    const roots = rows.rows.map((row, i) => this.#rootOf(inlet, row, rows.meta?.[i]));
    if (roots.some((root) => root !== undefined)) this.#roots.set(rows, roots);
  }

  #rootOf(inlet: RuleInlet, row: Struct, meta: Struct | undefined): Root | undefined {
    const { strategy, sampling, nowUs, mayBegin } = this.#options;
    const text = traceparentOf(meta);
    const parent = text === undefined ? undefined : parseTraceparent(text);
    const traceId = parent?.traceId ?? newTraceId();
    if (!isSampled(strategy, sampling, parent, traceId) || !mayBegin()) return undefined;
    const { name, type, shape } = this.#sources.get(inlet)!;
    const now = nowUs();
    const decodedUs = inlet.feed.intake.decoderMetrics?.latencyUs;
    return {
      context: { traceId, spanId: newSpanId(), sampled: true },
      ...(parent === undefined ? {} : { parentId: parent.spanId }),
      name,
      shape: { kind: shape.kind, attributes: { ...shape.attributes, ...messageAttributes(type, meta) } },
      startUs: now - (decodedUs ?? 0),
      ...(decodedUs === undefined ? {} : { decodedUs: now }),
      data: this.#text(row),
    };
  }

  begin(rows: FeedRows, from: number, end: number): number {
    const roots = this.#roots.get(rows);
    this.#steps.clear();
    this.#root = roots?.[from];
    this.#isSkipping = this.#root === undefined;
    if (!this.#isSkipping) return from + 1;
    const next = roots?.findIndex((root, i) => i > from && root !== undefined) ?? -1;
    return next < 0 ? end : Math.min(next, end);
  }

  // ---------------------------------------------------------------- results go out

  made(action: Action, before: number, rows: readonly Struct[]): void {
    if (this.#isSkipping || action.collected === before) return;
    this.#root ??= this.#windowRoot(rows);
    const root = this.#root;
    if (root === undefined) return;
    this.#hasResult = true;
    action.retag(before, (item) => new TracedItem(item, this.#sending(action, root)));
  }

  /** Time has closed a window. */
  #windowRoot(rows: readonly Struct[]): Root | undefined {
    const { strategy, sampling, nowUs, mayBegin } = this.#options;
    const links = this.#gathered;
    const traceId = newTraceId();
    // With `head`, something that was sampled must have gone in.
    const parent = strategy === "head" ? links[0] : undefined;
    if (!isSampled(strategy, sampling, parent, traceId) || !mayBegin()) {
      this.#isSkipping = true;
      return undefined;
    }
    this.#gathered = [];
    return {
      context: { traceId, spanId: newSpanId(), sampled: true },
      name: "window",
      shape: { kind: "internal", attributes: { "weir.rows": rows.length } },
      startUs: Math.min(nowUs(), ...[...this.#steps.values()].map(({ startUs }) => startUs)),
      data: this.#text(rows.length === 1 ? rows[0]! : { rows: rows.slice(0, 16) as Struct[] }),
      ...(links.length === 0 ? {} : { links }),
    };
  }

  #sending(action: Action, { context: { traceId, spanId: parentId } }: Root): ItemTrace {
    const { nowUs } = this.#options;
    const context: SpanContext = { traceId, spanId: newSpanId(), sampled: true };
    const { kind, attributes } = this.#sinks.get(action)!;
    const madeUs = nowUs();
    const events: SpanEvent[] = [];
    let tries = 0;
    let startUs = madeUs;
    let isOver = false;
    return {
      traceparent: formatTraceparent(context),
      begin: () => {
        if (tries++ === 0) startUs = nowUs();
      },
      retry: (reason) => {
        if (events.length < 16) events.push({ name: "retry", timeUs: nowUs(), attributes: { reason } });
      },
      end: (error) => {
        if (isOver) return;
        isOver = true;
        this.#options.onSpan({
          traceId,
          spanId: context.spanId,
          parentId,
          name: `sink_${action.type}_${action.index}`,
          kind,
          rule: this.#rule,
          startUs,
          endUs: nowUs(),
          attributes: { ...attributes, "weir.wait_us": startUs - madeUs, "weir.tries": tries },
          ...(events.length === 0 ? {} : { events }),
          ...(error === undefined ? {} : { error }),
        });
      },
    };
  }

  failed(reason: string): void {
    if (!this.#isSkipping) this.#failure = reason;
  }

  done(): void {
    const root = this.#root;
    if (root !== undefined) this.#finish(root);
    this.#steps.clear();
    this.#root = undefined;
    this.#isSkipping = false;
    this.#failure = undefined;
    this.#hasResult = false;
  }

  #finish(root: Root): void {
    const { onSpan, nowUs } = this.#options;
    const { context: { traceId, spanId }, parentId, name, shape, startUs, decodedUs, data } = root;
    const endUs = nowUs();
    const rule = this.#rule;
    const links = root.links ?? this.#linksOf(root);
    onSpan({
      traceId,
      spanId,
      ...(parentId === undefined ? {} : { parentId }),
      name,
      kind: shape.kind,
      rule,
      startUs,
      endUs,
      attributes: shape.attributes,
      data,
      ...(links === undefined ? {} : { links }),
      ...(this.#failure === undefined ? {} : { error: this.#failure }),
    });
    const child = (name: string, startUs: number, endUs: number, attributes: Attributes) =>
      onSpan({
        traceId,
        spanId: newSpanId(),
        parentId: spanId,
        name,
        kind: "internal",
        rule,
        startUs,
        endUs,
        attributes,
      });
    if (decodedUs !== undefined) child("decoder", startUs, decodedUs, {});
    const { nodes } = this.#live.pipeline;
    for (const [i, step] of this.#steps) {
      const { rowsIn, rowsOut } = step;
      child(nodes[i]!.type, step.startUs, rowsOut > 0 ? step.endUs : endUs, {
        "weir.rows.in": rowsIn,
        // The last step gives its rows to the actions.
        ...(this.#live.pipeline.givens.has(nodes[i]!.plan) ? { "weir.rows.out": rowsOut } : {}),
      });
    }
  }

  /** A row that waits in a window is remembered; a result that a row brings about is linked to those before it. */
  #linksOf({ context }: Root): readonly SpanContext[] | undefined {
    const waits = [...this.#windows].some((node) => (this.#steps.get(node)?.rowsIn ?? 0) > 0);
    if (!waits) return undefined;
    if (!this.#hasResult) {
      this.#gathered.push(context);
      if (this.#gathered.length > linksMax) this.#gathered.shift();
      return undefined;
    }
    const links = this.#gathered;
    this.#gathered = [];
    return links.length === 0 ? undefined : links;
  }

  #text(row: Struct): string {
    try {
      return this.#writer.text(row).slice(0, dataCharactersMax);
    } catch {
      // NaN and the infinities, which JSON does not have.
      return String(Object.keys(row)).slice(0, dataCharactersMax);
    }
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }
}
