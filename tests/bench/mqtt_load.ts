/**
 * Publishes readings at an exact pace, as a process of its own: `mqtt_load.ts PORT TOPIC RATE SECONDS CONNECTIONS`.
 * Prints `{"sent":N,"seconds":S,"lateMsMax":L}` at the end.
 *
 * Frames are encoded once; per message only the digits of time and sequence are written. What is due is computed from
 * the clock, so a late timer sends more and the mean rate is exact.
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { openMonotonicClock } from "./monotonic_clock.ts";
import { openConnection, publishPacket } from "./mqtt_wire.ts";
import { FIRST_SEQUENCE, payloadOf, TIME_OFFSET_US } from "./readings.ts";

const TICK_MS = 1;
/** Readings repeat after this many, apart from time and sequence: the period of `readingOf`. */
const PERIOD = 9_000;

const [port, topic, rate, seconds, connections] = process.argv.slice(2);
if (port === undefined || topic === undefined) {
  throw new Error("usage: mqtt_load.ts PORT TOPIC RATE SECONDS CONNECTIONS");
}
const ratePerSecond = Number(rate);
const total = ratePerSecond * Number(seconds);

const clock = openMonotonicClock();
const names = Array.from({ length: Number(connections ?? 1) }, (_, index) => `load-${index}`);
const sockets = await Promise.all(names.map((name) => openConnection(Number(port), name)));
const frames = Array.from(
  { length: PERIOD },
  (_, index) => publishPacket(topic, Buffer.from(payloadOf(FIRST_SEQUENCE + index, 0))),
);
const frameLength = frames[0]!.length;
const pending = sockets.map(() => [] as Buffer[]);
const timeAt = frameLength - 7 - ',"seq":}'.length - 16;
const sequenceAt = frameLength - 1 - 7;

function frameOf(index: number, time: string): Buffer {
  const frame = Buffer.from(frames[index % PERIOD]!);
  frame.write(time, timeAt, "latin1");
  frame.write(String(FIRST_SEQUENCE + index), sequenceAt, "latin1");
  return frame;
}

const begin = clock();
let sent = 0;
let lateMsMax = 0;
let lastTick = begin;
await new Promise<void>((resolve) => {
  const timer = setInterval(() => {
    const now = clock();
    lateMsMax = Math.max(lateMsMax, (now - lastTick) / 1_000);
    lastTick = now;
    const due = Math.min(total, Math.floor(((now - begin) * ratePerSecond) / 1e6));
    const time = String(TIME_OFFSET_US + now);
    for (; sent < due; sent++) pending[sent % sockets.length]!.push(frameOf(sent, time));
    for (const [index, socket] of sockets.entries()) {
      const batch = pending[index]!;
      if (batch.length > 0) socket.write(Buffer.concat(batch));
      batch.length = 0;
    }
    if (sent >= total) {
      clearInterval(timer);
      resolve();
    }
  }, TICK_MS);
});
const elapsed = (clock() - begin) / 1e6;
await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.end(() => resolve()))));
console.log(JSON.stringify({ sent, seconds: elapsed, lateMsMax }));
process.exit(0);
