/**
 * The command that makes an edge node tell all its metrics again.
 * @module
 */

const name = "Node Control/Rebirth";
const booleanType = 11;

/** The payload of an NCMD: `Node Control/Rebirth` is true. `timestamp` in Unix milliseconds. */
export function rebirthCommand(timestamp: number): Uint8Array {
  const text = new TextEncoder().encode(name);
  const time = varint(timestamp);
  // Fields: 1 name, 3 timestamp, 4 datatype, 14 boolean_value.
  const metric = [0x0a, text.length, ...text, 0x18, ...time, 0x20, booleanType, 0x70, 1];
  // Fields: 1 timestamp, 2 metrics.
  return Uint8Array.from([0x08, ...time, 0x12, metric.length, ...metric]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push(rest % 128 + 128);
  return [...bytes, rest];
}
