/**
 * The same filter written by hand with mqtt.js, as a second contender: `mqttjs_filter.ts URL IN OUT`.
 * It proves the benchmark against an independent client, and gives a figure to compare with.
 * @module
 */
import process from "node:process";
import mqtt from "mqtt";

const [url, input, output] = process.argv.slice(2);
const client = await mqtt.connectAsync(url!);
client.on("message", (_topic, payload) => {
  const row = JSON.parse(payload.toString());
  if (row.temperature > 50) client.publish(output!, JSON.stringify(row));
});
await client.subscribeAsync(input!);
console.log("ready");
