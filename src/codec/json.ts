/**
 * The format `json`.
 * @module
 */
import type { Codec } from "./codec.ts";
import { createJsonDecoder } from "./json_decode.ts";
import { createJsonEncoder } from "./json_encode.ts";

export const json: Codec = { format: "json", createDecoder: createJsonDecoder, createEncoder: createJsonEncoder };
