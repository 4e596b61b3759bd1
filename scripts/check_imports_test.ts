import assert from "node:assert/strict";
import { test } from "node:test";
import { checkImports, findImports, withoutComments } from "./check_imports.ts";

/** Checks files given as path → text. */
function check(files: Record<string, string>): string[] {
  return checkImports(Object.entries(files).map(([path, text]) => ({ path, text })));
}

const allowed: Record<string, Record<string, string>> = {
  "an arrow of the table": { "src/runtime/a.ts": 'import { b } from "../sql/b.ts";' },
  "a hash in a SQL function": { "src/sql/functions/sha256.ts": 'import { createHash } from "node:crypto";' },
  "the same folder": { "src/sql/a.ts": 'import { b } from "./analyze/b.ts";' },
  "npm packages and node modules": { "src/store/a.ts": 'import fs from "node:fs";\nimport { Hono } from "hono";' },
  "a connector's contract": {
    "connectors/mqtt/mod.ts": 'import { defineConnector } from "../../src/connector/declare.ts";',
  },
  "the list of connectors": { "connectors/mod.ts": 'import { mqtt } from "./mqtt/mod.ts";' },
  "the platform from main": { "main.ts": 'import { loadPlatform } from "./src/platform/mod.ts";' },
  "an engine's name in the platform": { "src/platform/deno.ts": "Deno.exit(0);" },
  "an engine's name in a comment": { "src/sql/a.ts": "/** Not Deno.exit. */\nconst a = 1; // nor Bun.serve" },
  "an import in an example": { "src/sql/a.ts": '/**\n * import { x } from "../runtime/x.ts";\n */\n' },
  "anything in a test": { "src/sql/a_test.ts": 'import "../runtime/x.ts";\nDeno.exit(0);' },
  "a circle of types": {
    "src/sql/a.ts": 'import type { B } from "./b.ts";',
    "src/sql/b.ts": 'import { a } from "./a.ts";',
    "src/sql/c.ts": 'import { type D } from "./d.ts";',
    "src/sql/d.ts": 'import { c } from "./c.ts";',
  },
};

for (const [name, files] of Object.entries(allowed)) {
  test(`checkImports() allows ${name}`, () => assert.deepEqual(check(files), []));
}

const refused: Record<string, [files: Record<string, string>, problem: RegExp]> = {
  "an arrow that points up": [
    { "src/sql/a.ts": '// why\nimport {\n  b,\n} from "../runtime/b.ts";' },
    /^src\/sql\/a\.ts:2: src\/sql may not import src\/runtime/,
  ],
  "a type that points up": [{ "src/sql/a.ts": 'import type { B } from "../store/b.ts";' }, /may not import src\/store/],
  "a re-export that points up": [{ "src/value/a.ts": 'export * from "../sql/b.ts";' }, /may not import src\/sql/],
  "a dynamic import that points up": [
    { "src/store/a.ts": 'const b = await import("../admin/b.ts");' },
    /may not import src\/admin/,
  ],
  "a node module in sql": [{ "src/sql/a.ts": 'import "node:fs";' }, /src\/sql is pure/],
  "a hash elsewhere in sql": [{ "src/sql/plan.ts": 'import "node:crypto";' }, /src\/sql is pure/],
  "a connector that reaches into the engine": [
    { "connectors/mqtt/source.ts": 'import { x } from "../../src/runtime/x.ts";' },
    /connectors\/mqtt may not import src\/runtime/,
  ],
  "a connector that imports another": [
    { "connectors/mqtt/source.ts": 'import { x } from "../sparkplug/x.ts";' },
    /connectors\/mqtt may not import connectors\/sparkplug/,
  ],
  "the platform from the engine": [
    { "src/runtime/a.ts": 'import { loadPlatform } from "../platform/mod.ts";' },
    /src\/runtime may not import src\/platform/,
  ],
  "an engine's name elsewhere": [
    { "src/store/a.ts": "\nconst x = Bun.file(path);" },
    /^src\/store\/a\.ts:2: names Bun/,
  ],
  "a folder nobody wrote down": [{ "src/helpers/a.ts": 'import "../sql/b.ts";' }, /"src\/helpers" has no entry/],
  "a circle": [
    {
      "src/sql/a.ts": 'import { b } from "./b.ts";',
      "src/sql/b.ts": 'export { c } from "./c.ts";',
      "src/sql/c.ts": 'import "./a.ts";',
    },
    /imports itself: src\/sql\/a\.ts -> src\/sql\/b\.ts -> src\/sql\/c\.ts -> src\/sql\/a\.ts/,
  ],
};

for (const [name, [files, problem]] of Object.entries(refused)) {
  test(`checkImports() refuses ${name}`, () => {
    const problems = check(files);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0]!, problem);
  });
}

test("findImports() tells types, values and dynamic imports apart", () => {
  const found = findImports(withoutComments(
    'import a, { type B } from "./1.ts";\nimport { type C, type D } from "./2.ts";\nimport type E from "./3.ts";\n' +
      'export type { F } from "./4.ts";\nconst x = () => import("./5.ts");\n',
  ));
  assert.deepEqual(found.map(({ specifier, line, typeOnly, dynamic }) => [specifier, line, typeOnly, dynamic]), [
    ["./1.ts", 1, false, false],
    ["./2.ts", 2, true, false],
    ["./3.ts", 3, true, false],
    ["./4.ts", 4, true, false],
    ["./5.ts", 5, false, true],
  ]);
});
