/**
 * The connection of the `coap` connector: its settings, and the endpoint that they make, loaded when it is first needed.
 * @module
 */
import * as v from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { choice, duration, integer, text } from "../../src/connector/settings.ts";
import type { Endpoint } from "./endpoint.ts";
import type { CoapServer } from "./server.ts";

const listenPattern = /^(\[[0-9a-fA-F:.]+\]|\d{1,3}(\.\d{1,3}){3}):\d{1,5}$/;

/** Settings of an endpoint. */
export const connectionSettings = v.strictObject({
  listen: v.optional(
    v.pipe(
      text({
        description:
          "Address and UDP port that devices write to, such as `0.0.0.0:5683`. Without it there is no server.",
      }),
      v.regex(listenPattern, "an address with a port, such as 0.0.0.0:5683"),
    ),
  ),
  ackTimeout: duration({
    description: "First wait for an acknowledgement; it is doubled with each try.",
    default: 2000,
    min: 10,
    max: 600_000,
  }),
  maxRetransmit: integer({
    description: "How often a message that is not acknowledged is sent again.",
    default: 4,
    min: 0,
    max: 20,
  }),
  blockSize: choice([16, 32, 64, 128, 256, 512, 1024], {
    description: "Largest payload of one datagram; what is larger goes block by block.",
    default: 1024,
  }),
});

export type ConnectionSettings = v.InferOutput<typeof connectionSettings>;

interface Opened {
  readonly endpoint: Endpoint;
  readonly server: CoapServer | undefined;
}

/** The endpoint; another one where the first could not be opened, or has used up its identifiers of messages. */
export class LazyEndpoint {
  readonly blockSize: number;
  /** True when devices can write to it. */
  readonly listens: boolean;
  readonly #settings: ConnectionSettings;
  readonly #context: Pick<ConnectorContext, "clock" | "log" | "status">;
  #opened: Promise<Opened> | undefined;
  /** Used up, but observations still come by them. */
  #retired: Endpoint[] = [];
  #closed = false;

  constructor(settings: ConnectionSettings, context: Pick<ConnectorContext, "clock" | "log" | "status">) {
    this.#settings = settings;
    this.#context = context;
    this.blockSize = settings.blockSize;
    this.listens = settings.listen !== undefined;
    // Whoever opens sees the failure; without anybody it must not end the process.
    this.open().catch(() => {});
  }

  /** @throws {Disconnected} when its address is taken, or none of this machine */
  async open(): Promise<Opened> {
    const before = this.#opened;
    const opened = await before?.catch(() => undefined);
    if (opened !== undefined && !opened.endpoint.isUsedUp) return opened;
    // Another one may have begun meanwhile.
    if (this.#opened === before) this.#opened = this.#make(opened);
    return await this.#opened!;
  }

  async #make(old: Opened | undefined): Promise<Opened> {
    const { listen, ackTimeout: ackTimeoutMs, maxRetransmit } = this.#settings;
    const { clock, log, status } = this.#context;
    const [{ Endpoint }, { CoapServer }] = await Promise.all([import("./endpoint.ts"), import("./server.ts")]);
    if (old !== undefined) this.#retired.push(old.endpoint);
    const idle = this.#retired.filter((endpoint) => endpoint.isIdle);
    this.#retired = this.#retired.filter((endpoint) => !idle.includes(endpoint));
    await Promise.all(idle.map((endpoint) => endpoint.close()));
    const [, address, port] = listen?.match(/^\[?(.*?)\]?:(\d+)$/) ?? [];
    const own = address === undefined ? undefined : { address, port: Number(port) };
    const endpoint = new Endpoint({ listen: own, ackTimeoutMs, maxRetransmit }, { clock, log });
    // Before the first datagram can come.
    const server = own === undefined ? undefined : new CoapServer(endpoint, clock);
    try {
      if (this.#closed) await endpoint.close();
      await endpoint.listen();
    } catch (error) {
      await endpoint.close();
      status("disconnected", (error as Error).message);
      throw error;
    }
    // Of a server, to listen is all. Others are connected when a peer has answered.
    if (server !== undefined) status("connected");
    return { endpoint, server };
  }

  /** A peer has answered. */
  alive(): void {
    if (!this.listens) this.#context.status("connected");
  }

  async close(): Promise<void> {
    this.#closed = true;
    const opened = await this.#opened?.catch(() => undefined);
    await Promise.all([opened?.endpoint, ...this.#retired].map((endpoint) => endpoint?.close()));
  }
}
