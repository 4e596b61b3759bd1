/**
 * The connection of `websocket`: which channel a path stands for, and who uses it.
 * @module
 */
import type { InferOutput } from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { ServedPaths } from "../../src/connector/served_paths.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import type { ChannelLease } from "./channel.ts";
import type { ClientChannel } from "./client_channel.ts";
import type { connectionSettings } from "./mod.ts";
import type { ServerChannel } from "./server_channel.ts";

type Settings = InferOutput<typeof connectionSettings>;

/** Sources and actions share the clients of a path, whichever connection they select. */
const servedPaths = new ServedPaths<ServerChannel>();

interface SharedClient {
  readonly channel: ClientChannel;
  holders: number;
}

export class WebSocketConnection {
  readonly #settings: Settings;
  readonly #context: ConnectorContext;
  readonly #clients = new Map<string, SharedClient>();
  /** Keeps the connection's own path open while no source or action uses it. */
  readonly #own: Promise<ChannelLease> | undefined;
  readonly #closing: Promise<void>[] = [];

  constructor(settings: Settings, context: ConnectorContext) {
    this.#settings = settings;
    this.#context = context;
    if (context.dataServer === undefined && !isClient(settings)) {
      context.status("disconnected", "there is no data server");
    } else if (settings.path !== "") {
      this.#own = this.acquire(settings.path);
      // Users see it; without them it must not end the process.
      this.#own.catch((error) => context.status("disconnected", (error as Error).message));
    } else if (!isClient(settings)) context.status("connected");
  }

  /** What can be known to be wrong before connecting. */
  static check(settings: Settings): void {
    tlsOptions(settings as Parameters<typeof tlsOptions>[0]);
  }

  /**
   * @param path of the source or action; the connection's own when absent
   * @throws {DiagnosticError} when neither says one.
   * @throws {Disconnected} where there is no data server.
   */
  async acquire(ownPath = ""): Promise<ChannelLease> {
    const { dataServer, clock, log, status } = this.#context;
    const path = ownPath === "" ? this.#settings.path : ownPath;
    if (isClient(this.#settings)) return await this.#acquireClient(path === "" ? "/" : path);
    if (path === "") refuseSetting("path", 'websocket needs a path: in DATASOURCE, or as "path"', "E404");
    if (dataServer === undefined) throw new Disconnected("there is no data server");
    const { ServerChannel } = await import("./server_channel.ts");
    const create = () => new ServerChannel({ path, pingMs: this.#settings.pingInterval, clock, log });
    const { endpoint, release } = servedPaths.acquire(dataServer, path, create, status);
    return { channel: endpoint, release };
  }

  async #acquireClient(path: string): Promise<ChannelLease> {
    const { ClientChannel } = await import("./client_channel.ts");
    let shared = this.#clients.get(path);
    if (shared === undefined) {
      const { addr, scheme, requestHeader, pingInterval } = this.#settings;
      const channel = new ClientChannel({
        url: `${scheme}://${addr}${path}`,
        headers: requestHeader,
        tls: tlsOptions(this.#settings as Parameters<typeof tlsOptions>[0]),
        pingMs: pingInterval,
        clock: this.#context.clock,
        onState: this.#context.status,
      });
      this.#clients.set(path, shared = { channel, holders: 0 });
    }
    const used = shared;
    used.holders++;
    let isHeld = true;
    return {
      channel: used.channel,
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        if (--used.holders > 0) return;
        this.#clients.delete(path);
        this.#closing.push(used.channel.close());
      },
    };
  }

  async close(): Promise<void> {
    (await this.#own?.catch(() => undefined))?.release();
    await Promise.all(this.#closing);
  }
}

function isClient({ addr }: Settings): boolean {
  return addr !== "";
}
