/**
 * Scripts in their thread: what they are given and give, and what stops those that do not end.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DateTime } from "../../value/datetime.ts";
import type { Value } from "../../value/value.ts";
import { ScriptHost } from "./host.ts";
import { decodeResult, encodeArguments } from "./values.ts";

/** What `exec` gives for each of the arguments. */
async function call(script: string, ...args: readonly Value[]): Promise<(Value | { readonly error: string })[]> {
  const host = new ScriptHost();
  const opened = host.open(script);
  try {
    const results = await opened.run(args.map((arg) => encodeArguments([arg])));
    return results.map((result) => "error" in result ? result : decodeResult(result.json));
  } finally {
    opened.close();
  }
}

async function errorOf(script: string): Promise<string> {
  const [result] = await call(script, 1n);
  return (result as { error: string }).error;
}

test("values cross to a script and back", async () => {
  const row = {
    int: 5n,
    large: 9_007_199_254_740_993n,
    float: 2.5,
    text: "ä\u0000",
    yes: true,
    nothing: null,
    when: new DateTime(1000, "UTC"),
    bytes: new Uint8Array([0, 255]),
    list: [1n, [2n], {}],
    nested: { "__proto__x": 1n, constructor: "c" },
  };
  assert.deepEqual(await call("const exec = (msg) => msg", row), [row]);
});

test("a script works with numbers, BigInt, Date and Uint8Array", async () => {
  const script = `function exec(m) {
    return { n: m.n + 1, half: m.n / 2, big: m.big + 1n, year: m.when.getUTCFullYear(), first: m.bytes[0],
      later: new Date(5), buffer: new ArrayBuffer(2), nan: NaN, gone: undefined };
  }`;
  const [result] = await call(script, {
    n: 3n,
    big: 9_007_199_254_740_993n,
    when: new DateTime(0, "UTC"),
    bytes: new Uint8Array([7]),
  });
  assert.deepEqual(result, {
    n: 4n,
    half: 1.5,
    big: 9_007_199_254_740_994n,
    year: 1970n,
    first: 7n,
    later: new DateTime(5, "UTC"),
    buffer: new Uint8Array(2),
    nan: null,
  });
});

test("a script keeps its global variables from call to call", async () => {
  assert.deepEqual(await call("let n = 0; function exec() { return ++n; }", 0n, 0n, 0n), [1n, 2n, 3n]);
});

const failing: readonly (readonly [string, script: string, error: RegExp])[] = [
  ["throws", "function exec() { throw new RangeError('no') }", /^RangeError: no$/],
  ["throws no error", "function exec() { throw { a: 1 } }", /^\{"a":1\}$/],
  ["has no exec", "const other = 1; // exec", /ReferenceError: .*exec/],
  ["has an exec that is no function", "const exec = 5", /TypeError: not a function/],
  ["does not end", "function exec() { for (;;); }", /^it took longer than 1000 ms$/],
  ["does not end when it begins", "for (;;); function exec() {}", /^it took longer than 1000 ms$/],
  ["has a regular expression that does not end", "const exec = () => /^(a+)+$/.test('a'.repeat(40) + '!')", /1000 ms/],
  ["calls itself for ever", "function exec() { return exec(); }", /stack/],
  ["takes all memory", "const exec = () => { const a = []; for (;;) a.push(new Uint8Array(1e6)); }", /out of memory/],
  ["takes all memory in small parts", "const exec = () => { const a = []; for (;;) a.push({ a }); }", /memory|1000 ms/],
  ["gives what contains itself", "function exec() { const a = {}; a.a = a; return a; }", /contains itself/],
  ["gives a function", "function exec() { return { f: exec }; }", /^TypeError: a function cannot be part of a row$/],
  ["looks for files and network", "const exec = () => fetch('http://localhost')", /ReferenceError/],
  ["throws what does not end", "function exec() { throw { get message() { for (;;); } } }", /./],
];

for (const [what, script, error] of failing) {
  test(`a script that ${what} fails, and the next call is made`, async () => {
    assert.match(await errorOf(script), error);
  });
}

test("a script reaches nothing of the agent", async () => {
  const script = `const exec = () => [typeof process, typeof require, typeof fetch, typeof Worker, typeof setTimeout,
    typeof importScripts, typeof WebAssembly, typeof self, typeof window].join()`;
  assert.deepEqual(await call(script, null), [Array(9).fill("undefined").join()]);
});

test("a script that changes its own world fails by itself", async () => {
  const script = `JSON.stringify = () => { throw 1; }; Object.keys = () => ["x"]; Array.isArray = () => true;
    function exec(msg) { return { a: msg.a }; }`;
  assert.deepEqual(await call(script, { a: 1n }), [{ a: 1n }]);
});

test("a script that cannot be interrupted is ended with its thread, and others go on", async () => {
  const host = new ScriptHost();
  const hanging = host.open(
    "function exec(n) { return n === 1 ? 'a'.repeat(2e5).indexOf('a'.repeat(1e5) + 'b') : n; }",
  );
  const other = host.open("function exec(n) { return n; }");
  try {
    assert.deepEqual(await hanging.run([encodeArguments([0n])]), [{ json: "0" }]);
    const [first, second, third] = await Promise.all([
      hanging.run([encodeArguments([1n]), encodeArguments([2n])]),
      other.run([encodeArguments([7n])]),
      hanging.run([encodeArguments([3n])]),
    ]);
    for (const result of [...first, ...third]) {
      assert.match((result as { error: string }).error, /did not end within 2000 ms, and is not called again/);
    }
    assert.deepEqual(second, [{ json: "7" }]);
    const again = await hanging.run([encodeArguments([0n])]);
    assert.match((again[0] as { error: string }).error, /not called again/);
  } finally {
    hanging.close();
    other.close();
  }
});

test("runs of several scripts are carried out in order, and one that is closed does not disturb the others", async () => {
  const host = new ScriptHost();
  const scripts = [1, 2, 3].map((n) => host.open(`function exec(x) { return x * ${n}; }`));
  const runs = scripts.map((script) => script.run([encodeArguments([2n]), encodeArguments([3n])]));
  scripts[0]!.close();
  const [, second, third] = runs;
  assert.deepEqual(await second, [{ json: "4" }, { json: "6" }]);
  assert.deepEqual(await third, [{ json: "6" }, { json: "9" }]);
  for (const script of scripts) script.close();
});

test("a script that is slow on every row does not hold up the others", async () => {
  const host = new ScriptHost();
  const slow = host.open("function exec() { for (;;); }");
  const quick = host.open("function exec(x) { return x; }");
  try {
    let slowDone = false;
    const running = slow.run(Array.from({ length: 10 }, () => encodeArguments([0n]))).then((results) => {
      slowDone = true;
      return results;
    });
    for (let i = 0; i < 3; i++) assert.deepEqual(await quick.run([encodeArguments([7n])]), [{ json: "7" }]);
    assert.equal(slowDone, false);
    const results = await running;
    assert.equal(results.length, 10);
    for (const result of results) assert.match((result as { error: string }).error, /longer than 1000? ms/);
  } finally {
    slow.close();
    quick.close();
  }
});
