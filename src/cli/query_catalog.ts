/**
 * The streams and tables of `weir query`, and the files with their rows.
 * @module
 */
import { schemaOf } from "../runtime/source_schema.ts";
import { defineStream, type StreamDefinition } from "../runtime/stream_definition.ts";
import type { Catalog, SourceSchema } from "../sql/catalog.ts";
import { splitStatements } from "../sql/split_statements.ts";
import { parseStatement } from "../sql/parse.ts";
import { type Arguments, UsageError } from "./command.ts";

export interface Input {
  /** The stream or table. */
  readonly stream: string;
  /** `-` is standard input. */
  readonly file: string;
}

/** @throws {UsageError} */
export function readInputs(args: Arguments): Input[] {
  const inputs = args.texts("stream").map((text) => {
    const at = text.indexOf("=");
    if (at < 1 || at === text.length - 1) {
      throw new UsageError(`--stream ${JSON.stringify(text)}: expected NAME=FILE, such as demo=rows.ndjson`);
    }
    return { stream: text.slice(0, at), file: text.slice(at + 1) };
  });
  if (inputs.length === 0) throw new UsageError("no rows to read: give --stream NAME=FILE", "- is standard input");
  if (inputs.filter(({ file }) => file === "-").length > 1) {
    throw new UsageError("standard input can be read only once");
  }
  return inputs;
}

/** Streams and tables of `--create`, and a schemaless stream for every other name of `--stream`. */
export class QueryCatalog implements Catalog {
  readonly missingHint = "give its rows with --stream NAME=FILE";
  /** Undefined for a stream that only `--stream` names. */
  readonly definitions = new Map<string, StreamDefinition | undefined>();
  readonly #eventTime: string | undefined;

  /** @throws {UsageError | DiagnosticError} what is wrong with `--create`. */
  constructor(args: Arguments, inputs: readonly Input[]) {
    this.#eventTime = args.text("event-time");
    for (const { stream } of inputs) this.definitions.set(stream, undefined);
    for (const text of args.texts("create").flatMap(splitStatements)) {
      const statement = parseStatement(text);
      if (statement.kind !== "create") {
        throw new UsageError(`--create takes CREATE STREAM and CREATE TABLE statements, found ${statement.kind}`);
      }
      const definition = defineStream(statement, text);
      this.definitions.set(definition.name, definition);
    }
  }

  source(name: string): SourceSchema | undefined {
    if (!this.definitions.has(name)) return undefined;
    const definition = this.definitions.get(name);
    const schema: SourceSchema = definition === undefined ? schemaless(name) : schemaOf(definition);
    // A table has no event time: its rows are there from the moment they arrive.
    return schema.kind === "stream" ? { ...schema, timestamp: this.#eventTime ?? schema.timestamp } : schema;
  }

  sourceNames(): Iterable<string> {
    return this.definitions.keys();
  }
}

function schemaless(name: string): SourceSchema {
  return {
    name,
    kind: "stream",
    columns: undefined,
    strictValidation: false,
    timestamp: undefined,
    timestampFormat: undefined,
  };
}
