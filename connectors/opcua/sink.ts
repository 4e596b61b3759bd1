/**
 * Writes the columns of rows to nodes, with the data types that the nodes have.
 *
 * A batch that was broken off goes on with the row that failed when it is written again.
 * @module
 */
import type { WriteValueOptions } from "node-opcua-client";
import { ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Struct } from "../../src/connector/source.ts";
import { getOwn } from "../../src/value/value.ts";
import type { LiveSession } from "./live_session.ts";
import type { SinkNode } from "./node_list.ts";
import { BadValue, builtIn, type BuiltInName, variantOf } from "./node_values.ts";

export interface OpcUaSinkOptions {
  readonly live: LiveSession;
  readonly nodes: readonly SinkNode[];
}

const valueAttribute = 13;
/** Values of one request. */
const valuesMax = 500;
const retryMs = 1000;
/** What a server says of a node whose device is away, or of itself. */
const passing: readonly string[] = [
  "BadCommunicationError",
  "BadDeviceFailure",
  "BadNoCommunication",
  "BadNotConnected",
  "BadOutOfService",
  "BadResourceUnavailable",
  "BadServerHalted",
  "BadShutdown",
  "BadTimeout",
  "BadTooManyOperations",
  "BadWaitingForInitialData",
];

interface Planned {
  readonly item: number;
  readonly column: string;
  readonly write: WriteValueOptions;
}

export class OpcUaSink implements RowSink {
  readonly #options: OpcUaSinkOptions;
  readonly #types = new Map<SinkNode, number>();
  #begun: { readonly batch: unknown; rows: number; readonly failed: Map<number, string> } | undefined;

  constructor(options: OpcUaSinkOptions) {
    this.#options = options;
    for (const node of options.nodes) if (node.type !== undefined) this.#types.set(node, builtIn[node.type]);
  }

  async write(batch: readonly (readonly Struct[])[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#begun?.batch !== batch) this.#begun = { batch, rows: 0, failed: new Map() };
    const begun = this.#begun;
    const rows = batch.flatMap((item, index) => item.map((row) => ({ index, row })));
    while (begun.rows < rows.length) {
      signal.throwIfAborted();
      const planned: Planned[] = [];
      let count = 0;
      for (const { index, row } of rows.slice(begun.rows)) {
        const own = await this.#plan(index, row, begun.failed);
        if (planned.length > 0 && planned.length + own.length > valuesMax) break;
        planned.push(...own);
        count++;
      }
      if (planned.length > 0) await this.#send(planned, begun.failed);
      begun.rows += count;
    }
    this.#begun = undefined;
    if (begun.failed.size > 0) throw new ItemsFailed(begun.failed);
  }

  /** All of a row, or nothing of one with a value that does not go with its node. */
  async #plan(item: number, row: Struct, failed: Map<number, string>): Promise<Planned[]> {
    const planned: Planned[] = [];
    for (const node of this.#options.nodes) {
      const value = getOwn(row, node.name);
      if (value === undefined || value === null) continue;
      try {
        const type = await this.#typeOf(node);
        const variant = variantOf(value, type, nameOf(type));
        planned.push({
          item,
          column: node.name,
          write: { nodeId: node.nodeId, attributeId: valueAttribute, value: { value: variant } },
        });
      } catch (error) {
        if (!(error instanceof BadValue)) throw error;
        failed.set(item, `Column "${node.name}": ${error.message}`);
        return [];
      }
    }
    return planned;
  }

  async #typeOf(node: SinkNode): Promise<number> {
    const known = this.#types.get(node);
    if (known !== undefined) return known;
    const { live } = this.#options;
    const { resolveNodeId } = live.library;
    const [exists] = await live.call((session) =>
      session.read([{ nodeId: node.nodeId, attributeId: dataTypeAttribute }])
    );
    if (exists!.statusCode.value !== 0) throw new BadValue(`${node.nodeId}: ${exists!.statusCode.name}`);
    const type = Number(await live.call((session) => session.getBuiltInDataType(resolveNodeId(node.nodeId))));
    this.#types.set(node, type);
    return type;
  }

  async #send(planned: readonly Planned[], failed: Map<number, string>): Promise<void> {
    const { live } = this.#options;
    const results = await live.call((session) => session.write(planned.map(({ write }) => write)));
    const refused = results.map((status, at) => ({ status, ...planned[at]! })).filter(({ status }) =>
      status.value >>> 30 > 1
    );
    const late = refused.find(({ status }) => passing.includes(status.name));
    if (late !== undefined) throw new RetryLater(`Column "${late.column}": ${late.status.name}`, retryMs);
    for (const { item, column, status } of refused) {
      if (!failed.has(item)) failed.set(item, `Column "${column}": ${status.name}`);
    }
  }

  /** The session belongs to the connection. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

const dataTypeAttribute = 14;

function nameOf(type: number): string {
  const found = (Object.keys(builtIn) as BuiltInName[]).find((name) => builtIn[name] === type);
  if (found === undefined) throw new BadValue(`values of the data type ${type} cannot be written`);
  return found;
}
