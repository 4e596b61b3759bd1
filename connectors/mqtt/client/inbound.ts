/**
 * Messages from the broker on their way to subscriptions, and their acknowledgements on the way back.
 *
 * Invariants: PUBACK and PUBREC leave in the order in which their messages came, and never before every subscription has
 * acknowledged its copy; what is handed out and not released is counted, and reading stops above the limits.
 * @module
 */
import { Buffer } from "node:buffer";
import type { FilterRequest, TakenOptions } from "./connection.ts";
import { Batch, Message, ReadGroup } from "./message.ts";
import type { LocalSubscription, Route } from "./subscriptions.ts";
import { type Exchange, TakenIds, type TakenOwner } from "./taken_ids.ts";
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

/** A batch of messages of a kept session that no subscription matched when they came. */
interface Unclaimed {
  readonly batch: Batch;
  messages: Message[];
  /** Deliveries not acknowledged, plus one while it is still held. */
  pending: number;
}

/** The session at the broker that a connection goes on with. */
export interface Session {
  readonly name: string;
  /** Whether the broker still has what this client last knew of. */
  readonly kept: boolean;
  /** Whether the broker has a session that may be the one that this client, or an earlier process, knew last. */
  readonly found: boolean;
  /** Whether it cannot be another. */
  readonly sure: boolean;
}

export class Inbound implements TakenOwner {
  readonly #owner: InboundOwner;
  readonly #limits: InboundLimits;
  #level: ProtocolLevel = 4;
  #epoch = 0;
  #connected = false;
  #holdUnclaimed = false;
  /** Reads with messages of QoS 1 or 2, oldest first, from `#queueStart`. */
  #queue: ReadGroup[] = [];
  #queueStart = 0;
  #unacknowledged = 0;
  #group: ReadGroup | undefined;
  readonly #touched: LocalSubscription[] = [];
  #exchanges = new Map<number, Exchange>();
  /** Those who keep what they have taken; closed ones while the session may still hold messages of theirs. */
  readonly #takers = new Map<TakenIds, readonly FilterRequest[]>();
  session = 0;
  sessionName = "";
  /** Those that the present read has released messages of. */
  readonly #news = new Set<TakenIds>();
  /** Answers to PUBREL, collected over a read. */
  #answers: Uint8Array[] = [];
  readonly #unclaimedHeld = new Set<Unclaimed>();
  #openUnclaimed: Batch | undefined;
  #cancelHold: (() => void) | undefined;
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
  }

  /**
   * A connection is up.
   *
   * @param holdMs how long messages that nobody wants wait for a subscription that does
   */
  connected(level: ProtocolLevel, session: Session, holdMs: number): void {
    this.#level = level;
    this.#connected = true;
    this.#holdUnclaimed = holdMs > 0;
    if (holdMs > 0) this.#cancelHold = this.#owner.after(holdMs, () => this.#letGoUnclaimed());
    this.#epoch++;
    this.sessionName = session.name;
    if (!session.kept) {
      this.#exchanges.clear();
      this.session++;
    }
    for (const taken of this.#takers.keys()) {
      if (taken.closed && !session.kept) this.#takers.delete(taken);
      else taken.connected(session.found, session.sure);
    }
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
    this.#news.clear();
    for (const taken of this.#takers.keys()) taken.disconnected();
    this.#letGoUnclaimed();
    for (const exchange of this.#exchanges.values()) exchange.waiting = undefined;
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
    const group = (this.#group ??= new ReadGroup(this.#epoch, this.session));
    const exchange = qos === 2 ? this.#begun(packetId, (flags & 8) !== 0) : undefined;
    if (exchange?.group !== undefined) return this.#repeat(exchange, exchange.group, packetId, group);
    if (qos > 0) group.packetIds.push(qos === 2 ? -packetId : packetId);
    const route = this.#owner.route(topic);
    const { subscriptions } = route;
    const message = new Message(topic, flags, packetId, bytes, start, end, properties);
    if (exchange !== undefined) return this.#deliverToOthers(message, subscriptions, exchange, group);
    if (qos === 2) this.#exchanges.set(packetId, newExchange(group));
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

  /** The exchange that a message of QoS 2 belongs to, unless it begins one. */
  #begun(packetId: number, dup: boolean): Exchange | undefined {
    const exchange = this.#exchanges.get(packetId);
    if (exchange?.takers === undefined) return exchange;
    for (const taken of exchange.takers) {
      if (dup) {
        taken.confirm();
      } else if (taken.deny()) {
        // A broker that sends for the first time what was taken before has begun a new session.
        this.#exchanges.delete(packetId);
        return undefined;
      }
    }
    return exchange;
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
    if (message.packetId === 0 || route.forgotten || !(this.#holdUnclaimed || this.#isAwaited())) {
      this.unclaimed++;
      return;
    }
    count(message, group);
    (this.#openUnclaimed ??= new Batch(group, this)).add(message);
  }

  /** Whether a subscription is about to be made that may want what nobody wants now. */
  #isAwaited(): boolean {
    for (const taken of this.#takers.keys()) if (taken.waits && !taken.closed) return true;
    return false;
  }

  /** The broker releases a QoS 2 message. */
  onPubrel(packetId: number): void {
    const exchange = this.#exchanges.get(packetId);
    if (exchange?.takers !== undefined && exchange.takers.size > 0) return this.#released(packetId, exchange);
    const known = this.#exchanges.delete(packetId);
    const reasonCode = known || this.#level !== 5 ? Reason.SUCCESS : Reason.PACKET_IDENTIFIER_NOT_FOUND;
    this.#answers.push(encodePacket({ type: PacketType.PUBCOMP, packetId, reasonCode }, this.#level));
  }

  /** PUBCOMP waits for those who may have the identifier among what they keep. */
  #released(packetId: number, exchange: Exchange): void {
    for (const taken of exchange.takers!) taken.confirm();
    if (exchange.released) return;
    exchange.released = true;
    for (const taken of exchange.takers!) {
      taken.release(packetId);
      this.#news.add(taken);
    }
  }

  /** All packets of a socket read have been seen: hands the batches out. */
  endRead(): void {
    if (this.#answers.length > 0 && this.#connected) {
      this.#owner.send(this.#answers.length === 1 ? this.#answers : [Buffer.concat(this.#answers)]);
      this.#answers = [];
    }
    if (this.#news.size > 0) {
      for (const taken of this.#news) taken.tell();
      this.#news.clear();
    }
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
      this.#unclaimedHeld.add({ batch, messages: batch.messages as Message[], pending: 1 });
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
      const exchange = id < 0 ? this.#exchanges.get(-id) : undefined;
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
          const exchange = this.#exchanges.get(-id);
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
    for (const held of this.#unclaimedHeld) {
      if (held.batch.acknowledged) {
        this.#unclaimedHeld.delete(held);
        continue;
      }
      const claimed = held.messages.filter(({ topic }) =>
        this.#owner.route(topic).subscriptions.includes(subscription)
      );
      if (claimed.length === 0) continue;
      held.messages = held.messages.filter((message) => !claimed.includes(message));
      held.pending++;
      const batch = new Batch(held.batch.group, { release: () => this.#settleUnclaimed(held) }, subscription.held);
      for (const message of claimed) batch.add(message);
      if (held.messages.length === 0) {
        this.#unclaimedHeld.delete(held);
        this.#settleUnclaimed(held);
      }
      queueMicrotask(() => this.#handOut(subscription, batch));
    }
  }

  #settleUnclaimed(held: Unclaimed): void {
    if (--held.pending === 0) held.batch.ack();
  }

  #letGoUnclaimed(): void {
    this.#cancelHold?.();
    this.#cancelHold = undefined;
    this.#holdUnclaimed = false;
    const all = [...this.#unclaimedHeld];
    this.#unclaimedHeld.clear();
    for (const held of all) {
      if (this.#connected) this.unclaimed += held.messages.length;
      // After a loss the broker delivers them again, and then they must not look like duplicates.
      else for (const message of held.messages) this.#exchanges.delete(message.packetId);
      held.messages = [];
      this.#settleUnclaimed(held);
    }
  }

  /**
   * The subscription has left, but not the session: from now on what nobody wants is left unacknowledged, for the next
   * start to find, and so is what it holds.
   */
  leave(subscription: LocalSubscription): void {
    this.#cancelHold?.();
    this.#cancelHold = undefined;
    this.#holdUnclaimed = true;
    if (subscription.taken !== undefined) subscription.taken.closed = true;
    this.#leaveHeld(subscription);
  }

  #leaveHeld(subscription: LocalSubscription): void {
    for (const batch of subscription.held) {
      // What was lost with a connection comes again if it has QoS 1; of QoS 2 the copy that was delivered has to serve.
      const again = !this.#connected || batch.group.epoch !== this.#epoch;
      const messages = batch.messages.filter(({ qos }) => again ? qos === 2 : qos > 0) as Message[];
      if (messages.length === 0) batch.ack();
      else this.#unclaimedHeld.add({ batch, messages, pending: 1 });
    }
    subscription.held.clear();
  }

  /** Acknowledges what a closed subscription still holds, so that it does not block the others. */
  letGo(subscription: LocalSubscription): void {
    for (const batch of [...subscription.held]) batch.ack();
    const { taken } = subscription;
    if (taken !== undefined) taken.closed = true;
    this.#forgetClosed(subscription.filters);
  }

  // ---------------------------------------------------------------- messages that are kept as taken

  /** @param late whether the broker was met before */
  taken(options: TakenOptions, filters: readonly FilterRequest[], late: boolean): TakenIds {
    const taken = new TakenIds(options, this, late);
    this.#takers.set(taken, filters);
    if (!taken.waits) this.#forgetClosed(filters);
    return taken;
  }

  ready(taken: TakenIds): void {
    this.#forgetClosed(this.#takers.get(taken) ?? []);
    this.#owner.ready(taken);
  }

  /** Of sets that were left, those of the same filters are of no use any more. */
  #forgetClosed(filters: readonly FilterRequest[]): void {
    for (const [taken, own] of this.#takers) {
      if (!taken.closed || !own.some(({ filter }) => filters.some((other) => other.filter === filter))) continue;
      this.#takers.delete(taken);
      taken.forget();
    }
  }

  exchange(id: number): Exchange | undefined {
    return this.#exchanges.get(id);
  }

  resume(id: number): Exchange {
    const known = this.#exchanges.get(id);
    if (known !== undefined) return known;
    const exchange = newExchange(undefined);
    this.#exchanges.set(id, exchange);
    return exchange;
  }

  drop(id: number): void {
    this.#exchanges.delete(id);
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.#owner.after(delayMs, callback);
  }

  finish(ids: readonly number[]): void {
    for (const id of ids) this.#exchanges.delete(id);
    if (ids.length === 0 || !this.#connected) return;
    const buffer = Buffer.allocUnsafe(ids.length * 4);
    ids.forEach((id, index) => writeAck(buffer, index * 4, PacketType.PUBCOMP, id));
    this.#owner.send([buffer]);
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

function newExchange(group: ReadGroup | undefined): Exchange {
  return { group, acknowledged: false, received: false, waiting: undefined, takers: undefined, released: false };
}

function count(message: Message, group: ReadGroup): void {
  const bytes = message.end - message.start + MESSAGE_OVERHEAD_BYTES;
  group.messages++;
  group.bytes += bytes;
  if (message.packetId !== 0) group.guaranteedBytes += bytes;
}
