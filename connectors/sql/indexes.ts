/**
 * The index columns of a source, out of its settings.
 * @module
 */
import { refuseSetting } from "../../src/connector/settings.ts";
import { compilePattern } from "../../src/value/datetime_text.ts";
import { timeText } from "./bind.ts";
import type { Dialect } from "./dsn.ts";
import type { SourceIndex } from "./source.ts";

/** One index column as a user writes it. */
export interface IndexSettings {
  readonly indexField?: string | undefined;
  readonly indexValue?: string | number | boolean | undefined;
  readonly indexFieldType?: string | undefined;
  readonly dateTimeFormat?: string | undefined;
}

/** @throws {DiagnosticError} E403 for a value that is not written in its own format. */
export function indexesOf(
  settings: IndexSettings & { readonly indexFields?: readonly IndexSettings[] },
  dialect: Dialect,
): SourceIndex[] {
  const { indexField, indexFields = [] } = settings;
  const single = indexField === undefined || indexField === "" ? [] : [settings];
  if (single.length > 0 && indexFields.length > 0) {
    refuseSetting("indexFields", '"indexField" and "indexFields" cannot be used together');
  }
  const indexes = [...single, ...indexFields].map((each): SourceIndex => ({
    name: each.indexField!,
    from: valueOf(each, dialect),
  }));
  const names = indexes.map(({ name }) => name.toLowerCase());
  if (new Set(names).size < names.length) refuseSetting("indexFields", "An index column is named twice");
  return indexes;
}

function valueOf(
  { indexField, indexValue, indexFieldType, dateTimeFormat }: IndexSettings,
  dialect: Dialect,
): SourceIndex["from"] {
  if (indexValue === undefined || indexValue === "") return undefined;
  if (typeof indexValue === "boolean") return String(indexValue);
  if (typeof indexValue === "number") return Number.isSafeInteger(indexValue) ? BigInt(indexValue) : indexValue;
  const isTime = indexFieldType?.toUpperCase() === "DATETIME";
  // A file may hold datetimes in any form; they are compared as the texts they are.
  if (!isTime || dateTimeFormat === undefined || dateTimeFormat === "" || dialect === "sqlite") return indexValue;
  let time: ReturnType<ReturnType<typeof compilePattern>["read"]>;
  try {
    time = compilePattern(dateTimeFormat).read(indexValue, "UTC", 0);
  } catch (error) {
    refuseSetting("dateTimeFormat", `Cannot read the dateTimeFormat of "${indexField}": ${(error as Error).message}`);
  }
  if (time === undefined) {
    refuseSetting(
      "indexValue",
      `Cannot read ${JSON.stringify(indexValue)} as a datetime in the form ${dateTimeFormat}`,
    );
  }
  return timeText(dialect, time);
}
