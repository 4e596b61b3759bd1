/**
 * `weir query`: one SELECT over files, with a virtual clock; the same engine that runs rules.
 *
 * A line that cannot be decoded and a row that fails are told on standard error and left out, as a running rule leaves
 * them out.
 * @module
 */
import { createJsonEncoder } from "../codec/json_encode.ts";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { RowError } from "../diagnostics/row_error.ts";
import { Query } from "../runtime/query.ts";
import { defineStream } from "../runtime/stream_definition.ts";
import type { ColumnDefinition } from "../sql/ast.ts";
import type { Catalog, SourceSchema } from "../sql/catalog.ts";
import { builtInFunctions } from "../sql/functions/built_in.ts";
import { parseStatement } from "../sql/parse.ts";
import { parseGoDuration } from "../value/go_duration.ts";
import type { Struct } from "../value/value.ts";
import { type Arguments, type CliContext, CliError, type Command, UsageError } from "./command.ts";
import { type InputFormat, readRows } from "./query_input.ts";
import { createPrinter, type OutputFormat, outputFormats } from "./query_output.ts";

/** Failures beyond this many are only counted. */
const failuresShownMax = 20;

interface Input {
  readonly stream: string;
  readonly file: string;
}

function readInputs(args: Arguments): Input[] {
  const inputs = args.texts("stream").map((text) => {
    const at = text.indexOf("=");
    if (at < 1 || at === text.length - 1) {
      throw new UsageError(`--stream ${JSON.stringify(text)}: expected NAME=FILE, such as demo=rows.ndjson`);
    }
    return { stream: text.slice(0, at), file: text.slice(at + 1) };
  });
  if (inputs.length === 0) throw new UsageError("no rows to read: give --stream NAME=FILE", "- is standard input");
  if (inputs.filter(({ file }) => file === "-").length > 1) {
    throw new UsageError("standard input can be read only once");
  }
  return inputs;
}

/** Streams of `--create`, and a schemaless one for every other name of `--stream`. */
function readCatalog(args: Arguments, inputs: readonly Input[]): Catalog {
  const eventTime = args.text("event-time");
  const schemas = new Map<string, SourceSchema>();
  const add = (name: string, columns: readonly ColumnDefinition[] | undefined, timestamp?: string, format?: string) => {
    schemas.set(name, {
      name,
      kind: "stream",
      columns,
      strictValidation: false,
      timestamp: eventTime ?? timestamp,
      timestampFormat: format,
    });
  };
  for (const { stream } of inputs) add(stream, undefined);
  for (const text of args.texts("create")) {
    const statement = parseStatement(text);
    if (statement.kind !== "create") {
      throw new UsageError(`--create takes CREATE STREAM statements, found ${statement.kind}`);
    }
    const { name, columns, options } = defineStream(statement, text);
    if (options.strictValidation) {
      fail("E408", `weir query does not check rows strictly yet: found STRICT_VALIDATION on stream "${name}"`, {
        hint: "leave STRICT_VALIDATION out to try the rule; DEFAULT has no effect then",
      });
    }
    add(name, columns, options.timestamp, options.timestampFormat);
  }
  return {
    source: (name) => schemas.get(name),
    sourceNames: () => schemas.keys(),
    missingHint: "give its rows with --stream NAME=FILE",
  };
}

function readOutput(args: Arguments): OutputFormat {
  const text = args.text("output") ?? "ndjson";
  const format = outputFormats.find((each) => each === text);
  if (format !== undefined) return format;
  throw new UsageError(
    `--output ${JSON.stringify(text)}: expected ${outputFormats.join(", ")}`,
    didYouMean(text, outputFormats),
  );
}

function readDuration(args: Arguments, name: string): number | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) : parseGoDuration(text);
  if (ms === undefined || ms < 0) {
    throw new UsageError(`--${name} ${JSON.stringify(text)}: expected a duration such as 2s`);
  }
  return ms;
}

function readTimezone(args: Arguments): string {
  const zone = args.text("timezone") ?? "Local";
  try {
    if (zone !== "Local") new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch {
    throw new UsageError(`--timezone ${JSON.stringify(zone)}: expected an IANA name such as Europe/Berlin`);
  }
  return zone;
}

function readFormat(args: Arguments): InputFormat | undefined {
  const text = args.text("format");
  if (text === undefined || text === "ndjson" || text === "csv") return text;
  throw new UsageError(`--format ${JSON.stringify(text)}: expected ndjson or csv`);
}

/** Tells failures as they come, and at the end how many there were. */
function failureLog(context: CliContext) {
  let count = 0;
  return {
    tell(place: string, error: RowError): void {
      if (++count <= failuresShownMax) context.stderr(`weir query: ${place}${error.code}: ${error.message}\n`);
    },
    close(): void {
      if (count > failuresShownMax) context.stderr(`weir query: ${count} failures in all\n`);
    },
  };
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const [sql, ...extra] = args.positionals;
  if (sql === undefined) throw new UsageError("no statement: give the SELECT as one argument, in quotes");
  if (extra.length > 0) throw new UsageError(`unexpected ${JSON.stringify(extra[0])}`, "put the statement in quotes");
  const inputs = readInputs(args);
  const catalog = readCatalog(args, inputs);
  const format = readFormat(args);
  const lateTolerance = readDuration(args, "late-tolerance");
  const printer = createPrinter(readOutput(args), context.stdout, createJsonEncoder());
  const failures = failureLog(context);
  const query = new Query(sql, catalog, builtInFunctions, {
    start: Date.now(),
    timezone: readTimezone(args),
    isEventTime: args.text("event-time") !== undefined,
    ...(lateTolerance === undefined ? {} : { lateTolerance }),
  }, {
    result: (rows: readonly Struct[]) => printer.rows(rows),
    failed: (error) => failures.tell("", error),
  });

  const name = query.plan.sources[0]!;
  const own = inputs.filter(({ stream }) => stream === name);
  if (own.length === 0) {
    fail("E201", `Stream "${name}" has no rows`, { hint: `give --stream ${name}=FILE` });
  }
  const columns = catalog.source(name)!.columns;
  for (const { file } of own) {
    const rows = readRows(file, {
      wanted: query.columns,
      stdin: context.stdinBytes,
      onFailure: (line, error) => failures.tell(`${file}:${line}: `, error),
      ...(format === undefined ? {} : { format }),
      ...(columns === undefined ? {} : { columns }),
    });
    try {
      for await (const batch of rows) query.push(batch);
    } catch (error) {
      if (error instanceof DiagnosticError || typeof (error as { code?: unknown }).code !== "string") throw error;
      throw new CliError(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
    }
  }
  query.end();
  printer.end();
  for (const [reason, count] of query.dropped()) context.stderr(`weir query: ${count} rows dropped: ${reason}\n`);
  failures.close();
  return 0;
}

export const query: Command = {
  usage: ["weir query SQL --stream NAME=FILE… [--event-time FIELD] [--output ndjson|csv|table]"],
  flags: {
    stream: {
      type: "string",
      value: "NAME=FILE",
      multiple: true,
      summary: "rows of a stream: NDJSON, or CSV by its name; - is stdin",
    },
    "event-time": {
      type: "string",
      value: "FIELD",
      summary: "the column with the time of each row; windows follow it",
    },
    "late-tolerance": { type: "string", value: "TIME", summary: "how far rows may come out of order; 1s" },
    output: { type: "string", short: "o", value: "FORMAT", summary: "ndjson, csv or table; ndjson" },
    format: { type: "string", value: "FORMAT", summary: "ndjson or csv, when the file's name does not tell" },
    create: { type: "string", value: "SQL", multiple: true, summary: "CREATE STREAM …, for declared columns" },
    timezone: { type: "string", value: "ZONE", summary: "where days and hours begin; the machine's zone" },
  },
  details: `
Nothing waits for real time. Without --event-time every row arrives at once; windows still open at the end of the input
are closed. Numbers are floats as on a schemaless stream; CSV fields that read as numbers, true or false become such,
unless they are quoted. Exit code 1 means that the statement or a file is wrong; rows that fail are told on standard
error and left out.`,
  run,
};
