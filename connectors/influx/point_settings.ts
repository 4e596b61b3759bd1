/**
 * The settings by which rows become points, for both versions of InfluxDB.
 * @module
 */
import * as v from "valibot";
import { choice, duration, flag, list, stringMap, text } from "../../src/connector/settings.ts";
import { tlsEntries } from "../../src/connector/tls_settings.ts";

/** Entries to spread into the settings of a sink. */
export const pointEntries = {
  measurement: text({
    description: "Measurement of the points. Not needed with `useLineProtocol`.",
    default: "",
    dynamic: true,
  }),
  tags: stringMap({
    description: "Tags of the points. One with an empty value is left out.",
    default: {},
    dynamic: true,
  }),
  fields: list(v.string(), {
    description:
      "Columns that become fields; all of them without it, save that of `tsFieldName`. One without a value is " +
      "left out.",
    default: [],
  }),
  precision: choice(["ns", "us", "ms", "s"], {
    description: "Unit of the times in `tsFieldName`, and how exact times are without it.",
    default: "ms",
  }),
  tsFieldName: text({
    description:
      "Column with the time of a row, a whole number in the unit of `precision`, or a datetime. Without it, " +
      "points have the time at which they are written.",
    default: "",
  }),
  useLineProtocol: flag({
    description: "`dataTemplate` makes lines of the line protocol, which are sent as they are.",
    default: false,
  }),
  dataTemplate: text({
    description:
      "A [template](../templates.md) over the data of a message that makes a JSON object, or a list of them, to " +
      "take instead of its rows; with `useLineProtocol`, lines.",
    default: "",
    dynamic: true,
  }),
  timeout: duration({
    description: "Longest wait for an answer, with the time to connect.",
    default: 10_000,
    min: 1,
  }),
  ...tlsEntries,
};

/** The address of a server, which may lack its scheme. */
export const addressEntry = v.pipe(
  text({
    description: "Address of the server: `http://host:8086` or `https://host:8086`.",
    default: "http://127.0.0.1:8086",
  }),
  v.check(
    (address) => URL.canParse(urlOf(address)) && /^https?:/i.test(urlOf(address)),
    "an address such as http://host:8086",
  ),
);

/** The URL of an address, without a slash at its end. */
export function urlOf(address: string): string {
  return (/^[a-z]+:\/\//i.test(address) ? address : `http://${address}`).replace(/\/+$/, "");
}

const pointSchema = v.strictObject(pointEntries);

/** The settings of the block after reading. */
export type PointSettings = v.InferOutput<typeof pointSchema>;
