/**
 * Values as text the way Go's `fmt` prints them: `{{.a}}`, `print`, `println` and the verbs of `printf`.
 * @module
 */
import { compareByteOrder } from "../value/byte_order.ts";
import { DateTime } from "../value/datetime.ts";
import { plainDateTime } from "../value/plain_text.ts";
import type { Value } from "../value/value.ts";
import { exponentFloat, fixedFloat, generalFloat } from "./go_number.ts";
import { quoted } from "./go_quote.ts";
import { keysOf, typeOf, Version, versionText } from "./go_value.ts";
import { fail, lengthMax, type Run } from "./run.ts";

/** Lists and maps inside each other. */
const depthMax = 200;

/** Width and precision beyond this are refused by Go as well. */
const widthMax = 1_000_000;

/** What an action prints: a missing value is `<no value>`. */
export function printed(value: Value, run: Run): string {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "<no value>";
  return plain(value, run);
}

/** `%v`: as an action prints it, but with `<nil>` for nothing. */
export function plain(value: Value, run: Run): string {
  return typeof value === "string" ? value : new Printer(run).value(value, "v", plainFlags);
}

/** Operands side by side, with a space between two of which neither is a text. */
export function print(values: readonly Value[], run: Run): string {
  let text = "";
  for (const [i, value] of values.entries()) {
    if (i > 0 && typeof value !== "string" && typeof values[i - 1] !== "string") text += " ";
    text += plain(value, run);
    run.spendText(text.length);
  }
  return text;
}

/** Operands with a space between any two, and a line break. */
export function println(values: readonly Value[], run: Run): string {
  const text = values.map((value) => plain(value, run)).join(" ") + "\n";
  run.spendText(text.length);
  return text;
}

interface Flags {
  readonly plus: boolean;
  readonly minus: boolean;
  readonly sharp: boolean;
  readonly space: boolean;
  readonly zero: boolean;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

const plainFlags: Flags = {
  plus: false,
  minus: false,
  sharp: false,
  space: false,
  zero: false,
  width: undefined,
  precision: undefined,
};

/**
 * `format` with its verbs replaced by `values`. Wrong verbs and counts show in the text, as in Go: `%!d(string=a)`.
 *
 * @throws {RowError} E516 for results too long.
 */
export function printf(format: string, values: readonly Value[], run: Run): string {
  return new Format(format, values, run).text();
}

class Format {
  readonly #format: string;
  readonly #values: readonly Value[];
  readonly #run: Run;
  readonly #printer: Printer;
  #at = 0;
  #next = 0;
  #reordered = false;
  #badIndex = false;

  constructor(format: string, values: readonly Value[], run: Run) {
    this.#format = format;
    this.#values = values;
    this.#run = run;
    this.#printer = new Printer(run);
  }

  text(): string {
    const format = this.#format;
    let result = "";
    while (this.#at < format.length) {
      const percent = format.indexOf("%", this.#at);
      if (percent === -1) {
        result += format.slice(this.#at);
        break;
      }
      result += format.slice(this.#at, percent);
      this.#at = percent + 1;
      result += this.#verb();
      this.#run.spend(5);
      this.#run.spendText(result.length);
    }
    if (!this.#reordered && this.#next < this.#values.length) {
      const extra = this.#values.slice(this.#next).map((value) =>
        value === null || value === undefined
          ? "<nil>"
          : `${typeOf(value)}=${this.#printer.value(value, "v", plainFlags)}`
      );
      result += `%!(EXTRA ${extra.join(", ")})`;
    }
    this.#run.spendText(result.length);
    return result;
  }

  #verb(): string {
    const flags = this.#flags();
    if (typeof flags === "string") return flags;
    const [verb] = this.#format.slice(this.#at, this.#at + 2);
    if (verb === undefined) return "%!(NOVERB)";
    this.#at += verb.length;
    if (verb === "%") return "%";
    if (this.#badIndex) return `%!${verb}(BADINDEX)`;
    if (this.#next >= this.#values.length) return `%!${verb}(MISSING)`;
    // With %v a plus asks for the names of fields, which no value of a row has.
    const meant = verb === "v" ? { ...flags, plus: false } : flags;
    return this.#printer.value(this.#values[this.#next++], verb, meant);
  }

  /** Flags, width and precision; a text when one of them is wrong. */
  #flags(): Flags | string {
    const set = { plus: false, minus: false, sharp: false, space: false, zero: false };
    for (;; this.#at++) {
      const char = this.#format[this.#at];
      if (char === "+") set.plus = true;
      else if (char === "-") set.minus = true;
      else if (char === "#") set.sharp = true;
      else if (char === " ") set.space = true;
      else if (char === "0") set.zero = true;
      else break;
    }
    this.#badIndex = false;
    let trouble = "";
    let wasIndexed = this.#index();
    let width: number | undefined;
    if (this.#format[this.#at] === "*") {
      this.#at++;
      width = this.#star();
      if (width === undefined) trouble += "%!(BADWIDTH)";
      else if (width < 0) {
        width = -width;
        set.minus = true;
      }
      wasIndexed = false;
    } else {
      width = this.#number();
      if (wasIndexed && width !== undefined) this.#badIndex = true;
    }
    let precision: number | undefined;
    if (this.#format[this.#at] === ".") {
      this.#at++;
      if (wasIndexed) this.#badIndex = true;
      wasIndexed = this.#index();
      if (this.#format[this.#at] === "*") {
        this.#at++;
        precision = this.#star();
        if (precision === undefined || precision < 0) {
          precision = undefined;
          trouble += "%!(BADPREC)";
        }
        wasIndexed = false;
      } else precision = this.#number() ?? 0;
    }
    if (!wasIndexed) this.#index();
    if (trouble !== "") {
      const rest = this.#verbWith({ ...set, width, precision });
      return trouble + rest;
    }
    return { ...set, width, precision };
  }

  #verbWith(flags: Flags): string {
    const [verb] = this.#format.slice(this.#at, this.#at + 2);
    if (verb === undefined) return "%!(NOVERB)";
    this.#at += verb.length;
    if (verb === "%") return "%";
    if (this.#next >= this.#values.length) return `%!${verb}(MISSING)`;
    return this.#printer.value(this.#values[this.#next++], verb, flags);
  }

  #number(): number | undefined {
    const digits = /\d*/y;
    digits.lastIndex = this.#at;
    const text = digits.exec(this.#format)![0];
    if (text === "") return undefined;
    this.#at += text.length;
    const number = Number(text);
    if (number > widthMax) fail(`printf: the width or precision ${text} is over ${widthMax}`);
    return number;
  }

  #star(): number | undefined {
    const value = this.#values[this.#next++];
    if (typeof value !== "bigint" || value > widthMax || value < -widthMax) return undefined;
    return Number(value);
  }

  /** Reads `[n]`, which makes the n-th operand the next; true when one stood here. */
  #index(): boolean {
    if (this.#format[this.#at] !== "[") return false;
    this.#reordered = true;
    const shape = /\[(\d+)\]/y;
    shape.lastIndex = this.#at;
    const found = shape.exec(this.#format);
    if (found === null) {
      this.#badIndex = true;
      const close = this.#format.indexOf("]", this.#at);
      this.#at = close === -1 ? this.#at + 1 : close + 1;
      return true;
    }
    this.#at = shape.lastIndex;
    const index = Number(found[1]);
    if (index < 1 || index > this.#values.length) this.#badIndex = true;
    else this.#next = index - 1;
    return true;
  }
}

class Printer {
  readonly #run: Run;
  /** Length of all parts of one list or map so far. */
  #length = 0;
  #depth = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  value(value: Value, verb: string, flags: Flags): string {
    this.#run.spend(1);
    if (verb === "T") return padded(typeOf(value), { ...flags, zero: false });
    switch (typeof value) {
      case "undefined":
        return nothing(verb, flags);
      case "boolean":
        return verb === "v" || verb === "t" ? padded(String(value), flags) : this.#bad(value, verb);
      case "bigint":
        return this.#int(value, verb, flags);
      case "number":
        return this.#float(value, verb, flags);
      case "string":
        return this.#text(value, verb, flags);
    }
    if (value === null) return nothing(verb, flags);
    if (value instanceof DateTime) return this.#text(plainDateTime(value), verb, { ...flags, sharp: false });
    if (value instanceof Version) return this.#text(versionText(value), verb, { ...flags, sharp: false });
    if (value instanceof Uint8Array && "sqxX".includes(verb)) {
      return this.#text(new TextDecoder().decode(value), verb, flags);
    }
    if (++this.#depth > depthMax) fail(`cannot print a value nested over ${depthMax} levels deep`);
    const go = verb === "v" && flags.sharp;
    const inside = (part: Value) =>
      go && (part === null || part === undefined) ? "interface {}(nil)" : this.value(part, verb, flags);
    let text: string;
    if (Array.isArray(value)) {
      const items = value.map((item) => this.#part(inside(item)));
      text = go ? `[]interface {}{${items.join(", ")}}` : `[${items.join(" ")}]`;
    } else if (value instanceof Uint8Array) {
      const items = Array.from(value, (byte) => this.#part(this.#int(BigInt(byte), verb, flags)));
      text = go ? `[]byte{${items.join(", ")}}` : `[${items.join(" ")}]`;
    } else {
      this.#run.spend(Object.keys(value).length * 2);
      const items = keysOf(value).sort(compareByteOrder).map((key) =>
        this.#part(`${this.#text(key, verb, flags)}:${inside(value[key])}`)
      );
      text = go ? `map[string]interface {}{${items.join(", ")}}` : `map[${items.join(" ")}]`;
    }
    this.#depth--;
    return text;
  }

  #part(text: string): string {
    this.#length += text.length + 1;
    // Every level of nesting counts its parts once more, which is no more than a few times the length.
    if (this.#length > 8 * lengthMax) fail("prints a value that is too long");
    this.#run.spendText(text.length);
    return text;
  }

  #bad(value: Value, verb: string): string {
    return `%!${verb}(${typeOf(value)}=${this.value(value, "v", plainFlags)})`;
  }

  #int(value: bigint, verb: string, flags: Flags): string {
    switch (verb) {
      case "v":
      case "d":
        return intText(value, 10, "", flags);
      case "b":
        return intText(value, 2, flags.sharp ? "0b" : "", flags);
      case "o":
        return intText(value, 8, flags.sharp ? "0" : "", flags);
      case "O":
        return intText(value, 8, "0o", flags);
      case "x":
        return intText(value, 16, flags.sharp ? "0x" : "", flags);
      case "X":
        return intText(value, 16, flags.sharp ? "0x" : "", flags).toUpperCase();
      case "c":
        return padded(runeText(value), flags);
      case "q":
        return padded(quoted(runeText(value), "'", flags.plus), flags);
      case "U": {
        const digits = BigInt.asUintN(64, value).toString(16).toUpperCase().padStart(flags.precision ?? 4, "0");
        return padded(`U+${digits}${flags.sharp ? ` '${runeText(value)}'` : ""}`, { ...flags, zero: false });
      }
      default:
        return this.#bad(value, verb);
    }
  }

  #float(value: number, verb: string, flags: Flags): string {
    const size = Math.abs(value);
    if (!"vgGeEfF".includes(verb)) return this.#bad(value, verb);
    this.#run.spend(4 + ((flags.precision ?? 0) >> 3));
    const isNegative = value < 0 || Object.is(value, -0);
    const sign = isNegative ? "-" : flags.plus ? "+" : flags.space ? " " : "";
    if (!Number.isFinite(value)) {
      const name = Number.isNaN(value) ? (flags.plus ? "+NaN" : "NaN") : value > 0 ? "+Inf" : "-Inf";
      return padded(name, { ...flags, zero: false, precision: undefined });
    }
    let text: string;
    if (verb === "f" || verb === "F") text = fixedFloat(size, flags.precision ?? 6);
    else if (verb === "e" || verb === "E") text = exponentFloat(size, flags.precision ?? 6);
    else text = generalFloat(size, flags.precision, flags.sharp && verb !== "v");
    if (verb === "E" || verb === "G") text = text.toUpperCase();
    return paddedNumber(sign, text, flags);
  }

  #text(value: string, verb: string, flags: Flags): string {
    switch (verb) {
      case "v":
        if (flags.sharp) return padded(quoted(value), flags);
        return padded(cut(value, flags.precision), flags);
      case "s":
        return padded(cut(value, flags.precision), flags);
      case "q": {
        const text = cut(value, flags.precision);
        this.#run.spendText(text.length * 8);
        // deno-lint-ignore no-control-regex -- what a raw string cannot hold.
        const raw = flags.sharp && !/[`\x00-\x08\x0a-\x1f\x7f\ufeff]/.test(text);
        return padded(raw ? `\`${text}\`` : quoted(text, '"', flags.plus), flags);
      }
      case "x":
      case "X": {
        let bytes = new TextEncoder().encode(value);
        if (flags.precision !== undefined) bytes = bytes.slice(0, flags.precision);
        this.#run.spendText(bytes.length * 8);
        const pairs = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
        const lead = flags.sharp && bytes.length > 0 ? "0x" : "";
        const text = flags.space ? pairs.map((pair) => lead + pair).join(" ") : lead + pairs.join("");
        return padded(verb === "X" ? text.toUpperCase() : text, flags);
      }
      default:
        return this.#bad(value, verb);
    }
  }
}

function nothing(verb: string, flags: Flags): string {
  return verb === "v" ? padded("<nil>", { ...flags, zero: false }) : `%!${verb}(<nil>)`;
}

function runeText(value: bigint): string {
  const valid = value >= 0n && value <= 0x10ffffn && !(value >= 0xd800n && value < 0xe000n);
  return valid ? String.fromCodePoint(Number(value)) : "\ufffd";
}

function cut(text: string, precision: number | undefined): string {
  if (precision === undefined || text.length <= precision) return text;
  return Array.from(text).slice(0, precision).join("");
}

function intText(value: bigint, base: number, prefix: string, flags: Flags): string {
  const sign = value < 0n ? "-" : flags.plus ? "+" : flags.space ? " " : "";
  let digits = (value < 0n ? -value : value).toString(base);
  if (flags.precision !== undefined) {
    if (flags.precision === 0 && value === 0n) return padded("", { ...flags, zero: false });
    digits = digits.padStart(flags.precision, "0");
  } else if (flags.zero && !flags.minus && flags.width !== undefined) {
    digits = digits.padStart(flags.width - sign.length, "0");
  }
  const lead = prefix === "0" && digits.startsWith("0") ? "" : prefix;
  return padded(sign + lead + digits, { ...flags, zero: false });
}

function paddedNumber(sign: string, text: string, flags: Flags): string {
  if (flags.zero && !flags.minus && flags.width !== undefined) {
    return sign + text.padStart(flags.width - sign.length, "0");
  }
  return padded(sign + text, flags);
}

/** Fills up to the width, which counts code points. */
function padded(text: string, { width, minus, zero }: Flags): string {
  if (width === undefined) return text;
  const missing = width - codePointCount(text);
  if (missing <= 0) return text;
  if (minus) return text + " ".repeat(missing);
  return (zero ? "0" : " ").repeat(missing) + text;
}

function codePointCount(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
