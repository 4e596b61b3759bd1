/**
 * The connector `opcua`: reads, watches and writes nodes of OPC UA servers.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { choice, duration, integer, refuseSetting, text } from "../../src/connector/settings.ts";
import { connectionSettings, OpcUaLink, securityOf } from "./connection.ts";
import { nodeIdSetting, sinkNodes, sourceNodes } from "./node_list.ts";

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  nodes: v.optional(sourceNodes, []),
  mode: choice(["subscribe", "poll", "browse"], {
    description:
      "`subscribe`: the server tells changes; `poll`: the nodes are read at intervals; `browse`: gives the nodes " +
      "that the server has, and ends.",
    default: "subscribe",
  }),
  root: nodeIdSetting({
    description: "Of the mode `browse`: the node to begin at, that of all objects without it.",
    default: "i=85",
  }),
  depth: integer({ description: "Of the mode `browse`: how many references deep.", default: 10, min: 1, max: 100 }),
  interval: duration({
    description: "How often the server tells what has changed, or is asked.",
    default: 1000,
    min: 1,
    max: 86_400_000,
  }),
  samplingInterval: duration({
    description: "How often the server looks at the nodes; `interval` without it.",
    optional: true,
  }),
  queueSize: integer({
    description: "Values of a node that the server keeps between two intervals, the newest.",
    default: 10,
    min: 1,
    max: 100_000,
  }),
  rows: choice(["all", "changed", "value"], {
    description:
      "`all`: rows with the last value of every node; `changed`: with those that are new; `value`: a row for each " +
      "value, with `name`, `node_id`, `value`, `quality` and `timestamp`.",
    default: "all",
  }),
  qualityColumn: text({
    description:
      "Column that gets, for each value that is not good, the status. Bad values are null, uncertain ones are given.",
    default: "__quality",
  }),
  timestampColumn: text({
    description: "Column that gets the newest time of the row's new values, in Unix milliseconds.",
    optional: true,
  }),
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({ nodes: v.pipe(sinkNodes, v.minLength(1, "at least one node")) });

type SourceSettings = v.InferOutput<typeof sourceSettings>;

function checkSource({ nodes, qualityColumn, timestampColumn, mode, rows }: SourceSettings): void {
  const taken = nodes.findIndex(({ name }) => name === qualityColumn || name === timestampColumn);
  if (taken !== -1 && rows !== "value") {
    refuseSetting(`nodes.${taken}.name`, `The column "${nodes[taken]!.name}" is that of the qualities or the time`);
  }
  if (nodes.length === 0 && mode !== "browse") {
    refuseSetting("nodes", `The mode "${mode}" needs "nodes": the mode "browse" finds them`, "E404");
  }
  if (nodes.length > 0 && mode === "browse") {
    refuseSetting("nodes", 'The mode "browse" looks for all nodes: leave out "nodes"');
  }
  const odd = nodes.findIndex(({ deadband, samplingInterval }) =>
    deadband !== undefined || samplingInterval !== undefined
  );
  if (mode === "poll" && odd !== -1) {
    refuseSetting(`nodes.${odd}`, 'Deadbands and sampling intervals are for the mode "subscribe"');
  }
}

export const opcua = defineConnector({
  name: "opcua",
  status: "experimental",
  summary: "Watches, reads and writes nodes of OPC UA servers.",
  description:
    "OPC UA over `opc.tcp`, with the security modes None, Sign and SignAndEncrypt, anonymous or with user and " +
    "password. All streams and actions with the same connection settings share one session, and so do those that select " +
    "the same named connection. A session that is lost is opened again by itself, with growing pauses.\n\n" +
    "A node that is bad, or does not exist, is null with its status in the quality column, and the others are as good as " +
    "ever. Whole numbers are ints, those of UInt64 that are too large for an int floats; a `DateTime` is a datetime, an " +
    "array a list, and a structure that the server describes a struct.\n\n" +
    "To find nodes, run a rule over a stream with `mode: browse`: each node is a row with `node_id`, `path`, `name`, " +
    "`display_name` and `class`, a variable also with `data_type`, `writable`, `value` and `quality`. The rule then stops.\n\n" +
    "The action writes the columns that a row has, with the data types of the nodes; a value that does not go with its " +
    "node, or that the server refuses, fails its row, and of a row with a bad value nothing is written. One that the server " +
    "cannot take now, such as `BadNotConnected`, is tried again.\n\n" +
    "weir makes no certificate and keeps none: in the modes Sign and SignAndEncrypt, name a client certificate whose " +
    "URI is the application's and which the server trusts, and the server's certificate or its authority. The client is " +
    "node-opcua; its code is loaded when it is first used, and takes about 40 MB of memory.",
  connection: {
    summary: "One session with a server.",
    settings: connectionSettings,
    identity: (settings) => JSON.stringify(settings),
    check: (settings) => void securityOf(settings),
    open: (settings, context) => new OpcUaLink(settings, context),
  },
  source: {
    summary: "Gives rows of the values of nodes.",
    delivery: "at-most-once",
    emits: "rows",
    meta: [],
    settings: sourceSettings,
    check: checkSource,
    open: async (settings, { connection, clock, log }) => {
      if (settings.mode === "browse") {
        const [{ BrowseSource }, live] = await Promise.all([import("./browse_source.ts"), connection.open()]);
        return new BrowseSource({ live, root: settings.root, depth: settings.depth });
      }
      const [{ OpcUaSource }, live] = await Promise.all([import("./source.ts"), connection.open()]);
      return await OpcUaSource.open({
        live,
        nodes: settings.nodes,
        mode: settings.mode,
        intervalMs: settings.interval,
        samplingIntervalMs: settings.samplingInterval,
        queueSize: settings.queueSize,
        shape: settings.rows,
        qualityColumn: settings.qualityColumn,
        timestampColumn: settings.timestampColumn,
        clock,
        log,
      });
    },
  },
  sink: {
    summary: "Writes the columns of each row to nodes.",
    delivery: "at-least-once",
    accepts: "rows",
    settings: sinkSettings,
    open: async (settings, { connection }) => {
      const [{ OpcUaSink }, live] = await Promise.all([import("./sink.ts"), connection.open()]);
      return new OpcUaSink({ live, nodes: settings.nodes });
    },
  },
  examples: [
    {
      title: "A server with a user, signed and encrypted",
      role: "connection",
      settings: {
        server: "opc.tcp://192.168.1.30:4840",
        securityMode: "SignAndEncrypt",
        certificationPath: "/etc/weir/opcua.crt",
        privateKeyPath: "/etc/weir/opcua.key",
        rootCaPath: "/etc/weir/server.crt",
        username: "weir",
        password: "secret",
      },
    },
    {
      title: "Two values of a boiler",
      role: "source",
      settings: {
        interval: "500ms",
        nodes: [
          { name: "temperature", nodeId: "ns=2;s=Boiler.Temperature", deadband: 0.5 },
          { name: "pressure", nodeId: "ns=2;i=1002" },
        ],
      },
    },
    { title: "What the server has", role: "source", settings: { mode: "browse", depth: 5 } },
    {
      title: "A setpoint",
      role: "sink",
      settings: { nodes: [{ name: "setpoint", nodeId: "ns=2;s=Boiler.Setpoint", type: "Double" }] },
    },
  ],
});
