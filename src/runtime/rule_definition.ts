/**
 * A rule's JSON, checked: what it says, apart from what its SQL means.
 * @module
 */
import { parseShallow } from "../codec/json_parse.ts";
import * as v from "valibot";
import {
  choice,
  duration,
  flag,
  ignored,
  integer,
  list,
  readSettings,
  text,
  unsupported,
} from "../connector/settings.ts";
import { type Diagnostic, fail, throwIfAny } from "../diagnostics/diagnostic.ts";
import type { Actor } from "../policy/actor.ts";
import type { PlanOptions } from "../sql/plan.ts";
import { type Graph, propsPath } from "../sql/graph/graph.ts";
import { readGraph } from "../sql/graph/read_graph.ts";
import { defaultBatchTimeMax, defaultStateBytesMax } from "./limits/default_limits.ts";
import { nameProblem } from "./names.ts";
import { readSchedule, type Schedule } from "./schedule.ts";

const restartStrategy = v.strictObject({
  attempts: integer({
    description: "Above 0: a rule stopped by an error is started again at every `rulePatrolInterval`, without end.",
    default: 0,
    min: 0,
  }),
  delay: ignored("Of eKuiper 1.x."),
  multiplier: ignored("Of eKuiper 1.x."),
  maxDelay: ignored("Of eKuiper 1.x."),
  jitterFactor: ignored("Of eKuiper 1.x."),
});

const planOptimizeStrategy = v.strictObject({
  enableIncrementalWindow: ignored("Windows keep running aggregates whenever they can.", v.boolean()),
  enableAliasPushdown: ignored("Plans are always optimised.", v.boolean()),
  disableAliasRefCal: ignored("An alias is computed once for each row.", v.boolean()),
  optimizeControl: ignored("Plans are always optimised."),
  windowOption: v.optional(
    v.pipe(
      v.strictObject({
        enableSendSlidingWindowTwice: flag({
          description:
            "A sliding window with a delay gives two windows: what was before the trigger, and what came after.",
          default: false,
        }),
        windowVersion: choice(["", "v1", "v2"], {
          description: "With v2 a row exactly as old as a sliding window is long stands outside.",
          default: "",
        }),
      }),
      v.description("Variants of sliding windows."),
    ),
  ),
});

/** The end of the year 9999. */
const timestampMax = 253_402_300_799_999;

const datetimeRange = v.strictObject({
  begin: text({ description: "First moment, `YYYY-MM-DD hh:mm:ss`.", default: "" }),
  end: text({ description: "The moment after the last one.", default: "" }),
  beginTimestamp: integer({ description: "First moment in Unix milliseconds.", default: 0, min: 0, max: timestampMax }),
  endTimestamp: integer({ description: "The moment after the last one.", default: 0, min: 0, max: timestampMax }),
});

/** The options of a rule; defaults may come from the agent's configuration. */
export const ruleOptions = v.strictObject({
  isEventTime: flag({ description: "Time is taken from the TIMESTAMP column of the streams.", default: false }),
  lateTolerance: duration({ description: "How far the watermark stays behind the newest row.", default: 1000 }),
  sendError: flag({ description: 'Errors of rows travel to the actions as {"error": "…"}.', default: false }),
  sendMetaToSink: flag({ description: "Adds the metadata of the source as the column __meta.", default: false }),
  sendNilField: flag({ description: "Writes absent columns and null expressions as null.", default: false }),
  bufferLength: integer({
    description: "Rows that wait for a rule on a shared stream before the oldest is dropped.",
    default: 1024,
    min: 1,
    max: 1_000_000,
  }),
  disableBufferFullDiscard: flag({
    description: "A full buffer holds back the source instead of dropping; always so for streams that are not shared.",
    default: false,
  }),
  qos: choice([0, 1, 2], {
    description:
      "0 at most once; 1 at least once; 2 exactly-once state, and exactly once where source and sinks allow.",
    default: 0,
  }),
  durability: choice(["process", "power"], {
    description:
      "With qos 1 and 2: what is acknowledged survives the death of the process, or also that of the machine.",
    default: "process",
  }),
  stateBytesMax: integer({
    description:
      "Bytes of memory that windows, groups, partitions, joins and waiting rows of the rule may take, about; a rule that " +
      "takes more is stopped with E513. 0 is no limit.",
    default: defaultStateBytesMax,
    min: 0,
  }),
  batchTimeMax: duration({
    description:
      "Longest time that the rule may work without a pause, on the rows of a part of a batch or on a window that closes; " +
      "found out afterwards, the rule is stopped with E514. 0 is no limit.",
    default: defaultBatchTimeMax,
  }),
  forceExitTimeout: duration({ description: "Longest wait for a rule to stop; 0 is the default of 5 s.", default: 0 }),
  cron: text({
    description:
      "When the rule starts: minute, hour, day of month, month and day of week, in the zone of the agent; or " +
      "`@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, `@every 1h30m`. Needs `duration`.",
    default: "",
  }),
  duration: duration({
    description: "How long the rule runs each time that `cron` starts it. Without `cron`, it stops for good after it.",
    default: 0,
  }),
  cronDatetimeRange: list(datetimeRange, {
    description:
      "The rule runs only inside these: `{begin, end}` as `YYYY-MM-DD hh:mm:ss` in the zone of the agent, or " +
      "`{beginTimestamp, endTimestamp}` in Unix milliseconds. Without `cron`, it runs all through them.",
    default: [],
  }),
  debug: ignored("The level of the log is that of the agent, `log.level`."),
  concurrency: ignored(
    "Rows of a rule are processed in order on one thread.",
    integer({ description: "Workers.", min: 0 }),
  ),
  checkpointInterval: duration({
    description: "With qos 1 and 2: longest time between two snapshots of the state; what came since is in a log.",
    default: 300_000,
  }),
  enableSaveStateBeforeStop: ignored("With qos 1 and 2 the state is kept up to the last row."),
  notifySub: ignored("State changes are in the status."),
  experiment: ignored("The row layout is not configurable."),
  planOptimizeStrategy: v.optional(
    v.pipe(planOptimizeStrategy, v.description("How plans are made; only `windowOption` changes results.")),
  ),
  restartStrategy: v.optional(
    v.pipe(restartStrategy, v.description("What happens after an error that stops the rule.")),
    { attempts: 0 } as never,
  ),
  logFilename: unsupported("A log file of its own."),
  enableRuleTracer: flag({ description: "Its messages are traced from the start of the rule on.", default: false }),
});

export type RuleOptions = v.InferOutput<typeof ruleOptions>;

/** The options that change the plan of a rule. */
export function planOptionsOf(options: RuleOptions): PlanOptions {
  const { isEventTime, lateTolerance, sendNilField, sendMetaToSink, planOptimizeStrategy: strategy } = options;
  const window = strategy?.windowOption;
  return {
    isEventTime,
    lateTolerance,
    sendNilField,
    sendMetaToSink,
    slidingTwice: window?.enableSendSlidingWindowTwice ?? false,
    slidingOpenLeft: window?.windowVersion === "v2",
  };
}

/** One sink of the rule: an entry of an object in `actions`. */
export interface ActionDefinition {
  readonly type: string;
  /** `actions.0.mqtt`. */
  readonly path: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface RuleDefinition {
  readonly id: string;
  readonly name: string;
  /** Empty for a graph rule. */
  readonly sql: string;
  /** What a graph rule does instead of a statement. */
  readonly graph?: Graph;
  /** Those of a graph are its sinks, in their order. */
  readonly actions: readonly ActionDefinition[];
  readonly options: RuleOptions;
  /** Absent for a rule that is not bound to times. */
  readonly schedule?: Schedule;
  readonly triggered: boolean;
  readonly tags: readonly string[] | null;
  readonly temp: boolean;
  readonly version: string;
  /** The JSON as the user gave it, with the id. */
  readonly json: string;
  /** Who saved it last, and whose rights it acts with; absent for a rule that nobody is known of. */
  readonly owner?: Actor;
}

export interface RuleDefaults {
  /** Options that apply where a rule says nothing. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** The zone of schedules, an IANA name; `Local` when absent. */
  readonly timezone?: string;
  /** The id of a rule that has none. */
  readonly generateId: () => string;
}

function invalid(message: string, path?: string): never {
  fail("E703", `invalid rule json: ${message}`, path === undefined ? {} : { path });
}

type Fields = Record<string, unknown>;

const fieldNames = ["id", "name", "sql", "actions", "graph", "options", "triggered", "tags", "temp", "version"];

/** The fields that mean something, whatever their case; others are ignored, since tools keep their own there. */
function fieldsOf(json: string): Fields {
  let value: unknown;
  try {
    value = parseShallow(json);
  } catch (error) {
    invalid(error instanceof Error ? error.message : String(error));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) invalid("a rule must be a JSON object");
  const fields: Fields = {};
  for (const [key, field] of Object.entries(value)) {
    const name = fieldNames.find((known) => known.toLowerCase() === key.toLowerCase());
    if (name !== undefined && field !== null) fields[name] = field;
  }
  return fields;
}

function take<T extends "string" | "boolean">(
  fields: Fields,
  name: string,
  type: T,
): (T extends "string" ? string : boolean) | undefined {
  const value = fields[name];
  if (value !== undefined && typeof value !== type) {
    invalid(`field "${name}" must be a ${type}, found ${Array.isArray(value) ? "array" : typeof value}`, name);
  }
  return value as (T extends "string" ? string : boolean) | undefined;
}

/**
 * Reads a rule. With `id` (of the path of the request) the JSON need not have one, but must not have another.
 *
 * @throws {DiagnosticError} E703 for what is no rule, E704 for a bad id, E303 and E402 to E408 for options, E217 and E218
 * for a graph.
 */
export function readRule(json: string, defaults: RuleDefaults, id?: string): RuleDefinition {
  const fields = fieldsOf(json);
  const given = take(fields, "id", "string");
  if (id !== undefined && given !== undefined && given !== "" && given !== id) {
    invalid("RuleId is not consistent with rule id.", "id");
  }
  const ruleId = id ?? (given === undefined || given === "" ? defaults.generateId() : given);
  const problem = nameProblem(ruleId);
  if (problem !== undefined) fail("E704", problem, { path: "id" });

  const sql = take(fields, "sql", "string") ?? "";
  const { graph } = fields;
  if (graph !== undefined && sql !== "") invalid(`Rule ${ruleId} has both sql and graph.`);
  if (graph === undefined && sql === "") invalid(`Rule ${ruleId} has neither sql nor graph.`);

  const read = graph === undefined ? undefined : readGraph(graph);
  return {
    id: ruleId,
    name: take(fields, "name", "string") ?? "",
    sql,
    ...(read === undefined ? {} : { graph: read }),
    actions: read === undefined ? readActions(fields.actions) : sinksOf(read),
    ...readOptions(ruleId, fields.options, defaults),
    triggered: take(fields, "triggered", "boolean") ?? true,
    tags: readTags(fields.tags),
    temp: take(fields, "temp", "boolean") ?? false,
    version: take(fields, "version", "string") ?? "",
    json: given === ruleId ? json : JSON.stringify({ ...JSON.parse(json) as object, id: ruleId }),
  };
}

function sinksOf({ nodes, sinks }: Graph): ActionDefinition[] {
  return sinks.map((name) => {
    const sink = nodes.find((node) => node.name === name);
    if (sink?.type !== "sink") throw new Error(`"${name}" is no sink`);
    return { type: sink.nodeType, path: propsPath(name), properties: sink.props };
  });
}

function readActions(actions: unknown): ActionDefinition[] {
  if (actions === undefined) invalid("Missing rule actions.", "actions");
  if (!Array.isArray(actions)) invalid("actions must be an array of objects", "actions");
  if (actions.length === 0) invalid("Missing rule actions.", "actions");
  return actions.flatMap((action: unknown, i) => {
    const path = `actions.${i}`;
    if (typeof action !== "object" || action === null || Array.isArray(action)) {
      invalid(`an action must be an object such as {"log": {}}`, path);
    }
    const entries = Object.entries(action);
    if (entries.length === 0) invalid("an action must name a sink type", path);
    return entries.map(([type, properties]) => {
      if (properties !== null && (typeof properties !== "object" || Array.isArray(properties))) {
        invalid(`the properties of action "${type}" must be an object`, `${path}.${type}`);
      }
      return { type, path: `${path}.${type}`, properties: (properties ?? {}) as Fields };
    });
  });
}

function readOptions(
  ruleId: string,
  options: unknown,
  defaults: RuleDefaults,
): Pick<RuleDefinition, "options" | "schedule"> {
  if (options !== undefined && (typeof options !== "object" || options === null || Array.isArray(options))) {
    invalid(`Rule ${ruleId} has invalid options: options must be an object`, "options");
  }
  const place = { path: "options", where: "rule options" };
  const given = withoutEmptyDuration({ ...defaults.options, ...options as Fields | undefined });
  const read = readSettings(ruleOptions, given, place);
  const problems: Diagnostic[] = [];
  const schedule = readSchedule(read, defaults.timezone ?? "Local", problems);
  throwIfAny(problems);
  return { options: read, ...(schedule === undefined ? {} : { schedule }) };
}

/** The dialect's default of `duration` is the empty text, and tools write it out. */
function withoutEmptyDuration(options: Fields): Fields {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => name.toLowerCase() !== "duration" || value !== ""),
  );
}

function readTags(tags: unknown): readonly string[] | null {
  if (tags === undefined) return null;
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) {
    invalid(`field "tags" must be an array of strings`, "tags");
  }
  return tags;
}
