/**
 * What a seed makes happen: which rules there are, what their streams bring and when, what people do with the rules.
 * @module
 */
import type { Struct } from "../../src/value/value.ts";
import type { SeededRandom } from "../../src/value/seeded_random.ts";
import { type Names, type RuleKind, ruleKinds } from "./rule_kinds.ts";
import type { Power } from "./streams.ts";

/** 2023-11-14, a whole second. */
export const simStart = 1_700_000_000_000;
/** How long streams bring something, and people do something. */
export const stormMs = 20_000;

export interface SimRule {
  readonly id: string;
  readonly kind: RuleKind;
  readonly names: Names;
  readonly qos: 0 | 1 | 2;
  readonly power: Power;
  /** The order of its messages is that of its results. */
  readonly isOrdered: boolean;
  readonly sinks: number;
  /** The JSON of a version of it. */
  json(version: number, variant: number): string;
}

export type Deed =
  | { readonly kind: "stop" | "start" | "restart" | "delete" | "replay"; readonly rule: SimRule }
  | { readonly kind: "create" | "update"; readonly rule: SimRule; readonly version: number; readonly variant: number };

export interface SimDefinition {
  readonly name: string;
  readonly power: Power | "lookup";
  readonly sql: string;
}

export interface Scenario {
  readonly definitions: readonly SimDefinition[];
  readonly rules: readonly SimRule[];
  /** The rules read the same stream. */
  readonly isShared: boolean;
  /** Rows that come on a stream, at a time in milliseconds since the start. */
  readonly inputs: readonly { readonly at: number; readonly stream: string; readonly rows: readonly Struct[] }[];
  readonly deeds: readonly { readonly at: number; readonly deed: Deed }[];
}

/** What a lookup table has. */
export const lookupRows: readonly Struct[] = [
  { k: "a", name: "alpha" },
  { k: "b", name: "beta" },
  { k: "b", name: "bravo" },
];

export function drawScenario(random: SeededRandom): Scenario {
  const shape = random.below(10);
  const rules: SimRule[] = [];
  const definitions: SimDefinition[] = [];
  const power: Power = shape < 7 ? "tape" : shape < 9 ? "broker" : "live";
  const isShared = power !== "tape" && random.below(2) === 0;
  const count = isShared ? 2 : shape === 0 ? 2 : 1;
  // Rules start by name, so that it matters which of two promises nothing.
  const careless = isShared ? random.below(2) : undefined;
  for (let i = 0; i < count; i++) {
    const of = isShared ? 0 : i;
    const names: Names = { s: `s${of}`, r: `r${of}`, t: `t${of}`, l: `l${of}` };
    const qos = power === "live" || i === careless ? 0 : random.pick([1, 2, 2]) as 1 | 2;
    const kind = random.pick(kindsFor(power, qos));
    const rule = drawRule(random, `rule${i}`, kind, names, qos, power);
    rules.push(rule);
    definitions.push(...definitionsOf(rule, isShared).filter(({ name }) => !definitions.some((d) => d.name === name)));
  }
  const inputs = definitions.filter((d) => d.power !== "lookup").flatMap(({ name }) => drawInput(random, name));
  return { definitions, rules, isShared, inputs, deeds: rules.flatMap((rule) => drawDeeds(random, rule, isShared)) };
}

/** Kinds whose results can be told for such a stream. */
function kindsFor(power: Power, qos: number): readonly RuleKind[] {
  if (power === "tape") return ruleKinds;
  return ruleKinds.filter((kind) =>
    kind.isStateless === true || (qos > 0 && kind.collects === true && kind.isEventTime !== true &&
      kind.reads === undefined && kind.name.startsWith("tumbling"))
  );
}

function drawRule(
  random: SeededRandom,
  id: string,
  kind: RuleKind,
  names: Names,
  qos: 0 | 1 | 2,
  power: Power,
): SimRule {
  const sinks = kind.sinks ?? random.pick([1, 1, 2]);
  const isAlter = qos > 0 && kind.sinks === undefined && random.below(8) === 0;
  const page = random.pick([2, 5]);
  const cache = random.below(4) === 0
    ? { bufferPageSize: page, memoryCacheThreshold: page, maxDiskCache: page * random.pick([1, 2]) }
    : {};
  const properties = {
    sendSingle: random.below(2) === 0,
    ...cache,
    ...(isAlter ? { resendAlterQueue: true, resendPriority: random.pick([-1, 0, 1]) } : {}),
    ...(qos === 0 && random.below(3) === 0 ? { enableCache: true } : {}),
  };
  const options = {
    qos,
    durability: random.pick(["process", "power"]),
    checkpointInterval: random.pick([1, 300, 3000, 300_000]),
    restartStrategy: { attempts: 1 },
    ...(kind.isEventTime === true ? { isEventTime: true, lateTolerance: random.pick([0, 500, 1500]) } : {}),
  };
  return {
    id,
    kind,
    names,
    qos,
    power,
    isOrdered: !isAlter,
    sinks,
    json(version, variant) {
      const text = kind.text(names, version, variant);
      const actions = Array.from({ length: sinks }, (_, i) => ({ sim: { topic: `${id} ${i}`, ...properties } }));
      if ("sql" in text) return JSON.stringify({ id, ...text, actions, options });
      const { graph } = structuredClone(text) as { graph: { nodes: Record<string, { type: string; props: object }> } };
      for (const node of Object.values(graph.nodes)) {
        if (node.type !== "sink") continue;
        const { topic } = node.props as { topic: string };
        node.props = { ...properties, topic: `${id} ${topic}` };
      }
      return JSON.stringify({ id, graph, options });
    },
  };
}

function definitionsOf({ kind, names, power }: SimRule, isShared: boolean): SimDefinition[] {
  const { s, r, t, l } = names;
  const all: SimDefinition[] = [];
  const time = kind.isEventTime === true ? ', TIMESTAMP="ts"' : "";
  const stream = (name: string) =>
    `CREATE STREAM ${name} () WITH (DATASOURCE="${name}", TYPE="${power}", FORMAT="json"${time}` +
    `${isShared ? ', SHARED="true"' : ""})`;
  if (kind.sinks === undefined) all.push({ name: s, power, sql: stream(s) });
  else all.push({ name: s, power, sql: "" });
  if (kind.reads === "stream") all.push({ name: r, power, sql: stream(r) });
  if (kind.reads === "table") {
    all.push({
      name: t,
      power,
      sql: `CREATE TABLE ${t} () WITH (DATASOURCE="${t}", TYPE="${power}", FORMAT="json", RETAIN_SIZE="4")`,
    });
  }
  if (kind.reads === "lookup") {
    all.push({
      name: l,
      power: "lookup",
      sql: `CREATE TABLE ${l} () WITH (DATASOURCE="${l}", TYPE="answers", KIND="lookup", KEY="k", FORMAT="json")`,
    });
  }
  return all;
}

function drawInput(random: SeededRandom, stream: string): { at: number; stream: string; rows: Struct[] }[] {
  const inputs: { at: number; stream: string; rows: Struct[] }[] = [];
  const pace = random.pick([300, 1000, 2500]);
  let n = 0;
  for (let at = random.below(500); at < stormMs; at += random.below(random.below(8) === 0 ? 6 * pace : pace)) {
    const size = random.below(6) === 0 ? 1 + random.below(20) : 1 + random.below(2);
    const rows = Array.from({ length: size }, (): Struct => ({
      n: ++n,
      k: random.pick(["a", "b", "c"]),
      v: random.below(100),
      w: random.below(100),
      up: random.below(2),
      ts: simStart + at - random.below(random.below(4) === 0 ? 3000 : 300),
    }));
    inputs.push({ at, stream, rows });
  }
  return inputs;
}

/** A stream that is shared goes on without a rule that stands still, so that one misses what comes meanwhile. */
function drawDeeds(random: SeededRandom, rule: SimRule, isShared: boolean): { at: number; deed: Deed }[] {
  let version = 1;
  let variant = 0;
  const deeds: { at: number; deed: Deed }[] = [{ at: 0, deed: { kind: "create", rule, version, variant } }];
  const wanted = isShared && rule.qos > 0 ? 0 : random.pick([0, 0, 1, 2, 4, 7]);
  const times = Array.from({ length: wanted }, () => random.below(stormMs)).sort((a, b) => a - b);
  for (const at of times) {
    const choice = random.below(7);
    if (choice === 6 && rule.qos > 0) {
      deeds.push({ at, deed: { kind: "replay", rule } });
      continue;
    }
    if (choice === 0) {
      deeds.push({ at, deed: { kind: "stop", rule } });
      deeds.push({ at: at + random.below(3000), deed: { kind: "start", rule } });
    } else if (choice === 1) deeds.push({ at, deed: { kind: "restart", rule } });
    else if (choice === 2 && rule.power === "tape") {
      deeds.push({ at, deed: { kind: "delete", rule } });
      deeds.push({ at: at + random.below(1000), deed: { kind: "create", rule, version: ++version, variant: 0 } });
      variant = 0;
    } else if (choice === 3 && rule.kind.hasVariants === true && rule.power === "tape") {
      deeds.push({ at, deed: { kind: "update", rule, version: ++version, variant: ++variant } });
    } else deeds.push({ at, deed: { kind: "update", rule, version: ++version, variant } });
  }
  return deeds;
}
