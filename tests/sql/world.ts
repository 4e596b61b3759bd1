/**
 * Opens the roles of the connector `sql` for tests, as the engine would.
 * @module
 */
import { sql } from "../../connectors/sql/mod.ts";
import { SqlConnection } from "../../connectors/sql/connection.ts";
import { realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import type { OpenContext, SettingsSchema } from "../../src/connector/declare.ts";
import type { Lookup } from "../../src/connector/lookup.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Source, Struct } from "../../src/connector/source.ts";

type Raw = Record<string, unknown>;

/** A connection with what it has said of itself. */
export class SqlWorld {
  readonly connection: SqlConnection;
  readonly states: string[] = [];
  readonly logged: LogFields[] = [];

  constructor(settings: Raw) {
    this.connection = new SqlConnection(read(sql.connection!.settings, settings) as never, {
      ...this.#base("connection"),
      status: (state, message) => void this.states.push(message === undefined ? state : `${state}: ${message}`),
    });
  }

  /** What it said last. */
  get state(): string {
    return this.states.at(-1) ?? "";
  }

  #base(name: string) {
    return { name, clock: realClock, log: recordingLogger(this.logged), status: () => {} };
  }

  #context(more: Partial<OpenContext> = {}): OpenContext<never> {
    return { ...this.#base("test"), connection: this.connection as never, ...more };
  }

  async source(settings: Raw, more: Partial<OpenContext> = {}): Promise<Source> {
    return await sql.source!.open(read(sql.source!.settings, settings), this.#context(more));
  }

  async lookup(settings: Raw): Promise<Lookup> {
    return await sql.lookup!.open(read(sql.lookup!.settings, settings), this.#context());
  }

  async sink(settings: Raw, more: Partial<OpenContext> = {}): Promise<RowSink> {
    return await sql.sink!.open(read(sql.sink!.settings, settings), this.#context(more)) as RowSink;
  }

  /** What the next query of a source gives. */
  async rows(settings: Raw): Promise<readonly Struct[]> {
    const source = await this.source({ interval: "10ms", ...settings });
    try {
      const batch = await source.read(AbortSignal.timeout(20_000));
      return batch.kind === "rows" ? batch.rows : [];
    } finally {
      await source.close();
    }
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}

function read(schema: SettingsSchema, settings: Raw): never {
  return readSettings(schema, settings, { path: "", where: "test" }) as never;
}

/** Each row a message, as with `sendSingle`. */
export function messages(...rows: Struct[]): Struct[][] {
  return rows.map((row) => [row]);
}
