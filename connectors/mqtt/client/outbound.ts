/**
 * Messages on their way to the broker.
 *
 * Calls are sent in order, the messages of a call in order, as far as the window of unacknowledged messages and the room
 * in the socket allow. What was sent and not acknowledged outlives the connection; what was not sent is given back.
 * @module
 */
import { Buffer } from "node:buffer";
import { MqttError, type PublishFailure, type PublishMessage } from "./connection.ts";
import type { PacketIds } from "./packet_ids.ts";
import { encodePacket, writeAck } from "../protocol/encode.ts";
import { PublishWriter } from "../protocol/encode_publish.ts";
import { PacketType, type ProtocolLevel, type Qos } from "../protocol/packet.ts";
import { Reason, reasonText } from "../protocol/reason.ts";
import { validateTopicName } from "../protocol/topic.ts";

/** Bytes encoded before they are handed to the socket, to see whether it has room for more. */
const WRITE_BYTES = 262_144;

/**
 * Messages of QoS 2 under way to a broker that does not say how many it takes, as none can before MQTT 5: mosquitto takes
 * 20 unless it is told otherwise, and ends the connection of a client that sends more, again and again.
 */
const UNTOLD_QOS2_MAX = 20;

/** One call of `publish`. */
class Call {
  readonly messages: readonly PublishMessage[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** The next message to send. */
  cursor = 0;
  /** Messages sent and not acknowledged. */
  unsettled = 0;
  failures: PublishFailure[] = [];
  settled = false;
  /** Takes the listener for aborts off, and stops the clock. */
  release: () => void = () => {};

  constructor(messages: readonly PublishMessage[], resolve: () => void, reject: (error: unknown) => void) {
    this.messages = messages;
    this.resolve = resolve;
    this.reject = reject;
  }
}

/** A message of QoS 1 or 2 that was sent. */
interface Flight {
  readonly call: Call;
  readonly index: number;
  readonly qos: Qos;
  /** The answer to come. */
  awaits: typeof PacketType.PUBACK | typeof PacketType.PUBREC | typeof PacketType.PUBCOMP;
}

/** What the broker of the present connection takes. */
export interface BrokerLimits {
  readonly level: ProtocolLevel;
  readonly receiveMaximum: number;
  readonly maximumQos: Qos;
  readonly packetBytesMax: number;
  readonly retainAvailable: boolean;
}

export interface OutboundOwner {
  /** @returns false when there is no room for more before {@linkcode Outbound.onDrain} */
  send(chunks: Uint8Array[]): boolean;
  after(delayMs: number, callback: () => void): () => void;
}

export interface OutboundOptions {
  readonly inflightMax: number;
  readonly queuedMax: number;
  readonly publishTimeoutMs: number | undefined;
}

/** About what the rest of a call takes, so that its buffer is neither far too large nor outgrown at once. */
function sizeGuess(call: Call): number {
  let bytes = 0;
  for (let i = call.cursor; i < call.messages.length && bytes < WRITE_BYTES; i++) {
    const { topic, payload } = call.messages[i]!;
    bytes += topic.length + payload.length + 12;
  }
  return bytes;
}

export class Outbound {
  readonly #owner: OutboundOwner;
  readonly #ids: PacketIds;
  readonly #options: OutboundOptions;
  #limits: BrokerLimits | undefined;
  /** Not sent to the end. */
  #calls: Call[] = [];
  #queued = 0;
  /** In the order of sending. */
  readonly #flights = new Map<number, Flight>();
  /** Those of them with QoS 2. */
  #qos2Flights = 0;
  /** Sent to the end, without anything to be acknowledged, but not yet out of this process. */
  #flushing: Call[] = [];
  #hasRoom = true;
  /** PUBRELs, collected over a read. */
  #answers: Uint8Array[] = [];
  #acknowledged = false;
  #checkedTopic = "";
  published = 0;

  constructor(owner: OutboundOwner, ids: PacketIds, options: OutboundOptions) {
    this.#owner = owner;
    this.#ids = ids;
    this.#options = options;
  }

  get inflight(): number {
    return this.#flights.size;
  }

  publish(messages: readonly PublishMessage[], signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#limits === undefined) return Promise.reject(notConnected());
    if (messages.length === 0) return Promise.resolve();
    if (this.#queued > 0 && this.#queued + messages.length > this.#options.queuedMax) {
      return Promise.reject(
        new MqttError(`Cannot publish: ${this.#queued} messages wait to be sent already`, { retryable: true }),
      );
    }
    return new Promise((resolve, reject) => {
      const call = new Call(messages, resolve, reject);
      this.#calls.push(call);
      this.#queued += messages.length;
      this.#pump();
      // QoS 0 is mostly done by now; listening for an abort would cost more than the write.
      if (!call.settled) this.#watch(call, signal);
    });
  }

  #watch(call: Call, signal: AbortSignal | undefined): void {
    const timeout = this.#options.publishTimeoutMs;
    if (signal === undefined && timeout === undefined) return;
    const onAbort = (): void => this.#giveUp(call, signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    const cancel = timeout === undefined ? undefined : this.#owner.after(timeout, () => {
      this.#giveUp(call, new MqttError(`Broker did not acknowledge within ${timeout} ms`, { retryable: true }));
    });
    call.release = () => {
      signal?.removeEventListener("abort", onAbort);
      cancel?.();
    };
  }

  /** Nobody waits for the call any more; what was sent of it still runs its course. */
  #giveUp(call: Call, error: unknown): void {
    this.#settle(call, error);
    const at = this.#calls.indexOf(call);
    if (at < 0) return;
    this.#calls.splice(at, 1);
    this.#queued -= call.messages.length - call.cursor;
    this.#pump();
  }

  #settle(call: Call, error?: unknown): void {
    if (call.settled) return;
    call.settled = true;
    call.release();
    if (error !== undefined) call.reject(error);
    else if (call.failures.length > 0) call.reject(refusal(call));
    else call.resolve();
  }

  /** Sends what the window and the socket have room for. */
  #pump(): void {
    const limits = this.#limits;
    if (limits === undefined) return;
    const window = Math.min(this.#options.inflightMax, limits.receiveMaximum);
    const qos2Window = limits.level === 5 ? window : Math.min(window, UNTOLD_QOS2_MAX);
    while (this.#calls.length > 0 && this.#hasRoom) {
      const writer = new PublishWriter(limits.level, sizeGuess(this.#calls[0]!));
      const sent: Call[] = [];
      let bytes = 0;
      let blocked = false;
      while (this.#calls.length > 0 && bytes < WRITE_BYTES && !blocked) {
        const call = this.#calls[0]!;
        while (call.cursor < call.messages.length && bytes < WRITE_BYTES) {
          const message = call.messages[call.cursor]!;
          const qos = Math.min(message.qos ?? 0, limits.maximumQos) as Qos;
          if (qos > 0 && (this.#flights.size >= window || (qos === 2 && this.#qos2Flights >= qos2Window))) {
            blocked = true;
            break;
          }
          bytes += this.#add(writer, call, call.cursor++, message, qos, limits);
          this.#queued--;
        }
        if (call.cursor < call.messages.length) break;
        this.#calls.shift();
        sent.push(call);
      }
      if (bytes > 0) this.#hasRoom = this.#owner.send(writer.take());
      for (const call of sent) {
        if (call.unsettled > 0) continue;
        if (this.#hasRoom) this.#settle(call);
        else this.#flushing.push(call);
      }
      if (blocked) return;
    }
  }

  /** @returns the bytes added; 0 when the message cannot be sent, which is noted with its call */
  #add(
    writer: PublishWriter,
    call: Call,
    index: number,
    message: PublishMessage,
    qos: Qos,
    limits: BrokerLimits,
  ): number {
    const { topic } = message;
    const refuse = (reasonCode: number, text: string): number => {
      call.failures.push({ index, retryable: false, reasonCode, message: `Cannot publish on "${topic}": ${text}` });
      return 0;
    };
    if (topic !== this.#checkedTopic) {
      const trouble = validateTopicName(topic);
      if (trouble !== undefined) return refuse(Reason.TOPIC_NAME_INVALID, trouble);
      this.#checkedTopic = topic;
    }
    const retain = message.retain ?? false;
    if (retain && !limits.retainAvailable) return refuse(Reason.RETAIN_NOT_SUPPORTED, "broker retains no messages");
    const id = qos > 0 ? this.#ids.take() : 0;
    let size: number;
    try {
      size = writer.add(topic, message.payload, qos, retain, false, id, message.properties, limits.packetBytesMax);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#ids.release(id);
      return refuse(Reason.MALFORMED_PACKET, error.message);
    }
    if (size > limits.packetBytesMax) {
      this.#ids.release(id);
      return refuse(Reason.PACKET_TOO_LARGE, `packet has ${size} bytes, broker takes ${limits.packetBytesMax}`);
    }
    this.published++;
    if (qos > 0) {
      call.unsettled++;
      if (qos === 2) this.#qos2Flights++;
      this.#flights.set(id, { call, index, qos, awaits: firstAnswer(qos) });
    }
    return size;
  }

  /** PUBACK, PUBREC or PUBCOMP from the broker. {@linkcode endRead} does what follows. */
  onAck(type: number, id: number, reasonCode: number, reasonString: string | undefined): void {
    const flight = this.#flights.get(id);
    const failed = reasonCode >= 0x80;
    if (type === PacketType.PUBREC && !failed && (flight === undefined || flight.qos === 2)) {
      const known = flight !== undefined || this.#limits?.level !== 5;
      this.#answer(id, known ? Reason.SUCCESS : Reason.PACKET_IDENTIFIER_NOT_FOUND);
      if (flight !== undefined) flight.awaits = PacketType.PUBCOMP;
      return;
    }
    if (flight === undefined || flight.awaits !== type) return;
    this.#land(id, flight);
    this.#acknowledged = true;
    const { call, index } = flight;
    // A PUBCOMP can only say that the broker had finished with the message before.
    if (failed && type !== PacketType.PUBCOMP) {
      call.failures.push({
        index,
        retryable: reasonCode === Reason.QUOTA_EXCEEDED,
        reasonCode,
        message: `Broker refused a message on "${call.messages[index]!.topic}": ${
          reasonString ?? reasonText(reasonCode)
        }`,
      });
    }
    if (--call.unsettled === 0 && call.cursor === call.messages.length) this.#settle(call);
  }

  #land(id: number, flight: Flight): void {
    this.#flights.delete(id);
    if (flight.qos === 2) this.#qos2Flights--;
    this.#ids.release(id);
  }

  #answer(packetId: number, reasonCode: number): void {
    if (reasonCode !== Reason.SUCCESS) {
      this.#answers.push(encodePacket({ type: PacketType.PUBREL, packetId, reasonCode }, 5));
      return;
    }
    const bytes = Buffer.allocUnsafe(4);
    writeAck(bytes, 0, PacketType.PUBREL, packetId);
    this.#answers.push(bytes);
  }

  /** All packets of a socket read have been seen. */
  endRead(): void {
    if (this.#answers.length > 0) {
      const answers = this.#answers;
      this.#answers = [];
      this.#owner.send(answers.length === 1 ? answers : [Buffer.concat(answers)]);
    }
    if (!this.#acknowledged) return;
    this.#acknowledged = false;
    this.#pump();
  }

  onDrain(): void {
    this.#hasRoom = true;
    const flushed = this.#flushing;
    this.#flushing = [];
    for (const call of flushed) this.#settle(call);
    this.#pump();
  }

  /** A connection is up: sends again what was in flight, then whatever waits. */
  connected(limits: BrokerLimits, sessionKept: boolean): void {
    this.#limits = limits;
    this.#hasRoom = true;
    this.#answers = [];
    const writer = new PublishWriter(limits.level);
    let bytes = 0;
    for (const [id, flight] of [...this.#flights]) {
      const { call, index } = flight;
      // Its caller has been told that it failed, and may publish it again. QoS 2 has to end as it began.
      if (call.settled && (flight.qos === 1 || !sessionKept)) {
        this.#land(id, flight);
        continue;
      }
      if (sessionKept && flight.awaits === PacketType.PUBCOMP) {
        this.#answer(id, Reason.SUCCESS);
        continue;
      }
      flight.awaits = firstAnswer(flight.qos);
      const { topic, payload, retain, properties } = call.messages[index]!;
      const size = writer.add(topic, payload, flight.qos, retain ?? false, sessionKept, id, properties);
      bytes += size;
    }
    if (bytes > 0) this.#hasRoom = this.#owner.send(writer.take());
    this.endRead();
    this.#pump();
  }

  /** The connection is lost: gives back what was not sent, keeps what was. */
  disconnected(): void {
    if (this.#limits === undefined) return;
    this.#limits = undefined;
    const lost = this.#flushing;
    this.#flushing = [];
    for (const call of this.#calls) if (call.unsettled === 0) lost.push(call);
    this.#calls = this.#calls.filter((call) => call.unsettled > 0);
    this.#queued = this.#calls.reduce((sum, call) => sum + call.messages.length - call.cursor, 0);
    for (const call of lost) this.#settle(call, notConnected());
  }

  close(): void {
    this.disconnected();
    const calls = new Set(this.#calls);
    for (const flight of this.#flights.values()) calls.add(flight.call);
    this.#calls = [];
    this.#flights.clear();
    this.#qos2Flights = 0;
    for (const call of calls) this.#settle(call, new MqttError("Connection was closed", { retryable: true }));
  }
}

function firstAnswer(qos: Qos): typeof PacketType.PUBACK | typeof PacketType.PUBREC {
  return qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
}

function notConnected(): MqttError {
  return new MqttError("Not connected to a broker", { retryable: true });
}

function refusal(call: Call): MqttError {
  const { failures, messages } = call;
  const first = failures[0]!;
  const text = messages.length === 1
    ? first.message
    : `${failures.length} of ${messages.length} messages were refused; the first: ${first.message}`;
  return new MqttError(text, {
    retryable: failures.every((failure) => failure.retryable),
    failures,
    ...(first.reasonCode === undefined ? {} : { reasonCode: first.reasonCode }),
  });
}
