/**
 * The streams and tables of a case.
 * @module
 */
import { diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { Catalog, SourceSchema } from "../sql/catalog.ts";
import { parseStatement } from "../sql/parse.ts";
import { schemaOf } from "../runtime/source_schema.ts";
import { defineStream, type StreamDefinition } from "../runtime/stream_definition.ts";

/** A catalogue of CREATE statements; without one, of the schemaless stream `demo`. */
export class CaseCatalog implements Catalog {
  readonly definitions = new Map<string, StreamDefinition>();

  /** @throws {DiagnosticError} what is wrong with a statement. */
  constructor(statements: readonly string[]) {
    const texts = statements.length === 0 ? ["CREATE STREAM demo () WITH ()"] : statements;
    for (const text of texts) {
      const statement = parseStatement(text);
      if (statement.kind !== "create") {
        const span = { start: text.search(/\S/), end: text.length };
        throw new DiagnosticError([diagnostic("E703", "Expected CREATE STREAM or CREATE TABLE", { span })], text);
      }
      const definition = defineStream(statement, text);
      this.definitions.set(definition.name, definition);
    }
  }

  source(name: string): SourceSchema | undefined {
    const definition = this.definitions.get(name);
    return definition === undefined ? undefined : schemaOf(definition);
  }

  sourceNames(): Iterable<string> {
    return this.definitions.keys();
  }
}
