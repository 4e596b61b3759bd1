/**
 * Content formats: media types as numbers (RFC 7252, section 12.3).
 * @module
 */

const formats: Readonly<Record<string, number>> = {
  "text/plain": 0,
  "application/link-format": 40,
  "application/xml": 41,
  "application/octet-stream": 42,
  "application/exi": 47,
  "application/json": 50,
  "application/json-patch+json": 51,
  "application/merge-patch+json": 52,
  "application/cbor": 60,
  "application/senml+json": 110,
  "application/sensml+json": 111,
  "application/senml+cbor": 112,
  "application/sensml+cbor": 113,
};

const names = new Map(Object.entries(formats).map(([name, number]) => [number, name]));

/** What a setting with a content format must be. */
export const contentFormatForm = `a number from 0 to 65535, or one of ${Object.keys(formats).join(", ")}`;

/** The number of a content format that is written as a number or a name; undefined for another text. */
export function contentFormatOf(text: string): number | undefined {
  const name = text.trim().toLowerCase().replace(/; *charset=utf-8$/, "");
  if (/^\d{1,5}$/.test(name)) return Number(name) <= 65_535 ? Number(name) : undefined;
  return Object.hasOwn(formats, name) ? formats[name] : undefined;
}

/** The name, or the number as text where there is none here. */
export function contentFormatName(number: number): string {
  return names.get(number) ?? String(number);
}
