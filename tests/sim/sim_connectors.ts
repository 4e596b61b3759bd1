/**
 * The connectors of a simulation, made for one life of the agent: streams of three powers, a lookup table whose answers
 * come later, and the sink.
 * @module
 */
import * as v from "valibot";
import { type Connector, defineConnector, type DeliveryGuarantee } from "../../src/connector/declare.ts";
import { text } from "../../src/connector/settings.ts";
import type { Struct } from "../../src/connector/source.ts";
import { RowsLookup } from "../../src/runtime/rows_lookup.ts";
import type { Life } from "./life.ts";
import type { Receivers } from "./receivers.ts";
import { lookupRows } from "./scenario.ts";
import type { Power, SimStream } from "./streams.ts";
import type { Weather } from "./weather.ts";

export interface SimWorld {
  readonly weather: Weather;
  readonly streams: ReadonlyMap<string, SimStream>;
  readonly receivers: Receivers;
}

const datasource = v.strictObject({ datasource: text({ description: "The stream or table." }) });
const promises: Record<Power, DeliveryGuarantee> = {
  tape: "exactly-once",
  broker: "at-least-once",
  live: "at-most-once",
};

export function simConnectors(life: Life, world: SimWorld): Connector[] {
  const sources = (["tape", "broker", "live"] as const).map((power) => source(power, life, world));
  return [...sources, answers(life, world), sink(life, world)];
}

function source(power: Power, life: Life, { streams }: SimWorld): Connector {
  return defineConnector({
    name: power,
    status: "experimental",
    summary: "A stream of a simulation.",
    source: {
      summary: "Gives what the seed says.",
      delivery: promises[power],
      emits: power === "tape" ? "rows" : "payloads",
      meta: [],
      settings: datasource,
      open: ({ datasource }, { owner = "", position }) =>
        streams.get(datasource)!.openSource({ life, owner, position }),
    },
    examples: [],
  });
}

function answers(life: Life, { weather }: SimWorld): Connector {
  const rows = new RowsLookup();
  rows.add(lookupRows);
  const index = rows.keyed(["k"]);
  return defineConnector({
    name: "answers",
    status: "experimental",
    summary: "A lookup table of a simulation.",
    lookup: {
      summary: "Answers later.",
      opens: "with rule",
      settings: datasource,
      open: () => {
        return {
          find: (_keys, values, _columns, signal) =>
            new Promise((resolve, reject) => {
              if (!life.touch("ask the table")) return;
              if (signal.aborted) return reject(signal.reason);
              const cancel = life.after(weather.latency(), "the table answers", () => {
                signal.removeEventListener("abort", abort);
                resolve(index.find(values, "all") as readonly Struct[]);
              });
              const abort = () => {
                cancel();
                reject(signal.reason);
              };
              signal.addEventListener("abort", abort, { once: true });
            }),
          close: () => Promise.resolve(),
        };
      },
    },
    examples: [],
  });
}

function sink(life: Life, { receivers }: SimWorld): Connector {
  return defineConnector({
    name: "sim",
    status: "experimental",
    summary: "A sink of a simulation.",
    sink: {
      summary: "Keeps what comes.",
      delivery: "exactly-once",
      accepts: "payloads",
      settings: v.strictObject({ topic: text({ description: "Its name." }) }),
      open: ({ topic }) => receivers.openSink(life, topic),
    },
    examples: [],
  });
}
