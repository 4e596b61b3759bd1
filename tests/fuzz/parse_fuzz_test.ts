/**
 * Mutated statements: each gives a tree or a DiagnosticError, never another exception, and in a short time.
 *
 * The seed is fixed, so that a failure comes again. `WEIR_FUZZ_SEED` and `WEIR_FUZZ_RUNS` explore further.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { renderError } from "../../src/diagnostics/render.ts";
import type { Statement } from "../../src/sql/ast.ts";
import { parseStatement } from "../../src/sql/parse.ts";
import { printSelect } from "../../src/sql/print.ts";
import { threadMs } from "../thread_time.ts";

const seed = Number(process.env.WEIR_FUZZ_SEED ?? 20_260_701);
const runs = Number(process.env.WEIR_FUZZ_RUNS ?? 6_000);
/** One statement may take this long; a slow one is tried again, for the machine may have been busy with others. */
const parseDelayMsMax = 100;

const corpus: readonly string[] = [
  "SELECT * FROM demo",
  "SELECT a, b AS c FROM demo WHERE a > 3",
  "SELECT COUNT(*) as car_count, direction FROM traffic_stream WINDOW TUMBLING (SIZE 5 SECOND) GROUP BY direction",
  "SELECT frame, defect_type FROM camera_stream WHERE detect_defect(frame) = true",
  "SELECT device_id, voltage, current FROM inverter_metrics WHERE voltage < 200 OR voltage > 250",
  "SELECT avg(v) FROM s WINDOW HOPPING (SIZE 10 MINUTES, ADVANCE BY 1 MINUTE) WHERE ok = true",
  "SELECT id, count(*) FROM s WHERE v > 3 WINDOW SESSION (20 SECONDS TIMEOUT, 5 MINUTES) GROUP BY id",
  "SELECT * FROM s WINDOW COUNT (SIZE 4, ADVANCE BY 2) FILTER (WHERE a) OVER (PARTITION BY b)",
  "SELECT * FROM s WINDOW SLIDING (SIZE 500 MILLISECONDS)",
  "SELECT max(v), v * 2, t.x, t->y FROM s",
  "SELECT a, b, a + 1 AS c, a = 1 AS d, isnull(b) AS e FROM s",
  "SELECT L.id AS l, R.x AS x FROM L LEFT JOIN R ON L.id = R.id GROUP BY TUMBLINGWINDOW(ss, 10)",
  "SELECT a FROM s INNER JOIN t ON s.a = t.a RIGHT OUTER JOIN u AS v ON v.a = s.a CROSS JOIN x",
  "SELECT a FROM s JOIN t ON true FULL JOIN w ON s.b = w.b AND s.c > 1 GROUP BY COUNTWINDOW(5, 2)",
  "SELECT count(*) FROM s GROUP BY a, HOPPINGWINDOW(mi, 10, 5), b + 1 HAVING count(*) > 3 ORDER BY a DESC, b LIMIT 10;",
  "SELECT sum(v) FROM s GROUP BY SLIDINGWINDOW(ss, 10, 3) FILTER (WHERE v > 0) OVER (WHEN v > 5)",
  "SELECT sum(v) FROM s GROUP BY SESSIONWINDOW(ss, 20, 4)",
  "SELECT collect(*) FROM s GROUP BY STATEWINDOW(v > 10, v < 3) OVER (PARTITION BY id, `zone-1`)",
  "SELECT * EXCEPT (a, b) REPLACE (c + 1 AS c, 'x' AS `d e`) FROM s",
  "SELECT s.*, t.* FROM s INNER JOIN t ON s.id = t.id GROUP BY TUMBLINGWINDOW(ms, 100)",
  "SELECT count(* EXCEPT (a)), merge_agg(*), row_number() OVER (PARTITION BY a ORDER BY b DESC) FROM s",
  "SELECT lag(v, 1, 0, true) OVER (PARTITION BY id WHEN v > 3) AS l, latest(v) FROM s WHERE had_changed(true, v)",
  "SELECT CASE WHEN a > 1 THEN 'high' WHEN a < -1 THEN 'low' ELSE 'mid' END AS level FROM s",
  "SELECT CASE a WHEN 1 THEN b WHEN 2 THEN CASE b WHEN 3 THEN 4 END END FROM s",
  "SELECT a[0], a[1:2], a[:i], a[i + 1:], a[], a[0]->b.c[-1] FROM s",
  "SELECT a FROM s WHERE b IN (1, 2.5, 'x', -3) AND c NOT IN d.e OR f NOT BETWEEN 1 AND 2 + 3",
  "SELECT a FROM s WHERE name LIKE 'pump\\\\_%' AND note NOT LIKE \"%x_\"",
  "SELECT a FROM s WHERE a ! = 1 AND b <> 2 AND c < = 3 AND d - > e = 5",
  "SELECT a - (-5), a -3, - 3, 1., .5, 9999999999999999999 FROM s",
  "SELECT a & 1 | 2 ^ 3 % 4 / 5 * 6 - 7 + 8 FROM s",
  "SELECT a /* inner */ , b -- to the end\n FROM s",
  "SELECT 'a\\n\\t\\'\\\\\\x41\\102\\u00e9\\U0001F600', \"b\\\"'\" FROM s",
  "SELECT `select`.`from`, `température` FROM `my-stream` AS `m s`",
  "SELECT a INVISIBLE, a * 2 AS b INVISIBLE, b + 1 AS c FROM s",
  "SELECT window, size, second, count, session FROM stream",
  "SELECT json_path_query(a, '$.b[? @.temp > 30]') AS q FROM s",
  "SELECT concat('x', n), cast(n, 'bigint') / 2, n & 1 FROM s ;",
  "SELECT a FROM s; and 'anything else",
  "SELECT deduplicate(k, true,) FROM s GROUP BY COUNTWINDOW(4)",
  "SELECT window_start() AS ws, window_end() AS we, event_time() FROM s GROUP BY TUMBLINGWINDOW(dd, 1)",
  "SELECT meta(topic) AS t, mqtt(messageid) FROM s WHERE t = 'a/b/+'",
  "SELECT unnest(a) FROM s HAVING count(*) = 1 ORDER BY s.a ASC, f(b) DESC LIMIT 0",
  "SELECT true, False, null FROM s WHERE TRUE AND (a OR (b AND (c OR (d))))",
  "SELECT ((((((((a)))))))) FROM s",
  "SELECT f(g(h(i(j(k(1, 2), 3), 4), 5), 6)) FROM s",
  'CREATE STREAM demo () WITH (DATASOURCE="demo", FORMAT="json", TYPE="mqtt")',
  'CREATE STREAM s (a BIGINT, b FLOAT, c STRING, d BOOLEAN, e DATETIME, f BYTEA,) WITH (DATASOURCE="x" SHARED=TRUE)',
  "CREATE STREAM s (a ARRAY(STRUCT(b ARRAY(BIGINT), c STRUCT(d STRING)))) WITH (FORMAT='delimited', DELIMITER=';')",
  "CREATE STREAM s (a BIGINT DEFAULT -1, b FLOAT DEFAULT .5, c STRING DEFAULT 'x', d BOOL DEFAULT false) WITH ()",
  'CREATE TABLE `t-1` (id BIGINT) WITH (DATASOURCE="f.json", TYPE="file", KIND="scan", RETAIN_SIZE=100);',
  'CREATE TABLE t () WITH (TYPE="memory", KIND="lookup", KEY="id", EXTRA="{\\"a\\": 1}", TEMP="true")',
  'CREATE STREAM s () WITH (TIMESTAMP="ts", TIMESTAMP_FORMAT="YYYY-MM-dd", STRICT_VALIDATION=true, VERSION="v1")',
  "SHOW STREAMS",
  "SHOW TABLES;",
  "DESCRIBE STREAM demo",
  "DESCRIBE TABLE `t-1`",
  "EXPLAIN STREAM demo",
  "EXPLAIN TABLE t ;",
  "DROP STREAM demo",
  "DROP TABLE t",
];

/** A small seeded generator (mulberry32), so that every run sees the same texts. */
function random(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const next = random(seed);
const below = (n: number) => Math.floor(next() * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

const strange = "\0\x7f\u00a0\u2028é😀\ud800`'\"\\;-*/()[]{}<>=!&|^%$#@.,:0e \t\r\n".split("");
const tokens = corpus.flatMap(tokenize);
/** What one level of nesting is opened and closed with. */
const nests: readonly (readonly [string, string])[] = [
  ["(", ")"],
  ["[", "]"],
  ["f(", ")"],
  ["x IN (", ")"],
  ["a[1:", "]"],
  ["CASE WHEN ", " THEN 1 END"],
  ["CASE ", " WHEN 1 THEN 2 END"],
  ["countwindow(", ")"],
  ["* REPLACE (", " AS a)"],
  ["lag(a) OVER (WHEN ", ")"],
  ["a BETWEEN (", ") AND 2"],
  ["ARRAY(", ")"],
  ["STRUCT(a ", ")"],
];

function tokenize(text: string): string[] {
  return text.match(/\w+|\s+|[^\w\s]/g) ?? [];
}

const mutations: readonly ((text: string) => string)[] = [
  function deleteCharacter(text) {
    const at = below(text.length);
    return text.slice(0, at) + text.slice(at + 1);
  },
  function insertCharacter(text) {
    const at = below(text.length + 1);
    return text.slice(0, at) + pick(strange) + text.slice(at);
  },
  function replaceCharacter(text) {
    const at = below(text.length);
    return text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
  },
  function swapCharacters(text) {
    const at = below(Math.max(1, text.length - 1));
    return text.slice(0, at) + (text[at + 1] ?? "") + (text[at] ?? "") + text.slice(at + 2);
  },
  function cut(text) {
    return text.slice(0, below(text.length + 1));
  },
  function deleteToken(text) {
    const parts = tokenize(text);
    parts.splice(below(parts.length), 1);
    return parts.join("");
  },
  function duplicateToken(text) {
    const parts = tokenize(text);
    const at = below(parts.length);
    parts.splice(at, 0, parts[at] ?? "", " ");
    return parts.join("");
  },
  function swapTokens(text) {
    const parts = tokenize(text);
    const [a, b] = [below(parts.length), below(parts.length)];
    [parts[a], parts[b]] = [parts[b] ?? "", parts[a] ?? ""];
    return parts.join("");
  },
  function insertToken(text) {
    const parts = tokenize(text);
    parts.splice(below(parts.length + 1), 0, " ", pick(tokens), " ");
    return parts.join("");
  },
  function repeatPart(text) {
    const start = below(text.length);
    const part = text.slice(start, start + 1 + below(20));
    return text.slice(0, start) + part.repeat(1 + below(200)) + text.slice(start);
  },
  function splice(text) {
    const other = pick(corpus);
    return text.slice(0, below(text.length + 1)) + other.slice(below(other.length));
  },
  function nest(text) {
    const [open, close] = pick(nests);
    const depth = below(next() < 0.2 ? 1000 : 60);
    const parts = tokenize(text);
    const at = below(parts.length + 1);
    const part = parts[at] ?? "";
    // Some texts lack the closing half: an unfinished nest must fail as fast as a finished one parses.
    parts[at] = open.repeat(depth) + part + (next() < 0.7 ? close.repeat(depth) : "");
    return parts.join("");
  },
];

function mutate(): string {
  let text = pick(corpus);
  for (let i = 1 + below(4); i > 0; i--) text = pick(mutations)(text);
  return text;
}

/** The tree, or undefined for a text that is refused as it should be. */
function parseOrRefuse(text: string): Statement | undefined {
  try {
    return parseStatement(text);
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    assert.ok(error.diagnostics.length > 0);
    for (const { code, span, message } of error.diagnostics) {
      assert.match(code, /^E10[1-4]$/);
      assert.ok(message.length > 0 && !message.includes("something else"), message);
      if (code === "E103") continue;
      assert.ok(span !== undefined && 0 <= span.start && span.start <= span.end && span.end <= text.length, code);
    }
    assert.ok(renderError(error).length > 0);
    return undefined;
  }
}

function elapsedMs(text: string): number {
  const start = threadMs();
  parseOrRefuse(text);
  return threadMs() - start;
}

/** The shortest of a few tries; the first that is short enough ends them. */
function bestMs(text: string, enough: number): number {
  let best = elapsedMs(text);
  for (let i = 0; i < 8 && best > enough; i++) best = Math.min(best, elapsedMs(text));
  return best;
}

function spanless(tree: Statement): string {
  return JSON.stringify(tree, (key, value) => {
    if (key === "span") return undefined;
    return typeof value === "bigint" ? String(value) : value;
  });
}

test("the corpus is valid", () => {
  for (const text of corpus) assert.doesNotThrow(() => parseStatement(text), text);
});

test(
  `parseStatement() gives a tree or diagnostics for ${runs} mutated statements (seed ${seed})`,
  { timeout: 600_000 },
  () => {
    const slow: string[] = [];
    let trees = 0;
    for (let run = 0; run < runs; run++) {
      const text = mutate();
      const start = threadMs();
      let tree: Statement | undefined;
      try {
        tree = parseOrRefuse(text);
      } catch (error) {
        throw new Error(`run ${run} of seed ${seed}: ${JSON.stringify(text)}`, { cause: error });
      }
      if (threadMs() - start > parseDelayMsMax) slow.push(text);
      if (tree === undefined) continue;
      trees++;
      if (tree.kind !== "select") continue;
      const print = printSelect(tree);
      assert.equal(spanless(parseStatement(print)), spanless(tree), `${text}\nprints as\n${print}`);
    }
    // Mutations that leave nothing valid, or break nothing, would test little.
    assert.ok(trees > runs / 50 && trees < runs * 0.9, `${trees} of ${runs} texts are valid`);
    for (const text of slow) {
      const best = bestMs(text, parseDelayMsMax);
      assert.ok(best <= parseDelayMsMax, `${best.toFixed(0)} ms for ${JSON.stringify(text.slice(0, 500))}`);
    }
  },
);

test("parseStatement() is quick on the largest texts it takes", () => {
  const texts = [
    `SELECT a${" + a".repeat(15_900)} FROM s`,
    `SELECT a FROM s WHERE a IN (1${",1".repeat(15_900)})`,
    `SELECT a${"->a".repeat(15_900)} FROM s`,
    `SELECT a${", a".repeat(15_900)} FROM s`,
    `SELECT a${" OR a = 1".repeat(7_900)} FROM s`,
    `SELECT a FROM s ORDER BY a${", a".repeat(15_900)} b`,
    `SELECT ${"(".repeat(200)}a${`${" ".repeat(1200)})`.repeat(200)} FROM s`,
    `SELECT ${"9".repeat(260_000)} FROM s`,
    `SELECT '${"\\x41".repeat(65_000)}' FROM s`,
    `SELECT '${"\\q".repeat(130_000)}' FROM s`,
    `SELECT a ${"/**/".repeat(65_000)} FROM s`,
    `SELECT a ${"- ".repeat(130_000)} FROM s`,
    `SELECT ${"! ".repeat(130_000)}`,
    "(".repeat(262_000),
    "`".repeat(262_000),
    "\ud800".repeat(262_000),
  ];
  for (const text of texts) {
    const best = bestMs(text, 2 * parseDelayMsMax);
    assert.ok(best <= 2 * parseDelayMsMax, `${best.toFixed(0)} ms for ${text.length} characters: ${text.slice(0, 40)}`);
  }
});
