/**
 * Texts and templates made at random: whatever they are, the answer is a text or a refusal that says what is wrong.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderError } from "../diagnostics/render.ts";
import { RowError } from "../diagnostics/row_error.ts";
import type { Struct } from "../value/value.ts";
import { allFunctions } from "./functions/registry.ts";
import { compileTemplate } from "./template.ts";
import { threadMs } from "../../tests/thread_time.ts";

/** Far more than what a template may take; the machine may be busy. */
const slowMs = 2000;

/** A small generator, the same for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const data: Struct = {
  a: 5n,
  f: 2.5,
  s: "pump-7 é",
  n: null,
  t: true,
  l: [1n, "x", null, { a: 1n }],
  m: { k: "v", "": 0n },
  b: new Uint8Array([1, 255]),
};

/** Evaluates within the time; a refusal must be one of ours and must render. */
function tryTemplate(text: string): string | undefined {
  const start = threadMs();
  try {
    return compileTemplate(text, { now: () => 0 })(data);
  } catch (error) {
    if (error instanceof DiagnosticError) {
      assert.ok(error.diagnostics.every(({ code, span }) => code === "E409" && span !== undefined), text);
      for (const { span } of error.diagnostics) assert.ok(span!.start <= span!.end, text);
      assert.notEqual(renderError(error), "");
    } else assert.ok(error instanceof RowError && error.code === "E516", `${text}: ${error}`);
    return undefined;
  } finally {
    assert.ok(threadMs() - start < slowMs, `${text} takes too long`);
  }
}

const pieces = [
  ..."{{ }} {{- -}} {{/* */}} ( ) | , := = . $ $x .a .l .m.k \" ` ' \\ % \n 1 1.5 -3 0x 1e9 nil true".split(" "),
  ..."if else end range with define template block break continue and or".split(" "),
  ' "a" ',
  " ",
  " ",
  "é😀",
];

test("garbage is refused or gives a text, and never takes long", () => {
  const next = random(7);
  for (let i = 0; i < 20_000; i++) {
    let text = "";
    for (let count = next(14); count >= 0; count--) text += pieces[next(pieces.length)];
    tryTemplate(text);
  }
});

test("cut and doubled templates are refused or give a text", () => {
  const next = random(8);
  const whole = '{{define "T"}}<{{.}}>{{end}}{{$x := .a}}{{range $i, $e := .l}}{{if eq $i 1}}{{continue}}{{else}}' +
    '{{template "T" $e}}{{end}}{{else}}none{{end}}{{with .m}}{{.k | printf "%-5s|%q" .k}}{{end}}{{- (index .l 0) -}} ';
  assert.notEqual(tryTemplate(whole), undefined);
  for (let i = 0; i < 5_000; i++) {
    const [from, to, at] = [next(whole.length), next(whole.length), next(whole.length)];
    tryTemplate(whole.slice(0, at) + whole.slice(Math.min(from, to), Math.max(from, to)) + whole.slice(at));
    tryTemplate(whole.slice(0, Math.min(from, to)) + whole.slice(Math.max(from, to)));
  }
});

const operands = [
  ".a",
  ".f",
  ".s",
  ".n",
  ".t",
  ".l",
  ".m",
  ".b",
  ".none",
  ".",
  "nil",
  "0",
  "-1",
  "1",
  "3",
  "100",
  "1000000",
  "1.5",
  "-0.0",
  "1e300",
  '""',
  '"a"',
  '"é,b"',
  '"%[2]*.[1]*f"',
  '"%x%q%-08.3v"',
  '"(a*)+$"',
  '"2006-01-02"',
  '"1.2.3"',
  '"[1,{"',
  '"\\xff"',
  "(list 1 2)",
  "(dict)",
  "(list)",
  "now",
  '(semver "1.2.3")',
  "9223372036854775807",
];

for (const { name, aliases, params, most } of allFunctions) {
  test(`${name} takes or refuses whatever it is given`, () => {
    const next = random(name.length * 31 + name.charCodeAt(0));
    for (let i = 0; i < 150; i++) {
      const count = Math.min(most, Math.max(0, params.length + next(3) - (i % 2)));
      const given = Array.from({ length: count }, () => operands[next(operands.length)]);
      const called = [name, ...aliases][next(aliases.length + 1)];
      tryTemplate(`{{${[called, ...given].join(" ")}}}`);
      tryTemplate(`{{$x := ${[called, ...given].join(" ")}}}{{$x}}{{toString $x | quote}}`);
    }
  });
}

test("a text without actions stays as it is", () => {
  const next = random(9);
  for (let i = 0; i < 2_000; i++) {
    const text = Array.from(
      { length: next(30) },
      () => String.fromCharCode(next(2) === 0 ? 32 + next(95) : next(65536)),
    )
      .join("").replaceAll("{{", "{");
    assert.equal(tryTemplate(text), text);
  }
});

test("a text printed from a quoted literal is that text", () => {
  const next = random(10);
  for (let i = 0; i < 2_000; i++) {
    const text = Array.from(
      { length: next(20) },
      () => String.fromCodePoint(next(3) === 0 ? next(0xd800) : 32 + next(95)),
    )
      .join("");
    const literal = compileTemplate('{{printf "%q" .text}}')({ text });
    assert.equal(compileTemplate(`{{${literal}}}`)({}), text, literal);
  }
});

const heavy: readonly string[] = [
  "{{range 100000000000}}{{end}}",
  '{{range 100000000}}{{$x := printf "%.1000f" 1e-300}}{{end}}',
  '{{$s := "ab"}}{{range 100}}{{$s = print $s $s}}{{end}}',
  "{{$s := list 1}}{{range 60}}{{$s = list $s $s}}{{end}}{{$s}}",
  "{{$s := list 1}}{{range 60}}{{$s = list $s $s}}{{end}}{{toJson $s}}",
  "{{$s := list 1}}{{range 60}}{{$s = list $s $s}}{{end}}{{$x := deepCopy $s}}{{deepEqual $s $x}}",
  "{{$s := list 1}}{{range 100000}}{{$s = list $s}}{{end}}{{$s}}",
  '{{$d := dict}}{{$_ := set $d "d" $d}}{{$d}}',
  '{{$d := dict}}{{$_ := set $d "d" $d}}{{json $d}}',
  '{{define "A"}}{{template "A" .}}{{template "A" .}}{{end}}{{template "A"}}',
  '{{define "A"}}{{if gt . 0}}{{template "A" (sub . 1)}}{{template "A" (sub . 1)}}{{end}}{{end}}{{template "A" 60}}',
  '{{repeat 1000000000 "a"}}',
  "{{until 100000000}}",
  "{{until 100000 | uniq}}",
  '{{regexMatch "(a*)*(b|c)+d" (repeat 100000 "ab")}}',
  "{{range 100000000}}abcdefghijklmnopqrstuvwxyz{{end}}",
  '{{range 1000}}{{$x := snakecase (repeat 100000 "A")}}{{end}}',
  '{{range 1000}}{{$x := camelcase (print "a" (repeat 100000 "_"))}}{{end}}',
  "{{".repeat(1000),
  `{{${"(".repeat(5000)}1${")".repeat(5000)}}}`,
  "{{if 1}}".repeat(5000) + "{{end}}".repeat(5000),
];

for (const text of heavy) {
  test(`${text.slice(0, 60)} is stopped`, () => assert.equal(tryTemplate(text), undefined));
}
