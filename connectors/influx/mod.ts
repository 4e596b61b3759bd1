/**
 * The connector `influx`: rows as points of InfluxDB 1.
 * @module
 */
import { Buffer } from "node:buffer";
import * as v from "valibot";
import { defineConnector, type DeliveryPromise } from "../../src/connector/declare.ts";
import { refuseSetting, text } from "../../src/connector/settings.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import { addressEntry, pointEntries, type PointSettings, urlOf } from "./point_settings.ts";

/** Settings of the sink. */
export const influxSettings = v.strictObject({
  addr: addressEntry,
  username: text({ description: "User name.", default: "" }),
  password: text({ description: "Password.", default: "", secret: true }),
  database: text({ description: "Database to write to; it must exist.", aliases: ["databaseName"] }),
  retentionPolicy: text({ description: "Retention policy; that of the database without it.", default: "" }),
  ...pointEntries,
});

/** What the prose of both versions has in common. */
export const pointProse =
  "Each row is a point: `measurement`, `tags`, the columns as fields, and a time. Ints are written as ints, floats as floats, " +
  "text and booleans as they are, lists and objects as text in JSON. InfluxDB keeps the kind that a field had first: a " +
  "JSON number without a schema is a float, also when it is whole. Null fields are left out; a row without any field, " +
  "a float that is not a number, a name or tag that holds a line end, or a backslash before a comma, blank, quote, `=` or its end, fails. Without `tsFieldName`, rows " +
  "of one series that are written in the same instant are kept apart by nanoseconds.\n\n" +
  "What comes at once is written in requests of up to 5,000 lines, so `batchSize` and `lingerInterval` make it cheap. " +
  "When InfluxDB refuses some lines, the messages they are of are found by writing parts of the request again, and fail; " +
  "all others are written. A server that is away or busy gets the request again, after `Retry-After` where it says so; " +
  "so does one that does not know user, token, database or bucket, and the status of the rule says what it has answered.\n\n" +
  "With `tsFieldName`, writing a row again changes nothing.";

/** A repeat finds its point where the row itself says when. */
export function pointPromise({ tsFieldName, useLineProtocol }: PointSettings): DeliveryPromise {
  if (useLineProtocol) {
    return { level: "at-least-once", limit: "whether lines carry their times is up to dataTemplate" };
  }
  if (tsFieldName !== "") return { level: "exactly-once" };
  return { level: "at-least-once", limit: "without tsFieldName, a row that is written again gets another time" };
}

/** @throws {DiagnosticError} E403, E404 */
export function checkPoints(settings: PointSettings): void {
  if (settings.useLineProtocol && settings.dataTemplate === "") {
    refuseSetting("dataTemplate", 'useLineProtocol needs a "dataTemplate" that makes the lines', "E404");
  }
  if (!settings.useLineProtocol && settings.measurement === "") {
    refuseSetting("measurement", 'The points need a "measurement"', "E404");
  }
  tlsOptions(settings);
}

/** The units as version 1 has them. */
const precisions = { ns: "n", us: "u", ms: "ms", s: "s" } as const;

export const influx = defineConnector({
  name: "influx",
  status: "stable",
  summary: "Writes rows to InfluxDB 1 as points.",
  description: `For InfluxDB 1.x and servers that take its writes. ${pointProse}`,
  sink: {
    summary: "Writes each row as a point.",
    delivery: "exactly-once",
    promise: pointPromise,
    pings: true,
    accepts: "rows",
    settings: influxSettings,
    check: checkPoints,
    open: async (settings, { clock, log }) => {
      const [{ InfluxSink }, { RowPoints }, { parseTarget }] = await Promise.all([
        import("./sink.ts"),
        import("./row_points.ts"),
        import("../http/target.ts"),
      ]);
      const { addr, username, password, database, retentionPolicy, timeout } = settings;
      const points = new RowPoints(settings, clock);
      const query = new URLSearchParams({ db: database, precision: precisions[points.precision] });
      if (retentionPolicy !== "") query.set("rp", retentionPolicy);
      const login = Buffer.from(`${username}:${password}`).toString("base64");
      return await InfluxSink.open({
        points,
        ping: parseTarget(`${urlOf(addr)}/ping`),
        target: parseTarget(`${urlOf(addr)}/write?${query}`),
        headers: username === "" ? "" : `Authorization: Basic ${login}\r\n`,
        tls: tlsOptions(settings),
        timeoutMs: timeout,
        clock,
        log,
      });
    },
  },
  examples: [
    {
      title: "Machines by hall, with the time of the row",
      role: "sink",
      settings: {
        addr: "http://influx:8086",
        database: "plant",
        measurement: "machine",
        tags: { hall: "{{.hall}}", site: "north" },
        fields: ["temperature", "state"],
        tsFieldName: "ts",
      },
    },
  ],
});
