/**
 * Topic strings by their bytes.
 *
 * A device publishes on the same few topics for ever. Comparing bytes costs a fraction of decoding and checking them, and
 * the same string object each time lets maps keyed by topic reuse its hash.
 * @module
 */
import { MqttProtocolError, Reason } from "./reason.ts";
import { decodeUtf8 } from "./utf8.ts";

/** Slots, a power of two; two topics in one slot push each other out and are merely decoded again. */
const SLOTS = 1024;
/** Longer topics are not worth keeping. */
const CACHED_BYTES_MAX = 256;

export class TopicCache {
  readonly #bytes: (Uint8Array | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #topics: string[] = new Array(SLOTS).fill("");

  /**
   * The topic in `[start, end)` of `bytes`. It may be empty, as MQTT 5 leaves it beside a topic alias.
   *
   * @throws {MqttProtocolError} when it is not UTF-8 or holds a wildcard or U+0000
   */
  get(bytes: Uint8Array, start: number, end: number): string {
    const length = end - start;
    if (length > CACHED_BYTES_MAX) return decodeTopic(bytes, start, end);
    let hash = length;
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
    const slot = (hash ^ (hash >>> 12)) & (SLOTS - 1);
    const cached = this.#bytes[slot];
    if (cached !== undefined && cached.length === length) {
      let i = 0;
      while (i < length && cached[i] === bytes[start + i]) i++;
      if (i === length) return this.#topics[slot]!;
    }
    const topic = decodeTopic(bytes, start, end);
    this.#bytes[slot] = new Uint8Array(bytes.subarray(start, end));
    this.#topics[slot] = topic;
    return topic;
  }
}

function decodeTopic(bytes: Uint8Array, start: number, end: number): string {
  const topic = decodeUtf8(bytes, start, end);
  if (topic.includes("+") || topic.includes("#")) {
    throw new MqttProtocolError(Reason.TOPIC_NAME_INVALID, `Message on a topic with a wildcard: "${topic}"`);
  }
  return topic;
}
