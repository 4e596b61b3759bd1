/**
 * What each rule has read of its tapes and kept: the input of the reference run.
 *
 * A tape is told at each opening where the rule stands. What it gave behind that place was not kept by the life before,
 * and is given again; all else counts, with the time at which it was given.
 * @module
 */
import type { Given, TapeWatcher } from "./streams.ts";

export interface Kept extends Given {
  /** The variant of the rule that took it. */
  readonly variant: number;
}

/** A rule from its creation until it is deleted. */
export interface Chapter {
  readonly kept: Kept[];
  /** The variant that was made last. */
  variant: number;
  /** What is wrong with how it began. */
  readonly problems: string[];
  hasBegun: boolean;
}

export class History implements TapeWatcher {
  readonly #chapters = new Map<string, Chapter[]>();
  readonly #now: () => number;
  readonly #variantOf: (rule: string) => number;

  /** @param variantOf the variant of a rule that is stored */
  constructor(now: () => number, variantOf: (rule: string) => number) {
    this.#now = now;
    this.#variantOf = variantOf;
  }

  /** The rule is made anew. */
  begin(rule: string): void {
    const chapters = this.of(rule);
    chapters.push({ kept: [], variant: 0, problems: [], hasBegun: false });
    this.#chapters.set(rule, chapters);
  }

  of(rule: string): Chapter[] {
    return this.#chapters.get(rule) ?? [];
  }

  opened(rule: string, stream: string, position = 0): void {
    const chapter = this.of(rule).at(-1)!;
    if (!chapter.hasBegun && position > 0) {
      chapter.problems.push(`a new rule begins to read ${stream} at ${position}`);
    }
    chapter.hasBegun = true;
    chapter.variant = this.#variantOf(rule);
    const kept = chapter.kept.filter((each) => each.stream !== stream || each.position <= position);
    chapter.kept.splice(0, Infinity, ...kept);
  }

  gave(rule: string, given: Given): void {
    const chapter = this.of(rule).at(-1)!;
    chapter.kept.push({ ...given, time: this.#now(), variant: chapter.variant });
  }
}
