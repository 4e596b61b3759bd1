/**
 * Writes rows as keys and values. A batch is one pipeline, so its commands are carried out in the order of its rows.
 * @module
 */
import type { InferOutput } from "valibot";
import { ItemsFailed } from "../../src/connector/errors.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Struct } from "../../src/connector/source.ts";
import { JsonWriter } from "../../src/value/json_text.ts";
import type { Command, RedisClient } from "./client.ts";
import type { sinkSettings } from "./mod.ts";
import { rowCommands, type RowForm } from "./row_commands.ts";

type SinkSettings = InferOutput<typeof sinkSettings>;

export class RedisSink implements RowSink {
  readonly #client: RedisClient;
  readonly #key: string;
  readonly #form: RowForm;
  readonly #json = new JsonWriter();

  constructor(settings: SinkSettings, client: RedisClient) {
    const { keyType, field, dataType, expiration, rowkindField } = settings;
    this.#client = client;
    this.#key = settings.key;
    this.#form = { keyType, field, dataType, rowkindField, expirationMs: expiration > 0 ? expiration : undefined };
  }

  async write(
    batch: readonly (readonly Struct[])[],
    signal: AbortSignal,
    _ids?: readonly string[],
    settings?: readonly Partial<SinkSettings>[],
  ): Promise<void> {
    signal.throwIfAborted();
    const failed = new Map<number, string>();
    const commands: Command[] = [];
    /** The item that each command is of. */
    const items: number[] = [];
    for (const [index, rows] of batch.entries()) {
      const made = this.#commands(rows, String(settings?.[index]?.key ?? this.#key));
      if (typeof made === "string") failed.set(index, made);
      else {
        for (const command of made) {
          commands.push(command);
          items.push(index);
        }
      }
    }
    const replies = await this.#client.run(commands, signal);
    for (const [i, reply] of replies.entries()) if (reply instanceof Error) failed.set(items[i]!, reply.message);
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  /** The commands of an item, all of them or none. */
  #commands(rows: readonly Struct[], key: string): Command[] | string {
    const all: Command[] = [];
    for (const row of rows) {
      let made: Command[] | string;
      try {
        made = rowCommands(this.#form, row, key, this.#json);
      } catch (error) {
        // What has no JSON text, such as a list that holds itself.
        made = (error as Error).message;
      }
      if (typeof made === "string") return made;
      all.push(...made);
    }
    return all;
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }
}
