/**
 * From a rule's results to what a sink gets: `dataTemplate`, `dataField`, then `fields` or `excludeFields`, then single
 * rows or lists.
 * @module
 */
import type { Encoder } from "../codec/codec.ts";
import { JsonSyntaxError, parseJsonPrecisely } from "../codec/json_parse.ts";
import type { MessageSettings, Payload } from "../connector/sink.ts";
import { RowError } from "../diagnostics/row_error.ts";
import type { Template } from "../template/template.ts";
import { getOwn, isStruct, kindOf, setOwn, type Struct, type Value } from "../value/value.ts";
import type { ActionSettings } from "./action_settings.ts";
import { AddressedItem, type Body } from "./addressed_item.ts";
import type { Item } from "./send_queue.ts";

/**
 * Turns one result, an unordered row or the list of a window, into the messages of a sink. `ofEmptyWindow` is true for a
 * window without rows, whose aggregates still make one row.
 */
export type ResultTransform = (rows: readonly Struct[], ofEmptyWindow?: boolean) => Item[];

/** How messages are made. */
export interface ItemForms {
  readonly single: (row: Struct) => Body;
  readonly whole: (rows: readonly Struct[]) => Body;
  /** The text of a template as it is; absent where that must be read as JSON first. */
  readonly text?: (text: string) => Body;
}

/** Messages as payloads. */
export function payloadForms(encoder: Encoder): ItemForms {
  return {
    single: (row) => encoder.encodeRow(row),
    whole: (rows) => encoder.encodeRows(rows),
    text: (text) => text,
  };
}

/** Messages as rows. */
export const rowForms: ItemForms = { single: (row) => [row], whole: (rows) => rows };

/**
 * Messages that become payloads only when they are sent: lists with one struct, which holds a row or, for a message that
 * is a list, rows. {@linkcode encodeLate} knows them.
 */
export const lateForms: ItemForms = { single: (row) => [{ row }], whole: (rows) => [{ rows: rows as Struct[] }] };

/** Messages whose payloads are changed again: compressed, encrypted. */
export function packedForms(forms: ItemForms, pack: (payload: Payload) => Payload): ItemForms {
  const { text } = forms;
  return {
    single: (row) => pack(forms.single(row) as Payload),
    whole: (rows) => pack(forms.whole(rows) as Payload),
    ...(text === undefined ? {} : { text: (each) => pack(text(each) as Payload) }),
  };
}

/**
 * The payload of a message of {@linkcode lateForms}.
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

export type Shaping = Pick<ActionSettings, "sendSingle" | "omitIfEmpty" | "fields" | "excludeFields" | "dataField">;

export interface Templates {
  /** That of `dataTemplate`. */
  readonly data?: Template | undefined;
  /** Fills in the settings of the sink that hold templates. */
  readonly settings?: ((data: Struct | Struct[]) => MessageSettings) | undefined;
}

/** True when what a template gives is changed again. */
export function shapesData({ dataField, fields, excludeFields }: Shaping): boolean {
  return dataField !== "" || fields.length > 0 || excludeFields.length > 0;
}

export function resultTransform(
  settings: Shaping,
  forms: ItemForms,
  { data: template, settings: fill }: Templates = {},
): ResultTransform {
  const shape = shaper(settings, forms);
  if (template === undefined && fill === undefined) return shape;
  const { sendSingle, omitIfEmpty } = settings;
  // Whatever the template was given: an object is sent as one, and a list as one.
  const shapeObject = shaper({ ...settings, sendSingle: true }, forms);
  const shapeList = shaper({ ...settings, sendSingle: false }, forms);
  const keepsText = forms.text !== undefined && !shapesData(settings);
  /** The messages of what a template sees: a row, or a list. */
  const made = (data: Struct | readonly Struct[], ofEmptyWindow?: boolean): Item[] => {
    const rows = Array.isArray(data) ? data as readonly Struct[] : [data as Struct];
    if (template === undefined) return shape(rows, ofEmptyWindow);
    const text = template(data as Struct | Struct[]);
    if (omitIfEmpty && text.trim() === "") return [];
    if (keepsText) return [forms.text!(text)];
    const read = readText(text);
    return Array.isArray(read) ? shapeList(read) : shapeObject([read]);
  };
  return (rows, ofEmptyWindow) => {
    if (omitIfEmpty && (ofEmptyWindow === true || rows.length === 0)) return [];
    const parts: readonly (Struct | readonly Struct[])[] = sendSingle ? rows : [rows];
    return parts.flatMap((data) => {
      const items = made(data, ofEmptyWindow);
      if (fill === undefined || items.length === 0) return items;
      const own = fill(data as Struct | Struct[]);
      return items.map((item) => new AddressedItem(item as Body, own));
    });
  };
}

/** @throws {RowError} E516 */
function readText(text: string): Struct | Struct[] {
  const wanted =
    "what it makes must be a JSON object or a list of them, as it is changed again or goes to a sink that takes rows";
  let value: Value;
  try {
    value = parseJsonPrecisely(text, "wide");
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new RowError("E516", `Template failed: ${wanted}: ${error.message}`);
  }
  if (isStruct(value)) return value;
  if (Array.isArray(value) && value.every(isStruct)) return value;
  throw new RowError("E516", `Template failed: ${wanted}: found ${kindOf(value)}`);
}

function shaper(settings: Shaping, { single, whole }: ItemForms): ResultTransform {
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
