/**
 * One connection to a broker, from the first SYN to its end: handshake, keep alive, and the trouble of both.
 * @module
 */
import { MqttError, type Timing, type TlsOptions } from "./connection.ts";
import type { ServerAddress } from "./server_address.ts";
import type { OpenTransport, Transport, TransportEvents } from "./transport.ts";
import { encodePacket } from "../protocol/encode.ts";
import {
  type ConnackPacket,
  type ConnectPacket,
  type ControlPacket,
  type DisconnectPacket,
  PacketType,
} from "../protocol/packet.ts";
import { type PacketHandler, PacketParser } from "../protocol/parser.ts";
import { MqttProtocolError, Reason, reasonOfReturnCode, reasonText } from "../protocol/reason.ts";

/** How long a closing connection may take to flush. */
const CLOSE_TIMEOUT_MS = 2000;
/** Nobody reads a socket that is paused, so that only a write finds out that the broker is gone. */
const PROBE_MS = 2000;
const PINGREQ = Uint8Array.of(PacketType.PINGREQ << 4, 0);

/** Refusals that trying again alone does not heal. */
const lasting: ReadonlySet<number> = new Set([
  Reason.UNSUPPORTED_PROTOCOL_VERSION,
  Reason.CLIENT_IDENTIFIER_NOT_VALID,
  Reason.BAD_USER_NAME_OR_PASSWORD,
  Reason.NOT_AUTHORIZED,
  0x8a, // banned
  0x8c, // bad authentication method
]);

export interface LinkOwner {
  readonly messages: Pick<PacketHandler, "onPublish" | "onAck">;
  /** The broker has accepted the connection. */
  onUp(connack: ConnackPacket): void;
  /** SUBACK or UNSUBACK. */
  onPacket(packet: ControlPacket): void;
  /** Every packet of one socket read has been reported. */
  onReadEnd(): void;
  onDrain(): void;
  /** It is over. Called once, also after {@linkcode Link.close}. */
  onDown(error: MqttError): void;
}

export interface LinkOptions {
  readonly address: ServerAddress;
  readonly tls: TlsOptions | undefined;
  readonly connect: ConnectPacket;
  readonly connectTimeoutMs: number;
  readonly packetBytesMax: number;
  readonly timing: Timing;
  readonly open: OpenTransport;
}

export class Link implements TransportEvents, PacketHandler {
  readonly #owner: LinkOwner;
  readonly #options: LinkOptions;
  readonly #parser: PacketParser;
  readonly #transport: Transport;
  #state: "opening" | "asking" | "up" | "closing" | "down" = "opening";
  #cancelTimer: () => void;
  #error: MqttError | undefined;
  /** Whether anything went out or came in since the last look of the keep alive. */
  #sent = false;
  #received = false;
  #pinged = false;
  #paused = false;
  #cancelProbe: (() => void) | undefined;
  /** Whether CONNECT was sent. */
  hasAsked = false;
  /** Whether the last read held nothing but messages of QoS 0. */
  #patient = false;

  constructor(owner: LinkOwner, options: LinkOptions) {
    this.#owner = owner;
    this.#options = options;
    const { connect, packetBytesMax, timing, connectTimeoutMs } = options;
    this.#parser = new PacketParser(this, { level: connect.level, packetBytesMax });
    this.#cancelTimer = timing.after(connectTimeoutMs, () => {
      const step = this.#state === "opening" ? "could not be reached" : "did not answer CONNECT";
      this.#fail(new MqttError(`Broker ${step} within ${connectTimeoutMs} ms`, { retryable: true }));
    });
    this.#transport = options.open(options.address, options.tls, this);
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  /** @returns false when there is no room for more before `onDrain` */
  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#state !== "up") return true;
    this.#sent = true;
    return this.#transport.write(chunks);
  }

  setReading(reading: boolean): void {
    if (this.#state !== "up" || this.#paused === !reading) return;
    this.#paused = !reading;
    if (reading) {
      // Answers have waited in the socket all the while.
      this.#received = true;
      this.#cancelProbe?.();
      this.#transport.resume();
    } else {
      this.#transport.pause();
      this.#probe();
    }
  }

  /** The answers wait in the socket, two bytes each. */
  #probe(): void {
    this.#cancelProbe = this.#options.timing.after(PROBE_MS, () => {
      if (this.#state !== "up" || !this.#paused) return;
      this.#sent = true;
      this.#transport.write([PINGREQ]);
      this.#probe();
    });
  }

  /** Says DISCONNECT, flushes and closes. */
  close(): void {
    if (this.#state === "down" || this.#state === "closing") return;
    this.#error ??= new MqttError("Connection was closed", { retryable: true });
    this.#cancelTimer();
    if (this.#state !== "up") return this.#transport.destroy();
    this.#state = "closing";
    this.#cancelProbe?.();
    this.#parser.stop();
    this.#transport.write([this.#disconnect(Reason.SUCCESS)]);
    this.#transport.end();
    // The end of the stream is only seen by reading.
    if (this.#paused) this.#transport.resume();
    this.#cancelTimer = this.#options.timing.after(CLOSE_TIMEOUT_MS, () => this.#transport.destroy());
  }

  #disconnect(reasonCode: number): Uint8Array {
    return encodePacket({ type: PacketType.DISCONNECT, reasonCode }, this.#options.connect.level);
  }

  #fail(error: MqttError): void {
    if (this.#state === "down" || this.#state === "closing") return;
    this.#error ??= error;
    this.#cancelTimer();
    this.#parser.stop();
    this.#transport.destroy();
  }

  // ---------------------------------------------------------------- from the transport

  onOpen(): void {
    if (this.#state !== "opening" || this.#error !== undefined) return;
    this.#state = "asking";
    this.hasAsked = true;
    this.#transport.write([encodePacket(this.#options.connect, this.#options.connect.level)]);
  }

  get patient(): boolean {
    return this.#patient;
  }

  onData(chunk: Uint8Array): void {
    this.#received = true;
    this.#patient = this.#state === "up";
    try {
      this.#parser.parse(chunk);
    } catch (error) {
      if (!(error instanceof MqttProtocolError)) throw error;
      this.#protocolError(error);
    }
    if (this.#state === "up") this.#owner.onReadEnd();
  }

  #protocolError(error: MqttProtocolError): void {
    const { level } = this.#options.connect;
    if (this.#state === "up" && level === 5) this.#transport.write([this.#disconnect(error.reasonCode)]);
    this.#fail(
      new MqttError(`Broker broke the protocol: ${error.message}`, {
        retryable: true,
        reasonCode: error.reasonCode,
        cause: error,
      }),
    );
  }

  onDrain(): void {
    if (this.#state === "up") this.#owner.onDrain();
  }

  onClose(cause: Error | undefined): void {
    if (this.#state === "down") return;
    const state = this.#state;
    this.#state = "down";
    this.#cancelTimer();
    this.#cancelProbe?.();
    this.#parser.stop();
    this.#owner.onDown(this.#error ?? closeError(cause, state));
  }

  // ---------------------------------------------------------------- from the parser

  onPublish(
    topic: string,
    flags: number,
    packetId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    subscriptionId: number,
    properties: ConnackPacket["properties"],
  ): void {
    if (this.#state !== "up") throw unexpected(PacketType.PUBLISH);
    if ((flags & 6) !== 0) this.#patient = false;
    this.#owner.messages.onPublish(topic, flags, packetId, bytes, start, end, subscriptionId, properties);
  }

  onAck(...args: Parameters<PacketHandler["onAck"]>): void {
    if (this.#state !== "up") throw unexpected(args[0]);
    this.#patient = false;
    this.#owner.messages.onAck(...args);
  }

  onPacket(packet: ControlPacket): void {
    this.#patient = false;
    switch (packet.type) {
      case PacketType.CONNACK:
        return this.#onConnack(packet);
      case PacketType.SUBACK:
      case PacketType.UNSUBACK:
        if (this.#state !== "up") throw unexpected(packet.type);
        return this.#owner.onPacket(packet);
      case PacketType.PINGRESP:
        return;
      case PacketType.DISCONNECT:
        if (this.#options.connect.level !== 5) throw unexpected(packet.type);
        return this.#onDisconnect(packet);
      case PacketType.CONNECT:
      case PacketType.SUBSCRIBE:
      case PacketType.UNSUBSCRIBE:
      case PacketType.PINGREQ:
      case PacketType.AUTH:
        throw unexpected(packet.type);
      default:
        packet satisfies never;
    }
  }

  #onConnack(packet: ConnackPacket): void {
    if (this.#state !== "asking") throw unexpected(packet.type);
    if (packet.code !== 0) {
      const { level } = this.#options.connect;
      const reasonCode = level === 5 && packet.code >= 0x80 ? packet.code : reasonOfReturnCode(packet.code);
      const detail = packet.properties?.reasonString ?? reasonText(reasonCode);
      return this.#fail(
        new MqttError(`Broker refused the connection: ${detail}`, { retryable: !lasting.has(reasonCode), reasonCode }),
      );
    }
    this.#cancelTimer();
    this.#state = "up";
    this.#keepAlive(packet.properties?.serverKeepAlive ?? this.#options.connect.keepAlive);
    this.#owner.onUp(packet);
  }

  #onDisconnect(packet: DisconnectPacket): void {
    const { reasonCode, properties } = packet;
    const detail = properties?.reasonString ?? reasonText(reasonCode);
    this.#fail(
      new MqttError(`Broker ended the connection: ${detail}`, { retryable: !lasting.has(reasonCode), reasonCode }),
    );
  }

  /** Looks twice an interval, so that something is sent in time and silence is noticed within one and a half. */
  #keepAlive(seconds: number): void {
    if (seconds === 0) return;
    const look = (): void => {
      if (!this.#received && this.#pinged && !this.#paused) {
        return this.#fail(new MqttError(`Broker fell silent for ${seconds} s`, { retryable: true }));
      }
      this.#pinged = !this.#sent || !this.#received;
      if (this.#pinged) this.#transport.write([PINGREQ]);
      this.#sent = false;
      this.#received = false;
      this.#cancelTimer = this.#options.timing.after(seconds * 500, look);
    };
    this.#sent = true;
    this.#received = true;
    this.#cancelTimer = this.#options.timing.after(seconds * 500, look);
  }
}

function unexpected(type: number): MqttProtocolError {
  return new MqttProtocolError(Reason.PROTOCOL_ERROR, `Packet type ${type} is not expected now`);
}

/** Node and Deno word what is wrong with a certificate in their own ways, and Node's codes are many. */
const certificateTrouble = /certificate|self.signed|altname|UnknownIssuer|CERT_|UNABLE_TO_/i;

function closeError(cause: Error | undefined, state: string): MqttError {
  if (cause === undefined) {
    const when = state === "up" ? "" : " before it accepted it";
    return new MqttError(`Broker closed the connection${when}`, { retryable: true });
  }
  const { code } = cause as Error & { code?: unknown };
  // A refused connection to a name with several addresses has its message in the parts only.
  const message = cause.message !== "" ? cause.message : String(code ?? cause.name);
  const untrusted = state === "opening" && certificateTrouble.test(`${code} ${message}`);
  return new MqttError(untrusted ? `Broker is not trusted: ${message}` : `Connection failed: ${message}`, {
    retryable: !untrusted,
    cause,
  });
}
