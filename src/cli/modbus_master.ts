/**
 * What `weir modbus` needs of the Modbus connector, which `main.ts` hands in.
 * @module
 */
import type { Value } from "../value/value.ts";

/** The settings of a connection or a tag, as a user writes them. */
export type RawSettings = Readonly<Record<string, unknown>>;

/** A place in a device, checked. */
export interface ModbusTag {
  readonly unitId: number;
  readonly register: string;
  /** As on the wire: the first of each kind is 0. */
  readonly address: number;
  /** How many registers or bits. */
  readonly count: number;
}

export interface ModbusReading {
  readonly value: Value;
  /** As they came; undefined when none did. */
  readonly words: readonly number[] | undefined;
  /** Why there is no value. */
  readonly failure: string | undefined;
}

export type ModbusProbe = { readonly word: number } | { readonly exception: number } | { readonly failure: string };

export interface FoundUnit {
  readonly unitId: number;
  readonly ms: number;
  /** What it says about the register or bit of each kind. */
  readonly probes: Readonly<Record<string, ModbusProbe>>;
}

export interface FoundRange {
  readonly address: number;
  readonly words: readonly number[];
}

export interface ScanOptions {
  readonly signal: AbortSignal;
  /** Told of the unit or address that is looked at next. */
  readonly onProgress?: (at: number) => void;
}

/** A line to devices. Methods reject with a reason for people when there is no connection. */
export interface ModbusMaster {
  /** @throws {DiagnosticError} what is wrong with the settings */
  tagsOf(raw: readonly RawSettings[], addressBase: 0 | 1): readonly ModbusTag[];
  read(tags: readonly ModbusTag[]): Promise<readonly ModbusReading[]>;
  /** @throws {Error} the text stands for no value of the tag */
  valueOf(tag: ModbusTag, text: string): Value;
  /** @throws {Error} with the reason why not all could be written */
  write(
    tags: readonly ModbusTag[],
    values: readonly Value[],
    functions: "single and multiple" | "multiple",
  ): Promise<void>;
  /** Whether the unit stands for all, so that none answers. */
  isBroadcast(unitId: number): Promise<boolean>;
  scanUnits(units: Iterable<number>, address: number, options: ScanOptions): AsyncIterable<FoundUnit>;
  scanRegisters(
    unitId: number,
    register: string,
    range: readonly [first: number, last: number],
    options: ScanOptions,
  ): AsyncIterable<FoundRange>;
  close(): Promise<void>;
}

export interface ModbusModule {
  /** @throws {DiagnosticError} what is wrong with the settings of the connection */
  openMaster(connection: RawSettings): ModbusMaster;
}
