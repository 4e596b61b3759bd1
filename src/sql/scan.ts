/**
 * Tokens of a text, for what must be known before the grammar runs (bad strings, depth, length, the end of a SELECT)
 * and for messages that name the offending word instead of one character.
 * @module
 */
import { type Diagnostic, diagnostic } from "../diagnostics/diagnostic.ts";
import { badEscapes } from "./string_literal.ts";

/** A statement's text may have this many UTF-16 units. */
export const textLengthMax = 256 * 1024;
/** A statement may have this many tokens: enough for an IN of 15,000 values, and parsed well within 100 ms. */
export const tokensMax = 32_000;
/** Brackets and CASE may be nested this deep. */
export const nestingMax = 200;
/** More bad escapes than this are not worth telling. */
const badEscapesMax = 20;

export type TokenKind =
  | "word"
  | "quoted_name"
  | "number"
  | "string"
  | "symbol"
  | "end"
  // The rest can stand in no statement.
  | "bad_word"
  | "bad_number"
  | "empty_name"
  | "open_name"
  | "open_string"
  | "open_comment"
  | "unknown";

export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
}

const space = /[ \t\r\n]+/y;
const lineComment = /-[ \t\r\n]*-[^\n\r]*/y;
const word = /[A-Za-z][A-Za-z0-9_]*/y;
const badWord = /[\p{L}\p{N}_$@]+/uy;
const number = /[0-9]+(?:\.[0-9]*)?|\.[0-9]+/y;
const badNumber = /[A-Za-z0-9_.]*(?:(?<=[0-9][eE])[+-][0-9]+)?/y;
const quotedName = /`[^`]*`?/y;
const doubleQuoted = /"[^"\\\n\r]*(?:\\[^][^"\\\n\r]*)*"?/y;
const singleQuoted = /'[^'\\\n\r]*(?:\\[^][^'\\\n\r]*)*'?/y;
const pair = /->|[!<>]=|<>/y;
const symbols = "()[],.:;#+-*/%&|^=<>!";

function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** Where white space and comments from `at` on end; an unterminated comment is not skipped. */
function skipTrivia(text: string, at: number): number {
  for (;;) {
    const c = text[at];
    let end = at;
    if (c === " " || c === "\n" || c === "\t" || c === "\r") {
      end = matchEnd(space, text, at);
    } else if (c === "-") {
      end = matchEnd(lineComment, text, at);
    } else if (c === "/" && text[at + 1] === "*") {
      const close = text.indexOf("*/", at + 2);
      if (close !== -1) end = close + 2;
    }
    if (end === at) return at;
    at = end;
  }
}

/** The first token at or after `from`; at the end of the text a token of kind `end` without length. */
export function nextToken(text: string, from: number): Token {
  const start = skipTrivia(text, from);
  if (start >= text.length) return { kind: "end", start: text.length, end: text.length };
  const token = (kind: TokenKind, end: number): Token => ({ kind, start, end });
  const c = text[start]!;
  switch (c) {
    case "`": {
      const end = matchEnd(quotedName, text, start);
      if (end - start === 1 || text[end - 1] !== "`") return token("open_name", end);
      return token(end - start === 2 ? "empty_name" : "quoted_name", end);
    }
    case '"':
    case "'": {
      const pattern = c === '"' ? doubleQuoted : singleQuoted;
      let end = matchEnd(pattern, text, start);
      // A backslash at the very end of the text escapes nothing, but belongs to the string.
      if (text[end] === "\\") end++;
      return token(isClosed(text, start, end) ? "string" : "open_string", end);
    }
    case "/":
      if (text[start + 1] === "*") return token("open_comment", text.length);
      return token("symbol", start + 1);
  }
  const numberEnd = matchEnd(number, text, start);
  if (numberEnd > start) {
    const end = matchEnd(badNumber, text, numberEnd);
    return end === numberEnd || !/[A-Za-z0-9_]/.test(text[numberEnd]!)
      ? token("number", numberEnd)
      : token("bad_number", end);
  }
  const wordEnd = matchEnd(word, text, start);
  const end = matchEnd(badWord, text, start);
  if (end > wordEnd) return token("bad_word", end);
  if (wordEnd > start) return token("word", wordEnd);
  if (!symbols.includes(c)) return token("unknown", start + (text.codePointAt(start)! > 0xffff ? 2 : 1));
  return token("symbol", Math.max(matchEnd(pair, text, start), start + 1));
}

/** True when the last quote of `text.slice(start, end)` is an end quote: not the first one, and not escaped. */
function isClosed(text: string, start: number, end: number): boolean {
  if (end - start < 2 || text[end - 1] !== text[start]) return false;
  let slashes = 0;
  for (let i = end - 2; i > start && text[i] === "\\"; i--) slashes++;
  return slashes % 2 === 0;
}

/** What a look at the tokens gives. */
export interface Scan {
  /** Where the statement ends: behind the first `;` of a SELECT, else the end of the text. */
  readonly end: number;
  /** Everything that must stop the text from reaching the grammar. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Checks length (E103), strings (E104) and depth (E102) of a text, as far as a SELECT's first `;`. */
export function scan(text: string): Scan {
  if (text.length > textLengthMax) {
    const message = `the text is longer than ${textLengthMax / 1024} KiB: found ${Math.ceil(text.length / 1024)} KiB`;
    return { end: text.length, diagnostics: [diagnostic("E103", message)] };
  }
  const diagnostics: Diagnostic[] = [];
  const checkEscapes = (start: number, end: number) => {
    diagnostics.push(...badEscapes(text, start, end, badEscapesMax - diagnostics.length));
  };
  let tokens = 0;
  let depth = 0;
  let isSelect: boolean | undefined;
  for (let token = nextToken(text, 0); token.kind !== "end"; token = nextToken(text, token.end)) {
    if (++tokens > tokensMax) {
      const { start, end } = token;
      diagnostics.push(
        diagnostic("E103", `the statement has more than ${tokensMax} words and signs`, { span: { start, end } }),
      );
      return { end: text.length, diagnostics };
    }
    isSelect ??= token.kind === "word" && text.slice(token.start, token.end).toUpperCase() === "SELECT";
    switch (token.kind) {
      case "string":
        checkEscapes(token.start, token.end);
        if (diagnostics.length >= badEscapesMax) return { end: text.length, diagnostics };
        break;
      case "open_string":
        // What follows may be text of the string or not: nothing behind it can be told without guessing.
        checkEscapes(token.start, token.end + 1);
        diagnostics.push(unterminatedString(text, token));
        return { end: text.length, diagnostics };
      case "open_comment":
      case "open_name":
        return { end: text.length, diagnostics };
      case "word":
      case "symbol":
        depth += depthChange(text, token, depth);
        if (depth > nestingMax) {
          const { start, end } = token;
          const message = `nested more than ${nestingMax} levels deep`;
          diagnostics.push(diagnostic("E102", message, { span: { start, end } }));
          return { end: text.length, diagnostics };
        }
        if (isSelect && text[token.start] === ";") return { end: token.end, diagnostics };
        break;
    }
  }
  return { end: text.length, diagnostics };
}

function unterminatedString(text: string, { start, end }: Token): Diagnostic {
  const atLineBreak = end < text.length;
  return diagnostic("E104", atLineBreak ? "a string may not hold a line break" : "the string has no end quote", {
    span: { start, end },
    hint: atLineBreak ? "write \\n for a line break, or add the end quote" : `add ${text[start]} at its end`,
  });
}

function depthChange(text: string, { kind, start, end }: Token, depth: number): number {
  if (kind === "symbol") {
    const c = text[start];
    if (c === "(" || c === "[") return 1;
    return (c === ")" || c === "]") && depth > 0 ? -1 : 0;
  }
  if (end - start === 4 && text.slice(start, end).toUpperCase() === "CASE") return 1;
  return end - start === 3 && depth > 0 && text.slice(start, end).toUpperCase() === "END" ? -1 : 0;
}
