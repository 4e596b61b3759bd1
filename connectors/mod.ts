/**
 * Every connector weir ships. A compiled binary holds what this list names; the code behind a connector is loaded when
 * it is first opened.
 * @module
 */
import type { Connector } from "../src/connector/declare.ts";
import { coap } from "./coap/mod.ts";
import { file } from "./file/mod.ts";
import { httppush } from "./httppush/mod.ts";
import { httppull } from "./httppull/mod.ts";
import { influx } from "./influx/mod.ts";
import { influx2 } from "./influx/influx2.ts";
import { kafka } from "./kafka/mod.ts";
import { log } from "./log/mod.ts";
import { memory } from "./memory/mod.ts";
import { modbus } from "./modbus/mod.ts";
import { mqtt } from "./mqtt/mod.ts";
import { nop } from "./nop/mod.ts";
import { opcua } from "./opcua/mod.ts";
import { random } from "./random/mod.ts";
import { redis } from "./redis/mod.ts";
import { redisPub } from "./redis/redis_pub.ts";
import { redisSub } from "./redis/redis_sub.ts";
import { rest } from "./rest/mod.ts";
import { simulator } from "./simulator/mod.ts";
import { sparkplug } from "./sparkplug/mod.ts";
import { sql } from "./sql/mod.ts";
import { sse } from "./sse/mod.ts";
import { websocket } from "./websocket/mod.ts";

export const connectors: readonly Connector[] = [
  coap,
  file,
  httppull,
  httppush,
  influx,
  influx2,
  kafka,
  log,
  memory,
  modbus,
  mqtt,
  nop,
  opcua,
  random,
  redis,
  redisPub,
  redisSub,
  rest,
  simulator,
  sparkplug,
  sql,
  sse,
  websocket,
];
