import { test } from "node:test";
import assert from "node:assert/strict";
import { diagnosticsOf } from "../../tests/diagnostics_of.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { parseExpression, parseSelect, parseSelectItem, parseStatement } from "./parse.ts";
import { printExpression, printSelect } from "./print.ts";

/** A tree without its spans, which differ between a text and its print. */
function spanless(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, v) => {
    if (key === "span" || key === "keySpan" || key === "valueSpan") return undefined;
    return typeof v === "bigint" ? `${v}n` : v;
  }));
}

/** Each text, and its tree as canonical SQL. */
const expressions: readonly (readonly [string, string])[] = [
  // Numbers.
  ["0", "0"],
  ["007", "7"],
  ["9223372036854775807", "9223372036854775807"],
  ["9223372036854775808", "9223372036854775807"],
  ["123456789012345678901234567890", "9223372036854775807"],
  ["00000000000000000000000000001", "1"],
  ["-3", "-3"],
  ["-  3", "-3"],
  ["-\t3.5", "-3.5"],
  ["1.", "1.0"],
  [".5", "0.5"],
  ["-1.", "-1.0"],
  ["2.50", "2.5"],
  ["100000000000000000000000.0", "100000000000000000000000.0"],
  ["0.00000012", "0.00000012"],
  // A minus where an operator is expected subtracts; where an operand is expected it signs a literal.
  ["a -3", "a - 3"],
  ["a-3", "a - 3"],
  ["a - 3", "a - 3"],
  ["a + -3", "a + -3"],
  ["a * - 3", "a * -3"],
  ["a - (-5)", "a - (-5)"],
  ["a - (-5 * b)", "a - (-5 * b)"],
  ["a <-3", "a < -3"],
  ["a - 0.5", "a - 0.5"],
  ["a BETWEEN -1 AND - 2", "a BETWEEN -1 AND -2"],
  ["f(-1, -2)", "f(-1, -2)"],
  ["CASE -1 WHEN -2 THEN -3 END", "CASE -1 WHEN -2 THEN -3 END"],
  // Strings.
  [`"x"`, "'x'"],
  [`'say "hi"'`, `'say "hi"'`],
  [`"it's"`, `'it\\'s'`],
  [`'it\\'s'`, `'it\\'s'`],
  [`"a\\n\\r\\t\\a\\b\\f\\v\\\\\\"z"`, `'a\\n\\r\\t\\u0007\\u0008\\u000c\\u000b\\\\"z'`],
  [`"\\x41\\102\\u0043\\U00000044"`, "'ABCD'"],
  [`"\\U0001F600"`, "'😀'"],
  [`"\\xc3\\xa9\\303\\251"`, "'éé'"],
  [`"\\xff"`, "'\uFFFD'"],
  [`"\\377"`, "'\uFFFD'"],
  [`"día ✓"`, "'día ✓'"],
  ["''", "''"],
  // Booleans, names, quoted names.
  ["true", "TRUE"],
  ["False", "FALSE"],
  ["trueish", "trueish"],
  ["null", "null"],
  ["Temp_1", "Temp_1"],
  ["`a-b`", "`a-b`"],
  ["`end`", "`end`"],
  ["`plain`", "plain"],
  ["`température`.`x y`", "`température`.`x y`"],
  ["window", "window"],
  [
    "size + second + count + session + stream + outer + timeout",
    "size + second + count + session + stream + outer + timeout",
  ],
  ["a.`end`", "a.`end`"],
  ["a->`from`", "a->`from`"],
  // Comments and white space.
  ["a /* one */ + -- two\n b", "a + b"],
  ["/**/ a /* /* */", "a"],
  ["a\r\n\t+ b", "a + b"],
  ["a - -5", "a"],
  ["a - \n -5\n+ b", "a + b"],
  ["a--b\n+c", "a + c"],
  ["a ! = b", "a != b"],
  ["a < = b", "a <= b"],
  ["a >\n= b", "a >= b"],
  ["a - > b", "a->b"],
  ["a <> b", "a != b"],
  ["a < > b", "a != b"],
  // Precedence: every operator of a level is left-associative, and levels nest as section 5.1 says.
  ["a OR b AND c = d + e * f", "a OR b AND c = d + e * f"],
  ["((a OR b) AND c) = d", "((a OR b) AND c) = d"],
  ["(a + b) * c", "(a + b) * c"],
  ["a + (b * c)", "a + b * c"],
  ["(a - b) - c", "a - b - c"],
  ["a - (b - c)", "a - (b - c)"],
  ["a / b * c % d & e", "a / b * c % d & e"],
  ["a | b ^ c + d - e", "a | b ^ c + d - e"],
  ["a | (b & c)", "a | b & c"],
  ["(a | b) & c", "(a | b) & c"],
  ["(a = b) = c", "a = b = c"],
  ["a = (b = c)", "a = (b = c)"],
  ["a < b != c", "a < b != c"],
  ["(a AND b) AND c", "a AND b AND c"],
  ["a AND (b AND c)", "a AND (b AND c)"],
  ["a OR (b OR c)", "a OR (b OR c)"],
  ["(a) or ((b))", "a OR b"],
  ["a or b and c or d", "a OR b AND c OR d"],
  ["a + b < c - d and e", "a + b < c - d AND e"],
  // Postfix binds tightest.
  ["2 * a[0]", "2 * a[0]"],
  ["(2 * a)[0]", "(2 * a)[0]"],
  ["2 * a->b", "2 * a->b"],
  ["(2 * a)->b", "(2 * a)->b"],
  ["s.a.b->c", "s.a->b->c"],
  ["s . a", "s.a"],
  ["(s).a", "s->a"],
  ["a->b.c", "a->b->c"],
  ["collect(*)[0]->k", "collect(*)[0]->k"],
  ["collect(*)[0].k", "collect(*)[0]->k"],
  ["a[i + 1]", "a[i + 1]"],
  ["a[-1]", "a[-1]"],
  ["a[0][1]", "a[0][1]"],
  ["a[1:2]", "a[1:2]"],
  ["a[1 : ]", "a[1:]"],
  ["a[:j]", "a[:j]"],
  ["a[:]", "a[:]"],
  ["a[]", "a[:]"],
  // Calls.
  ["f()", "f()"],
  ["f ( a , b )", "f(a, b)"],
  ["f(a, b,)", "f(a, b)"],
  ["COUNT(*)", "COUNT(*)"],
  ["count(* EXCEPT (a))", "count(* EXCEPT (a))"],
  ["f(a, * REPLACE (a + 1 AS a))", "f(a, * REPLACE (a + 1 AS a))"],
  ["lag(a) OVER (PARTITION BY b, c WHEN d > 1)", "lag(a) OVER (PARTITION BY b, c WHEN d > 1)"],
  ["row_number() over(partition by a order by b desc, c asc)", "row_number() OVER (PARTITION BY a ORDER BY b DESC, c)"],
  ["lag(a) OVER (WHEN d)", "lag(a) OVER (WHEN d)"],
  ["row_number() OVER (ORDER BY b)", "row_number() OVER (ORDER BY b)"],
  ["lag(a) OVER (PARTITION BY b) + 1", "lag(a) OVER (PARTITION BY b) + 1"],
  ["TUMBLINGWINDOW(SS, 5)", "TUMBLINGWINDOW(ss, 5)"],
  ["`my-func`(a)", "`my-func`(a)"],
  ["if(a, b, c)", "if(a, b, c)"],
  // IN, BETWEEN, LIKE.
  ["a IN (1)", "a IN (1)"],
  ["a in (1, b + 2, 'c')", "a IN (1, b + 2, 'c')"],
  ["a NOT IN (1, 2)", "a NOT IN (1, 2)"],
  ["a IN b", "a IN b"],
  ["a NOT IN b.c[0]", "a NOT IN b.c[0]"],
  ["a IN split(b, ',')", "a IN split(b, ',')"],
  ["a IN ((b))", "a IN (b)"],
  ["a BETWEEN 1 AND 2 AND b", "a BETWEEN 1 AND 2 AND b"],
  ["a NOT BETWEEN b + 1 AND c * 2 OR d", "a NOT BETWEEN b + 1 AND c * 2 OR d"],
  ["a BETWEEN (b AND c) AND d", "a BETWEEN (b AND c) AND d"],
  ["a BETWEEN 1 AND 2 = true", "a BETWEEN 1 AND 2 = TRUE"],
  ["a LIKE 'x%'", "a LIKE 'x%'"],
  ["a NOT LIKE concat(b, '%')", "a NOT LIKE concat(b, '%')"],
  ["a LIKE b IN (true)", "a LIKE b IN (TRUE)"],
  ["(a OR b) IN (c)", "(a OR b) IN (c)"],
  // CASE.
  ["case when a > 1 then 'x' end", "CASE WHEN a > 1 THEN 'x' END"],
  ["CASE a WHEN 1 THEN 2 WHEN 3 THEN 4 ELSE 5 END", "CASE a WHEN 1 THEN 2 WHEN 3 THEN 4 ELSE 5 END"],
  [
    "CASE WHEN f(a) THEN 1 WHEN (b) THEN CASE c WHEN 1 THEN 2 END END",
    "CASE WHEN f(a) THEN 1 WHEN b THEN CASE c WHEN 1 THEN 2 END END",
  ],
  ["CASE WHEN a THEN b END[0]", "CASE WHEN a THEN b END[0]"],
  ["CASE a + 1 WHEN 1 THEN 2 END + 3", "CASE a + 1 WHEN 1 THEN 2 END + 3"],
  // Keywords need no space where signs stand.
  ["(a)AND(b)OR'c'", "a AND b OR 'c'"],
  ["android OR orange", "android OR orange"],
];

for (const [text, canonical] of expressions) {
  test(`parseExpression() reads ${JSON.stringify(text)}`, () => {
    const tree = parseExpression(text);
    assert.equal(printExpression(tree), canonical);
    assert.deepEqual(spanless(parseExpression(canonical)), spanless(tree));
  });
}

/** Each SELECT, and its tree as canonical SQL; a lone text is canonical already. */
const selects: readonly (readonly [string, string?])[] = [
  ["SELECT a FROM s"],
  ["select a from s;", "SELECT a FROM s"],
  ["SELECT a FROM s ; this 'is ignored", "SELECT a FROM s"],
  ["SELECT a FROM s;;", "SELECT a FROM s"],
  ["SELECT ';' AS a FROM s -- ; \n WHERE b", "SELECT ';' AS a FROM s WHERE b"],
  ["SELECT*FROM s", "SELECT * FROM s"],
  ["SELECT *, a AS b, 1 + 2 AS c INVISIBLE, d INVISIBLE FROM s"],
  ["SELECT s.* , a FROM s", "SELECT s.*, a FROM s"],
  ["SELECT * EXCEPT (a, b) FROM s"],
  ["SELECT * REPLACE (a + 1 AS a, b AS c) FROM s"],
  ["SELECT * EXCEPT(a) REPLACE(1 AS b) EXCEPT(c) FROM s", "SELECT * EXCEPT (c) REPLACE (1 AS b) FROM s"],
  ["SELECT a FROM s AS x"],
  ["SELECT a FROM `my-stream` AS `x y`"],
  ["SELECT a FROM window WINDOW COUNT (SIZE 5)"],
  ["SELECT window, size AS second FROM count"],
  ["SELECT a FROM s JOIN t ON s.a = t.a", "SELECT a FROM s INNER JOIN t ON s.a = t.a"],
  ["SELECT a FROM s INNER JOIN t"],
  ["SELECT a FROM s LEFT JOIN t ON s.a = t.a AND s.b > 1 RIGHT JOIN u AS v ON v.a = s.a FULL JOIN w ON TRUE CROSS JOIN x"],
  [
    "SELECT a FROM s LEFT OUTER JOIN t ON b RIGHT outer JOIN u ON c FULL OUTER JOIN v ON d",
    "SELECT a FROM s LEFT JOIN t ON b RIGHT JOIN u ON c FULL JOIN v ON d",
  ],
  ["SELECT a FROM s WHERE b"],
  ["SELECT count(*) FROM s GROUP BY a, TUMBLINGWINDOW(ss, 10), b + 1"],
  ["SELECT a FROM s GROUP BY hoppingwindow ( MS , 10 , 5 )", "SELECT a FROM s GROUP BY HOPPINGWINDOW(ms, 10, 5)"],
  ["SELECT a FROM s GROUP BY SLIDINGWINDOW(dd, 1) OVER (WHEN a > 1)"],
  ["SELECT a FROM s GROUP BY SESSIONWINDOW(hh, 2, 1) FILTER (WHERE a > 1)"],
  [
    "SELECT a FROM s GROUP BY COUNTWINDOW(3, 1) FILTER( where b ) OVER( when c partition by d, e )",
    "SELECT a FROM s GROUP BY COUNTWINDOW(3, 1) FILTER (WHERE b) OVER (WHEN c PARTITION BY d, e)",
  ],
  ["SELECT a FROM s GROUP BY STATEWINDOW(a > 1, a < 0) OVER (PARTITION BY b)"],
  ["SELECT a FROM s GROUP BY STATEWINDOW(a > 1, a < 0) OVER ()"],
  ["SELECT a FROM s GROUP BY (tumblingwindow(ss, 1))"],
  ["SELECT a FROM s GROUP BY countwindow, statewindow", "SELECT a FROM s GROUP BY countwindow, statewindow"],
  [
    "SELECT count(*) AS c FROM s GROUP BY TUMBLINGWINDOW(mi, 1) HAVING count(*) > 1 ORDER BY c DESC, a ASC, f(b) LIMIT 3",
    "SELECT count(*) AS c FROM s GROUP BY TUMBLINGWINDOW(mi, 1) HAVING count(*) > 1 ORDER BY c DESC, a, f(b) LIMIT 3",
  ],
  ["SELECT a FROM s ORDER BY a + 1 DESC, s.b, c->d"],
  ["SELECT a FROM s HAVING count(*) > 1"],
  ["SELECT a FROM s LIMIT 0"],
  // Section 16.
  ["SELECT COUNT(*) AS car_count, direction FROM traffic_stream WINDOW TUMBLING (SIZE 5 SECOND) GROUP BY direction"],
  [
    "SELECT COUNT(*) as car_count, direction FROM traffic_stream WINDOW TUMBLING (SIZE 5 SECOND) GROUP BY direction",
    "SELECT COUNT(*) AS car_count, direction FROM traffic_stream WINDOW TUMBLING (SIZE 5 SECOND) GROUP BY direction",
  ],
  [
    "SELECT avg(v) FROM s WINDOW HOPPING (SIZE 10 MINUTES, ADVANCE BY 1 MINUTE) WHERE ok = true",
    "SELECT avg(v) FROM s WINDOW HOPPING (SIZE 10 MINUTE, ADVANCE BY 1 MINUTE) WHERE ok = TRUE",
  ],
  [
    "SELECT avg(v) FROM s WHERE ok = true GROUP BY HOPPINGWINDOW(mi, 10, 1)",
    "SELECT avg(v) FROM s WHERE ok = TRUE GROUP BY HOPPINGWINDOW(mi, 10, 1)",
  ],
  // A window clause behind WHERE is printed before it: the place has no meaning.
  [
    "SELECT id, count(*) FROM s WHERE v > 3 WINDOW SESSION (20 SECONDS TIMEOUT, 5 MINUTES) GROUP BY id",
    "SELECT id, count(*) FROM s WINDOW SESSION (20 SECOND TIMEOUT, 5 MINUTE) WHERE v > 3 GROUP BY id",
  ],
  ["SELECT id, count(*) FROM s WHERE v > 3 GROUP BY id, SESSIONWINDOW(ss, 300, 20)"],
  ["SELECT * FROM s WINDOW COUNT (SIZE 4, ADVANCE BY 2)"],
  ["SELECT * FROM s GROUP BY COUNTWINDOW(4, 2)"],
  ["SELECT * FROM s WINDOW SLIDING (SIZE 3 HOURS)", "SELECT * FROM s WINDOW SLIDING (SIZE 3 HOUR)"],
  ["SELECT * FROM s window session(30 seconds timeout,600)", "SELECT * FROM s WINDOW SESSION (30 SECOND TIMEOUT, 600)"],
  ["SELECT * FROM s WINDOW SESSION (1 DAY, 2 DAYS)", "SELECT * FROM s WINDOW SESSION (1 DAY TIMEOUT, 2 DAY)"],
  [
    "SELECT * FROM s WINDOW TUMBLING (SIZE 500 MILLISECONDS) FILTER (WHERE a) OVER (PARTITION BY b)",
    "SELECT * FROM s WINDOW TUMBLING (SIZE 500 MILLISECOND) FILTER (WHERE a) OVER (PARTITION BY b)",
  ],
  [
    "SELECT * FROM s JOIN t ON s.a = t.a WINDOW COUNT (SIZE 4) WHERE a",
    "SELECT * FROM s INNER JOIN t ON s.a = t.a WINDOW COUNT (SIZE 4) WHERE a",
  ],
  [
    "SELECT a FROM s WINDOW TUMBLING (SIZE 1 SECONDS) WHERE running = true GROUP BY a HAVING last_value(ok, true) = FALSE",
    "SELECT a FROM s WINDOW TUMBLING (SIZE 1 SECOND) WHERE running = TRUE GROUP BY a HAVING last_value(ok, TRUE) = FALSE",
  ],
  ["SELECT a FROM s WHERE had_changed(true, v) = true", "SELECT a FROM s WHERE had_changed(TRUE, v) = TRUE"],
  ["SELECT a FROM s WHERE running"],
  // Section 18.
  ["SELECT n / 2, 7 / 2, cast(n, 'bigint') / 2, n = 7, n & 1, cast(n, 'bigint') & 1, concat('x', n) FROM s"],
  ["SELECT a, b, a + 1 AS c, a = 1 AS d, isnull(b) AS e FROM s"],
  ["SELECT max(v), v * 2, t.x, t->y FROM s"],
  ["SELECT a FROM s GROUP BY SLIDINGWINDOW(ss, 10, 3) OVER (WHEN v > 5)"],
  ["SELECT a FROM s GROUP BY STATEWINDOW(v > 10, v < 3)"],
  [
    "SELECT lag(v), lag(v, 1, 0, false), lag(v, 2, 0), acc_sum(v, v >= 5, v = 0) FROM s",
    "SELECT lag(v), lag(v, 1, 0, FALSE), lag(v, 2, 0), acc_sum(v, v >= 5, v = 0) FROM s",
  ],
  [
    "SELECT deduplicate(k, true) FROM s GROUP BY COUNTWINDOW(4)",
    "SELECT deduplicate(k, TRUE) FROM s GROUP BY COUNTWINDOW(4)",
  ],
  ["SELECT L.id AS l, R.x AS x FROM L LEFT JOIN R ON L.id = R.id"],
  // Everyday rules.
  [
    "SELECT frame, defect_type FROM camera_stream WHERE detect_defect(frame) = true",
    "SELECT frame, defect_type FROM camera_stream WHERE detect_defect(frame) = TRUE",
  ],
  ["SELECT device_id, voltage, current FROM inverter_metrics WHERE voltage < 200 OR voltage > 250"],
  ["SELECT temperature, deviceId FROM demo WHERE temperature > 30"],
];

for (const [text, canonical = text] of selects) {
  test(`parseSelect() reads ${text}`, () => {
    const tree = parseSelect(text);
    assert.equal(printSelect(tree), canonical);
    assert.deepEqual(spanless(parseSelect(canonical)), spanless(tree));
    assert.deepEqual(parseStatement(text), tree);
  });
}

test("parseStatement() throws with the whole text, so that spans can be shown", () => {
  try {
    parseStatement("SELECT a FROM; rest");
    assert.fail("not refused");
  } catch (error) {
    assert.ok(error instanceof DiagnosticError);
    assert.equal(error.text, "SELECT a FROM; rest");
    assert.equal(error.stage, "parse");
  }
});

test("parseSelect() refuses other statements", () => {
  const [first] = diagnosticsOf(() => parseSelect("SHOW STREAMS"));
  assert.equal(first?.code, "E101");
  assert.equal(first?.message, 'expected SELECT, found "SHOW"');
});

test("parseExpression() refuses what stands behind the expression", () => {
  for (const text of ["a b", "a;", "a)", "a AS b", "*"]) {
    assert.equal(diagnosticsOf(() => parseExpression(text))[0]?.code, "E101", text);
  }
});

test("parseSelectItem() reads an alias and stars", () => {
  assert.equal(parseSelectItem("a + 1 AS b").alias?.name, "b");
  assert.equal(parseSelectItem("*").expr.kind, "star");
  assert.equal(parseSelectItem("s.*").expr.kind, "qualified_star");
  assert.equal(diagnosticsOf(() => parseSelectItem("a, b"))[0]?.code, "E101");
});

const reserved =
  "SELECT AS FROM WHERE AND OR GROUP HAVING ORDER BY DESC ASC FILTER INNER LEFT RIGHT FULL CROSS JOIN ON " +
  "CASE WHEN THEN DEFAULT ELSE END IN NOT BETWEEN LIKE OVER PARTITION REPLACE EXCEPT INVISIBLE TRUE FALSE DD HH MI SS MS LIMIT";

test("a reserved word is a name only in back quotes, in any case", () => {
  for (const word of reserved.split(" ").flatMap((w) => [w, w.toLowerCase()])) {
    assert.equal(diagnosticsOf(() => parseExpression(`a.${word}`))[0]?.code, "E101", word);
    assert.equal(diagnosticsOf(() => parseSelect(`SELECT a AS ${word} FROM s`))[0]?.code, "E101", word);
    assert.deepEqual(spanless(parseExpression("`" + word + "`")), { kind: "name", name: word });
  }
});

test("DDL words, types, options and window words are names", () => {
  const words =
    "create stream table with show describe explain drop streams tables bigint float string boolean datetime " +
    "bytea array struct datasource type format window tumbling hopping sliding session count size advance timeout outer " +
    "second minutes millisecond null is distinct union if exists all";
  for (const word of words.split(" ")) {
    const tree = parseSelect(
      `SELECT ${word}, x.${word}, ${word}(a) AS ${word} FROM ${word} AS ${word} ORDER BY ${word}`,
    );
    assert.equal(tree.from.name.name, word);
    assert.equal(tree.items.length, 3);
  }
});

test("spans cover the text of their node and nothing around it", () => {
  const text =
    "  SELECT  ( a + b ) * - 3 AS x ,  * EXCEPT ( c ) , s . d -> e [ 1 : ] , f ( g , ) OVER ( WHEN h )  FROM s AS t  " +
    "WHERE i IN ( 1 , 2 ) AND j NOT BETWEEN 1 AND ( 2 ) WINDOW COUNT ( SIZE 5 )  LIMIT 7  ; ";
  const select = parseSelect(text);
  const cut = (node: { span: { start: number; end: number } } | undefined) =>
    text.slice(node!.span.start, node!.span.end);
  assert.equal(cut(select), text.trim().slice(0, -1).trimEnd());
  const exprs = select.items.map((item) => item.expr);
  assert.deepEqual(exprs.map(cut), [
    "( a + b ) * - 3",
    "* EXCEPT ( c )",
    "s . d -> e [ 1 : ]",
    "f ( g , ) OVER ( WHEN h )",
  ]);
  assert.deepEqual(select.items.slice(0, 2).map(cut), ["( a + b ) * - 3 AS x", "* EXCEPT ( c )"]);
  const product = exprs[0]!;
  assert.ok(product.kind === "binary");
  assert.equal(cut(product.left), "a + b");
  assert.equal(cut(product.right), "- 3");
  const slice = exprs[2]!;
  assert.ok(slice.kind === "slice" && slice.base.kind === "member" && slice.base.base.kind === "qualified");
  assert.equal(cut(slice.base), "s . d -> e");
  assert.equal(cut(slice.base.base), "s . d");
  assert.equal(cut(slice.base.base.qualifier), "s");
  assert.equal(cut(slice.base.base.name), "d");
  const call = exprs[3]!;
  assert.ok(call.kind === "call");
  assert.equal(cut(call.over), "OVER ( WHEN h )");
  assert.equal(cut(select.from), "s AS t");
  const where = select.where!;
  assert.ok(where.kind === "binary");
  assert.equal(cut(where), "i IN ( 1 , 2 ) AND j NOT BETWEEN 1 AND ( 2 )");
  assert.equal(cut(where.left), "i IN ( 1 , 2 )");
  assert.equal(cut(where.right), "j NOT BETWEEN 1 AND ( 2 )");
  assert.equal(cut(select.windowClauses[0]), "WINDOW COUNT ( SIZE 5 )");
  assert.equal(cut(select.windowClauses[0]?.size), "5");
  assert.equal(cut(select.limit), "7");
});

test("a parenthesised operand is part of the span of what it stands in", () => {
  for (const text of ["(a) + (b)", "(a) AND (b)", "(a)[0]", "(a) LIKE (b)", "(a) IN (b)", "(a) BETWEEN (b) AND (c)"]) {
    assert.deepEqual(parseExpression(text).span, { start: 0, end: text.length }, text);
  }
});

test("every node of the tree is frozen", () => {
  const check = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    assert.ok(Object.isFrozen(value), JSON.stringify(spanless(value)));
    Object.values(value).forEach(check);
  };
  check(parseStatement(
    "SELECT *, s.*, * EXCEPT (a) REPLACE (b AS c), CASE a WHEN 1 THEN 2 END, a[1:2], lag(a, ) OVER (PARTITION BY b ORDER BY " +
      "c WHEN d), a IN (1), a BETWEEN 1 AND 2 FROM s JOIN t ON a WINDOW COUNT (SIZE 1) GROUP BY a, COUNTWINDOW(1) FILTER " +
      "(WHERE a) OVER (WHEN b PARTITION BY c) ORDER BY a LIMIT 1",
  ));
  check(parseStatement('CREATE STREAM s (a ARRAY(STRUCT(b BIGINT)), c STRING DEFAULT "x") WITH (TYPE="mqtt")'));
  check(parseStatement("SHOW STREAMS"));
  check(parseStatement("DROP TABLE t"));
});

test("`x.y` at the start is qualified, later dots are keys", () => {
  assert.deepEqual(spanless(parseExpression("x.y.z")), {
    kind: "member",
    base: {
      kind: "qualified",
      qualifier: { kind: "identifier", name: "x" },
      name: { kind: "identifier", name: "y" },
    },
    key: { kind: "identifier", name: "z" },
  });
  assert.equal(parseExpression("f(a).b").kind, "member");
  assert.equal(parseExpression("a->b").kind, "member");
});

test("literals keep int and float apart", () => {
  const value = (text: string) => {
    const tree = parseExpression(text);
    assert.ok(tree.kind === "literal");
    return tree.value;
  };
  assert.equal(value("3"), 3n);
  assert.equal(value("3."), 3);
  assert.equal(value("-9223372036854775808"), -9223372036854775808n);
  assert.equal(value("-99999999999999999999"), -9223372036854775808n);
  assert.equal(value("9".repeat(1000)), 9223372036854775807n);
  assert.equal(value("9".repeat(1000) + ".5"), Number.MAX_VALUE);
  assert.equal(value("TRUE"), true);
  assert.equal(value("'3'"), "3");
});

test("a time unit is lower case and stands first in a window function only", () => {
  const tree = parseExpression("SlidingWindow(Ms, 5)");
  assert.ok(tree.kind === "call");
  assert.deepEqual(spanless(tree.args[0]), { kind: "time_unit", unit: "ms" });
});

test("a window in GROUP BY is a window_call with its modifiers", () => {
  const { groupBy } = parseSelect(
    "SELECT a FROM s GROUP BY b, TumblingWindow(ss, 5) FILTER (WHERE c) OVER (PARTITION BY d)",
  );
  assert.deepEqual(spanless(groupBy), [
    { kind: "name", name: "b" },
    {
      kind: "window_call",
      name: "tumblingwindow",
      args: [{ kind: "time_unit", unit: "ss" }, { kind: "literal", value: "5n" }],
      filter: { kind: "name", name: "c" },
      over: { partitionBy: [{ kind: "name", name: "d" }] },
    },
  ]);
});

test("window clauses are kept in the order of the text, before and after WHERE", () => {
  const { windowClauses, where } = parseSelect(
    "SELECT a FROM s WINDOW COUNT (SIZE 4, ADVANCE BY 2) WHERE a WINDOW SESSION (30 SECONDS TIMEOUT, 600)",
  );
  assert.equal(where?.kind, "name");
  assert.deepEqual(spanless(windowClauses), [
    {
      kind: "window_clause",
      type: "count",
      size: { kind: "window_length", count: "4n" },
      advance: { kind: "window_length", count: "2n" },
    },
    {
      kind: "window_clause",
      type: "session",
      size: { kind: "window_length", count: "30n", unit: "ss" },
      advance: { kind: "window_length", count: "600n" },
    },
  ]);
});

test("each unit word of a window clause means its unit", () => {
  const words = { MILLISECOND: "ms", SECOND: "ss", MINUTE: "mi", HOUR: "hh", DAY: "dd" };
  for (const [word, unit] of Object.entries(words)) {
    for (const written of [word, `${word}S`, word.toLowerCase()]) {
      const { windowClauses } = parseSelect(`SELECT a FROM s WINDOW SLIDING (SIZE 2 ${written})`);
      assert.equal(windowClauses[0]?.size.unit, unit, written);
    }
  }
});

test("CREATE reads every type, defaults and options", () => {
  const text = `create Stream \`my-s\` (
    i BIGINT DEFAULT -1, f FLOAT DEFAULT 1.5, s STRING DEFAULT "x", b BOOLEAN DEFAULT true, c bool, d DATETIME, y BYTEA,
    l ARRAY(ARRAY(STRUCT(\`end\` BIGINT, q STRING))), m STRUCT(n ARRAY(FLOAT)),
  ) WITH (DATASOURCE="a/b", format='json' Conf_Key = "x\\ty", SHARED=TRUE, strict_validation = "true" RETAIN_SIZE = 100);`;
  const tree = parseStatement(text);
  assert.ok(tree.kind === "create");
  assert.equal(tree.target, "stream");
  assert.equal(tree.name.name, "my-s");
  const { columns, options } = spanless(tree) as { columns: Record<string, unknown>[]; options: unknown[] };
  assert.deepEqual(
    columns.map(({ name, type, default: fallback }) => [(name as { name: string }).name, type, fallback]),
    [
      ["i", { kind: "bigint" }, { kind: "literal", value: "-1n" }],
      ["f", { kind: "float" }, { kind: "literal", value: 1.5 }],
      ["s", { kind: "string" }, { kind: "literal", value: "x" }],
      ["b", { kind: "boolean" }, { kind: "literal", value: true }],
      ["c", { kind: "boolean" }, undefined],
      ["d", { kind: "datetime" }, undefined],
      ["y", { kind: "bytea" }, undefined],
      ["l", {
        kind: "array",
        element: {
          kind: "array",
          element: {
            kind: "struct",
            columns: [{ name: "end", type: { kind: "bigint" } }, { name: "q", type: { kind: "string" } }],
          },
        },
      }, undefined],
      [
        "m",
        { kind: "struct", columns: [{ name: "n", type: { kind: "array", element: { kind: "float" } } }] },
        undefined,
      ],
    ],
  );
  assert.deepEqual(options, [
    { kind: "option", key: "DATASOURCE", value: "a/b" },
    { kind: "option", key: "FORMAT", value: "json" },
    { kind: "option", key: "CONF_KEY", value: "x\ty" },
    { kind: "option", key: "SHARED", value: "true" },
    { kind: "option", key: "STRICT_VALIDATION", value: "true" },
    { kind: "option", key: "RETAIN_SIZE", value: "100" },
  ]);
  const shared = tree.options[3]!;
  assert.equal(text.slice(shared.keySpan.start, shared.keySpan.end), "SHARED");
  assert.equal(text.slice(shared.valueSpan.start, shared.valueSpan.end), "TRUE");
});

test("CREATE takes a definition without columns and options", () => {
  assert.deepEqual(spanless(parseStatement("CREATE TABLE t() WITH()")), {
    kind: "create",
    target: "table",
    name: { kind: "identifier", name: "t" },
    columns: [],
    options: [],
  });
});

test("SHOW, DESCRIBE, EXPLAIN and DROP name their target", () => {
  assert.deepEqual(spanless(parseStatement("show streams;")), { kind: "show", target: "streams" });
  assert.deepEqual(spanless(parseStatement("SHOW TABLES")), { kind: "show", target: "tables" });
  for (const kind of ["describe", "explain", "drop"]) {
    for (const target of ["stream", "table"]) {
      const name = { kind: "identifier", name: "a-b" };
      assert.deepEqual(spanless(parseStatement(`${kind.toUpperCase()} ${target} \`a-b\` ; `)), { kind, target, name });
    }
  }
});
