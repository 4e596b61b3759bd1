/**
 * Messages of edge nodes to rows: names for aliases, types for values, order, life and death.
 *
 * It keeps what the last births have told. Where something was missed, it asks the node for another birth, and gives what
 * it can read until then.
 * @module
 */
import type { Logger } from "../../src/connector/context.ts";
import type { Struct, Value } from "../../src/connector/source.ts";
import { KnownMetrics, KnownNode } from "./known_node.ts";
import { dataTypeName, metricValue, structOfProperties } from "./payload/data_type.ts";
import { decodePayload, type RawMetric, type RawPayload } from "./payload/payload.ts";
import { BadPayload } from "./payload/wire_reader.ts";
import { type Origin, type Reading, RowMaker, type RowShape } from "./row_maker.ts";
import type { MessageType, NodeFilter, SparkplugTopic } from "./topic.ts";

export interface EdgeNodesOptions {
  readonly shape: RowShape;
  readonly types: readonly MessageType[];
  readonly filter: NodeFilter;
  /** Least time between two requests to one node. */
  readonly rebirthPauseMs: number;
  readonly now: () => number;
  readonly log: Logger;
  /** Asks a node to tell all its metrics again. */
  readonly requestRebirth: (group: string, node: string) => void;
}

/** Beyond, the node that was heard of first is forgotten; its next message asks it for a birth. */
const nodesMax = 10_000;
/** Of a node with its devices: what is declared beyond has no name for its alias. */
const metricsMax = 200_000;
const bdSeqName = "bdSeq";
const qualityName = "Quality";

export class EdgeNodes {
  readonly #options: EdgeNodesOptions;
  readonly #rows: RowMaker;
  readonly #nodes = new Map<string, KnownNode>();

  constructor(options: EdgeNodesOptions) {
    this.#options = options;
    this.#rows = new RowMaker(options.shape);
  }

  /** The rows of one message; `payload` is not kept. */
  take(topic: SparkplugTopic, payload: Uint8Array): Struct[] {
    if (topic.type === "STATE") return this.#wants("STATE") ? [this.#rows.ofState(topic.node, payload)] : [];
    let message: RawPayload;
    try {
      message = decodePayload(payload);
    } catch (error) {
      if (!(error instanceof BadPayload)) throw error;
      const node = this.#nodes.get(keyOf(topic));
      const origin = { ...topic, online: node?.isOnline ?? false };
      return this.#isWanted(topic, topic.device) ? [this.#rows.ofGarbage(origin, error.message)] : [];
    }
    switch (topic.type) {
      case "NBIRTH":
        return this.#nodeBirth(topic, message);
      case "DBIRTH":
        return this.#deviceBirth(topic, message);
      case "NDEATH":
        return this.#nodeDeath(topic, message);
      case "DDEATH":
        return this.#deviceDeath(topic, message);
      default:
        return this.#data(topic, message);
    }
  }

  /** Messages may have been missed: nodes are asked for their births. */
  reconnected(): void {
    for (const node of this.#nodes.values()) {
      node.seq = undefined;
      node.isIncomplete = true;
      if (node.isOnline) this.#askBirth(node, "the connection was lost");
    }
  }

  #nodeBirth(topic: SparkplugTopic, message: RawPayload): Struct[] {
    const node = this.#nodeOf(topic);
    const bdSeq = message.metrics.find(({ name }) => name === bdSeqName)?.value;
    const known = node.born(typeof bdSeq?.value === "bigint" ? bdSeq.value : undefined);
    node.seq = seqOf(message);
    this.#learn(node, known, message.metrics);
    return this.#rowsOf(topic, message, node, known);
  }

  #deviceBirth(topic: SparkplugTopic, message: RawPayload): Struct[] {
    const node = this.#nodeOf(topic);
    this.#checkOrder(node, message);
    const known = new KnownMetrics();
    node.devices.set(topic.device!, known);
    this.#learn(node, known, message.metrics);
    return this.#rowsOf(topic, message, node, known);
  }

  #learn(node: KnownNode, known: KnownMetrics, metrics: readonly RawMetric[]): void {
    let count = 0;
    for (const { byName } of [node.own, ...node.devices.values()].filter((each) => each !== undefined)) {
      count += byName.size;
    }
    for (const { name, alias, datatype } of metrics) {
      if (name === undefined || name === "" || ++count > metricsMax) continue;
      known.add({ name, type: datatype }, alias);
    }
    if (count > metricsMax) {
      this.#options.log.warn("A node declares more metrics than are kept", { node: keyOf(node), metrics: count });
    }
  }

  #data(topic: SparkplugTopic, message: RawPayload): Struct[] {
    const node = this.#nodeOf(topic);
    const known = topic.device === undefined ? node.own : node.devices.get(topic.device);
    // Commands come from others, and have no part in the order of the node's own messages.
    const isOwn = topic.type === "NDATA" || topic.type === "DDATA";
    if (isOwn) {
      this.#checkOrder(node, message);
      if (known?.isOnline !== true) this.#askBirth(node, "data came before a birth");
    }
    return this.#rowsOf(topic, message, node, known);
  }

  #nodeDeath(topic: SparkplugTopic, message: RawPayload): Struct[] {
    const node = this.#nodeOf(topic);
    const bdSeq = message.metrics.find(({ name }) => name === bdSeqName)?.value?.value;
    if (node.isOnline && node.bdSeq !== undefined && bdSeq !== undefined && bdSeq !== node.bdSeq) {
      const fields = { node: keyOf(node), death: String(bdSeq), birth: String(node.bdSeq) };
      this.#options.log.info("The death of an earlier session of a node is left out", fields);
      return [];
    }
    const wasOnline = node.isOnline;
    const living = [...node.devices].filter(([, { isOnline }]) => isOnline);
    node.died();
    const rows: Struct[] = [];
    if (this.#isWanted(topic, undefined)) {
      rows.push(...this.#rows.ofDeath({ ...topic, online: false }, message, wasOnline ? node.own : undefined));
    }
    // With their node its devices are gone.
    for (const [device, known] of living) {
      if (!this.#isWanted(topic, device)) continue;
      rows.push(...this.#rows.ofDeath({ ...topic, device, online: false }, message, known));
    }
    return rows;
  }

  #deviceDeath(topic: SparkplugTopic, message: RawPayload): Struct[] {
    const node = this.#nodeOf(topic);
    this.#checkOrder(node, message);
    const known = node.devices.get(topic.device!);
    const wasOnline = known?.isOnline === true;
    if (known !== undefined) known.isOnline = false;
    if (!this.#isWanted(topic, topic.device)) return [];
    return this.#rows.ofDeath({ ...topic, online: false }, message, wasOnline ? known : undefined);
  }

  #checkOrder(node: KnownNode, message: RawPayload): void {
    const before = node.seq;
    const seq = seqOf(message);
    const isNext = node.follows(seq);
    if (node.own === undefined) return this.#askBirth(node, "its birth was not seen");
    if (!isNext) {
      node.isIncomplete = true;
      const fields = { node: keyOf(node), last: before, found: seq };
      this.#options.log.warn("Messages of a node are missing", fields);
    }
    if (node.isIncomplete) this.#askBirth(node, "messages are missing");
  }

  #askBirth(node: KnownNode, reason: string): void {
    const now = this.#options.now();
    const since = now - node.rebirthAskedAt;
    if (since >= 0 && since < this.#options.rebirthPauseMs) return;
    node.rebirthAskedAt = now;
    this.#options.log.info("A node is asked for its birth", { node: keyOf(node), reason });
    this.#options.requestRebirth(node.group, node.node);
  }

  #rowsOf(
    topic: SparkplugTopic,
    message: RawPayload,
    node: KnownNode,
    known: KnownMetrics | undefined,
  ): Struct[] {
    const readings = message.metrics.map((metric) => this.#read(metric, node, known));
    if (!this.#isWanted(topic, topic.device)) return [];
    const origin: Origin = { ...topic, online: known?.isOnline ?? false };
    return this.#rows.ofReadings(origin, message, readings);
  }

  #read(metric: RawMetric, node: KnownNode, known: KnownMetrics | undefined): Reading {
    const declared = this.#declared(metric, node, known);
    const name = metric.name ?? declared?.name;
    const { timestamp, isHistorical = false } = metric;
    const common = { timestamp, isHistorical };
    if (name === undefined) {
      this.#askBirth(node, `alias ${metric.alias} is not known`);
      return { ...common, name: `alias ${metric.alias}`, value: null, quality: "unknown alias" };
    }
    const type = metric.datatype ?? declared?.type;
    const typeName = type === undefined ? undefined : dataTypeName(type);
    try {
      const properties = metric.properties === undefined ? undefined : structOfProperties(metric.properties);
      const value = metricValue(metric, type);
      if (typeof value === "number" && !Number.isFinite(value)) {
        return { ...common, name, typeName, value: null, quality: `${value} is no number`, properties };
      }
      const quality = qualityOf(properties?.[qualityName]);
      if (type === undefined && metric.isNull !== true && typeof value === "bigint") {
        return { ...common, name, value: null, quality: "unknown type", properties };
      }
      return { ...common, name, typeName, value, quality, properties, isDefinition: isDefinition(metric) };
    } catch (error) {
      if (!(error instanceof BadPayload)) throw error;
      return { ...common, name, typeName, value: null, quality: error.message };
    }
  }

  /** Aliases are unique in a node with its devices, but some writers count them by device. */
  #declared({ name, alias }: RawMetric, node: KnownNode, known: KnownMetrics | undefined) {
    if (name !== undefined) return known?.byName.get(name);
    if (alias === undefined) return undefined;
    return known?.byAlias.get(alias) ?? (known === undefined ? undefined : node.own?.byAlias.get(alias));
  }

  #nodeOf(topic: SparkplugTopic): KnownNode {
    const key = keyOf(topic);
    let node = this.#nodes.get(key);
    if (node === undefined) {
      node = new KnownNode(topic.group, topic.node);
      this.#nodes.set(key, node);
      if (this.#nodes.size > nodesMax) this.#nodes.delete(this.#nodes.keys().next().value!);
    }
    return node;
  }

  #wants(type: MessageType): boolean {
    return this.#options.types.includes(type);
  }

  #isWanted({ type }: SparkplugTopic, device: string | undefined): boolean {
    const { filter } = this.#options;
    return this.#wants(type) && (filter.device === undefined || filter.device === device);
  }
}

function keyOf({ group, node }: { readonly group: string; readonly node: string }): string {
  return `${group}/${node}`;
}

function seqOf({ seq }: RawPayload): number | undefined {
  return seq === undefined ? undefined : Number(seq & 255n);
}

/** Undefined for good: 192, as in OPC. */
function qualityOf(value: Value): string | undefined {
  if (typeof value !== "bigint" || value === 192n) return undefined;
  return value === 0n ? "bad" : value === 500n ? "stale" : `quality ${value}`;
}

function isDefinition({ value }: RawMetric): boolean {
  return value?.in === "template" && value.value.isDefinition;
}
