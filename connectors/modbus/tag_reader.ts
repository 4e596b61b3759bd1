/**
 * Reads tags from a line: what each has come to, and how to ask better next time.
 *
 * A tag that cannot be read has a reason instead of a value; only the loss of the connection is an error. A device that
 * refuses to be asked for several tags at once is asked for half of them, again and again, until the one is found that
 * it does not have.
 * @module
 */
import type { Logger } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { Value } from "../../src/value/value.ts";
import type { Line } from "./line.ts";
import { ModbusException } from "./protocol/failure.ts";
import { readRequest } from "./protocol/request.ts";
import { type Read, type ReadLimits, splitRead } from "./read_plan.ts";
import type { Tag } from "./tag.ts";
import { type TagDecoder, tagDecoder } from "./tag_value.ts";

/** What a tag has come to: its value, or why there is none. */
export type Reading = { readonly value: Value; readonly failure?: undefined } | { readonly failure: Error };

export interface TagReaderOptions {
  readonly line: Line;
  readonly limits: ReadLimits;
  readonly log: Logger;
  /** Gets the registers or bits of each tag, as they came. */
  readonly onData?: (tag: Tag, data: readonly number[]) => void;
}

/** Exceptions that say something about the registers that were asked for, and nothing about the device. */
const refusals: readonly number[] = [1, 2, 3];

export class TagReader {
  readonly #options: TagReaderOptions;
  /** The decoders of the tags of a read, which comes again with every cycle. */
  readonly #decoders = new WeakMap<Read, readonly TagDecoder[]>();

  constructor(options: TagReaderOptions) {
    this.#options = options;
  }

  /**
   * Fills in `readings` for all tags of `reads`; resolves with the reads to do next time instead of them.
   *
   * @throws {Disconnected} there is no connection
   */
  async readInto(readings: Map<Tag, Reading>, reads: readonly Read[], signal: AbortSignal): Promise<Read[]> {
    const better = await Promise.all(reads.map((read) => this.#readOne(readings, read, signal)));
    return better.flat();
  }

  #decodersOf(read: Read): readonly TagDecoder[] {
    let decoders = this.#decoders.get(read);
    if (decoders === undefined) this.#decoders.set(read, decoders = read.tags.map(tagDecoder));
    return decoders;
  }

  async #readOne(readings: Map<Tag, Reading>, read: Read, signal: AbortSignal): Promise<Read[]> {
    const { line, limits, log, onData } = this.#options;
    const { unitId, register, address, count, tags } = read;
    try {
      const data = await line.send(unitId, readRequest(register, address, count), { signal });
      const decoders = this.#decodersOf(read);
      for (let i = 0; i < tags.length; i++) {
        const tag = tags[i]!;
        const at = tag.address - address;
        readings.set(tag, readingOf(decoders[i]!, data, at));
        onData?.(tag, data.slice(at, at + tag.count));
      }
      return [read];
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Disconnected) throw error;
      if (error instanceof ModbusException && refusals.includes(error.code) && tags.length > 1) {
        log.warn("A device refuses to be asked for several tags at once", {
          unit: unitId,
          register,
          address,
          count,
          reason: error.message,
        });
        return await this.readInto(readings, splitRead(read, limits), signal);
      }
      for (const tag of tags) readings.set(tag, { failure: error as Error });
      return [read];
    }
  }
}

function readingOf(decode: TagDecoder, data: readonly number[], at: number): Reading {
  try {
    return { value: decode(data, at) };
  } catch (error) {
    return { failure: error as Error };
  }
}
