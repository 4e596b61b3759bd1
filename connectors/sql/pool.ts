/**
 * The sessions of one connection: at most so many, lent to one user at a time.
 *
 * Invariants: a session is lent to one user or idle; one that broke off, timed out or was aborted is never lent again. The
 * state of the connection is `connected` while the last that was heard of the database was good; when the last session
 * is lost, the pool itself tries to get one back, so that a connection without users has a true state as well.
 * @module
 */
import type { ConnectorContext } from "../../src/connector/context.ts";
import { type Bound, type Found, type RunOptions, type Session, SqlError } from "./session.ts";

/** Opens a session. `signal` aborts the attempt; `onLost` is called when the peer ends the session by itself. */
export type Connect = (signal: AbortSignal, onLost: (reason: string) => void) => Promise<Session>;

export interface PoolOptions {
  readonly connect: Connect;
  readonly sessionsMax: number;
  readonly connectTimeoutMs: number;
  /** Of one statement. */
  readonly queryTimeoutMs: number;
}

/** Between two attempts to get a session back; doubles from one to the next. */
const pauseMs = { least: 100, most: 10_000 };

export class SessionPool {
  readonly #options: PoolOptions;
  readonly #context: Pick<ConnectorContext, "clock" | "status">;
  readonly #closing = new AbortController();
  readonly #open = new Set<Session>();
  readonly #idle: Session[] = [];
  #lent = 0;
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  /** Ends the statement that runs in a session. */
  readonly #running = new Map<Session, (reason: unknown) => void>();
  #state: "connecting" | "connected" | "disconnected" = "connecting";
  #keeping = false;
  /** While the pool itself connects: others wait for that instead of connecting as well. */
  #attempt: Promise<unknown> | undefined;

  constructor(options: PoolOptions, context: Pick<ConnectorContext, "clock" | "status">) {
    this.#options = options;
    this.#context = context;
    this.#report("connecting");
    this.#keep();
  }

  /** An idle session that can be asked in place, to be used before anything else happens. */
  now(): Session | undefined {
    const session = this.#idle.at(-1);
    return session?.runNow === undefined || !session.isOpen ? undefined : session;
  }

  /**
   * Lends a session for as long as `work` takes.
   *
   * @throws {SqlError} `disconnected` when there is none to be had; rejects with the reason of `signal` when it aborts.
   */
  async use<T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    await this.#turn(signal);
    try {
      if (this.#idle.length === 0 && this.#attempt !== undefined) await untilAborted(this.#attempt, signal);
      const session = this.#idle.pop() ?? await this.#connect(signal);
      try {
        return await work(this.#guarded(session, signal));
      } finally {
        this.#giveBack(session);
      }
    } finally {
      this.#lent--;
      this.#waiting.shift()?.resolve();
    }
  }

  async close(): Promise<void> {
    const reason = new SqlError("disconnected", "The connection is closed");
    this.#closing.abort(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
    const idle = this.#idle.splice(0);
    for (const session of [...this.#open]) {
      if (idle.includes(session)) this.#open.delete(session);
      else this.#drop(session, reason);
    }
    await Promise.all(idle.map((session) => session.close()));
  }

  // ---------------------------------------------------------------- turns

  async #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (this.#lent >= this.#options.sessionsMax) {
      const turn = Promise.withResolvers<void>();
      const abort = () => {
        const at = this.#waiting.indexOf(turn);
        if (at !== -1) this.#waiting.splice(at, 1);
        turn.reject(signal.reason);
      };
      this.#waiting.push(turn);
      signal.addEventListener("abort", abort, { once: true });
      await turn.promise.finally(() => signal.removeEventListener("abort", abort));
    }
    this.#closing.signal.throwIfAborted();
    this.#lent++;
  }

  #giveBack(session: Session): void {
    if (!this.#open.has(session)) return;
    if (session.isOpen) this.#idle.push(session);
    else this.#lose(session, "The session has ended");
  }

  /** Runs statements within their time; one that is given up takes its session with it. */
  #guarded(session: Session, signal: AbortSignal): Session {
    if (session.runNow !== undefined) return session;
    return {
      get isOpen() {
        return session.isOpen;
      },
      run: (sql, values, options) => this.#run(session, signal, sql, values, options),
      close: () => session.close(),
      destroy: () => session.destroy(),
    };
  }

  async #run(
    session: Session,
    signal: AbortSignal,
    sql: string,
    values: readonly Bound[],
    options: RunOptions,
  ): Promise<Found> {
    signal.throwIfAborted();
    const { promise: given, reject } = Promise.withResolvers<never>();
    const abort = () => this.#drop(session, signal.reason);
    const { queryTimeoutMs } = this.#options;
    const cancel = this.#context.clock.after(queryTimeoutMs, () => {
      this.#lose(session, `The database has not answered within ${queryTimeoutMs} ms`);
    });
    this.#running.set(session, reject);
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([session.run(sql, values, options), given]);
    } catch (error) {
      if (error instanceof SqlError && error.kind === "disconnected") this.#lose(session, error.message);
      throw error;
    } finally {
      cancel();
      this.#running.delete(session);
      signal.removeEventListener("abort", abort);
    }
  }

  // ---------------------------------------------------------------- sessions come and go

  async #connect(signal: AbortSignal): Promise<Session> {
    const { connect, connectTimeoutMs } = this.#options;
    const closing = this.#closing.signal;
    const attempt = new AbortController();
    const abort = () => attempt.abort(closing.aborted ? closing.reason : signal.reason);
    const cancel = this.#context.clock.after(connectTimeoutMs, () => {
      attempt.abort(new SqlError("disconnected", `The database has not answered within ${connectTimeoutMs} ms`));
    });
    for (const each of [signal, closing]) each.addEventListener("abort", abort, { once: true });
    let session: Session | undefined;
    try {
      for (const each of [signal, closing]) each.throwIfAborted();
      session = await connect(attempt.signal, (reason) => {
        if (session !== undefined) this.#lose(session, reason);
      });
      // The attempt may have been won and given up in the same moment.
      if (attempt.signal.aborted) {
        session.destroy();
        throw attempt.signal.reason;
      }
      this.#open.add(session);
      this.#report("connected");
      return session;
    } catch (error) {
      if (!signal.aborted && this.#open.size === 0) {
        this.#report("disconnected", (error as Error).message);
        this.#keep();
      }
      throw error;
    } finally {
      cancel();
      for (const each of [signal, closing]) each.removeEventListener("abort", abort);
    }
  }

  /** What runs in the session is told before the session itself says something about its end. */
  #drop(session: Session, reason: unknown): void {
    this.#open.delete(session);
    const at = this.#idle.indexOf(session);
    if (at !== -1) this.#idle.splice(at, 1);
    this.#running.get(session)?.(reason);
    session.destroy();
  }

  #lose(session: Session, reason: string): void {
    if (!this.#open.has(session)) return;
    // Servers end sessions that rest for long: that alone says nothing about the server, and the next attempt does.
    const isResting = this.#idle.includes(session);
    this.#drop(session, new SqlError("disconnected", reason));
    if (this.#open.size > 0 || this.#closing.signal.aborted) return;
    if (!isResting) this.#report("disconnected", reason);
    this.#keep();
  }

  /** Gets a first session, or one back, however long it takes. */
  #keep(): void {
    if (this.#keeping || this.#closing.signal.aborted) return;
    this.#keeping = true;
    void this.#keepTrying().finally(() => this.#keeping = false);
  }

  async #keepTrying(): Promise<void> {
    const { signal } = this.#closing;
    for (let pause = pauseMs.least; !signal.aborted && this.#open.size === 0; pause *= 2) {
      try {
        // Not through `use`: what waits for its turn there must not wait for this.
        await (this.#attempt = this.#connect(signal).then((session) => this.#giveBack(session)));
        this.#attempt = undefined;
      } catch {
        this.#attempt = undefined;
        // The state tells; what cannot be made to connect now is tried again.
        await this.#context.clock.sleep(Math.min(pause, pauseMs.most), signal).catch(() => {});
      }
    }
  }

  #report(state: "connecting" | "connected" | "disconnected", message?: string): void {
    if (this.#closing.signal.aborted || (state === "connected" && this.#state === "connected")) return;
    this.#state = state;
    this.#context.status(state, message);
  }
}

/** Rejects with the signal's reason when that comes first; `promise` goes on by itself. */
async function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  await Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}
