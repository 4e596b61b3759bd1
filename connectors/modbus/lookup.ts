/**
 * Reads from devices what a rule asks for, and nothing else: rows of single tags, or rows of units as the source has them.
 *
 * What a device says about a register, such as that it has none or that its value is no number, is an answer: the value
 * is null and the row has the reason. Silence and noise are none: the question fails, so that no cache keeps them.
 * @module
 */
import type { Logger } from "../../src/connector/context.ts";
import { lookupKey } from "../../src/connector/lookup_key.ts";
import type { Lookup, LookupColumns, Struct, Value } from "../../src/connector/lookup.ts";
import { getOwn, setOwn } from "../../src/value/value.ts";
import type { Line } from "./line.ts";
import { isPassing } from "./protocol/failure.ts";
import { planReads, type Read, type ReadLimits } from "./read_plan.ts";
import type { Tag } from "./tag.ts";
import { type Reading, TagReader } from "./tag_reader.ts";

export interface ModbusLookupOptions {
  readonly line: Line;
  readonly tags: readonly Tag[];
  readonly limits: ReadLimits;
  readonly log: Logger;
}

/** The columns of a row for a single tag. */
export const tagColumns = ["name", "value", "unit", "unitId", "quality"] as const;

/** The `quality` of a tag that has a value; any other is the reason why it has none. */
export const goodQuality = "good";

const none: readonly Struct[] = [];

/** A row for each tag: its name, value, unit text, unit id and quality. */
export class TagLookup implements Lookup {
  readonly #rows: readonly { readonly tag: Tag; readonly row: Struct }[];
  readonly #asker: TagAsker;

  constructor(options: ModbusLookupOptions) {
    this.#asker = new TagAsker(options);
    this.#rows = options.tags.map((tag) => ({
      tag,
      row: { name: tag.name, value: null, unit: tag.unit, unitId: BigInt(tag.unitId), quality: goodQuality },
    }));
  }

  async find(
    keys: readonly string[],
    values: readonly Value[],
    columns: LookupColumns,
    signal: AbortSignal,
  ): Promise<readonly Struct[]> {
    const isRead = (name: string) => name === "value" || name === "quality";
    // The device is asked for no more than the tags whose own facts fit.
    const fixed = keys.filter((name) => !isRead(name));
    const fixedValues = values.filter((_, i) => !isRead(keys[i]!));
    const found = this.#rows.filter(({ row }) => fixed.length === 0 || equals(row, fixed, fixedValues));
    if (columns !== "all" && !columns.some(isRead) && !keys.some(isRead)) return found.map(({ row }) => row);
    if (found.length === 0) return none;
    const readings = await this.#asker.ask(found.map(({ tag }) => tag), signal);
    const rows = found.map(({ tag, row }): Struct => {
      const { value, failure } = partsOf(readings.get(tag)!);
      return { ...row, value, quality: failure?.message ?? goodQuality };
    });
    return fixed.length === keys.length ? rows : rows.filter((row) => equals(row, keys, values));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export interface UnitLookupOptions extends ModbusLookupOptions {
  /** The column that has the unit. */
  readonly unitColumn: string;
  /** The column that gets the reasons of tags without value. */
  readonly qualityColumn: string;
  /** The units there are; none: any that is asked for, by its id only. */
  readonly units: readonly number[];
}

/** A row for each unit, with its tags as columns. */
export class UnitLookup implements Lookup {
  readonly #options: UnitLookupOptions;
  readonly #asker: TagAsker;
  /** The tags of each unit that was asked for; an id has one byte. */
  readonly #tags = new Map<number, readonly Tag[]>();

  constructor(options: UnitLookupOptions) {
    this.#options = options;
    this.#asker = new TagAsker(options);
  }

  async find(
    keys: readonly string[],
    values: readonly Value[],
    columns: LookupColumns,
    signal: AbortSignal,
  ): Promise<readonly Struct[]> {
    const { unitColumn, qualityColumn } = this.#options;
    const wanted = (name: string) => columns === "all" || columns.includes(name) || keys.includes(name);
    const rows = await Promise.all(
      this.#unitsOf(keys, values).map(async (unitId) => {
        const tags = this.#tagsOf(unitId).filter(({ name }) => wanted(name));
        const readings = await this.#asker.ask(tags, signal);
        const row: Struct = {};
        const reasons: Struct = {};
        setOwn(row, unitColumn, BigInt(unitId));
        for (const tag of tags) {
          const { value, failure } = partsOf(readings.get(tag)!);
          setOwn(row, tag.name, value);
          if (failure !== undefined) setOwn(reasons, tag.name, failure.message);
        }
        if (Object.keys(reasons).length > 0) setOwn(row, qualityColumn, reasons);
        return row;
      }),
    );
    return rows.filter((row) => equals(row, keys, values));
  }

  #unitsOf(keys: readonly string[], values: readonly Value[]): readonly number[] {
    const { unitColumn, units } = this.#options;
    const at = keys.indexOf(unitColumn);
    if (at === -1) {
      if (units.length > 0) return units;
      throw new Error(`without "units", the table can only be joined by the column "${unitColumn}"`);
    }
    const wanted = lookupKey([values[at]!]);
    if (units.length > 0) return units.filter((unitId) => unitId === wanted);
    const isUnit = typeof wanted === "number" && Number.isInteger(wanted) && wanted >= 0 && wanted <= 255;
    return isUnit && !(typeof values[at] === "object") ? [wanted] : [];
  }

  #tagsOf(unitId: number): readonly Tag[] {
    let tags = this.#tags.get(unitId);
    if (tags === undefined) this.#tags.set(unitId, tags = this.#options.tags.map((tag) => ({ ...tag, unitId })));
    return tags;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** So many ways to ask are kept planned; a lookup is asked for few different sets of tags, as a rule. */
const plansMax = 1000;

/** Reads some tags now, with as few requests as the device allows. */
class TagAsker {
  readonly #reader: TagReader;
  readonly #limits: ReadLimits;
  /** The reads of sets of tags, as what the device refuses has made them. */
  readonly #plans = new Map<string, readonly Read[]>();

  constructor(options: ModbusLookupOptions) {
    this.#reader = new TagReader(options);
    this.#limits = options.limits;
  }

  /**
   * @throws {NoAnswer | BadAnswer | ModbusException} a tag could not be asked for now
   * @throws {Disconnected} there is no connection
   */
  async ask(tags: readonly Tag[], signal: AbortSignal): Promise<ReadonlyMap<Tag, Reading>> {
    const key = tags.map(({ unitId, name }) => `${unitId} ${name}`).join("\n");
    // All are due now, whatever interval they have.
    const plan = this.#plans.get(key) ?? planReads(tags, this.#limits).flatMap(({ reads }) => reads);
    const readings = new Map<Tag, Reading>();
    const better = await this.#reader.readInto(readings, plan, signal);
    if (this.#plans.size >= plansMax) this.#plans.clear();
    this.#plans.set(key, better);
    for (const { failure } of readings.values()) {
      if (failure !== undefined && isPassing(failure)) throw failure;
    }
    return readings;
  }
}

function partsOf(reading: Reading): { readonly value: Value; readonly failure: Error | undefined } {
  return reading.failure === undefined ? { value: reading.value, failure: undefined } : { value: null, ...reading };
}

function equals(row: Struct, keys: readonly string[], values: readonly Value[]): boolean {
  const key = lookupKey(values);
  return key !== undefined && lookupKey(keys.map((name) => getOwn(row, name))) === key;
}
