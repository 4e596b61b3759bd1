/**
 * The connection of `sse`: the data server, whose paths actions serve.
 * @module
 */
import type { ConnectorContext } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { type PathLease, ServedPaths } from "../../src/connector/served_paths.ts";
import type { EventEndpoint } from "./endpoint.ts";

/** All actions on a path share its clients. */
const servedPaths = new ServedPaths<EventEndpoint>();

export class SseConnection {
  readonly #context: ConnectorContext;

  constructor(context: ConnectorContext) {
    this.#context = context;
  }

  /** @throws {Disconnected} where there is no data server. */
  async acquire(path: string): Promise<PathLease<EventEndpoint>> {
    const { dataServer, clock, log, status } = this.#context;
    if (dataServer === undefined) {
      status("disconnected", "there is no data server");
      throw new Disconnected("there is no data server");
    }
    const { EventEndpoint } = await import("./endpoint.ts");
    return servedPaths.acquire(dataServer, path, () => new EventEndpoint({ path, clock, log }), status);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
