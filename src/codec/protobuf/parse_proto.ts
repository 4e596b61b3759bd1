/**
 * Reads .proto files. The parser is that of protobufjs; what it finds becomes the types that payloads are read by.
 *
 * This is the one module that loads the library.
 * @module
 */
import protobuf from "protobufjs";
import type { Value } from "../../value/value.ts";
import {
  type ElementType,
  type EnumType,
  type Field,
  isPackable,
  type MessageType,
  type ScalarKind,
} from "./message_type.ts";
import { tooLarge } from "./proto_size.ts";

/** A .proto file that is not valid, or lacks an import. The message names the file and, where it is known, the line. */
export class ProtoError extends Error {
  override readonly name = "ProtoError";
}

/** Files that a schema imports, one from the other. */
const importsMax = 200;
const fileCharactersMax = 1024 * 1024;

/** The messages of a file. */
export interface ProtoFile {
  /** `plant`; "" without one. */
  readonly package: string;
  /** Full names of the messages that the file itself defines, in its order: `plant.Reading`, `plant.Reading.Part`. */
  readonly messages: readonly string[];
  /** @throws {ProtoError} for a name that is no message */
  message(name: string): MessageType;
}

/**
 * @param fileName as imports would say it: `plant.proto`
 * @param read the text of an imported file; undefined when there is none. Google's own need not be given.
 * @throws {ProtoError}
 */
export function parseProto(fileName: string, text: string, read: (fileName: string) => string | undefined): ProtoFile {
  const root = new protobuf.Root();
  const seen = new Set([fileName]);
  const parse = (name: string, content: string): protobuf.IParserResult => {
    if (content.length > fileCharactersMax) throw new ProtoError(`${name} has over ${fileCharactersMax} characters`);
    const tooMuch = tooLarge(content);
    if (tooMuch !== undefined) throw new ProtoError(`${name} has ${tooMuch}`);
    try {
      return protobuf.parse(content, root, { keepCase: true });
    } catch (error) {
      throw new ProtoError(`${name}: ${reasonOf(error)}`, { cause: error });
    }
  };
  const main = parse(fileName, text);
  const own = namesOf(root);
  const waiting = [...main.imports ?? [], ...main.weakImports ?? []].map((name) => ({ name, from: fileName }));
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { name, from } = next;
    if (seen.has(name)) continue;
    seen.add(name);
    if (seen.size > importsMax) throw new ProtoError(`${fileName} imports over ${importsMax} files`);
    const content = read(name);
    const common = content === undefined ? protobuf.common.get(name) : null;
    if (content !== undefined) {
      const { imports, weakImports } = parse(name, content);
      waiting.push(...[...imports ?? [], ...weakImports ?? []].map((each) => ({ name: each, from: name })));
    } else if (common !== null && common !== undefined) root.addJSON(common.nested ?? {});
    else throw new ProtoError(`${from} imports ${name}, which is not registered`);
  }
  try {
    root.resolveAll();
  } catch (error) {
    throw new ProtoError(`${fileName}: ${reasonOf(error)}`, { cause: error });
  }
  const types = new Map<string, MessageType>();
  return {
    package: main.package ?? "",
    messages: own,
    message(name) {
      const type = lookup(root, name);
      if (type === undefined) throw new ProtoError(`${fileName} has no message ${name}`);
      return messageType(type, types);
    },
  };
}

/** Messages of the library hold the token that was not expected, which may be long. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function lookup(root: protobuf.Root, name: string): protobuf.Type | undefined {
  const found = root.lookup(name.split("."), [protobuf.Type]);
  return found instanceof protobuf.Type && withoutPoint(found.fullName) === name ? found : undefined;
}

function namesOf(namespace: protobuf.NamespaceBase): string[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (!(nested instanceof protobuf.Namespace)) return [];
    const names = namesOf(nested);
    return nested instanceof protobuf.Type ? [withoutPoint(nested.fullName), ...names] : names;
  });
}

function withoutPoint(fullName: string): string {
  return fullName.replace(/^\./, "");
}

/** The type of a message, and of all those that it holds, as deep as they may hold each other. */
function messageType(type: protobuf.Type, types: Map<string, MessageType>): MessageType {
  const waiting: (() => void)[] = [];
  const typeOf = (each: protobuf.Type): MessageType => {
    const name = withoutPoint(each.fullName);
    const known = types.get(name);
    if (known !== undefined) return known;
    const fields: Field[] = [];
    const byNumber = new Map<number, Field>();
    const made: MessageType = { name, fields, byNumber };
    // Before its fields: they may hold the message itself.
    types.set(name, made);
    waiting.push(() => {
      for (const found of each.fieldsArray) {
        const field = fieldOf(found.resolve(), typeOf);
        fields.push(field);
        byNumber.set(field.number, field);
      }
    });
    return made;
  };
  const wanted = typeOf(type);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) next();
  return wanted;
}

type TypeOf = (type: protobuf.Type) => MessageType;

function fieldOf(field: protobuf.Field, typeOf: TypeOf): Field {
  const element = elementOf(field, typeOf);
  const form = field instanceof protobuf.MapField ? "map" : field.repeated ? "list" : "single";
  const group = field.partOf?.oneof ?? [];
  return {
    name: columnName(field),
    number: field.id,
    element,
    form,
    key: field instanceof protobuf.MapField ? field.keyType as ScalarKind : undefined,
    isPacked: form === "list" && field.packed && isPackable(element),
    hasPresence: form === "single" && (field.hasPresence || element.kind === "message"),
    isRequired: form === "single" && field.required,
    fallback: form === "single" ? fallbackOf(field, element) : undefined,
    alternatives: group.filter((name) => name !== field.name).map((name) => columnName(field.parent!.get(name)!)),
  };
}

/** As in the file. The library writes Google's own files in camel case, and the whole path of extensions. */
function columnName({ name, parent }: protobuf.ReflectionObject): string {
  const isCommon = parent?.fullName.startsWith(".google.protobuf.") === true;
  if (isCommon) return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return name.startsWith(".") ? name.slice(name.lastIndexOf(".") + 1) : name;
}

function elementOf(field: protobuf.Field, typeOf: TypeOf): ElementType {
  const resolved = field.resolvedType;
  if (resolved === null) return { kind: field.type as ScalarKind };
  if (resolved instanceof protobuf.Enum) return { kind: "enum", type: enumType(resolved) };
  return { kind: "message", type: typeOf(resolved), isGroup: field.delimited };
}

function enumType({ fullName, values }: protobuf.Enum): EnumType {
  return { name: withoutPoint(fullName), numbers: new Map(Object.entries(values)) };
}

/** A field with presence has a default only where the file gives one. */
function fallbackOf(field: protobuf.Field, element: ElementType): Value {
  const written = field.getOption("default") as unknown;
  if (element.kind === "message" || (field.hasPresence && written === undefined)) return undefined;
  switch (element.kind) {
    case "string":
      return String(written ?? "");
    case "bytes":
      return new TextEncoder().encode(String(written ?? ""));
    case "bool":
      return written === true || written === "true";
    case "double":
    case "float":
      return written === undefined ? 0 : floatOf(String(written));
    case "enum": {
      const first = element.type.numbers.values().next().value ?? 0;
      return BigInt(typeof written === "number" ? written : element.type.numbers.get(String(written)) ?? first);
    }
    default:
      return BigInt(String(written ?? 0));
  }
}

function floatOf(text: string): number {
  return text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text);
}
