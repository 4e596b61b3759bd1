/**
 * An engine whose rules are planned and commanded, but where nothing flows: for tests of the command line.
 * @module
 */
import * as v from "valibot";
import type { EngineModule } from "../../src/cli/command.ts";
import { defineConnector } from "../../src/connector/declare.ts";
import { integer, text } from "../../src/connector/settings.ts";
import { MemoryRules } from "../admin/memory_rules.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

/** Settings to check, and nothing to open. */
const wire = defineConnector({
  name: "wire",
  status: "experimental",
  summary: "A source for tests.",
  source: {
    summary: "Never opened.",
    delivery: "at-most-once",
    emits: "payloads",
    meta: [],
    settings: v.strictObject({
      datasource: text({ description: "Topic." }),
      qos: integer({ description: "Quality of service.", default: 0, max: 2 }),
      password: text({ description: "Password.", default: "" }),
    }),
    open: () => Promise.reject(new Error("this source cannot be opened")),
  },
  examples: [],
});

/** @param close What closing the engine takes. */
export function memoryEngine(close: () => Promise<void> = () => Promise.resolve()): EngineModule {
  return {
    connectors: new ConnectorList([wire]),
    create: ({ streams }) => ({ rules: new MemoryRules(streams), close }),
  };
}
