/**
 * Runs one golden case: its rows through the decoder and a {@linkcode Query}, its results through the encoder.
 * @module
 */
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderError } from "../diagnostics/render.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { createJsonDecoder } from "../codec/json_decode.ts";
import { createJsonEncoder } from "../codec/json_encode.ts";
import { createStrictValidator } from "../codec/strict.ts";
import { Query, type QueryOptions } from "../runtime/query.ts";
import { decodeState, encodeState } from "../runtime/state_codec.ts";
import { defineStream, type StreamDefinition } from "../runtime/stream_definition.ts";
import type { CreateStatement } from "../sql/ast.ts";
import type { Catalog } from "../sql/catalog.ts";
import { builtInFunctions } from "../sql/functions/built_in.ts";
import { parseStatement } from "../sql/parse.ts";
import type { Plan, SourcePlan } from "../sql/plan.ts";
import { parseDateTime } from "../value/datetime_text.ts";
import type { Struct } from "../value/value.ts";
import { type Case, startOf, timeText } from "./case_file.ts";

/** What a statement of a case may call. */
export const builtIns = builtInFunctions;

/** The streams that CREATE statements define. */
export class CaseCatalog implements Catalog {
  readonly definitions = new Map<string, StreamDefinition>();

  constructor(statements: readonly string[]) {
    const texts = statements.length === 0 ? ["CREATE STREAM demo () WITH ()"] : statements;
    for (const text of texts) {
      const definition = defineStream(parseStatement(text) as CreateStatement, text);
      this.definitions.set(definition.name, definition);
    }
  }

  source(name: string) {
    const definition = this.definitions.get(name);
    if (definition === undefined) return undefined;
    const { target, columns, options } = definition;
    return {
      name,
      kind: target === "stream" ? "stream" as const : `${options.kind}_table` as const,
      columns,
      strictValidation: options.strictValidation,
      timestamp: options.timestamp,
      timestampFormat: options.timestampFormat,
    };
  }

  sourceNames(): Iterable<string> {
    return this.definitions.keys();
  }
}

/** What to do between two rows. */
export interface Manner {
  /** Rows of one moment are pushed together. */
  readonly batched?: boolean;
  /** Before the payload with this number, counted from 0, the state is written, read, and a new query goes on with it. */
  readonly cutBefore?: (payload: number) => boolean;
}

/** The lines that `gives` or `refused` should have. */
export function runCase(c: Case, manner: Manner = {}): string[] {
  const catalog = new CaseCatalog(c.streams);
  return c.outcome === "refused" ? runRefused(c, catalog) : new Run(c, catalog, manner).lines();
}

function optionsOf(c: Case): QueryOptions {
  return { timezone: "UTC", ...c.options, start: startOf(c), random: () => 0.5 };
}

function runRefused(c: Case, catalog: Catalog): string[] {
  const silent = { result: () => {}, failed: () => {} };
  try {
    new Query(c.sql, catalog, builtIns, optionsOf(c), silent);
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    if (/^E\d+:/.test(c.expected[0] ?? "")) return renderError(error).split("\n");
    return error.diagnostics.map(({ code, span, hint }, i) => {
      const place = span === undefined ? "" : ` ${c.sql.slice(span.start, span.end).replaceAll("\n", " ")}`;
      const wantsHint = c.expected[i] === undefined || c.expected[i].includes(" -- ");
      return `${code}${place}${hint !== undefined && wantsHint ? ` -- ${hint}` : ""}`;
    });
  }
  return ["not refused"];
}

function sourceOf(plan: Plan): SourcePlan {
  let node = plan;
  while (node.kind !== "source") node = node.input;
  return node;
}

const utf8 = new TextEncoder();

class Run {
  readonly #case: Case;
  readonly #catalog: CaseCatalog;
  readonly #manner: Manner;
  readonly #encoder = createJsonEncoder();
  readonly #lines: string[] = [];
  readonly #dropped = new Map<string, number>();
  #query: Query;
  /** Undefined at the end of the input. */
  #now: number | undefined;

  constructor(c: Case, catalog: CaseCatalog, manner: Manner) {
    this.#case = c;
    this.#catalog = catalog;
    this.#manner = manner;
    this.#now = startOf(c);
    this.#query = this.#open();
  }

  #open(): Query {
    const emit = (line: string) => {
      const time = this.#now === undefined ? "@end" : timeText(query?.now ?? this.#now);
      this.#lines.push(this.#case.timed ? `${time} ${line}` : line);
    };
    const query: Query = new Query(this.#case.sql, this.#catalog, builtIns, optionsOf(this.#case), {
      result: (rows) => emit(this.#encode(rows)),
      failed: (error) => emit(`! ${error.code} ${error.message}`),
    });
    return query;
  }

  #encode(rows: readonly Struct[]): string {
    try {
      return this.#encoder.encodeRows(rows) as string;
    } catch (error) {
      if (error instanceof RowError) return `! ${error.code} ${error.message}`;
      throw error;
    }
  }

  lines(): string[] {
    const decode = this.#decoder();
    let payloads = 0;
    let pending: Struct[] = [];
    let meta: Struct | undefined;
    const flush = () => {
      if (pending.length > 0) this.#query.push(pending, this.#now, meta);
      pending = [];
    };
    for (const row of this.#case.rows) {
      if (row.time !== undefined && row.time !== this.#now) {
        flush();
        this.#now = row.time;
        this.#query.advance(row.time);
      }
      const rowMeta = row.meta === undefined ? undefined : JSON.parse(row.meta) as Struct;
      if (JSON.stringify(rowMeta) !== JSON.stringify(meta)) flush();
      meta = rowMeta;
      if (row.payload === undefined) continue;
      if (this.#manner.cutBefore?.(payloads) === true) {
        flush();
        this.#cut();
      }
      payloads++;
      pending.push(...decode(row.payload));
      if (this.#manner.batched !== true) flush();
    }
    flush();
    if (this.#manner.cutBefore?.(payloads) === true) this.#cut();
    this.#now = undefined;
    this.#query.end();
    this.#noteDropped();
    const dropped = [...this.#dropped].map(([reason, count]) => `- ${reason} ${count}`);
    return [...this.#lines, ...dropped];
  }

  /** Payloads that cannot be decoded or validated fail before the query, as they do in a running rule. */
  #decoder(): (payload: string) => Struct[] {
    const source = sourceOf(this.#query.plan.root);
    const { columns: declared, options } = this.#catalog.definitions.get(source.name)!;
    const columns = declared?.map(({ name, type, default: fallback }) => ({
      name: name.name,
      type,
      ...(fallback === undefined ? {} : { default: fallback.value }),
    }));
    const decoder = createJsonDecoder({
      ...(columns === undefined ? {} : { columns }),
      wanted: source.columns,
      useInt64ForWholeNumber: options.extra.useInt64ForWholeNumber === true,
    });
    const { columns: wanted } = source;
    const strict = options.strictValidation && columns !== undefined
      ? createStrictValidator(columns.filter(({ name }) => wanted === "all" || wanted.has(name)), {
        parseDateTime: (text) => parseDateTime(text, "UTC", 0),
      })
      : undefined;
    return (payload) => {
      try {
        const rows = decoder.decode(utf8.encode(payload));
        return strict === undefined ? rows : rows.map(strict);
      } catch (error) {
        if (!(error instanceof RowError)) throw error;
        this.#lines.push(`${this.#case.timed ? `${timeText(this.#now!)} ` : ""}! ${error.code} ${error.message}`);
        return [];
      }
    };
  }

  #cut(): void {
    const state = encodeState(this.#query.snapshot());
    this.#noteDropped();
    this.#query = this.#open();
    this.#query.restore(decodeState(state));
    this.#query.advance(this.#now!);
  }

  #noteDropped(): void {
    for (const [reason, count] of this.#query.dropped()) {
      this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + count);
    }
  }
}

/** Whether `actual` is what `expected` says: the text of an error may be cut short. */
export function linesMatch(expected: readonly string[], actual: readonly string[]): boolean {
  return expected.length === actual.length && expected.every((line, i) => {
    const found = actual[i]!;
    return found === line || (/^(?:@\S+ )?! E\d+/.test(line) && found.startsWith(line));
  });
}
