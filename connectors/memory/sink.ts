/**
 * Writes rows to a topic of the memory bus.
 * @module
 */
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import { ItemsFailed } from "../../src/connector/errors.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Struct } from "../../src/connector/source.ts";
import type { MemoryBus, Publisher } from "./bus.ts";
import { type ChangeReader, changeReader } from "./change.ts";
import type { sinkSettings } from "./mod.ts";

export class MemorySink implements RowSink {
  readonly #bus: MemoryBus;
  readonly #publisher: Publisher;
  readonly #changeOf: ChangeReader | undefined;

  constructor(settings: InferOutput<typeof sinkSettings>, context: OpenContext<MemoryBus>) {
    this.#bus = context.connection;
    this.#publisher = { topic: settings.topic, owner: context.owner ?? context.name };
    this.#changeOf = changeReader(settings.rowkindField, settings.keyField);
    this.#bus.addPublisher(this.#publisher);
  }

  async write(batch: readonly (readonly Struct[])[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { topic } = this.#publisher;
    const failed = new Map<number, string>();
    for (const [index, rows] of batch.entries()) {
      for (const row of rows) {
        const change = this.#changeOf?.(row);
        if (typeof change === "string") {
          failed.set(index, change);
          continue;
        }
        const item = change === undefined ? { topic, row } : { topic, row, change };
        if (this.#bus.hasRoom(topic)) {
          this.#bus.push(item);
          continue;
        }
        const refused = await this.#bus.publish(this.#publisher, item, signal);
        if (refused !== undefined) failed.set(index, refused);
      }
    }
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  close(): Promise<void> {
    this.#bus.removePublisher(this.#publisher);
    return Promise.resolve();
  }
}
