/**
 * Tells the service manager how the agent is, by systemd's protocol: texts such as `READY=1`, each a datagram to the
 * socket that `NOTIFY_SOCKET` names.
 *
 * The watchdog is told from a timer of the event loop. A loop that stands still, which serves no request and runs no
 * rule, tells nothing, and the service manager starts the agent over.
 *
 * @example
 * ```ts ignore
 * const service = new ServiceNotifier(process.env, process.pid, platform.sendDatagram);
 * service.keepAlive();
 * service.ready();
 * // …
 * service.stopping();
 * ```
 * @module
 */

/**
 * Sends one datagram to a socket in the file system, or, when the name begins with `@`, in the abstract namespace. With
 * `wait` it waits for a peer that is behind, which stops everything else; without, such a datagram is lost.
 *
 * @throws {Error} when it was not sent
 */
export type SendDatagram = (socket: string, text: string, options: { readonly wait: boolean }) => void;

type Environment = Readonly<Record<string, string | undefined>>;

export class ServiceNotifier {
  readonly #socket: string | undefined;
  readonly #intervalMs: number | undefined;
  readonly #send: SendDatagram;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Without a service manager in the environment, everything here does nothing. */
  constructor(environment: Environment, pid: number, send: SendDatagram) {
    this.#socket = environment.NOTIFY_SOCKET || undefined;
    this.#intervalMs = this.#socket === undefined ? undefined : watchdogIntervalMs(environment, pid);
    this.#send = send;
  }

  /** Tells the watchdog from now on that the event loop turns. */
  keepAlive(): void {
    if (this.#intervalMs === undefined || this.#timer !== undefined) return;
    const tell = () => {
      try {
        this.#tell("WATCHDOG=1", { wait: false });
      } catch {
        // The next one may arrive; when none does, the service manager does what the watchdog is for.
      }
    };
    tell();
    this.#timer = setInterval(tell, this.#intervalMs);
  }

  /**
   * The agent is up: what waits for its service may start.
   *
   * @throws {Error} when the service manager cannot be told
   */
  ready(status: string): void {
    this.#tell(`READY=1\nSTATUS=${status}`, { wait: true });
  }

  /**
   * The agent is going down; the watchdog is told until {@linkcode end}.
   *
   * @throws {Error} when the service manager cannot be told
   */
  stopping(): void {
    this.#tell("STOPPING=1\nSTATUS=stopping", { wait: true });
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tell(text: string, options: { readonly wait: boolean }): void {
    if (this.#socket !== undefined) this.#send(this.#socket, text, options);
  }
}

/** Half of what the service manager allows, as it recommends; undefined when it watches nobody or another process. */
export function watchdogIntervalMs(environment: Environment, pid: number): number | undefined {
  const microseconds = Number(environment.WATCHDOG_USEC);
  if (!Number.isSafeInteger(microseconds) || microseconds <= 0) return undefined;
  if (environment.WATCHDOG_PID !== undefined && Number(environment.WATCHDOG_PID) !== pid) return undefined;
  return Math.max(1, Math.floor(microseconds / 2_000));
}
