import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { changesOf, reloadTable } from "./reload_table.ts";
import { configSchema, namesAt } from "./schema.ts";

test("every setting of the configuration stands in the table, by itself or with its section, and nothing else does", () => {
  const paths = Object.keys(reloadTable);
  const covered = (path: string): boolean => {
    if (paths.includes(path)) return true;
    const names = namesAt(path.split(".")) ?? [];
    return names.length > 0 && names.every((name) => covered(`${path}.${name}`));
  };
  for (const name of Object.keys(configSchema.entries)) assert.ok(covered(name), `${name} is missing`);
  for (const path of paths) {
    const [last, above] = [path.split(".").at(-1)!, path.split(".").slice(0, -1)];
    assert.ok(namesAt(above)?.includes(last), `${path} is no setting`);
  }
});

test("what differs is told by its effect, the order of keys is no difference, and no value is shown", () => {
  const config = (value: object) => v.parse(configSchema, value);
  const before = config({ listen: "127.0.0.1:1", auth: { adminToken: "a token of some length" } });
  assert.deepEqual(changesOf(before, before), { now: [], later: [], restart: [] });
  const after = config({
    listen: "127.0.0.1:2",
    auth: { adminToken: "another token of some length" },
    log: { level: "debug" },
    sources: { mqtt: { a: { qos: 1, server: "x" } } },
  });
  assert.deepEqual(changesOf(before, after), { now: ["log.level", "auth"], later: ["sources"], restart: ["listen"] });
  const other = config({ sources: { mqtt: { a: { server: "x", qos: 1 } } } });
  assert.deepEqual(changesOf(config({ sources: { mqtt: { a: { qos: 1, server: "x" } } } }), other).later, []);
});
