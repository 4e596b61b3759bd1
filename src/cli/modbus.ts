/**
 * `weir modbus …`: reads, writes and finds what is on a line, for those who put devices into operation. It needs no agent.
 * @module
 */
import type { Struct, Value } from "../value/value.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { type Arguments, type CliContext, CliError, type Command, UsageError } from "./command.ts";
import { operand, readVerb, tableText } from "./client.ts";
import { GrowingTable } from "./growing_table.ts";
import {
  fromArguments,
  modbusFlags,
  readAddress,
  readBase,
  readConnection,
  readCount,
  readInterval,
  readKind,
  readOrders,
  readTag,
  readUnits,
  registerKinds,
} from "./modbus_arguments.ts";
import type { ModbusMaster, ModbusReading, ModbusTag, RawSettings } from "./modbus_master.ts";
import { scan } from "./modbus_scan.ts";
import { attempt, type ModbusSession, printJson } from "./modbus_session.ts";

const verbs = ["scan", "read", "write"] as const;

/** A value to read: where it stands, and what the user called it. */
interface Place {
  readonly tag: ModbusTag;
  readonly raw: RawSettings;
  readonly order: string | undefined;
}

// ---------------------------------------------------------------- what to read and write

const countMax = 10_000;

/** The places of the command line: for each unit, so many values one after the other, in each order. */
function placesOf(
  { args, master }: Pick<ModbusSession, "args" | "master">,
  count: number,
  type: string | undefined,
  orders: readonly (string | undefined)[],
): Place[] {
  const base = readBase(args);
  const register = readKind(operand(args, 2, "the kind of register", Infinity));
  const address = readAddress(operand(args, 3, "the address", Infinity), base);
  const found: Omit<Place, "tag">[] = [];
  const [first] = fromArguments(() => master.tagsOf([readTag(args, { register, address, type }, orders[0])], base));
  for (const unitId of readUnits(args, "1")) {
    for (let i = 0; i < count; i++) {
      const place = { register, address: address + i * first!.count, type };
      for (const order of orders) found.push({ raw: { ...readTag(args, place, order), unitId }, order });
    }
  }
  const tags = fromArguments(() => master.tagsOf(found.map(({ raw }) => raw), base));
  return found.map((each, index) => ({ ...each, tag: tags[index]! }));
}

function typeText({ raw, order }: Place): string {
  const type = String(raw.type ?? (raw.register === "coil" || raw.register === "discrete" ? "bool" : "uint16"));
  return order === undefined ? type : `${type} ${order}`;
}

/** `12:01:59.250`: devices change faster than once a second. */
function timeText(): string {
  const now = new Date();
  return `${now.toLocaleTimeString("en-GB")}.${String(now.getMilliseconds()).padStart(3, "0")}`;
}

function valueText(value: Value): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value ?? "-");
}

function wordsText(words: readonly number[] | undefined, register: unknown): string {
  if (words === undefined) return "";
  if (register === "coil" || register === "discrete") return words.join("");
  return words.map((word) => word.toString(16).padStart(4, "0")).join(" ");
}

// ---------------------------------------------------------------- read

async function read(session: ModbusSession): Promise<number> {
  const { args, context, master, signal } = session;
  const orders = readOrders(args, true) ?? [undefined];
  const count = readCount(args, "count", countMax) ?? 1;
  const interval = readInterval(args);
  const times = readCount(args, "times", Number.MAX_SAFE_INTEGER) ?? (interval === undefined ? 1 : Infinity);
  if (interval === undefined && args.text("times") !== undefined) throw new UsageError("--times needs --interval");
  const places = placesOf(session, count, args.positionals[4], orders);
  operand(args, 3, "the address", 4);
  const table = new GrowingTable(
    [...(interval === undefined ? [] : ["TIME"]), "UNIT", "REGISTER", "ADDRESS", "TYPE", "VALUE", "RAW"],
    context.stdout,
  );
  let failed = false;
  for (let round = 0; round < times && !signal.aborted; round++) {
    const begin = performance.now();
    const readings = await readingsOf(master, places.map(({ tag }) => tag), interval !== undefined);
    if (signal.aborted) break;
    failed = readings.some(({ failure }) => failure !== undefined);
    if (args.flag("json")) printReadings(places, readings, context);
    else {
      table.add(places.map((place, index) => [
        ...(interval === undefined ? [] : [timeText()]),
        ...placeCells(place),
        ...readingCells(place, readings[index]!),
      ]));
    }
    if (round + 1 < times && interval !== undefined) await pause(interval - (performance.now() - begin), signal);
  }
  return failed ? 1 : 0;
}

/** While somebody watches, a connection that is lost is a value that is missing. */
async function readingsOf(
  master: ModbusMaster,
  tags: readonly ModbusTag[],
  goesOn: boolean,
): Promise<readonly ModbusReading[]> {
  try {
    return await master.read(tags);
  } catch (error) {
    if (!goesOn) throw new CliError((error as Error).message, { cause: error });
    return tags.map(() => ({ value: null, words: undefined, failure: (error as Error).message }));
  }
}

function placeCells(place: Place): string[] {
  const { unitId, register, address } = place.raw;
  return [String(unitId), String(register), String(address), typeText(place)];
}

function readingCells({ raw }: Place, { value, words, failure }: ModbusReading): string[] {
  const shown = wordsText(words, raw.register);
  return [failure === undefined ? valueText(value) : "-", failure === undefined ? shown : `${shown} ${failure}`.trim()];
}

function printReadings(places: readonly Place[], readings: readonly ModbusReading[], context: CliContext): void {
  const time = new Date().toISOString();
  for (const [index, place] of places.entries()) {
    const { value, words, failure } = readings[index]!;
    printJson({ time, ...jsonPlace(place), value, raw: rawJson(words), ...reasonOf(failure) }, context);
  }
}

function jsonPlace({ raw, order, tag }: Place): Struct {
  const type = typeText({ raw, order: undefined, tag });
  const place = { unit: BigInt(tag.unitId), register: tag.register, address: BigInt(Number(raw.address)), type };
  return order === undefined ? place : { ...place, order };
}

function rawJson(words: readonly number[] | undefined): Value {
  return words === undefined ? null : words.map((word) => BigInt(word));
}

function reasonOf(failure: string | undefined): Struct {
  return failure === undefined ? {} : { error: failure };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.max(0, ms));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end);
  });
}

// ---------------------------------------------------------------- write

/** `float32`, and not a value such as `on`. */
function isTypeName(text: string | undefined): text is string {
  return text !== undefined && /^[a-z]+\d*$/i.test(text) && !/^(on|off|true|false)$/i.test(text);
}

async function write(session: ModbusSession): Promise<number> {
  const { args, context, master } = session;
  const rest = args.positionals.slice(4);
  const type = isTypeName(rest[0]) ? rest[0] : undefined;
  const texts = type === undefined ? rest : rest.slice(1);
  const [order] = readOrders(args, false) ?? [undefined];
  const places = placesOf(session, Math.max(1, texts.length), type, [order]);
  if (texts.length === 0) throw new UsageError("the value is missing");
  const tags = places.map(({ tag }) => tag);
  const values = places.map(({ tag }, index) => valueOf(master, tag, texts[index % texts.length]!));
  const verifies = !args.flag("no-verify") && !(await Promise.all(tags.map(isBroadcast))).includes(true);
  const before = verifies ? await attempt(() => master.read(tags)) : undefined;
  await attempt(() => master.write(tags, values, args.flag("multiple") ? "multiple" : "single and multiple"));
  const after = verifies ? await attempt(() => master.read(tags)) : undefined;
  const same = after === undefined || after.every(({ value }, index) => isClose(value, values[index]!));
  if (args.flag("json")) {
    for (const [index, place] of places.entries()) {
      const found = after === undefined ? {} : { before: before![index]!.value, after: after[index]!.value };
      printJson({ ...jsonPlace(place), written: values[index]!, ...found }, context);
    }
  } else {
    const heading = ["UNIT", "REGISTER", "ADDRESS", "TYPE", "BEFORE", "WRITTEN", "AFTER"];
    const cell = (readings: readonly ModbusReading[] | undefined, index: number) =>
      readings === undefined ? "not read" : readings[index]!.failure ?? valueText(readings[index]!.value);
    context.stdout(tableText(
      heading,
      places.map((place, index) => [
        ...placeCells(place),
        cell(before, index),
        valueText(values[index]!),
        cell(after, index),
      ]),
    ));
  }
  if (!same) context.stderr("weir: the device has something else than was written\n");
  return same ? 0 : 1;

  function isBroadcast({ unitId }: ModbusTag): Promise<boolean> {
    return master.isBroadcast(unitId);
  }
}

function valueOf(master: ModbusMaster, tag: ModbusTag, text: string): Value {
  try {
    return master.valueOf(tag, text);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** A float32 has seven digits or so, a scaled integer fewer. */
function isClose(found: Value, written: Value): boolean {
  const isNumber = (value: Value) => typeof value === "number" || typeof value === "bigint";
  if (!isNumber(found) || !isNumber(written)) return found === written;
  if (typeof found === "bigint" && typeof written === "bigint") return found === written;
  const [a, b] = [Number(found), Number(written)];
  return Math.abs(a - b) <= Math.max(Math.abs(a), Math.abs(b)) * 1e-6;
}

// ---------------------------------------------------------------- the command

async function run(args: Arguments, context: CliContext): Promise<number> {
  const verb = readVerb(args, verbs, (name) => didYouMean(name, verbs));
  const server = operand(args, 1, "the server, such as tcp://192.168.1.20:502", Infinity);
  const { openMaster } = await context.loadModbus();
  const master = fromArguments(() => openMaster(readConnection(args, server, verb === "scan")));
  const ending = new AbortController();
  const stopListening = context.platform.onTerminate(() => ending.abort());
  const session = { args, context, master, signal: ending.signal };
  try {
    return await (verb === "read" ? read(session) : verb === "write" ? write(session) : scan(session));
  } finally {
    stopListening();
    await master.close();
  }
}

export const modbus: Command = {
  usage: [
    "weir modbus scan SERVER [--unit 1-247]",
    `weir modbus scan SERVER ${registerKinds.join("|")} [FIRST-LAST] [--unit N]`,
    `weir modbus read SERVER ${registerKinds.join("|")} ADDRESS [TYPE] [--unit N] [--interval 1s]`,
    "weir modbus write SERVER coil|holding ADDRESS [TYPE] VALUE… [--unit N]",
  ],
  flags: modbusFlags,
  details: `
For putting devices into operation; it needs no agent. SERVER is tcp://HOST:502 (Modbus TCP; HOST alone means that),
rtu+tcp://HOST:PORT (RTU frames over TCP) or the device file of a serial line, such as /dev/ttyUSB0. An agent that uses the
same serial line must be stopped: two masters disturb each other.

TYPE is bool, bit, int16, uint16, int32, uint32, int64, uint64, float32, float64, string, bcd16 or bcd32; registers without
are uint16, coils and discrete inputs are bool.

  weir modbus scan 192.168.1.20                        which units answer
  weir modbus scan 192.168.1.20 holding 0-499 -u 3     which registers unit 3 has, and what is in them
  weir modbus read 192.168.1.20 input 30 float32 --order all
  weir modbus read /dev/ttyUSB0 holding 100 --count 20 --baud 19200 --parity even --interval 1s
  weir modbus write 192.168.1.20 holding 7 float32 21.5 --order CDAB
  weir modbus write 192.168.1.20 coil 3 on

scan asks each unit for one register or bit of each kind: a number is its value, "no such" says that the unit has none at
that address, "unknown" that it does not know the kind. Most devices on Modbus TCP answer for any unit id. write reads before
and after, and ends with 1 when the device has something else than was written. read ends with 1 when a value is missing, scan
when nothing was found. Ctrl-C ends each.`,
  run,
};
