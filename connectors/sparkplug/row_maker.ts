/**
 * Rows of Sparkplug messages: one for a message, or one for each metric.
 * @module
 */
import type { Struct, Value } from "../../src/connector/source.ts";
import { setOwn } from "../../src/value/value.ts";
import type { KnownMetrics } from "./known_node.ts";
import { dataTypeName } from "./payload/data_type.ts";
import type { RawPayload } from "./payload/payload.ts";
import type { MessageType } from "./topic.ts";

export type RowShape = "message" | "metric";

/** Who a message is from. */
export interface Origin {
  readonly type: MessageType;
  readonly group: string;
  readonly node: string;
  readonly device: string | undefined;
  readonly online: boolean;
}

/** A metric of a message, as far as it can be read. */
export interface Reading {
  readonly name: string;
  /** Unix milliseconds. */
  readonly timestamp: bigint | undefined;
  readonly isHistorical: boolean;
  readonly value: Value;
  readonly typeName?: string | undefined;
  /** Why the value is not good; absent for good ones. */
  readonly quality?: string | undefined;
  readonly properties?: Struct | undefined;
  /** The declaration of a template, which is no value. */
  readonly isDefinition?: boolean;
}

export class RowMaker {
  readonly #shape: RowShape;

  constructor(shape: RowShape) {
    this.#shape = shape;
  }

  ofReadings(origin: Origin, message: RawPayload, all: readonly Reading[]): Struct[] {
    const readings = all.filter(({ isDefinition }) => isDefinition !== true);
    if (this.#shape === "metric") return readings.map((reading) => metricRow(origin, message, reading));
    const rows: Struct[] = [];
    let row: MessageRow | undefined;
    for (const reading of readings) {
      // Values from before a loss come many in a message, also several of one metric.
      if (row === undefined || !row.add(reading)) {
        row = new MessageRow(origin, message, reading);
        rows.push(row.struct);
      }
    }
    return rows.length === 0 ? [{ ...head(origin, message), historical: false, metrics: {} }] : rows;
  }

  /** `known` are the metrics that are stale from now on. */
  ofDeath(origin: Origin, message: RawPayload, known: KnownMetrics | undefined): Struct[] {
    const stale = [...known?.byName.values() ?? []].map(({ name, type }): Reading => ({
      name,
      timestamp: message.timestamp,
      isHistorical: false,
      value: null,
      typeName: type === undefined ? undefined : dataTypeName(type),
      quality: "stale",
    }));
    return this.ofReadings(origin, message, stale);
  }

  ofGarbage(origin: Origin, reason: string): Struct {
    const message = { metrics: [] };
    return this.#shape === "metric"
      ? { ...head(origin, message), historical: false, metric: null, value: null, type: null, quality: reason }
      : { ...head(origin, message), historical: false, metrics: {}, quality: { payload: reason } };
  }

  /** Version 3 says it in JSON, older ones in a word. */
  ofState(host: string, payload: Uint8Array): Struct {
    const text = new TextDecoder().decode(payload);
    let online: boolean | null = text === "ONLINE" ? true : text === "OFFLINE" ? false : null;
    let timestamp: bigint | null = null;
    try {
      const state = JSON.parse(text) as { readonly online?: unknown; readonly timestamp?: unknown } | null;
      if (typeof state?.online === "boolean") online = state.online;
      if (Number.isSafeInteger(state?.timestamp)) timestamp = BigInt(state!.timestamp as number);
    } catch {
      // A word, or nothing that can be read: its state is not known.
    }
    return { host_id: host, message_type: "STATE", timestamp, online };
  }
}

class MessageRow {
  readonly struct: Struct;
  readonly #metrics: Struct = {};
  readonly #first: Reading;

  constructor(origin: Origin, message: RawPayload, first: Reading) {
    this.#first = first;
    const { isHistorical, timestamp } = first;
    this.struct = { ...head(origin, message), historical: isHistorical, metrics: this.#metrics };
    if (isHistorical && timestamp !== undefined) this.struct.timestamp = timestamp;
    this.add(first);
  }

  /** False when the metric belongs into another row. */
  add({ name, timestamp, isHistorical, value, quality, properties }: Reading): boolean {
    if (Object.hasOwn(this.#metrics, name) || isHistorical !== this.#first.isHistorical) return false;
    if (isHistorical && timestamp !== this.#first.timestamp) return false;
    setOwn(this.#metrics, name, value);
    if (quality !== undefined) setOwn((this.struct.quality ??= {}) as Struct, name, quality);
    if (properties !== undefined) setOwn((this.struct.properties ??= {}) as Struct, name, properties);
    return true;
  }
}

function metricRow(origin: Origin, message: RawPayload, reading: Reading): Struct {
  const { name, timestamp, isHistorical, value, typeName, quality, properties } = reading;
  return {
    ...head(origin, message),
    ...(timestamp === undefined ? {} : { timestamp }),
    historical: isHistorical,
    metric: name,
    value,
    type: typeName ?? null,
    quality: quality ?? "good",
    ...(properties === undefined ? {} : { properties }),
  };
}

function head({ group, node, device, type, online }: Origin, { timestamp, seq }: RawPayload): Struct {
  return {
    group_id: group,
    edge_node_id: node,
    device_id: device ?? null,
    message_type: type,
    timestamp: timestamp ?? null,
    seq: seq ?? null,
    online,
  };
}
