/**
 * A path that takes requests: hands each to all who read it, and answers when all have it.
 * @module
 */
import { type DataExchange, Refusal, type RequestRoute } from "../../src/connector/data_server.ts";
import type { PathEndpoint } from "../../src/connector/served_paths.ts";

/** Who reads a path. */
export interface PushReader {
  /** False while it can take no more. */
  readonly hasRoom: boolean;
  /**
   * Takes a message. What it returns resolves when the request may be answered; undefined when it may at once.
   *
   * @throws {Refusal} later: when it cannot be said that the message will last.
   */
  push(payload: Uint8Array, traceparent?: string): Promise<void> | undefined;
}

export class PushEndpoint implements PathEndpoint {
  readonly route: RequestRoute;
  readonly #readers = new Set<PushReader>();

  constructor(method: "POST" | "PUT") {
    this.route = { kind: method, handle: (exchange) => this.#take(exchange) };
  }

  add(reader: PushReader): void {
    this.#readers.add(reader);
  }

  remove(reader: PushReader): void {
    this.#readers.delete(reader);
  }

  async #take({ request, response, body }: DataExchange): Promise<void> {
    this.#checkRoom();
    const payload = await body();
    // Others may have come first while it was read. All readers get it or none, so that a repeat is none for some.
    this.#checkRoom();
    const { traceparent } = request.headers as { readonly traceparent?: string };
    const waits = [...this.#readers].map((reader) => reader.push(payload, traceparent)).filter((wait) =>
      wait !== undefined
    );
    if (waits.length > 0) await Promise.all(waits);
    response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 2 }).end("ok");
  }

  #checkRoom(): void {
    if (this.#readers.size === 0) throw Refusal.later("no rule reads this path now");
    for (const { hasRoom } of this.#readers) if (!hasRoom) throw Refusal.later("the rule cannot follow");
  }

  close(): void {}
}
