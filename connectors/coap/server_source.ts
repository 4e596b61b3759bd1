/**
 * Takes what devices write to a path. A device gets its answer when the rules are done with its message; one that comes
 * while too many are under way is told to come again.
 * @module
 */
import type { PayloadBatch, Source, Struct } from "../../src/connector/source.ts";
import { Arrivals } from "./arrivals.ts";
import { contentFormatName } from "./content_format.ts";
import type { CoapServer, Write } from "./server.ts";

/** Messages whose devices wait for an answer, and their bytes. */
const heldMax = 1000;
const heldBytesMax = 4 * 1024 * 1024;

export class ServerSource implements Source {
  readonly #arrivals = new Arrivals<Write>(heldMax, heldBytesMax);
  readonly #unanswered = new Set<Write>();
  readonly #remove: () => void;

  constructor(server: CoapServer, path: string) {
    this.#remove = server.add({
      path: path.replace(/^\/+|\/+$/g, ""),
      take: (write) => {
        if (!this.#arrivals.push(write, write.payload.length)) return write.done("busy");
        this.#unanswered.add(write);
      },
    });
  }

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    let { items, release } = await this.#arrivals.take(signal);
    while (items.length === 0) ({ items, release } = await this.#arrivals.take(signal));
    return {
      kind: "payloads",
      payloads: items.map(({ payload }) => payload),
      meta: (index) => metadataOf(items[index]!),
      ack: () => {
        release();
        for (const write of items) this.#answer(write, "taken");
      },
    };
  }

  #answer(write: Write, outcome: "taken" | "busy"): void {
    if (this.#unanswered.delete(write)) write.done(outcome);
  }

  /** Devices whose messages the rules did not finish have to send them again. */
  close(): Promise<void> {
    this.#remove();
    for (const write of [...this.#unanswered]) this.#answer(write, "busy");
    return Promise.resolve();
  }
}

function metadataOf({ path, method, from, query, contentFormat }: Write): Struct {
  return {
    path,
    method,
    from,
    query: [...query],
    ...(contentFormat === undefined ? {} : { contentFormat: contentFormatName(contentFormat) }),
  };
}
