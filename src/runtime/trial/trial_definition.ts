/**
 * What a trial run is made of: a statement, rows in the place of streams, and how its results shall look.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../connector/declare.ts";
import { refuseSetting } from "../../connector/settings.ts";
import { diagnostic, DiagnosticError, fail } from "../../diagnostics/diagnostic.ts";
import { didYouMean } from "../../diagnostics/suggest.ts";
import { usesCache } from "../durable/cache_settings.ts";
import { type PreparedRule, prepareRule, type RuleEnvironment } from "../prepare_rule.ts";
import { readRule, type RuleDefaults } from "../rule_definition.ts";
import type { StreamDefinition } from "../stream_definition.ts";
import type { TrialOutlet } from "./trial_outlet.ts";

export interface TrialDefinition {
  readonly id: string;
  readonly sql: string;
  /** By the name of a stream or table: what the simulator does in its place. */
  readonly mockSource: Readonly<Record<string, unknown>>;
  /** Properties of an action that every sink has. */
  readonly sinkProps: Readonly<Record<string, unknown>>;
}

const sinkType = "ruletest";

/** What no definition of a rule may have: it keeps clear of the rule of the same id. */
export function ruleIdOf(id: string): string {
  return `test/${id}`;
}

/**
 * Checks a trial run as a rule is checked.
 *
 * @param outlet gets the results
 * @throws {DiagnosticError} what is wrong
 */
export function prepareTrial(
  trial: TrialDefinition,
  environment: RuleEnvironment,
  defaults: RuleDefaults,
  outlet: TrialOutlet,
): PreparedRule {
  const json = JSON.stringify({
    id: trial.id,
    sql: trial.sql,
    actions: [{ [sinkType]: trial.sinkProps }],
    // The agent may have other defaults for rules that stay.
    options: { qos: 0, sendError: true, cron: "", duration: 0, cronDatetimeRange: [], restartStrategy: {} },
    temp: true,
  });
  const { sinkDefaults: _kept, ...rest } = environment;
  const prepared = prepareRule({ ...readRule(json, defaults), id: ruleIdOf(trial.id) }, {
    ...rest,
    connectors: environment.connectors.with(outletConnector(outlet)),
    streams: mocked(environment.streams, trial.mockSource),
  });
  for (const { common } of prepared.actions) {
    if (usesCache(common)) fail("E408", "A trial run keeps nothing", { path: "sinkProps.enableCache" });
  }
  for (const name of Object.keys(trial.mockSource)) {
    if (prepared.reads.includes(name)) continue;
    const hint = didYouMean(name, prepared.reads);
    fail("E404", `mockSource has rows for "${name}", which the statement does not read`, {
      path: `mockSource.${name}`,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  return prepared;
}

/** The streams, some of them fed by the simulator. */
function mocked(
  streams: RuleEnvironment["streams"],
  mockSource: TrialDefinition["mockSource"],
): RuleEnvironment["streams"] {
  const made = new Map<string, StreamDefinition>();
  return {
    names: () => streams.names(),
    get(name) {
      const stream = streams.get(name);
      if (stream === undefined || !Object.hasOwn(mockSource, name)) return stream;
      const known = made.get(name) ?? mock(stream, mockSource[name]);
      made.set(name, known);
      return known;
    },
  };
}

function mock(stream: StreamDefinition, settings: unknown): StreamDefinition {
  if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
    throw new DiagnosticError([
      diagnostic("E403", `mockSource of "${stream.name}" must be an object such as {"data": [{"a": 1}]}`, {
        path: `mockSource.${stream.name}`,
      }),
    ]);
  }
  return {
    ...stream,
    options: {
      ...stream.options,
      type: "simulator",
      // Rows need neither.
      format: "json",
      schemaId: undefined,
      confKey: undefined,
      // Others that read the stream must not get its rows.
      shared: false,
      extra: settings as StreamDefinition["options"]["extra"],
    },
  };
}

/** A sink that no other rule can name. */
function outletConnector(outlet: TrialOutlet) {
  return defineConnector({
    name: sinkType,
    status: "stable",
    summary: "The results of a trial run.",
    sink: {
      summary: "Gives each result to all that listen.",
      delivery: "at-most-once",
      promise: () => ({ level: "at-most-once", limit: "results are for those that listen" }),
      accepts: "payloads",
      settings: v.strictObject({}),
      check: (_settings, { payloads }) => {
        for (const name of ["compression", "encryption"] as const) {
          if ((payloads?.[name] ?? "") !== "") {
            refuseSetting(name, `The results of a trial run are for people: no ${name}`);
          }
        }
      },
      open: () => ({
        async write(batch, signal) {
          signal.throwIfAborted();
          await outlet.send(batch);
        },
        close: () => Promise.resolve(),
      }),
    },
    examples: [],
  });
}
