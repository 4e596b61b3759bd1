/**
 * A session with a server, from its start until it is lost. It never comes back: who wants to go on opens another.
 *
 * The library's own reconnecting is switched off, so that there is one owner of it.
 * @module
 */
import type { ClientSession, OPCUAClient, UserIdentityInfo } from "node-opcua-client";
import type { Clock } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { OwnCertificate } from "./certificates.ts";
import { trustStore } from "./certificates.ts";
import type { Library } from "./library.ts";

export interface SessionOptions {
  readonly server: string;
  readonly securityMode: "None" | "Sign" | "SignAndEncrypt";
  readonly securityPolicy: string;
  readonly user: { readonly name: string; readonly password: string } | undefined;
  readonly own: OwnCertificate;
  /** PEM text of what is trusted. */
  readonly trusted: string | "any";
  /** Longest wait for an answer. */
  readonly timeoutMs: number;
  readonly sessionTimeoutMs: number;
  /** How often the server is asked whether it is there. */
  readonly keepAliveMs: number;
}

/** Server_ServerStatus_State. */
const serverStateId = "i=2259";

export class LiveSession {
  readonly library: Library;
  readonly session: ClientSession;
  readonly #client: OPCUAClient;
  readonly #clock: Clock;
  readonly #options: SessionOptions;
  readonly #onLost: (error: Disconnected) => void;
  readonly #listeners = new Set<(error: Disconnected) => void>();
  #loss: Disconnected | undefined;
  #cancelProbe = () => {};

  private constructor(
    library: Library,
    client: OPCUAClient,
    session: ClientSession,
    options: SessionOptions,
    clock: Clock,
    onLost: (error: Disconnected) => void,
  ) {
    this.library = library;
    this.#client = client;
    this.session = session;
    this.#options = options;
    this.#clock = clock;
    this.#onLost = onLost;
    const lost = (reason: string) => this.#drop(new Disconnected(`${options.server}: ${reason}`));
    client.on("connection_lost", () => lost("the connection is lost"));
    client.on("close", (error) => lost(error?.message ?? "the connection is closed"));
    client.on("abort", () => lost("the connection is aborted"));
    session.on("session_closed", (status) => lost(`the session is closed: ${status.name}`));
    this.#probeLater();
  }

  /** @throws {Disconnected} */
  static async open(
    library: Library,
    options: SessionOptions,
    clock: Clock,
    onLost: (error: Disconnected) => void,
  ): Promise<LiveSession> {
    const { own, server, timeoutMs, user } = options;
    const client = library.OPCUAClient.create({
      applicationName: "weir",
      applicationUri: own.applicationUri,
      clientName: "weir",
      // Servers are reached by other names than those that they know of themselves.
      endpointMustExist: false,
      connectionStrategy: { maxRetry: 0, initialDelay: 100, maxDelay: 100 },
      keepSessionAlive: false,
      keepPendingSessionsOnDisconnect: false,
      securityMode: library.MessageSecurityMode[options.securityMode],
      securityPolicy: library.SecurityPolicy[options.securityPolicy as keyof Library["SecurityPolicy"]],
      requestedSessionTimeout: options.sessionTimeoutMs,
      // Longest silence of the socket: that between two questions whether the server is there is no loss.
      transportTimeout: options.keepAliveMs + 2 * timeoutMs,
      defaultTransactionTimeout: timeoutMs,
      certificateKeyPairProvider: own.provider,
      clientCertificateManager: trustStore(library, options.trusted),
    });
    const identity: UserIdentityInfo = user === undefined
      ? { type: library.UserTokenType.Anonymous }
      : { type: library.UserTokenType.UserName, userName: user.name, password: user.password };
    const attempt = (async () => {
      await client.connect(server);
      return await client.createSession(identity);
    })();
    try {
      const session = await within(attempt, timeoutMs * 2, clock);
      return new LiveSession(library, client, session, options, clock, onLost);
    } catch (cause) {
      // A late success is closed along with it.
      attempt.catch(() => {});
      await quietly(client.disconnect(), timeoutMs, clock);
      throw new Disconnected(`Cannot open a session with ${server}: ${shortReason(cause)}`, { cause });
    }
  }

  /** Why it is lost; undefined while it is not. */
  get loss(): Disconnected | undefined {
    return this.#loss;
  }

  /** Calls back once when it is lost, unless the returned function is called before. */
  onLost(listener: (error: Disconnected) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * @throws {Disconnected} for a call that is not answered, after which the session is lost, and for one that the server
   * refuses as a whole
   */
  async call<T>(work: (session: ClientSession) => Promise<T>): Promise<T> {
    if (this.#loss !== undefined) throw this.#loss;
    const working = work(this.session);
    try {
      return await within(working, this.#options.timeoutMs * 2, this.#clock);
    } catch (cause) {
      working.catch(() => {});
      const error = new Disconnected(`${this.#options.server}: ${shortReason(cause)}`, { cause });
      if (isAnswer(cause)) throw error;
      this.#drop(error);
      throw this.#loss ?? error;
    }
  }

  async close(): Promise<void> {
    this.#loss ??= new Disconnected("the session is closed");
    this.#cancelProbe();
    this.#listeners.clear();
    await quietly(this.session.close(true), this.#options.timeoutMs, this.#clock);
    await quietly(this.#client.disconnect(), this.#options.timeoutMs, this.#clock);
  }

  #probeLater(): void {
    this.#cancelProbe = this.#clock.after(this.#options.keepAliveMs, () => {
      this.call((session) => session.read({ nodeId: serverStateId, attributeId: 13 })).then(
        () => {
          if (this.#loss === undefined) this.#probeLater();
        },
        () => {},
      );
    });
  }

  #drop(error: Disconnected): void {
    if (this.#loss !== undefined) return;
    this.#loss = error;
    this.#cancelProbe();
    for (const listener of [...this.#listeners]) listener(error);
    this.#listeners.clear();
    this.#onLost(error);
    void quietly(this.#client.disconnect(), this.#options.timeoutMs, this.#clock);
  }
}

/** The server has answered, with a fault that says nothing about the session. */
function isAnswer(error: unknown): boolean {
  const { response } = error as {
    readonly response?: { readonly responseHeader?: { readonly serviceResult?: unknown } };
  };
  const result = response?.responseHeader?.serviceResult;
  return result !== undefined && !/Session|Channel|Identity/.test(String(result));
}

/** The library has time-outs of its own, but not for everything that can hang. */
function within<T>(work: Promise<T>, ms: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new Error(`no answer within ${ms} ms`)));
    work.then(resolve, reject).finally(cancel);
  });
}

async function quietly(work: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  work.catch(() => {});
  await within(work, ms, clock).catch(() => {});
}

/** The library explains at length; its first line, and the error of the system, say it. */
function shortReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const system = /Err = \((.*)\)/.exec(message)?.[1];
  return system ?? message.split("\n")[0]!.trim();
}
