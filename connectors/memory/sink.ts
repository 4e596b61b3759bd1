/**
 * Writes rows to a topic of the memory bus, or each to the one that a template gives.
 * @module
 */
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import { ItemsFailed } from "../../src/connector/errors.ts";
import type { MessageSettings, RowSink } from "../../src/connector/sink.ts";
import type { Struct } from "../../src/connector/source.ts";
import type { MemoryBus, Publisher } from "./bus.ts";
import { type ChangeReader, changeReader } from "./change.ts";
import type { sinkSettings } from "./mod.ts";
import { isPublishTopic, wantedTopic } from "./topic.ts";

/** Topics that the bus is told to be written by the sink; those that were written to longest ago are forgotten. */
const publishersMax = 1000;

export class MemorySink implements RowSink {
  readonly #bus: MemoryBus;
  readonly #owner: string;
  /** That of the topic in the settings. */
  readonly #fixed: Publisher | undefined;
  /** By topic, those of a template; the last one is the one that was used last. */
  readonly #publishers = new Map<string, Publisher>();
  readonly #changeOf: ChangeReader | undefined;

  constructor(settings: InferOutput<typeof sinkSettings>, context: OpenContext<MemoryBus>) {
    this.#bus = context.connection;
    this.#owner = context.owner ?? context.name;
    this.#changeOf = changeReader(settings.rowkindField, settings.keyField);
    if (!settings.topic.includes("{{")) this.#fixed = this.#publisherOf(settings.topic);
  }

  async write(
    batch: readonly (readonly Struct[])[],
    signal: AbortSignal,
    _ids?: readonly string[],
    settings?: readonly MessageSettings[],
  ): Promise<void> {
    signal.throwIfAborted();
    const failed = new Map<number, string>();
    for (const [index, rows] of batch.entries()) {
      const given = settings?.[index]?.topic;
      if (given !== undefined && !isPublishTopic(String(given))) {
        failed.set(index, `Bad topic: found ${JSON.stringify(String(given).slice(0, 100))}, wanted ${wantedTopic}`);
        continue;
      }
      const publisher = given === undefined ? this.#fixed! : this.#publisherOf(String(given));
      const { topic } = publisher;
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
        const refused = await this.#bus.publish(publisher, item, signal);
        if (refused !== undefined) failed.set(index, refused);
      }
    }
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  #publisherOf(topic: string): Publisher {
    let publisher = this.#publishers.get(topic);
    if (publisher === undefined) {
      publisher = { topic, owner: this.#owner };
      this.#bus.addPublisher(publisher);
      const [oldest] = this.#publishers.values();
      if (this.#publishers.size >= publishersMax && oldest !== undefined) this.#forget(oldest);
    } else {
      this.#publishers.delete(topic);
    }
    this.#publishers.set(topic, publisher);
    return publisher;
  }

  #forget(publisher: Publisher): void {
    this.#bus.removePublisher(publisher);
    this.#publishers.delete(publisher.topic);
  }

  close(): Promise<void> {
    for (const publisher of [...this.#publishers.values()]) this.#forget(publisher);
    return Promise.resolve();
  }
}
