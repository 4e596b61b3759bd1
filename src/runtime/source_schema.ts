/**
 * A stream or table as SQL sees it.
 * @module
 */
import type { SourceSchema } from "../sql/catalog.ts";
import type { StreamDefinition } from "./stream_definition.ts";

export function schemaOf(stream: StreamDefinition): SourceSchema {
  const { options } = stream;
  return {
    name: stream.name,
    kind: stream.target === "stream" ? "stream" : options.kind === "lookup" ? "lookup_table" : "scan_table",
    columns: stream.columns,
    strictValidation: options.strictValidation,
    ...(options.format === "delimited" || options.format === "urlencoded" ? { givesText: true } : {}),
    timestamp: options.timestamp,
    timestampFormat: options.timestampFormat,
    ...(stream.target === "table" && options.kind === "scan" ? { retainSize: options.retainSize } : {}),
  };
}
