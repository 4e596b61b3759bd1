/**
 * Texts and characters between quotes, as Go's `%q` writes them.
 * @module
 */

const shortEscapes: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
};

const plainText = /^[ !#-[\]-~]*$/;
const printable = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

/** `text` between `quote`, with escapes for quotes, backslashes and what no printer shows. */
export function quoted(text: string, quote: '"' | "'" = '"', asciiOnly = false): string {
  if (quote === '"' && plainText.test(text)) return `"${text}"`;
  let result = quote as string;
  for (const char of text) result += escapeOf(char, quote, asciiOnly);
  return result + quote;
}

function escapeOf(char: string, quote: string, asciiOnly: boolean): string {
  if (char === quote) return `\\${char}`;
  const short = shortEscapes[char];
  if (short !== undefined) return short;
  const code = char.codePointAt(0)!;
  if (code >= 0xd800 && code <= 0xdfff) return asciiOnly ? "\\ufffd" : "\ufffd";
  if (printable.test(char) && (code < 0x80 || !asciiOnly)) return char;
  const hex = code.toString(16);
  if (code < 0x20 || code === 0x7f) return `\\x${hex.padStart(2, "0")}`;
  return code > 0xffff ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`;
}
