/**
 * MQTT over WebSocket (RFC 6455), on the same sockets as plain MQTT.
 *
 * Written here rather than taken from mqtt.js, because that hands messages over one at a time and waits for each to be
 * acknowledged before it reads the next; and rather than from the platform's `WebSocket`, because that takes neither a
 * private authority nor a client certificate and cannot stop reading.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import type { TlsOptions } from "./connection.ts";
import type { ServerAddress } from "./server_address.ts";
import { openSocket } from "./socket_transport.ts";
import type { Transport, TransportEvents } from "./transport.ts";
import { FrameParser, maskedFrame, Opcode } from "./web_socket_frames.ts";

/** From RFC 6455, section 1.3. */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** A server that answers with more than this is not one. */
const RESPONSE_BYTES_MAX = 16_384;

/** Opens a WebSocket to the address. Never throws: what goes wrong arrives at `onClose`. */
export function openWebSocket(
  address: ServerAddress,
  tls: TlsOptions | undefined,
  events: TransportEvents,
): Transport {
  return new WebSocketTransport(address, tls, events);
}

class WebSocketTransport implements Transport, TransportEvents {
  readonly #address: ServerAddress;
  readonly #events: TransportEvents;
  readonly #socket: Transport;
  readonly #key = randomBytes(16).toString("base64");
  readonly #frames: FrameParser;
  /** Payloads of the frames of one socket read: brokers like to send every packet in a frame of its own. */
  #pieces: Uint8Array[] = [];
  #response: Uint8Array = new Uint8Array(0);
  #upgraded = false;
  #closeSent = false;
  #failure: Error | undefined;

  constructor(address: ServerAddress, tls: TlsOptions | undefined, events: TransportEvents) {
    this.#address = address;
    this.#events = events;
    this.#frames = new FrameParser({
      onBinary: (bytes) => void this.#pieces.push(bytes),
      onControl: (opcode, payload) => this.#onControl(opcode, payload),
    });
    this.#socket = openSocket(address, tls, this);
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#closeSent) return true;
    return this.#socket.write(chunks.map((chunk) => maskedFrame(Opcode.BINARY, chunk)));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#sendClose();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #sendClose(): void {
    if (this.#closeSent || !this.#upgraded) return;
    // 1000 is a normal end.
    this.#socket.write([maskedFrame(Opcode.CLOSE, Uint8Array.of(0x03, 0xe8))]);
    this.#closeSent = true;
  }

  #fail(message: string): void {
    this.#failure ??= new Error(message);
    this.#socket.destroy();
  }

  onOpen(): void {
    const { host, port, webSocketPath, secure } = this.#address;
    const name = host.includes(":") ? `[${host}]` : host;
    const standard = port === (secure ? 443 : 80);
    const request = [
      `GET ${webSocketPath ?? "/"} HTTP/1.1`,
      `Host: ${name}${standard ? "" : `:${port}`}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Key: ${this.#key}`,
      "Sec-WebSocket-Version: 13",
      // Brokers take the second for MQTT 3.1.
      "Sec-WebSocket-Protocol: mqtt, mqttv3.1",
      "",
      "",
    ];
    this.#socket.write([Buffer.from(request.join("\r\n"))]);
  }

  get patient(): boolean {
    return this.#events.patient;
  }

  onData(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return;
    if (!this.#upgraded) return this.#onResponse(chunk);
    const trouble = this.#frames.parse(chunk);
    const pieces = this.#pieces;
    this.#pieces = [];
    if (pieces.length > 0) this.#events.onData(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
    if (trouble !== undefined) this.#fail(`Broker broke the WebSocket protocol: ${trouble}`);
  }

  #onResponse(chunk: Uint8Array): void {
    const response = Buffer.concat([this.#response, chunk]);
    this.#response = response;
    const end = response.indexOf("\r\n\r\n");
    if (end < 0) {
      if (response.length > RESPONSE_BYTES_MAX) this.#fail("Broker did not answer the WebSocket request");
      return;
    }
    const trouble = checkResponse(response.toString("latin1", 0, end), this.#key);
    if (trouble !== undefined) return this.#fail(`Broker refused the WebSocket: ${trouble}`);
    this.#upgraded = true;
    this.#response = new Uint8Array(0);
    this.#events.onOpen();
    if (end + 4 < response.length) this.onData(response.subarray(end + 4));
  }

  #onControl(opcode: number, payload: Uint8Array): void {
    if (opcode === Opcode.PING && !this.#closeSent) this.#socket.write([maskedFrame(Opcode.PONG, payload)]);
    if (opcode !== Opcode.CLOSE) return;
    // The server is to close the socket first, but not all do.
    this.#sendClose();
    this.#socket.destroy();
  }

  onDrain(): void {
    if (this.#upgraded) this.#events.onDrain();
  }

  onClose(error: Error | undefined): void {
    this.#events.onClose(this.#failure ?? error);
  }
}

/** @returns what is wrong with the head of the server's answer, or undefined */
function checkResponse(head: string, key: string): string | undefined {
  const [status = "", ...lines] = head.split("\r\n");
  if (!/^HTTP\/1\.1 101(?: |$)/.test(status)) return `answer is "${status.slice(0, 100)}"`;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") return "it does not upgrade";
  const accept = createHash("sha1").update(key + ACCEPT_SUFFIX).digest("base64");
  if (headers.get("sec-websocket-accept") !== accept) return "its key is wrong";
  if (headers.has("sec-websocket-extensions")) return "it uses an extension that was not offered";
  return undefined;
}
