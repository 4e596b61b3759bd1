/**
 * Runs a pattern by following all its alternatives at once, one character after the other (Pike's machine). Its time is
 * the length of the text times the size of the pattern, whatever both are; a backtracking engine can take forever.
 * @module
 */
import { type Assertion, type Chars, isNullable, type Node, type Pattern } from "./re2_parse.ts";

type Instruction =
  | { readonly op: "chars"; readonly matches: (code: number) => boolean }
  | { readonly op: "assert"; readonly at: Assertion }
  /** Goes on at `first`, and with lower priority at `second`. */
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "jump"; to: number }
  | { readonly op: "save"; readonly slot: number }
  | { readonly op: "match" };

/** Start and end of the whole match and then of each group, as UTF-16 offsets; -1 for a group that took no part. */
export type Captures = readonly number[];

const programLengthMax = 20_000;

/** How many steps a search may still take. All searches of one row's call share one. */
export interface SearchBudget {
  left: number;
}

/** Some 50 ms in the worst case. */
const workMax = 2_000_000;

/** Copying the places of so many groups takes as long as a step. */
const slotsPerStep = 8;

export function newSearchBudget(): SearchBudget {
  return { left: workMax };
}

export class Machine {
  readonly #program: readonly Instruction[];
  readonly #slots: number;
  /** What it costs to note where a group begins or ends, in steps. */
  readonly #saveSteps: number;

  /**
   * @throws {Error} when the pattern, its repetitions written out, is too large.
   */
  constructor(pattern: Pattern) {
    this.#program = assemble(pattern.root);
    this.#slots = 2 * (pattern.groupCount + 1);
    this.#saveSteps = Math.ceil(this.#slots / slotsPerStep);
  }

  /**
   * The leftmost match that begins at `from` or later; of several there, the one a backtracking engine would find first.
   *
   * @throws {Error} when the budget does not suffice: the text is too long for a pattern of this size.
   */
  find(text: string, from: number, budget: SearchBudget): Captures | undefined {
    const seen = new Int32Array(this.#program.length).fill(-1);
    const unset: Captures = new Array<number>(this.#slots).fill(-1);
    let threads: Thread[] = [];
    let found: Captures | undefined;
    for (let at = from;;) {
      if (found === undefined) this.#follow(threads, seen, { pc: 0, captures: unset }, text, at, budget);
      if (threads.length === 0 && (found !== undefined || at >= text.length)) return found;
      const code = text.codePointAt(at);
      const next = at + (code === undefined || code <= 0xffff ? 1 : 2);
      const following: Thread[] = [];
      for (const { pc, captures } of threads) {
        const instruction = this.#program[pc]!;
        if (instruction.op === "match") {
          found = captures;
          // Threads behind this one have lower priority.
          break;
        }
        if (instruction.op === "chars" && code !== undefined && instruction.matches(code)) {
          this.#follow(following, seen, { pc: pc + 1, captures }, text, next, budget);
        }
      }
      if (code === undefined) return found;
      budget.left -= threads.length + 1;
      if (budget.left < 0) throw new Error(`a text of ${text.length} characters is too long for this pattern`);
      threads = following;
      at = next;
    }
  }

  /**
   * Follows a thread through everything that takes no character and lists where it waits, in order of priority. `seen`
   * holds for each instruction the offset at which it was last reached: a second way there cannot lead to a better match.
   */
  #follow(
    threads: Thread[],
    seen: Int32Array,
    start: Thread,
    text: string,
    at: number,
    budget: SearchBudget,
  ): void {
    const pending: Thread[] = [start];
    for (let thread = pending.pop(); thread !== undefined; thread = pending.pop()) {
      const { pc, captures } = thread;
      budget.left--;
      if (seen[pc] === at || budget.left < 0) continue;
      seen[pc] = at;
      const instruction = this.#program[pc]!;
      switch (instruction.op) {
        case "chars":
        case "match":
          threads.push(thread);
          break;
        case "jump":
          pending.push({ pc: instruction.to, captures });
          break;
        case "split":
          pending.push({ pc: instruction.second, captures }, { pc: instruction.first, captures });
          break;
        case "save":
          budget.left -= this.#saveSteps;
          pending.push({ pc: pc + 1, captures: captures.with(instruction.slot, at) });
          break;
        case "assert":
          if (holds(instruction.at, text, at)) pending.push({ pc: pc + 1, captures });
          break;
        default:
          instruction satisfies never;
      }
    }
  }
}

interface Thread {
  readonly pc: number;
  readonly captures: Captures;
}

function isWord(text: string, at: number): boolean {
  return at >= 0 && at < text.length && /\w/.test(text[at]!);
}

function holds(assertion: Assertion, text: string, at: number): boolean {
  switch (assertion) {
    case "text_start":
      return at === 0;
    case "text_end":
      return at === text.length;
    case "line_start":
      return at === 0 || text[at - 1] === "\n";
    case "line_end":
      return at === text.length || text[at] === "\n";
    case "word":
      return isWord(text, at - 1) !== isWord(text, at);
    case "not_word":
      return isWord(text, at - 1) === isWord(text, at);
    default:
      return assertion satisfies never;
  }
}

function assemble(root: Node): Instruction[] {
  const program: Instruction[] = [];
  emit({ kind: "group", body: root, index: 0 }, program);
  program.push({ op: "match" });
  return program;
}

function emit(node: Node, program: Instruction[]): void {
  if (program.length > programLengthMax) throw new Error("the regular expression is too large");
  switch (node.kind) {
    case "chars":
      program.push({ op: "chars", matches: charsMatcher(node) });
      break;
    case "assert":
      program.push({ op: "assert", at: node.at });
      break;
    case "concat":
      for (const part of node.parts) emit(part, program);
      break;
    case "alternate":
      emitAlternatives(node.options, program);
      break;
    case "group":
      program.push({ op: "save", slot: 2 * node.index });
      emit(node.body, program);
      program.push({ op: "save", slot: 2 * node.index + 1 });
      break;
    case "repeat":
      if (node.max === Infinity) {
        for (let i = 1; i < node.min; i++) emit(node.body, program);
        if (node.min === 0) emitStar(node.body, node.greedy, program);
        else emitPlus(node.body, node.greedy, program);
        break;
      }
      for (let i = 0; i < node.min; i++) emit(node.body, program);
      emitOptional(node.body, node.max - node.min, node.greedy, program);
      break;
    default:
      node satisfies never;
  }
}

function emitAlternatives(options: readonly Node[], program: Instruction[]): void {
  const ends: { to: number }[] = [];
  for (const [i, option] of options.entries()) {
    if (i === options.length - 1) {
      emit(option, program);
      break;
    }
    const split = { op: "split" as const, first: program.length + 1, second: 0 };
    program.push(split);
    emit(option, program);
    const end = { op: "jump" as const, to: 0 };
    program.push(end);
    ends.push(end);
    split.second = program.length;
  }
  for (const end of ends) end.to = program.length;
}

/** Any number of times `body`, none included. */
function emitStar(body: Node, greedy: boolean, program: Instruction[]): void {
  const start = program.length;
  const enter = { op: "split" as const, first: start + 1, second: start + 1 };
  program.push(enter);
  if (isNullable(body)) {
    // An empty turn must be able to leave with its own priority although the entrance has been passed already. The
    // second split, of `(x+)?`, makes `(|a)*` match nothing of "aaa", as RE2 does.
    emitPlus(body, greedy, program);
  } else {
    emit(body, program);
    program.push({ op: "jump", to: start });
  }
  enter[greedy ? "second" : "first"] = program.length;
}

/** Once `body`, and any number of times again. */
function emitPlus(body: Node, greedy: boolean, program: Instruction[]): void {
  const start = program.length;
  emit(body, program);
  const behind = program.length + 1;
  program.push({ op: "split", first: greedy ? start : behind, second: greedy ? behind : start });
}

/** Up to `count` times `body`, each only after the one before. */
function emitOptional(body: Node, count: number, greedy: boolean, program: Instruction[]): void {
  const splits: { first: number; second: number }[] = [];
  for (let i = 0; i < count; i++) {
    const split = { op: "split" as const, first: program.length + 1, second: program.length + 1 };
    program.push(split);
    splits.push(split);
    emit(body, program);
  }
  for (const split of splits) split[greedy ? "second" : "first"] = program.length;
}

/** Same sets, same matcher: patterns write the same set out many times. */
let matchers = new Map<string, (code: number) => boolean>();
const matchersMax = 1000;

function charsMatcher({ source, fold }: Chars): (code: number) => boolean {
  const key = `${fold ? "i" : " "}${source}`;
  let matcher = matchers.get(key);
  if (matcher === undefined) {
    matcher = createMatcher(source, fold);
    if (matchers.size >= matchersMax) matchers = new Map();
    matchers.set(key, matcher);
  }
  return matcher;
}

function createMatcher(source: string, fold: boolean): (code: number) => boolean {
  const regex = new RegExp(`^${source}$`, fold ? "iu" : "u");
  /** What was found of the first characters: 1 for a match, 2 for none. */
  const ascii = new Uint8Array(128);
  return (code) => {
    if (code >= 128) return regex.test(String.fromCodePoint(code));
    ascii[code] ||= regex.test(String.fromCharCode(code)) ? 1 : 2;
    return ascii[code] === 1;
  };
}
