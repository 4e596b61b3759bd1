/**
 * Messages from the broker on their way to subscriptions, and their acknowledgements on the way back.
 *
 * Invariants: PUBACK and PUBREC leave in the order in which their messages came, and never before every subscription has
 * acknowledged its copy; what is handed out and not released is counted, and reading stops above the limits.
 * @module
 */
import { Buffer } from "node:buffer";
import type { FilterRequest, InboundMessage, TakenOptions } from "./connection.ts";
import { Exchanges, type Session } from "./exchanges.ts";
import { Batch, Message, ReadGroup } from "./message.ts";
import type { LocalSubscription, Route } from "./subscriptions.ts";
import type { Exchange, TakenIds } from "./taken_ids.ts";
import { Unclaimed } from "./unclaimed.ts";
import { encodePacket, writeAck } from "../protocol/encode.ts";
import { PacketType, type ProtocolLevel } from "../protocol/packet.ts";
import type { Properties } from "../protocol/properties.ts";
import { MqttProtocolError, Reason } from "../protocol/reason.ts";

/** What a message costs beside its payload, about. */
const MESSAGE_OVERHEAD_BYTES = 100;

export interface InboundLimits {
  readonly heldMessagesMax: number;
  readonly heldBytesMax: number;
  readonly receiveMaximum: number;
}

export interface InboundOwner {
  route(topic: string): Route;
  send(chunks: Uint8Array[]): void;
  /** Whether the broker owes answers, which come behind the messages and so need reading to go on. */
  awaitsAnswers(): boolean;
  setReading(reading: boolean): void;
  after(delayMs: number, callback: () => void): () => void;
  /** A subscription that had to wait can be made. */
  ready(taken: TakenIds): void;
  /** A subscriber's callback threw. */
  failed(subscription: LocalSubscription, error: unknown): void;
}

export class Inbound {
  readonly #owner: InboundOwner;
  readonly #limits: InboundLimits;
  #level: ProtocolLevel = 4;
  #epoch = 0;
  #connected = false;
  /** Reads with messages of QoS 1 or 2, oldest first, from `#queueStart`. */
  #queue: ReadGroup[] = [];
  #queueStart = 0;
  #unacknowledged = 0;
  #group: ReadGroup | undefined;
  readonly #touched: LocalSubscription[] = [];
  readonly #exchanges: Exchanges;
  /** Answers to PUBREL, collected over a read. */
  #answers: Uint8Array[] = [];
  readonly #unclaimed: Unclaimed;
  #openUnclaimed: Batch | undefined;
  reading = true;

  received = 0;
  droppedOverLimit = 0;
  unclaimed = 0;
  duplicates = 0;
  heldMessages = 0;
  heldBytes = 0;
  #guaranteedBytes = 0;

  constructor(owner: InboundOwner, limits: InboundLimits) {
    this.#owner = owner;
    this.#limits = limits;
    this.#exchanges = new Exchanges(owner);
    this.#unclaimed = new Unclaimed({
      handOut: (subscription, batch) => this.#handOut(subscription, batch),
      wants: (subscription, topic) => owner.route(topic).subscriptions.includes(subscription),
      after: (delayMs, callback) => owner.after(delayMs, callback),
      letGo: (messages) => this.#letGoUnclaimed(messages),
    });
  }

  /** @param late whether the broker was met before */
  taken(options: TakenOptions, filters: readonly FilterRequest[], late: boolean): TakenIds {
    return this.#exchanges.take(options, filters, late);
  }

  /**
   * A connection is up.
   *
   * @param holdMs how long messages that nobody wants wait for a subscription that does
   */
  connected(level: ProtocolLevel, session: Session, holdMs: number): void {
    this.#level = level;
    this.#connected = true;
    this.#unclaimed.hold(holdMs);
    this.#epoch++;
    this.#exchanges.connected(session);
    this.reading = true;
    this.checkLimits();
  }

  disconnected(): void {
    this.#connected = false;
    this.endRead();
    this.#queue = [];
    this.#queueStart = 0;
    this.#unacknowledged = 0;
    this.#answers = [];
    this.#unclaimed.letGo();
    this.#exchanges.disconnected();
  }

  onPublish(
    topic: string,
    flags: number,
    packetId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    subscriptionId: number,
    properties: Properties | undefined,
  ): void {
    if (topic === "" || properties?.topicAlias !== undefined) {
      throw new MqttProtocolError(
        Reason.TOPIC_ALIAS_INVALID,
        "Broker used a topic alias without having been offered any",
      );
    }
    this.received++;
    const qos = (flags >> 1) & 3;
    if (qos === 0 && this.#mustDrop()) {
      this.droppedOverLimit++;
      return;
    }
    const group = (this.#group ??= new ReadGroup(this.#epoch, this.#exchanges.session));
    const exchange = qos === 2 ? this.#exchanges.begun(packetId, (flags & 8) !== 0) : undefined;
    if (exchange?.group !== undefined) return this.#repeat(exchange, exchange.group, packetId, group);
    if (qos > 0) group.packetIds.push(qos === 2 ? -packetId : packetId);
    const route = this.#owner.route(topic);
    const { subscriptions } = route;
    const message = new Message(topic, flags, packetId, bytes, start, end, properties);
    if (exchange !== undefined) return this.#deliverToOthers(message, subscriptions, exchange, group);
    if (qos === 2) this.#exchanges.begin(packetId, group);
    if (subscriptions.length === 0) return this.#noSubscription(message, group, route);
    count(message, group);
    if (route.allIds.length > 1) return this.#deliverOverlapping(message, route, group, subscriptionId, properties);
    for (let i = 0; i < subscriptions.length; i++) this.#deliver(message, subscriptions[i]!, group);
  }

  #deliver(message: Message, subscription: LocalSubscription, group: ReadGroup): void {
    let batch = subscription.open;
    if (batch === undefined) {
      batch = new Batch(group, this, subscription.held);
      subscription.open = batch;
      this.#touched.push(subscription);
    }
    batch.add(message);
  }

  /** Each filter that matches may bring its own copy, tagged with its identifier; a subscription takes one of them. */
  #deliverOverlapping(
    message: Message,
    route: Route,
    group: ReadGroup,
    subscriptionId: number,
    properties: Properties | undefined,
  ): void {
    const tags = subscriptionId > 0 ? [subscriptionId] : properties?.subscriptionIdentifiers ?? [];
    // Tags of a session begun by an earlier process mean nothing here: then everyone takes the message.
    const known = tags.some((tag) => route.allIds.includes(tag));
    for (let i = 0; i < route.subscriptions.length; i++) {
      if (!known || tags.includes(route.ids[i]!)) this.#deliver(message, route.subscriptions[i]!, group);
    }
  }

  /** The message was delivered before: its answer is seen to. */
  #repeat(exchange: Exchange, first: ReadGroup, packetId: number, group: ReadGroup): void {
    this.duplicates++;
    if (exchange.received || exchange.acknowledged) {
      group.packetIds.push(-packetId);
    } else if (first.epoch !== this.#epoch && exchange.waiting === undefined) {
      exchange.waiting = group;
      group.packetIds.push(-packetId);
      group.pendingAcks++;
    }
  }

  /** A message that an earlier process has taken comes again: to those who did not take it. */
  #deliverToOthers(
    message: Message,
    subscriptions: readonly LocalSubscription[],
    exchange: Exchange,
    group: ReadGroup,
  ): void {
    const others = subscriptions.filter(({ taken }) => taken === undefined || !exchange.takers?.has(taken));
    exchange.group = group;
    if (others.length === 0) {
      this.duplicates++;
      exchange.acknowledged = true;
      return;
    }
    count(message, group);
    for (const subscription of others) this.#deliver(message, subscription, group);
  }

  #noSubscription(message: Message, group: ReadGroup, route: Route): void {
    if (message.packetId === 0 || route.forgotten || !(this.#unclaimed.holds || this.#exchanges.isSubscriptionDue)) {
      this.unclaimed++;
      return;
    }
    count(message, group);
    (this.#openUnclaimed ??= new Batch(group, this)).add(message);
  }

  /** The broker releases a QoS 2 message. */
  onPubrel(packetId: number): void {
    const outcome = this.#exchanges.release(packetId);
    if (outcome === "later") return;
    const reasonCode = outcome === "ended" || this.#level !== 5 ? Reason.SUCCESS : Reason.PACKET_IDENTIFIER_NOT_FOUND;
    this.#answers.push(encodePacket({ type: PacketType.PUBCOMP, packetId, reasonCode }, this.#level));
  }

  /** All packets of a socket read have been seen: hands the batches out. */
  endRead(): void {
    if (this.#answers.length > 0 && this.#connected) {
      this.#owner.send(this.#answers.length === 1 ? this.#answers : [Buffer.concat(this.#answers)]);
      this.#answers = [];
    }
    this.#exchanges.endRead();
    const group = this.#group;
    // Without messages the read may still have brought the answer for which reading went on.
    if (group === undefined) return this.checkLimits();
    this.#group = undefined;
    this.heldMessages += group.messages;
    this.heldBytes += group.bytes;
    this.#guaranteedBytes += group.guaranteedBytes;
    if (group.packetIds.length > 0) {
      this.#queue.push(group);
      this.#unacknowledged += group.packetIds.length;
    }
    const batches = this.#closeBatches(group);
    if (group.pendingBatches === 0) this.#releaseGroup(group);
    if (group.pendingAcks === 0) this.#sendAcknowledgements();
    for (const [subscription, batch] of batches) this.#handOut(subscription, batch);
    this.checkLimits();
  }

  /** Counts all batches of the read before the first is handed out, since it may be acknowledged at once. */
  #closeBatches(group: ReadGroup): [LocalSubscription, Batch][] {
    const batches: [LocalSubscription, Batch][] = [];
    for (const subscription of this.#touched) {
      batches.push([subscription, subscription.open!]);
      subscription.open = undefined;
    }
    this.#touched.length = 0;
    for (const [, batch] of batches) {
      group.pendingBatches++;
      if (batch.needsAck) group.pendingAcks++;
    }
    if (this.#openUnclaimed !== undefined) {
      const batch = this.#openUnclaimed;
      this.#openUnclaimed = undefined;
      group.pendingBatches++;
      group.pendingAcks++;
      this.#unclaimed.add(batch, batch.messages);
    }
    return batches;
  }

  #handOut(subscription: LocalSubscription, batch: Batch): void {
    if (subscription.closed && !subscription.detached) return batch.ack();
    subscription.held.add(batch);
    if (subscription.closed) return this.#leaveHeld(subscription);
    try {
      subscription.options.onBatch(batch);
    } catch (error) {
      this.#owner.failed(subscription, error);
    }
  }

  /** Called by a batch when it is acknowledged. */
  release(batch: Batch): void {
    const { group } = batch;
    if (--group.pendingBatches === 0) this.#releaseGroup(group);
    if (batch.needsAck && --group.pendingAcks === 0) this.#acknowledged(group);
    this.checkLimits();
  }

  #releaseGroup(group: ReadGroup): void {
    this.heldMessages -= group.messages;
    this.heldBytes -= group.bytes;
    this.#guaranteedBytes -= group.guaranteedBytes;
  }

  #acknowledged(group: ReadGroup): void {
    if (this.#connected && group.epoch === this.#epoch) return this.#sendAcknowledgements();
    // The broker will deliver again what came over an earlier connection: QoS 1 anew, QoS 2 to be answered only.
    let ready = false;
    for (const id of group.packetIds) {
      const exchange = id < 0 ? this.#exchanges.exchange(-id) : undefined;
      if (exchange === undefined || exchange.group !== group) continue;
      exchange.acknowledged = true;
      if (exchange.waiting !== undefined && --exchange.waiting.pendingAcks === 0) ready = true;
      exchange.waiting = undefined;
    }
    if (ready && this.#connected) this.#sendAcknowledgements();
  }

  /** Answers the messages of all oldest reads that are done, in one write. */
  #sendAcknowledgements(): void {
    if (!this.#connected) return;
    const first = this.#queueStart;
    let count = 0;
    while (this.#queueStart < this.#queue.length && this.#queue[this.#queueStart]!.pendingAcks === 0) {
      count += this.#queue[this.#queueStart++]!.packetIds.length;
    }
    if (count === 0) return;
    const buffer = Buffer.allocUnsafe(count * 4);
    let at = 0;
    for (let i = first; i < this.#queueStart; i++) {
      for (const id of this.#queue[i]!.packetIds) {
        if (id > 0) {
          writeAck(buffer, at, PacketType.PUBACK, id);
        } else {
          writeAck(buffer, at, PacketType.PUBREC, -id);
          const exchange = this.#exchanges.exchange(-id);
          if (exchange !== undefined) exchange.received = true;
        }
        at += 4;
      }
    }
    this.#unacknowledged -= count;
    if (this.#queueStart === this.#queue.length) {
      this.#queue = [];
      this.#queueStart = 0;
    } else if (this.#queueStart > 1000) {
      this.#queue = this.#queue.slice(this.#queueStart);
      this.#queueStart = 0;
    }
    this.#owner.send([buffer]);
  }

  /** Hands held messages to a subscription that came after them. */
  claim(subscription: LocalSubscription): void {
    this.#unclaimed.claim(subscription);
  }

  #letGoUnclaimed(messages: readonly InboundMessage[]): void {
    if (this.#connected) this.unclaimed += messages.length;
    // After a loss the broker delivers them again, and then they must not look like duplicates.
    else for (const message of messages) this.#exchanges.drop(message.packetId);
  }

  /**
   * The subscription has left, but not the session: from now on what nobody wants is left unacknowledged, for the next
   * start to find, and so is what it holds.
   */
  leave(subscription: LocalSubscription): void {
    this.#unclaimed.hold(Infinity);
    if (subscription.taken !== undefined) subscription.taken.closed = true;
    this.#leaveHeld(subscription);
  }

  #leaveHeld(subscription: LocalSubscription): void {
    for (const batch of subscription.held) {
      // What was lost with a connection comes again if it has QoS 1; of QoS 2 the copy that was delivered has to serve.
      const again = !this.#connected || batch.group.epoch !== this.#epoch;
      const messages = batch.messages.filter(({ qos }) => again ? qos === 2 : qos > 0);
      if (messages.length === 0) batch.ack();
      else this.#unclaimed.add(batch, messages);
    }
    subscription.held.clear();
  }

  /** Acknowledges what a closed subscription still holds, so that it does not block the others. */
  letGo(subscription: LocalSubscription): void {
    for (const batch of [...subscription.held]) batch.ack();
    if (subscription.taken !== undefined) subscription.taken.closed = true;
    this.#exchanges.forgetClosed(subscription.filters);
  }

  #isOver(factor: number): boolean {
    const { heldMessagesMax, heldBytesMax, receiveMaximum } = this.#limits;
    return this.heldMessages > heldMessagesMax * factor || this.heldBytes > heldBytesMax * factor ||
      this.#unacknowledged > receiveMaximum * factor;
  }

  /** Only while answers are awaited do messages keep coming above the limits; then QoS 0 has to give way. */
  #mustDrop(): boolean {
    return this.#isOver(2) && this.#owner.awaitsAnswers();
  }

  /** QoS 1 and 2 cannot give way; the broker's window bounds them, and this does where the broker has none. */
  #isFlooded(): boolean {
    const { heldBytesMax, receiveMaximum } = this.#limits;
    return this.#guaranteedBytes > 4 * heldBytesMax || this.#unacknowledged > 4 * receiveMaximum;
  }

  /** Stops or resumes reading; to be called when what is held, or what is awaited, has changed. */
  checkLimits(): void {
    if (!this.#connected) return;
    const mayExceed = this.#owner.awaitsAnswers() && !this.#isFlooded();
    if (this.reading) {
      if (this.#isOver(1) && !mayExceed) this.#setReading(false);
    } else if (mayExceed || !this.#isOver(0.5)) {
      this.#setReading(true);
    }
  }

  #setReading(reading: boolean): void {
    this.reading = reading;
    this.#owner.setReading(reading);
  }
}

function count(message: Message, group: ReadGroup): void {
  const bytes = message.end - message.start + MESSAGE_OVERHEAD_BYTES;
  group.messages++;
  group.bytes += bytes;
  if (message.packetId !== 0) group.guaranteedBytes += bytes;
}
