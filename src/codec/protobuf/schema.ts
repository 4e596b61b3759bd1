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
    columns: columnsOf(type, { count: 0, depth: 0 }),
    createDecoder: (options) => createMessageDecoder(type, options),
    createEncoder: () => createMessageEncoder(type),
  };
}

/** Messages that hold each other would have no end, and those that hold others twice very many columns. */
const columnsMax = 2000;
const depthMax = 32;

/** How many columns were made so far, and the messages around. */
interface Shown {
  count: number;
  depth: number;
}

/** Messages beyond the limits show no columns. */
function columnsOf(type: MessageType, shown: Shown): Column[] {
  if (shown.count > 0 && (shown.count + type.fields.length > columnsMax || shown.depth >= depthMax)) return [];
  shown.count += type.fields.length;
  shown.depth++;
  const columns = type.fields.map((field) => ({ name: field.name, type: columnType(field, shown) }));
  shown.depth--;
  return columns;
}

function columnType({ form, element }: Field, shown: Shown): ColumnType {
  if (form === "map") return { kind: "struct", columns: [] };
  const type = elementType(element, shown);
  return form === "list" ? { kind: "array", element: type } : type;
}

function elementType(element: ElementType, shown: Shown): ColumnType {
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
