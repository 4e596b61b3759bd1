/**
 * The joins of a statement: streams and scan tables first, in the order of the text, then lookup tables.
 * @module
 */
import { type Diagnostic, diagnostic, type Span } from "../diagnostics/diagnostic.ts";
import type { AnalyzedJoin, AnalyzedSelect } from "./analyze/analyze.ts";
import { type Bound, conjunction, conjuncts, sourcesUsed } from "./bound.ts";
import type { JoinPlan, JoinStep, LookupJoinPlan, Plan, SourcePlan } from "./plan.ts";

export type Report = (message: string, span: Span | undefined, hint?: string) => void;

/**
 * Checks the joins and tells what they add to a plan of the statement's streams. What is wrong goes to `diagnostics`,
 * as E216.
 */
export function planJoins(
  select: AnalyzedSelect,
  sources: readonly SourcePlan[],
  diagnostics: Diagnostic[],
): (plan: Plan) => Plan {
  const report: Report = (message, span, hint) =>
    void diagnostics.push(diagnostic("E216", message, {
      ...(span === undefined ? {} : { span }),
      ...(hint === undefined ? {} : { hint }),
    }));
  checkSources(select, sources, report);
  const isLookup = (join: AnalyzedJoin) => sources[join.source]!.schema.kind === "lookup_table";
  for (const join of select.joins) checkJoin(join, select, sources, report);
  const analytics = select.analytics.map((call) => ({
    slot: call.slot,
    owner: ownerOf(call, select.sources.length),
  }));
  const steps = select.joins.filter((join) => !isLookup(join)).map(({ type, source, on }) => ({ type, source, on }));
  const tables = sources.filter((source) => source.schema.kind === "scan_table");
  const lookups = select.joins.filter(isLookup).map((join) => planLookup(join, sources, analytics, report));
  return (input) => {
    let plan = input;
    if (steps.length > 0) {
      const order = select.window === undefined ? fromStream(steps, sources) : { first: 0, steps };
      const join: JoinPlan = { kind: "join", input: plan, ...order, tables, analytics };
      plan = join;
    }
    for (const lookup of lookups) if (lookup !== undefined) plan = { ...lookup, input: plan };
    return plan;
  };
}

/**
 * Without a window each row of the stream is joined by itself: with one row on either side the order of the result is the
 * same, and a table on the right is looked up by its index.
 */
function fromStream(
  steps: readonly JoinStep[],
  sources: readonly SourcePlan[],
): { readonly first: number; readonly steps: readonly JoinStep[] } {
  const [next, ...rest] = steps;
  const turned = next?.type === "inner" ? "inner" : next?.type === "right" ? "left" : undefined;
  if (turned === undefined || sources[0]!.schema.kind !== "scan_table") return { first: 0, steps };
  if (sources[next!.source]!.schema.kind !== "stream") return { first: 0, steps };
  return { first: next!.source, steps: [{ type: turned, source: 0, on: next!.on }, ...rest] };
}

function checkSources(select: AnalyzedSelect, sources: readonly SourcePlan[], report: Report): void {
  const [first] = sources;
  const streams = sources.filter((source) => source.schema.kind === "stream");
  if (streams.length === 0) {
    report(`At least one source must be a stream, and "${first!.name}" is a table`, select.sources[0]!.span);
  } else if (first!.schema.kind === "lookup_table") {
    report(
      `Lookup table "${first!.name}" cannot stand in FROM`,
      select.sources[0]!.span,
      `read the stream FROM, and JOIN ${first!.name}`,
    );
  }
  if (streams.length > 1 && select.window === undefined) {
    report(
      "Streams can be joined only inside a window",
      select.joins.find((join) => sources[join.source]!.schema.kind === "stream")!.span,
      "for example GROUP BY TUMBLINGWINDOW(ss, 10)",
    );
  }
}

function checkJoin(
  join: AnalyzedJoin,
  select: AnalyzedSelect,
  sources: readonly SourcePlan[],
  report: Report,
): void {
  const { schema, name } = sources[join.source]!;
  if (join.type === "cross" && join.on !== undefined) {
    report("CROSS JOIN takes no ON", join.on.span, "use INNER JOIN … ON");
  }
  if (schema.kind === "lookup_table" && join.type !== "inner" && join.type !== "left") {
    report(
      `${join.type.toUpperCase()} JOIN is not possible with lookup table "${name}"`,
      join.span,
      "a lookup table is asked for the rows of the stream: INNER or LEFT",
    );
  }
  if (join.on === undefined) return;
  for (const position of sourcesUsed(join.on)) {
    const used = sources[position];
    if (used === undefined) continue;
    const later = position > join.source ||
      (position > 0 && used.schema.kind === "lookup_table" && schema.kind !== "lookup_table");
    if (!later) continue;
    const why = position > join.source ? "a later JOIN" : "a lookup table, which is asked after the other joins";
    report(`ON uses "${select.sources[position]!.name}", which is not joined yet: it is ${why}`, join.on.span);
  }
}

/** `sources` by position. Undefined after a report. */
export function planLookup(
  join: AnalyzedJoin,
  sources: readonly SourcePlan[],
  analytics: LookupJoinPlan["analytics"],
  report: Report,
): LookupJoinPlan | undefined {
  const table = sources[join.source]!;
  const keys: { column: string; value: Bound }[] = [];
  const rest: Bound[] = [];
  for (const part of join.on === undefined ? [] : conjuncts(join.on)) {
    const key = keyOf(part, join.source);
    if (key === undefined) {
      rest.push(part);
    } else if (keys.some((known) => known.column === key.column)) {
      report(`Column "${key.column}" of lookup table "${table.name}" is compared twice`, part.span);
    } else {
      keys.push(key);
    }
  }
  if (keys.length === 0) {
    report(
      `ON of lookup table "${table.name}" needs at least one ${table.name}.column = expression`,
      join.on?.span ?? join.span,
      "parts are joined by AND",
    );
    return undefined;
  }
  return {
    kind: "lookup_join",
    // Set when the joins are added to the plan.
    input: table,
    type: join.type === "left" ? "left" : "inner",
    table,
    keys,
    condition: conjunction(rest),
    analytics,
  };
}

/** `table.column = expression`, either way round, with an expression that does not use the table. */
function keyOf(part: Bound, table: number): { column: string; value: Bound } | undefined {
  if (part.kind !== "binary" || part.operator !== "=") return undefined;
  for (const [column, value] of [[part.left, part.right], [part.right, part.left]] as const) {
    if (column.kind === "column" && column.source === table && !sourcesUsed(value).has(table)) {
      return { column: column.name, value };
    }
  }
  return undefined;
}

/**
 * Where several sources have a column that `*` brings, the one further left wins, but the right one of a RIGHT JOIN.
 */
export function precedenceOf(select: AnalyzedSelect): readonly number[] {
  let order = [0];
  for (const { type, source } of select.joins) order = type === "right" ? [source, ...order] : [...order, source];
  return order;
}

/** The one source whose columns an expression uses; undefined for none, several, or one that is not known. */
export function ownerOf(bound: Bound, sourceCount: number): number | undefined {
  if (sourceCount === 1) return undefined;
  const used = sourcesUsed(bound);
  return used.size === 1 && !used.has(-1) ? [...used][0] : undefined;
}
