/**
 * The traces of an agent: which rules are traced, what is remembered, what is exported. Loaded when the first rule is
 * traced, or a collector is set.
 * @module
 */
import { readFileSync } from "node:fs";
import type { Clock, Logger } from "../../connector/context.ts";
import { fail } from "../../diagnostics/diagnostic.ts";
import { collectorUrl, Exporter, type ExporterOptions } from "../../telemetry/traces/exporter.ts";
import type { Strategy } from "../../telemetry/traces/sampler.ts";
import type { Span } from "../../telemetry/traces/span.ts";
import { TraceRing } from "../../telemetry/traces/trace_ring.ts";
import type { LiveRule } from "../live_rule.ts";
import { RuleTracer } from "./rule_tracer.ts";
import type { Collector, CollectorTls, TraceFigures, TracingSettings } from "./tracing.ts";

export interface RuleTracesOptions {
  readonly settings: TracingSettings;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class RuleTraces {
  readonly ring: TraceRing;
  readonly #options: RuleTracesOptions;
  #exporter: Exporter | undefined;
  /** Of those that were closed. */
  #before: Pick<TraceFigures, "exported" | "dropped"> = { exported: 0, dropped: {} };
  #offsetMs = 0;
  #secondBegan = -Infinity;
  #begunInSecond = 0;
  #limited = 0;

  constructor(options: RuleTracesOptions) {
    const { settings } = options;
    this.#options = options;
    this.ring = new TraceRing({ tracesMax: settings.tracesMax, bytesMax: settings.bytesMax });
    if (settings.endpoint !== undefined) this.#open(settings.endpoint, settings.serviceName);
  }

  #open(endpoint: string, serviceName: string): void {
    const { settings, version, clock, log } = this.#options;
    const url = collectorUrl(endpoint);
    if (url === undefined) {
      fail("E403", `Cannot export traces to ${JSON.stringify(endpoint)}: expected a URL such as http://localhost:4318`);
    }
    const { batchSize, batchDelay, queueSize, timeout, protocol, headers = {}, resourceAttributes, exportData } =
      settings;
    this.#exporter = new Exporter({
      endpoint: url,
      protocol,
      headers,
      resource: {
        attributes: { "service.name": serviceName, "service.version": version, ...resourceAttributes },
        version,
        exportsData: exportData,
      },
      batchSize,
      batchDelayMs: batchDelay,
      queueSize,
      timeoutMs: timeout,
      ...(settings.tls === undefined ? {} : { tls: readTls(settings.tls) }),
      clock,
      log,
    });
  }

  /** Where traces go from now on; undefined: nowhere. */
  async collect(collector: Collector | undefined): Promise<void> {
    const { settings } = this.#options;
    const before = this.#exporter;
    this.#exporter = undefined;
    if (collector !== undefined) {
      const url = collector.url ?? settings.endpoint ?? "http://localhost:4318";
      try {
        this.#open(url, collector.serviceName ?? settings.serviceName);
      } catch (error) {
        this.#exporter = before;
        throw error;
      }
    }
    if (before !== undefined) await this.#end(before);
  }

  async #end(exporter: Exporter): Promise<void> {
    await exporter.close();
    const { exported, dropped } = exporter.figures;
    this.#before = { exported: this.#before.exported + exported, dropped: summed(this.#before.dropped, dropped) };
  }

  trace(live: LiveRule, strategy: Strategy): void {
    const { ratio, sampler } = this.#options.settings;
    live.trace(
      new RuleTracer(live, {
        strategy,
        sampling: { ratio, sampler },
        nowUs: () => this.#nowUs(),
        mayBegin: () => this.#mayBegin(),
        onSpan: (span) => this.#add(span),
      }),
    );
  }

  #add(span: Span): void {
    this.ring.add(span);
    this.#exporter?.add(span);
  }

  /** The wall clock, with the steps of the finer one between its milliseconds. */
  #nowUs(): number {
    const [wall, fine] = [this.#options.clock.now(), performance.now()];
    if (Math.abs(wall - fine - this.#offsetMs) > 2) this.#offsetMs = wall - fine;
    return Math.round((fine + this.#offsetMs) * 1000);
  }

  #mayBegin(): boolean {
    const now = performance.now();
    if (now - this.#secondBegan >= 1000) {
      this.#secondBegan = now;
      this.#begunInSecond = 0;
    }
    if (this.#begunInSecond >= this.#options.settings.perSecondMax) {
      this.#limited++;
      return false;
    }
    this.#begunInSecond++;
    return true;
  }

  get figures(): TraceFigures {
    const { exported = 0, waiting = 0, dropped = {} } = this.#exporter?.figures ?? {};
    return {
      exported: this.#before.exported + exported,
      waiting,
      dropped: summed(this.#before.dropped, dropped),
      limited: this.#limited,
      traces: this.ring.size,
      bytes: this.ring.bytes,
    };
  }

  async close(): Promise<void> {
    const exporter = this.#exporter;
    this.#exporter = undefined;
    if (exporter !== undefined) await this.#end(exporter);
  }
}

function readTls({ caFile, certFile, keyFile, insecureSkipVerify }: CollectorTls): ExporterOptions["tls"] {
  const read = (name: string, file: string | undefined) => file === undefined ? {} : { [name]: readPem(file) };
  return {
    ...read("ca", caFile),
    ...read("cert", certFile),
    ...read("key", keyFile),
    rejectUnauthorized: !insecureSkipVerify,
  };
}

function readPem(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    fail("E403", `Cannot read ${file}: ${(error as Error).message}`, { path: "tracing.tls" });
  }
}

function summed(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const all: Record<string, number> = { ...a };
  for (const [reason, count] of Object.entries(b)) all[reason] = (all[reason] ?? 0) + count;
  return all;
}
