import assert from "node:assert/strict";
import { test } from "node:test";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderError } from "../diagnostics/render.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { DateTime } from "../value/datetime.ts";
import type { Struct, Value } from "../value/value.ts";
import { dynamicSettings, dynamicText } from "./dynamic_property.ts";
import { allFunctions } from "./functions/registry.ts";
import { compileTemplate, isTemplate } from "./template.ts";
import { templateCases } from "./template_cases.ts";

/** Templates are given rows; the language itself takes any value. */
function evaluate(template: string, data: Value): string {
  return compileTemplate(template)(data as Struct);
}

function isRefusal(error: unknown): boolean {
  return error instanceof DiagnosticError || (error instanceof RowError && error.code === "E516");
}

for (const [i, [template, data, gives]] of templateCases.entries()) {
  test(`case ${i}: ${template} ${gives === undefined ? "is refused" : "gives what Go gives"}`, () => {
    if (gives === undefined) assert.throws(() => evaluate(template, data), isRefusal);
    else assert.equal(evaluate(template, data), gives);
  });
}

for (const { name, example: { template, data, gives } } of allFunctions) {
  test(`the example of ${name} holds`, () => {
    const result = evaluate(template, data ?? {});
    if (gives === undefined) assert.notEqual(result, "");
    else assert.equal(result, gives);
  });
}

const ownWays: readonly (readonly [why: string, template: string, data: Value, gives: string])[] = [
  ["texts can be sliced, as without sprig", '{{slice "pump-7" 5}}', {}, "7"],
  ["an int of a row fits where Go wants an int", "{{trunc .n .s}}", { n: 2n, s: "abc" }, "ab"],
  ["all ints are int64", '{{printf "%T" 1}}', {}, "int64"],
  ["seconds may be an int", "{{duration 95}}", {}, "1m35s"],
  ["keys are in order", "{{keys .}}", { b: 1n, a: 1n }, "[a b]"],
  ["bytes print as numbers", "{{.}}", new Uint8Array([104, 105]), "[104 105]"],
  ["bytes are text with %s", '{{printf "%s" .}}', new Uint8Array([104, 105]), "hi"],
  ["bytes stay bytes in base64", "{{base64 .}}", new Uint8Array([255, 0]), "/wA="],
  ["datetimes print as Go's", "{{.}}", new DateTime(1500000000500, "UTC"), "2017-07-14 02:40:00.5 +0000 UTC"],
  ["datetimes are JSON texts", "{{json .}}", { t: new DateTime(0, "UTC") }, '{"t":"1970-01-01T00:00:00Z"}'],
  ["datetimes have layouts", '{{dateInZone "15:04:05.000" . "UTC"}}', new DateTime(1500, "UTC"), "00:00:01.500"],
  ["names of JavaScript are no fields", "{{.constructor}}{{.__proto__}}{{.toString}}", {}, "<no value>".repeat(3)],
  ["a field may be called __proto__", '{{(dict "__proto__" 1).__proto__}}', {}, "1"],
  ["NaN prints as Go's", "{{.}}", NaN, "NaN"],
];

for (const [why, template, data, gives] of ownWays) {
  test(`weir's own way: ${why}`, () => assert.equal(evaluate(template, data), gives));
}

test("compileTemplate() shows the place of a mistake, with a hint", () => {
  const text = "{\n  {{.a | uper}} {{prnt 1}}\n}";
  assert.throws(() => compileTemplate(text, { path: "actions.0.log.dataTemplate" }), (error) => {
    assert.ok(error instanceof DiagnosticError);
    assert.deepEqual(error.diagnostics.map(({ code }) => code), ["E409", "E409"]);
    assert.deepEqual(renderError(error).split("\n").slice(0, 4), [
      'E409: Unknown function "uper"',
      " --> actions.0.log.dataTemplate:2:10",
      "2 |   {{.a | uper}} {{prnt 1}}",
      '  |          ^^^^ did you mean "upper"?',
    ]);
    return true;
  });
});

test("compileTemplate() tells why a function of sprig is left out", () => {
  assert.throws(() => compileTemplate('{{env "HOME"}}'), /nothing of the machine/);
  assert.throws(() => compileTemplate("{{call .f}}"), /no value of a row is a function/);
});

test("compileTemplate() tells where a block that stays open begins", () => {
  assert.throws(() => compileTemplate("a {{range .}} b"), (error) => {
    assert.deepEqual((error as DiagnosticError).diagnostics[0]!.notes, [
      { message: "It was opened here", span: { start: 2, end: 4 } },
    ]);
    return true;
  });
});

test("a template that fails names its place", () => {
  assert.throws(
    () => evaluate("a\n{{upper .n}}", { n: 5n }),
    {
      code: "E516",
      message: "Template failed at 2:3 <upper .n>: argument 1 of upper must be a string: int64 given; use toString",
    },
  );
  assert.throws(() => evaluate("{{.a}}", [{ a: 1n }]), /sendSingle/);
  assert.throws(() => evaluate("{{lt .t 30}}", { t: 20.5 }), /write 30.0 for a float/);
});

test("a template cannot change a row", () => {
  const row: Struct = { a: 1n, n: { x: 1n } };
  assert.throws(() => evaluate('{{set . "b" 2}}', row), /cannot change a row/);
  assert.throws(() => evaluate('{{set .n "b" 2}}', row), /cannot change a row/);
  assert.throws(() => evaluate('{{$d := dict "n" .n}}{{set $d.n "b" 2}}', row), /cannot change a row/);
  assert.equal(evaluate('{{merge . (dict "b" 2 "n" (dict "y" 2))}}', row), "map[a:1 b:2 n:map[x:1 y:2]]");
  assert.equal(evaluate('{{set (deepCopy .).n "b" 2}}', row), "map[b:2 x:1]");
  assert.deepEqual(row, { a: 1n, n: { x: 1n } });
});

test("now and ago read the clock that is given", () => {
  const options = { now: () => 1500000060000 };
  assert.equal(compileTemplate('{{dateInZone "15:04" now "UTC"}} {{ago 1500000000}}', options)({}), "02:41 1m0s");
});

test("what is printed passes through fit, with what stands before it; the template's own text does not", () => {
  const seen: unknown[] = [];
  const fit = (text: string, value: unknown, before: string) => {
    seen.push([text, value, before]);
    return `<${text}>`;
  };
  const template = compileTemplate("a={{.a}}{{if .a}} b={{upper .b}}{{end}}", { fit });
  assert.equal(template({ a: 5n, b: "x" }), "a=<5> b=<X>");
  assert.deepEqual(seen, [["5", 5n, "a="], ["X", "X", "a=<5> b="]]);
});

test("isTemplate() is true for texts with actions only", () => {
  assert.equal(isTemplate("plant/{{.id}}"), true);
  assert.equal(isTemplate('{"a":{"b":1}}'.replace("}}", "} }")), false);
});

test("dynamicText() hands constant texts through and evaluates others", () => {
  const constant = dynamicText("plant/7");
  assert.equal(constant.constant, "plant/7");
  assert.equal(constant.value({ id: "x" }), "plant/7");
  const topic = dynamicText("plant/{{.id}}");
  assert.equal(topic.constant, undefined);
  assert.equal(topic.value({ id: "pump" }), "plant/pump");
});

test("dynamicSettings() fills in texts at any depth and leaves the rest", () => {
  const settings = { qos: 1, headers: { a: "x", b: "{{.id}}" }, tags: ["{{.n}}", "t"] };
  const dynamic = dynamicSettings(settings, { path: "actions.0.rest" });
  assert.deepEqual(dynamic.value({ id: "p", n: 5n }), { qos: 1, headers: { a: "x", b: "p" }, tags: ["5", "t"] });
  assert.equal(dynamicSettings({ a: "x" }).constant?.a, "x");
  assert.throws(() => dynamicSettings({ headers: { b: "{{" } }, { path: "actions.0.rest" }), (error) => {
    assert.equal((error as DiagnosticError).diagnostics[0]!.path, "actions.0.rest.headers.b");
    return true;
  });
});
