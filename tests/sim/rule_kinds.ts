/**
 * The kinds of rules that a simulation draws from: everything that keeps state, and some that keep none.
 *
 * Rows have `n`, a number of their own, `k`, one of three keys, `v` from 0 to 99, `up`, 0 or 1, and `ts`, their event
 * time, which is not always in order.
 * @module
 */

/** Names of the streams and tables of one rule. */
export interface Names {
  readonly s: string;
  readonly r: string;
  readonly t: string;
  readonly l: string;
}

export interface RuleKind {
  readonly name: string;
  /** Each `variant` is another rule, whose steps cannot go on with the state; all rules have one. */
  text(names: Names, version: number, variant: number): { readonly sql: string } | { readonly graph: object };
  /** What it reads besides the stream `s`. */
  readonly reads?: "stream" | "table" | "lookup";
  readonly isEventTime?: boolean;
  /** Every row gives at most one message, and no other row changes it. */
  readonly isStateless?: boolean;
  /** It has variants, and no timer gives anything by itself. */
  readonly hasVariants?: boolean;
  /** Its messages name the rows that they are made of, as the list `ns`. */
  readonly collects?: boolean;
  /** Sinks of a graph. */
  readonly sinks?: number;
}

type SqlOf = (names: Names, version: number, variant: number) => string;

function statement(name: string, sql: SqlOf, more: Omit<RuleKind, "name" | "text"> = {}): RuleKind {
  return { name, text: (names, version, variant) => ({ sql: sql(names, version, variant) }), ...more };
}

/** Aggregates of a window whose rows come from `s`. */
function windowed(name: string, window: string, more: Omit<RuleKind, "name" | "text"> = {}, where = ""): RuleKind {
  return statement(
    name,
    ({ s }, ver) =>
      `SELECT count(*) AS c, sum(v) AS m, collect(n) AS ns, ${ver} AS ver FROM ${s} ${where} GROUP BY ${window}`,
    { collects: true, ...more },
  );
}

const eventTime = { isEventTime: true };

const graph: RuleKind = {
  name: "graph",
  sinks: 2,
  text({ s }, ver, variant) {
    const nodes = {
      [s]: { type: "source", nodeType: "tape", props: { datasource: s } },
      level: { type: "operator", nodeType: "switch", props: { cases: ["v > 60", "v >= 0"], stopAtFirstMatch: true } },
      high: { type: "operator", nodeType: "pick", props: { fields: ["n", "v", `${ver} AS ver`] } },
      window: {
        type: "operator",
        nodeType: "window",
        props: { type: "countwindow", size: 3 + variant, interval: 3 + variant },
      },
      all: { type: "operator", nodeType: "aggfunc", props: { expr: "sum(n) AS m" } },
      picked: { type: "operator", nodeType: "pick", props: { fields: ["m", `${ver} AS ver`] } },
      sink0: { type: "sink", nodeType: "sim", props: { topic: "0" } },
      sink1: { type: "sink", nodeType: "sim", props: { topic: "1" } },
    };
    const edges = {
      [s]: ["level"],
      level: [["high"], ["window"]],
      high: ["sink0"],
      window: ["all"],
      all: ["picked"],
      picked: ["sink1"],
    };
    return { graph: { nodes, topo: { sources: [s], edges } } };
  },
};

export const ruleKinds: readonly RuleKind[] = [
  statement("filter", ({ s }, ver) => `SELECT n, v, ${ver} AS ver FROM ${s} WHERE v > 20`, { isStateless: true }),
  statement("all rows", ({ s }, ver) => `SELECT n, k, ${ver} AS ver FROM ${s}`, { isStateless: true }),
  windowed("tumbling window", "TUMBLINGWINDOW(ss, 2)"),
  windowed("tumbling window by key", "k, TUMBLINGWINDOW(ss, 3)", {}, "WHERE v > 10"),
  windowed("hopping window", "HOPPINGWINDOW(ss, 3, 1)"),
  windowed("sliding window", "SLIDINGWINDOW(ss, 2)"),
  windowed("sliding window with delay", "SLIDINGWINDOW(ss, 2, 1)"),
  windowed("session window", "SESSIONWINDOW(ss, 4, 1)"),
  statement(
    "count window",
    ({ s }, ver, variant) =>
      `SELECT count(*) AS c, collect(n) AS ns, ${ver} AS ver FROM ${s} GROUP BY COUNTWINDOW(${3 + variant})`,
    { hasVariants: true },
  ),
  windowed("overlapping count window", "COUNTWINDOW(5, 2)"),
  windowed("state window", "STATEWINDOW(up = 1, up = 0)", { collects: false }),
  windowed("tumbling window of event time", "TUMBLINGWINDOW(ss, 2)", eventTime),
  windowed("hopping window of event time", "HOPPINGWINDOW(ss, 3, 1)", eventTime),
  windowed("sliding window of event time", "SLIDINGWINDOW(ss, 2)", eventTime),
  windowed("session window of event time", "SESSIONWINDOW(ss, 4, 1)", eventTime),
  statement(
    "analytic functions",
    ({ s }, ver, variant) =>
      `SELECT n, lag(v, ${1 + variant}) OVER (PARTITION BY k) AS p, acc_sum(v) OVER (PARTITION BY k) AS m, ` +
      `had_changed(true, up) AS h, ${ver} AS ver FROM ${s}`,
  ),
  statement(
    "analytic function behind a filter",
    ({ s }, ver, variant) => `SELECT n, lag(v, ${1 + variant}) AS p, ${ver} AS ver FROM ${s} WHERE v > 30`,
    { hasVariants: true },
  ),
  statement(
    "join with a scan table",
    ({ s, t }, ver) => `SELECT ${s}.n AS n, ${t}.w AS w, ${ver} AS ver FROM ${s} LEFT JOIN ${t} ON ${s}.k = ${t}.k`,
    { reads: "table" },
  ),
  statement(
    "join of streams in a window",
    ({ s, r }, ver) =>
      `SELECT ${s}.n AS n, ${r}.n AS o, ${ver} AS ver FROM ${s} INNER JOIN ${r} ON ${s}.k = ${r}.k ` +
      `GROUP BY TUMBLINGWINDOW(ss, 1)`,
    { reads: "stream" },
  ),
  statement(
    "lookup join",
    ({ s, l }, ver) => `SELECT ${s}.n AS n, ${l}.name AS a, ${ver} AS ver FROM ${s} LEFT JOIN ${l} ON ${s}.k = ${l}.k`,
    { reads: "lookup", isStateless: true },
  ),
  statement(
    "lookup join before a window",
    ({ s, l }, ver) =>
      `SELECT count(*) AS c, collect(${s}.n) AS ns, ${l}.name AS nm, ${ver} AS ver FROM ${s} INNER JOIN ${l} ON ` +
      `${s}.k = ${l}.k GROUP BY ${l}.name, TUMBLINGWINDOW(ss, 2)`,
    { reads: "lookup", collects: true },
  ),
  statement(
    "lookup join behind a window",
    ({ s, l }, ver) =>
      `SELECT ${s}.n AS n, lag(${s}.v) AS p, ${l}.name AS a, ${ver} AS ver FROM ${s} LEFT JOIN ${l} ON ` +
      `${s}.k = ${l}.k GROUP BY COUNTWINDOW(2)`,
    { reads: "lookup" },
  ),
  graph,
];
