/**
 * Literals of Go as they stand in templates: numbers, characters, strings with escapes and raw strings.
 * @module
 */
import { intMax, intMin, type Value } from "../value/value.ts";
import { TemplateMistake } from "./mistake.ts";

interface Literal {
  readonly value: Value;
  /** Offset behind the literal. */
  readonly end: number;
}

const numberShape =
  /[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[bBoO][0-9_]*|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)/y;
const decimal = /^[0-9]+$/;
const float = /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const hexFloat = /^0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([+-]?[0-9]+)$/;

/** An int, or a float when the text has a point or an exponent. */
export function readNumber(text: string, start: number): Literal {
  numberShape.lastIndex = start;
  numberShape.exec(text);
  const end = numberShape.lastIndex;
  const refuse = (why: string): never => {
    throw new TemplateMistake(why, { start, end: Math.max(end, start + 1) });
  };
  if (/[\p{L}\p{Nd}_.]/u.test(text[end] ?? "")) {
    throw new TemplateMistake(`Bad number ${text.slice(start, end + 1)}`, { start, end: end + 1 });
  }
  const written = text.slice(start, end);
  const sign = written[0] === "-" ? -1 : 1;
  const signed = /^[+-]/.test(written) ? written.slice(1) : written;
  // An underscore stands only between digits, or behind the prefix of a base.
  if (/__|_$|^_|_\.|\._|_[eEpP+-]|[eEpP+-]_/.test(signed.replace(/^0[xX]/, "0"))) refuse(`Bad number ${written}`);
  const body = signed.replaceAll("_", "");
  const base = /^0[xXbBoO][0-9a-fA-F]+$/.test(body) || /^0[0-7]+$/.test(body) || decimal.test(body);
  if (base) {
    if (/^0[0-9]*[89]/.test(body)) refuse(`Bad number ${written}: an int that begins with 0 is octal`);
    const plain = /^0[0-7]+$/.test(body) ? `0o${body}` : body;
    let value: bigint | undefined;
    try {
      value = BigInt(plain) * BigInt(sign);
    } catch {
      refuse(`Bad number ${written}`);
    }
    if (value! > intMax || value! < intMin) refuse(`The int ${written} has more than 64 bits`);
    return { value: value!, end };
  }
  const hex = hexFloat.exec(body);
  const value = hex === null ? (float.test(body) ? Number(body) : NaN) : readHexFloat(hex);
  if (Number.isNaN(value)) refuse(`Bad number ${written}`);
  if (!Number.isFinite(value)) refuse(`The float ${written} is too large`);
  return { value: sign * value, end };
}

function readHexFloat([, whole = "", fraction = "", exponent = "0"]: RegExpExecArray): number {
  const digits = whole + fraction;
  return digits === "" ? NaN : Number(`0x${digits}`) * 2 ** (Number(exponent) - 4 * fraction.length);
}

/** A string between double quotes with escapes, or a raw one between back quotes. */
export function readQuoted(text: string, start: number): Literal {
  const quote = text[start]!;
  if (quote === "`") {
    const end = text.indexOf("`", start + 1);
    if (end === -1) throw new TemplateMistake("Unclosed raw string", { start, end: start + 1 });
    return { value: text.slice(start + 1, end).replaceAll("\r", ""), end: end + 1 };
  }
  const { units, end } = readEscaped(text, start, quote, "string");
  return { value: decode(units), end };
}

/** A character: the number of its code point. */
export function readCharacter(text: string, start: number): Literal {
  const { units, end } = readEscaped(text, start, "'", "character");
  const [first, second] = units;
  if (first === undefined || second !== undefined) {
    throw new TemplateMistake(
      "A character literal holds one character",
      { start, end },
      "write a text with double quotes",
    );
  }
  return { value: BigInt(first.code), end };
}

/** A code point, or a byte written as `\xff` or `\377`. */
interface Unit {
  readonly code: number;
  readonly isByte: boolean;
}

const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  "\\": 92,
};

function readEscaped(text: string, start: number, quote: string, what: string): { units: Unit[]; end: number } {
  const units: Unit[] = [];
  let at = start + 1;
  for (;;) {
    const code = text.codePointAt(at);
    if (code === undefined || code === 10) throw new TemplateMistake(`Unclosed ${what}`, { start, end: start + 1 });
    const char = String.fromCodePoint(code);
    if (char === quote) return { units, end: at + 1 };
    if (char !== "\\") {
      units.push({ code, isByte: false });
      at += char.length;
      continue;
    }
    const escape = /\\(?:([abfnrtv\\'"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))/y;
    escape.lastIndex = at;
    const found = escape.exec(text);
    const [, simple, byte, short, long, octal] = found ?? [];
    const isQuote = simple === quote;
    const value = simple !== undefined
      ? (isQuote ? quote.charCodeAt(0) : simpleEscapes[simple])
      : byte !== undefined
      ? parseInt(byte, 16)
      : octal !== undefined
      ? parseInt(octal, 8)
      : parseInt(short ?? long ?? "", 16);
    const bad = value === undefined || Number.isNaN(value) || value > 0x10ffff ||
      (octal !== undefined && value > 255) ||
      (value >= 0xd800 && value < 0xe000);
    if (bad) {
      throw new TemplateMistake(
        `Unknown escape in a ${what}`,
        { start: at, end: at + 2 },
        "write \\\\ for a backslash",
      );
    }
    units.push({ code: value, isByte: byte !== undefined || octal !== undefined });
    at = escape.lastIndex;
  }
}

/** Bytes that stand next to each other are UTF-8 together. */
function decode(units: readonly Unit[]): string {
  let result = "";
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length > 0) result += new TextDecoder().decode(new Uint8Array(bytes));
    bytes = [];
  };
  for (const { code, isByte } of units) {
    if (isByte) {
      bytes.push(code);
      continue;
    }
    flush();
    result += String.fromCodePoint(code);
  }
  flush();
  return result;
}
