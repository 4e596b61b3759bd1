/**
 * Writes payloads to a logger.
 * @module
 */
import type { Logger } from "../../src/connector/context.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";

const utf8 = new TextDecoder();

export class LogSink implements PayloadSink {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  write(batch: readonly Payload[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    for (const payload of batch) {
      this.#log.info("result", { data: typeof payload === "string" ? payload : utf8.decode(payload) });
    }
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
