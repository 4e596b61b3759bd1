/**
 * The format `cbor`: Concise Binary Object Representation, RFC 8949.
 * @module
 */
import { createCborDecoder } from "./cbor_decode.ts";
import { createCborEncoder } from "./cbor_encode.ts";
import type { Codec } from "./codec.ts";

export const cbor: Codec = { format: "cbor", createDecoder: createCborDecoder, createEncoder: createCborEncoder };
