/**
 * Passwords inside of URLs, such as `postgres://user:password@host/db`: hidden like other secrets, and only they, so that
 * the rest can be read and changed.
 * @module
 */

/** What stands in the place of a password. */
const mask = "******";

/**
 * Each finds what stands before a password, the password, and what is behind it. Databases are first: people write
 * their passwords without escaping them, so that only the last `@` ends one.
 */
const places: readonly RegExp[] = [
  /^((?:[a-z][a-z0-9+.-]*:\/\/)?[^:@/\s]*:)([\s\S]+)(@(?:tcp|unix)\([\s\S]*)$/i,
  /^((?:postgres|postgresql|pgsql|pg|mysql|mariadb|maria|my|sqlserver|mssql|oracle)(?:\+[a-z]+)?:\/\/[^:@/?#\s]*:)([\s\S]+)(@[\s\S]*)$/i,
  /^([a-z][a-z0-9+.-]*:\/\/[^:@/?#\s]*:)([^/\s]+)(@[\s\S]*)$/i,
  /^([a-z][a-z0-9+.-]*:[\s\S]*[?&]password=)([^&]+)([\s\S]*)$/i,
];

/** The text with its password hidden; as it is when there is none. */
export function hidePassword(text: string): string {
  for (const place of places) {
    const match = place.exec(text);
    if (match !== null) return `${match[1]}${mask}${match[3]}`;
  }
  return text;
}

/** True for a text in which a password is hidden. */
export function hidesPassword(text: string): boolean {
  return text.includes(mask) && places.some((place) => place.exec(text)?.[2] === mask);
}

/** `text` with the password of `before` in place of the hidden one; undefined when `before` has none. */
export function withPassword(text: string, before: string): string | undefined {
  const password = places.map((place) => place.exec(before)?.[2]).find((found) => found !== undefined);
  const match = places.map((place) => place.exec(text)).find((found) => found?.[2] === mask);
  if (password === undefined || password === mask || !match) return undefined;
  return `${match[1]}${password}${match[3]}`;
}
