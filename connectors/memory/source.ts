/**
 * Reads a topic of the memory bus.
 * @module
 */
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import type { RowBatch, Source } from "../../src/connector/source.ts";
import type { MemoryBus, Subscription } from "./bus.ts";
import type { sourceSettings } from "./mod.ts";

export class MemorySource implements Source {
  readonly #bus: MemoryBus;
  readonly #subscription: Subscription;

  constructor(settings: InferOutput<typeof sourceSettings>, context: OpenContext<MemoryBus>) {
    this.#bus = context.connection;
    this.#subscription = this.#bus.subscribe(settings.datasource, context.owner ?? context.name, settings.bufferLength);
  }

  async read(signal: AbortSignal): Promise<RowBatch> {
    const items = await this.#subscription.take(signal);
    return {
      kind: "rows",
      rows: items.map((item) => item.row),
      meta: (index) => ({ topic: items[index]?.topic }),
    };
  }

  close(): Promise<void> {
    this.#bus.unsubscribe(this.#subscription);
    return Promise.resolve();
  }
}
