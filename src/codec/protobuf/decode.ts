/**
 * Reads messages of Protocol Buffers into rows.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { isStruct, setOwn, type Struct, type Value } from "../../value/value.ts";
import { ByteReader } from "../byte_reader.ts";
import type { Decoder, DecoderOptions } from "../codec.ts";
import { intOrFloat, MalformedPayload, nestingMax } from "../document_decoder.ts";
import { textAt } from "../text_reader.ts";
import { type ElementType, type Field, isPackable, type MessageType, wireType } from "./message_type.ts";
import { wellKnown } from "./well_known.ts";

/**
 * One payload is one row. Whole numbers and enums are ints (those beyond 64 bits floats); a field without presence that
 * is absent has its default, another one is left out. Unknown fields are passed over, and so are columns that nobody wants.
 */
export function createMessageDecoder(type: MessageType, { wanted }: Pick<DecoderOptions, "wanted">): Decoder {
  const reader = new Reader();
  return {
    decode(bytes, start = 0, end = bytes.length) {
      try {
        return [reader.row(type, bytes, start, end, wanted)];
      } catch (error) {
        if (!(error instanceof MalformedPayload)) throw error;
        throw new RowError("E501", `Cannot decode ${type.name} at byte ${error.offset}: ${error.message}`);
      }
    },
  };
}

class Reader extends ByteReader {
  /** The halves of the varint read last. */
  #low = 0;
  #high = 0;

  row(type: MessageType, bytes: Uint8Array, start: number, end: number, columns: ReadonlySet<string> | "all"): Struct {
    this.begin(bytes, start, end);
    const row = emptyMessage(type, columns);
    this.#fields(type, row, columns, 0, 0);
    return row;
  }

  /** @param group the number of the group that the message is; 0: it ends where the bytes end */
  #fields(type: MessageType, row: Struct, columns: ReadonlySet<string> | "all", group: number, depth: number): void {
    if (depth > nestingMax) this.fail(`nested over ${nestingMax} levels deep`);
    // An empty message takes two bytes, and has all of its lists and defaults.
    this.spend(type.fields.length);
    while (this.at < this.end) {
      const tag = this.#tag();
      const wire = tag & 7;
      const number = tag >>> 3;
      if (wire === 4) {
        if (group === 0 || number !== group) this.fail(`group ${number} ends without having begun`);
        return;
      }
      const field = type.byNumber.get(number);
      if (field === undefined || (columns !== "all" && !columns.has(field.name))) this.#skip(wire, number, depth);
      else this.#field(field, wire, row, depth);
    }
    if (group !== 0) this.cutOff();
  }

  #field(field: Field, wire: number, row: Struct, depth: number): void {
    const { name, element } = field;
    this.spend(1);
    const before = Object.hasOwn(row, name) ? row[name] : undefined;
    if (field.form === "map") {
      this.#expect(wire, 2, name);
      this.#entry(field, before as Struct, depth);
    } else if (field.form === "list") {
      const list = before as Value[];
      if (wire === 2 && isPackable(element)) this.#packed(element, list);
      else {
        this.#expect(wire, wireType(element), name);
        list.push(this.#element(element, field.number, depth, undefined));
      }
    } else {
      this.#expect(wire, wireType(element), name);
      setOwn(row, name, this.#element(element, field.number, depth, before));
      for (const other of field.alternatives) delete row[other];
    }
  }

  #packed(element: ElementType, list: Value[]): void {
    this.#within(this.#length(), () => {
      while (this.at < this.end) {
        this.spend(1);
        list.push(this.#element(element, 0, 0, undefined));
      }
    });
  }

  /** An entry of a map is a message with a key (1) and a value (2), either of which may be absent. */
  #entry({ key: keyKind, element }: Field, map: Struct, depth: number): void {
    let key: Value;
    let value: Value;
    this.#within(this.#length(), () => {
      while (this.at < this.end) {
        const tag = this.#tag();
        const wire = tag & 7;
        const number = tag >>> 3;
        if (number === 1) {
          const keyElement = { kind: keyKind! };
          this.#expect(wire, wireType(keyElement), "key");
          key = this.#element(keyElement, 1, depth, undefined);
        } else if (number === 2) {
          this.#expect(wire, wireType(element), "value");
          value = this.#element(element, 2, depth, undefined);
        } else this.#skip(wire, number, depth);
      }
    });
    setOwn(map, String(key ?? emptyOf({ kind: keyKind! })), value === undefined ? emptyOf(element) : value);
  }

  /** @param before what the field held, for messages that come in parts */
  #element(element: ElementType, number: number, depth: number, before: Value): Value {
    switch (element.kind) {
      case "message":
        return this.#message(element.type, element.isGroup ? number : 0, depth + 1, before);
      case "string": {
        const size = this.#length();
        const from = this.take(size);
        return textAt(this.bytes, from, from + size);
      }
      case "bytes":
        return this.copy(this.#length());
      case "bool":
        this.#varint();
        return this.#low !== 0 || this.#high !== 0;
      case "double":
        return this.view.getFloat64(this.take(8), true);
      case "float":
        return this.view.getFloat32(this.take(4), true);
      case "int32":
      case "enum":
        this.#varint();
        return BigInt(this.#low | 0);
      case "uint32":
        this.#varint();
        return BigInt(this.#low);
      case "sint32":
        this.#varint();
        return BigInt((this.#low >>> 1) ^ -(this.#low & 1));
      case "int64":
        return BigInt.asIntN(64, this.#bigVarint());
      case "uint64":
        return intOrFloat(this.#bigVarint());
      case "sint64": {
        const value = this.#bigVarint();
        return (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n;
      }
      case "fixed32":
        return BigInt(this.view.getUint32(this.take(4), true));
      case "sfixed32":
        return BigInt(this.view.getInt32(this.take(4), true));
      case "fixed64":
        return intOrFloat(this.view.getBigUint64(this.take(8), true));
      case "sfixed64":
        return this.view.getBigInt64(this.take(8), true);
    }
  }

  #message(type: MessageType, group: number, depth: number, before: Value): Value {
    const known = wellKnown.get(type.name);
    const merges = known === undefined && before !== undefined && before !== null && isStruct(before);
    const message = merges ? before : emptyMessage(type, "all");
    if (group !== 0) this.#fields(type, message, "all", group, depth);
    else this.#within(this.#length(), () => this.#fields(type, message, "all", 0, depth));
    if (known === undefined) return message;
    const value = known.read(message);
    if (value === undefined) this.fail(`a ${type.name} is not valid`);
    return value;
  }

  /** Reads the next `size` bytes as if nothing came behind them. */
  #within(size: number, read: () => void): void {
    if (size > this.end - this.at) this.cutOff();
    const end = this.end;
    this.end = this.at + size;
    read();
    this.end = end;
  }

  #skip(wire: number, number: number, depth: number): void {
    switch (wire) {
      case 0:
        this.#varint();
        return;
      case 1:
        this.take(8);
        return;
      case 2:
        this.take(this.#length());
        return;
      case 3:
        this.#skipGroup(number, depth + 1);
        return;
      case 5:
        this.take(4);
        return;
      default:
        this.fail(`field ${number} has the wire type ${wire}, which does not exist`);
    }
  }

  #skipGroup(group: number, depth: number): void {
    if (depth > nestingMax) this.fail(`nested over ${nestingMax} levels deep`);
    while (true) {
      const tag = this.#tag();
      const wire = tag & 7;
      const number = tag >>> 3;
      if (wire === 4) {
        if (number !== group) this.fail(`group ${number} ends without having begun`);
        return;
      }
      this.#skip(wire, number, depth);
    }
  }

  #expect(found: number, wanted: number, name: string): void {
    if (found === wanted) return;
    this.fail(`field "${name}" is written in another type: found wire type ${found}, wanted ${wanted}`);
  }

  #tag(): number {
    this.#varint();
    if (this.#high !== 0 || this.#low < 8) this.fail("a field has no number");
    return this.#low;
  }

  #length(): number {
    this.#varint();
    if (this.#high !== 0) this.cutOff();
    return this.#low;
  }

  #bigVarint(): bigint {
    this.#varint();
    return this.#high === 0 ? BigInt(this.#low) : BigInt(this.#high) << 32n | BigInt(this.#low);
  }

  /** Seven bits a byte, the low ones first; bits beyond 64 are dropped. */
  #varint(): void {
    const bytes = this.bytes;
    let byte = this.u8();
    let low = byte & 0x7f;
    let high = 0;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      if (shift > 63) this.fail("a whole number of over ten bytes");
      if (this.at >= this.end) this.cutOff();
      byte = bytes[this.at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
    }
    this.#low = low >>> 0;
    this.#high = high >>> 0;
  }
}

/** What a message without bytes is. */
function emptyMessage(type: MessageType, columns: ReadonlySet<string> | "all"): Struct {
  const message: Struct = {};
  for (const { name, form, fallback } of type.fields) {
    if (columns !== "all" && !columns.has(name)) continue;
    if (form === "list") setOwn(message, name, []);
    else if (form === "map") setOwn(message, name, {});
    else if (fallback !== undefined) setOwn(message, name, fallback);
  }
  return message;
}

/** What an absent part of an entry of a map is. */
function emptyOf(element: ElementType): Value {
  switch (element.kind) {
    case "message": {
      const message = emptyMessage(element.type, "all");
      return wellKnown.get(element.type.name)?.read(message) ?? message;
    }
    case "string":
      return "";
    case "bytes":
      return new Uint8Array();
    case "bool":
      return false;
    case "double":
    case "float":
      return 0;
    default:
      return 0n;
  }
}
