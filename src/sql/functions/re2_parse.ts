/**
 * Reads regular expressions in RE2 syntax, the one of Go and so of the dialect. There is no look-around and there are
 * no back-references, which is what makes matching in linear time possible.
 * @module
 */
import {
  type CharSet,
  classSource,
  codePointMax,
  complement,
  controlEscapes,
  perlClasses,
  posixClasses,
  type Range,
} from "./re2_classes.ts";

/** A set of characters (code points) that match one position. */
export interface Chars {
  readonly kind: "chars";
  /** A class in JavaScript's syntax with the flag `u`, brackets included. */
  readonly source: string;
  /** Upper and lower case are the same. */
  readonly fold: boolean;
}

export type Assertion = "text_start" | "text_end" | "line_start" | "line_end" | "word" | "not_word";

export type Node =
  | Chars
  | { readonly kind: "assert"; readonly at: Assertion }
  | { readonly kind: "concat"; readonly parts: readonly Node[] }
  | { readonly kind: "alternate"; readonly options: readonly Node[] }
  | {
    readonly kind: "repeat";
    readonly body: Node;
    readonly min: number;
    /** Infinity when there is no limit. */
    readonly max: number;
    readonly greedy: boolean;
  }
  | { readonly kind: "group"; readonly body: Node; readonly index: number };

export interface Pattern {
  readonly root: Node;
  readonly groupCount: number;
  readonly groupNames: ReadonlyMap<string, number>;
}

/** A text that is not a regular expression in RE2 syntax. */
export class PatternError extends Error {
  constructor(pattern: string, reason: string) {
    const shown = pattern.length > 100 ? `${pattern.slice(0, 100)}…` : pattern;
    super(`bad regular expression ${JSON.stringify(shown)}: ${reason}`);
    this.name = "PatternError";
  }
}

interface Flags {
  readonly fold: boolean;
  readonly multiline: boolean;
  readonly dotAll: boolean;
  readonly ungreedy: boolean;
}

const depthMax = 200;
const repeatMax = 1000;
/** Patterns come out of rows too, and one as long as a message takes seconds to compile. */
const patternCharsMax = 10_000;
/** Each of these is a set of hundreds of ranges. */
const propertiesMax = 100;

/**
 * @throws {PatternError} when `text` is no regular expression in RE2 syntax.
 */
export function parsePattern(text: string): Pattern {
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #flags: Flags = { fold: false, multiline: false, dotAll: false, ungreedy: false };
  #groups = 0;
  #properties = 0;
  readonly #names = new Map<string, number>();

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Pattern {
    const { length } = this.#text;
    if (length > patternCharsMax) this.#fail(`${length} characters are more than ${patternCharsMax}`);
    const root = this.#alternation();
    if (this.#at < this.#text.length) this.#fail("unexpected )");
    if (copiesOf(root) > repeatMax) this.#fail(`repetitions in repetitions come to over ${repeatMax}`);
    return { root, groupCount: this.#groups, groupNames: this.#names };
  }

  #fail(reason: string): never {
    throw new PatternError(this.#text, reason);
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  /** Matches a sticky expression here and moves behind it. */
  #scan(regex: RegExp): RegExpExecArray | undefined {
    regex.lastIndex = this.#at;
    const match = regex.exec(this.#text);
    if (match === null) return undefined;
    this.#at = regex.lastIndex;
    return match;
  }

  #codePoint(): number {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) this.#fail("unexpected end");
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  #alternation(): Node {
    if (++this.#depth > depthMax) this.#fail(`groups nested over ${depthMax} deep`);
    const options = [this.#concatenation()];
    while (this.#take("|")) options.push(this.#concatenation());
    this.#depth--;
    return options.length === 1 ? options[0]! : { kind: "alternate", options };
  }

  #concatenation(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#text.length) {
      const next = this.#text[this.#at]!;
      if (next === "|" || next === ")") break;
      if (this.#take("\\Q")) {
        const end = this.#text.indexOf("\\E", this.#at);
        const quoted = this.#text.slice(this.#at, end === -1 ? undefined : end);
        this.#at = end === -1 ? this.#text.length : end + 2;
        for (const char of quoted) parts.push(this.#literal(char.codePointAt(0)!));
        const last = quoted === "" ? undefined : parts.pop();
        if (last !== undefined) parts.push(this.#repetition(last));
        continue;
      }
      if (this.#take("\\E")) continue;
      const atom = this.#atom();
      if (atom !== undefined) parts.push(this.#repetition(atom));
    }
    return parts.length === 1 ? parts[0]! : { kind: "concat", parts };
  }

  /** Undefined for a group that only sets flags. */
  #atom(): Node | undefined {
    const next = this.#text[this.#at]!;
    switch (next) {
      case "(":
        this.#at++;
        return this.#group();
      case "[":
        this.#at++;
        return this.#class();
      case ".":
        this.#at++;
        return this.#chars({
          ranges: this.#flags.dotAll ? [[0, codePointMax]] : complement([[10, 10]]),
          properties: "",
        });
      case "^":
        this.#at++;
        return { kind: "assert", at: this.#flags.multiline ? "line_start" : "text_start" };
      case "$":
        this.#at++;
        return { kind: "assert", at: this.#flags.multiline ? "line_end" : "text_end" };
      case "*":
      case "+":
      case "?":
        return this.#fail(`nothing to repeat before ${next}`);
      case "\\":
        return this.#escape();
      default:
        return this.#literal(this.#codePoint());
    }
  }

  #literal(code: number): Node {
    return this.#chars({ ranges: [[code, code]], properties: "" });
  }

  #chars(set: CharSet, negated = false): Node {
    return { kind: "chars", source: classSource(set, negated), fold: this.#flags.fold };
  }

  #repetition(body: Node): Node {
    const range = this.#repeatCount();
    if (range === undefined) return body;
    const lazy = this.#take("?");
    const [min, max] = range;
    if (this.#repeatCount() !== undefined) this.#fail("a repetition is repeated");
    return { kind: "repeat", body, min, max, greedy: lazy === this.#flags.ungreedy };
  }

  #repeatCount(): [min: number, max: number] | undefined {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    const counted = this.#scan(/\{(\d+)(?:(,)(\d*))?\}/y);
    if (counted === undefined) return undefined;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === "" ? Infinity : Number(counted[3]);
    if (min > repeatMax || (max > repeatMax && max !== Infinity) || min > max) {
      this.#fail(`bad repeat count ${counted[0]}`);
    }
    return [min, max];
  }

  #group(): Node | undefined {
    const outer = this.#flags;
    if (!this.#take("?")) return this.#captured(outer, undefined);
    if (this.#scan(/<?[=!]/y) !== undefined) this.#fail("look-around is not supported");
    const name = this.#scan(/P?<([A-Za-z_0-9]+)>/y)?.[1];
    if (name !== undefined) return this.#captured(outer, name);
    const flags = this.#scan(/([imsU]*)(?:-([imsU]+))?([:)])/y);
    if (flags === undefined) this.#fail("unknown kind of group");
    this.#flags = withFlags(outer, flags[1]!, flags[2] ?? "");
    // Without a body the flags hold until the group around ends.
    if (flags[3] === ")") return undefined;
    return this.#closed(outer);
  }

  #captured(outer: Flags, name: string | undefined): Node {
    const index = ++this.#groups;
    if (name !== undefined) {
      if (this.#names.has(name)) this.#fail(`two groups are called ${name}`);
      this.#names.set(name, index);
    }
    return { kind: "group", body: this.#closed(outer), index };
  }

  /** The body of a group and its parenthesis; flags set inside end there. */
  #closed(outer: Flags): Node {
    const body = this.#alternation();
    if (!this.#take(")")) this.#fail("missing )");
    this.#flags = outer;
    return body;
  }

  /** An escape outside classes. */
  #escape(): Node {
    if (this.#take("\\A")) return { kind: "assert", at: "text_start" };
    if (this.#take("\\z")) return { kind: "assert", at: "text_end" };
    if (this.#take("\\b")) return { kind: "assert", at: "word" };
    if (this.#take("\\B")) return { kind: "assert", at: "not_word" };
    const set = this.#escapedSet();
    return set === undefined ? this.#literal(this.#escapedCharacter()) : this.#chars(set);
  }

  /** `\d`, `\P{Greek}`, …, or undefined. */
  #escapedSet(): CharSet | undefined {
    const perl = this.#scan(/\\([dwsDWS])/y)?.[1];
    if (perl !== undefined) {
      const ranges = perlClasses[perl.toLowerCase()]!;
      return { ranges: perl === perl.toLowerCase() ? ranges : complement(ranges), properties: "" };
    }
    const unicode = this.#scan(/\\([pP])(?:\{(\^?)([A-Za-z_]+)\}|([A-Za-z]))/y);
    if (unicode === undefined) return undefined;
    if (++this.#properties > propertiesMax) this.#fail(`over ${propertiesMax} classes of Unicode`);
    const [, letter, caret, long, short] = unicode;
    const negated = (letter === "P") !== (caret === "^");
    return { ranges: [], properties: `\\${negated ? "P" : "p"}{${this.#property(long ?? short!)}}` };
  }

  /** A general category such as `Lu`, or a script such as `Greek`, in JavaScript's notation. */
  #property(name: string): string {
    if (name === "Any") return name;
    for (const notation of [`General_Category=${name}`, `Script=${name}`]) {
      try {
        new RegExp(`\\p{${notation}}`, "u");
        return notation;
      } catch {
        // Not a name of this kind; try the next.
      }
    }
    return this.#fail(`unknown character property ${name}`);
  }

  /** The escape of a single character. */
  #escapedCharacter(): number {
    const hex = this.#scan(/\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))/y);
    if (hex !== undefined) {
      const code = parseInt(hex[1] ?? hex[2]!, 16);
      if (code > codePointMax) this.#fail(`no such character ${hex[0]}`);
      return code;
    }
    const octal = this.#scan(/\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/y)?.[1];
    if (octal !== undefined) return parseInt(octal, 8);
    const next = this.#text[++this.#at];
    if (next === undefined) this.#fail("\\ at the end");
    if (/[1-9]/.test(next)) this.#fail("back-references are not supported");
    const control = Object.hasOwn(controlEscapes, next) ? controlEscapes[next] : undefined;
    if (control === undefined && /[A-Za-z0-9]/.test(next)) this.#fail(`unknown escape \\${next}`);
    return control === undefined ? this.#codePoint() : (this.#at++, control);
  }

  /** Behind the opening bracket. */
  #class(): Node {
    const negated = this.#take("^");
    const ranges: Range[] = [];
    let properties = "";
    for (let first = true; first || !this.#take("]"); first = false) {
      if (this.#at >= this.#text.length) this.#fail("missing ]");
      const set = this.#posixSet() ?? this.#escapedSet();
      if (set !== undefined) {
        ranges.push(...set.ranges);
        properties += set.properties;
        continue;
      }
      const from = this.#classCharacter();
      let to = from;
      if (this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]") {
        this.#at++;
        if (this.#escapedSet() !== undefined) this.#fail("bad range in a class");
        to = this.#classCharacter();
        if (to < from) this.#fail("range in a class goes down");
      }
      ranges.push([from, to]);
    }
    return this.#chars({ ranges, properties }, negated);
  }

  #classCharacter(): number {
    return this.#text[this.#at] === "\\" ? this.#escapedCharacter() : this.#codePoint();
  }

  #posixSet(): CharSet | undefined {
    const posix = this.#scan(/\[:(\^?)([a-z]+):\]/y);
    if (posix === undefined) return undefined;
    const ranges = Object.hasOwn(posixClasses, posix[2]!) ? posixClasses[posix[2]!] : undefined;
    if (ranges === undefined) this.#fail(`unknown class ${posix[0]}`);
    return { ranges: posix[1] === "^" ? complement(ranges) : ranges, properties: "" };
  }
}

/** True when a node can match the empty text. */
export function isNullable(node: Node): boolean {
  switch (node.kind) {
    case "chars":
      return false;
    case "assert":
      return true;
    case "concat":
      return node.parts.every(isNullable);
    case "alternate":
      return node.options.some(isNullable);
    case "group":
      return isNullable(node.body);
    case "repeat":
      return node.min === 0 || isNullable(node.body);
    default:
      return node satisfies never;
  }
}

/** How often the most repeated part of a pattern stands in it when its counted repetitions are written out. */
function copiesOf(node: Node): number {
  switch (node.kind) {
    case "chars":
    case "assert":
      return 1;
    case "concat":
      return node.parts.reduce((most, part) => Math.max(most, copiesOf(part)), 1);
    case "alternate":
      return node.options.reduce((most, option) => Math.max(most, copiesOf(option)), 1);
    case "group":
      return copiesOf(node.body);
    case "repeat":
      return Math.max(1, node.max === Infinity ? node.min : node.max) * copiesOf(node.body);
    default:
      return node satisfies never;
  }
}

function withFlags(flags: Flags, on: string, off: string): Flags {
  const pick = (letter: string, before: boolean) => on.includes(letter) || (before && !off.includes(letter));
  return {
    fold: pick("i", flags.fold),
    multiline: pick("m", flags.multiline),
    dotAll: pick("s", flags.dotAll),
    ungreedy: pick("U", flags.ungreedy),
  };
}
