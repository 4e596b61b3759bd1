/**
 * Streams and actions whose format needs a schema: where it comes from, and the columns that it gives.
 * @module
 */
import type { Codec, MessageSchema } from "../codec/codec.ts";
import { codecOf } from "../codec/codecs.ts";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import type { ColumnDefinition } from "../sql/ast.ts";
import type { Schemas } from "./schemas.ts";
import type { StreamDefinition } from "./stream_definition.ts";

interface Known {
  readonly schema: MessageSchema;
  readonly stream: StreamDefinition;
}

const known = new WeakMap<StreamDefinition, Known>();

const nowhere = { start: 0, end: 0 };

/**
 * The stream with the columns of its schema in place of declared ones; itself where its format needs no schema. The same
 * object until the schema changes. A schema that cannot be had is told when a rule is prepared, not here.
 */
export function withSchema(stream: StreamDefinition, schemas: Schemas | undefined): StreamDefinition {
  const { format, schemaId } = stream.options;
  if (schemas === undefined || schemaId === undefined || !needsSchema(format)) return stream;
  const schema = schemaIfAny(schemaId, schemas);
  if (schema === undefined) return stream;
  const before = known.get(stream);
  if (before?.schema === schema) return before.stream;
  const described: StreamDefinition = Object.freeze({ ...stream, columns: columnsOf(schema), schema });
  known.set(stream, { schema, stream: described });
  return described;
}

/** Where the id of a schema stands, for messages. */
interface SchemaPlace {
  /** `SCHEMAID`, `schemaId` */
  readonly name: string;
  readonly path: string;
}

/**
 * The schema that a format cannot do without; undefined for one that needs none.
 *
 * @param schemaId undefined or "": none was given
 * @throws {DiagnosticError} E404 when none was given, E410 when it is not there
 */
export function requiredSchema(
  { format, schemaType }: Codec,
  schemaId: string | undefined,
  schemas: Schemas | undefined,
  { name, path }: SchemaPlace,
): MessageSchema | undefined {
  if (schemaType === undefined) return undefined;
  if (schemaId === undefined || schemaId === "") {
    const hint = "it is written file.Message, of a schema that was registered";
    fail("E404", `The format ${format} needs the setting ${name}`, { path, hint });
  }
  if (schemas === undefined) fail("E410", `There are no schemas here: only an agent keeps them`, { path });
  return schemas.message(schemaId, { path });
}

function needsSchema(format: string): boolean {
  // Formats that are not there yet are told when a rule is prepared.
  return format !== "custom" && codecOf(format).schemaType !== undefined;
}

function schemaIfAny(schemaId: string, schemas: Schemas): MessageSchema | undefined {
  try {
    return schemas.message(schemaId);
  } catch (error) {
    if (error instanceof DiagnosticError) return undefined;
    throw error;
  }
}

/** They stand nowhere in a text. */
function columnsOf({ columns }: MessageSchema): ColumnDefinition[] {
  return columns.map(({ name, type }) => ({
    kind: "column",
    span: nowhere,
    name: { kind: "identifier", span: nowhere, name },
    type: type as ColumnDefinition["type"],
    default: undefined,
  }));
}
