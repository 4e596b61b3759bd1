/**
 * Paths of the data server that several users of one connector share: each is served for its first user and given up
 * after the last.
 * @module
 */
import type { ConnectionState } from "./context.ts";
import type { DataRoute, DataServer } from "./data_server.ts";

type StateListener = (state: ConnectionState, message?: string) => void;

/** What stands at a path. */
export interface PathEndpoint {
  readonly route: DataRoute;
  /** Called when the path is not served any more. */
  close(): void;
}

/** One use of an endpoint. */
export interface PathLease<Endpoint> {
  readonly endpoint: Endpoint;
  release(): void;
}

interface Shared<Endpoint> {
  readonly endpoint: Endpoint;
  readonly listeners: Set<StateListener>;
  readonly end: () => void;
  readonly state: { readonly state: ConnectionState; readonly message?: string };
}

/** What a `text` setting must be to name a path, in words for messages. */
export const pathForm = 'a path that begins with "/", such as /cars, without "?" and "#"';

export function isPath(text: string): boolean {
  return /^\/[^\s?#]*$/.test(text);
}

export class ServedPaths<Endpoint extends PathEndpoint> {
  /** Servers end with their process or test; nothing is kept for those that are gone. */
  readonly #servers = new WeakMap<DataServer, Map<string, Shared<Endpoint>>>();

  /**
   * @param create makes the endpoint for the first user
   * @param onState is told how it stands with the server, at once and from then on
   */
  acquire(server: DataServer, path: string, create: () => Endpoint, onState: StateListener): PathLease<Endpoint> {
    const paths = this.#servers.get(server) ?? new Map<string, Shared<Endpoint>>();
    this.#servers.set(server, paths);
    const shared = paths.get(path) ?? this.#serve(server, paths, path, create());
    const listener: StateListener = (state, message) => onState(state, message);
    shared.listeners.add(listener);
    listener(shared.state.state, shared.state.message);
    let isHeld = true;
    return {
      endpoint: shared.endpoint,
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        shared.listeners.delete(listener);
        if (shared.listeners.size > 0) return;
        paths.delete(path);
        shared.end();
        shared.endpoint.close();
      },
    };
  }

  #serve(
    server: DataServer,
    paths: Map<string, Shared<Endpoint>>,
    path: string,
    endpoint: Endpoint,
  ): Shared<Endpoint> {
    const listeners = new Set<StateListener>();
    let state: Shared<Endpoint>["state"] = { state: "connecting" };
    const end = server.serve(path, endpoint.route, (now, message) => {
      state = message === undefined ? { state: now } : { state: now, message };
      for (const listener of listeners) listener(now, message);
    });
    const shared: Shared<Endpoint> = {
      endpoint,
      listeners,
      end,
      get state() {
        return state;
      },
    };
    paths.set(path, shared);
    return shared;
  }
}
