/**
 * weir's own MQTT client, for TCP and TLS and whatever else has a {@linkcode Transport}.
 *
 * It connects when it is made, and again for ever, until it is closed.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { Backoff } from "./backoff.ts";
import {
  type MqttConnection,
  type MqttCounters,
  MqttError,
  type MqttOptions,
  type MqttStatus,
  type PublishMessage,
  type SubscribeOptions,
  type Subscription,
  type Timing,
} from "./connection.ts";
import { Inbound } from "./inbound.ts";
import { Link } from "./link.ts";
import { Outbound } from "./outbound.ts";
import { PacketIds } from "./packet_ids.ts";
import { parseServerAddress, type ServerAddress } from "./server_address.ts";
import { type LocalSubscription, Subscriptions } from "./subscriptions.ts";
import { systemTiming } from "./timing.ts";
import type { OpenTransport } from "./transport.ts";
import {
  type AckType,
  type ConnackPacket,
  type ConnectPacket,
  type ControlPacket,
  PacketType,
  type ProtocolLevel,
  type Qos,
  REMAINING_LENGTH_MAX,
} from "../protocol/packet.ts";
import type { Properties } from "../protocol/properties.ts";
import { Reason } from "../protocol/reason.ts";
import { validateTopicName } from "../protocol/topic.ts";

const levels: Readonly<Record<string, ProtocolLevel>> = { "3.1": 3, "3.1.1": 4, "5": 5 };
/** A connection that held this long was a good one: the next attempts begin with the shortest pause again. */
const STABLE_MS = 1000;
/** After the first connection, messages of a kept session wait this long for the subscriptions that want them. */
const UNCLAIMED_HOLD_MS = 30_000;
/** Between attempts to subscribe to what the broker refused. */
const SUBSCRIBE_RETRY_MS = { min: 1000, max: 30_000 };
const PACKET_BYTES_MAX = REMAINING_LENGTH_MAX + 5;

const defaults = {
  protocolVersion: "3.1.1",
  keepAliveSeconds: 30,
  connectTimeoutMs: 10_000,
  session: "clean",
  sessionExpirySeconds: 60,
  receiveMaximum: 1000,
  heldMessagesMax: 10_000,
  heldBytesMax: 4 * 1024 * 1024,
  packetBytesMax: PACKET_BYTES_MAX,
  inflightMax: 1000,
  queuedMax: 10_000,
  reconnectMs: { min: 100, max: 10_000 },
  timing: systemTiming,
} as const;

type Settings = MqttOptions & { [K in keyof typeof defaults]-?: NonNullable<MqttOptions[K & keyof MqttOptions]> };

export class MqttClient implements MqttConnection {
  readonly #settings: Settings;
  readonly #level: ProtocolLevel;
  readonly #open: OpenTransport;
  readonly #timing: Timing;
  readonly #addresses: readonly ServerAddress[];
  readonly #ids: PacketIds;
  readonly #subscriptions: Subscriptions;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #backoff: Backoff;
  readonly #subscribeBackoff: Backoff;
  readonly #listeners = new Set<(status: MqttStatus) => void>();
  #clientId: string;
  #status: MqttStatus;
  #link: Link | undefined;
  /** Position of the address in use in the list. */
  #address = 0;
  #connects = 0;
  /** Client and broker that the session is between. */
  #sessionName = "";
  /** Whether the broker may have begun a session since then, and the answer that said so was lost. */
  #unanswered = false;
  #firstUp = 0;
  #upSince = 0;
  #cancelRetry: (() => void) | undefined;
  #cancelSubscribeRetry: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #onDown: (() => void) | undefined;

  /** @throws {MqttError} when the options cannot work, not retryable */
  constructor(options: MqttOptions, open: OpenTransport) {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.#settings = { ...defaults, ...given } as Settings;
    this.#open = open;
    this.#timing = this.#settings.timing;
    this.#addresses = options.servers.map(parseServerAddress);
    checkSettings(this.#settings);
    this.#level = levels[this.#settings.protocolVersion]!;
    this.#clientId = options.clientId ?? `weir-${randomUUID().replaceAll("-", "").slice(0, 16)}`;
    this.#ids = new PacketIds(this.#timing.random);
    const { min, max } = this.#settings.reconnectMs;
    this.#backoff = new Backoff(min, max, this.#timing.random);
    this.#subscribeBackoff = new Backoff(SUBSCRIBE_RETRY_MS.min, SUBSCRIBE_RETRY_MS.max, this.#timing.random);
    const send = (chunks: Uint8Array[]): boolean => this.#link?.write(chunks) ?? true;
    const after = (delayMs: number, callback: () => void): () => void => this.#timing.after(delayMs, callback);
    this.#subscriptions = new Subscriptions({
      send: (chunks) => void send(chunks),
      added: (subscription) => this.#inbound.claim(subscription),
      removed: (subscription, mode) => {
        if (mode === "unsubscribe") this.#inbound.letGo(subscription);
        else if (this.#settings.session === "keep") this.#inbound.leave(subscription);
      },
      retryLater: () => this.#retrySubscribing(),
    }, this.#ids);
    this.#inbound = new Inbound({
      route: (topic) => this.#subscriptions.route(topic),
      send: (chunks) => void send(chunks),
      awaitsAnswers: () => this.#outbound.inflight > 0 || this.#subscriptions.awaited > 0,
      setReading: (reading) => this.#link?.setReading(reading),
      ready: (taken) => this.#subscriptions.ready(taken),
      after,
      failed: (subscription, error) => this.#subscriberFailed(subscription, error),
    }, this.#settings);
    this.#outbound = new Outbound({ send, after }, this.#ids, {
      inflightMax: this.#settings.inflightMax,
      queuedMax: this.#settings.queuedMax,
      publishTimeoutMs: this.#settings.publishTimeoutMs,
    });
    this.#status = { state: "connecting", since: this.#timing.now(), server: this.#addresses[0]!.url };
    if (options.onStatus !== undefined) this.#listeners.add(options.onStatus);
    this.#connect();
  }

  get status(): MqttStatus {
    return this.#status;
  }

  get counters(): MqttCounters {
    const { received, droppedOverLimit, unclaimed, duplicates, heldMessages, heldBytes, reading } = this.#inbound;
    const { published, inflight } = this.#outbound;
    return {
      received,
      droppedOverLimit,
      unclaimed,
      duplicates,
      published,
      connects: this.#connects,
      heldMessages,
      heldBytes,
      inflight,
      paused: !reading,
    };
  }

  onStatus(listener: (status: MqttStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  connected(signal?: AbortSignal): Promise<void> {
    if (this.#status.state === "connected") return Promise.resolve();
    if (this.#closing !== undefined) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = (): void => {
        off();
        signal?.removeEventListener("abort", onAbort);
      };
      const off = this.onStatus(({ state }) => {
        if (state !== "connected" && state !== "closed") return;
        stop();
        if (state === "connected") resolve();
        else reject(closedError());
      });
      const onAbort = (): void => {
        stop();
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  subscribe(options: SubscribeOptions): Subscription {
    if (this.#closing !== undefined) throw closedError();
    const taken = options.taken === undefined
      ? undefined
      : this.#inbound.taken(options.taken, options.filters, this.#connects > 0);
    return this.#subscriptions.add(options, taken);
  }

  publish(messages: readonly PublishMessage[], signal?: AbortSignal): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    const done = this.#outbound.publish(messages, signal);
    // An answer is awaited now, and it may lie behind messages that are not being read.
    if (!this.#inbound.reading) this.#inbound.checkLimits();
    return done;
  }

  close(): Promise<void> {
    // Set before anything else happens, so that the end of the link is not taken for a loss.
    return this.#closing ??= Promise.resolve().then(() => this.#close());
  }

  async #close(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelSubscribeRetry?.();
    this.#outbound.close();
    for (const subscription of this.#subscriptions.all()) this.#subscriptions.remove(subscription, "detach");
    const link = this.#link;
    if (link !== undefined) {
      const down = new Promise<void>((resolve) => this.#onDown = resolve);
      link.close();
      await down;
    }
    this.#setStatus({ state: "closed" });
  }

  // ---------------------------------------------------------------- connecting

  #connect(): void {
    this.#cancelRetry = undefined;
    const address = this.#addresses[this.#address]!;
    this.#setStatus({ state: "connecting" });
    const { tls, connectTimeoutMs, packetBytesMax } = this.#settings;
    this.#link = new Link({
      messages: {
        onPublish: (topic, flags, packetId, bytes, start, end, subscriptionId, properties) =>
          this.#inbound.onPublish(topic, flags, packetId, bytes, start, end, subscriptionId, properties),
        onAck: (type, packetId, reasonCode, properties) => this.#onAck(type, packetId, reasonCode, properties),
      },
      onUp: (connack) => this.#up(connack),
      onPacket: (packet) => this.#onPacket(packet),
      onReadEnd: () => {
        this.#outbound.endRead();
        this.#inbound.endRead();
      },
      onDrain: () => this.#outbound.onDrain(),
      onDown: (error) => this.#down(error),
    }, {
      address,
      tls,
      connect: this.#connectPacket(address),
      connectTimeoutMs,
      packetBytesMax,
      timing: this.#timing,
      open: this.#open,
    });
  }

  #connectPacket(address: ServerAddress): ConnectPacket {
    const settings = this.#settings;
    const username = settings.username ?? address.username;
    const password = settings.password ?? address.password;
    const { will } = settings;
    return {
      type: PacketType.CONNECT,
      level: this.#level,
      clientId: this.#clientId,
      clean: settings.session === "clean",
      keepAlive: settings.keepAliveSeconds,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: typeof password === "string" ? Buffer.from(password) : password }),
      ...(will === undefined ? {} : {
        will: {
          topic: will.topic,
          payload: typeof will.payload === "string" ? Buffer.from(will.payload) : will.payload,
          qos: will.qos ?? 0,
          retain: will.retain ?? false,
          ...(will.properties === undefined ? {} : { properties: will.properties }),
        },
      }),
      ...(this.#level === 5 ? { properties: this.#connectProperties() } : {}),
    };
  }

  #connectProperties(): Properties {
    const { session, sessionExpirySeconds, receiveMaximum, packetBytesMax, userProperties } = this.#settings;
    return {
      receiveMaximum: Math.min(receiveMaximum, 65_535),
      ...(session === "keep" ? { sessionExpiryInterval: sessionExpirySeconds } : {}),
      ...(packetBytesMax < PACKET_BYTES_MAX ? { maximumPacketSize: packetBytesMax } : {}),
      ...(userProperties === undefined ? {} : { userProperties: userProperties.map(([name, value]) => [name, value]) }),
    };
  }

  #up(connack: ConnackPacket): void {
    const properties = connack.properties ?? {};
    if (properties.assignedClientIdentifier !== undefined) this.#clientId = properties.assignedClientIdentifier;
    // A session that was there before this process, or is that of another broker, knows nothing of what this client has
    // in flight.
    const name = `${this.#clientId}@${this.#addresses[this.#address]!.url}`;
    const kept = connack.sessionPresent && this.#connects > 0 && name === this.#sessionName;
    const found = this.#connects === 0 ? connack.sessionPresent : kept;
    const sure = kept && !this.#unanswered;
    this.#unanswered = false;
    this.#sessionName = name;
    this.#connects++;
    this.#upSince = this.#timing.now();
    if (this.#connects === 1) this.#firstUp = this.#upSince;
    const holdMs = this.#settings.session === "keep" ? this.#firstUp + UNCLAIMED_HOLD_MS - this.#upSince : 0;
    this.#inbound.connected(this.#level, { name, kept, found, sure }, holdMs);
    this.#subscriptions.connected(this.#level, (properties.subscriptionIdentifiersAvailable ?? 1) === 1, sure);
    this.#outbound.connected({
      level: this.#level,
      receiveMaximum: properties.receiveMaximum ?? 65_535,
      maximumQos: (properties.maximumQos ?? 2) as Qos,
      packetBytesMax: Math.min(properties.maximumPacketSize ?? PACKET_BYTES_MAX, PACKET_BYTES_MAX),
      retainAvailable: (properties.retainAvailable ?? 1) === 1,
    }, kept);
    this.#setStatus({ state: "connected", sessionPresent: connack.sessionPresent });
  }

  #down(error: MqttError): void {
    const wasUp = this.#status.state === "connected";
    if (!wasUp && this.#link?.hasAsked) this.#unanswered = true;
    this.#link = undefined;
    this.#cancelSubscribeRetry?.();
    this.#cancelSubscribeRetry = undefined;
    this.#inbound.disconnected();
    this.#subscriptions.disconnected();
    this.#outbound.disconnected();
    if (this.#closing !== undefined) return this.#onDown?.();
    if (wasUp && this.#timing.now() - this.#upSince >= STABLE_MS) this.#backoff.reset();
    const delay = this.#delayAfter(error, wasUp);
    this.#cancelRetry = this.#timing.after(delay, () => this.#connect());
    this.#setStatus({ state: "disconnected", error, retryAt: this.#timing.now() + delay });
  }

  /** Goes on to the next server at once, and waits after the last. */
  #delayAfter(error: MqttError, wasUp: boolean): number {
    const next = wasUp ? 0 : (this.#address + 1) % this.#addresses.length;
    const more = !wasUp && next !== 0;
    this.#address = next;
    if (more) return 0;
    // Two clients with one identifier would push each other out without end.
    const slow = !error.retryable || error.reasonCode === Reason.SESSION_TAKEN_OVER;
    return slow ? this.#backoff.longest() : this.#backoff.next();
  }

  #setStatus(change: Omit<MqttStatus, "since" | "server">): void {
    this.#status = { ...change, since: this.#timing.now(), server: this.#addresses[this.#address]!.url };
    for (const listener of [...this.#listeners]) listener(this.#status);
  }

  // ---------------------------------------------------------------- packets

  #onAck(type: AckType, packetId: number, reasonCode: number, properties: Properties | undefined): void {
    if (type === PacketType.PUBREL) this.#inbound.onPubrel(packetId);
    else this.#outbound.onAck(type, packetId, reasonCode, properties?.reasonString);
  }

  #onPacket(packet: ControlPacket): void {
    if (packet.type === PacketType.SUBACK) this.#subscriptions.onSuback(packet);
    else if (packet.type === PacketType.UNSUBACK) this.#subscriptions.onUnsuback(packet);
  }

  #retrySubscribing(): void {
    this.#cancelSubscribeRetry ??= this.#timing.after(this.#subscribeBackoff.next(), () => {
      this.#cancelSubscribeRetry = undefined;
      this.#subscriptions.retry();
    });
  }

  #subscriberFailed(subscription: LocalSubscription, cause: unknown): void {
    const filters = subscription.filters.map(({ filter }) => filter).join(", ");
    const error = new MqttError(`Subscriber of ${filters} failed: ${cause}`, { retryable: false, cause });
    if (subscription.options.onError === undefined) throw error;
    subscription.options.onError(error, subscription.filters[0]?.filter ?? "");
  }
}

function closedError(): MqttError {
  return new MqttError("Connection was closed", { retryable: true });
}

/** @throws {MqttError} */
function checkSettings(settings: Settings): void {
  const refuse = (text: string): never => {
    throw new MqttError(`Cannot open MQTT connection: ${text}`, { retryable: false });
  };
  const { servers, keepAliveSeconds, password, username, protocolVersion, will } = settings;
  if (servers.length === 0) refuse("no server given");
  if (!Object.hasOwn(levels, protocolVersion)) refuse(`protocol version is 3.1, 3.1.1 or 5, not "${protocolVersion}"`);
  if (!(keepAliveSeconds >= 0 && keepAliveSeconds <= 65_535)) refuse("keep alive is 0 to 65535 seconds");
  if (password !== undefined && username === undefined && protocolVersion !== "5") {
    refuse("a password needs a user name before MQTT 5");
  }
  if (settings.clientId === "" && settings.session === "keep") refuse("a kept session needs a client identifier");
  for (const name of ["receiveMaximum", "heldMessagesMax", "heldBytesMax", "inflightMax", "queuedMax"] as const) {
    if (!(settings[name] >= 1)) refuse(`${name} is at least 1`);
  }
  if (settings.inflightMax > 60_000) refuse("inflightMax is at most 60000");
  const willTrouble = will === undefined ? undefined : validateTopicName(will.topic);
  if (willTrouble !== undefined) refuse(`topic of the will: ${willTrouble}`);
}
