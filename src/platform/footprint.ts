/**
 * Keeps a running agent small: gives back the pages of the binary that it needed once, and collects garbage before it
 * piles up.
 *
 * The start, the first rules and the engine's compilers touch tens of megabytes of the binary that are not needed
 * again, and garbage makes the heap grow before the collector finds it worth while. Both would stay resident. So a
 * glance at the process's size, every 50 ms, more often while it grows, and around each request to the admin interface,
 * trims or collects when it has grown; an agent that is small is left alone, and one that needs the pages it has is
 * trimmed ever more seldom, because what is in use comes back at the price of a fault for each page.
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
/** Between such trims; doubled after each of an agent that is back at its size, so that one at work is left alone. */
const trimGapMsMin = 1000;
const trimGapMsMax = 60_000;
/** Above this, what has grown is trimmed at once: compilers touch much in a moment while the first rules warm up. */
const residentBytesMost = 36 * mib;
/** Growth beyond the size that came back after a trim. */
const grownBytesMin = 1 * mib;
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
  #trimGapMs = trimGapMsMin;
  /** The size when a trim was last due, and the size that the agent needs at work: what two such looks have seen. */
  #dueBytes = 0;
  #workingBytes = residentBytesMost;
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

  /**
   * Looks again and again until {@linkcode stop}, and tidies up once after what it took to start. Does nothing where the
   * platform cannot tell its size.
   */
  start(): void {
    if (this.#platform.footprint() === undefined || this.#timer !== undefined) return;
    this.#timer = this.#schedule(lookMs);
    this.#tidyWhenQuiet();
  }

  #schedule(delayMs: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      const before = this.#seenBytes;
      this.look();
      this.#timer = this.#schedule(this.#seenBytes > before + growingBytesMin ? growingLookMs : lookMs);
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
    this.#seenBytes = footprint.residentBytes;
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
    this.#tidyWhenQuiet();
  }

  #tidyWhenQuiet(): void {
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
    if (now - this.#trimmedAt >= this.#trimGapMs) {
      const atWork = residentBytes > residentBytesMost && residentBytes <= this.#workingBytes + grownBytesMin;
      this.#trimGapMs = atWork ? Math.min(this.#trimGapMs * 2, trimGapMsMax) : trimGapMsMin;
      this.#workingBytes = Math.max(Math.min(residentBytes, this.#dueBytes), residentBytesMost);
      this.#dueBytes = residentBytes;
      this.#trimmedAt = now;
      this.#platform.trimMemory();
    } else if (residentBytes > this.#workingBytes + grownBytesMin && anonymousBytes < anonymousBytesLarge) {
      this.#platform.trimMemory();
    }
  }
}
