/**
 * Skeleton: lines of text over TCP.
 *
 * Replace the summaries, the settings and the client; keep the shape. The declaration makes the reference page, the
 * checks of settings, the forms of user interfaces and the tests of the examples.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { integer, text } from "../../src/connector/settings.ts";

const address = {
  host: text({ description: "Name or address of the peer.", default: "127.0.0.1" }),
  port: integer({ description: "TCP port of the peer.", min: 1, max: 65_535 }),
};

/** Settings of the source. Those named `datasource`, `key`, `format` get the options of the stream. */
export const sourceSettings = v.strictObject({
  ...address,
  datasource: text({ description: "Only lines that begin with this text; all when empty.", default: "" }),
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  ...address,
  prefix: text({ description: "Stands before each line.", default: "", dynamic: true }),
});

export const skeleton = defineConnector({
  name: "skeleton",
  // "stable" when it is proved against a peer that others have written, with its faults.
  status: "experimental",
  summary: "Reads and writes lines of text over TCP.",
  description:
    "A source takes the lines that its peer sends. A sink sends a line for each message and waits for the peer to " +
    "answer it with a line of its own: `ok`, or the reason why it does not want it.",
  source: {
    summary: "Takes the lines of a TCP peer.",
    // What the protocol can promise: nobody acknowledges a line, so what was on its way is lost with the connection.
    delivery: "at-most-once",
    emits: "payloads",
    meta: [],
    settings: sourceSettings,
    // The code is loaded when a rule uses it, so that an agent without such rules does not grow.
    open: async (settings) => {
      const { openSource } = await import("./source.ts");
      return await openSource(settings);
    },
  },
  sink: {
    summary: "Sends each message as a line.",
    // The peer answers each line, so that one without an answer is sent again.
    delivery: "at-least-once",
    accepts: "payloads",
    settings: sinkSettings,
    open: async (settings) => {
      const { openSink } = await import("./sink.ts");
      return await openSink(settings);
    },
  },
  examples: [
    { title: "The lines of a scale", role: "source", settings: { host: "192.168.0.20", port: 4001 } },
    {
      title: "Lines for a printer",
      role: "sink",
      settings: { host: "192.168.0.21", port: 9100, prefix: "{{.line}} " },
    },
  ],
});
