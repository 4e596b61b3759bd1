/**
 * What an action is sent: rows alone and as lists, empty windows, errors, by the properties of the action and the
 * options of the rule.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { HandClock, settled } from "../hand_clock.ts";
import { wireStream, withEngine } from "./engine.ts";

interface Sent {
  readonly sql: string;
  readonly options?: Record<string, unknown>;
  readonly action?: Record<string, unknown>;
  readonly payloads?: readonly string[];
  /** How far the clock goes behind the payloads, in seconds. */
  readonly seconds?: number;
  readonly written: readonly string[];
  /** Of each message, where it is a template. */
  readonly topics?: readonly string[];
}

const single = { sendSingle: true };
const omit = { omitIfEmpty: true };
const window = "GROUP BY TUMBLINGWINDOW(ss, 10)";
const empty = { sql: `SELECT a FROM s ${window}`, seconds: 20 };
const emptyAggregate = { sql: `SELECT count(*) AS n, window_end() AS e FROM s ${window}`, seconds: 10 };
const noKeys = { sql: "SELECT nosuch FROM s", payloads: ['{"a":1}'] };
const failing = { sql: "SELECT 10 / a AS b FROM s", payloads: ['{"a":0}', '{"a":5}'] };

const sent: Readonly<Record<string, Sent>> = {
  "a rule of single rows sends a list of one row for each": {
    sql: "SELECT a FROM s",
    payloads: ['{"a":1}', '[{"a":2},{"a":3}]'],
    written: ['[{"a":1}]', '[{"a":2}]', '[{"a":3}]'],
  },
  "with sendSingle an object for each row": {
    sql: "SELECT a FROM s",
    action: single,
    payloads: ['{"a":1}', '[{"a":2},{"a":3}]'],
    written: ['{"a":1}', '{"a":2}', '{"a":3}'],
  },
  "a window sends its list": {
    sql: "SELECT a FROM s GROUP BY COUNTWINDOW(2)",
    payloads: ['{"a":1}', '{"a":2}'],
    written: ['[{"a":1},{"a":2}]'],
  },
  "a window with sendSingle sends its rows": {
    sql: "SELECT a FROM s GROUP BY COUNTWINDOW(2)",
    action: single,
    payloads: ['{"a":1}', '{"a":2}'],
    written: ['{"a":1}', '{"a":2}'],
  },
  "an empty window is sent as []": { ...empty, written: ["[]", "[]"] },
  "an empty window is not sent with sendSingle": { ...empty, action: single, written: [] },
  "an empty window is dropped with omitIfEmpty": { ...empty, action: omit, written: [] },
  "the aggregates of an empty window are sent": { ...emptyAggregate, written: ['[{"e":1010000}]'] },
  "the aggregates of an empty window are sent alone with sendSingle": {
    ...emptyAggregate,
    action: single,
    written: ['{"e":1010000}'],
  },
  "the aggregates of an empty window are dropped with omitIfEmpty": { ...emptyAggregate, action: omit, written: [] },
  "a row without keys is sent": { ...noKeys, written: ["[{}]"] },
  "a row without keys is sent alone with sendSingle": { ...noKeys, action: single, written: ["{}"] },
  "a row without keys is not dropped by omitIfEmpty alone": { ...noKeys, action: omit, written: ["[{}]"] },
  "a row without keys is dropped by omitIfEmpty with sendSingle": {
    ...noKeys,
    action: { ...single, ...omit },
    written: [],
  },
  "with sendNilField the row has its keys": {
    ...noKeys,
    options: { sendNilField: true },
    action: { ...single, ...omit },
    written: ['{"nosuch":null}'],
  },
  "an error is not sent": { ...failing, written: ['[{"b":2}]'] },
  "an error is sent as a row with sendError": {
    ...failing,
    options: { sendError: true },
    written: ['[{"error":"Division by zero"}]', '[{"b":2}]'],
  },
  "an error is sent alone with sendSingle": {
    ...failing,
    options: { sendError: true },
    action: single,
    written: ['{"error":"Division by zero"}', '{"b":2}'],
  },
  "an error comes ahead of the open window": {
    sql: "SELECT a FROM s WHERE 10 / a > 1 GROUP BY TUMBLINGWINDOW(ss, 10)",
    options: { sendError: true },
    payloads: ['{"a":1}', '{"a":0}', '{"a":2}'],
    seconds: 10,
    written: ['[{"error":"Division by zero"}]', '[{"a":1},{"a":2}]'],
  },
  "an error of a list comes instead of the list": {
    sql: "SELECT 10 / a AS b FROM s GROUP BY COUNTWINDOW(2)",
    options: { sendError: true },
    payloads: ['{"a":1}', '{"a":0}', '{"a":5}', '{"a":2}'],
    written: ['[{"error":"Division by zero"}]', '[{"b":2},{"b":5}]'],
  },
  "dataField sends the value of a column": {
    sql: "SELECT m FROM s",
    action: { dataField: "m" },
    payloads: ['{"m":{"x":1}}', '{"m":[{"x":1},{"x":2}]}'],
    written: ['{"x":1}', '[{"x":1},{"x":2}]'],
  },
  "dataField sends that of the first row of a list": {
    sql: "SELECT m FROM s GROUP BY COUNTWINDOW(2)",
    action: { dataField: "m" },
    payloads: ['{"m":{"x":1}}', '{"m":{"x":2}}'],
    written: ['{"x":1}'],
  },
  "dataField sends that of each row with sendSingle": {
    sql: "SELECT m FROM s GROUP BY COUNTWINDOW(2)",
    action: { dataField: "m", ...single },
    payloads: ['{"m":{"x":1}}', '{"m":{"x":2}}'],
    written: ['{"x":1}', '{"x":2}'],
  },
  "fields are picked last, absent ones as null": {
    sql: "SELECT a, m FROM s",
    action: { dataField: "m", fields: ["x", "y"] },
    payloads: ['{"a":1,"m":{"x":1,"z":2}}'],
    written: ['{"x":1,"y":null}'],
  },
  "dataTemplate makes the text of a list": {
    sql: "SELECT a, b FROM s",
    action: { dataTemplate: "{{range .}}{{.a}}={{.b}};{{end}}" },
    payloads: ['[{"a":1,"b":"x"},{"a":2.5,"b":"y"}]'],
    written: ["1=x;", "2.5=y;"],
  },
  "dataTemplate makes the text of each row with sendSingle": {
    sql: "SELECT a FROM s GROUP BY COUNTWINDOW(2)",
    action: { dataTemplate: '{"value":{{.a}}}', ...single },
    payloads: ['{"a":1}', '{"a":2}'],
    written: ['{"value":1}', '{"value":2}'],
  },
  "what dataTemplate makes is JSON where columns are picked from it": {
    sql: "SELECT a FROM s",
    action: { dataTemplate: '{"x":{"v":{{.a}},"w":1}}', dataField: "x", fields: ["v"], ...single },
    payloads: ['{"a":1}'],
    written: ['{"v":1}'],
  },
  "a list that dataTemplate makes is sent as one": {
    sql: "SELECT a FROM s",
    action: { dataTemplate: '[{"v":{{.a}},"w":1},{"v":2}]', excludeFields: ["w"], ...single },
    payloads: ['{"a":1}'],
    written: ['[{"v":1},{"v":2}]'],
  },
  "a result that dataTemplate cannot say is left out": {
    sql: "SELECT a FROM s",
    action: { dataTemplate: "{{upper .a}}", ...single },
    payloads: ['{"a":1}', '{"a":"x"}'],
    written: ["X"],
  },
  "a result that dataTemplate cannot say is sent as an error with sendError": {
    sql: "SELECT a FROM s",
    options: { sendError: true },
    action: { dataTemplate: "{{upper .a}}", fields: [], ...single },
    payloads: ['{"a":1}', '{"a":"x"}'],
    written: [
      '{"error":"E516: Template failed at 1:3 \\u003cupper .a\\u003e: argument 1 of upper must be a string: float64 given; use toString"}',
      "X",
    ],
  },
  "nothing is sent of an empty text with omitIfEmpty": {
    sql: "SELECT a FROM s",
    action: { dataTemplate: "{{if gt .a 1.0}}{{.a}}{{end}}", ...single, ...omit },
    payloads: ['{"a":1}', '{"a":2}'],
    written: ["2"],
  },
  "a topic comes from the data": {
    sql: "SELECT a FROM s",
    action: { topic: "t/{{.a}}", ...single },
    payloads: ['{"a":1}', '{"a":"x"}'],
    written: ['{"a":1}', '{"a":"x"}'],
    topics: ["t/1", "t/x"],
  },
  "the topic of a list comes from the list": {
    sql: "SELECT a FROM s GROUP BY COUNTWINDOW(2)",
    action: { topic: "t/{{(index . 1).a}}" },
    payloads: ['{"a":1}', '{"a":2}'],
    written: ['[{"a":1},{"a":2}]'],
    topics: ["t/2"],
  },
  "batchSize makes lists of so many rows, however they came": {
    sql: "SELECT a FROM s",
    action: { batchSize: 3 },
    payloads: ['[{"a":1},{"a":2}]', '{"a":3}', '{"a":4}'],
    written: ['[{"a":1},{"a":2},{"a":3}]'],
  },
  "what is no whole batch goes after lingerInterval": {
    sql: "SELECT a FROM s",
    action: { batchSize: 3, lingerInterval: "2s" },
    payloads: ['[{"a":1},{"a":2}]', '{"a":3}', '{"a":4}'],
    seconds: 3,
    written: ['[{"a":1},{"a":2},{"a":3}]', '[{"a":4}]'],
  },
  "lingerInterval alone makes lists by time": {
    sql: "SELECT a FROM s",
    action: { lingerInterval: 500 },
    payloads: ['{"a":1}', '{"a":2}'],
    seconds: 1,
    written: ['[{"a":1},{"a":2}]'],
  },
  "the rows of windows are batched one by one": {
    sql: "SELECT a FROM s GROUP BY COUNTWINDOW(2)",
    action: { batchSize: 3 },
    payloads: ['{"a":1}', '{"a":2}', '{"a":3}', '{"a":4}'],
    written: ['[{"a":1},{"a":2},{"a":3}]'],
  },
  "a batch of delimited rows has one header": {
    sql: "SELECT a, b FROM s",
    action: { batchSize: 2, format: "delimited", hasHeader: true },
    payloads: ['{"a":1,"b":2}', '{"a":3,"b":4}'],
    written: ["a,b\n1,2\n3,4"],
  },
  "a batch of templates is a list of their texts": {
    sql: "SELECT a FROM s",
    action: { batchSize: 2, dataTemplate: '{"v":{{.a}}}' },
    payloads: ['{"a":1}', '{"a":2}'],
    written: ['[{"v":1},{"v":2}]'],
  },
  "a batch has one topic": {
    sql: "SELECT a FROM s",
    action: { batchSize: 4, topic: "t/{{.a}}" },
    payloads: ['{"a":1}', '{"a":1}', '{"a":2}', '{"a":1}'],
    written: ['[{"a":1},{"a":1}]', '[{"a":2}]', '[{"a":1}]'],
    topics: ["t/1", "t/2", "t/1"],
  },
  "excludeFields drops columns": {
    sql: "SELECT * FROM s",
    action: { excludeFields: ["a"] },
    payloads: ['{"a":1,"b":2}'],
    written: ['[{"b":2}]'],
  },
};

for (
  const [what, { sql, options = {}, action = {}, payloads = [], seconds = 0, written, topics = [] }] of Object.entries(
    sent,
  )
) {
  test(`actions: ${what}`, () => {
    const clock = new HandClock();
    return withEngine(async ({ engine, streams, wire }) => {
      streams.execute(wireStream);
      await engine.rules.create(JSON.stringify({ id: "r", sql, options, actions: [{ wire: action }] }));
      await settled();
      wire.send(...payloads);
      await settled();
      await clock.advance(seconds * 1000);
      await eventually(() => wire.written.length >= written.length);
      // Nothing is under way that would take time, so a message too many shows within a few turns of the event loop.
      for (let turns = 0; turns < 20; turns++) await settled();
      assert.deepEqual(wire.written, written);
      assert.deepEqual(wire.topics, topics);
    }, { clock });
  });
}
