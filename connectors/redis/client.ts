/**
 * A connection to a Redis server that breaks for good: who holds it closes it, and opens another one.
 *
 * ioredis speaks the protocol and keeps the order of commands; what it would do by itself is switched off: connecting
 * again, keeping commands for later, and sending them twice.
 * @module
 */
import { Buffer } from "node:buffer";
import { Redis } from "ioredis";
import type { Clock } from "../../src/connector/context.ts";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import type { ServerOptions } from "./server_settings.ts";

/** A command with its arguments. */
export type Command = readonly [name: string, ...args: (string | number | Uint8Array)[]];

/** What a server answers to a command: a value, or an Error with its text. Texts are bytes. */
export type Reply = unknown;

/** A server that is loading its data, or short of memory or disk, is asked again after so long. */
const retryMs = 1000;
/** Commands in one pipeline, whose answers are held at once, and what they may weigh: a slow link needs its time for it. */
const pipelineMax = 5000;
const pipelineSizeMax = 1024 * 1024;
const keepAliveMs = 30_000;

export class RedisClient {
  readonly #redis: Redis;
  readonly #server: ServerOptions;
  readonly #clock: Clock;
  /** Why the connection is gone. */
  #loss: string | undefined;
  readonly #lost = Promise.withResolvers<never>();
  /** Answers that are awaited, and how many have come: a connection without progress is dead. */
  #pending = 0;
  #answers = 0;
  #cancelWatch: (() => void) | undefined;

  private constructor(server: ServerOptions, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
    const { username, password } = server;
    this.#redis = new Redis({
      ...server.endpoint,
      ...(server.tls === undefined ? {} : { tls: server.tls }),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      db: server.database,
      // RESP2 is what every server speaks, and nothing here needs more.
      protocol: 2,
      lazyConnect: true,
      retryStrategy: null,
      reconnectOnError: null,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      // It would ask with INFO, which users of an access list may not have; what a loading server answers says it, too.
      enableReadyCheck: false,
      disableClientInfo: true,
      connectTimeout: server.timeoutMs,
      keepAlive: keepAliveMs,
    });
    this.#redis.on("error", (error: Error) => void (this.#loss ??= reasonOf(error)));
    this.#redis.on("end", () => this.#lose("the server has closed the connection"));
    this.#lost.promise.catch(() => {});
  }

  /**
   * Connects, logs in and waits for a first answer.
   *
   * @throws {Disconnected} for a server that is away, does not answer, or refuses user or password, which can change.
   * @throws {RetryLater} while the server loads its data.
   * @throws {DiagnosticError} E403 when it does not have the database.
   */
  static async open(server: ServerOptions, clock: Clock, signal?: AbortSignal): Promise<RedisClient> {
    const client = new RedisClient(server, clock);
    try {
      await client.#await(client.#connect(), signal);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  async #connect(): Promise<void> {
    try {
      await this.#redis.connect();
    } catch (error) {
      throw this.#disconnected(error as Error);
    }
    // What the login found wrong arrives as an event, such as a database that is not there: nothing may go to another.
    if (this.#loss === undefined) {
      const [pong] = await this.#pipeline([["ping"]]);
      if (pong instanceof Error) throw replyError(pong, this.#server.address);
    }
    if (this.#loss !== undefined) {
      if (/DB index is out of range/i.test(this.#loss)) {
        refuseSetting("db", `The server ${this.#server.address} has no database ${this.#server.database}`);
      }
      throw this.#disconnected();
    }
  }

  /** Rejects with {@linkcode Disconnected} when the connection is gone. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  /**
   * Sends commands in their order and gives their answers, of which an Error is one that concerns the command alone.
   *
   * @throws {Disconnected} how many were carried out is not known.
   * @throws {RetryLater} the server cannot serve now; some may have been carried out.
   */
  async run(commands: readonly Command[], signal?: AbortSignal): Promise<Reply[]> {
    signal?.throwIfAborted();
    const replies: Reply[] = [];
    for (const part of pipelinesOf(commands)) {
      for (const reply of await this.#await(this.#pipeline(part), signal)) replies.push(reply);
    }
    for (const reply of replies) if (reply instanceof Error) throwIfPassing(reply, this.#server.address);
    return replies;
  }

  async #pipeline(commands: readonly Command[]): Promise<Reply[]> {
    if (this.#redis.status !== "ready") throw this.#disconnected();
    const pipeline = this.#redis.pipeline();
    for (const [name, ...args] of commands) {
      pipeline.callBuffer(name, ...args.map((each) => each instanceof Uint8Array ? asBuffer(each) : each));
    }
    const results = await pipeline.exec();
    return results!.map(([error, reply]) => {
      if (error === null) return reply;
      if (isReply(error)) return error;
      throw this.#disconnected(error);
    });
  }

  /** Subscribes, and hands on messages as they arrive. */
  async subscribe(
    { channels, patterns }: { readonly channels: readonly string[]; readonly patterns: readonly string[] },
    onMessage: (channel: Uint8Array, payload: Uint8Array) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    this.#redis.on("messageBuffer", onMessage);
    this.#redis.on("pmessageBuffer", (_pattern: string, channel: Uint8Array, payload: Uint8Array) => {
      onMessage(channel, payload);
    });
    const subscribe = async () => {
      try {
        if (channels.length > 0) await this.#redis.subscribe(...channels);
        if (patterns.length > 0) await this.#redis.psubscribe(...patterns);
      } catch (error) {
        throw isReply(error as Error) ? replyError(error as Error, this.#server.address) : this.#disconnected();
      }
    };
    await this.#await(subscribe(), signal);
  }

  /** Asks for a sign of life, also while subscribed; no answer ends the connection. */
  async ping(): Promise<void> {
    await this.#await(this.#redis.ping()).catch(() => {});
  }

  /** Stops taking data from the server, which then keeps it up to a limit of its own. */
  pause(): void {
    this.#redis.stream?.pause();
  }

  resume(): void {
    this.#redis.stream?.resume();
  }

  /** Ends at once. */
  close(): void {
    this.#cancelWatch?.();
    this.#lose("the connection was closed here");
    this.#redis.disconnect();
    this.#redis.stream?.destroy();
  }

  /** Waits for answers, while it is seen to that some come. */
  async #await<T>(answer: Promise<T>, signal?: AbortSignal): Promise<T> {
    // Whoever stops waiting leaves it behind.
    answer.catch(() => {});
    this.#pending++;
    this.#watch();
    let abort: (() => void) | undefined;
    const aborted = signal === undefined ? [] : [
      new Promise<never>((_, reject) => {
        abort = () => reject(signal.reason);
        if (signal.aborted) abort();
        else signal.addEventListener("abort", abort, { once: true });
      }),
    ];
    try {
      return await Promise.race([answer, this.#lost.promise, ...aborted]);
    } finally {
      if (abort !== undefined) signal?.removeEventListener("abort", abort);
      this.#pending--;
      this.#answers++;
      if (this.#pending === 0) {
        this.#cancelWatch?.();
        this.#cancelWatch = undefined;
      }
    }
  }

  #watch(): void {
    const before = this.#answers;
    this.#cancelWatch ??= this.#clock.after(this.#server.timeoutMs, () => {
      this.#cancelWatch = undefined;
      if (this.#pending === 0) return;
      if (this.#answers !== before) return this.#watch();
      this.#lose(`no answer within ${this.#server.timeoutMs} ms`);
      this.#redis.disconnect();
      this.#redis.stream?.destroy();
    });
  }

  #lose(reason: string): void {
    this.#loss ??= reason;
    this.#lost.reject(this.#disconnected());
  }

  #disconnected(cause?: Error): Disconnected {
    const reason = this.#loss ?? cause?.message ?? "the connection is closed";
    return new Disconnected(`Redis at ${this.#server.address}: ${reason}`, cause === undefined ? {} : { cause });
  }
}

function* pipelinesOf(commands: readonly Command[]): Generator<readonly Command[]> {
  let begin = 0;
  let size = 0;
  for (const [i, command] of commands.entries()) {
    const own = command.reduce<number>((sum, part) => sum + (typeof part === "number" ? 8 : part.length), 0);
    if (i > begin && (i - begin >= pipelineMax || size + own > pipelineSizeMax)) {
      yield commands.slice(begin, i);
      begin = i;
      size = 0;
    }
    size += own;
  }
  if (begin < commands.length) yield commands.slice(begin);
}

function isReply(error: Error): boolean {
  return error.name === "ReplyError" || error.constructor.name === "SimpleError";
}

/** Of errors that come as an event: some runtimes leave the message of a refused connection empty. */
function reasonOf(error: Error): string {
  return error.message === "" ? String((error as { code?: unknown }).code ?? error.name) : error.message;
}

/** The server is not able to serve now: loading, short of memory or disk, or a script runs. */
const passing = /^(LOADING|BUSY|OOM|MISCONF|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|NOREPLICAS)\b/;
/** A new connection may lead to a server that can, or be let in. */
const elsewhere = /^(READONLY|UNBLOCKED|NOAUTH|WRONGPASS)\b/;

function throwIfPassing(reply: Error, address: string): void {
  if (passing.test(reply.message)) throw new RetryLater(`Redis at ${address}: ${reply.message}`, retryMs);
  if (elsewhere.test(reply.message)) throw new Disconnected(`Redis at ${address}: ${reply.message}`);
}

/** An answer that ends an opening. */
function replyError(reply: Error, address: string): Error {
  try {
    throwIfPassing(reply, address);
  } catch (error) {
    return error as Error;
  }
  return new Disconnected(`Redis at ${address}: ${reply.message}`);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
