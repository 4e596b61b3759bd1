/**
 * Points as lines of InfluxDB's line protocol.
 * @module
 */
import { jsonText } from "../../src/value/json_text.ts";
import type { Value } from "../../src/value/value.ts";
import { DateTime } from "../../src/value/datetime.ts";
import { intMax, intMin } from "../../src/value/value.ts";

/** A value that no line can say, or a name that would change the meaning of its line. */
export class BadPoint extends Error {}

export interface Point {
  readonly measurement: string;
  /** In the order in which they shall stand. One whose value is empty is left out. */
  readonly tags: readonly (readonly [name: string, value: string])[];
  /** At least one. One without a value is left out. */
  readonly fields: readonly (readonly [name: string, value: Value])[];
}

const uintMax = 18_446_744_073_709_551_615n;

/**
 * The line of a point without its time: `machine,hall=1 temperature=21.5,state="on"`. Ints end in `i`, those that only
 * fit 64 bits without a sign in `u`; lists and structs are text, as JSON; so are datetimes, and bytes in base64.
 *
 * @throws {BadPoint}
 */
export function pointText({ measurement, tags, fields }: Point): string {
  const values = fields.map(([name, value]) => fieldText(name, value)).filter((text) => text !== undefined);
  if (values.length === 0) throw new BadPoint("A point needs a field with a value");
  return `${seriesText(measurement, tags)} ${values.join(",")}`;
}

/** What tells series apart: measurement and tags. */
function seriesText(measurement: string, tags: Point["tags"]): string {
  // The line would be a comment; and white space before a line is skipped.
  if (/^[#\t]/.test(measurement)) {
    throw new BadPoint(`A measurement cannot begin with "#" or a tab: ${shown(measurement)}`);
  }
  let text = escaped("measurement", measurement, /[, ]/g);
  for (const [name, value] of tags) {
    if (value === "") continue;
    text += `,${escaped("tag", name, /[,= ]/g)}=${escaped(`value of the tag ${shown(name)}`, value, /[,= ]/g)}`;
  }
  return text;
}

function fieldText(name: string, value: Value): string | undefined {
  const text = valueText(name, value);
  return text === undefined ? undefined : `${escaped("field", name, /[,= ]/g)}=${text}`;
}

function valueText(name: string, value: Value): string | undefined {
  switch (typeof value) {
    case "undefined":
      return undefined;
    case "number":
      if (!Number.isFinite(value)) {
        throw new BadPoint(`The field ${shown(name)} is ${value}, which InfluxDB has no value for`);
      }
      return String(value);
    case "bigint":
      if (value >= intMin && value <= intMax) return `${value}i`;
      if (value > 0n && value <= uintMax) return `${value}u`;
      throw new BadPoint(`The field ${shown(name)} does not fit 64 bits`);
    case "boolean":
      return String(value);
    case "string":
      return quoted(value);
  }
  if (value === null) return undefined;
  if (value instanceof DateTime) return quoted(value.toString());
  const json = jsonText(value);
  // Bytes have the text of a JSON string.
  return quoted(value instanceof Uint8Array ? JSON.parse(json) as string : json);
}

/** Text of fields takes everything as it is, also line ends. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&").toWellFormed()}"`;
}

/**
 * A name, or the value of a tag. The protocol has no way to say a line end in it, nor a backslash before a sign that it
 * would escape or at the end: such a row fails, since whatever was put in its place would be another series.
 */
function escaped(what: string, text: string, special: RegExp): string {
  if (text === "") throw new BadPoint(`A ${what} cannot be empty`);
  if (/[\n\r\0]/.test(text)) throw new BadPoint(`A ${what} cannot hold a line end: ${shown(text)}`);
  if (/\\([,= "]|$)/.test(text)) {
    throw new BadPoint(
      `A ${what} cannot hold a backslash before a comma, blank, quote, "=" or its end: ${shown(text)}`,
    );
  }
  return text.replace(special, (sign) => sign === "," || sign === "=" || sign === " " ? `\\${sign}` : sign)
    .toWellFormed();
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
