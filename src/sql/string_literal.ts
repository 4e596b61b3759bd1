/**
 * String literals: their escapes, what is wrong with them, and their canonical text.
 *
 * `\n \r \t \a \b \f \v \\ \" \xHH \ooo \uXXXX \UXXXXXXXX`, and `\'` inside single quotes. `\xHH` and `\ooo` are bytes
 * of UTF-8, so `"\xc3\xa9"` is `é`; bytes that are no UTF-8 become U+FFFD.
 * @module
 */
import { type Diagnostic, diagnostic } from "../diagnostics/diagnostic.ts";

const simpleEscapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

const escape = /\\(?:x[0-9A-Fa-f]{2}|[0-7]{3}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[^])/g;
const byteRun = /(?:\\x[0-9A-Fa-f]{2}|\\[0-7]{3})+|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\[^]/g;

/** The value of a string literal given with its quotes. The literal must be one that {@linkcode badEscapes} accepts. */
export function decodeString(quoted: string): string {
  const body = quoted.slice(1, -1);
  if (!body.includes("\\")) return body;
  return body.replace(byteRun, (text) => {
    const letter = text[1]!;
    if (letter === "u" || letter === "U") return String.fromCodePoint(Number.parseInt(text.slice(2), 16));
    if (/[x0-7]/.test(letter)) return decodeBytes(text);
    return simpleEscapes[letter] ?? letter;
  });
}

function decodeBytes(run: string): string {
  const bytes = run.match(escape)!.map((text) =>
    text[1] === "x" ? Number.parseInt(text.slice(2), 16) : Number.parseInt(text.slice(1), 8)
  );
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
}

/** An E104 for each of the first `max` escapes that the literal `text.slice(start, end)`, quotes included, may not have. */
export function badEscapes(text: string, start: number, end: number, max: number): Diagnostic[] {
  const quote = text[start]!;
  const found: Diagnostic[] = [];
  const body = text.slice(start + 1, end - 1);
  if (!body.includes("\\")) return found;
  for (const match of body.matchAll(escape)) {
    const wrong = wrongEscape(match[0], quote);
    if (wrong === undefined) continue;
    if (found.length === max) break;
    const at = start + 1 + match.index;
    found.push(diagnostic("E104", `${wrong.message}: found "${match[0]}"`, {
      span: { start: at, end: at + match[0].length },
      hint: wrong.hint,
    }));
  }
  return found;
}

function wrongEscape(text: string, quote: string): { message: string; hint: string } | undefined {
  const letter = text[1]!;
  if (text.length === 2) {
    if (Object.hasOwn(simpleEscapes, letter) || (letter === "'" && quote === "'")) return undefined;
    if (letter === "'") {
      return { message: "unknown escape in a string", hint: `inside "…" write ' without a backslash` };
    }
    const digits = { x: "\\xHH", u: "\\uXXXX", U: "\\UXXXXXXXX" }[letter] ??
      (/[0-7]/.test(letter) ? "\\ooo" : undefined);
    if (digits !== undefined) {
      return { message: "incomplete escape in a string", hint: `write all digits of ${digits}` };
    }
    if (letter === "%" || letter === "_") {
      return { message: "unknown escape in a string", hint: `for LIKE write \\\\${letter}, with two backslashes` };
    }
    return { message: "unknown escape in a string", hint: "write \\\\ for a backslash" };
  }
  if (letter === "u" || letter === "U") {
    const code = Number.parseInt(text.slice(2), 16);
    const isCharacter = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return isCharacter ? undefined : {
      message: "this escape is not a Unicode character",
      hint: "write characters beyond \\uFFFF as \\UXXXXXXXX, for example \\U0001F600",
    };
  }
  if (letter !== "x" && Number.parseInt(text.slice(1), 8) > 255) {
    return { message: "an octal escape goes up to \\377", hint: "write \\uXXXX for other characters" };
  }
  return undefined;
}

/** The canonical text of a string: single quotes, and escapes only where they are needed. */
export function quoteString(value: string): string {
  const names: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "'": "\\'" };
  const escaped = (c: string) => names[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const body = value.replace(/[\p{Cc}\\']/gu, escaped);
  return `'${body}'`;
}
