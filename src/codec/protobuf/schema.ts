/**
 * A message of a .proto file as the schema of a stream or an action.
 * @module
 */
import type { Column, ColumnType, MessageSchema } from "../codec.ts";
import { createMessageDecoder } from "./decode.ts";
import { createMessageEncoder } from "./encode.ts";
import type { ElementType, Field, MessageType } from "./message_type.ts";
import { wellKnown } from "./well_known.ts";

/** @param id `file.Message` */
export function messageSchema(id: string, type: MessageType): MessageSchema {
  return {
    id,
    columns: columnsOf(type, { count: 0 }),
    createDecoder: (options) => createMessageDecoder(type, options),
    createEncoder: () => createMessageEncoder(type),
  };
}

/** Messages that hold each other would have no end, and those that hold others twice very many columns. */
const columnsMax = 2000;

/** @param shown how many columns were made so far; messages beyond the limit show none */
function columnsOf(type: MessageType, shown: { count: number }): Column[] {
  if (shown.count > 0 && shown.count + type.fields.length > columnsMax) return [];
  shown.count += type.fields.length;
  return type.fields.map((field) => ({ name: field.name, type: columnType(field, shown) }));
}

function columnType({ form, element }: Field, shown: { count: number }): ColumnType {
  if (form === "map") return { kind: "struct", columns: [] };
  const type = elementType(element, shown);
  return form === "list" ? { kind: "array", element: type } : type;
}

function elementType(element: ElementType, shown: { count: number }): ColumnType {
  switch (element.kind) {
    case "message":
      return wellKnown.get(element.type.name)?.column ??
        { kind: "struct", columns: columnsOf(element.type, shown) };
    case "string":
      return { kind: "string" };
    case "bytes":
      return { kind: "bytea" };
    case "bool":
      return { kind: "boolean" };
    case "double":
    case "float":
      return { kind: "float" };
    default:
      return { kind: "bigint" };
  }
}
