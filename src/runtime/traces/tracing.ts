/**
 * Traces, as the engine and the admin interface see them. What makes them is loaded when it is first needed.
 * @module
 */
import type { Clock, Logger } from "../../connector/context.ts";
import type { Sampling, Strategy } from "../../telemetry/traces/sampler.ts";
import type { ExporterOptions, ExportFigures } from "../../telemetry/traces/exporter.ts";
import type { TraceNode } from "../../telemetry/traces/trace_ring.ts";
import type { LiveRule } from "../live_rule.ts";
import type { RuleTraces } from "./rule_traces.ts";

/** `tracing` of `weir.yaml`. */
export interface TracingSettings extends Sampling {
  /** Where traces are sent; absent: nowhere. */
  readonly endpoint?: string | undefined;
  readonly protocol: ExporterOptions["protocol"];
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly serviceName: string;
  readonly resourceAttributes: Readonly<Record<string, string | number | boolean>>;
  readonly batchSize: number;
  readonly batchDelay: number;
  readonly queueSize: number;
  readonly timeout: number;
  /** Rows leave the agent with the spans. */
  readonly exportData: boolean;
  readonly tracesMax: number;
  readonly bytesMax: number;
  /** Traces that are begun in a second, of all rules together. */
  readonly perSecondMax: number;
  readonly tls?: CollectorTls | undefined;
}

/** Of a collector with HTTPS: files with PEM texts. */
export interface CollectorTls {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly insecureSkipVerify: boolean;
}

/** Who gets traces, by `POST /tracer`; what is absent is as in the configuration. */
export interface Collector {
  readonly url?: string;
  readonly serviceName?: string;
}

export interface TraceFigures extends ExportFigures {
  /** Messages that were not traced, as there were too many in a second. */
  readonly limited: number;
  /** What is remembered. */
  readonly traces: number;
  readonly bytes: number;
}

export interface TracingOptions {
  readonly settings?: TracingSettings;
  readonly version?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export const tracingDefaults: TracingSettings = {
  protocol: "http/json",
  sampler: "always",
  ratio: 1,
  serviceName: "weir",
  resourceAttributes: {},
  batchSize: 512,
  batchDelay: 5000,
  queueSize: 4096,
  timeout: 10_000,
  exportData: false,
  tracesMax: 2048,
  bytesMax: 2 * 1024 * 1024,
  perSecondMax: 500,
};

export class Tracing {
  readonly #options: TracingOptions;
  #loading: Promise<RuleTraces> | undefined;
  #loaded: RuleTraces | undefined;

  constructor(options: TracingOptions) {
    this.#options = options;
  }

  /**
   * Resolves when rules can be traced.
   *
   * @throws {DiagnosticError} E403 for an endpoint that is no URL
   */
  load(): Promise<RuleTraces> {
    return this.#loading ??= (async () => {
      const { RuleTraces } = await import("./rule_traces.ts");
      const { settings = tracingDefaults, version = "", clock, log } = this.#options;
      return this.#loaded = new RuleTraces({ settings, version, clock, log });
    })();
  }

  /** Begins to trace a rule. `load` has resolved. */
  begin(live: LiveRule, strategy: Strategy): void {
    this.#loaded!.trace(live, strategy);
  }

  /** The newest trace first; `limit` 0 is all of them. */
  ofRule(rule: string, limit: number): string[] {
    return this.#loaded?.ring.ofRule(rule, limit) ?? [];
  }

  trace(id: string): TraceNode | undefined {
    return this.#loaded?.ring.tree(id);
  }

  /** @throws {DiagnosticError} E403 for what is no URL */
  async collect(collector: Collector | undefined): Promise<void> {
    await (await this.load()).collect(collector);
  }

  /** Undefined while there is nothing to tell. */
  get figures(): TraceFigures | undefined {
    return this.#loaded?.figures;
  }

  async close(): Promise<void> {
    await (await this.#loading)?.close();
  }
}
