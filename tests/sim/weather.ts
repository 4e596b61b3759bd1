/**
 * How badly the world around the agent behaves, drawn by the seed; in the end it calms down, so that everything that
 * was promised can come true.
 * @module
 */
import type { SeededRandom } from "../../src/value/seeded_random.ts";

/** Each says how seldom something goes wrong: one time in so many; 0 for never. */
export interface Climate {
  readonly readFails: number;
  readonly openFails: number;
  readonly writeFails: number;
  readonly statementFails: number;
  /** Refuses some messages for good. */
  readonly poison: boolean;
}

export class Weather {
  readonly climate: Climate;
  readonly random: SeededRandom;
  isCalm = false;
  /** Every statement fails until then. */
  diskFullUntil = -Infinity;

  constructor(random: SeededRandom) {
    this.random = random;
    const oneIn = (...choices: number[]) => random.pick([0, 0, ...choices]);
    this.climate = {
      readFails: oneIn(6, 30),
      openFails: oneIn(3, 10),
      writeFails: oneIn(2, 4, 12),
      statementFails: oneIn(15, 60, 200),
      poison: random.below(3) === 0,
    };
  }

  strikes(what: Exclude<keyof Climate, "poison">): boolean {
    const oneIn = this.climate[what];
    return !this.isCalm && oneIn > 0 && this.random.below(oneIn) === 0;
  }

  /** Mostly short, in milliseconds. */
  latency(): number {
    if (this.isCalm) return 1;
    const kind = this.random.below(20);
    if (kind === 0) return this.random.below(4000);
    return kind < 10 ? 0 : this.random.below(30);
  }

  /** The same for the same message, whatever rule made it. */
  refuses(text: string): boolean {
    return this.climate.poison && hash(text) % 11 === 0;
  }
}

function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h ^ (h >>> 15)) >>> 0;
}
