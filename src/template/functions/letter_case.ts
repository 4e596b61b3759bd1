/**
 * Letter case and the words that changes of it tell apart.
 * @module
 */

/** Each word with a capital; what follows stays. A word begins behind anything but letters, digits and `_`. */
export function titleCase(text: string): string {
  return text.replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (letter) => letter.toUpperCase());
}

export function untitleCase(text: string): string {
  return text.replace(/(?<!\S)\p{L}/gu, (letter) => letter.toLowerCase());
}

export function swapCase(text: string): string {
  return text.replace(/\p{L}/gu, (letter) => {
    const lower = letter.toLowerCase();
    return lower === letter ? letter.toUpperCase() : lower;
  });
}

/** The first character of each word. */
export function initials(text: string): string {
  return (text.match(/(?<!\S)\S/gu) ?? []).join("");
}

/** `HTTPServer ID2x` as `http_server_id_2x`: digits begin a word when small letters follow them. */
export function separated(text: string, separator: string): string {
  const parted = text.replace(/[\s_-]/gu, separator)
    .replace(/(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, separator)
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, `$1${separator}$2`)
    .replace(/(\p{L})(\p{N}+\p{Ll}[\p{Ll}\p{N}]*)/gu, `$1${separator}$2`);
  return parted.toLowerCase();
}

/** `http_server` as `HttpServer`; signs in front and behind stay. */
export function camelCase(text: string): string {
  const lead = /^[\s_-]*/.exec(text)![0];
  const words = text.slice(lead.length)
    .replace(
      /(?<![\s_-])([\s_-]+)([^\s_-])/gu,
      (_, signs: string, letter: string) => signs.slice(1) + letter.toUpperCase(),
    );
  return lead + words.replace(/^\p{L}/u, (letter) => letter.toUpperCase());
}
