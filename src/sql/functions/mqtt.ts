import { getOwn } from "../../value/value.ts";
import { defineRowFunction, string } from "./declare.ts";

export const mqtt = defineRowFunction({
  name: "mqtt",
  category: "other",
  returns: "unknown",
  params: [string("key", { constant: true, oneOf: ["topic", "messageid"] })],
  doc: "Metadata of a row that came from MQTT: `mqtt(topic)` or `mqtt(messageid)`. Null on other rows.",
  examples: [
    { sql: "mqtt(topic)", gives: null },
    { sql: "mqtt(qos)", fails: "E214" },
  ],
  compile(constants) {
    // The source writes the name of its metadata in two words.
    const key = constants.key?.toLowerCase() === "messageid" ? "messageId" : "topic";
    return (row) => (row.meta === undefined ? null : getOwn(row.meta, key) ?? null);
  },
});
