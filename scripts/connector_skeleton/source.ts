/**
 * The source: what it gives is in {@linkcode Source}; the engine decodes, retries, counts and closes.
 * @module
 */
import type { InferOutput } from "valibot";
import type { PayloadBatch, Source } from "../../src/connector/source.ts";
import { LineSocket } from "./line_socket.ts";
import type { sourceSettings } from "./mod.ts";

const utf8 = new TextEncoder();

export async function openSource(settings: InferOutput<typeof sourceSettings>): Promise<Source> {
  const socket = await LineSocket.open(settings);
  const { datasource: prefix } = settings;
  return {
    async read(signal): Promise<PayloadBatch> {
      const lines = await socket.read(signal);
      return {
        kind: "payloads",
        payloads: lines.filter((line) => line !== "" && line.startsWith(prefix)).map((line) => utf8.encode(line)),
      };
    },
    close: () => socket.close(),
  };
}
