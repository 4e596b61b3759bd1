/**
 * The sink: the engine gives messages in order, and again those of a write that threw Disconnected.
 * @module
 */
import type { InferOutput } from "valibot";
import { ItemsFailed } from "../../src/connector/errors.ts";
import type { PayloadSink } from "../../src/connector/sink.ts";
import { LineSocket } from "./line_socket.ts";
import type { sinkSettings } from "./mod.ts";

type Settings = InferOutput<typeof sinkSettings>;

const utf8 = new TextDecoder();

export async function openSink({ host, port, prefix }: Settings): Promise<PayloadSink> {
  const socket = await LineSocket.open({ host, port });
  return {
    async write(batch, signal, _ids, settings?: readonly Partial<Settings>[]) {
      const failed = new Map<number, string>();
      const sent: number[] = [];
      const lines: string[] = [];
      for (const [index, message] of batch.entries()) {
        const line = (settings?.[index]?.prefix ?? prefix) +
          (typeof message === "string" ? message : utf8.decode(message));
        // What can never be written fails alone: the other messages must go.
        if (line.includes("\n")) failed.set(index, "A line cannot hold a line end");
        else {
          sent.push(index);
          lines.push(line);
        }
      }
      // All at once, and then the answers: one message at a time would wait for the network each time.
      socket.send(lines);
      for (let answered = 0; answered < sent.length;) {
        for (const answer of await socket.read(signal)) {
          if (answer !== "ok") failed.set(sent[answered]!, answer);
          answered++;
        }
      }
      if (failed.size > 0) throw new ItemsFailed(failed);
    },
    close: () => socket.close(),
  };
}
