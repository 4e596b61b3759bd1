/**
 * Rules over numbered messages, and what an unbroken run of them gives.
 *
 * A lane is a source with a guarantee and the four rules that read from it: one without state, one of count windows, one
 * of event-time windows, one of analytic functions. None of the results depends on when a message arrives, so they can be
 * told in advance and compared whole.
 * @module
 */

/** What has been promised, and is therefore checked. */
export type Promised =
  /** Messages may enter a rule twice: nothing is missing, and what does not depend on repeats is right. */
  | "each at least once"
  /** Each message changes state once: results are those of an unbroken run, each perhaps sent more than once. */
  | "state exactly once"
  /** As above, and repeats carry the id of the first. */
  | "exactly once by id";

export const ruleKinds = ["plain", "count", "tumbling", "analytic"] as const;
export type RuleKind = (typeof ruleKinds)[number];

const countLength = 10;
const stepMs = 10;
const windowMs = 100;
/** On the boundary of a window. */
const firstMs = Date.UTC(2026, 0, 1);
/** The message that closes the windows is so far ahead. */
const aheadMs = 3_600_000;

/** The message with this number. */
export function payloadOf(n: number): string {
  return JSON.stringify({ n, ts: firstMs + n * stepMs });
}

/** The message behind the last one: it closes the event-time windows that are open. */
export function closingPayload(n: number): string {
  return JSON.stringify({ n, ts: firstMs + n * stepMs + aheadMs });
}

export const isEventTime = (kind: RuleKind): boolean => kind === "tumbling";

/** The statement over a stream. */
export function statementOf(kind: RuleKind, stream: string): string {
  switch (kind) {
    case "plain":
      return `SELECT n FROM ${stream}`;
    case "count":
      return `SELECT count(*) AS c, min(n) AS lo, max(n) AS hi, sum(n) AS total FROM ${stream} ` +
        `GROUP BY COUNTWINDOW(${countLength})`;
    case "tumbling":
      return `SELECT window_start() AS start, min(n) AS lo, max(n) AS hi, count(*) AS c FROM ${stream} ` +
        `GROUP BY TUMBLINGWINDOW(ms, ${windowMs}) HAVING count(*) > 0`;
    case "analytic":
      return `SELECT n, lag(n) AS before, acc_count(n) AS nth, last_hit_count() AS hits FROM ${stream}`;
    default:
      return kind satisfies never;
  }
}

/**
 * The results of an unbroken run over the messages 0 to `count`, of which the last is the closing one; `count` is a
 * multiple of the lengths of the windows.
 *
 * @param ends The source ends, so that windows which are open then come out, too.
 */
export function expectedOf(kind: RuleKind, count: number, ends: boolean): string[] {
  const results: unknown[] = [];
  switch (kind) {
    case "plain":
      for (let n = 0; n <= count; n++) results.push({ n });
      break;
    case "count":
      for (let lo = 0; lo < count; lo += countLength) {
        const hi = lo + countLength - 1;
        results.push({ c: countLength, lo, hi, total: (lo + hi) * countLength / 2 });
      }
      break;
    case "tumbling":
      for (let lo = 0; lo < count; lo += windowMs / stepMs) {
        const hi = lo + windowMs / stepMs - 1;
        results.push({ start: firstMs + lo * stepMs, lo, hi, c: windowMs / stepMs });
      }
      if (ends) results.push({ start: firstMs + count * stepMs + aheadMs, lo: count, hi: count, c: 1 });
      break;
    case "analytic":
      results.push({ n: 0, nth: 1, hits: 0 });
      for (let n = 1; n <= count; n++) results.push({ n, before: n - 1, nth: n + 1, hits: n });
      break;
    default:
      kind satisfies never;
  }
  return results.map((result) => canonical(JSON.stringify(result)));
}

/** The order of columns means nothing. */
function canonical(payload: string): string {
  const row = Object.entries(JSON.parse(payload));
  return JSON.stringify(Object.fromEntries(row.sort(([a], [b]) => a < b ? -1 : 1)));
}

export interface Received {
  readonly payload: string;
  readonly id: string | undefined;
}

/** What is wrong with the results of a rule; undefined when nothing is. `expected` is of an unbroken run. */
export function faultOf(
  kind: RuleKind,
  promised: Promised,
  raw: readonly Received[],
  expected: readonly string[],
): string | undefined {
  const received = raw.map(({ payload, id }) => ({ payload: canonical(payload), id }));
  switch (promised) {
    case "each at least once":
      return faultOfCovering(kind, received.map(({ payload }) => payload), expected);
    case "state exactly once":
      return differenceOf([...new Set(received.map(({ payload }) => payload))], expected);
    case "exactly once by id":
      return faultOfIds(received) ?? differenceOf(firstOfEachId(received), expected);
    default:
      return promised satisfies never;
  }
}

/** An id stands for one result, and each result has one. */
function faultOfIds(received: readonly Received[]): string | undefined {
  const byId = new Map<string, string>();
  for (const { id, payload } of received) {
    if (id === undefined) return `result without an id: ${payload}`;
    const known = byId.get(id);
    if (known !== undefined && known !== payload) return `id ${id} has two results: ${known} and ${payload}`;
    byId.set(id, payload);
  }
}

function firstOfEachId(received: readonly Received[]): string[] {
  return [...new Map(received.map(({ id, payload }) => [id, payload])).values()];
}

/** First arrivals come in the order of the unbroken run. */
function differenceOf(actual: readonly string[], expected: readonly string[]): string | undefined {
  const index = expected.findIndex((each, i) => actual[i] !== each);
  if (index === -1 && actual.length === expected.length) return undefined;
  const known = new Set(expected);
  const seen = new Set(actual);
  const missing = expected.filter((each) => !seen.has(each));
  const wrong = actual.filter((each) => !known.has(each));
  const twice = actual.length - seen.size;
  const at = index === -1 ? expected.length : index;
  return [
    `${actual.length} of ${expected.length} results`,
    `${missing.length} missing${some(missing)}`,
    `${wrong.length} wrong${some(wrong)}`,
    `${twice} twice under other ids`,
    `result ${at} is ${actual[at]}, wanted ${expected[at]}, behind ${actual[at - 1]}`,
  ].join("; ");
}

/** Nothing is missing, and what is there may differ only by what repeats do to it. */
function faultOfCovering(kind: RuleKind, received: readonly string[], expected: readonly string[]): string | undefined {
  if (kind === "plain" || kind === "tumbling") {
    // A repeat adds to the count of its window; its bounds stay the same.
    const bounds = (text: string): string => JSON.stringify({ ...JSON.parse(text), c: undefined });
    const found = new Set(received.map(bounds));
    const wanted = new Set(expected.map(bounds));
    const missing = [...wanted].filter((each) => !found.has(each));
    const wrong = [...found].filter((each) => !wanted.has(each));
    if (missing.length + wrong.length === 0) return undefined;
    return `${missing.length} missing${some(missing)}; ${wrong.length} wrong${some(wrong)}`;
  }
  if (kind === "count") {
    // Repeats shift the windows, so that the last messages may be in one that is still open. No other is in none.
    const covered = new Set<number>();
    for (const text of received) {
      const { lo, hi, c } = JSON.parse(text);
      if (c !== countLength) return `window of ${c} rows: ${text}`;
      for (let n = lo; n <= hi; n++) covered.add(n);
    }
    const closed = JSON.parse(expected.at(-1)!).hi + 1 - countLength;
    const missing = Array.from({ length: closed }, (_, n) => n).filter((n) => !covered.has(n));
    return missing.length === 0 ? undefined : `${missing.length} in no window${some(missing.map(String))}`;
  }
  // Behind a repeat stands its first arrival or what followed it; everything else follows its predecessor.
  const pairs = new Set(received.map((text) => pairOf(text)));
  const missing = expected.map(pairOf).filter((each) => !pairs.has(each));
  return missing.length === 0 ? undefined : `${missing.length} missing${some(missing)}`;
}

function pairOf(text: string): string {
  const { n, before } = JSON.parse(text);
  return `${before} before ${n}`;
}

function some(texts: readonly string[]): string {
  if (texts.length === 0) return "";
  return ` (${texts.slice(0, 3).join(", ")}${texts.length > 3 ? " …" : ""})`;
}
