/**
 * The connection of `httppush`: the data server, and the paths of it that sources read.
 * @module
 */
import type { InferOutput } from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { type PathLease, ServedPaths } from "../../src/connector/served_paths.ts";
import type { connectionSettings } from "./mod.ts";
import { PushEndpoint } from "./endpoint.ts";

type Method = "POST" | "PUT";

/** One endpoint for each method and path, whoever reads it. */
const endpoints: Readonly<Record<Method, ServedPaths<PushEndpoint>>> = {
  POST: new ServedPaths(),
  PUT: new ServedPaths(),
};

export class PushConnection {
  readonly #context: ConnectorContext;
  readonly #own: PathLease<PushEndpoint> | undefined;

  constructor(settings: InferOutput<typeof connectionSettings>, context: ConnectorContext) {
    this.#context = context;
    if (context.dataServer === undefined) context.status("disconnected", "there is no data server");
    else if (settings.datasource !== "") this.#own = this.acquire(settings.datasource, settings.method);
    else context.status("connected");
  }

  /** @throws {Disconnected} where there is no data server. */
  acquire(path: string, method: Method): PathLease<PushEndpoint> {
    const { dataServer, status } = this.#context;
    if (dataServer === undefined) throw new Disconnected("there is no data server");
    return endpoints[method].acquire(dataServer, path, () => new PushEndpoint(method), status);
  }

  close(): Promise<void> {
    this.#own?.release();
    return Promise.resolve();
  }
}
