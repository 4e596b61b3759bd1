/**
 * The format `msgpack`: MessagePack, with timestamps.
 * @module
 */
import type { Codec } from "./codec.ts";
import { createMsgpackDecoder } from "./msgpack_decode.ts";
import { createMsgpackEncoder } from "./msgpack_encode.ts";

export const msgpack: Codec = {
  format: "msgpack",
  createDecoder: createMsgpackDecoder,
  createEncoder: createMsgpackEncoder,
};
