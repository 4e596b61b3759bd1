/**
 * Graphs that say what a statement says: they have its plan, and give its results.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explainPlan } from "../../src/runtime/explain.ts";
import { planDefinition } from "../../src/runtime/plan_rule.ts";
import { Query } from "../../src/runtime/query.ts";
import { builtInFunctions } from "../../src/sql/functions/built_in.ts";
import { readGraph } from "../../src/sql/graph/read_graph.ts";
import { defaultPlanOptions } from "../../src/sql/plan.ts";
import type { Struct } from "../../src/value/value.ts";
import { CaseCatalog } from "../../src/rule_test/case_catalog.ts";

const catalog = new CaseCatalog([
  "CREATE STREAM demo (id STRING, a BIGINT, b FLOAT) WITH ()",
  "CREATE STREAM free () WITH ()",
]);

type Node = readonly [nodeType: string, props: Readonly<Record<string, unknown>>];

/** A source, the operators in a chain, a sink. */
function chain(stream: string, ...operators: readonly Node[]): unknown {
  const names = ["src", ...operators.map((_, i) => `op${i}`), "out"];
  const nodes = {
    src: { type: "source", nodeType: "mqtt", props: { sourceName: stream } },
    ...Object.fromEntries(operators.map(([nodeType, props], i) => [`op${i}`, { type: "operator", nodeType, props }])),
    out: { type: "sink", nodeType: "log", props: {} },
  };
  const edges = Object.fromEntries(names.slice(0, -1).map((name, i) => [name, [names[i + 1]]]));
  return { nodes, topo: { sources: ["src"], edges } };
}

const tumbling: Node = ["window", { type: "tumblingwindow", unit: "ss", size: 10 }];

/** `plan` where the plans are the same too, not only the results. */
const pairs: readonly (readonly [sql: string, graph: unknown, same: "plan" | "results"])[] = [
  ["SELECT * FROM demo WHERE a > 1", chain("demo", ["filter", { expr: "a > 1" }]), "plan"],
  [
    "SELECT a, b * 2 AS c, upper(id) FROM free WHERE b < 5",
    chain("free", ["filter", { expr: "b < 5" }], ["pick", { fields: ["a", "b * 2 AS c", "upper(id)"] }]),
    "plan",
  ],
  ["SELECT * FROM demo GROUP BY TUMBLINGWINDOW(ss, 10)", chain("demo", tumbling), "plan"],
  [
    "SELECT count(*) AS n, avg(b) AS m, a FROM demo GROUP BY TUMBLINGWINDOW(ss, 10)",
    chain("demo", tumbling, ["pick", { fields: ["count(*) AS n", "avg(b) AS m", "a"], isAgg: true }]),
    "plan",
  ],
  [
    "SELECT id, count(*) AS n, sum(a) AS s FROM demo GROUP BY id, TUMBLINGWINDOW(ss, 10) HAVING count(*) > 1",
    chain(
      "demo",
      tumbling,
      ["groupby", { dimensions: ["id"] }],
      ["aggfunc", { expr: "count(*) AS n" }],
      ["filter", { expr: "n > 1" }],
      ["pick", { fields: ["id", "n", "sum(a) AS s"], isAgg: true }],
    ),
    "results",
  ],
  [
    "SELECT *, lag(a) AS before FROM demo",
    chain("demo", ["function", { expr: "lag(a) AS before" }]),
    "results",
  ],
  [
    "SELECT id, max(b) AS m FROM demo GROUP BY id, COUNTWINDOW(4) ORDER BY m DESC",
    chain(
      "demo",
      ["window", { type: "countwindow", size: 4 }],
      ["groupby", { dimensions: ["id"] }],
      ["aggfunc", { expr: "max(b) AS m" }],
      ["orderby", { sorts: [{ field: "m", desc: true }] }],
      ["pick", { fields: ["id", "m"], isAgg: true }],
    ),
    "results",
  ],
  [
    "SELECT sum(a) AS s, window_start() AS w FROM demo GROUP BY HOPPINGWINDOW(ss, 10, 5)",
    chain(
      "demo",
      ["window", { type: "hoppingwindow", unit: "ss", size: 10, interval: 5 }],
      ["pick", { fields: ["sum(a) AS s", "window_start() AS w"], isAgg: true }],
    ),
    "plan",
  ],
];

function resultsOf(rule: { sql: string; graph?: ReturnType<typeof readGraph> }): string[] {
  const found: string[] = [];
  const options = { ...defaultPlanOptions, start: 0, timezone: "UTC" };
  const query = new Query(rule, catalog, builtInFunctions, options, {
    result: (rows) => found.push(JSON.stringify(rows, (_, value) => typeof value === "bigint" ? `${value}n` : value)),
    failed: (error) => found.push(`${error.code} ${error.message}`),
  });
  for (let i = 0; i < 40; i++) {
    const row: Struct = { id: "xyz"[i % 3]!, a: BigInt((i * 7) % 5), b: ((i * 13) % 11) / 2 };
    query.push([i % 17 === 16 ? { ...row, b: null } : row], i * 900);
  }
  query.end();
  return found;
}

for (const [sql, json, same] of pairs) {
  test(`a graph gives what ${sql} gives`, () => {
    const graph = readGraph(json);
    const expected = resultsOf({ sql });
    assert.ok(expected.length > 0);
    assert.deepEqual(resultsOf({ sql: "", graph }), expected);
    if (same === "results") return;
    const planned = planDefinition({ sql: "", graph }, catalog, builtInFunctions, defaultPlanOptions);
    const statement = planDefinition({ sql }, catalog, builtInFunctions, defaultPlanOptions);
    const shown = (text: string) => text.replaceAll(/Condition:\{ [^}]* \}/g, "Condition");
    assert.equal(shown(explainPlan(planned.plan, planned.text)), shown(explainPlan(statement.plan, sql)));
  });
}
