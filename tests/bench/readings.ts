/**
 * The input of the MQTT benchmark: reading number `sequence` is always the same, so that sender and receiver agree on
 * what must arrive without talking to each other.
 * @module
 */

/** Sequence numbers start here, so that all have seven digits and a reading can be written in place. */
export const FIRST_SEQUENCE = 1_000_000;
/** Added to microseconds of the clock, for sixteen digits; the sum stays below 2^53. */
export const TIME_OFFSET_US = 1_000_000_000_000_000;

const DEVICES = 90;

export interface Reading {
  readonly id: string;
  readonly temperature: number;
}

export function readingOf(sequence: number): Reading {
  return { id: `d-${10 + (sequence % DEVICES)}`, temperature: (1_000 + ((sequence * 7_919) % 9_000)) / 100 };
}

/** The condition of the rule: `temperature > 50`. */
export function isExpected(sequence: number): boolean {
  return readingOf(sequence).temperature > 50;
}

/** 80 bytes of JSON; `ts` and `seq` are its last members, with 16 and 7 digits. */
export function payloadOf(sequence: number, sentUs: number): string {
  const { id, temperature } = readingOf(sequence);
  return `{"id":"${id}","temperature":${temperature.toFixed(2)},"hum":41.5,"ts":${
    TIME_OFFSET_US + sentUs
  },"seq":${sequence}}`;
}
