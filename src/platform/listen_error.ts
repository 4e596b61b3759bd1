/**
 * Why an HTTP server could not start, in words that say what to do.
 * @module
 */

/** Thrown by `Platform.serve`. `code` is the operating system's: `EADDRINUSE`, `EACCES`, …; empty when there is none. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: string;

  constructor(message: string, code: string, cause: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Turns what an engine threw while it bound `hostname:port` into a {@linkcode ListenError}. */
export function toListenError(hostname: string, port: number, tls: boolean, cause: unknown): ListenError {
  const address = formatAddress(hostname, port);
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const reason = cause instanceof Error ? cause.message : String(cause);
  switch (code) {
    case "EADDRINUSE":
      return new ListenError(
        `Cannot listen on "${address}": another process uses this port; stop it or choose another port with --listen`,
        code,
        cause,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    // Deno's word for it.
    case "EINVAL":
      return new ListenError(
        `Cannot listen on "${address}": this machine has no such address; use 127.0.0.1 for local clients only or ` +
          `0.0.0.0 for every interface`,
        code,
        cause,
      );
    case "EACCES":
    case "EPERM":
      return new ListenError(
        `Cannot listen on "${address}": permission denied; ports below 1024 need CAP_NET_BIND_SERVICE`,
        code,
        cause,
      );
    default:
      return new ListenError(
        `Cannot listen on "${address}": ${reason}${tls ? "; check the TLS certificate and key" : ""}`,
        code,
        cause,
      );
  }
}

/** `127.0.0.1:9081`, `[::1]:9081`. */
export function formatAddress(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
