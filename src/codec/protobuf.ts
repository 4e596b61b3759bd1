/**
 * The format `protobuf`: Protocol Buffers, by a message of a registered schema.
 *
 * All work is that of the schema, which comes with its own decoder: an agent without schemas never loads it.
 * @module
 */
import { fail } from "../diagnostics/diagnostic.ts";
import type { Codec, MessageSchema } from "./codec.ts";

export const protobuf: Codec = {
  format: "protobuf",
  schemaType: "protobuf",
  createDecoder: (options) => required(options.schema).createDecoder(options),
  createEncoder: (options) => required(options.schema).createEncoder(options),
};

function required(schema: MessageSchema | undefined): MessageSchema {
  return schema ?? fail("E410", "The format protobuf needs a schema, and there is none here: only an agent keeps them");
}
