import { test } from "node:test";
import assert from "node:assert/strict";
import { DiagnosticError } from "../../diagnostics/diagnostic.ts";
import type { Bound } from "../bound.ts";
import type { Catalog, FunctionSet, SourceSchema } from "../catalog.ts";
import { functionNames, lookup } from "../functions/registry.ts";
import { parseSelect, parseStatement } from "../parse.ts";
import type { CreateStatement } from "../ast.ts";
import { analyze, type AnalyzedSelect } from "./analyze.ts";
import { threadMs } from "../../../tests/thread_time.ts";

const functions: FunctionSet = { lookup, names: functionNames };

function schema(name: string, columns?: string): SourceSchema {
  const create = parseStatement(`CREATE STREAM ${name} (${columns ?? ""}) WITH ()`) as CreateStatement;
  return {
    name,
    kind: "stream",
    columns: columns === undefined ? undefined : create.columns,
    strictValidation: false,
    timestamp: undefined,
    timestampFormat: undefined,
  };
}

const schemas = new Map([
  schema("demo"),
  schema("typed", "a BIGINT, b FLOAT, s STRING, t BOOLEAN, l ARRAY(BIGINT), m STRUCT(k BIGINT), d DATETIME"),
].map((s) => [s.name, s]));
const catalog: Catalog = { source: (name) => schemas.get(name), sourceNames: () => schemas.keys() };

function analyzed(sql: string): AnalyzedSelect {
  return analyze(parseSelect(sql), catalog, functions, sql);
}

function codesOf(sql: string): string[] {
  try {
    analyzed(sql);
    return [];
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return error.diagnostics.map(({ code, span }) =>
      `${code} ${span === undefined ? "" : sql.slice(span.start, span.end)}`
    );
  }
}

function typesOf(items: string): string[] {
  return analyzed(`SELECT ${items} FROM typed`).items.map((
    item,
  ) => (item.kind === "expression" ? item.expr.type : "*"));
}

function itemOf(sql: string, index: number): Bound {
  const item = analyzed(sql).items[index]!;
  assert.equal(item.kind, "expression");
  return (item as { expr: Bound }).expr;
}

test("analyze() tells what else is wrong with a statement over an unknown source, but nothing about its columns", () => {
  assert.deepEqual(codesOf("SELECT a, n.b, fo(a), abs(a, b) FROM nowhere AS n WHERE c > 'x'"), [
    "E201 nowhere",
    "E202 fo",
    "E203 abs(a, b)",
  ]);
  assert.deepEqual(codesOf("SELECT a, typed.zz, x.b, q FROM typed INNER JOIN nowhere AS x ON typed.a = x.a"), [
    "E201 nowhere",
    "E204 typed.zz",
  ]);
});

test("analyze() knows the types of columns, literals and operators", () => {
  assert.deepEqual(
    typesOf("a AS c0, b AS c1, s AS c2, t AS c3, l AS c4, m AS c5, d AS c6, 1 AS c7, 1.5 AS c8, 'x' AS c9"),
    ["int", "float", "string", "boolean", "array", "struct", "unknown", "int", "float", "string"],
  );
  assert.deepEqual(
    typesOf("a + 1 AS c0, a / b AS c1, a % 2 AS c2, a & 3 AS c3, t | true AS c4, a > b AS c5, l[0] AS c6, l[1:] AS c7"),
    ["int", "float", "int", "unknown", "boolean", "boolean", "unknown", "array"],
  );
  assert.deepEqual(
    typesOf("CASE WHEN t THEN 1 ELSE 2.5 END AS c0, CASE WHEN t THEN 1 ELSE 'x' END AS c1, m.k AS c2"),
    ["number", "unknown", "unknown"],
  );
});

test("analyze() gives equal aggregates one slot, in every clause", () => {
  const { aggregates, having, orderBy } = analyzed(
    "SELECT count(*) AS n, sum(a + 1) AS s, count(*) + 1 AS m FROM demo GROUP BY TUMBLINGWINDOW(ss, 1) " +
      "HAVING count(*) > 1 AND sum(a + 1) > 2 ORDER BY COUNT(*)",
  );
  assert.deepEqual(aggregates.map((a) => a.fn.name), ["count", "sum"]);
  assert.ok(having?.kind === "logical");
  assert.equal((orderBy[0]!.expr as { slot: number }).slot, aggregates[0]!.slot);
});

test("analyze() tells aggregates of different arguments apart", () => {
  const { aggregates } = analyzed(
    "SELECT collect(1) AS a, collect('1') AS b, collect(1.0) AS c, collect(x) AS d FROM demo",
  );
  assert.equal(aggregates.length, 4);
});

test("analyze() gives every analytic call a slot of its own, inner calls first", () => {
  const { analytics } = analyzed("SELECT lag(latest(a)) AS x, lag(a) AS y FROM demo WHERE lag(a) > 1");
  assert.deepEqual(analytics.map((a) => a.fn.name), ["latest", "lag", "lag", "lag"]);
  assert.equal(new Set(analytics.map((a) => a.slot)).size, 4);
});

test("analyze() gives an alias a slot only where something else uses it", () => {
  assert.equal(itemOf("SELECT a + 1 AS x FROM demo", 0).kind, "binary");
  assert.equal(itemOf("SELECT a + 1 AS x, x * 2 AS y FROM demo", 0).kind, "alias");
  assert.equal(itemOf("SELECT a + 1 AS x FROM demo WHERE x > 1", 0).kind, "alias");
  assert.equal(itemOf("SELECT a + 1 AS x FROM demo GROUP BY TUMBLINGWINDOW(ss, 1) ORDER BY x", 0).kind, "alias");
  assert.equal(itemOf("SELECT a AS x FROM demo WHERE x > 1", 0).kind, "column");
});

test("analyze() tells which slots change behind a window or an aggregation", () => {
  const slots = (items: string) =>
    analyzed(`SELECT ${items} FROM demo GROUP BY TUMBLINGWINDOW(ss, 1)`).changingSlots.length;
  assert.equal(slots("a + 1 AS x, x + 1 AS y"), 0);
  assert.equal(slots("count(*) + 1 AS x, x + 1 AS y"), 1);
  assert.equal(slots("event_time() + 1 AS x, x + 1 AS y, y + 1 AS z"), 2);
});

test("analyze() wants the columns that some clause names", () => {
  const wanted = (sql: string) => {
    const columns = analyzed(sql).sources[0]!.wanted;
    return columns === "all" ? "all" : [...columns].sort();
  };
  assert.deepEqual(wanted("SELECT a AS x, demo.b FROM demo WHERE c > 1 AND x > 2"), ["a", "b", "c"]);
  assert.deepEqual(
    wanted("SELECT count(a) FROM demo GROUP BY k, TUMBLINGWINDOW(ss, 1) FILTER (WHERE f) HAVING max(h) > 1 ORDER BY o"),
    ["a", "f", "h", "k", "o"],
  );
  assert.deepEqual(wanted("SELECT lag(a) OVER (PARTITION BY p WHEN w) FROM demo"), ["a", "p", "w"]);
  assert.deepEqual(wanted("SELECT m.k, m->k AS n FROM demo"), ["m"]);
  assert.equal(wanted("SELECT count(*) FROM demo"), "all");
  assert.equal(wanted("SELECT * EXCEPT (a) FROM demo"), "all");
});

test("analyze() tells every mistake of a statement at once, in the order of the text within a clause", () => {
  assert.deepEqual(
    codesOf("SELECT lenght(s) AS x, nosuch, a + s FROM typed WHERE s > 1 GROUP BY TUMBLINGWINDOW(ss, 1) HAVING b > 1"),
    ["E202 lenght", "E204 nosuch", "E211 b"],
  );
});

test("analyze() stops telling mistakes when there are too many", () => {
  const sql = `SELECT a FROM demo WHERE ${Array.from({ length: 3000 }, (_, i) => `lenght(a${i})`).join(" OR ")}`;
  assert.equal(codesOf(sql).length, 50);
});

test("analyze() warns of what the types forbid, and of nothing that may be right", () => {
  const typed = (condition: string) => {
    const sql = `SELECT a FROM typed WHERE ${condition}`;
    return analyzed(sql).warnings.map(({ code, span }) => `${code} ${sql.slice(span!.start, span!.end)}`);
  };
  assert.deepEqual(typed("a > b AND s = 'x' AND t = true AND d > 5 AND d = 'x' AND l[0] > 1 AND m.k = 'x'"), []);
  assert.deepEqual(typed("a IN (1, 2.5) AND s IN ('x') AND a IN l AND s LIKE '%' AND b BETWEEN 1 AND a"), []);
  assert.deepEqual(typed("a = 'x'"), ["E213 a = 'x'"]);
  assert.deepEqual(typed("t < true"), ["E213 t < true"]);
  assert.deepEqual(typed("a IN ('x')"), ["E213 'x'"]);
  assert.deepEqual(typed("s IN s"), ["E213 s"]);
  assert.deepEqual(typed("a LIKE 'x'"), ["E213 a"]);
  assert.deepEqual(typed("a"), ["E213 a"]);
  assert.deepEqual(typed("a AND t"), ["E213 a"]);
  assert.deepEqual(codesOf("SELECT a[0], 1 IN a FROM typed"), []);
  assert.deepEqual(codesOf("SELECT l['k'], 1 IN 5 FROM typed"), ["E213 'k'", "E213 5"]);
});

test("the warnings of analyze() say how to write a number or a column that stands in quotes", () => {
  const hints =
    analyzed(`SELECT a FROM typed WHERE a = '5' OR "b" = 1 OR 'order' > 2.5 OR a + s > 1 OR a = 'x'`).warnings;
  assert.deepEqual(hints.map(({ hint }) => hint), [
    "write 5 without quotes",
    "quotes make a string: for the column write b",
    "quotes make a string: for the column write `order`",
    "join texts with concat(a, b)",
    undefined,
  ]);
});

const doubled = (first: string, count: number) =>
  [`${first} AS x0`, ...Array.from({ length: count }, (_, i) => `x${i} + x${i} AS x${i + 1}`)].join(", ");

test("analyze() takes no time that doubles with each alias of an alias", () => {
  const begin = threadMs();
  analyzed(`SELECT ${doubled("a + a", 100)} FROM demo WHERE x100 > 0`);
  analyzed(`SELECT ${doubled("count(*) + 1", 100)} FROM demo GROUP BY TUMBLINGWINDOW(ss, 1) HAVING x100 > 0`);
  analyzed(`SELECT ${doubled("a + a", 100)}, sum(x100) AS s FROM demo GROUP BY TUMBLINGWINDOW(ss, 1) ORDER BY s`);
  assert.ok(threadMs() - begin < 5000);
});

test("analyze() takes time in proportion to the number of aggregates", () => {
  const begin = threadMs();
  const terms = Array.from({ length: 3000 }, (_, i) => `max(a${i}) > 1`).join(" OR ");
  assert.equal(analyzed(`SELECT a FROM demo WHERE ${terms} GROUP BY TUMBLINGWINDOW(ss, 1)`).aggregates.length, 3000);
  assert.ok(threadMs() - begin < 5000);
});

test("analyze() refuses a chain of aliases that no stack would carry", () => {
  const chain = (length: number) =>
    `SELECT a + 1 AS x0, ${Array.from({ length }, (_, i) => `x${i} + 1 AS x${i + 1}`).join(", ")} FROM demo`;
  assert.deepEqual(codesOf(chain(300)), []);
  assert.match(codesOf(chain(3000))[0]!, /^E102/);
});

test("analyze() takes a chain of thousands of ORs", () => {
  const where = analyzed(
    `SELECT a FROM demo WHERE ${Array.from({ length: 5000 }, (_, i) => `a = ${i}`).join(" OR ")}`,
  ).where;
  assert.ok(where?.kind === "logical");
  assert.equal(where.operands.length, 5000);
});
