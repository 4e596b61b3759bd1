/**
 * Runs one case: its rows through the decoder and a {@linkcode Query} with a virtual clock, its results through the
 * encoder.
 *
 * ```ts
 * for (const c of parseCases(text, "overheat.case")) {
 *   const outcome = await runCase(c);
 *   outcomeMatches(c.expected, outcome);
 * }
 * ```
 * @module
 */
import { createJsonEncoder } from "../codec/json_encode.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderError } from "../diagnostics/render.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { Query, type QueryOptions } from "../runtime/query.ts";
import { decodeState, encodeState } from "../runtime/state_codec.ts";
import { builtInFunctions } from "../sql/functions/built_in.ts";
import type { Struct } from "../value/value.ts";
import { CaseCatalog } from "./case_catalog.ts";
import { type Case, CaseFileError, type CaseRow, type Outcome, timeText } from "./case_file.ts";
import { createPayloadReader, type PayloadReader, wantedColumns } from "./payload_reader.ts";
import { outsideOf, type RuleToRun, ruleToRun } from "./tested_rule.ts";

/** How the rows are pushed. Payloads are counted from 0. */
export interface Manner {
  /** Whether what waits is pushed after this payload; a batch ends in any case with its moment and its stream. Always. */
  readonly pushAfter?: (payload: number) => boolean;
  /** Before this payload the state is written, read, and a new query goes on with it. Never. */
  readonly cutBefore?: (payload: number) => boolean;
}

/** Something that came out. */
export interface RunEvent {
  /** Unix milliseconds; undefined at the end of the input. */
  readonly time: number | undefined;
  /** A result as its action gets it, or the error that stands in its place. */
  readonly found: readonly Struct[] | RowError;
}

export interface CaseRun {
  readonly outcome: Outcome;
  readonly events: readonly RunEvent[];
  /** Rows dropped without an error, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
  /** Where the ledger does not balance: a mistake of ours. */
  readonly imbalances: readonly string[];
  /** Why the rule was refused, as it is shown to people. */
  readonly refusal?: string;
}

/**
 * Runs a case from its first row to the end of the input.
 *
 * @throws {CaseFileError} when the file is wrong where only running shows it.
 */
export async function runCase(c: Case, manner: Manner = {}): Promise<CaseRun> {
  try {
    return await new Run(c, manner).run();
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    const outcome: Outcome = { kind: "refused", lines: refusedLines(c, error) };
    return { outcome, events: [], dropped: new Map(), imbalances: [], refusal: renderError(error) };
  }
}

/** As much of each diagnostic as the case writes of it. */
function refusedLines(c: Case, error: DiagnosticError): string[] {
  const expected = c.expected?.lines ?? [];
  if (/^E\d+:/.test(expected[0] ?? "")) return renderError(error).split("\n");
  return error.diagnostics.map(({ code, span, path, hint, text: own }, i) => {
    const text = own ?? error.text ?? (c.rule.kind === "sql" ? c.rule.sql : undefined);
    const under = span === undefined || text === undefined ? path : text.slice(span.start, span.end);
    const place = under === undefined ? "" : ` ${under.replaceAll("\n", " ")}`;
    const wantsHint = expected[i] === undefined || expected[i].includes(" -- ");
    return `${code}${place}${hint !== undefined && wantsHint ? ` -- ${hint}` : ""}`;
  });
}

class Run {
  readonly #case: Case;
  readonly #catalog: CaseCatalog;
  readonly #rule: RuleToRun;
  readonly #manner: Manner;
  readonly #encoder = createJsonEncoder();
  readonly #readers = new Map<string, PayloadReader>();
  readonly #events: RunEvent[] = [];
  readonly #lines: string[] = [];
  readonly #dropped = new Map<string, number>();
  readonly #imbalances: string[] = [];
  /** What lookup tables hold: they are asked, and no part of the state. */
  readonly #looked: { readonly rows: readonly Struct[]; readonly source: number }[] = [];
  #query: Query;
  /** Undefined at the end of the input. */
  #now: number | undefined;
  /** Rows of one stream and moment, to be pushed together. */
  #pending: { readonly rows: Struct[]; readonly source: number; readonly meta: Struct | undefined } | undefined;

  constructor(c: Case, manner: Manner) {
    this.#case = c;
    this.#manner = manner;
    this.#catalog = new CaseCatalog(c.streams);
    this.#rule = ruleToRun(c);
    this.#now = c.start;
    this.#query = this.#open();
    for (const { name } of this.#query.sources) {
      const definition = (this.#query.own.get(name) ?? this.#catalog.definitions.get(name))!;
      const wanted = wantedColumns(this.#query.sources, name);
      const reader = createPayloadReader(definition, wanted, this.#rule.timezone, () => this.#query.now);
      this.#readers.set(name, reader);
    }
  }

  #open(): Query {
    const { definition, timezone } = this.#rule;
    const options: QueryOptions = {
      ...this.#rule.options,
      ...outsideOf(this.#case),
      timezone,
      ruleId: definition.id,
      start: this.#case.start,
      random: () => 0.5,
    };
    const query: Query = new Query(definition, this.#catalog, builtInFunctions, options, {
      result: (rows, output) => this.#emit(query?.now, rows, output),
      failed: (error) => this.#emit(query?.now, error),
    });
    return query;
  }

  #emit(now: number | undefined, found: readonly Struct[] | RowError, output = 0): void {
    const time = this.#now === undefined ? undefined : now ?? this.#now;
    this.#events.push({ time, found });
    const text = found instanceof RowError
      ? `! ${found.code} ${found.message}`
      : `${this.#sinkOf(output)}${this.#encode(found)}`;
    const at = time === undefined ? "@end" : timeText(this.#case, time);
    this.#lines.push(this.#case.timed ? `${at} ${text}` : text);
  }

  /** In front of a result, where a graph has several sinks: the name of its own. */
  #sinkOf(output: number): string {
    const sinks = this.#rule.definition.graph?.sinks ?? [];
    return sinks.length > 1 ? `${sinks[output]} ` : "";
  }

  #encode(rows: readonly Struct[]): string {
    try {
      return this.#encoder.encodeRows(rows) as string;
    } catch (error) {
      if (error instanceof RowError) return `! ${error.code} ${error.message}`;
      throw error;
    }
  }

  async run(): Promise<CaseRun> {
    let payloads = 0;
    for (const row of this.#case.rows) {
      if (row.time !== undefined && row.time !== this.#now) await this.#moveTo(row.time);
      if (row.payload === undefined) continue;
      if (this.#manner.cutBefore?.(payloads) === true) await this.#cut();
      await this.#take(row, row.payload);
      if (this.#manner.pushAfter?.(payloads) ?? true) await this.#push();
      payloads++;
    }
    await this.#push();
    if (this.#manner.cutBefore?.(payloads) === true) await this.#cut();
    this.#now = undefined;
    await this.#query.end();
    this.#noteCounts();
    this.#query.close();
    const dropped = [...this.#dropped].map(([reason, count]) => `- ${reason} ${count}`);
    const outcome: Outcome = { kind: "gives", lines: [...this.#lines, ...dropped] };
    return { outcome, events: this.#events, dropped: this.#dropped, imbalances: this.#imbalances };
  }

  async #moveTo(time: number): Promise<void> {
    await this.#push();
    this.#now = time;
    this.#query.advance(time);
    await this.#query.settled();
  }

  /** Payloads that cannot be decoded or validated fail before the query, as they do in a running rule. */
  async #take(row: CaseRow, payload: string): Promise<void> {
    const { sources } = this.#query.plan;
    const name = row.source ?? sources[0]!;
    const source = sources.indexOf(name);
    const pending = this.#pending;
    if (pending !== undefined && (pending.source !== source || !sameMeta(pending.meta, row.meta))) await this.#push();
    try {
      // Rows of a stream that the rule does not read go nowhere.
      const rows = this.#readers.get(name)?.(payload) ?? [];
      this.#pending ??= { rows: [], source, meta: row.meta };
      for (const each of rows) {
        if (each instanceof RowError) this.#emit(this.#query.now, each);
        else this.#pending.rows.push(each);
      }
    } catch (error) {
      if (error instanceof RowError) this.#emit(this.#query.now, error);
      else throw new CaseFileError(this.#case.file, row.line, (error as Error).message);
    }
  }

  async #push(): Promise<void> {
    const { rows, source, meta } = this.#pending ?? { rows: [], source: 0, meta: undefined };
    this.#pending = undefined;
    if (rows.length === 0) return;
    this.#query.push(rows, this.#now, meta, source);
    if (this.#query.sources[source]!.schema.kind === "lookup_table") this.#looked.push({ rows, source });
    await this.#query.settled();
  }

  async #cut(): Promise<void> {
    await this.#push();
    const state = encodeState(this.#query.snapshot());
    this.#noteCounts();
    this.#query.close();
    this.#query = this.#open();
    this.#query.restore(decodeState(state));
    for (const { rows, source } of this.#looked) this.#query.push(rows, this.#now, undefined, source);
    this.#query.advance(this.#now!);
    await this.#query.settled();
  }

  #noteCounts(): void {
    this.#imbalances.push(...this.#query.ledger().imbalances);
    for (const [reason, count] of this.#query.dropped()) {
      this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + count);
    }
  }
}

function sameMeta(a: Struct | undefined, b: Struct | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
