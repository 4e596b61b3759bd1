/**
 * Reads nodes: a subscription tells their changes, or they are asked for at intervals.
 * @module
 */
import type { ClientSubscription, DataValue, MonitoringParametersOptions, ReadValueIdOptions } from "node-opcua-client";
import type { Clock, Logger } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { RowBatch, Source } from "../../src/connector/source.ts";
import type { LiveSession } from "./live_session.ts";
import type { SourceNode } from "./node_list.ts";
import { type Reading, readingOf } from "./node_values.ts";
import { type NodeReading, RowMaker, type RowMakerOptions } from "./row_maker.ts";

export interface OpcUaSourceOptions extends Omit<RowMakerOptions, "names" | "nodeIds"> {
  readonly live: LiveSession;
  readonly nodes: readonly SourceNode[];
  readonly mode: "subscribe" | "poll";
  readonly intervalMs: number;
  readonly samplingIntervalMs: number | undefined;
  readonly queueSize: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const valueAttribute = 13;
/** Nodes of one request. */
const nodesMax = 500;
/** Readings that wait before the server is asked to publish no more, and when it may again. */
const waitingMax = 10_000;
const waitingLow = 1000;
/** What a server keeps a subscription for, in publishing intervals; and after how many silent ones it says so. */
const lifetimeMs = 60_000;
const keepAliveMs = 5000;

export class OpcUaSource implements Source {
  readonly #options: OpcUaSourceOptions;
  readonly #rows: RowMaker;
  readonly #stopLoss: () => void;
  #subscription: ClientSubscription | undefined;
  #waiting: NodeReading[] = [];
  #isHeld = false;
  #due: number;
  #loss: Disconnected | undefined;
  #wake: () => void = () => {};

  private constructor(options: OpcUaSourceOptions) {
    this.#options = options;
    this.#rows = new RowMaker({
      ...options,
      names: options.nodes.map(({ name }) => name),
      nodeIds: options.nodes.map(({ nodeId }) => nodeId),
    });
    this.#due = options.clock.now();
    this.#stopLoss = options.live.onLost((error) => this.#lose(error));
  }

  /** @throws {Disconnected} */
  static async open(options: OpcUaSourceOptions): Promise<OpcUaSource> {
    const source = new OpcUaSource(options);
    try {
      if (options.mode === "subscribe") await source.#subscribe();
    } catch (error) {
      await source.close();
      throw error;
    }
    return source;
  }

  async #subscribe(): Promise<void> {
    const { live, intervalMs } = this.#options;
    const subscription = this.#subscription = await live.call((session) =>
      session.createSubscription2({
        requestedPublishingInterval: intervalMs,
        requestedLifetimeCount: Math.max(30, Math.ceil(lifetimeMs / intervalMs)),
        requestedMaxKeepAliveCount: Math.max(1, Math.ceil(keepAliveMs / intervalMs)),
        maxNotificationsPerPublish: 0,
        publishingEnabled: true,
        priority: 0,
      })
    );
    const lost = (reason: string) => this.#lose(new Disconnected(`the subscription is lost: ${reason}`));
    subscription.on("terminated", () => lost("the server has ended it"));
    subscription.on("internal_error", (error) => lost(error.message));
    subscription.on("status_changed", (status) => lost(status.name));
    for (const group of this.#groups()) {
      for (let at = 0; at < group.indexes.length; at += nodesMax) {
        await this.#monitor(subscription, group.indexes.slice(at, at + nodesMax), group.parameters);
      }
    }
  }

  /** Nodes that are watched in the same way. */
  #groups(): { readonly indexes: number[]; readonly parameters: MonitoringParametersOptions }[] {
    const { nodes, intervalMs, samplingIntervalMs, queueSize, live: { library } } = this.#options;
    const groups = new Map<string, { readonly indexes: number[]; readonly parameters: MonitoringParametersOptions }>();
    nodes.forEach(({ samplingInterval = samplingIntervalMs ?? intervalMs, deadband = 0 }, index) => {
      const key = `${samplingInterval} ${deadband}`;
      const filter = deadband === 0 ? undefined : new library.DataChangeFilter({
        trigger: library.DataChangeTrigger.StatusValue,
        deadbandType: library.DeadbandType.Absolute,
        deadbandValue: deadband,
      });
      const parameters: MonitoringParametersOptions = {
        samplingInterval,
        queueSize,
        discardOldest: true,
        ...(filter === undefined ? {} : { filter }),
      };
      const group = groups.get(key) ?? { indexes: [], parameters };
      group.indexes.push(index);
      groups.set(key, group);
    });
    return [...groups.values()];
  }

  async #monitor(
    subscription: ClientSubscription,
    indexes: readonly number[],
    parameters: MonitoringParametersOptions,
  ): Promise<void> {
    const { live, log, nodes } = this.#options;
    const { ClientMonitoredItemGroup, TimestampsToReturn } = live.library;
    const items = indexes.map((index) => this.#itemOf(index));
    const group = ClientMonitoredItemGroup.create(subscription, items, parameters, TimestampsToReturn.Both);
    // Before it is there: the first values come right behind the answer.
    group.on("changed", (_item, value: DataValue, at) => this.#add(indexes[at]!, readingOf(value)));
    await live.call(() =>
      new Promise<void>((resolve, reject) => {
        group.on("initialized", () => resolve());
        group.on("err", (reason) => reject(new Error(reason)));
        group.on("terminated", (error) => reject(error ?? new Error("the nodes cannot be watched")));
      })
    );
    group.monitoredItems.forEach(({ statusCode }, at) => {
      if (statusCode.value === 0) return;
      const { name, nodeId } = nodes[indexes[at]!]!;
      log.warn("A node cannot be watched", { node: nodeId, column: name, reason: statusCode.name });
      this.#add(indexes[at]!, { value: null, failure: statusCode.name });
    });
  }

  #itemOf(index: number): ReadValueIdOptions {
    return { nodeId: this.#options.nodes[index]!.nodeId, attributeId: valueAttribute };
  }

  #add(index: number, reading: Reading): void {
    this.#waiting.push([index, reading]);
    if (this.#waiting.length >= waitingMax) this.#publish(false);
    this.#wake();
  }

  /** Values stay with the server, as many as its queues hold, while nobody reads. */
  #publish(on: boolean): void {
    if (this.#isHeld !== on || this.#subscription === undefined) return;
    this.#isHeld = !on;
    const subscription = this.#subscription;
    this.#options.live.call(() => subscription.setPublishingMode(on)).catch(() => {});
  }

  #lose(error: Disconnected): void {
    this.#loss ??= error;
    this.#wake();
  }

  async read(signal: AbortSignal): Promise<RowBatch> {
    const { clock, mode, intervalMs } = this.#options;
    while (true) {
      signal.throwIfAborted();
      if (this.#waiting.length > 0) {
        const readings = this.#waiting.splice(0);
        if (this.#waiting.length < waitingLow) this.#publish(true);
        return { kind: "rows", rows: this.#rows.rowsOf(readings) };
      }
      if (this.#loss !== undefined) throw this.#loss;
      if (mode === "subscribe") await this.#pause(undefined, signal);
      else if (clock.now() < this.#due) {
        // A clock that was set back makes no pause longer than the interval.
        await this.#pause(Math.min(this.#due - clock.now(), intervalMs), signal);
      } else {
        await this.#poll();
        this.#due = Math.max(this.#due + intervalMs, clock.now());
      }
    }
  }

  async #poll(): Promise<void> {
    const { live, nodes } = this.#options;
    for (let start = 0; start < nodes.length; start += nodesMax) {
      const indexes = Array.from({ length: Math.min(nodesMax, nodes.length - start) }, (_, at) => start + at);
      const values = await live.call((session) => session.read(indexes.map((index) => this.#itemOf(index))));
      values.forEach((value, at) => this.#waiting.push([indexes[at]!, readingOf(value)]));
    }
  }

  /** Until something has come, or the time has passed. */
  #pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        cancel();
        this.#wake = () => {};
        signal.removeEventListener("abort", abort);
        done();
      };
      const abort = () => settle(() => reject(signal.reason));
      const cancel = ms === undefined ? () => {} : this.#options.clock.after(ms, () => settle(resolve));
      this.#wake = () => settle(resolve);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  async close(): Promise<void> {
    this.#stopLoss();
    const subscription = this.#subscription;
    this.#subscription = undefined;
    if (subscription === undefined) return;
    subscription.removeAllListeners();
    // The session may live on for others.
    if (this.#options.live.loss === undefined) {
      await this.#options.live.call(() => subscription.terminate()).catch(() => {});
    }
  }
}
