import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { defineConnector } from "../connector/declare.ts";
import { integer, text } from "../connector/settings.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { MemoryStore } from "../store/memory.ts";
import { ConfigRegistry } from "./configs.ts";
import { connectorConfigs } from "./connector_configs.ts";
import { prepareLookup } from "./prepare_lookup.ts";
import { StreamRegistry } from "./streams.ts";
import { ConnectorList } from "../connector/connector_list.ts";

const lookup = {
  summary: "Knows one row.",
  opens: "with rule",
  settings: v.strictObject({
    datasource: text({ description: "Table." }),
    limit: integer({ description: "Rows.", default: 5 }),
  }),
  open: () => ({ find: () => [], close: () => Promise.resolve() }),
} as const;

/** One that is both, with settings of their own, and one that is a lookup only. */
const both = defineConnector({
  name: "both",
  status: "stable",
  summary: "Both.",
  source: {
    summary: "Reads.",
    delivery: "at-most-once",
    emits: "rows",
    meta: [],
    settings: v.strictObject({
      datasource: text({ description: "Table." }),
      poll: integer({ description: "Seconds.", default: 1 }),
    }),
    open: () => Promise.reject(new Error("not opened in this test")),
  },
  lookup,
  examples: [],
});
const only = defineConnector({ name: "only", status: "stable", summary: "Only.", lookup, examples: [] });
const sourceOnly = defineConnector({
  name: "source_only",
  status: "stable",
  summary: "Source.",
  source: { ...both.source! },
  examples: [],
});
const connectors = new ConnectorList([both, only, sourceOnly]);

function environment() {
  const store = new MemoryStore();
  const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
  return { connectors, configs, streams: new StreamRegistry({ store, configs }) };
}

function prepare(options: string, { configs, streams } = environment()) {
  streams.execute(`CREATE TABLE t () WITH (KIND="lookup", DATASOURCE="d", ${options})`);
  return prepareLookup(streams.get("t")!, { connectors, configs });
}

test("prepareLookup() reads the settings of the role and the cache, seconds where no unit stands", () => {
  assert.equal(prepare('TYPE="only"').cache, undefined);
  const extra = '{"LIMIT":"7","lookup":{"cache":"true","cacheTtl":60,"cacheMissingKey":true}}';
  const prepared = prepare(`TYPE="only", EXTRA='${extra}'`);
  assert.deepEqual(prepared.settings, { datasource: "d", limit: 7 });
  assert.deepEqual(prepared.cache, { ttlMs: 60_000, missingKeys: true });
  for (const [ttl, ms] of [['"60"', 60_000], ['"500ms"', 500], ["0", 0], ["0.5", 500]] as const) {
    const { cache } = prepare(`TYPE="only", EXTRA='{"lookup":{"cache":true,"cacheTtl":${ttl}}}'`);
    assert.deepEqual(cache, { ttlMs: ms, missingKeys: false });
  }
});

test("a confKey serves streams and lookup tables alike", () => {
  const env = environment();
  const settings = { poll: 3, limit: 9, bufferLength: 10, useInt64ForWholeNumber: true, lookup: { cache: true } };
  env.configs.putConfKey("source", "both", "shared", settings);
  const prepared = prepare('TYPE="both", CONF_KEY="shared"', env);
  assert.deepEqual(prepared.settings, { datasource: "d", limit: 9 });
  assert.deepEqual(prepared.cache, { ttlMs: 0, missingKeys: false });
  env.configs.putConfKey("source", "only", "own", { limit: 2 });
  assert.throws(
    () => env.configs.putConfKey("source", "both", "bad", { lookup: { cacheTtl: "soon" } }),
    /E403.*cacheTtl/,
  );
  assert.throws(() => env.configs.putConfKey("source", "only", "bad", { poll: 2 }), /E402.*poll/);
});

test("prepareLookup() says what is wrong, and where", () => {
  const cases: readonly (readonly [options: string, reason: RegExp, path: string])[] = [
    ['TYPE="source_only"', /E405: Unknown lookup type "source_only" .*this version has both, only/, "table t"],
    ['TYPE="onyl"', /E405: .*did you mean "only"/, "table t"],
    ['TYPE="only", CONF_KEY="none"', /E406/, "table t.CONF_KEY"],
    ['TYPE="only", EXTRA=\'{"limi":1}\'', /E402.*did you mean "limit"/, "table t.limi"],
    ['TYPE="only", EXTRA=\'{"lookup":{"cach":true}}\'', /E402.*"cach"/, "table t.lookup.cach"],
    [
      'TYPE="only", EXTRA=\'{"lookup":{"cacheTtl":-1}}\'',
      /E403.*a duration such as "10s", or seconds/,
      "table t.lookup.cacheTtl",
    ],
  ];
  for (const [options, reason, path] of cases) {
    assert.throws(() => prepare(options), (error) => {
      assert.ok(error instanceof DiagnosticError);
      assert.match(error.message, reason);
      assert.equal(error.diagnostics[0]!.path, path);
      return true;
    });
  }
});
