/**
 * What a .proto file says of a message, in the form that payloads are read and written by.
 * @module
 */
import type { Value } from "../../value/value.ts";

export type IntKind =
  | "int32"
  | "uint32"
  | "sint32"
  | "fixed32"
  | "sfixed32"
  | "int64"
  | "uint64"
  | "sint64"
  | "fixed64"
  | "sfixed64";

export type ScalarKind = IntKind | "double" | "float" | "bool" | "string" | "bytes";

export interface EnumType {
  /** `plant.State` */
  readonly name: string;
  readonly numbers: ReadonlyMap<string, number>;
}

/** What one value of a field is; messages may hold themselves, so they are looked up when they are used. */
export type ElementType =
  | { readonly kind: ScalarKind }
  | { readonly kind: "enum"; readonly type: EnumType }
  | { readonly kind: "message"; readonly type: MessageType; readonly isGroup: boolean };

export interface Field {
  /** As in the file: the name of the column. */
  readonly name: string;
  readonly number: number;
  readonly element: ElementType;
  /** `map` has keys of `key`. */
  readonly form: "single" | "list" | "map";
  readonly key: ScalarKind | undefined;
  /** Of a list: how it is written. Both ways are read. */
  readonly isPacked: boolean;
  /** False: an absent value is the same as the default, which then is what is read. */
  readonly hasPresence: boolean;
  readonly isRequired: boolean;
  /** What stands for an absent value; undefined for a column that is then left out. */
  readonly fallback: Value;
  /** The other fields that this one replaces. */
  readonly alternatives: readonly string[];
}

export interface MessageType {
  /** `plant.Reading` */
  readonly name: string;
  /** In the order of the file. */
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
}

/** The kinds that stand in packed lists. */
export function isPackable({ kind }: ElementType): boolean {
  return kind !== "string" && kind !== "bytes" && kind !== "message";
}

/** 0 varint, 1 eight bytes, 2 a length and bytes, 3 a group, 5 four bytes. */
export function wireType(element: ElementType): number {
  switch (element.kind) {
    case "double":
    case "fixed64":
    case "sfixed64":
      return 1;
    case "float":
    case "fixed32":
    case "sfixed32":
      return 5;
    case "string":
    case "bytes":
      return 2;
    case "message":
      return element.isGroup ? 3 : 2;
    default:
      return 0;
  }
}
