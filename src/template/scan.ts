/**
 * Template text to tokens: what stands between the actions as it is, actions word by word.
 *
 * White space inside an action only parts operands; each token says whether some stood in front of it.
 * @module
 */
import type { Span } from "../diagnostics/diagnostic.ts";
import type { Value } from "../value/value.ts";
import { readCharacter, readNumber, readQuoted } from "./literal.ts";
import { TemplateMistake } from "./mistake.ts";

export interface Token {
  readonly kind:
    | "text"
    | "open"
    | "close"
    | "word"
    | "field"
    | "variable"
    | "dot"
    | "literal"
    | ":="
    | "="
    | "|"
    | "("
    | ")"
    | ","
    | "end";
  /** The text as it stands; for `text` what is left after trim markers, for fields and variables the bare name. */
  readonly text: string;
  readonly span: Span;
  readonly spaced: boolean;
  /** Of a literal. */
  readonly value?: Value;
}

const space = /[ \t\r\n]/;
const wordStart = /[\p{L}_]/u;
const wordRest = /[\p{L}\p{Nd}_]*/uy;
const terminators = " \t\r\n.,|:)(=";

/** @throws {TemplateMistake} */
export function scan(text: string): Token[] {
  return new Scanner(text).tokens();
}

class Scanner {
  readonly #text: string;
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  tokens(): Token[] {
    const text = this.#text;
    let trimsStart = false;
    for (;;) {
      const open = text.indexOf("{{", this.#at);
      const end = open === -1 ? text.length : open;
      const trimsEnd = open !== -1 && text[open + 2] === "-" && space.test(text[open + 3] ?? "");
      let plain = text.slice(this.#at, end);
      if (trimsStart) plain = plain.replace(/^[ \t\r\n]+/, "");
      if (trimsEnd) plain = trimEnd(plain);
      if (plain !== "") this.#add("text", this.#at, end, plain);
      if (open === -1) break;
      this.#at = open + (trimsEnd ? 4 : 2);
      trimsStart = text.startsWith("/*", this.#at) ? this.#comment(open) : this.#action(open);
    }
    this.#add("end", text.length, text.length, "");
    return this.#tokens;
  }

  #add(kind: Token["kind"], start: number, end: number, text: string, spaced = false, value?: Value): void {
    this.#at = end;
    this.#tokens.push({ kind, text, span: { start, end }, spaced, ...(value === undefined ? {} : { value }) });
  }

  /** Skips a comment; true when it ends with a trim marker. */
  #comment(open: number): boolean {
    const end = this.#text.indexOf("*/", this.#at + 2);
    if (end === -1) {
      throw new TemplateMistake("Unclosed comment", { start: open, end: this.#at + 2 }, 'close it with "*/}}"');
    }
    const close = /(\s-)?\}\}/y;
    close.lastIndex = end + 2;
    const found = close.exec(this.#text);
    if (found === null) {
      throw new TemplateMistake("A comment must end right before the closing braces", { start: end, end: end + 2 });
    }
    this.#at = close.lastIndex;
    return found[1] !== undefined;
  }

  /** Scans one action; true when it ends with a trim marker. */
  #action(open: number): boolean {
    const text = this.#text;
    this.#add("open", open, this.#at, "{{");
    for (;;) {
      const before = this.#at;
      while (this.#at < text.length && space.test(text[this.#at]!)) this.#at++;
      const start = this.#at;
      const spaced = start > before;
      if (start >= text.length) {
        throw new TemplateMistake("Unclosed action", { start: open, end: open + 2 }, 'close it with "}}"');
      }
      if (spaced && text.startsWith("-}}", start)) {
        this.#add("close", start, start + 3, "}}", spaced);
        return true;
      }
      if (text.startsWith("}}", start)) {
        this.#add("close", start, start + 2, "}}", spaced);
        return false;
      }
      this.#word(start, spaced);
    }
  }

  #word(start: number, spaced: boolean): void {
    const text = this.#text;
    const char = text[start]!;
    switch (char) {
      case "|":
      case "(":
      case ")":
      case ",":
      case "=":
        return this.#add(char, start, start + 1, char, spaced);
      case ":":
        if (text[start + 1] === "=") return this.#add(":=", start, start + 2, ":=", spaced);
        break;
      case '"':
      case "`":
        return this.#literal(start, spaced, readQuoted(text, start));
      case "'":
        return this.#literal(start, spaced, readCharacter(text, start));
      case "$":
        return this.#name("variable", start, start + 1, spaced);
      case ".":
        if (/[0-9]/.test(text[start + 1] ?? "")) return this.#literal(start, spaced, readNumber(text, start));
        if (!wordStart.test(codePoint(text, start + 1))) return this.#add("dot", start, start + 1, ".", spaced);
        return this.#name("field", start, start + 1, spaced);
    }
    if (/[0-9+-]/.test(char)) return this.#literal(start, spaced, readNumber(text, start));
    if (wordStart.test(codePoint(text, start))) return this.#name("word", start, start, spaced);
    const shown = codePoint(text, start);
    throw new TemplateMistake(`Unexpected ${JSON.stringify(shown)}`, { start, end: start + shown.length });
  }

  #literal(start: number, spaced: boolean, { value, end }: { value: Value; end: number }): void {
    this.#add("literal", start, end, this.#text.slice(start, end), spaced, value);
  }

  #name(kind: "word" | "field" | "variable", start: number, from: number, spaced: boolean): void {
    wordRest.lastIndex = from;
    wordRest.exec(this.#text);
    const end = wordRest.lastIndex;
    const next = this.#text[end];
    if (next !== undefined && !terminators.includes(next) && !this.#text.startsWith("}}", end)) {
      const shown = codePoint(this.#text, end);
      const hint = shown === "-" && kind !== "variable"
        ? 'write (index . "a-b") for a name with other signs'
        : undefined;
      throw new TemplateMistake(
        `Unexpected ${JSON.stringify(shown)} after ${this.#text.slice(start, end)}`,
        { start: end, end: end + shown.length },
        hint,
      );
    }
    this.#add(kind, start, end, this.#text.slice(from, end), spaced);
  }
}

function codePoint(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? "" : String.fromCodePoint(code);
}

/** Without white space at the end; a pattern would try each of many spaces in the middle. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && space.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}
