/**
 * `weir query`: one SELECT over files, with a virtual clock; the same engine that runs rules.
 *
 * A line that cannot be decoded and a row that fails are told on standard error and left out, as a running rule leaves
 * them out.
 * @module
 */
import { createJsonEncoder } from "../codec/json_encode.ts";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import { renderDiagnostic } from "../diagnostics/render.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { wantedColumns } from "../rule_test/payload_reader.ts";
import { Query, type QueryOutput } from "../runtime/query.ts";
import { planOptionsOf, type RuleDefinition } from "../runtime/rule_definition.ts";
import { builtInFunctions } from "../sql/functions/built_in.ts";
import { statementWarnings } from "../sql/prepare.ts";
import type { Struct } from "../value/value.ts";
import { type Arguments, type CliContext, CliError, type Command, UsageError } from "./command.ts";
import { type Input, QueryCatalog, readInputs } from "./query_catalog.ts";
import { readFormat, readMoment, readOutput, readQueryRule, readTimezone } from "./query_flags.ts";
import { type Arrival, mergeByTime } from "./query_merge.ts";
import { createPrinter, type Printer } from "./query_output.ts";
import { readBatches, type ReaderOptions, readTimed } from "./query_reader.ts";

/** Failures beyond this many are only counted. */
const failuresShownMax = 20;

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

/** Results as they are printed; one that has no form in the output fails alone. */
function outputOf(printer: Printer, tell: (place: string, error: RowError) => void): QueryOutput {
  return {
    result(rows: readonly Struct[]): void {
      try {
        printer.rows(rows);
      } catch (error) {
        if (!(error instanceof RowError)) throw error;
        tell("", error);
      }
    },
    failed: (error) => tell("", error),
  };
}

interface RunParts {
  readonly rule: RuleDefinition;
  readonly inputs: readonly Input[];
  readonly catalog: QueryCatalog;
  readonly timezone: string;
  readonly output: QueryOutput;
  readonly outputReady: CliContext["stdoutReady"];
}

/** Pushes the rows of the files through one query. */
class QueryRun {
  readonly #parts: RunParts;
  /** Knows what the statement reads, and never runs: the query that does may start with the first row only. */
  readonly #planned: Query;
  #query: Query | undefined;

  /** @throws {DiagnosticError} when the statement is wrong. */
  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#planned = this.#create(0);
    for (const { name, schema } of this.#planned.sources) {
      if (parts.inputs.some(({ stream }) => stream === name)) continue;
      const what = schema.kind === "stream" ? "Stream" : "Table";
      fail("E201", `${what} "${name}" has no rows`, { hint: `give --stream ${name}=FILE` });
    }
  }

  #create(start: number): Query {
    const { rule, catalog, timezone, output } = this.#parts;
    const options = { ...planOptionsOf(rule.options), timezone, ruleId: rule.id, start };
    return new Query(rule, catalog, builtInFunctions, options, output);
  }

  get now(): number {
    return this.#query?.now ?? Date.now();
  }

  /** Whether rows of several streams have an order of their own, which is that of their event time. */
  get mergesByEventTime(): boolean {
    const streams = this.#planned.sources.filter(({ schema }) => schema.kind === "stream");
    return streams.length > 1 && this.#parts.rule.options.isEventTime;
  }

  /** Sources with the files that hold their rows, in the order of the command line. */
  #readings() {
    const { sources } = this.#planned;
    return this.#parts.inputs.flatMap((input) => {
      const source = sources.find(({ name }) => name === input.stream);
      if (source === undefined) return [];
      return [{ input, source: { ...source, columns: wantedColumns(sources, source.name) } }];
    });
  }

  async #push(query: Query, rows: readonly Struct[], source: number, time?: number): Promise<void> {
    query.push(rows, time, undefined, source);
    const waiting = query.settled();
    if (waiting !== undefined) await waiting;
  }

  /** One file after the other, tables first. */
  async inOrder(options: ReaderOptions, start: number): Promise<void> {
    const { outputReady } = this.#parts;
    const query = this.#query = this.#create(start);
    const readings = this.#readings();
    const isTable = ({ source }: typeof readings[number]) => source.schema.kind !== "stream";
    for (const { input, source } of [...readings.filter(isTable), ...readings.filter((each) => !isTable(each))]) {
      const rows = reading(input.file, readBatches(input, source, options), outputReady);
      for await (const batch of rows) await this.#push(query, batch, source.position);
    }
  }

  /** All files together, by the times of their rows. Without `start` the clock begins with the first row. */
  async byTime(options: ReaderOptions, start: number | undefined): Promise<void> {
    const { outputReady } = this.#parts;
    const timed = this.#readings().map(({ input, source }) => {
      const each = readTimed(input, source, options);
      return { ...each, batches: reading(input.file, each.batches, outputReady) };
    });
    const setsClock = options.arrivalTime !== undefined;
    const early: Arrival[] = [];
    const take = async (query: Query, { rows, source, time }: Arrival) =>
      await this.#push(query, rows, source, setsClock && time !== -Infinity ? time : undefined);
    for await (const arrival of mergeByTime(timed)) {
      if (this.#query === undefined && start === undefined && arrival.time === -Infinity) {
        early.push(arrival);
        continue;
      }
      if (this.#query === undefined) {
        this.#query = this.#create(start ?? (setsClock ? arrival.time : Date.now()));
        for (const each of early.splice(0)) await take(this.#query, each);
      }
      await take(this.#query, arrival);
    }
    this.#query ??= this.#create(start ?? Date.now());
    for (const each of early) await take(this.#query, each);
  }

  /** Lets the clock run to `until`, and closes what is open. Resolves with the rows dropped, by reason. */
  async end(until: number | undefined): Promise<Map<string, number>> {
    const query = this.#query!;
    if (until !== undefined) query.advance(until);
    await query.end();
    return query.dropped();
  }
}

/** Batches of a file, whose errors name it. What reads the results must keep up, or they would fill the memory. */
async function* reading(
  file: string,
  batches: AsyncIterator<Struct[] | readonly Struct[]>,
  outputReady: CliContext["stdoutReady"],
) {
  try {
    for (let next = await batches.next(); next.done !== true; next = await batches.next()) {
      yield next.value;
      const ready = outputReady?.();
      if (ready !== undefined) await ready;
    }
  } catch (error) {
    if (error instanceof DiagnosticError || typeof (error as { code?: unknown }).code !== "string") throw error;
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const rule = readQueryRule(args);
  const inputs = readInputs(args);
  const catalog = new QueryCatalog(args, inputs);
  const timezone = readTimezone(args);
  const format = readFormat(args);
  const arrivalTime = args.text("arrival-time");
  const start = readMoment(args, "start", timezone);
  const until = readMoment(args, "until", timezone);
  if (until !== undefined && start === undefined && arrivalTime === undefined) {
    throw new UsageError("--until needs --arrival-time or --start: the clock would begin now");
  }
  const printer = createPrinter(readOutput(args), context.stdout, createJsonEncoder());
  const failures = failureLog(context);
  const output = outputOf(printer, failures.tell);
  const queryRun = new QueryRun({ rule, inputs, catalog, timezone, output, outputReady: context.stdoutReady });
  for (const warning of statementWarnings(rule.sql, catalog, builtInFunctions)) {
    context.stderr(`warning: ${renderDiagnostic(warning, rule.sql)}\n`);
  }
  const options: ReaderOptions = {
    catalog,
    format,
    timezone,
    arrivalTime,
    now: () => queryRun.now,
    stdin: context.stdinBytes,
    failed: failures.tell,
  };
  const isTimed = arrivalTime !== undefined || queryRun.mergesByEventTime;
  if (isTimed) await queryRun.byTime(options, start);
  else await queryRun.inOrder(options, start ?? Date.now());
  const dropped = await queryRun.end(until);
  printer.end();
  for (const [reason, count] of dropped) context.stderr(`weir query: ${count} rows dropped: ${reason}\n`);
  failures.close();
  return 0;
}

export const query: Command = {
  usage: [
    "weir query SQL --stream NAME=FILE… [--event-time FIELD | --arrival-time FIELD] [--output FORMAT]",
    "weir query --rule FILE --stream NAME=FILE…",
  ],
  flags: {
    stream: {
      type: "string",
      value: "NAME=FILE",
      multiple: true,
      summary: "rows of a stream or table: NDJSON, or CSV by its name; - is stdin",
    },
    "event-time": {
      type: "string",
      value: "FIELD",
      summary: "the column with the time of each row; windows follow it",
    },
    "late-tolerance": { type: "string", value: "TIME", summary: "how far rows may come out of order; 1s" },
    "arrival-time": {
      type: "string",
      value: "FIELD",
      summary: "the column with the time at which each row arrives, which is taken out of it",
    },
    start: { type: "string", value: "TIME", summary: "when the rule starts; the first arrival, else now" },
    until: { type: "string", value: "TIME", summary: "the clock runs on to this time behind the last row" },
    output: { type: "string", short: "o", value: "FORMAT", summary: "ndjson, csv or table; ndjson" },
    format: { type: "string", value: "FORMAT", summary: "ndjson or csv, when the file's name does not tell" },
    create: {
      type: "string",
      value: "SQL",
      multiple: true,
      summary: "CREATE STREAM … and CREATE TABLE …, separated by ;",
    },
    rule: {
      type: "string",
      value: "FILE",
      summary: "the statement and options of a rule's JSON; its actions do not run",
    },
    option: {
      type: "string",
      value: "NAME=VALUE",
      multiple: true,
      summary: "an option of the rule: sendNilField=true",
    },
    timezone: { type: "string", value: "ZONE", summary: "where days and hours begin; the machine's zone" },
  },
  details: `
Nothing waits for real time. With --arrival-time the clock follows that column, Unix milliseconds or datetimes, as if the
rows came in then; with --event-time the windows follow theirs; otherwise every row arrives at once. Rows of several
streams are merged by these times, those of one moment in the order of the files; without times one file follows the
other, tables first. Windows still open at the end of the input are closed. Numbers are floats as on a schemaless
stream; CSV fields that read as numbers, true or false become such, unless they are quoted. Exit code 1 means that the
statement or a file is wrong; rows that fail are told on standard error and left out.`,
  run,
};
