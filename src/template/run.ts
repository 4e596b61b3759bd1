/**
 * One evaluation of a template: what it has written so far and what it may still do.
 *
 * Steps, nesting and length are bounded, so that no template and no data can hold up the agent.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import type { Re2 } from "../sql/functions/re2.ts";
import type { Value } from "../value/value.ts";

/** Steps of one evaluation: some tens of milliseconds. Work on long values costs more than one. */
const stepsMax = 500_000;

/** Template bodies inside each other, those called by name included. */
const depthMax = 250;

/** UTF-16 units of the result, and of a text on the way to it. */
export const lengthMax = 4 * 1024 * 1024;

/** What lives longer than one evaluation of a template: the clock it reads, and patterns compiled before. */
export interface Surroundings {
  /** Unix milliseconds. */
  now(): number;
  readonly patterns: Map<string, Re2>;
  readonly fit?: Fit;
}

/**
 * Makes the text of a value fit where the template prints it, such as inside the quotes of another language. `before` is
 * all that has been written in front of it. What it throws ends the evaluation, and reaches the caller.
 */
export type Fit = (text: string, value: Value, before: string) => string;

export class Run {
  readonly surroundings: Surroundings;
  output = "";
  #steps = 0;
  #depth = 0;
  /** Dicts that the template has made itself and so may change. */
  #owned: WeakSet<object> | undefined;

  constructor(surroundings: Surroundings) {
    this.surroundings = surroundings;
  }

  /** Counts `steps` of work. @throws {RowError} E516 when too many add up. */
  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > stepsMax) fail(`takes over ${stepsMax} steps`);
  }

  /** Counts the work of making or reading a text of `length` units, and refuses texts too long. */
  spendText(length: number): void {
    if (length > lengthMax) fail(`makes a text of over ${lengthMax} characters`);
    this.spend(length >> 5);
  }

  write(text: string): void {
    if (this.output.length + text.length > lengthMax) fail(`gives over ${lengthMax} characters`);
    this.output += text;
  }

  enter(): void {
    if (++this.#depth > depthMax) fail(`is nested over ${depthMax} levels deep`);
  }

  leave(): void {
    this.#depth--;
  }

  /** Marks a dict as made by the template. */
  own<T extends Value & object>(value: T): T {
    (this.#owned ??= new WeakSet()).add(value);
    return value;
  }

  owns(value: object): boolean {
    return this.#owned?.has(value) ?? false;
  }
}

/** @throws {RowError} E516 always. */
export function fail(reason: string): never {
  throw new RowError("E516", reason);
}
