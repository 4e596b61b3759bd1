/**
 * The data server: one HTTP server of the process, on whose paths connectors take data in and give data out.
 *
 * It listens while somebody serves a path, and on nothing otherwise. A path may be served once for each kind: as `POST`
 * by one, as `GET` by another, as WebSocket by a third.
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectionState } from "./context.ts";

/** What is done with the requests for a path. */
export type DataRoute = RequestRoute | WebSocketRoute;

export interface RequestRoute {
  readonly kind: "GET" | "POST" | "PUT";
  /**
   * Answers a request, now or later; it may stream. What it throws becomes the answer: {@linkcode Refusal} as it says,
   * anything else a 500 that is logged.
   */
  handle(exchange: DataExchange): void | Promise<void>;
}

export interface WebSocketRoute {
  readonly kind: "WebSocket";
  /** The largest message that is taken, in bytes, comes along. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, messageBytesMax: number): void;
}

/** A request and its answer. */
export interface DataExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /**
   * Reads the body, with its `Content-Encoding` taken off. It counts against what the server may hold until the answer
   * has been given.
   *
   * @throws {Refusal} 400, 413, 415 or 503.
   */
  body(): Promise<Uint8Array>;
}

/** An answer that is no success: `{"error": message}`. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.headers = headers;
  }

  /** 503: the client is to keep what it has, and to come again after `seconds`. */
  static later(message: string, seconds = 1): Refusal {
    return new Refusal(503, message, { "Retry-After": String(seconds) });
  }
}

export interface DataServer {
  /**
   * Serves a path until the returned function is called.
   *
   * `onState` is told how it stands with the server: it is connected while it listens. A port that is taken is tried
   * again and again.
   *
   * @param path begins with `/`; a query is no part of it
   * @throws {TypeError} for a path that is served in this way already.
   */
  serve(path: string, route: DataRoute, onState: (state: ConnectionState, message?: string) => void): () => void;
}
