/**
 * Takes rows and forgets them.
 * @module
 */
import type { InferOutput } from "valibot";
import type { Logger } from "../../src/connector/context.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Struct } from "../../src/connector/source.ts";
import { JsonWriter } from "../../src/value/json_text.ts";
import type { sinkSettings } from "./mod.ts";

export class NopSink implements RowSink {
  readonly #log: Logger | undefined;
  readonly #writer = new JsonWriter();

  constructor(settings: InferOutput<typeof sinkSettings>, log: Logger) {
    this.#log = settings.log ? log : undefined;
  }

  write(batch: readonly (readonly Struct[])[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#log !== undefined) { for (const rows of batch) this.#log.info("result", { data: this.#describe(rows) }); }
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A result that JSON has no form for is discarded like any other, so its log line says why there is no text. */
  #describe(rows: readonly Struct[]): string {
    try {
      return this.#writer.rows(rows);
    } catch (error) {
      return (error as Error).message;
    }
  }
}
