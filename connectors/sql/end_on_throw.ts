/**
 * Keeps a client's parser from ending the process.
 *
 * What a peer sends that is none of the protocol makes the client throw in the handler of its socket, where nobody can
 * catch it. Here the stream ends with the error instead, as if the peer had gone.
 * @module
 */
import type { Duplex } from "node:stream";

export function endOnThrow(stream: Duplex): void {
  const emit = stream.emit.bind(stream) as (event: string | symbol, ...args: unknown[]) => boolean;
  stream.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== "data") return emit(event, ...args);
    try {
      return emit(event, ...args);
    } catch (error) {
      stream.destroy(new Error(`The peer has broken the protocol: ${(error as Error).message}`, { cause: error }));
      return true;
    }
  };
}
