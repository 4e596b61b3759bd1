/**
 * One endpoint of CoAP: sockets, and the layer of messages above them (RFC 7252, section 4).
 *
 * It sends confirmable messages again until they are acknowledged, answers copies as it answered the first, pairs
 * responses with requests by their tokens, and acknowledges what is taken. A message that nobody can take now is not
 * acknowledged, so that its sender tries again: this is how a reader holds its peer back.
 * @module
 */
import { randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP, isIPv6 } from "node:net";
import type { Clock, Logger } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { BadMessage, decodeMessage, encodeMessage, type Message, type Option } from "./protocol/message.ts";
import { optionNumbers } from "./protocol/options.ts";
import { SeenMessages } from "./seen.ts";

export interface Peer {
  /** An address, never a name. */
  readonly address: string;
  readonly port: number;
}

export interface EndpointOptions {
  /** Where others reach it; without, only answers to its own requests come. */
  readonly listen: Peer | undefined;
  readonly ackTimeoutMs: number;
  readonly maxRetransmit: number;
}

/** A request or a response without what the layer of messages adds. */
export interface Content {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

/** A request from a peer. */
export interface Incoming {
  readonly from: Peer;
  readonly message: Message;
  /** Called at most once; a second response is left out. */
  respond(content: Content): void;
}

export interface SendOptions {
  readonly confirmable: boolean;
  /** Longest wait for a response behind the acknowledgement. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Of a request whose response may be followed by others. */
export interface FollowOptions extends SendOptions {
  readonly token: string;
  /** Gets what comes after the first response, until {@linkcode Endpoint.forget}. */
  readonly follow: TakeResponse;
}

/** Takes a response; false when it cannot be taken now. */
export type TakeResponse = (response: Message) => boolean;

/** Called when a message is acknowledged, or why it never will be. */
type Outgoing = (error?: Disconnected) => void;

interface TokenUser {
  readonly peer: string;
  readonly take: TakeResponse;
}

const ackRandomFactor = 1.5;
/** A request is acknowledged by itself when its response takes longer: this part of the wait for acknowledgements. */
const separateAfter = 0.5;
/** Where identifiers of messages begin to be those of earlier ones. */
const idsMax = 60_000;
const empty = { token: "", options: [], payload: new Uint8Array(0) } as const;

export class Endpoint {
  readonly #options: EndpointOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #sockets = new Map<4 | 6, Promise<Socket>>();
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #tokens = new Map<string, TokenUser>();
  readonly #seen = new SeenMessages();
  /** Rejections of all that waits, for the close. */
  readonly #waiting = new Set<(reason: unknown) => void>();
  readonly #timers = new Set<() => void>();
  readonly #tokenBase = randomBytes(4).toString("hex");
  #serve: ((request: Incoming) => void) | undefined;
  #nextId = randomBytes(2).readUInt16BE();
  #nextToken = 0;
  #closed = false;

  constructor(options: EndpointOptions, context: { readonly clock: Clock; readonly log: Logger }) {
    this.#options = options;
    this.#clock = context.clock;
    this.#log = context.log;
  }

  /**
   * Binds the socket that others reach it by.
   *
   * @throws {Disconnected} when the address is taken, or none of this machine
   */
  async listen(): Promise<void> {
    const { listen } = this.#options;
    if (listen !== undefined) await this.#socketFor(listen.address);
  }

  /** The port that it listens on; undefined when it does not. */
  async port(): Promise<number | undefined> {
    const { listen } = this.#options;
    return listen === undefined ? undefined : (await this.#socketFor(listen.address)).address().port;
  }

  /** True when its identifiers of messages have run out, and a new endpoint should take over. */
  get isUsedUp(): boolean {
    return this.#nextToken > idsMax && this.#options.listen === undefined;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Who answers requests; without one they are rejected. */
  serve(handler: ((request: Incoming) => void) | undefined): void {
    this.#serve = handler;
  }

  newToken(): string {
    return this.#tokenBase + (this.#nextToken++ & 0xffffffff).toString(16).padStart(8, "0");
  }

  /** Responses with `token` are not wanted any more; who sends them is told. */
  forget(token: string): void {
    this.#tokens.delete(token);
  }

  /** True when it waits for nothing. */
  get isIdle(): boolean {
    return this.#tokens.size === 0 && this.#outgoing.size === 0;
  }

  /**
   * Sends a request and gives its response.
   *
   * @throws {Disconnected} when the peer does not answer, or rejects the message
   */
  async request(peer: Peer, content: Content, options: SendOptions | FollowOptions): Promise<Message> {
    const { signal, timeoutMs, confirmable } = options;
    const follow = "follow" in options ? { peer: keyOf(peer), take: options.follow } : undefined;
    signal.throwIfAborted();
    const socket = await this.#socketFor(peer.address);
    return await new Promise<Message>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#closed) return reject(new Disconnected("the endpoint is closed"));
      const token = "token" in options ? options.token : this.newToken();
      let cancel = () => {};
      const settle = (done: () => void) => {
        cancel();
        this.#tokens.delete(token);
        this.#waiting.delete(fail);
        signal.removeEventListener("abort", abort);
        done();
      };
      const fail = (reason: unknown) => settle(() => reject(reason));
      const abort = () => fail(signal.reason);
      const take = (response: Message) => {
        settle(() => resolve(response));
        if (follow !== undefined) this.#tokens.set(token, follow);
        return true;
      };
      this.#tokens.set(token, { peer: keyOf(peer), take });
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.add(fail);
      cancel = this.#transmit(socket, peer, { ...content, token }, confirmable, (error) => {
        if (error !== undefined) return fail(error);
        // The response has come along with the acknowledgement, and all is settled.
        if (!this.#waiting.has(fail)) return;
        const message = `${hostPort(peer)} gives no response within ${timeoutMs} ms`;
        cancel = this.#after(timeoutMs, () => fail(new Disconnected(message)));
      });
    });
  }

  /** Sends something that has no response, and goes on with it as long as the endpoint is open. */
  async send(peer: Peer, content: Content & { readonly token: string }, confirmable: boolean): Promise<void> {
    const socket = await this.#socketFor(peer.address);
    if (this.#closed) return;
    this.#transmit(socket, peer, content, confirmable, (error) => {
      if (error !== undefined) this.#log.debug("A message is not acknowledged", { reason: error.message });
    });
  }

  /**
   * Sends a message, a confirmable one again and again until it is acknowledged. `done` is called when it is, at once for
   * one that needs no confirmation, or with what went wrong; not after the returned function was called.
   */
  #transmit(
    socket: Socket,
    peer: Peer,
    content: Content & { readonly token: string },
    confirmable: boolean,
    done: (error?: Disconnected) => void,
  ): () => void {
    const id = this.#nextId = (this.#nextId + 1) & 0xffff;
    const bytes = encodeMessage({ ...content, type: confirmable ? "CON" : "NON", id });
    if (!confirmable) {
      this.#write(socket, bytes, peer);
      // Not before the caller has what this returns.
      queueMicrotask(() => done());
      return () => {};
    }
    const key = `${keyOf(peer)} ${id}`;
    let cancelTimer = () => {};
    let tries = 0;
    const stop = () => {
      cancelTimer();
      if (this.#outgoing.get(key) === settle) this.#outgoing.delete(key);
    };
    const settle = (error?: Disconnected) => {
      stop();
      done(error);
    };
    const attempt = (waitMs: number) => {
      this.#write(socket, bytes, peer);
      tries++;
      cancelTimer = this.#after(waitMs, () => {
        if (tries <= this.#options.maxRetransmit) attempt(waitMs * 2);
        else settle(new Disconnected(`${hostPort(peer)} does not answer: tried ${tries} times`));
      });
    };
    this.#outgoing.set(key, settle);
    attempt(this.#options.ackTimeoutMs * (1 + Math.random() * (ackRandomFactor - 1)));
    return stop;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const reject of [...this.#waiting]) reject(new Disconnected("the endpoint is closed"));
    for (const cancel of [...this.#timers]) cancel();
    this.#timers.clear();
    this.#tokens.clear();
    const sockets = await Promise.allSettled(this.#sockets.values());
    await Promise.all(
      sockets.map((each) =>
        each.status === "rejected" ? undefined : new Promise<void>((resolve) => each.value.close(() => resolve()))
      ),
    );
  }

  #after(ms: number, callback: () => void): () => void {
    const cancel = this.#clock.after(ms, () => {
      this.#timers.delete(stop);
      callback();
    });
    const stop = () => {
      this.#timers.delete(stop);
      cancel();
    };
    this.#timers.add(stop);
    return stop;
  }

  #socketFor(address: string): Promise<Socket> {
    if (this.#closed) return Promise.reject(new Disconnected("the endpoint is closed"));
    const family = isIPv6(address) ? 6 : 4;
    const known = this.#sockets.get(family);
    if (known !== undefined) return known;
    const { listen } = this.#options;
    const isOwn = listen !== undefined && isIPv6(listen.address) === (family === 6);
    const opened = openSocket(family, isOwn ? listen : undefined, (bytes, from) => this.#receive(bytes, from));
    this.#sockets.set(family, opened);
    opened.catch(() => this.#sockets.delete(family));
    return opened;
  }

  /** What cannot be sent is as good as lost on the way. */
  #write(socket: Socket, bytes: Uint8Array, { address, port }: Peer): void {
    if (this.#closed) return;
    try {
      socket.send(bytes, port, address, (error) => {
        if (error) this.#log.debug("A message cannot be sent", { peer: `${address}:${port}`, reason: error.message });
      });
    } catch (error) {
      this.#log.debug("A message cannot be sent", { peer: `${address}:${port}`, reason: (error as Error).message });
    }
  }

  #receive(bytes: Uint8Array, info: RemoteInfo): void {
    if (this.#closed) return;
    const from = { address: info.address, port: info.port };
    let message: Message;
    try {
      message = decodeMessage(bytes);
    } catch (error) {
      if (!(error instanceof BadMessage)) throw error;
      this.#log.debug("A datagram is no message", { peer: hostPort(from), reason: error.message });
      if (error.id !== undefined) this.#reply(from, { type: "RST", id: error.id });
      return;
    }
    const key = `${keyOf(from)} ${message.id}`;
    if (message.type === "ACK" || message.type === "RST") return this.#settle(key, message, from);
    if (message.code === 0) {
      // A ping.
      if (message.type === "CON") this.#reply(from, { type: "RST", id: message.id });
    } else if (!this.#seen.add(key, this.#clock.now())) {
      const answer = this.#seen.answerOf(key);
      if (answer !== undefined) this.#replyBytes(from, answer);
    } else if (message.code < 0x20) {
      this.#request(key, message, from);
    } else {
      this.#response(key, message, from);
    }
  }

  #settle(key: string, message: Message, from: Peer): void {
    const outgoing = this.#outgoing.get(key);
    if (outgoing === undefined) return;
    // A response rides on its acknowledgement, or comes by itself.
    if (message.type === "ACK" && message.code !== 0) {
      const user = this.#tokens.get(message.token);
      if (user === undefined || user.peer !== keyOf(from)) return;
      user.take(message);
    }
    outgoing(message.type === "ACK" ? undefined : new Disconnected(`${hostPort(from)} rejects the message`));
  }

  #response(key: string, message: Message, from: Peer): void {
    const user = this.#tokens.get(message.token);
    const isWanted = user !== undefined && user.peer === keyOf(from);
    if (isWanted && !user.take(message)) return this.#seen.delete(key);
    // Whoever sends notifications that are not wanted learns it; late responses of other kinds are just that.
    const isNotification = message.options.some(([number]) => number === optionNumbers.observe);
    if (message.type === "CON" || !isWanted && isNotification) {
      this.#answer(key, from, { type: isWanted ? "ACK" : "RST", id: message.id });
    }
  }

  #request(key: string, message: Message, from: Peer): void {
    const confirmable = message.type === "CON";
    if (this.#serve === undefined) {
      if (confirmable) this.#answer(key, from, { type: "RST", id: message.id });
      return;
    }
    let state: "open" | "acknowledged" | "done" = "open";
    const cancel = !confirmable ? () => {} : this.#after(this.#options.ackTimeoutMs * separateAfter, () => {
      state = "acknowledged";
      this.#answer(key, from, { type: "ACK", id: message.id });
    });
    this.#serve({
      from,
      message,
      respond: (content) => {
        if (state === "done" || this.#closed) return;
        const separate = state === "acknowledged" || !confirmable;
        state = "done";
        cancel();
        const { token, id } = message;
        if (!separate) return this.#answer(key, from, { ...content, token, id, type: "ACK" });
        // The socket is open: a request came by it.
        void this.send(from, { ...content, token }, confirmable);
      },
    });
  }

  /** Answers now, and copies of the message in the same way. */
  #answer(key: string, to: Peer, message: Partial<Message> & Pick<Message, "type" | "id">): void {
    const bytes = encodeMessage({ ...empty, code: 0, ...message });
    this.#seen.answer(key, bytes);
    this.#replyBytes(to, bytes);
  }

  #reply(to: Peer, message: Pick<Message, "type" | "id">): void {
    this.#replyBytes(to, encodeMessage({ ...empty, code: 0, ...message }));
  }

  #replyBytes(to: Peer, bytes: Uint8Array): void {
    this.#sockets.get(isIPv6(to.address) ? 6 : 4)?.then((socket) => this.#write(socket, bytes, to), () => {});
  }
}

function openSocket(
  family: 4 | 6,
  bind: Peer | undefined,
  onMessage: (bytes: Uint8Array, from: RemoteInfo) => void,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(family === 4 ? "udp4" : "udp6");
    const place = bind === undefined ? "a UDP socket" : `UDP ${hostPort(bind)}`;
    const failed = (cause: Error) => {
      socket.close();
      reject(new Disconnected(`Cannot open ${place}: ${cause.message}`, { cause }));
    };
    socket.once("error", failed);
    socket.on("message", onMessage);
    socket.bind(bind?.port ?? 0, bind?.address, () => {
      socket.off("error", failed);
      // Answers such as "port unreachable": what is not acknowledged is sent again anyway.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

/** @throws {Disconnected} when the name cannot be resolved */
export async function resolvePeer(host: string, port: number): Promise<Peer> {
  if (isIP(host) !== 0) return { address: host, port };
  try {
    return { address: (await lookup(host)).address, port };
  } catch (cause) {
    throw new Disconnected(`Cannot find the host "${host}": ${(cause as Error).message}`, { cause });
  }
}

export function hostPort({ address, port }: Peer): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Addresses of one host come in several spellings when they are given by users; those of messages in one. */
function keyOf({ address, port }: Peer): string {
  return `${address} ${port}`;
}
