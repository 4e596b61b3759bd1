/**
 * The conformance cases against a connector whose connection breaks, so that the kit's own last two cases are run too.
 */
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import * as v from "valibot";
import { conformance } from "./conformance.ts";
import { defineConnector } from "./declare.ts";
import { Disconnected } from "./errors.ts";
import { lookupKey } from "./lookup_key.ts";
import type { Lookup, Struct, Value } from "./lookup.ts";
import { RowIndex } from "./row_index.ts";
import { integer } from "./settings.ts";
import type { PayloadSink } from "./sink.ts";
import type { PayloadBatch, Source } from "./source.ts";

const settings = v.strictObject({ port: integer({ description: "TCP port on this machine.", min: 1, max: 65535 }) });

/** Lines over TCP, as little of it as the contract allows. */
class LineSocket implements Source, PayloadSink {
  readonly #socket: Socket;
  #lines: string[] = [];
  #rest = "";
  #changed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      const parts = (this.#rest + String(chunk)).split("\n");
      this.#rest = parts.pop() ?? "";
      this.#lines.push(...parts);
      this.#changed.resolve();
    });
    socket.on("close", () => this.#changed.resolve());
    socket.on("error", () => {});
  }

  static async open({ port }: v.InferOutput<typeof settings>): Promise<LineSocket> {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
    } catch (cause) {
      throw new Disconnected("Cannot connect", { cause });
    }
    return new LineSocket(socket);
  }

  async read(signal: AbortSignal): Promise<PayloadBatch & { readonly payloads: readonly Uint8Array[] }> {
    signal.throwIfAborted();
    while (this.#lines.length === 0) {
      if (this.#socket.destroyed) throw new Disconnected("Connection closed");
      this.#changed = Promise.withResolvers();
      const abort = () => this.#changed.reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      await this.#changed.promise.finally(() => signal.removeEventListener("abort", abort));
    }
    const payloads = this.#lines.splice(0).map((line) => new TextEncoder().encode(line));
    return { kind: "payloads", payloads };
  }

  async ask(line: string, signal: AbortSignal): Promise<{ readonly payloads: readonly Uint8Array[] }> {
    if (this.#socket.destroyed) throw new Disconnected("Connection closed");
    this.#socket.write(`${line}\n`);
    return await this.read(signal);
  }

  /** A line is an id, or nothing, and the item. The peer answers every line, so that a write knows that it arrived. */
  async write(batch: readonly (string | Uint8Array)[], signal: AbortSignal, ids?: readonly string[]): Promise<void> {
    signal.throwIfAborted();
    if (batch.length === 0) return;
    if (this.#socket.destroyed) throw new Disconnected("Connection closed");
    this.#socket.write(batch.map((item, index) => `${ids?.[index] ?? ""} ${item}\n`).join(""));
    for (let answers = 0; answers < batch.length;) answers += (await this.read(signal)).payloads.length;
  }

  close(): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }
}

/** A store behind a line: it is asked for the columns and the key of their values, and answers with `id`s and `kind`s. */
class LineLookup implements Lookup {
  readonly #socket: LineSocket;
  /** Questions go out one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(socket: LineSocket) {
    this.#socket = socket;
  }

  async find(
    keys: readonly string[],
    values: readonly Value[],
    _columns: readonly string[] | "all",
    signal: AbortSignal,
  ): Promise<Struct[]> {
    const key = lookupKey(values);
    if (key === undefined) return [];
    const asked = this.#last.then(() => this.#socket.ask(JSON.stringify([keys, key]), signal));
    this.#last = asked.catch(() => {});
    const { payloads: [answer] } = await asked;
    return JSON.parse(new TextDecoder().decode(answer)) as Struct[];
  }

  close(): Promise<void> {
    return this.#socket.close();
  }
}

const lines = defineConnector({
  name: "lines",
  status: "experimental",
  summary: "Lines over TCP.",
  source: {
    summary: "Reads lines.",
    delivery: "at-most-once",
    emits: "payloads",
    meta: [],
    settings,
    open: (settings) => LineSocket.open(settings),
  },
  lookup: {
    summary: "Asks by lines.",
    opens: "with rule",
    settings,
    open: async (settings) => new LineLookup(await LineSocket.open(settings)),
  },
  sink: {
    summary: "Writes lines.",
    delivery: "at-least-once",
    accepts: "payloads",
    settings,
    open: (settings) => LineSocket.open(settings),
  },
  examples: [{ title: "A port", role: "source", settings: { port: 7 } }],
});

async function startPeer(onLine: (socket: Socket, line: string) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    let rest = "";
    socket.on("data", (chunk) => {
      const parts = (rest + String(chunk)).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) onLine(socket, line);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    return Promise.resolve();
  };
  const close = async () => {
    await cut();
    server.close();
    await once(server, "close");
  };
  return { port: (server.address() as AddressInfo).port, sockets, server, cut, close };
}

conformance(lines, {
  losesConnection: true,
  source: async () => {
    const { port, sockets, server, cut, close } = await startPeer(() => {});
    return {
      settings: () => ({ port }),
      send: async (values) => {
        if (sockets.size === 0) {
          await Promise.race([
            once(server, "connection"),
            new Promise((go) => setTimeout(go, 50)),
          ]);
        }
        for (const n of values) for (const socket of sockets) socket.write(`{"n":${n}}\n`);
      },
      cut,
      close,
    };
  },
  lookup: async () => {
    let rows: readonly Struct[] = [];
    const { port, cut, close } = await startPeer((socket, line) => {
      const [keys, key] = JSON.parse(line) as [string[], string | number | boolean];
      const found = new RowIndex(keys, rows).get(key).map(({ id, kind }) => ({ id: Number(id), kind }));
      socket.write(`${JSON.stringify(found)}\n`);
    });
    return { settings: { port }, fill: (given) => void (rows = given), cut, close };
  },
  sink: async () => {
    const got: number[] = [];
    const ids: string[] = [];
    const { port, cut, close } = await startPeer((socket, line) => {
      const [id, item] = line.split(" ") as [string, string];
      ids.push(id);
      got.push((JSON.parse(item) as { n: number }).n);
      socket.write("ok\n");
    });
    return { settings: { port }, received: () => got, receivedIds: () => ids, cut, close };
  },
});
