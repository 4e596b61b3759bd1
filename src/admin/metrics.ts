/**
 * `/metrics`: the counters of the agent for Prometheus. eKuiper's names and labels first, then the ledger, then the process.
 *
 * There may be thousands of rules with some fifty samples each, which takes a while to write: it is done in slices, and
 * rules run between them. The samples of one rule are of one moment; those of different rules need not be.
 * @module
 */
import process from "node:process";
import type { Hono } from "hono";
import type { CertificateReport } from "../certificates/keeper.ts";
import type { ConfigRegistry } from "../runtime/configs.ts";
import type { Reasons } from "../runtime/ledger.ts";
import type { WorkFigures } from "../runtime/limits/rule_work.ts";
import type { RuleLedger } from "../runtime/rule_ledger.ts";
import type { StatusNode } from "../runtime/rule_status.ts";
import type { ObservedRule, Rules } from "../runtime/rules.ts";
import type { TraceFigures } from "../runtime/traces/tracing.ts";
import { labelsText, type MetricDeclaration, MetricFamily, prometheusType } from "../telemetry/prometheus.ts";
import type { LiveConnections } from "./connections.ts";
import type { AdminEnv } from "./failure.ts";
import type { SystemInfo } from "./system.ts";

export interface MetricsRoutes {
  readonly rules: Rules;
  readonly configs: ConfigRegistry;
  readonly info: () => SystemInfo;
  /** Of the servers that speak HTTPS. */
  readonly certificates?: () => readonly CertificateReport[];
  /** Open connections; without it named ones count as disconnected. */
  readonly live?: LiveConnections;
  readonly traces?: { readonly figures: TraceFigures | undefined };
  readonly audit?: { readonly auditor: { readonly written: number; readonly failed: number } };
}

/** Others get their turn after so many milliseconds. */
const sliceMs = 5;
/** Written at once. */
const chunkChars = 65_536;

export function metricsRoutes(app: Hono<AdminEnv>, options: MetricsRoutes): void {
  app.get("/metrics", (c) => {
    c.header("Content-Type", prometheusType);
    return c.body(streamOf(metricsText(options)));
  });
}

function streamOf(chunks: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
}

/** The text in chunks; between them, and while it is gathered, others get their turn. */
export async function* metricsText(options: MetricsRoutes): AsyncGenerator<string> {
  const all = new Metrics();
  const asked = performance.now();
  await nextTurn();
  all.process((performance.now() - asked) / 1000, options.info());
  all.connections(options);
  all.audit(options);
  all.certificates(options.certificates?.() ?? []);
  all.traces(options);
  let sliceEnd = performance.now() + sliceMs;
  for (const rule of options.rules.observe()) {
    all.rule(rule);
    if (performance.now() < sliceEnd) continue;
    await nextTurn();
    sliceEnd = performance.now() + sliceMs;
  }
  all.counted();
  let chunk = "";
  for (const line of all.lines()) {
    chunk += line;
    if (chunk.length < chunkChars) continue;
    yield chunk;
    chunk = "";
    await nextTurn();
  }
  yield chunk;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

const nodeKinds = ["source", "op", "sink"] as const;
type NodeKind = typeof nodeKinds[number];

const ofNodes = {
  records_in_total: ["counter", "Items received."],
  records_out_total: ["counter", "Items given on; of a sink, sent."],
  messages_processed_total: ["counter", "Items done with."],
  exceptions_total: ["counter", "Exceptions, whether or not they lost anything."],
  process_latency_us: ["gauge", "What the latest batch took, microseconds."],
  buffer_length: ["gauge", "Items that wait."],
} as const;

const ofRows = {
  in: ["counter", "_in_total", "Rows that the rule was handed."],
  carried: ["gauge", "_carried", "Rows that the rule held already when the counting began."],
  made: ["counter", "_made_total", "Rows that became more inside the rule."],
  out: ["counter", "_out_total", "Rows that went into a result."],
  filtered: ["counter", "_filtered_total", "Rows that the statement leaves out."],
  late: ["counter", "_late_total", "Rows that came behind the watermark."],
  held: ["gauge", "_held", "Rows that wait in the rule."],
} as const;

const ofMessages = {
  in: ["counter", "_in_total", "Messages made of results."],
  carried: ["gauge", "_carried", "Messages that waited already when the rule started."],
  sent: ["counter", "_sent_total", "Messages that the sink has taken."],
  dead: ["counter", "_dead_total", "Messages put aside as dead letters."],
  waiting: ["gauge", "_waiting", "Messages that wait for the sink."],
} as const;

/** All families, in the order of the text. */
class Metrics {
  readonly #families: MetricFamily[] = [];
  readonly #nodes = Object.fromEntries(
    nodeKinds.map((kind) => [
      kind,
      Object.fromEntries(
        Object.entries(ofNodes).map((
          [name, [type, help]],
        ) => [name, this.#family(`kuiper_${kind}_${name}`, type, help)]),
      ),
    ]),
  ) as Record<NodeKind, Record<keyof typeof ofNodes, MetricFamily>>;
  readonly #sourceStatus = this.#connectionStatus("source");
  readonly #sinkStatus = this.#connectionStatus("sink");
  readonly #ruleStatus = this.#family("kuiper_rule_status", "gauge", "1 running, 0 stopped, -1 stopped by an error.");
  readonly #ruleCount = this.#family("kuiper_rule_count", "gauge", "Rules that run, and rules that do not.");
  readonly #connections = this.#family(
    "kuiper_conn_status_gauge",
    "gauge",
    "Of named connections: 1 connected, 0 connecting, -1 disconnected.",
  );
  readonly #balanced = this.#family(
    "weir_rule_ledger_balanced",
    "gauge",
    "1 when every row and message of the rule is accounted for; 0 is a mistake of weir.",
  );
  readonly #rows = this.#group("weir_rule_rows", ofRows);
  readonly #rowsDropped = this.#family("weir_rule_rows_dropped_total", "counter", "Rows given up, by reason.");
  readonly #rowsFailed = this.#family("weir_rule_rows_failed_total", "counter", "Rows lost by errors, by their code.");
  readonly #lists = this.#group("weir_rule_lists", {
    in: ["counter", "_in_total", "Lists that windows have handed on."],
    out: ["counter", "_out_total", "Lists that became results."],
    filtered: ["counter", "_filtered_total", "Lists of which HAVING, WHERE or a join left nothing."],
    held: ["gauge", "_held", "Lists that wait in the rule."],
  });
  readonly #listsFailed = this.#family(
    "weir_rule_lists_failed_total",
    "counter",
    "Lists lost by errors, by their code.",
  );
  readonly #stateBytes = this.#family(
    "weir_rule_state_bytes",
    "gauge",
    "Memory that the state of the rule takes, about.",
  );
  readonly #slowBatches = this.#family(
    "weir_rule_slow_batches_total",
    "counter",
    "How often the rule worked for more than 100 ms without a pause.",
  );
  readonly #longestBatch = this.#family(
    "weir_rule_longest_batch_seconds",
    "gauge",
    "The longest time that the rule worked without a pause.",
  );
  readonly #payloads = this.#family("weir_stream_payloads_in_total", "counter", "Payloads that the source gave.");
  readonly #payloadsFailed = this.#family(
    "weir_stream_payloads_failed_total",
    "counter",
    "Payloads that could not be decoded, by the code of the error.",
  );
  readonly #streamRows = this.#family("weir_stream_rows_out_total", "counter", "Rows that the stream gave to rules.");
  readonly #streamRowsFailed = this.#family(
    "weir_stream_rows_failed_total",
    "counter",
    "Rows that are not what the stream declares, by the code of the error.",
  );
  readonly #messages = this.#group("weir_action_messages", ofMessages);
  readonly #messagesFailed = this.#family(
    "weir_action_messages_failed_total",
    "counter",
    "Messages refused, by reason.",
  );
  readonly #messagesDropped = this.#family(
    "weir_action_messages_dropped_total",
    "counter",
    "Messages given up, by reason.",
  );
  readonly #process = {
    cpu: this.#family("process_cpu_seconds_total", "counter", "Processor time of the agent, of user and system."),
    memory: this.#family("process_resident_memory_bytes", "gauge", "Memory of the agent that is resident."),
    started: this.#family("process_start_time_seconds", "gauge", "When the agent started, Unix seconds."),
    uptime: this.#family("weir_uptime_seconds", "gauge", "Since the agent started."),
    delay: this.#family("weir_event_loop_delay_seconds", "gauge", "How long one turn of the event loop took just now."),
    audited: this.#family("weir_audit_entries_total", "counter", "Entries written to the audit trail."),
    unaudited: this.#family(
      "weir_audit_failures_total",
      "counter",
      "Entries that could not be written to the audit trail.",
    ),
    spansExported: this.#family("weir_trace_spans_exported_total", "counter", "Spans that the collector has taken."),
    spansDropped: this.#family("weir_trace_spans_dropped_total", "counter", "Spans that no collector got, by reason."),
    spansWaiting: this.#family("weir_trace_spans_waiting", "gauge", "Spans that wait for the collector."),
    untraced: this.#family("weir_trace_limited_total", "counter", "Messages beyond the limit of traces in a second."),
    build: this.#family("weir_build_info", "gauge", "Always 1; the version is a label."),
  };
  readonly #certificates = {
    expires: this.#family("weir_certificate_expires_timestamp_seconds", "gauge", "When it expires, Unix seconds."),
    changes: this.#family("weir_certificate_changes_total", "counter", "New certificates since the start, by result."),
  };
  #running = 0;
  #stopped = 0;

  #family(name: string, type: MetricDeclaration["type"], help: string): MetricFamily {
    const family = new MetricFamily({ name, type, help });
    this.#families.push(family);
    return family;
  }

  #group<Key extends string>(
    prefix: string,
    members: Readonly<Record<Key, readonly [MetricDeclaration["type"], suffix: string, help: string]>>,
  ): Record<Key, MetricFamily> {
    const entries = Object.entries(members) as [Key, readonly [MetricDeclaration["type"], string, string]][];
    return Object.fromEntries(
      entries.map(([key, [type, suffix, help]]) => [key, this.#family(`${prefix}${suffix}`, type, help)]),
    ) as Record<Key, MetricFamily>;
  }

  #connectionStatus(kind: "source" | "sink"): MetricFamily {
    const help = "1 connected, 0 connecting, -1 disconnected.";
    return this.#family(`kuiper_${kind}_connection_status`, "gauge", help);
  }

  *lines(): Generator<string> {
    for (const family of this.#families) yield* family.lines();
  }

  process(delaySeconds: number, { upTimeSeconds, weirVersion }: SystemInfo): void {
    const { user, system } = process.cpuUsage();
    this.#process.cpu.add("", (user + system) / 1e6);
    this.#process.memory.add("", process.memoryUsage.rss());
    this.#process.started.add("", Math.round(Date.now() / 1000 - upTimeSeconds));
    this.#process.uptime.add("", Math.round(upTimeSeconds * 1000) / 1000);
    this.#process.delay.add("", Math.round(delaySeconds * 1e6) / 1e6);
    this.#process.build.add(labelsText({ version: weirVersion }), 1);
  }

  certificates(reports: readonly CertificateReport[]): void {
    for (const { server, expiresMs, taken, refused } of reports) {
      this.#certificates.expires.add(labelsText({ server }), expiresMs / 1000);
      this.#certificates.changes.add(labelsText({ server, result: "taken" }), taken);
      this.#certificates.changes.add(labelsText({ server, result: "refused" }), refused);
    }
  }

  connections({ configs, live }: MetricsRoutes): void {
    const codes = { connected: 1, connecting: 0, disconnected: -1 } as const;
    for (const { id } of configs.connections()) {
      this.#connections.add(labelsText({ name: id }), codes[live?.status(id)?.state ?? "disconnected"]);
    }
  }

  audit({ audit }: MetricsRoutes): void {
    if (audit === undefined) return;
    this.#process.audited.add("", audit.auditor.written);
    this.#process.unaudited.add("", audit.auditor.failed);
  }

  traces({ traces }: MetricsRoutes): void {
    const figures = traces?.figures;
    if (figures === undefined) return;
    this.#process.spansExported.add("", figures.exported);
    this.#process.spansWaiting.add("", figures.waiting);
    this.#process.untraced.add("", figures.limited);
    for (const [reason, count] of Object.entries(figures.dropped)) {
      this.#process.spansDropped.add(labelsText({ reason }), count);
    }
  }

  rule({ id, state, nodes, ledger, work }: ObservedRule): void {
    const runs = ledger !== undefined;
    if (runs) this.#running++;
    else this.#stopped++;
    this.#ruleStatus.add(labelsText({ rule: id }), runs ? 1 : state === "stopped by error" ? -1 : 0);
    for (const node of nodes) this.#node(id, node);
    if (ledger !== undefined) this.#ledger(id, ledger);
    if (work !== undefined) this.#work(id, work);
  }

  counted(): void {
    this.#ruleCount.add(labelsText({ status: "running" }), this.#running);
    this.#ruleCount.add(labelsText({ status: "stop" }), this.#stopped);
  }

  #node(rule: string, { kind, name, metrics, connection }: StatusNode): void {
    const labels = labelsText({ rule, type: kind, op: name.slice(kind.length + 1), op_instance: "0" });
    const families = this.#nodes[kind];
    families.records_in_total.add(labels, metrics.recordsIn);
    families.records_out_total.add(labels, metrics.recordsOut);
    families.messages_processed_total.add(labels, metrics.processed);
    families.exceptions_total.add(labels, metrics.exceptions);
    families.process_latency_us.add(labels, metrics.latencyUs);
    families.buffer_length.add(labels, metrics.bufferLength);
    if (connection === undefined || kind === "op") return;
    (kind === "source" ? this.#sourceStatus : this.#sinkStatus).add(labels, connection.code);
  }

  #work(rule: string, { stateBytes, slowBatches, longestMs }: WorkFigures): void {
    const labels = labelsText({ rule });
    this.#stateBytes.add(labels, stateBytes);
    this.#slowBatches.add(labels, slowBatches);
    this.#longestBatch.add(labels, Math.round(longestMs) / 1000);
  }

  #ledger(rule: string, { balanced, rows, lists, streams, actions }: RuleLedger): void {
    const labels = labelsText({ rule });
    this.#balanced.add(labels, balanced ? 1 : 0);
    for (const key of Object.keys(ofRows) as (keyof typeof ofRows)[]) this.#rows[key].add(labels, rows[key]);
    addReasons(this.#rowsDropped, { rule }, rows.dropped);
    addReasons(this.#rowsFailed, { rule }, rows.failed);
    if (lists !== undefined) {
      for (const key of ["in", "out", "filtered", "held"] as const) this.#lists[key].add(labels, lists[key]);
      addReasons(this.#listsFailed, { rule }, lists.failed);
    }
    for (const { stream, payloads, rows: given } of streams) {
      const own = { rule, stream };
      const ownLabels = labelsText(own);
      if (payloads !== undefined) {
        this.#payloads.add(ownLabels, payloads.in);
        addReasons(this.#payloadsFailed, own, payloads.failed);
      }
      this.#streamRows.add(ownLabels, given.out);
      addReasons(this.#streamRowsFailed, own, given.failed);
    }
    for (const { action, messages } of actions) {
      const own = { rule, action };
      const ownLabels = labelsText(own);
      for (const key of Object.keys(ofMessages) as (keyof typeof ofMessages)[]) {
        this.#messages[key].add(ownLabels, messages[key]);
      }
      addReasons(this.#messagesFailed, own, messages.failed);
      addReasons(this.#messagesDropped, own, messages.dropped);
    }
  }
}

function addReasons(family: MetricFamily, labels: Readonly<Record<string, string>>, reasons: Reasons): void {
  for (const [reason, count] of Object.entries(reasons)) family.add(labelsText({ ...labels, reason }), count);
}
