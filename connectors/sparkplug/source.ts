/**
 * Reads the messages of edge nodes from a broker, and asks nodes for their births where something was missed.
 * @module
 */
import { Bell } from "../../src/connector/bell.ts";
import type { Clock, Logger } from "../../src/connector/context.ts";
import type { RowBatch, Source, Struct } from "../../src/connector/source.ts";
import type { MessageBatch, MqttConnection, Subscription } from "../mqtt/client/connection.ts";
import { EdgeNodes } from "./edge_nodes.ts";
import { rebirthCommand } from "./payload/rebirth_command.ts";
import type { RowShape } from "./row_maker.ts";
import { type MessageType, namespace, type NodeFilter, parseTopic, topicFilters } from "./topic.ts";

export interface SparkplugSourceOptions {
  readonly connection: MqttConnection;
  readonly filter: NodeFilter;
  readonly types: readonly MessageType[];
  readonly shape: RowShape;
  /** Undefined: nodes are never asked. */
  readonly rebirthPauseMs: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export class SparkplugSource implements Source {
  readonly #options: SparkplugSourceOptions;
  readonly #nodes: EdgeNodes;
  readonly #subscription: Subscription;
  readonly #stopStatus: () => void;
  /** Bounded by the client: it stops reading when too much is not acknowledged. */
  #waiting: MessageBatch[] = [];
  #wasConnected: boolean;
  readonly #bell = new Bell();

  constructor(options: SparkplugSourceOptions) {
    this.#options = options;
    const { connection, filter, types, shape, rebirthPauseMs, clock, log } = options;
    this.#nodes = new EdgeNodes({
      filter,
      types,
      shape,
      rebirthPauseMs: rebirthPauseMs ?? 0,
      now: () => clock.now(),
      log,
      requestRebirth: (group, node) => {
        if (rebirthPauseMs !== undefined) void this.#requestRebirth(group, node);
      },
    });
    this.#wasConnected = connection.status.state === "connected";
    this.#stopStatus = connection.onStatus(({ state }) => {
      if (state !== "connected") return;
      // Nobody sends again what was published meanwhile.
      if (this.#wasConnected) this.#nodes.reconnected();
      this.#wasConnected = true;
    });
    this.#subscription = connection.subscribe({
      // Deaths are published with QoS 1, all else with 0.
      filters: topicFilters(filter, types).map((filter) => ({ filter, qos: 1 })),
      onBatch: (batch) => {
        this.#waiting.push(batch);
        this.#bell.ring();
      },
    });
  }

  async read(signal: AbortSignal): Promise<RowBatch> {
    while (true) {
      signal.throwIfAborted();
      if (this.#waiting.length === 0) await this.#bell.wait(signal);
      const batches = this.#waiting;
      this.#waiting = [];
      const rows: Struct[] = [];
      const topics: string[] = [];
      for (const { messages } of batches) {
        for (const message of messages) {
          const topic = parseTopic(message.topic);
          if (topic === undefined) continue;
          for (const row of this.#nodes.take(topic, message.payload)) {
            rows.push(row);
            topics.push(message.topic);
          }
        }
      }
      const ack = () => {
        for (const batch of batches) batch.ack();
      };
      if (rows.length > 0) return { kind: "rows", rows, meta: (index) => ({ topic: topics[index] }), ack };
      // Nothing of it is wanted.
      ack();
    }
  }

  async #requestRebirth(group: string, node: string): Promise<void> {
    const { connection, clock, log } = this.#options;
    const payload = rebirthCommand(clock.now());
    try {
      await connection.publish([{ topic: `${namespace}/${group}/NCMD/${node}`, payload, qos: 0 }]);
    } catch (error) {
      log.warn("A node cannot be asked for its birth", { node: `${group}/${node}`, reason: (error as Error).message });
    }
  }

  async close(): Promise<void> {
    this.#stopStatus();
    await this.#subscription.close("unsubscribe");
  }
}
