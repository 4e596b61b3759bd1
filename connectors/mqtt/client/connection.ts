/**
 * What a user of an MQTT connection sees, whichever client carries it.
 *
 * ```ts ignore
 * const connection = openMqtt({ servers: ["tcp://127.0.0.1:1883"] });
 * const subscription = connection.subscribe({
 *   filters: [{ filter: "plant/+/temperature", qos: 1 }],
 *   onBatch(batch) {
 *     for (const message of batch.messages) handle(message.topic, message.payload);
 *     batch.ack();
 *   },
 * });
 * await connection.publish([{ topic: "alarm", payload: "hot", qos: 1 }]);
 * await subscription.close();
 * await connection.close();
 * ```
 * @module
 */
import type { Qos } from "../protocol/packet.ts";
import type { Properties } from "../protocol/properties.ts";

export type { Qos };
export type ProtocolVersion = "3.1" | "3.1.1" | "5";

/** PEM text or DER bytes, one or several. */
export type Pem = string | Uint8Array | readonly (string | Uint8Array)[];

export interface TlsOptions {
  /** Authorities that may have signed the broker's certificate; the platform's own list without it. */
  readonly ca?: Pem;
  /** Certificate (chain) and private key that this client shows, for mutual TLS. */
  readonly cert?: Pem;
  readonly key?: Pem;
  readonly passphrase?: string;
  /** Name the broker's certificate must carry; the host of the URL without it. */
  readonly serverName?: string;
  /** False accepts any certificate. Default true. */
  readonly rejectUnauthorized?: boolean;
  readonly minVersion?: "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  readonly alpn?: readonly string[];
}

/** What the broker publishes for this client when it loses it without a DISCONNECT. */
export interface Will {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos?: Qos;
  readonly retain?: boolean;
  /** MQTT 5 only. */
  readonly properties?: Properties;
}

/** Clock, timers and chance of a client, so that a test can hold them. */
export interface Timing {
  /** Unix milliseconds. */
  now(): number;
  /** Calls back once after `delayMs`; the returned function cancels. */
  after(delayMs: number, callback: () => void): () => void;
  /** Uniform in [0, 1). */
  random(): number;
}

export interface MqttOptions {
  /**
   * Broker URLs, tried in order: `tcp:`, `mqtt:`, `ssl:`, `tls:`, `mqtts:`, `ws:`, `wss:`.
   * Without a scheme it is `tcp:`.
   */
  readonly servers: readonly string[];
  /** Default "3.1.1". */
  readonly protocolVersion?: ProtocolVersion;
  /** Random, and stable for the life of the connection, when not given. */
  readonly clientId?: string;
  readonly username?: string;
  readonly password?: string | Uint8Array;
  readonly tls?: TlsOptions;
  /** Longest silence either way; 0 is no limit. Default 30. */
  readonly keepAliveSeconds?: number;
  /** For the TCP connection, TLS and the broker's CONNACK together. Default 10 000. */
  readonly connectTimeoutMs?: number;
  /**
   * `"clean"` starts afresh at each connection; `"keep"` lets the broker hold subscriptions and unacknowledged messages
   * while the client is away, and needs a `clientId` to outlive the process. Default "clean".
   */
  readonly session?: "clean" | "keep";
  /** How long the broker holds a kept session, MQTT 5 only. Default 60. */
  readonly sessionExpirySeconds?: number;
  readonly will?: Will;
  /** QoS 1 and 2 messages that may be here unacknowledged. Default 1000. */
  readonly receiveMaximum?: number;
  /** Messages handed to subscriptions and not yet acknowledged, before reading stops. Default 10 000. */
  readonly heldMessagesMax?: number;
  /** Their bytes. Default 4 MiB. One message may be larger. */
  readonly heldBytesMax?: number;
  /** Largest packet taken from the broker, in bytes. Default 256 MiB, the most the protocol knows. */
  readonly packetBytesMax?: number;
  /** QoS 1 and 2 messages on their way to the broker; the broker's own receive maximum may lower it. Default 1000. */
  readonly inflightMax?: number;
  /** Messages waiting for room in that window; beyond, `publish` is refused as retryable. Default 10 000. */
  readonly queuedMax?: number;
  /** Longest wait of one `publish` call; without it, as long as it takes. */
  readonly publishTimeoutMs?: number;
  /** First and longest pause between attempts to connect. Default 100 and 10 000. */
  readonly reconnectMs?: { readonly min: number; readonly max: number };
  /** User properties of the CONNECT, MQTT 5 only. */
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
  /** Called at each change of state, also through {@linkcode MqttConnection.onStatus}. */
  readonly onStatus?: (status: MqttStatus) => void;
  readonly timing?: Timing;
}

export interface MqttStatus {
  readonly state: "connecting" | "connected" | "disconnected" | "closed";
  /** Unix milliseconds of the change. */
  readonly since: number;
  /** The URL in use or last tried, without credentials. */
  readonly server: string;
  /** Why the connection is not there; set while disconnected. */
  readonly error?: MqttError;
  /** When the next attempt starts; set while disconnected. */
  readonly retryAt?: number;
  /** Whether the broker remembered the session; set while connected. */
  readonly sessionPresent?: boolean;
}

/** A message from the broker. Never written to; subscriptions share it. */
export interface InboundMessage {
  readonly topic: string;
  /** A view that stays valid for as long as it is held. Each read makes a new view object. */
  readonly payload: Uint8Array;
  /** The bytes `payload` is a view of: `[start, end)` of `bytes`, for decoders that take a range. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 for QoS 0. */
  readonly packetId: number;
  /** MQTT 5 properties, decoded when first asked for. */
  readonly properties: Properties | undefined;
}

/** All that one socket read brought for one subscription. */
export interface MessageBatch {
  readonly messages: readonly InboundMessage[];
  /** Sum of the payload sizes. */
  readonly payloadBytes: number;
  /**
   * Acknowledges and releases every message of the batch, once; later calls do nothing.
   *
   * Until then the messages count against the held limits, QoS 1 and 2 messages stay unacknowledged at the broker, and so
   * do all that arrived after them on this connection. After a reconnect it only releases: the broker delivers again.
   */
  ack(): void;
}

export interface FilterRequest {
  /** May hold `+` and `#`, and may start with `$share/group/`. */
  readonly filter: string;
  readonly qos: Qos;
  /** MQTT 5 only. */
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: 0 | 1 | 2;
}

/** Of a user that keeps the identifiers of the QoS 2 messages that it has taken, to take none of them twice. */
export interface TakenOptions {
  /** The session and the identifiers of the last {@linkcode TakenStep} that was kept; undefined and none without one. */
  readonly session: string | undefined;
  readonly ids: readonly number[];
  /**
   * A step is due although no message has come: the broker has released some messages, or all that were taken, or waits
   * for an empty set to be kept.
   */
  readonly onNews: (all: boolean) => void;
}

/** What is to be kept now, together with what was done with the messages. */
export interface TakenStep {
  /** Names the session that the identifiers belong to. */
  readonly session: string;
  /** Identifiers of messages that were taken and that the broker has not released. */
  readonly ids: readonly number[];
  /** To be called when they are kept. Steps are kept in their order; one may be left out for a later one. */
  kept(): void;
}

export interface SubscribeOptions {
  readonly filters: readonly FilterRequest[];
  /** Makes QoS 2 exactly-once across processes, in a kept session; see {@linkcode Subscription.take}. */
  readonly taken?: TakenOptions;
  /** Called once per socket read that brought something, in order, never again after `close`. Must not throw. */
  readonly onBatch: (batch: MessageBatch) => void;
  /** Called when the broker refuses a filter; the client keeps trying. */
  readonly onError?: (error: MqttError, filter: string) => void;
}

export interface Subscription {
  readonly filters: readonly FilterRequest[];
  /** Resolves once the broker has granted every filter on the present connection. */
  subscribed(signal?: AbortSignal): Promise<void>;
  /**
   * With `taken`: the batches are taken now, and what the step names is to be kept before they are acknowledged. The
   * batches are those of `onBatch`, in their order, each once; there may be none.
   */
  take(batches: readonly MessageBatch[]): TakenStep | undefined;
  /**
   * Ends the subscription; `onBatch` is not called again, and what is unacknowledged can still be acknowledged.
   *
   * `"unsubscribe"` (default) also leaves the filters at the broker that nobody else here uses, and lets go of what is
   * not acknowledged. `"detach"` leaves the kept session as it is, to be found again by the next start, and what is not
   * acknowledged to the next subscription that wants it.
   */
  close(mode?: "unsubscribe" | "detach"): Promise<void>;
}

export interface PublishMessage {
  readonly topic: string;
  /** Not copied when large: leave it unchanged until `publish` settles. */
  readonly payload: string | Uint8Array;
  /** Default 0. */
  readonly qos?: Qos;
  readonly retain?: boolean;
  /** MQTT 5 only; left out for older versions. */
  readonly properties?: Properties;
}

/** What flowed since the connection was opened, and what is here now. */
export interface MqttCounters {
  readonly received: number;
  /** QoS 0 messages let go because holding more would have blocked the acknowledgements behind them. */
  readonly droppedOverLimit: number;
  /** Messages that no subscription wanted. */
  readonly unclaimed: number;
  /** Second copies of QoS 2 messages that were kept from the subscriptions. */
  readonly duplicates: number;
  readonly published: number;
  readonly connects: number;
  /** Messages and payload bytes handed out and not yet acknowledged. */
  readonly heldMessages: number;
  readonly heldBytes: number;
  readonly inflight: number;
  readonly paused: boolean;
}

export interface MqttConnection {
  readonly status: MqttStatus;
  readonly counters: MqttCounters;
  /** Adds a listener for changes of state; the returned function takes it off again. */
  onStatus(listener: (status: MqttStatus) => void): () => void;
  /** Resolves when connected, at once when it is. Rejects when closed or aborted. */
  connected(signal?: AbortSignal): Promise<void>;
  /**
   * Subscribes now and after every reconnect, also while not connected.
   *
   * @throws {MqttError} when a filter is not valid, or the connection is closed
   */
  subscribe(options: SubscribeOptions): Subscription;
  /**
   * Publishes the messages in order, and settles when the last is done: QoS 0 written, QoS 1 and 2 acknowledged.
   *
   * Payloads in flight when the connection is lost are sent again after the reconnect, the promise still pending.
   *
   * @throws {MqttError} `retryable` when not connected, full, timed out or closed: some may have been sent. With
   * `failures`, all others were published and those were not.
   */
  publish(messages: readonly PublishMessage[], signal?: AbortSignal): Promise<void>;
  /** Says DISCONNECT, flushes and closes; pending publishes are refused as retryable. May be called again. */
  close(): Promise<void>;
}

/** One message of a `publish` call that was refused. */
export interface PublishFailure {
  /** Position in the array given to `publish`. */
  readonly index: number;
  readonly retryable: boolean;
  readonly reasonCode: number | undefined;
  readonly message: string;
}

/** Trouble with a connection, a subscription or a message. */
export class MqttError extends Error {
  /** Whether the same call may succeed later without a change of configuration. */
  readonly retryable: boolean;
  /** MQTT 5 reason code; those of 3.1.1 are translated. Undefined when the broker did not say. */
  readonly reasonCode: number | undefined;
  /** Of a `publish` call in which single messages were refused, else undefined. */
  readonly failures: readonly PublishFailure[] | undefined;

  constructor(
    message: string,
    options: {
      retryable: boolean;
      reasonCode?: number;
      failures?: readonly PublishFailure[];
      cause?: unknown;
    },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "MqttError";
    this.retryable = options.retryable;
    this.reasonCode = options.reasonCode;
    this.failures = options.failures;
  }
}
