/**
 * The status JSON of a rule, and the names of its nodes, as eKuiper 2.x has them.
 *
 * Nodes are numbered from 2 in the order rows pass them; sources and sinks have names of their own. A source on a named
 * connection is called by what it reads there, with an emitter behind it; the nodes of a shared stream carry its name.
 * @module
 */
import type { ConnectionMetrics } from "../telemetry/connection_metrics.ts";
import type { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { LiveRule } from "./live_rule.ts";
import type { PreparedSource } from "./prepare_rule.ts";

/** One node of a running rule. */
export interface StatusNode {
  readonly kind: "source" | "op" | "sink";
  /** `source_demo`, `op_2_decoder`, `sink_mqtt_0`. */
  readonly name: string;
  readonly metrics: NodeMetrics;
  readonly connection: ConnectionMetrics | undefined;
  /** True when it may leave out rows without an error; only then the status counts them. */
  readonly drops: boolean;
}

/** The nodes of a rule in topology order. */
export function nodesOf(rule: LiveRule): { readonly path: StatusNode[]; readonly branches: StatusNode[][] } {
  const { feed, pipeline } = rule;
  const { source } = rule.prepared;
  const path: StatusNode[] = [
    {
      kind: "source",
      name: sourceName(source),
      metrics: feed.sourceMetrics,
      connection: feed.connection,
      // Only the rules of a shared stream have a buffer that may be full; another source waits.
      drops: source.stream.options.shared,
    },
  ];
  let number = 2;
  const add = (type: string, metrics: NodeMetrics | undefined, owner = "", drops = false) => {
    if (metrics === undefined) return;
    path.push({ kind: "op", name: `op_${owner}${number++}_${type}`, metrics, connection: undefined, drops });
  };
  const owner = source.stream.options.shared ? `${source.stream.name}_` : "";
  // What the source gives is what goes through the emitter.
  if (isNamed(source)) add("emitter", feed.sourceMetrics, owner);
  add("decoder", feed.decoderMetrics, owner);
  add("preprocessor", feed.validatorMetrics, owner);
  for (const node of pipeline.nodes) add(node.type, node.metrics, "", node.operator.held !== undefined);
  const branches = rule.actions.map((action): StatusNode[] => {
    const id = `${action.type}_${action.index}`;
    const steps: StatusNode[] = [
      {
        kind: "op",
        name: `op_${id}_0_transform`,
        metrics: action.transformMetrics,
        connection: undefined,
        drops: false,
      },
    ];
    if (action.encodeMetrics !== undefined) {
      steps.push({
        kind: "op",
        name: `op_${id}_1_encode`,
        metrics: action.encodeMetrics,
        connection: undefined,
        drops: false,
      });
    }
    const { metrics, connection } = action;
    return [...steps, { kind: "sink", name: `sink_${id}`, metrics, connection, drops: true }];
  });
  return { path, branches };
}

function isNamed({ connection }: PreparedSource): boolean {
  return connection?.named !== undefined;
}

function sourceName(source: PreparedSource): string {
  const { name, options } = source.stream;
  return isNamed(source) ? `source_${source.connection!.named}/${options.datasource}` : `source_${name}`;
}

/** The metrics of all nodes, each as `<node>_0_<metric>`. */
export function metricsOf(rule: LiveRule): Record<string, string | number> {
  const { path, branches } = nodesOf(rule);
  const all: Record<string, string | number> = {};
  for (const { name, metrics, connection, drops } of [...path, ...branches.flat()]) {
    const set = (metric: string, value: string | number) => void (all[`${name}_0_${metric}`] = value);
    set("records_in_total", metrics.recordsIn);
    set("records_out_total", metrics.recordsOut);
    set("messages_processed_total", metrics.processed);
    set("process_latency_us", metrics.latencyUs);
    set("buffer_length", metrics.bufferLength);
    set("last_invocation", metrics.lastInvocation);
    set("exceptions_total", metrics.exceptions);
    set("last_exception", metrics.lastException);
    set("last_exception_time", metrics.lastExceptionTime);
    if (drops) set("dropped_total", metrics.droppedTotal);
    if (connection !== undefined) {
      set("connection_status", connection.code);
      set("connection_last_connected_time", connection.lastConnected);
      set("connection_last_disconnected_time", connection.lastDisconnected);
      set("connection_last_disconnected_message", connection.lastDisconnectedMessage);
      set("connection_last_try_time", connection.lastTry);
    }
  }
  return all;
}

/** The exception that came last, of any node, and how many that node had. */
export function latestException(rule: LiveRule): { last_exception: string; exceptions_total: number } {
  const { path, branches } = nodesOf(rule);
  let latest: NodeMetrics | undefined;
  for (const { metrics } of [...path, ...branches.flat()]) {
    if (metrics.exceptions > 0 && (latest === undefined || metrics.lastExceptionTime > latest.lastExceptionTime)) {
      latest = metrics;
    }
  }
  return { last_exception: latest?.lastException ?? "", exceptions_total: latest?.exceptions ?? 0 };
}

/** The nodes and the arrows between them. */
export function topologyOf(rule: LiveRule): { sources: string[]; edges: Record<string, string[]> } {
  const { path, branches } = nodesOf(rule);
  const edges: Record<string, string[]> = {};
  const connect = (from: string, to: string) => void (edges[from] ??= []).push(to);
  path.forEach((node, i) => {
    const next = path[i + 1];
    if (next !== undefined) connect(node.name, next.name);
  });
  for (const branch of branches) {
    connect(path.at(-1)!.name, branch[0]!.name);
    branch.forEach((node, i) => {
      const next = branch[i + 1];
      if (next !== undefined) connect(node.name, next.name);
    });
  }
  return { sources: [path[0]!.name], edges };
}
