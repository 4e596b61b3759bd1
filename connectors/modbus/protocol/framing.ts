/**
 * How requests and answers stand in a stream of bytes, one exchange at a time.
 * @module
 */
import type { ModbusRequest } from "./request.ts";

export interface Framing {
  /** The unit that stands for all, so that none of them answers; undefined where each unit is one. */
  readonly broadcastUnit: number | undefined;
  /** Begins an exchange, which ends the one before; returns the bytes to send. */
  begin(unitId: number, request: ModbusRequest<unknown>): Uint8Array;
  /**
   * Takes what has come; returns the answer's PDU when it is whole. What belongs to no exchange, or to one that has
   * ended, is thrown away.
   *
   * @throws {BadAnswer} the answer has come and is not good; the exchange is over
   * @throws {LostFraming} nothing that comes on this connection can be understood any more
   */
  take(bytes: Uint8Array): Uint8Array | undefined;
  /**
   * What is wrong with what has come so far, if that was enough for an answer: for a framing that cannot tell where the
   * next one begins. The exchange has failed when silence follows.
   */
  readonly fault: string | undefined;
  /** Ends the exchange without an answer; one that comes later is thrown away. */
  abandon(): void;
  /** Forgets everything: a new connection. */
  reset(): void;
}
