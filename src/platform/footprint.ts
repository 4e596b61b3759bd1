/**
 * Keeps a running agent small: gives back the pages of the binary that it needed once, and collects garbage before it
 * piles up.
 *
 * The start, the first rules and the engine's compilers touch tens of megabytes of the binary that are not needed
 * again, and garbage makes the heap grow before the collector finds it worth while. Both would stay resident. So a
 * glance at the process's size, every 50 ms, more often while it grows, and around each request to the admin interface,
 * trims or collects when it has grown; an agent that is small is left alone.
 * @module
 */
import type { Footprint, Platform } from "./platform.ts";

type Sized = Pick<Platform, "footprint" | "trimMemory" | "collectGarbage">;

const mib = 1024 * 1024;
/** Between looks at an agent that keeps its size, and at one that is growing. */
const lookMs = 50;
const growingLookMs = 10;
/** So much more than at the look before is growth. */
const growingBytesMin = 256 * 1024;
/** Above this the binary's pages are trimmed now and then; each trim costs the faults that bring back what is in use. */
const residentBytesWanted = 32 * mib;
const trimGapMs = 1000;
/** Above this they are trimmed at once: compilers touch much in a moment while the first rules warm up. */
const residentBytesMost = 36 * mib;
/** Before something large is loaded, all is trimmed that can be. */
const residentBytesRoom = 24 * mib;
/** After the last request that loaded something. */
const quietMs = 300;
/** The heap and what belongs to it; above this garbage is collected. */
const anonymousBytesWanted = 19 * mib;
/** A collection is worth while only for this much more than the last one left. */
const growthBytesMin = 3 * mib;
/** An agent whose own data is that large cannot be made small; hurrying would only cost. */
const anonymousBytesLarge = 30 * mib;
const collectGapMsMin = 2000;
/** A collection may take this part of the time. */
const collectShareMax = 1 / 100;

export class FootprintKeeper {
  readonly #platform: Sized;
  readonly #now: () => number;
  #trimmedAt = -Infinity;
  #collectedAt = -Infinity;
  #collectGapMs = collectGapMsMin;
  #leftBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #seenBytes = 0;
  #tidying: ReturnType<typeof setTimeout> | undefined;

  /** `now` gives milliseconds from any start. */
  constructor(platform: Sized, now: () => number = () => performance.now()) {
    this.#platform = platform;
    this.#now = now;
  }

  /** Looks again and again until {@linkcode stop}. Does nothing where the platform cannot tell its size. */
  start(): void {
    if (this.#platform.footprint() === undefined) return;
    this.#timer ??= this.#schedule();
  }

  #schedule(): ReturnType<typeof setTimeout> {
    const before = this.#seenBytes;
    this.#seenBytes = this.#platform.footprint()?.residentBytes ?? 0;
    const delayMs = this.#seenBytes > before + growingBytesMin ? growingLookMs : lookMs;
    return setTimeout(() => {
      this.look();
      this.#timer = this.#schedule();
    }, delayMs);
  }

  stop(): void {
    clearTimeout(this.#tidying);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Collects and trims when the process has grown beyond what it should have. */
  look(): void {
    const footprint = this.#platform.footprint();
    if (footprint === undefined) return;
    this.#collect(footprint);
    this.#trim(footprint);
  }

  /**
   * Trims before something large is loaded, as a new rule with its connectors is; and once it has been quiet for a
   * moment, collects what loading and planning left.
   */
  makeRoom(): void {
    const footprint = this.#platform.footprint();
    if (footprint === undefined) return;
    if (footprint.residentBytes > residentBytesRoom) this.#platform.trimMemory();
    clearTimeout(this.#tidying);
    this.#tidying = setTimeout(() => {
      this.#platform.collectGarbage();
      this.#platform.trimMemory();
    }, quietMs);
  }

  #collect({ anonymousBytes }: Footprint): void {
    if (anonymousBytes < Math.max(anonymousBytesWanted, this.#leftBytes + growthBytesMin)) return;
    const started = this.#now();
    if (started - this.#collectedAt < this.#collectGapMs) return;
    this.#platform.collectGarbage();
    this.#collectedAt = this.#now();
    // Large heaps take long to collect, so it is done less often.
    this.#collectGapMs = Math.max(collectGapMsMin, (this.#collectedAt - started) / collectShareMax);
    this.#leftBytes = this.#platform.footprint()?.anonymousBytes ?? anonymousBytes;
  }

  #trim({ residentBytes, anonymousBytes }: Footprint): void {
    if (residentBytes < residentBytesWanted) return;
    const now = this.#now();
    const hurry = residentBytes > residentBytesMost && anonymousBytes < anonymousBytesLarge;
    if (!hurry && now - this.#trimmedAt < trimGapMs) return;
    this.#platform.trimMemory();
    this.#trimmedAt = now;
  }
}
