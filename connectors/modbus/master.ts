/**
 * A line in the hands of a person who puts a device into operation: reads and writes single values, and finds what
 * units and registers there are. It needs no agent.
 *
 * @example
 * ```ts ignore
 * const master = openMaster({ server: "tcp://192.168.1.20:502" });
 * await master.read([{ register: "holding", address: 100, type: "float32" }]);
 * await master.close();
 * ```
 * @module
 */
import * as v from "valibot";
import type { Clock, Logger } from "../../src/connector/context.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import { sleepWith } from "../../src/connector/sleep.ts";
import type { Value } from "../../src/value/value.ts";
import { connectionSettings, LazyLine } from "./connection.ts";
import type { Line } from "./line.ts";
import { ModbusException, NoAnswer } from "./protocol/failure.ts";
import { readRequest } from "./protocol/request.ts";
import { planReads, protocolBitsMax, protocolRegistersMax } from "./read_plan.ts";
import { BadValue, isInteger } from "./register_values.ts";
import { ModbusSink } from "./sink.ts";
import { isBits, type RegisterKind, resolveTags, type Tag, tagList } from "./tag.ts";
import { type Reading, TagReader } from "./tag_reader.ts";
import { isWritable } from "./tag_value.ts";

/** Settings as a user writes them. */
type Raw = Readonly<Record<string, unknown>>;

/** What one value has come to. */
export interface MasterReading {
  readonly value: Value;
  /** The registers or bits, as they came; undefined when none did. */
  readonly words: readonly number[] | undefined;
  /** Why there is no value. */
  readonly failure: string | undefined;
}

/** What a unit says about the register or bit of one kind. */
export type Probe = { readonly word: number } | { readonly exception: number } | { readonly failure: string };

export interface FoundUnit {
  readonly unitId: number;
  /** How long its first answer took. */
  readonly ms: number;
  readonly probes: Readonly<Record<RegisterKind, Probe>>;
}

/** Registers or bits one after the other that a unit has. */
export interface FoundRange {
  readonly address: number;
  readonly words: readonly number[];
}

export interface ScanOptions {
  readonly signal: AbortSignal;
  /** Told of the unit or address that is looked at next. */
  readonly onProgress?: (at: number) => void;
}

const kinds: readonly RegisterKind[] = ["holding", "input", "coil", "discrete"];
const tagsSchema = v.strictObject({ tags: tagList({ description: "The values." }) });
const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };

function after(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

const clock: Clock = { now: () => performance.now(), after, sleep: sleepWith(after) };

/**
 * Opens a line with the settings of a connection. It connects when it is first used.
 *
 * @throws {DiagnosticError} the settings are wrong
 */
export function openMaster(connection: Raw): Master {
  const settings = readSettings(connectionSettings, connection, { path: "", where: "modbus connection" });
  return new Master(new LazyLine(settings, { clock, status: () => {} }, { silencesMax: Infinity, restMaxMs: 0 }));
}

export class Master {
  readonly #line: LazyLine;
  readonly #abort = new AbortController();

  constructor(line: LazyLine) {
    this.#line = line;
  }

  /**
   * Tags out of settings without names, with the base of their addresses.
   *
   * @throws {DiagnosticError} what is wrong with them
   */
  tagsOf(raw: readonly Raw[], addressBase: 0 | 1): readonly Tag[] {
    const named = raw.map((tag, index) => ({ ...tag, name: `value ${index + 1}` }));
    const { tags } = readSettings(tagsSchema, { tags: named }, { path: "", where: "modbus command" });
    const orders = { byteOrder: "big", wordOrder: "big" } as const;
    return resolveTags(tags, { ...orders, unitId: 1, addressBase, report: "cycle", intervalMs: 0 });
  }

  /**
   * Reads with as few requests as the device allows.
   *
   * @throws {Disconnected} there is no connection
   */
  async read(tags: readonly Tag[]): Promise<readonly MasterReading[]> {
    const line = await this.#line.open();
    const words = new Map<Tag, readonly number[]>();
    const limits = { registersMax: protocolRegistersMax, bitsMax: protocolBitsMax, gapMax: 0 };
    const reader = new TagReader({ line, limits, log: quiet, onData: (tag, data) => void words.set(tag, data) });
    const readings = new Map<Tag, Reading>();
    await reader.readInto(readings, planReads(tags, limits).flatMap(({ reads }) => reads), this.#abort.signal);
    return tags.map((tag) => {
      const reading = readings.get(tag)!;
      const failed = reading.failure !== undefined;
      return {
        value: failed ? null : reading.value,
        words: words.get(tag),
        failure: failed ? reading.failure.message : undefined,
      };
    });
  }

  /**
   * The value that a text stands for in a tag: `on`, `0x1f`, `21.5`.
   *
   * @throws {BadValue} it stands for none, or the tag cannot be written
   */
  valueOf(tag: Tag, text: string): Value {
    if (!isWritable(tag)) throw new BadValue(`registers of kind ${tag.register} can only be read`);
    const type = tag.format?.type ?? "bool";
    if (type === "string") return text;
    if (type === "bool" || type === "bit") {
      if (/^(on|true|1)$/i.test(text)) return true;
      if (/^(off|false|0)$/i.test(text)) return false;
      throw new BadValue(`"${text}" is neither on nor off`);
    }
    if (/^[+-]?\d+$|^0x[0-9a-f]+$/i.test(text)) return BigInt(text.replace(/^\+/, ""));
    const number = text.trim() === "" ? NaN : Number(text);
    if (Number.isFinite(number)) return number;
    throw new BadValue(`"${text}" is no ${isInteger(type) ? "whole " : ""}number`);
  }

  /**
   * Writes all values, those that follow each other with one request.
   *
   * @throws {Error} with the reason when the device refuses, does not answer, or cannot hold a value
   */
  async write(tags: readonly Tag[], values: readonly Value[], functions: "single and multiple" | "multiple") {
    const line = await this.#line.open();
    const sink = new ModbusSink({
      line,
      tags,
      unitColumn: undefined,
      verify: "no",
      functions,
      rowIntervalMs: 0,
      clock,
    });
    const row = Object.fromEntries(tags.map(({ name }, index) => [name, values[index]]));
    try {
      await sink.write([[row]], this.#abort.signal);
    } catch (error) {
      // Nobody but the engine has a use for what these say besides.
      if (error instanceof ItemsFailed || error instanceof RetryLater) throw new Error(error.message, { cause: error });
      throw error;
    }
  }

  /** Whether nobody can answer for a unit, as it stands for all. */
  async isBroadcast(unitId: number): Promise<boolean> {
    return (await this.#line.open()).isBroadcast(unitId);
  }

  /**
   * Asks one unit after the other for the register or bit of each kind at `address`, and gives those that answer.
   *
   * @throws {Disconnected} there is no connection
   */
  async *scanUnits(
    units: Iterable<number>,
    address: number,
    { signal, onProgress }: ScanOptions,
  ): AsyncGenerator<FoundUnit> {
    const line = await this.#line.open();
    for (const unitId of units) {
      if (signal.aborted) return;
      if (line.isBroadcast(unitId)) continue;
      onProgress?.(unitId);
      const begin = performance.now();
      const first = await probe(line, unitId, kinds[0]!, address);
      if (isAbsence(first)) continue;
      const ms = performance.now() - begin;
      const probes: Partial<Record<RegisterKind, Probe>> = { [kinds[0]!]: first.probe };
      for (const kind of kinds.slice(1)) probes[kind] = (await probe(line, unitId, kind, address)).probe;
      yield { unitId, ms, probes: probes as Record<RegisterKind, Probe> };
    }
  }

  /**
   * Finds which registers or bits of a kind a unit has, from `first` to `last`, and what they are.
   *
   * @throws {ModbusException} the unit does not know the kind at all
   * @throws {NoAnswer} it does not answer
   * @throws {Disconnected} there is no connection
   */
  async *scanRegisters(
    unitId: number,
    register: RegisterKind,
    [first, last]: readonly [number, number],
    { signal, onProgress }: ScanOptions,
  ): AsyncGenerator<FoundRange> {
    const line = await this.#line.open();
    const most = isBits(register) ? protocolBitsMax : protocolRegistersMax;
    let range: { address: number; words: number[] } | undefined;
    for (let address = first; address <= last; address += most) {
      onProgress?.(address);
      for await (const found of existing(line, unitId, register, address, Math.min(most, last - address + 1), signal)) {
        if (range !== undefined && range.address + range.words.length === found.address) {
          range.words.push(...found.words);
          continue;
        }
        if (range !== undefined) yield range;
        range = { address: found.address, words: [...found.words] };
      }
    }
    if (range !== undefined) yield range;
  }

  async close(): Promise<void> {
    this.#abort.abort(new Disconnected("the line is closed"));
    await this.#line.close();
  }
}

interface ProbeOutcome {
  readonly probe: Probe;
  readonly error: unknown;
}

/** Silence, or a gateway that says that there is nobody. */
function isAbsence({ error }: ProbeOutcome): boolean {
  return error instanceof NoAnswer || error instanceof ModbusException && error.isAbsence;
}

async function probe(line: Line, unitId: number, kind: RegisterKind, address: number): Promise<ProbeOutcome> {
  try {
    const [word] = await line.send(unitId, readRequest(kind, address, 1));
    return { probe: { word: word! }, error: undefined };
  } catch (error) {
    if (error instanceof Disconnected) throw error;
    if (error instanceof ModbusException) return { probe: { exception: error.code }, error };
    return { probe: { failure: (error as Error).message }, error };
  }
}

/** The parts of a stretch that can be read: all of it, or what its halves have. */
async function* existing(
  line: Line,
  unitId: number,
  register: RegisterKind,
  address: number,
  count: number,
  signal: AbortSignal,
): AsyncGenerator<FoundRange> {
  if (signal.aborted) return;
  try {
    yield { address, words: await line.send(unitId, readRequest(register, address, count)) };
  } catch (error) {
    // Only these say that a register is not there; anything else is true for all of them.
    const isRefused = error instanceof ModbusException && [2, 3].includes(error.code);
    if (!isRefused) throw error;
    if (count === 1) return;
    const half = Math.ceil(count / 2);
    yield* existing(line, unitId, register, address, half, signal);
    yield* existing(line, unitId, register, address + half, count - half, signal);
  }
}
