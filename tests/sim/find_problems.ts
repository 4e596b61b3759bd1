/**
 * What is wrong at the end of a simulation: each promise of each rule against what its receivers have.
 * @module
 */
import type { Engine } from "../../src/runtime/engine.ts";
import type { DeliveryStore } from "../../src/store/delivery_store.ts";
import type { Struct } from "../../src/value/value.ts";
import type { History } from "./history.ts";
import { type Received, type Receivers, withoutVersion } from "./receivers.ts";
import { referenceRun } from "./reference_run.ts";
import { type Scenario, type SimRule, simStart } from "./scenario.ts";
import type { SimStream } from "./streams.ts";
import type { Weather } from "./weather.ts";

export interface Ended {
  readonly scenario: Scenario;
  readonly engine: Engine;
  readonly delivery: DeliveryStore;
  readonly history: History;
  readonly receivers: Receivers;
  readonly weather: Weather;
  readonly streams: ReadonlyMap<string, SimStream>;
  readonly now: number;
}

export function findProblems(ended: Ended): string[] {
  return [...checkIds(ended.receivers.received), ...ended.scenario.rules.flatMap((rule) => checkRule(rule, ended))];
}

/** An id never means two messages. */
function checkIds(received: readonly Received[]): string[] {
  const known = new Map<string, string>();
  const problems: string[] = [];
  for (const { topic, id, text } of received) {
    if (id === undefined) continue;
    const key = `${topic.split(" ")[0]} ${id}`;
    const own = `${topic} ${text}`;
    const other = known.get(key);
    if (other === undefined) known.set(key, own);
    else if (other !== own) problems.push(`the id ${key} is that of ${own} and of ${other}`);
  }
  return problems;
}

function checkRule(rule: SimRule, ended: Ended): string[] {
  const { engine, history } = ended;
  const { status, message } = engine.rules.status(rule.id);
  const problems = history.of(rule.id).flatMap((chapter) => chapter.problems);
  if (status !== "running") problems.push(`the rule is ${status}: ${message}`);
  problems.push(...checkOutboxes(rule, ended));
  if (rule.power === "tape") problems.push(...checkExact(rule, ended));
  else for (let sink = 0; sink < rule.sinks; sink++) problems.push(...checkByRow(rule, sink, ended));
  return problems.map((problem) => `${rule.id}: ${problem}`);
}

/** Nothing waits, and the dead letters are those that were refused. */
function checkOutboxes(rule: SimRule, { delivery }: Ended): string[] {
  if (rule.qos === 0) return [];
  const problems: string[] = [];
  for (let sink = 0; sink < rule.sinks; sink++) {
    const { rows, takenRows } = delivery.outbox(rule.id, `${sink}_sim`).counts();
    if (rows > 0) problems.push(`${rows} messages are left in outbox ${sink}, ${takenRows} of them taken`);
  }
  return problems;
}

/** The payloads of all dead letters of an action, page by page. */
function* lettersOf({ deadLetters }: Engine, rule: string, action: string): Generator<string> {
  for (let after: number | undefined = 0; after !== undefined;) {
    const page = deadLetters.list(rule, { action, after, limit: 1000 });
    for (const letter of page.letters) {
      yield withoutVersion(deadLetters.get(rule, action, letter.sequence).payload);
    }
    after = page.next;
  }
}

/** Once each, by their ids, in the order in which they came first. */
function once(received: readonly Received[]): Received[] {
  const seen = new Set<string>();
  return received.filter(({ id }) => !seen.has(id!) && seen.add(id!));
}

/** The incarnation that made a message. */
function incarnationOf({ id }: Received): string {
  return id!.replace(/-\d+$/, "");
}

/** Windows, analytic functions, joins and all: exactly what an unbroken run gives. */
function checkExact(rule: SimRule, { scenario, engine, delivery, history, receivers, weather, streams, now }: Ended) {
  const problems: string[] = [];
  const chapters = history.of(rule.id);
  const last = chapters.at(-1)!;
  for (const [name, stream] of streams) {
    const isRead = last.kept.some((each) => each.stream === name);
    const read = last.kept.findLast((each) => each.stream === name)?.position ?? 0;
    if (isRead && read !== stream.rows.length) {
      problems.push(`${read} of ${stream.rows.length} rows of ${name} are kept`);
    }
  }
  const expected = referenceRun(rule, scenario.definitions, last.kept, now);
  const incarnation = delivery.incarnation(rule.id);
  for (let sink = 0; sink < rule.sinks; sink++) {
    const came = once(receivers.received.filter(({ topic }) => topic === `${rule.id} ${sink}`));
    const own = came.filter((each) => incarnationOf(each) === incarnation).map(({ text }) => text);
    const [poison, good] = [true, false].map((is) => expected[sink]!.filter((text) => weather.refuses(text) === is));
    problems.push(...difference(`sink ${sink}`, fromFirstRow(own), fromFirstRow(good!), rule.isOrdered));
    const dead = [...lettersOf(engine, rule.id, `${sink}_sim`)];
    const isSorted = rule.isOrdered;
    problems.push(...difference(`dead letters of sink ${sink}`, fromFirstRow(dead), fromFirstRow(poison!), isSorted));
    const before = came.filter((each) => incarnationOf(each) !== incarnation);
    problems.push(...checkChaptersBefore(before, chapters.length - 1));
  }
  return problems;
}

/** Windows that are empty because nothing has come yet are as many as the rule is old, and kills change that. */
function fromFirstRow(texts: readonly string[]): readonly string[] {
  const first = texts.findIndex((text) => !/"ns":null/.test(text));
  return first === -1 ? [] : texts.slice(first);
}

/** Of a rule that was deleted, only that there was one to send it. */
function checkChaptersBefore(received: readonly Received[], count: number): string[] {
  const incarnations = new Set(received.map(incarnationOf));
  return incarnations.size > count ? [`${incarnations.size} lives of the rule before, and it had ${count}`] : [];
}

/** Streams that give again what was not acknowledged: each row at least once, and nothing that no row gives. */
function checkByRow(rule: SimRule, sink: number, { scenario, engine, receivers, weather, streams, now }: Ended) {
  const problems: string[] = [];
  const { s } = rule.names;
  const stream = streams.get(s)!;
  const texts = receivers.received.filter(({ topic }) => topic === `${rule.id} ${sink}`).map(({ text }) => text);
  const letters = rule.qos === 0 ? [] : [...lettersOf(engine, rule.id, `${sink}_sim`)];
  if (rule.kind.isStateless === true) {
    const kept = [{ stream: s, rows: stream.rows, time: simStart, position: 0, variant: 0 }];
    const expected = referenceRun(rule, scenario.definitions, kept, now)[sink]!;
    const known = new Set(expected);
    for (const text of new Set([...texts, ...letters])) if (!known.has(text)) problems.push(`nobody expects ${text}`);
    if (rule.qos === 0) {
      // A cache sends again what it could not forget before a kill.
      const isOnce = rule.power === "live" && !receivers.tookSecretly && !rule.json(0, 0).includes("enableCache");
      if (isOnce && new Set(texts).size < texts.length) problems.push("a message came twice");
      return problems;
    }
    const came = new Set([...texts, ...letters]);
    for (const text of expected) if (!came.has(text)) problems.push(`sink ${sink}: ${text} never came`);
    if (!weather.climate.poison && rule.isOrdered) {
      problems.push(...difference(`sink ${sink}, first of each`, [...new Set(texts)], [...new Set(expected)], true));
    }
    return problems;
  }
  const rows = new Set<unknown>();
  for (const text of [...texts, ...letters]) {
    for (const { ns } of [JSON.parse(text)].flat() as Struct[]) for (const n of ns as number[] ?? []) rows.add(n);
  }
  for (const { n, v } of stream.rows) {
    const counts = !rule.kind.name.includes("by key") || (v as number) > 10;
    if (counts && !rows.delete(n)) problems.push(`sink ${sink}: row ${n} is in no window`);
  }
  for (const n of rows) problems.push(`sink ${sink}: nobody expects row ${n}`);
  return problems;
}

function difference(what: string, found: readonly string[], expected: readonly string[], isOrdered: boolean): string[] {
  const [a, b] = isOrdered ? [found, expected] : [[...found].sort(), [...expected].sort()];
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  if (i === a.length && i === b.length) return [];
  const show = (list: readonly string[]) => list.slice(Math.max(0, i - 1), i + 4).join("  ");
  return [
    `${what} has ${a.length} messages of ${b.length}, and differs at ${i}:\n  found    ${show(a)}\n  expected ${
      show(b)
    }`,
  ];
}
