/**
 * From a rule's results to what a sink gets: `dataField`, then `fields` or `excludeFields`, then single rows or lists.
 * @module
 */
import type { Encoder } from "../codec/codec.ts";
import type { Payload } from "../connector/sink.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { getOwn, isStruct, kindOf, setOwn, type Struct } from "../value/value.ts";
import type { ActionSettings } from "./action_settings.ts";

/**
 * Turns one result, an unordered row or the list of a window, into the messages of a sink. `ofEmptyWindow` is true for a
 * window without rows, whose aggregates still make one row.
 */
export type ResultTransform<Item> = (rows: readonly Struct[], ofEmptyWindow?: boolean) => Item[];

type Shaping = Pick<ActionSettings, "sendSingle" | "omitIfEmpty" | "fields" | "excludeFields" | "dataField">;

/** Messages as payloads. */
export function payloadTransform(settings: Shaping, encoder: Encoder): ResultTransform<Payload> {
  return transform<Payload>(settings, (row) => encoder.encodeRow(row), (rows) => encoder.encodeRows(rows));
}

/** Messages as rows. */
export function rowTransform(settings: Shaping): ResultTransform<readonly Struct[]> {
  return transform<readonly Struct[]>(settings, (row) => [row], (rows) => rows);
}

/**
 * Messages that become payloads only when they are sent: lists with one struct, which holds a row or, for a message that
 * is a list, rows. {@linkcode encodeLate} knows them.
 */
export function lateTransform(settings: Shaping): ResultTransform<readonly Struct[]> {
  return transform<readonly Struct[]>(settings, (row) => [{ row }], (rows) => [{ rows: rows as Struct[] }]);
}

/**
 * The payload of a message of {@linkcode lateTransform}.
 *
 * @param mark a column that is set to true in each row
 * @throws {RowError} for what the format cannot say
 */
export function encodeLate([message]: readonly Struct[], encoder: Encoder, mark?: string): Payload {
  const { row, rows } = message as { readonly row?: Struct; readonly rows?: Struct[] };
  if (row !== undefined) return encoder.encodeRow(mark === undefined ? row : marked(row, mark));
  return encoder.encodeRows(mark === undefined ? rows! : rows!.map((each) => marked(each, mark)));
}

/** A row with a column more, which is true. */
export function marked(row: Struct, column: string): Struct {
  const copy = { ...row };
  setOwn(copy, column, true);
  return copy;
}

function transform<Item>(
  settings: Shaping,
  single: (row: Struct) => Item,
  whole: (rows: readonly Struct[]) => Item,
): ResultTransform<Item> {
  const columns = compileColumns(settings);
  const { sendSingle, omitIfEmpty, dataField } = settings;
  const dataMessage = (row: Struct): Item[] => {
    const data = dataOf(row, dataField);
    const isEmpty = Array.isArray(data) ? data.length === 0 : sendSingle && Object.keys(data).length === 0;
    if (omitIfEmpty && isEmpty) return [];
    if (!Array.isArray(data)) return [single(columns === undefined ? data : columns(data))];
    return [whole(columns === undefined ? data : data.map(columns))];
  };
  return (rows, ofEmptyWindow) => {
    if (omitIfEmpty && ofEmptyWindow === true) return [];
    if (dataField !== "" && rows.length > 0) return sendSingle ? rows.flatMap(dataMessage) : dataMessage(rows[0]!);
    const shaped = columns === undefined ? rows : rows.map(columns);
    if (sendSingle) {
      if (shaped.length === 1 && !omitIfEmpty) return [single(shaped[0]!)];
      const kept = omitIfEmpty ? shaped.filter((row) => Object.keys(row).length > 0) : shaped;
      return kept.map(single);
    }
    return omitIfEmpty && shaped.length === 0 ? [] : [whole(shaped)];
  };
}

/** Undefined when rows pass as they are. */
function compileColumns({ fields, excludeFields }: Shaping): ((row: Struct) => Struct) | undefined {
  if (fields.length > 0) return keepColumns(fields);
  return excludeFields.length > 0 ? dropColumns(excludeFields) : undefined;
}

function keepColumns(fields: readonly string[]): (row: Struct) => Struct {
  return (row) => {
    const kept: Struct = {};
    for (const name of fields) setOwn(kept, name, getOwn(row, name) ?? null);
    return kept;
  };
}

function dropColumns(excluded: readonly string[]): (row: Struct) => Struct {
  const names = new Set(excluded);
  return (row) => {
    const kept: Struct = {};
    for (const name of Object.keys(row)) if (!names.has(name)) setOwn(kept, name, row[name]);
    return kept;
  };
}

function dataOf(row: Struct, field: string): Struct | Struct[] {
  const data = getOwn(row, field);
  if (isStruct(data)) return data;
  if (Array.isArray(data) && data.every(isStruct)) return data;
  throw new RowError("E508", `dataField "${field}" must hold an object or a list of objects, found ${kindOf(data)}`);
}
