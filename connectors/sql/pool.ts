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
  readonly #waiting: (() => void)[] = [];
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
    const either = AbortSignal.any([signal, this.#closing.signal]);
    await this.#turn(either);
    try {
      if (this.#idle.length === 0 && this.#attempt !== undefined) await untilAborted(this.#attempt, either);
      const session = this.#idle.pop() ?? await this.#connect(either);
      try {
        return await work(this.#guarded(session, either));
      } finally {
        this.#giveBack(session);
      }
    } finally {
      this.#lent--;
      this.#waiting.shift()?.();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new SqlError("disconnected", "The connection is closed"));
    const idle = this.#idle.splice(0);
    for (const session of this.#open) if (!idle.includes(session)) session.destroy();
    this.#open.clear();
    await Promise.all(idle.map((session) => session.close()));
  }

  // ---------------------------------------------------------------- turns

  async #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (this.#lent >= this.#options.sessionsMax) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const abort = () => {
        const at = this.#waiting.indexOf(resolve);
        if (at !== -1) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      this.#waiting.push(resolve);
      signal.addEventListener("abort", abort, { once: true });
      await promise.finally(() => signal.removeEventListener("abort", abort));
    }
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
    // What is told comes before what the session says about its end.
    const abort = () => {
      reject(signal.reason);
      this.#drop(session);
    };
    const { queryTimeoutMs } = this.#options;
    const cancel = this.#context.clock.after(queryTimeoutMs, () => {
      const reason = `The database has not answered within ${queryTimeoutMs} ms`;
      reject(new SqlError("disconnected", reason));
      this.#lose(session, reason);
    });
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([session.run(sql, values, options), given]);
    } catch (error) {
      if (error instanceof SqlError && error.kind === "disconnected") this.#lose(session, error.message);
      throw error;
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  // ---------------------------------------------------------------- sessions come and go

  async #connect(signal: AbortSignal): Promise<Session> {
    const { connect, connectTimeoutMs } = this.#options;
    const attempt = new AbortController();
    const abort = () => attempt.abort(signal.reason);
    const cancel = this.#context.clock.after(connectTimeoutMs, () => {
      attempt.abort(new SqlError("disconnected", `The database has not answered within ${connectTimeoutMs} ms`));
    });
    signal.addEventListener("abort", abort, { once: true });
    let session: Session | undefined;
    try {
      signal.throwIfAborted();
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
      signal.removeEventListener("abort", abort);
    }
  }

  #drop(session: Session): void {
    this.#open.delete(session);
    const at = this.#idle.indexOf(session);
    if (at !== -1) this.#idle.splice(at, 1);
    session.destroy();
  }

  #lose(session: Session, reason: string): void {
    if (!this.#open.has(session)) return;
    this.#drop(session);
    if (this.#open.size > 0 || this.#closing.signal.aborted) return;
    this.#report("disconnected", reason);
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
