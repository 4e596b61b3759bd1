/**
 * The formats weir ships.
 * @module
 */
import { type Diagnostic, fail } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { binary } from "./binary.ts";
import { cbor } from "./cbor.ts";
import type { Codec } from "./codec.ts";
import { delimited } from "./delimited.ts";
import { json } from "./json.ts";
import { msgpack } from "./msgpack.ts";
import { protobuf } from "./protobuf.ts";
import { urlencoded } from "./urlencoded.ts";

export const codecs: readonly Codec[] = [binary, cbor, delimited, json, msgpack, protobuf, urlencoded];

/** Formats of the dialect that this version does not have. */
const notYet = ["custom"];

/**
 * The codec of a FORMAT, in any letter case.
 *
 * @param place where the format stands, for the message.
 * @throws {DiagnosticError} E408 for a format of the dialect that is not there yet, E403 for an unknown one.
 */
export function codecOf(format: string, place: Omit<Diagnostic, "code" | "message"> = {}): Codec {
  const name = format.toLowerCase();
  const codec = codecs.find((codec) => codec.format === name);
  if (codec !== undefined) return codec;
  const known = codecs.map((codec) => codec.format);
  if (notYet.includes(name)) {
    fail("E408", `The format "${name}" is not supported by this version of weir: it has ${known.join(", ")}`, place);
  }
  const hint = didYouMean(name, known) ?? `known formats are ${known.join(", ")}`;
  fail("E403", `Unknown format "${format}"`, { ...place, hint });
}
