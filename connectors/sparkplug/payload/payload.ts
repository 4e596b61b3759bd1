/**
 * Payloads of Sparkplug B as their schema (`sparkplug_b.proto`) has them, before data types give their values a meaning.
 * @module
 */
import { gunzipSync, inflateSync } from "node:zlib";
import { BadPayload, WireReader } from "./wire_reader.ts";

/** A value with the field that it came in: the same number means another value in another data type. */
export type RawValue =
  | { readonly in: "int" | "long"; readonly value: bigint }
  | { readonly in: "float" | "double"; readonly value: number }
  | { readonly in: "boolean"; readonly value: boolean }
  | { readonly in: "string"; readonly value: string }
  | { readonly in: "bytes"; readonly value: Uint8Array }
  | { readonly in: "dataset"; readonly value: RawDataSet }
  | { readonly in: "template"; readonly value: RawTemplate }
  | { readonly in: "properties"; readonly value: RawProperties }
  | { readonly in: "property list"; readonly value: readonly RawProperties[] }
  | { readonly in: "extension"; readonly value: null };

export interface RawMetric {
  readonly name?: string;
  readonly alias?: bigint;
  readonly timestamp?: bigint;
  readonly datatype?: number;
  readonly isHistorical?: boolean;
  readonly isTransient?: boolean;
  readonly isNull?: boolean;
  readonly properties?: RawProperties;
  readonly value?: RawValue;
}

export interface RawPayload {
  readonly timestamp?: bigint;
  readonly metrics: readonly RawMetric[];
  readonly seq?: bigint;
  readonly uuid?: string;
  readonly body?: Uint8Array;
}

export interface RawDataSet {
  readonly columns: readonly string[];
  readonly types: readonly number[];
  readonly rows: readonly (readonly (RawValue | undefined)[])[];
}

export interface RawTemplate {
  readonly ref?: string;
  readonly version?: string;
  readonly isDefinition: boolean;
  readonly metrics: readonly RawMetric[];
  readonly parameters: readonly RawParameter[];
}

export interface RawParameter {
  readonly name?: string;
  readonly type?: number;
  readonly value?: RawValue;
}

export interface RawProperties {
  readonly keys: readonly string[];
  readonly values: readonly { readonly type?: number; readonly isNull?: boolean; readonly value?: RawValue }[];
}

/** Templates and properties may hold others. */
const depthMax = 32;

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** The `uuid` of a payload whose `body` is another one, compressed. */
const compressedMark = "SPBV1.0_COMPRESSED";
/** What a compressed payload may become. */
const inflatedBytesMax = 16 * 1024 * 1024;

/**
 * A compressed payload gives what is in it.
 *
 * @throws {BadPayload}
 */
export function decodePayload(bytes: Uint8Array): RawPayload {
  const payload = decodePlain(bytes);
  if (payload.uuid !== compressedMark || payload.body === undefined) return payload;
  const { timestamp = payload.timestamp, seq = payload.seq, ...inner } = decodePlain(inflated(payload));
  return { ...inner, ...(timestamp === undefined ? {} : { timestamp }), ...(seq === undefined ? {} : { seq }) };
}

function inflated({ body, metrics }: RawPayload): Uint8Array {
  const algorithm = metrics.find(({ name }) => name === "algorithm")?.value?.value ?? "DEFLATE";
  const limit = { maxOutputLength: inflatedBytesMax };
  try {
    if (algorithm === "GZIP") return gunzipSync(body!, limit);
    if (algorithm === "DEFLATE") return inflateSync(body!, limit);
  } catch (error) {
    throw new BadPayload(`the payload cannot be decompressed: ${(error as Error).message}`);
  }
  throw new BadPayload(`the payload is compressed with ${JSON.stringify(algorithm)}: wanted GZIP or DEFLATE`);
}

function decodePlain(bytes: Uint8Array): RawPayload {
  const reader = new WireReader(bytes);
  const metrics: RawMetric[] = [];
  const payload: Writable<RawPayload> = { metrics };
  while (reader.next()) {
    if (reader.field === 1) payload.timestamp = BigInt.asIntN(64, reader.uint());
    else if (reader.field === 2) metrics.push(decodeMetric(reader.bytes(), 1));
    else if (reader.field === 3) payload.seq = BigInt.asIntN(64, reader.uint());
    else if (reader.field === 4) payload.uuid = reader.text();
    else if (reader.field === 5) payload.body = reader.bytes();
    else reader.skip();
  }
  return payload;
}

function decodeMetric(bytes: Uint8Array, depth: number): RawMetric {
  checkDepth(depth);
  const reader = new WireReader(bytes);
  const metric: Writable<RawMetric> = {};
  while (reader.next()) {
    if (reader.field === 1) metric.name = reader.text();
    else if (reader.field === 2) metric.alias = reader.uint();
    else if (reader.field === 3) metric.timestamp = BigInt.asIntN(64, reader.uint());
    else if (reader.field === 4) metric.datatype = Number(reader.uint());
    else if (reader.field === 5) metric.isHistorical = reader.boolean();
    else if (reader.field === 6) metric.isTransient = reader.boolean();
    else if (reader.field === 7) metric.isNull = reader.boolean();
    else if (reader.field === 9) metric.properties = decodeProperties(reader.bytes(), depth + 1);
    else if (reader.field === 16) metric.value = { in: "bytes", value: reader.bytes() };
    else if (reader.field === 17) metric.value = { in: "dataset", value: decodeDataSet(reader.bytes()) };
    else if (reader.field === 18) metric.value = { in: "template", value: decodeTemplate(reader.bytes(), depth + 1) };
    else if (reader.field >= 10 && reader.field <= 19) metric.value = decodeScalar(reader, reader.field - 10);
    else reader.skip();
  }
  return metric;
}

/** The six plain kinds of value, which stand in this order wherever there are values; else an extension. */
function decodeScalar(reader: WireReader, index: number): RawValue {
  switch (index) {
    case 0:
      return { in: "int", value: reader.uint() };
    case 1:
      return { in: "long", value: reader.uint() };
    case 2:
      return { in: "float", value: reader.float() };
    case 3:
      return { in: "double", value: reader.double() };
    case 4:
      return { in: "boolean", value: reader.boolean() };
    case 5:
      return { in: "string", value: reader.text() };
    default:
      reader.skip();
      return { in: "extension", value: null };
  }
}

function decodeProperties(bytes: Uint8Array, depth: number): RawProperties {
  checkDepth(depth);
  const reader = new WireReader(bytes);
  const keys: string[] = [];
  const values: RawProperties["values"][number][] = [];
  while (reader.next()) {
    if (reader.field === 1) keys.push(reader.text());
    else if (reader.field === 2) values.push(decodeProperty(reader.bytes(), depth));
    else reader.skip();
  }
  if (keys.length !== values.length) {
    throw new BadPayload(`${keys.length} properties have ${values.length} values`);
  }
  return { keys, values };
}

function decodeProperty(bytes: Uint8Array, depth: number): RawProperties["values"][number] {
  const reader = new WireReader(bytes);
  const property: Writable<RawProperties["values"][number]> = {};
  while (reader.next()) {
    if (reader.field === 1) property.type = Number(reader.uint());
    else if (reader.field === 2) property.isNull = reader.boolean();
    else if (reader.field === 9) {
      property.value = { in: "properties", value: decodeProperties(reader.bytes(), depth + 1) };
    } else if (reader.field === 10) {
      property.value = { in: "property list", value: decodePropertyList(reader.bytes(), depth + 1) };
    } else if (reader.field >= 3 && reader.field <= 11) property.value = decodeScalar(reader, reader.field - 3);
    else reader.skip();
  }
  return property;
}

function decodePropertyList(bytes: Uint8Array, depth: number): RawProperties[] {
  const reader = new WireReader(bytes);
  const sets: RawProperties[] = [];
  while (reader.next()) {
    if (reader.field === 1) sets.push(decodeProperties(reader.bytes(), depth + 1));
    else reader.skip();
  }
  return sets;
}

function decodeDataSet(bytes: Uint8Array): RawDataSet {
  const reader = new WireReader(bytes);
  const columns: string[] = [];
  const types: number[] = [];
  const rows: (RawValue | undefined)[][] = [];
  while (reader.next()) {
    if (reader.field === 2) columns.push(reader.text());
    else if (reader.field === 3) decodeTypes(reader, types);
    else if (reader.field === 4) rows.push(decodeDataSetRow(reader.bytes()));
    else reader.skip();
  }
  const wrong = rows.find((row) => row.length !== columns.length);
  if (wrong !== undefined || types.length !== columns.length) {
    throw new BadPayload(`a data set of ${columns.length} columns has ${(wrong ?? types).length} types or values`);
  }
  return { columns, types, rows };
}

/** Repeated numbers come one by one, or packed by newer writers. */
function decodeTypes(reader: WireReader, types: number[]): void {
  if (reader.type === "varint") return void types.push(Number(reader.uint()));
  const packed = new WireReader(reader.bytes());
  while (!packed.isAtEnd) types.push(Number(packed.plainVarint()));
}

function decodeDataSetRow(bytes: Uint8Array): (RawValue | undefined)[] {
  const reader = new WireReader(bytes);
  const row: (RawValue | undefined)[] = [];
  while (reader.next()) {
    if (reader.field !== 1) {
      reader.skip();
      continue;
    }
    const element = new WireReader(reader.bytes());
    let value: RawValue | undefined;
    while (element.next()) {
      if (element.field >= 1 && element.field <= 7) value = decodeScalar(element, element.field - 1);
      else element.skip();
    }
    row.push(value);
  }
  return row;
}

function decodeTemplate(bytes: Uint8Array, depth: number): RawTemplate {
  checkDepth(depth);
  const reader = new WireReader(bytes);
  const metrics: RawMetric[] = [];
  const parameters: RawParameter[] = [];
  const template: Writable<RawTemplate> = { isDefinition: false, metrics, parameters };
  while (reader.next()) {
    if (reader.field === 1) template.version = reader.text();
    else if (reader.field === 2) metrics.push(decodeMetric(reader.bytes(), depth + 1));
    else if (reader.field === 3) parameters.push(decodeParameter(reader.bytes()));
    else if (reader.field === 4) template.ref = reader.text();
    else if (reader.field === 5) template.isDefinition = reader.boolean();
    else reader.skip();
  }
  return template;
}

function decodeParameter(bytes: Uint8Array): RawParameter {
  const reader = new WireReader(bytes);
  const parameter: Writable<RawParameter> = {};
  while (reader.next()) {
    if (reader.field === 1) parameter.name = reader.text();
    else if (reader.field === 2) parameter.type = Number(reader.uint());
    else if (reader.field >= 3 && reader.field <= 9) parameter.value = decodeScalar(reader, reader.field - 3);
    else reader.skip();
  }
  return parameter;
}

function checkDepth(depth: number): void {
  if (depth > depthMax) throw new BadPayload(`templates or properties are nested more than ${depthMax} deep`);
}
