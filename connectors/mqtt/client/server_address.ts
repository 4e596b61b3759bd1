/**
 * Broker URLs.
 * @module
 */
import { MqttError } from "./connection.ts";

export interface ServerAddress {
  /** Without user and password. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** Path and query of a WebSocket URL; undefined for a plain socket. */
  readonly webSocketPath: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const schemes: Readonly<Record<string, { secure: boolean; webSocket: boolean; port: number }>> = {
  "tcp:": { secure: false, webSocket: false, port: 1883 },
  "mqtt:": { secure: false, webSocket: false, port: 1883 },
  "ssl:": { secure: true, webSocket: false, port: 8883 },
  "tls:": { secure: true, webSocket: false, port: 8883 },
  "mqtts:": { secure: true, webSocket: false, port: 8883 },
  "ws:": { secure: false, webSocket: true, port: 80 },
  "wss:": { secure: true, webSocket: true, port: 443 },
};

/**
 * Reads a broker URL. Without a scheme it is `tcp:`.
 *
 * @throws {MqttError} when it is not one, not retryable
 */
export function parseServerAddress(text: string): ServerAddress {
  const full = text.includes("://") ? text : `tcp://${text}`;
  let url: URL;
  try {
    url = new URL(full);
  } catch {
    throw new MqttError(`Cannot read broker URL "${text}": it is not a URL`, { retryable: false });
  }
  const scheme = Object.hasOwn(schemes, url.protocol) ? schemes[url.protocol] : undefined;
  if (scheme === undefined) {
    const known = Object.keys(schemes).map((name) => `${name}//`).join(" ");
    throw new MqttError(`Cannot read broker URL "${text}": scheme is none of ${known}`, { retryable: false });
  }
  if (url.hostname === "") {
    throw new MqttError(`Cannot read broker URL "${text}": host is missing`, { retryable: false });
  }
  const port = url.port === "" ? scheme.port : Number(url.port);
  const path = `${url.pathname === "" ? "/" : url.pathname}${url.search}`;
  return {
    url: `${url.protocol}//${url.hostname}:${port}${scheme.webSocket ? path : ""}`,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    secure: scheme.secure,
    webSocketPath: scheme.webSocket ? path : undefined,
    username: url.username === "" ? undefined : decodeURIComponent(url.username),
    password: url.password === "" ? undefined : decodeURIComponent(url.password),
  };
}
