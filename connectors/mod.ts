/**
 * Every connector weir ships. A compiled binary holds what this list names; a declaration is loaded when something names
 * the connector, and the code behind it when it is first opened.
 * @module
 */
import type { ConnectorEntry } from "../src/connector/connector_list.ts";

export const connectors: readonly ConnectorEntry[] = [
  {
    name: "coap",
    roles: ["source", "sink", "connection"],
    load: async () => (await import("./coap/mod.ts")).coap,
  },
  {
    name: "file",
    roles: ["source", "sink"],
    load: async () => (await import("./file/mod.ts")).file,
  },
  {
    name: "httppull",
    roles: ["source", "lookup"],
    load: async () => (await import("./httppull/mod.ts")).httppull,
  },
  {
    name: "httppush",
    roles: ["source", "connection"],
    load: async () => (await import("./httppush/mod.ts")).httppush,
  },
  {
    name: "influx",
    roles: ["sink"],
    load: async () => (await import("./influx/mod.ts")).influx,
  },
  {
    name: "influx2",
    roles: ["sink"],
    load: async () => (await import("./influx/influx2.ts")).influx2,
  },
  {
    name: "kafka",
    roles: ["source", "sink", "connection"],
    load: async () => (await import("./kafka/mod.ts")).kafka,
  },
  {
    name: "log",
    roles: ["sink"],
    load: async () => (await import("./log/mod.ts")).log,
  },
  {
    name: "memory",
    roles: ["source", "lookup", "sink", "connection"],
    load: async () => (await import("./memory/mod.ts")).memory,
  },
  {
    name: "modbus",
    roles: ["source", "lookup", "sink", "connection"],
    load: async () => (await import("./modbus/mod.ts")).modbus,
  },
  {
    name: "mqtt",
    roles: ["source", "sink", "connection"],
    load: async () => (await import("./mqtt/mod.ts")).mqtt,
  },
  {
    name: "nop",
    roles: ["sink"],
    load: async () => (await import("./nop/mod.ts")).nop,
  },
  {
    name: "opcua",
    roles: ["source", "sink", "connection"],
    load: async () => (await import("./opcua/mod.ts")).opcua,
  },
  {
    name: "random",
    roles: ["source"],
    load: async () => (await import("./random/mod.ts")).random,
  },
  {
    name: "redis",
    roles: ["lookup", "sink"],
    load: async () => (await import("./redis/mod.ts")).redis,
  },
  {
    name: "redisPub",
    roles: ["sink"],
    load: async () => (await import("./redis/redis_pub.ts")).redisPub,
  },
  {
    name: "redisSub",
    roles: ["source"],
    load: async () => (await import("./redis/redis_sub.ts")).redisSub,
  },
  {
    name: "rest",
    roles: ["sink"],
    load: async () => (await import("./rest/mod.ts")).rest,
  },
  {
    name: "simulator",
    roles: ["source", "lookup"],
    load: async () => (await import("./simulator/mod.ts")).simulator,
  },
  {
    name: "sparkplug",
    roles: ["source", "connection"],
    load: async () => (await import("./sparkplug/mod.ts")).sparkplug,
  },
  {
    name: "sql",
    roles: ["source", "lookup", "sink", "connection"],
    load: async () => (await import("./sql/mod.ts")).sql,
  },
  {
    name: "sse",
    roles: ["source", "sink", "connection"],
    load: async () => (await import("./sse/mod.ts")).sse,
  },
  {
    name: "websocket",
    roles: ["source", "sink", "connection"],
    load: async () => (await import("./websocket/mod.ts")).websocket,
  },
];
