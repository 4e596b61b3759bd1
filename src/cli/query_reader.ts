/**
 * The rows of a stream or table of `weir query`: out of a file, validated where its definition asks for it, with the
 * times at which they arrive.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { usesInt64 } from "../rule_test/payload_reader.ts";
import { strictRows } from "../runtime/strict_rows.ts";
import type { ColumnDefinition } from "../sql/ast.ts";
import type { SourcePlan } from "../sql/plan.ts";
import { DateTime, isTimestamp } from "../value/datetime.ts";
import { parseDateTime } from "../value/datetime_text.ts";
import { getOwn, type Struct, type Value } from "../value/value.ts";
import type { Input, QueryCatalog } from "./query_catalog.ts";
import { type InputFormat, type InputOptions, readRows } from "./query_input.ts";
import type { TimedInput } from "./query_merge.ts";

export interface ReaderOptions {
  readonly catalog: QueryCatalog;
  readonly format: InputFormat | undefined;
  readonly timezone: string;
  /** The column that says when a row arrives. */
  readonly arrivalTime: string | undefined;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly stdin: InputOptions["stdin"];
  readonly failed: (place: string, error: RowError) => void;
}

/** Unix milliseconds of what a column holds; undefined when that is no time. */
function momentOf(value: Value, timezone: string, now: number): number | undefined {
  if (value instanceof DateTime) return value.ms;
  if (typeof value === "string") return parseDateTime(value, timezone, now)?.ms;
  const ms = typeof value === "bigint" ? Number(value) : value;
  return typeof ms === "number" && isTimestamp(ms) ? Math.trunc(ms) : undefined;
}

/** The column with the time of arrival, taken out of the rows; the times wait until the rows are asked for theirs. */
class ArrivalColumn {
  readonly #name: string;
  readonly #isTable: boolean;
  readonly #options: ReaderOptions;
  readonly #times: number[] = [];
  #head = 0;

  constructor(name: string, isTable: boolean, options: ReaderOptions) {
    this.#name = name;
    this.#isTable = isTable;
    this.#options = options;
  }

  /** A row of a table that has no time is there from the beginning. */
  take(row: Struct): number {
    const value = getOwn(row, this.#name);
    delete row[this.#name];
    if (value === undefined && this.#isTable) return -Infinity;
    const time = momentOf(value, this.#options.timezone, this.#options.now());
    if (time !== undefined) return time;
    const found = value === undefined ? "no such column" : value === null ? "null" : JSON.stringify(String(value));
    throw new RowError(
      "E507",
      `Arrival column "${this.#name}": expected Unix milliseconds or a datetime, found ${found}`,
    );
  }

  keep(time: number): void {
    this.#times.push(time);
  }

  next(): number {
    const time = this.#times[this.#head++]!;
    if (this.#head === this.#times.length) {
      this.#times.length = 0;
      this.#head = 0;
    }
    return time;
  }
}

/** The batches of one file. With an arrival column, `arrival` gets the time of each row. */
function open(
  input: Input,
  source: SourcePlan,
  options: ReaderOptions,
  arrival?: ArrivalColumn,
): AsyncGenerator<Struct[]> {
  const { catalog, timezone, now, format } = options;
  const definition = catalog.definitions.get(input.stream);
  const validate = definition === undefined ? undefined : strictRows(definition, timezone, now)?.(source.columns);
  const name = options.arrivalTime;
  const columns = definition?.columns;
  const accept = (row: Struct): Struct => {
    const time = arrival?.take(row);
    const valid = validate === undefined ? row : validate(row);
    if (time !== undefined) arrival!.keep(time);
    return valid;
  };
  return readRows(input.file, {
    wanted: name === undefined || source.columns === "all" ? source.columns : new Set([...source.columns, name]),
    stdin: options.stdin,
    onFailure: (line, error) => options.failed(`${input.file}:${line}: `, error),
    ...(validate === undefined && arrival === undefined ? {} : { accept }),
    ...(format === undefined ? {} : { format }),
    ...(columns === undefined ? {} : { columns: name === undefined ? columns : withTime(columns, name) }),
    ...(definition === undefined ? {} : { useInt64ForWholeNumber: usesInt64(definition) }),
  });
}

/** Of a stream with declared columns, the others do not exist; the time of arrival is none of its own. */
function withTime(columns: readonly ColumnDefinition[], name: string): readonly ColumnDefinition[] {
  const nowhere = { start: 0, end: 0 };
  const others = columns.filter((column) => column.name.name !== name);
  const [first] = columns;
  return [...others, { ...first!, name: { ...first!.name, name, span: nowhere }, type: { kind: "datetime" } }];
}

/** The batches of a file, for rows whose times do not matter. */
export function readBatches(input: Input, source: SourcePlan, options: ReaderOptions): AsyncGenerator<Struct[]> {
  return open(input, source, options);
}

/**
 * The rows of a file with their times: those of the arrival column, else those of the stream's event time. A row
 * without event time goes along with the one before it, and fails later; the rows of a table are there from the
 * beginning.
 */
export function readTimed(input: Input, source: SourcePlan, options: ReaderOptions): TimedInput {
  const isTable = source.schema.kind !== "stream";
  const { position, schema: { timestamp } } = source;
  if (options.arrivalTime !== undefined) {
    const arrival = new ArrivalColumn(options.arrivalTime, isTable, options);
    const batches = open(input, source, options, arrival);
    return { source: position, batches, timeOf: () => arrival.next() };
  }
  const timeOf = (row: Struct) =>
    isTable || timestamp === undefined
      ? -Infinity
      : momentOf(getOwn(row, timestamp), options.timezone, options.now()) ?? -Infinity;
  return { source: position, batches: open(input, source, options), timeOf };
}
