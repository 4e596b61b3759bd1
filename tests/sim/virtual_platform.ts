/**
 * What the engine takes from the platform without being handed it, made part of a simulation: chance, the time that
 * work takes, turns of the event loop.
 * @module
 */
import type { SeededRandom } from "../../src/value/seeded_random.ts";

export interface VirtualPlatform {
  readonly random: SeededRandom;
  /** Some work takes longer than a turn may, one piece in so many; 0 for none. */
  readonly slowOneIn: number;
  /** Runs something in a turn of its own. */
  turn(run: () => void): void;
}

/** Longer than any slice of work in the engine. */
const slowMs = 12;

/** Runs `work` on a virtual platform; the real one is back when it resolves. */
export async function onVirtualPlatform<T>(platform: VirtualPlatform, work: () => Promise<T>): Promise<T> {
  const { random, slowOneIn } = platform;
  const real = { random: Math.random, setImmediate: globalThis.setImmediate };
  // Some engines have it here, some in the prototype.
  const now = Object.getOwnPropertyDescriptor(performance, "now");
  let worked = 0;
  Math.random = () => random.uint32() / 2 ** 32;
  globalThis.setImmediate = ((run: () => void) => platform.turn(run)) as unknown as typeof setImmediate;
  Object.defineProperty(performance, "now", {
    configurable: true,
    value: () => worked += slowOneIn > 0 && random.below(slowOneIn) === 0 ? slowMs : 0.01,
  });
  try {
    return await work();
  } finally {
    Math.random = real.random;
    globalThis.setImmediate = real.setImmediate;
    delete (performance as { now?: unknown }).now;
    if (now !== undefined) Object.defineProperty(performance, "now", now);
  }
}
