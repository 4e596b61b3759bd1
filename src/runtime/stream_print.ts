/**
 * A stream definition in the forms that the admin interface shows: JSON, the DESCRIBE text, a schema.
 * @module
 */
import type { ColumnType, Literal } from "../sql/ast.ts";
import { printLiteral } from "../sql/print.ts";
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

/** The answer to DESCRIBE: the columns with their defaults, then the options that were set. */
export function describeText(definition: StreamDefinition): string {
  const columns = (definition.columns ?? []).map(({ name, type, default: fallback }) => {
    const ending = fallback === undefined ? "" : `\tdefault ${printLiteral(fallback.value)}`;
    return `${name.name}\t${typeText(type)}${ending}`;
  });
  const options = optionNames
    .filter(([key]) => (definition.written[key] ?? "") !== "")
    .map(([key]) => `${key}: ${key === "VERSION" ? definition.options.version : definition.written[key]}`);
  return ["Fields", "-".repeat(80), ...columns, "", ...options].join("\n") + "\n";
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
