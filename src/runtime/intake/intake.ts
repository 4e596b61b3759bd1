/**
 * What comes from a source on its way to rows: decompressed, decoded, decoded a second time, validated, each step counted
 * by itself and left out where a stream does not ask for it.
 *
 * Invariant: what fails in one step is dropped alone, and counted there.
 * @module
 */
import type { Decoder } from "../../codec/codec.ts";
import type { Unpacker } from "../../codec/pack.ts";
import type { PayloadSlice, SourceBatch } from "../../connector/source.ts";
import { RowError } from "../../diagnostics/row_error.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import type { Struct } from "../../value/value.ts";
import type { ColumnDecoder } from "./column_decoder.ts";

/** The columns that somebody needs; decoders may leave out all others. */
export type Wanted = ReadonlySet<string> | "all";

export interface IntakeOptions {
  /** Undefined for payloads that come as they are. */
  readonly unpack?: Unpacker | undefined;
  /** Undefined for sources whose rows arrive decoded. */
  readonly createDecoder: ((wanted: Wanted) => Decoder) | undefined;
  /** The second stage: payloads that stand in a column. */
  readonly createColumnDecoder?: ((wanted: Wanted) => ColumnDecoder) | undefined;
  /** Strict validation, when the stream asks for it; throws RowError. */
  readonly createValidator: ((wanted: Wanted) => (row: Struct) => Struct) | undefined;
  /** Told of what is dropped. */
  readonly onBad: (error: RowError) => void;
}

/** Rows with the metadata of each, where somebody wants it. */
export interface TakenRows {
  readonly rows: Struct[];
  readonly meta: (Struct | undefined)[] | undefined;
}

export class Intake {
  readonly unpackMetrics: NodeMetrics | undefined;
  readonly decoderMetrics: NodeMetrics | undefined;
  readonly columnDecoderMetrics: NodeMetrics | undefined;
  readonly validatorMetrics: NodeMetrics | undefined;
  /** Time that all of it has taken so far, milliseconds. */
  spentMs = 0;
  readonly #options: IntakeOptions;
  #decoder: Decoder | undefined;
  #decodeColumn: ColumnDecoder | undefined;
  #validate: ((row: Struct) => Struct) | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
    const metricsIf = (step: unknown) => step === undefined ? undefined : new NodeMetrics();
    this.unpackMetrics = metricsIf(options.unpack);
    this.decoderMetrics = metricsIf(options.createDecoder);
    this.columnDecoderMetrics = metricsIf(options.createColumnDecoder);
    this.validatorMetrics = metricsIf(options.createValidator);
  }

  /** Rows that were decoded, of sources that give payloads; those that it was given otherwise. */
  get decodedCount(): number | undefined {
    return (this.columnDecoderMetrics ?? this.decoderMetrics)?.recordsOut;
  }

  /** Says which columns are wanted; comes before anything is taken. */
  fit(wanted: Wanted): void {
    const { createDecoder, createColumnDecoder, createValidator } = this.#options;
    this.#decoder = createDecoder?.(wanted);
    this.#decodeColumn = createColumnDecoder?.(wanted);
    this.#validate = createValidator?.(wanted);
  }

  /** @param time Unix milliseconds */
  take(batch: SourceBatch, wantsMeta: boolean, time: number): TakenRows {
    const items = batch.kind === "payloads" ? batch.payloads : batch.rows;
    const rows: Struct[] = [];
    const meta: (Struct | undefined)[] | undefined = wantsMeta ? [] : undefined;
    const started = performance.now();
    for (let i = 0; i < items.length; i++) {
      const before = rows.length;
      if (batch.kind === "payloads") this.#decodeInto(rows, batch.payloads[i]!, time);
      else this.#decodeColumnInto(rows, batch.rows[i]!, time);
      if (meta !== undefined && rows.length > before) {
        const own = batch.meta?.(i);
        for (let j = before; j < rows.length; j++) meta.push(own);
      }
    }
    const tookMs = performance.now() - started;
    this.spentMs += tookMs;
    const last = this.columnDecoderMetrics ?? this.decoderMetrics;
    if (last !== undefined) last.latencyUs = Math.round(tookMs * 1000);
    return { rows, meta };
  }

  /** The rows of `taken` that are what the stream declares. */
  valid(taken: TakenRows, time: number): TakenRows {
    const metrics = this.validatorMetrics;
    if (metrics === undefined) return taken;
    const rows: Struct[] = [];
    const meta: (Struct | undefined)[] | undefined = taken.meta === undefined ? undefined : [];
    const started = performance.now();
    for (let i = 0; i < taken.rows.length; i++) {
      metrics.recordsIn++;
      try {
        rows.push(this.#validate!(taken.rows[i]!));
        meta?.push(taken.meta![i]);
        metrics.recordsOut++;
        metrics.passed++;
      } catch (error) {
        this.#bad(error, metrics, time);
      }
      metrics.processed++;
    }
    metrics.lastInvocation = time;
    const tookMs = performance.now() - started;
    this.spentMs += tookMs;
    metrics.latencyUs = Math.round(tookMs * 1000);
    return { rows, meta };
  }

  #decodeInto(rows: Struct[], payload: Uint8Array | PayloadSlice, time: number): void {
    const unpacked = this.#options.unpack === undefined ? payload : this.#unpacked(payload, time);
    if (unpacked === undefined) return;
    const metrics = this.decoderMetrics!;
    metrics.recordsIn++;
    metrics.lastInvocation = time;
    try {
      const decoder = this.#decoder!;
      const decoded = unpacked instanceof Uint8Array
        ? decoder.decode(unpacked)
        : decoder.decode(unpacked.bytes, unpacked.start, unpacked.end);
      metrics.recordsOut += decoded.length;
      metrics.passed++;
      if (this.#decodeColumn === undefined) { for (const row of decoded) rows.push(row); }
      else for (const row of decoded) this.#decodeColumnInto(rows, row, time);
    } catch (error) {
      this.#bad(error, metrics, time);
    }
    metrics.processed++;
  }

  #unpacked(payload: Uint8Array | PayloadSlice, time: number): Uint8Array | undefined {
    const metrics = this.unpackMetrics!;
    const bytes = payload instanceof Uint8Array ? payload : payload.bytes.subarray(payload.start, payload.end);
    metrics.recordsIn++;
    metrics.lastInvocation = time;
    try {
      const unpacked = this.#options.unpack!(bytes);
      metrics.recordsOut++;
      metrics.passed++;
      return unpacked;
    } catch (error) {
      this.#bad(error, metrics, time);
      return undefined;
    } finally {
      metrics.processed++;
    }
  }

  #decodeColumnInto(rows: Struct[], row: Struct, time: number): void {
    if (this.#decodeColumn === undefined) return void rows.push(row);
    const metrics = this.columnDecoderMetrics!;
    metrics.recordsIn++;
    metrics.lastInvocation = time;
    try {
      const decoded = this.#decodeColumn(row);
      metrics.recordsOut += decoded.length;
      metrics.passed++;
      for (const each of decoded) rows.push(each);
    } catch (error) {
      this.#bad(error, metrics, time);
    }
    metrics.processed++;
  }

  #bad(error: unknown, metrics: NodeMetrics, time: number): void {
    const rowError = error instanceof RowError ? error : new RowError("E501", String(error), { cause: error });
    metrics.fail(`${rowError.code}: ${rowError.message}`, time);
    metrics.lose(rowError.code, 1);
    this.#options.onBad(rowError);
  }
}
