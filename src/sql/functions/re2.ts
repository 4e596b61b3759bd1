/**
 * Regular expressions in RE2 syntax whose time stays bounded.
 *
 * The platform's engine is fast but backtracks, so it runs only searches whose worst case, known from the pattern's
 * shape and the length of the text, is small. All others run on a machine that takes linear time.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { Machine, newSearchBudget, type SearchBudget } from "./re2_machine.ts";
import { type Assertion, isNullable, type Node, parsePattern, type Pattern } from "./re2_parse.ts";

/** One match; `groups[0]` is its text. */
export interface Match {
  readonly start: number;
  readonly end: number;
  readonly groups: readonly (string | undefined)[];
}

export interface Re2 {
  readonly groupNames: ReadonlyMap<string, number>;
  /** The first match at `from` or later. A caller that searches one text several times passes one budget to all. */
  find(text: string, from: number, budget?: SearchBudget): Match | undefined;
}

/**
 * Steps of backtracking that a search may cost in the worst case: some milliseconds. Finding all matches costs no more
 * than finding one, because each start is tried once.
 */
const backtrackingMax = 1_000_000;

/**
 * @param functionName Only for messages.
 * @throws {RowError} E506 when the pattern is none of RE2's. Searching throws it for a text far too long to search.
 */
export function compileRe2(source: string, functionName: string): Re2 {
  const refuse = (error: unknown): never => {
    throw new RowError("E506", `${functionName}(): ${(error as Error).message}`, { cause: error });
  };
  try {
    const pattern = parsePattern(source);
    const native = nativeRegExp(pattern);
    const worst = native === undefined ? undefined : shapeOf(pattern.root);
    let machine = worst === undefined || worst.unfit ? new Machine(pattern) : undefined;
    return {
      groupNames: pattern.groupNames,
      find(text, from, budget = newSearchBudget()) {
        if (native !== undefined && worst !== undefined && isCheap(worst, text.length)) {
          return findNative(native, text, from);
        }
        try {
          machine ??= new Machine(pattern);
          return findWith(machine, text, from, budget);
        } catch (error) {
          return refuse(error);
        }
      },
    };
  } catch (error) {
    return refuse(error);
  }
}

function findNative(regex: RegExp, text: string, from: number): Match | undefined {
  regex.lastIndex = from;
  const match = regex.exec(text);
  return match === null ? undefined : { start: match.index, end: match.index + match[0].length, groups: match };
}

function findWith(machine: Machine, text: string, from: number, budget: SearchBudget): Match | undefined {
  const captures = machine.find(text, from, budget);
  if (captures === undefined) return undefined;
  const groups: (string | undefined)[] = [];
  for (let i = 0; i < captures.length; i += 2) {
    groups.push(captures[i + 1]! < 0 ? undefined : text.slice(captures[i], captures[i + 1]));
  }
  return { start: captures[0]!, end: captures[1]!, groups };
}

// ---------------------------------------------------------------- the worst case of backtracking

/** How a backtracking search can branch. */
interface Shape {
  /** Repetitions side by side: each multiplies the time by the length of the text. */
  readonly degree: number;
  /** Number of ways through options and alternatives. */
  readonly ways: number;
  /**
   * A repetition around something that can match in several ways, whose time may be exponential, or something that
   * JavaScript understands differently.
   */
  readonly unfit: boolean;
  /** Matches only at the start of the text. */
  readonly anchored: boolean;
}

const plain: Shape = { degree: 0, ways: 1, unfit: false, anchored: false };

function shapeOf(node: Node): Shape {
  switch (node.kind) {
    case "chars":
      return plain;
    case "assert":
      // JavaScript also looks for \B between the halves of a surrogate pair.
      return { ...plain, anchored: node.at === "text_start", unfit: node.at === "not_word" };
    case "group":
      return shapeOf(node.body);
    case "concat": {
      const shapes = node.parts.map(shapeOf);
      return {
        degree: shapes.reduce((sum, shape) => sum + shape.degree, 0),
        ways: shapes.reduce((product, shape) => product * shape.ways, 1),
        unfit: shapes.some((shape) => shape.unfit),
        anchored: shapes[0]?.anchored ?? false,
      };
    }
    case "alternate": {
      const shapes = node.options.map(shapeOf);
      return {
        degree: Math.max(...shapes.map((shape) => shape.degree)),
        ways: shapes.reduce((sum, shape) => sum + shape.ways, 0),
        unfit: shapes.some((shape) => shape.unfit),
        anchored: shapes.every((shape) => shape.anchored),
      };
    }
    case "repeat": {
      const body = shapeOf(node.body);
      if (node.max <= 1) return { ...body, ways: body.ways + 1, anchored: false };
      const fixed = node.min === node.max;
      return {
        degree: body.degree + (fixed ? 0 : 1),
        ways: body.ways,
        // JavaScript refuses empty turns of a loop, RE2 takes them; only the machine does it the latter way.
        unfit: body.unfit || body.degree > 0 || body.ways > 1 || isNullable(node.body),
        anchored: false,
      };
    }
    default:
      return node satisfies never;
  }
}

function isCheap({ degree, ways, unfit, anchored }: Shape, length: number): boolean {
  return !unfit && ways * (length + 1) ** (degree + (anchored ? 0 : 1)) <= backtrackingMax;
}

// ---------------------------------------------------------------- the platform's engine

/** The pattern for the platform's engine, or undefined when upper and lower case matter in only parts of it. */
function nativeRegExp(pattern: Pattern): RegExp | undefined {
  const folds = new Set<boolean>();
  const source = nativeSource(pattern.root, folds);
  return folds.size > 1 ? undefined : new RegExp(source, folds.has(true) ? "giu" : "gu");
}

const nativeAssertions: Readonly<Record<Assertion, string>> = {
  text_start: "^",
  text_end: "$",
  line_start: "(?<=^|\\n)",
  line_end: "(?=$|\\n)",
  word: "\\b",
  not_word: "\\B",
};

function nativeSource(node: Node, folds: Set<boolean>): string {
  switch (node.kind) {
    case "chars":
      folds.add(node.fold);
      return node.source;
    case "assert":
      return nativeAssertions[node.at];
    case "concat":
      return node.parts.map((part) => nativeSource(part, folds)).join("");
    case "alternate":
      return `(?:${node.options.map((option) => nativeSource(option, folds)).join("|")})`;
    case "group":
      return `(${nativeSource(node.body, folds)})`;
    case "repeat": {
      const count = node.max === Infinity ? `{${node.min},}` : `{${node.min},${node.max}}`;
      return `(?:${nativeSource(node.body, folds)})${count}${node.greedy ? "" : "?"}`;
    }
    default:
      return node satisfies never;
  }
}
