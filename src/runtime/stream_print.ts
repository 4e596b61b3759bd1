/**
 * A stream definition in the forms that the admin interface shows: JSON, the DESCRIBE text, a schema.
 * @module
 */
import type { ColumnType, Literal } from "../sql/ast.ts";
import { printLiteral } from "../sql/print.ts";
import { kindOf, type Struct, type Value } from "../value/value.ts";
import type { StreamDefinition, StreamOptionKey } from "./stream_definition.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

type FieldType = string | { readonly [key: string]: Json };

/** The keys of `Options` in the order they are printed, with how a value is shown. */
const optionNames: readonly [StreamOptionKey, string, "text" | "flag" | "number"][] = [
  ["DATASOURCE", "datasource", "text"],
  ["KEY", "key", "text"],
  ["FORMAT", "format", "text"],
  ["CONF_KEY", "confKey", "text"],
  ["TYPE", "type", "text"],
  ["STRICT_VALIDATION", "strictValidation", "flag"],
  ["TIMESTAMP", "timestamp", "text"],
  ["TIMESTAMP_FORMAT", "timestampFormat", "text"],
  ["SHARED", "shared", "flag"],
  ["SCHEMAID", "schemaid", "text"],
  ["VERSION", "version", "text"],
  ["EXTRA", "extra", "text"],
  ["TEMP", "temp", "flag"],
  ["RETAIN_SIZE", "retainSize", "number"],
  ["KIND", "kind", "text"],
  ["DELIMITER", "delimiter", "text"],
];

function isTrue(written: string): boolean {
  return written.toLowerCase() === "true" || written === "1";
}

function fieldType(type: ColumnType): FieldType {
  switch (type.kind) {
    case "array":
      return { Type: "array", ElementType: fieldType(type.element) };
    case "struct":
      return {
        Type: "struct",
        Fields: type.columns.map((column) => ({
          Name: column.name,
          FieldType: fieldType(column.type),
          ...(column.default === undefined ? {} : { DefaultClause: literalJson(column.default) }),
        })),
      };
    default:
      return type.kind;
  }
}

function defaultText(value: Literal["value"] | undefined): string {
  return value === undefined ? "" : ` default ${printLiteral(value)}`;
}

/** A type as it is written in SQL, in lower case: `array(struct(a bigint))`. */
export function typeText(type: ColumnType): string {
  switch (type.kind) {
    case "array":
      return `array(${typeText(type.element)})`;
    case "struct":
      return `struct(${
        type.columns.map((column) => `${column.name} ${typeText(column.type)}${defaultText(column.default)}`).join(", ")
      })`;
    default:
      return type.kind;
  }
}

function literalJson(value: bigint | number | string | boolean): Json {
  return typeof value === "bigint" ? Number(value) : value;
}

/** The body of `GET /streams/{name}`. Unset options, and flags that are off, are left out. */
export function definitionJson(definition: StreamDefinition): Json {
  const options: Record<string, Json> = {};
  for (const [key, name, form] of optionNames) {
    const written = definition.written[key];
    if (written === undefined || written === "") continue;
    if (form === "text") options[name] = key === "VERSION" ? written.toLowerCase() : written;
    else if (form === "number") options[name] = Number(written);
    else if (isTrue(written)) options[name] = true;
  }
  return {
    Name: definition.name,
    StreamFields: definition.columns?.map((column) => ({
      Name: column.name.name,
      FieldType: fieldType(column.type),
      ...(column.default === undefined ? {} : { DefaultClause: literalJson(column.default.value) }),
    })) ?? null,
    Options: options,
    StreamType: definition.target === "stream" ? 0 : 1,
    Statement: null,
  };
}

/** What is known of a stream without columns, from the rules that read it. */
export interface SeenColumns {
  /** The columns that they need. */
  readonly wanted: readonly string[];
  /** The newest row that they have; empty when there was none. */
  readonly row: Struct;
}

/**
 * The answer to DESCRIBE: the columns with their defaults, then the options that were set. Without declared columns,
 * those of the newest row, and the ones that rules need.
 */
export function describeText(definition: StreamDefinition, seen: SeenColumns = { wanted: [], row: {} }): string {
  const columns = definition.columns?.map(({ name, type, default: fallback }) => {
    const ending = fallback === undefined ? "" : `\tdefault ${printLiteral(fallback.value)}`;
    return `${name.name}\t${typeText(type)}${ending}`;
  }) ?? seenColumns(seen);
  const options = optionNames
    .filter(([key]) => (definition.written[key] ?? "") !== "")
    .map(([key]) => `${key}: ${key === "VERSION" ? definition.options.version : definition.written[key]}`);
  return ["Fields", "-".repeat(80), ...columns, "", ...options].join("\n") + "\n";
}

/** Columns at each level, and levels, that are shown of a row. */
const seenColumnsMax = 200;
const seenDepthMax = 3;

function seenColumns({ wanted, row }: SeenColumns, depth = 0): string[] {
  const names = [...new Set([...Object.keys(row), ...wanted])].sort().slice(0, seenColumnsMax);
  return names.map((name) => `${name}\t${seenType(Object.hasOwn(row, name) ? row[name] : undefined, depth)}`);
}

/** The type that a column of such values would have; of a list, that of its first item. */
function seenType(value: Value, depth: number): string {
  const kind = kindOf(value);
  switch (kind) {
    case "int":
      return "bigint";
    case "null":
      return "unknown";
    case "array":
      return depth < seenDepthMax ? `array(${seenType((value as Value[])[0], depth + 1)})` : kind;
    case "struct": {
      if (depth >= seenDepthMax) return kind;
      const columns = seenColumns({ wanted: [], row: value as Struct }, depth + 1);
      return `struct(${columns.join(", ").replaceAll("\t", " ")})`;
    }
    default:
      return kind;
  }
}

function schemaOf(type: ColumnType): Json {
  switch (type.kind) {
    case "array":
      return { type: "array", items: schemaOf(type.element) };
    case "struct":
      return {
        type: "struct",
        properties: Object.fromEntries(type.columns.map((column) => [column.name, schemaOf(column.type)])),
      };
    default:
      return { type: type.kind };
  }
}

/**
 * The body of `GET /streams/{name}/schema`: the declared columns, else the `wanted` ones of running rules, else null.
 */
export function schemaJson(definition: StreamDefinition, wanted: readonly string[] = []): Json {
  if (definition.columns !== undefined) {
    return Object.fromEntries(definition.columns.map((column) => {
      const schema = schemaOf(column.type) as { readonly [key: string]: Json };
      if (column.default === undefined) return [column.name.name, schema];
      return [column.name.name, { ...schema, default: literalJson(column.default.value) }];
    }));
  }
  return wanted.length === 0 ? null : Object.fromEntries([...wanted].sort().map((name) => [name, null]));
}
