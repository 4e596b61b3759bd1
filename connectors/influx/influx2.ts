/**
 * The connector `influx2`: rows as points of InfluxDB 2 and 3.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { refuseSetting, text } from "../../src/connector/settings.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import { checkPoints, pointPromise, pointProse } from "./mod.ts";
import { addressEntry, pointEntries, urlOf } from "./point_settings.ts";

/** Settings of the sink. */
export const influx2Settings = v.strictObject({
  addr: addressEntry,
  token: text({ description: "Token that may write to the bucket.", default: "", secret: true }),
  org: text({ description: "Name or id of the organisation." }),
  bucket: text({ description: "Name or id of the bucket; it must exist." }),
  ...pointEntries,
});

export const influx2 = defineConnector({
  name: "influx2",
  status: "stable",
  summary: "Writes rows to InfluxDB 2 as points.",
  description: `For servers with the endpoint \`/api/v2/write\`: InfluxDB 2 and 3, also 1.8 and later. ${pointProse}`,
  sink: {
    summary: "Writes each row as a point.",
    delivery: "exactly-once",
    promise: pointPromise,
    pings: true,
    accepts: "rows",
    settings: influx2Settings,
    check(settings) {
      // deno-lint-ignore no-control-regex -- just those must not get into a header.
      if (/[\x00-\x20\x7f]/.test(settings.token)) refuseSetting("token", "A token holds no blanks and no line ends");
      checkPoints(settings);
    },
    open: async (settings, { clock, log }) => {
      const [{ InfluxSink }, { RowPoints }, { parseTarget }] = await Promise.all([
        import("./sink.ts"),
        import("./row_points.ts"),
        import("../http/target.ts"),
      ]);
      const { addr, token, org, bucket, timeout } = settings;
      const points = new RowPoints(settings, clock);
      const query = new URLSearchParams({ org, bucket, precision: points.precision });
      return await InfluxSink.open({
        points,
        ping: parseTarget(`${urlOf(addr)}/ping`),
        target: parseTarget(`${urlOf(addr)}/api/v2/write?${query}`),
        headers: token === "" ? "" : `Authorization: Token ${token}\r\n`,
        tls: tlsOptions(settings),
        timeoutMs: timeout,
        clock,
        log,
      });
    },
  },
  examples: [
    {
      title: "A bucket, with tags of the row",
      role: "sink",
      settings: {
        addr: "https://influx:8086",
        token: "secret",
        org: "plant",
        bucket: "machines",
        measurement: "machine",
        tags: { hall: "{{.hall}}" },
        tsFieldName: "ts",
        precision: "us",
      },
    },
    {
      title: "Lines of a template's own making",
      role: "sink",
      settings: {
        addr: "http://influx:8086",
        token: "secret",
        org: "plant",
        bucket: "machines",
        useLineProtocol: true,
        dataTemplate: "machine,hall={{.hall}} temperature={{.temperature}} {{.ts}}",
      },
    },
  ],
});
