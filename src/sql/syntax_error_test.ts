import { test } from "node:test";
import assert from "node:assert/strict";
import { diagnosticsOf } from "../../tests/diagnostics_of.ts";
import { parseStatement } from "./parse.ts";

/** Each text that is refused: the code, the text under the span, and a part of message and hint. */
const refused: readonly (readonly [string, string, string, RegExp, RegExp?])[] = [
  ["SELECT FROM demo", "E101", "FROM", /^expected "\*" or an expression after "SELECT", found "FROM"$/],
  ["", "E101", "", /^expected SELECT, CREATE, SHOW, DESCRIBE, EXPLAIN or DROP, found the end of the text$/],
  ["  -- nothing", "E101", "", /found the end of the text/],
  // Misspelt words.
  ["SELCT a FROM demo", "E101", "SELCT", /found "SELCT"/, /did you mean SELECT\?/],
  ["SELECT a FRM demo", "E101", "FRM", /found "FRM"/, /did you mean FROM\?/],
  ["SELECT a FROM demo WHER a > 1", "E101", "WHER", /WHERE/, /did you mean WHERE\?/],
  ["SELECT a FROM demo GRUOP BY a", "E101", "GRUOP", /found "GRUOP"/, /did you mean GROUP BY\?/],
  ["SELECT a FROM demo GROUP BY TUMBLINGWINDOW(ss, 1) HAVNG a", "E101", "HAVNG", /found/, /did you mean HAVING\?/],
  [
    "SELECT a FROM demo WINDOW TUMBLNG (SIZE 1 SECOND)",
    "E101",
    "TUMBLNG",
    /expected TUMBLING, /,
    /did you mean TUMBLING\?/,
  ],
  ["SELECT a FROM demo WINDOW TUMBLING (SIZE 1 SECND)", "E101", "SECND", /expected a unit such as SECOND/, /SECONDS\?/],
  ["CREATE STREM demo () WITH ()", "E101", "STREM", /expected STREAM or TABLE/, /did you mean STREAM\?/],
  ["CREATE STREAM demo (a FLAOT) WITH ()", "E101", "FLAOT", /expected a type/, /did you mean FLOAT\?/],
  ["SHOW STREAM", "E101", "STREAM", /expected STREAMS or TABLES/, /did you mean STREAMS\?/],
  // Aliases.
  ["SELECT a b FROM demo", "E101", "b", /after "a", found "b"/, /write AS before an alias: AS b/],
  ["SELECT a 'b' FROM demo", "E101", "'b'", /found "'b'"/, /not a string/],
  ["SELECT a FROM s t", "E101", "t", /found "t"/, /AS t/],
  ["SELECT a AS order FROM demo", "E101", "order", /expected a name after "AS"/, /ORDER is a reserved word.*`order`/],
  ["SELECT * AS x FROM demo", "E101", "AS", /found "AS"/],
  ["SELECT s.* AS x FROM s", "E101", "AS", /found "AS"/],
  // Reserved words.
  ["SELECT end FROM demo", "E101", "end", /expected "\*" or an expression/, /back quotes around it: `end`/],
  ["SELECT a.limit FROM demo", "E101", "limit", /a name after "\."/, /`limit`/],
  ["SELECT a->end FROM demo", "E101", "end", /a name after "->"/, /`end`/],
  ["SELECT ms FROM demo", "E101", "ms", /expression/, /`ms`/],
  ["SELECT f(ss) FROM demo", "E101", "ss", /expression/, /`ss`/],
  ["SELECT a FROM left", "E101", "left", /a name after "FROM"/, /`left`/],
  ["SELECT a FROM s GROUP BY TUMBLINGWINDOW(5, ss)", "E101", "ss", /expression/, /`ss`/],
  ["CREATE STREAM s (end BIGINT) WITH ()", "E101", "end", /a name/, /`end`/],
  // Signs.
  ["SELECT -a FROM demo", "E101", "-", /found "-"/, /no unary minus: write 0 - a/],
  ["SELECT a * -b FROM demo", "E101", "-", /found "-"/, /no unary minus/],
  ["SELECT -(a) FROM demo", "E101", "-", /found "-"/, /no unary minus/],
  ["SELECT +1 FROM demo", "E101", "+", /found "\+"/, /no unary plus/],
  ["SELECT -.5 FROM demo", "E101", "-", /found "-"/, /before the point: - 0\.5/],
  ["SELECT a - .5 FROM demo", "E101", "-", /found "-"/, /before the point: - 0\.5/],
  ["SELECT a - -5 FROM demo", "E101", "", /found the end of the text/, /"--" starts a comment: write a - \(-5\)/],
  ["SELECT a --5\nFROM", "E101", "", /a name after "FROM"/],
  ["SELECT ! a FROM demo", "E101", "!", /"!" does not stand alone/, /!=/],
  ["SELECT a FROM demo WHERE a == 1", "E101", "=", /found "="/, /a single "="/],
  ["SELECT a || b FROM demo", "E101", "|", /found "\|"/, /concat/],
  ["SELECT a FROM demo WHERE a && b", "E101", "&", /found "&"/, /AND/],
  ["SELECT a, FROM demo", "E101", "FROM", /after ","/, /remove the comma/],
  ["SELECT a FROM s GROUP BY a, HAVING b", "E101", "HAVING", /after ","/],
  // Numbers.
  ["SELECT 1e3 FROM demo", "E101", "1e3", /no exponent form/, /write 1000\.0/],
  ["SELECT 1.5E-2 FROM demo", "E101", "1.5E-2", /no exponent form/, /write 0\.015/],
  ["SELECT 12ab FROM demo", "E101", "12ab", /must end before letters/, /back quotes/],
  ["SELECT a FROM demo LIMIT a", "E101", "a", /expected a whole number after "LIMIT"/],
  ["SELECT a FROM demo LIMIT 1.5", "E101", "1.5", /expected a whole number/],
  ["SELECT a FROM demo LIMIT -1", "E101", "-", /expected a whole number/],
  // Names.
  ["SELECT _a FROM demo", "E101", "_a", /ASCII letters/, /`_a`/],
  ["SELECT $a FROM demo", "E101", "$a", /ASCII letters/, /`\$a`/],
  ["SELECT température FROM demo", "E101", "température", /ASCII letters/, /`température`/],
  ["SELECT `` FROM demo", "E101", "``", /empty/],
  ["SELECT `a FROM demo", "E101", "`a FROM demo", /no end quote/],
  ["SELECT a ? b FROM demo", "E101", "?", /unexpected character/],
  ["SELECT a /* b FROM demo", "E101", "/* b FROM demo", /comment has no end/, /\*\//],
  // Other dialects.
  ["SELECT a FROM demo WHERE a IS NULL", "E101", "IS", /found "IS"/, /isnull\(x\)/],
  ["SELECT a FROM demo WHERE NOT a", "E101", "NOT", /found "NOT"/, /x = false/],
  ["SELECT DISTINCT a FROM demo", "E101", "a", /after "DISTINCT"/, /DISTINCT is not in the dialect/],
  ["SELECT count(DISTINCT a) FROM demo", "E101", "a", /after "DISTINCT"/, /DISTINCT is not in the dialect/],
  ["SELECT a FROM s UNION SELECT b FROM t", "E101", "UNION", /found "UNION"/, /UNION is not in the dialect/],
  ["SELECT a FROM (SELECT b FROM t)", "E101", "(", /a name after "FROM"/, /subqueries/],
  ["SELECT a FROM s WHERE b IN (SELECT c FROM t)", "E101", "SELECT", /found "SELECT"/, /subqueries/],
  ["SELECT a FROM s CROSS JOIN t ON s.a = t.a", "E101", "ON", /found "ON"/, /CROSS JOIN .* INNER JOIN/],
  ["SELECT count(*) FILTER (WHERE a) FROM s", "E101", "FILTER", /found "FILTER"/, /belongs to windows/],
  ["ALTER STREAM s", "E101", "ALTER", /found "ALTER"/, /not in the dialect/],
  ["CREATE OR REPLACE STREAM s () WITH ()", "E101", "OR", /found "OR"/, /admin interface/],
  // Order and parts.
  ["SELECT a", "E101", "", /FROM after "a", found the end of the text/],
  ["SELECT a FROM s LIMIT 1 WHERE b", "E101", "WHERE", /found "WHERE"/, /the order is FROM, JOIN/],
  ["SELECT a FROM s WHERE b WHERE c", "E101", "WHERE", /found "WHERE"/, /each once/],
  ["SELECT a FROM s GROUP BY COUNTWINDOW(1) WINDOW COUNT (SIZE 1)", "E101", "WINDOW", /found "WINDOW"/, /the order/],
  ["SELECT a; FROM s", "E101", ";", /found ";"/],
  ["SELECT (a FROM s", "E101", "FROM", /^expected "\)" after "a", found "FROM"$/],
  ["SELECT a) FROM s", "E101", ")", /found "\)"/],
  ["SELECT a[1 FROM s", "E101", "FROM", /":" or "\]" after "1"/],
  ["SELECT a->5 FROM s", "E101", "5", /a name after "->"/],
  ["SELECT a.'b' FROM s", "E101", "'b'", /a name after "\."/],
  ["SELECT a FROM s ORDER BY 1", "E101", "1", /a name after "BY"/],
  ["SELECT a FROM s ORDER BY (a)", "E101", "(", /a name after "BY"/],
  ["SELECT a NOT 5 FROM s", "E101", "5", /^expected IN, BETWEEN or LIKE after "NOT", found "5"$/],
  ["SELECT a IN () FROM s", "E101", ")", /an expression after "\("/],
  ["SELECT a BETWEEN 1 OR 2 FROM s", "E101", "OR", /AND after "1"/],
  ["SELECT CASE a END FROM s", "E101", "END", /WHEN after "a"/],
  ["SELECT CASE END FROM s", "E101", "END", /WHEN/],
  ["SELECT CASE WHEN a THEN b FROM s", "E101", "FROM", /WHEN, ELSE or END after "b"/],
  ["SELECT lag(a) OVER () FROM s", "E101", ")", /PARTITION BY, ORDER BY or WHEN after "\("/],
  ["SELECT lag(a) OVER (WHEN a PARTITION BY b) FROM s", "E101", "PARTITION", /found "PARTITION"/],
  ["SELECT a FROM s GROUP BY COUNTWINDOW(1) OVER (PARTITION BY b WHEN a)", "E101", "WHEN", /found "WHEN"/],
  ["SELECT a FROM s GROUP BY COUNTWINDOW(1) OVER (WHEN a) FILTER (WHERE b)", "E101", "FILTER", /found "FILTER"/],
  ["SELECT f(, a) FROM s", "E101", ",", /found ","/],
  ["SELECT f(a,,) FROM s", "E101", ",", /after ","/],
  ["SELECT f(s.*) FROM s", "E101", "*", /a name after "\."/],
  ["SELECT a.f(b) FROM s", "E101", "(", /found "\("/],
  ["SELECT a FROM s WINDOW TUMBLING (SIZE 5)", "E101", ")", /a unit such as SECOND after "5"/],
  ["SELECT a FROM s WINDOW TUMBLING (5 SECOND)", "E101", "5", /SIZE after "\("/],
  ["SELECT a FROM s WINDOW COUNT (SIZE 5 SECOND)", "E101", "SECOND", /"," or "\)" after "5"/],
  ["SELECT a FROM s WINDOW HOPPING (SIZE 5 SECOND)", "E101", ")", /"," after "SECOND"/],
  ["SELECT a FROM s WINDOW TUMBLING (SIZE -5 SECOND)", "E101", "-", /a whole number after "SIZE"/],
  ["SELECT a FROM s WINDOW SESSION (5, 10 SECONDS)", "E101", ",", /a unit such as SECOND after "5"/],
  ["SELECT a FROM s WINDOW", "E101", "", /TUMBLING, HOPPING, SLIDING, SESSION or COUNT after "WINDOW"/],
  // Statements.
  ['CREATE STREAM s WITH (TYPE="mqtt")', "E101", "WITH", /"\(" after "s"/, /write \(\)/],
  ["CREATE STREAM s ()", "E101", "", /WITH after "\)"/, /add WITH/],
  ["CREATE STREAM s (a) WITH ()", "E101", ")", /a type after "a"/],
  ["CREATE STREAM s (a DATETIME DEFAULT 1) WITH ()", "E101", "DEFAULT", /found "DEFAULT"/, /may have a DEFAULT/],
  ["CREATE STREAM s (a BIGINT DEFAULT b) WITH ()", "E101", "b", /a literal after "DEFAULT"/],
  ["CREATE STREAM s (a ARRAY) WITH ()", "E101", ")", /"\(" after "ARRAY"/],
  ["CREATE STREAM s () WITH (TYPE=mqtt)", "E101", "mqtt", /a string, TRUE, FALSE or a whole number after "="/],
  ['CREATE STREAM s () WITH (TYPE="mqtt",)', "E101", ")", /an option name after ","/],
  ["CREATE STREAM s () WITH () SELECT", "E101", "SELECT", /the end of the text/],
  ["DROP STREAM s; DROP STREAM t", "E101", "DROP", /the end of the text after ";"/],
  ["DROP STREAM", "E101", "", /a name after "STREAM"/],
  ["DROP s", "E101", "s", /STREAM or TABLE after "DROP"/],
  // Strings.
  ["SELECT 'a\\q' FROM demo", "E104", "\\q", /unknown escape in a string: found "\\q"/, /\\\\ for a backslash/],
  [`SELECT "it\\'s" FROM demo`, "E104", "\\'", /unknown escape/, /without a backslash/],
  ["SELECT a LIKE '5\\%' FROM demo", "E104", "\\%", /unknown escape/, /for LIKE write \\\\%/],
  ["SELECT '\\x4' FROM demo", "E104", "\\x", /incomplete escape/, /\\xHH/],
  ["SELECT '\\u12' FROM demo", "E104", "\\u", /incomplete escape/, /\\uXXXX/],
  ["SELECT '\\12' FROM demo", "E104", "\\1", /incomplete escape/, /\\ooo/],
  ["SELECT '\\777' FROM demo", "E104", "\\777", /octal/],
  ["SELECT '\\ud83d' FROM demo", "E104", "\\ud83d", /not a Unicode character/, /\\U0001F600/],
  ["SELECT '\\U00110000' FROM demo", "E104", "\\U00110000", /not a Unicode character/],
  ["SELECT 'abc FROM demo", "E104", "'abc FROM demo", /no end quote/],
  ["SELECT 'abc\ndef' FROM demo", "E104", "'abc", /line break/],
  ["SELECT 'abc\\", "E104", "'abc\\", /no end quote/],
  ["SELECT 'abc\\'", "E104", "'abc\\'", /no end quote/],
];

for (const [text, code, spanText, message, hint] of refused) {
  test(`parseStatement() refuses ${JSON.stringify(text)}`, () => {
    const [first] = diagnosticsOf(() => parseStatement(text));
    assert.ok(first !== undefined);
    assert.equal(first.code, code, first.message);
    assert.match(first.message, message);
    assert.equal(text.slice(first.span?.start, first.span?.end), spanText);
    if (hint !== undefined) assert.match(first.hint ?? "", hint);
  });
}

test("parseStatement() tells every bad escape at once", () => {
  const text = "SELECT 'a\\q', b AS 'c\\z' FROM s; '\\y'";
  const found = diagnosticsOf(() => parseStatement(text));
  assert.deepEqual(found.map((d) => [d.code, text.slice(d.span!.start, d.span!.end)]), [["E104", "\\q"], [
    "E104",
    "\\z",
  ]]);
});
