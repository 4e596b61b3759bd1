/**
 * The arguments of `weir modbus`, read into settings of the connection and its tags.
 * @module
 */
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { parseGoDuration } from "../value/go_duration.ts";
import { type Arguments, type Flag, UsageError } from "./command.ts";
import type { RawSettings } from "./modbus_master.ts";

export const modbusFlags: Readonly<Record<string, Flag>> = {
  unit: { type: "string", short: "u", value: "UNITS", summary: "unit ids: 3, 1,2 or 1-20; 1 without, for scan 1-247" },
  base: { type: "string", value: "0|1", summary: "number of the first address of each kind; 0 without" },
  count: { type: "string", short: "n", value: "N", summary: "read: so many values, one after the other" },
  order: {
    type: "string",
    value: "ORDER",
    summary: "bytes of two registers: ABCD (as the protocol has it), CDAB, BADC, DCBA; read: all tries each",
  },
  scale: { type: "string", value: "NUMBER", summary: "the value is the number of the registers times this" },
  offset: { type: "string", value: "NUMBER", summary: "plus this" },
  bit: { type: "string", value: "0-15", summary: "of type bit: which one, 0 for the least significant" },
  length: { type: "string", value: "BYTES", summary: "of type string: its bytes" },
  interval: { type: "string", short: "i", value: "DURATION", summary: "read: again and again, until Ctrl-C" },
  times: { type: "string", value: "N", summary: "with --interval: end after so many" },
  multiple: { type: "boolean", summary: "write: use the function for several also for one coil or register" },
  "no-verify": { type: "boolean", summary: "write: read nothing before and after" },
  at: { type: "string", value: "ADDRESS", summary: "scan of units: what each is asked for; the first without" },
  timeout: { type: "string", value: "DURATION", summary: "how long a unit has to answer; 1s without, for scan 300ms" },
  pause: { type: "string", value: "DURATION", summary: "least time between an answer and the next request" },
  "delay-after-connect": { type: "string", value: "DURATION", summary: "time before the first request" },
  baud: { type: "string", value: "RATE", summary: "serial line: bits per second; 9600 without" },
  parity: { type: "string", value: "PARITY", summary: "serial line: none, even or odd; none without" },
  "data-bits": { type: "string", value: "7|8", summary: "serial line: bits of a character; 8 without" },
  "stop-bits": { type: "string", value: "1|2", summary: "serial line: stop bits; 1 without" },
  json: { type: "boolean", summary: "print a JSON object for each line" },
};

export const registerKinds = ["coil", "discrete", "input", "holding"] as const;
export type RegisterKind = typeof registerKinds[number];

const scanTimeout = "300ms";
const unitMax = 255;
const addressMax = 65_535;

/** The settings of the connection; `server` is a URL, a device file, or a host alone. */
export function readConnection(args: Arguments, server: string, forScan: boolean): RawSettings {
  const isWhole = server.includes("://") || server.startsWith("/");
  const timeout = args.text("timeout") ?? (forScan ? scanTimeout : undefined);
  return present({
    server: isWhole ? server : `tcp://${server}`,
    timeout,
    pause: args.text("pause"),
    delayAfterConnect: args.text("delay-after-connect"),
    baudRate: args.text("baud"),
    parity: args.text("parity"),
    dataBits: args.text("data-bits"),
    stopBits: args.text("stop-bits"),
  });
}

/** Unit ids such as `1,2` and `10-20`. */
export function readUnits(args: Arguments, absent: string): number[] {
  const text = args.text("unit") ?? absent;
  const wrong = () => new UsageError(`--unit ${JSON.stringify(text)}: expected ids up to ${unitMax}: 3, 1,2 or 1-20`);
  const units = text.split(",").flatMap((part) => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    const [from, to] = [Number(first), Number(last ?? first)];
    if (first === undefined || to > unitMax || from > to) throw wrong();
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  return [...new Set(units)];
}

export function readBase(args: Arguments): 0 | 1 {
  const text = args.text("base") ?? "0";
  if (text === "0" || text === "1") return text === "0" ? 0 : 1;
  throw new UsageError(`--base ${JSON.stringify(text)}: expected 0 or 1`);
}

export function readKind(text: string): RegisterKind {
  const kind = registerKinds.find((each) => each === text.toLowerCase());
  if (kind !== undefined) return kind;
  const hint = didYouMean(text, registerKinds);
  throw new UsageError(`unknown kind of register ${JSON.stringify(text)}: one of ${registerKinds.join(", ")}`, hint);
}

/** A number from `min` to `max`, of a flag or another argument. */
export function readNumber(name: string, text: string, [min, max]: readonly [number, number]): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${name} ${JSON.stringify(text)}: expected a whole number from ${min} to ${max}`);
}

export function readAddress(text: string, base: 0 | 1): number {
  return readNumber("the address", text, [base, addressMax + base]);
}

/** Addresses such as `0-999`, both with the base; 0 to 999 without. */
export function readRange(text: string | undefined, base: 0 | 1): readonly [first: number, last: number] {
  const [first = "", last = first] = (text ?? `${base}-${base + 999}`).split("-");
  const range = [readAddress(first, base), readAddress(last, base)] as const;
  if (range[0] > range[1]) throw new UsageError(`the range ${JSON.stringify(text)} ends before it begins`);
  return range;
}

/** The number of a flag that counts something, or undefined. */
export function readCount(args: Arguments, name: string, max: number): number | undefined {
  const text = args.text(name);
  return text === undefined ? undefined : readNumber(`--${name}`, text, [1, max]);
}

export function readInterval(args: Arguments): number | undefined {
  const text = args.text("interval");
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) : parseGoDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new UsageError(`--interval ${JSON.stringify(text)}: expected a duration such as 1s`);
}

/** Byte and word order of a type; the letters are the bytes of the value, the most significant first. */
const orders: Readonly<Record<string, RawSettings>> = {
  ABCD: { byteOrder: "big", wordOrder: "big" },
  CDAB: { byteOrder: "big", wordOrder: "little" },
  BADC: { byteOrder: "little", wordOrder: "big" },
  DCBA: { byteOrder: "little", wordOrder: "little" },
};
/** Of one register there are only two. */
const shortOrders: Readonly<Record<string, string>> = { AB: "ABCD", BA: "DCBA" };

/** The names of the orders to read with; undefined where none was asked for. */
export function readOrders(args: Arguments, forRead: boolean): readonly string[] | undefined {
  const text = args.text("order")?.toUpperCase();
  if (text === undefined) return undefined;
  if (forRead && text === "ALL") return Object.keys(orders);
  const name = shortOrders[text] ?? text;
  if (Object.hasOwn(orders, name)) return [name];
  const all = [...Object.keys(orders), ...(forRead ? ["all"] : [])];
  throw new UsageError(`--order ${JSON.stringify(text)}: expected ${all.join(", ")}`);
}

/** The settings of a tag that flags say. */
export function readTag(
  args: Arguments,
  place: { readonly register: RegisterKind; readonly address: number; readonly type: string | undefined },
  order: string | undefined,
): RawSettings {
  return present({
    ...place,
    ...(order === undefined ? {} : orders[order]),
    scale: args.text("scale"),
    offset: args.text("offset"),
    bit: args.text("bit"),
    length: args.text("length"),
  });
}

function present(settings: RawSettings): RawSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** What the connector finds wrong with settings was on the command line. */
export function fromArguments<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    const { message, hint } = error.diagnostics[0]!;
    throw new UsageError(message, hint);
  }
}
