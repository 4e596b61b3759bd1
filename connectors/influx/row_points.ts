/**
 * Rows as lines: fields, tags, and the time.
 * @module
 */
import type { Clock } from "../../src/connector/context.ts";
import type { Struct, Value } from "../../src/connector/source.ts";
import { DateTime } from "../../src/value/datetime.ts";
import { getOwn, isStruct } from "../../src/value/value.ts";
import { BadPoint, pointText } from "./line_protocol.ts";
import type { PointSettings } from "./point_settings.ts";

/** Nanoseconds in the units of times. */
const units = { ns: 1n, us: 1000n, ms: 1_000_000n, s: 1_000_000_000n } as const;

export type Precision = keyof typeof units;

/** What one message says of its points. */
export type MessagePoints = Partial<Pick<PointSettings, "measurement" | "tags" | "dataTemplate">>;

export class RowPoints {
  readonly #settings: PointSettings;
  readonly #clock: Clock;
  /** How many points without a time of their own each series has got at `#nowMs`. */
  #now = 0n;
  readonly #atNow = new Map<string, bigint>();

  constructor(settings: PointSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** The unit of the times in lines. */
  get precision(): Precision {
    const { useLineProtocol, tsFieldName, precision } = this.#settings;
    return useLineProtocol || tsFieldName !== "" ? precision : "ns";
  }

  /**
   * The lines of a message.
   *
   * @throws {BadPoint} for what no line can say
   */
  lines(rows: readonly Struct[], own: MessagePoints | undefined): string[] {
    const { useLineProtocol } = this.#settings;
    const text = own?.dataTemplate ?? this.#settings.dataTemplate;
    if (useLineProtocol) return text.split("\n").filter((line) => line.trim() !== "");
    const measurement = String(own?.measurement ?? this.#settings.measurement);
    const tags = Object.entries(own?.tags ?? this.#settings.tags).map(([name, value]) =>
      [name, String(value)] as const
    );
    return (text === "" ? rows : rowsOf(text)).map((row) => {
      const line = pointText({ measurement, tags, fields: this.#fields(row) });
      return `${line} ${this.#time(row, line)}`;
    });
  }

  #fields(row: Struct): [string, Value][] {
    const { fields, tsFieldName } = this.#settings;
    const names = fields.length > 0 ? fields : Object.keys(row).filter((name) => name !== tsFieldName);
    return names.map((name) => [name, getOwn(row, name)]);
  }

  #time(row: Struct, line: string): string {
    const { tsFieldName, precision } = this.#settings;
    if (tsFieldName !== "") return String(timeOf(tsFieldName, getOwn(row, tsFieldName), precision));
    const unit = units[precision];
    const now = BigInt(Math.trunc(this.#clock.now())) * units.ms / unit * unit;
    if (now !== this.#now) {
      this.#now = now;
      this.#atNow.clear();
    }
    // Points of one series and time are one point to InfluxDB, the last one. What comes at once is told apart by
    // nanoseconds, so that none of it gets lost.
    const series = seriesOf(line);
    const count = this.#atNow.get(series) ?? 0n;
    this.#atNow.set(series, count + 1n);
    return String(now + count);
  }
}

/** The first blank that is not escaped ends the series. */
function seriesOf(line: string): string {
  return /^(?:[^\\ ]|\\.)*/s.exec(line)![0];
}

function rowsOf(text: string): Struct[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BadPoint(`The dataTemplate has made no JSON: ${(error as Error).message}`);
  }
  const rows = Array.isArray(value) ? value : [value];
  if (!rows.every((row) => isStruct(row as Value))) throw new BadPoint("The dataTemplate has made no JSON object");
  return rows as Struct[];
}

const timeMax = 9_223_372_036_854_775_806n;

function timeOf(column: string, value: Value, precision: Precision): bigint {
  let time: bigint | undefined;
  if (typeof value === "bigint") time = value;
  else if (typeof value === "number" && Number.isInteger(value)) time = BigInt(value);
  else if (typeof value === "string" && /^-?\d{1,19}$/.test(value)) time = BigInt(value);
  else if (value instanceof DateTime) time = BigInt(Math.trunc(value.ms)) * units.ms / units[precision];
  if (time === undefined) {
    const found = value === undefined || value === null
      ? "nothing"
      : typeof value === "object"
      ? "a value"
      : String(value);
    throw new BadPoint(
      `Column "${column}" must hold the time as a whole number in ${precision}: found ${found.slice(0, 40)}`,
    );
  }
  const ns = time * units[precision];
  if (ns > timeMax || ns < -timeMax) {
    throw new BadPoint(`Column "${column}" holds a time beyond those of InfluxDB: ${time}`);
  }
  return time;
}
