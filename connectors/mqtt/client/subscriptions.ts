/**
 * Who wants which messages, and what the broker has been asked for.
 *
 * Any number of local subscriptions share one filter at the broker. Where the broker tags messages with subscription
 * identifiers (MQTT 5) every filter is asked for; elsewhere a filter that a wider one covers is not, because brokers
 * differ in whether a message that matches both comes once or twice.
 * @module
 */
import {
  type FilterRequest,
  type MessageBatch,
  MqttError,
  type SubscribeOptions,
  type Subscription,
  type TakenStep,
} from "./connection.ts";
import type { Batch } from "./message.ts";
import { PacketIds } from "./packet_ids.ts";
import type { TakenIds } from "./taken_ids.ts";
import { TopicTree } from "./topic_tree.ts";
import { encodePacket } from "../protocol/encode.ts";
import {
  PacketType,
  type ProtocolLevel,
  type Qos,
  type SubackPacket,
  type UnsubackPacket,
} from "../protocol/packet.ts";
import { reasonText } from "../protocol/reason.ts";
import { topicMatches, validateTopicFilter } from "../protocol/topic.ts";

/** Topics whose routes are remembered; beyond, the memory is emptied and fills again. */
const ROUTES_MAX = 10_000;
/** Closed filters that are remembered, to tell late messages of theirs from those of subscriptions still to come. */
const FORGOTTEN_MAX = 100;
/** Filters in one SUBSCRIBE or UNSUBSCRIBE, so that the packet stays small. */
const FILTERS_A_PACKET = 50;

/** One filter at the broker. */
class BrokerFilter {
  readonly filter: string;
  /** Subscription identifier. */
  readonly id: number;
  readonly users = new Map<LocalSubscription, FilterRequest>();
  state: "wanted" | "asked" | "granted" | "refused" | "covered" = "wanted";
  /** The QoS last asked for. */
  askedQos: Qos = 0;
  /** The highest QoS that its users, and those of filters that it covers, want. */
  neededQos: Qos = 0;

  constructor(filter: string, id: number) {
    this.filter = filter;
    this.id = id;
  }

  get atBroker(): boolean {
    return this.state === "asked" || this.state === "granted";
  }
}

/** The subscriptions that a topic goes to. */
export interface Route {
  readonly subscriptions: readonly LocalSubscription[];
  /** For each of them, identifier of the filter whose copy of a message it takes. */
  readonly ids: readonly number[];
  /** Identifiers of all matching filters; one or none means that no message can come twice. */
  readonly allIds: readonly number[];
  /** Nobody wants it any more: there was a subscription, and it was closed. */
  readonly forgotten: boolean;
}

export interface SubscriptionsOwner {
  /** Sends packets, when connected. */
  send(chunks: Uint8Array[]): void;
  /** A subscription is there, before the broker knows. */
  added(subscription: LocalSubscription): void;
  /** A subscription is gone: lets go of what it holds unacknowledged. */
  removed(subscription: LocalSubscription, mode: "unsubscribe" | "detach"): void;
  /** Asks for {@linkcode Subscriptions.retry} later. */
  retryLater(): void;
}

export class LocalSubscription implements Subscription {
  readonly filters: readonly FilterRequest[];
  readonly options: SubscribeOptions;
  /** What the present socket read has brought so far. */
  open: Batch | undefined;
  /** Batches handed out and not acknowledged. */
  readonly held = new Set<Batch>();
  closed = false;
  /** Whether it was closed without leaving the session. */
  detached = false;
  readonly taken: TakenIds | undefined;
  readonly #registry: Subscriptions;

  constructor(options: SubscribeOptions, registry: Subscriptions, taken: TakenIds | undefined) {
    this.options = options;
    this.filters = options.filters;
    this.taken = taken;
    this.#registry = registry;
  }

  take(batches: readonly MessageBatch[]): TakenStep | undefined {
    return this.taken?.advance(batches as readonly Batch[]);
  }

  subscribed(signal?: AbortSignal): Promise<void> {
    return this.#registry.whenGranted(this, signal);
  }

  close(mode: "unsubscribe" | "detach" = "unsubscribe"): Promise<void> {
    this.#registry.remove(this, mode);
    return Promise.resolve();
  }
}

interface Waiter {
  readonly subscription: LocalSubscription;
  readonly done: (error?: unknown) => void;
}

export class Subscriptions {
  readonly #owner: SubscriptionsOwner;
  readonly #ids: PacketIds;
  readonly #filters = new Map<string, BrokerFilter>();
  readonly #tree = new TopicTree<BrokerFilter>();
  #routes = new Map<string, Route>();
  /** SUBSCRIBE and UNSUBSCRIBE packets that the broker has not answered. */
  readonly #asked = new Map<number, BrokerFilter[]>();
  readonly #left = new Map<number, string[]>();
  /** Filters to leave at the broker. */
  readonly #leaving = new Set<string>();
  readonly #forgotten = new Set<string>();
  #waiters: Waiter[] = [];
  #lastId = 0;
  #level: ProtocolLevel = 4;
  #connected = false;
  #tagged = false;
  #scheduled = false;

  constructor(owner: SubscriptionsOwner, ids: PacketIds) {
    this.#owner = owner;
    this.#ids = ids;
  }

  /** Answers that the broker owes. */
  get awaited(): number {
    return this.#asked.size + this.#left.size;
  }

  /** @param taken what it has taken in the session, where that is kept */
  add(options: SubscribeOptions, taken?: TakenIds): LocalSubscription {
    for (const { filter } of options.filters) {
      const trouble = validateTopicFilter(filter);
      if (trouble === undefined) continue;
      throw new MqttError(`Cannot subscribe to "${filter}": ${trouble}`, { retryable: false });
    }
    const subscription = new LocalSubscription(options, this, taken);
    for (const request of options.filters) {
      let entry = this.#filters.get(request.filter);
      if (entry === undefined) {
        entry = new BrokerFilter(request.filter, ++this.#lastId);
        this.#filters.set(request.filter, entry);
        this.#tree.add(request.filter, entry);
      }
      entry.users.set(subscription, request);
      this.#forgotten.delete(request.filter);
    }
    this.#routes.clear();
    this.#schedule();
    this.#owner.added(subscription);
    return subscription;
  }

  remove(subscription: LocalSubscription, mode: "unsubscribe" | "detach"): void {
    if (subscription.closed) return;
    subscription.closed = true;
    subscription.detached = mode === "detach";
    for (const { filter } of subscription.filters) {
      const entry = this.#filters.get(filter);
      if (entry === undefined) continue;
      entry.users.delete(subscription);
      if (entry.users.size > 0) continue;
      this.#filters.delete(filter);
      this.#tree.remove(filter, entry);
      if (mode === "detach") continue;
      if (entry.atBroker) this.#leaving.add(filter);
      this.#forgotten.add(filter);
      if (this.#forgotten.size > FORGOTTEN_MAX) this.#forgotten.delete(this.#forgotten.values().next().value!);
    }
    this.#routes.clear();
    this.#schedule();
    this.#settle(subscription, new MqttError("Subscription is closed", { retryable: false }));
    this.#owner.removed(subscription, mode);
  }

  /** @param tagged whether the broker knows subscription identifiers */
  connected(level: ProtocolLevel, tagged: boolean, sessionKept: boolean): void {
    this.#level = level;
    this.#tagged = tagged && level === 5;
    this.#connected = true;
    for (const entry of this.#filters.values()) {
      if (!sessionKept || entry.state !== "granted") entry.state = "wanted";
    }
    if (!sessionKept) this.#leaving.clear();
    this.#routes.clear();
    this.#reconcile();
  }

  disconnected(): void {
    this.#connected = false;
    for (const id of this.#asked.keys()) this.#ids.release(id);
    for (const [id, filters] of this.#left) {
      this.#ids.release(id);
      for (const filter of filters) if (!this.#filters.has(filter)) this.#leaving.add(filter);
    }
    this.#asked.clear();
    this.#left.clear();
  }

  /** A subscription that could not be made before can be now. */
  ready(taken: TakenIds): void {
    const subscription = [...this.all()].find((each) => each.taken === taken);
    if (subscription === undefined) return;
    this.#routes.clear();
    this.#schedule();
    this.#owner.added(subscription);
  }

  /** Asks again for what was refused. */
  retry(): void {
    for (const entry of this.#filters.values()) if (entry.state === "refused") entry.state = "wanted";
    if (this.#connected) this.#reconcile();
  }

  /** Subscribing to many filters in one go takes one round of packets. */
  #schedule(): void {
    if (!this.#connected || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.#connected) this.#reconcile();
    });
  }

  #reconcile(): void {
    const covers = this.#cover();
    const wanted: BrokerFilter[] = [];
    for (const entry of this.#filters.values()) {
      const wider = covers.get(entry);
      if (mustWait(entry)) continue;
      if (wider !== undefined && !entry.atBroker) {
        entry.state = "covered";
      } else if (wider !== undefined && wider.state === "granted") {
        entry.state = "covered";
        this.#leaving.add(entry.filter);
      } else if (entry.state === "wanted" || entry.state === "covered") {
        wanted.push(entry);
      } else if (entry.state === "granted" && entry.askedQos < entry.neededQos) {
        wanted.push(entry);
      }
    }
    const chunks: Uint8Array[] = [];
    const perPacket = this.#tagged ? 1 : FILTERS_A_PACKET;
    for (let i = 0; i < wanted.length; i += perPacket) chunks.push(this.#subscribe(wanted.slice(i, i + perPacket)));
    for (const { filter } of wanted) this.#leaving.delete(filter);
    const leaving = [...this.#leaving];
    this.#leaving.clear();
    for (let i = 0; i < leaving.length; i += FILTERS_A_PACKET) {
      chunks.push(this.#unsubscribe(leaving.slice(i, i + FILTERS_A_PACKET)));
    }
    if (chunks.length > 0) this.#owner.send(chunks);
    this.#settleGranted();
  }

  /** Works out the QoS each filter needs, and which wider filter makes it superfluous. */
  #cover(): Map<BrokerFilter, BrokerFilter> {
    const covers = new Map<BrokerFilter, BrokerFilter>();
    for (const entry of this.#filters.values()) entry.neededQos = wantedQos(entry);
    if (this.#tagged) return covers;
    for (const entry of this.#filters.values()) {
      if (entry.filter.startsWith("$share/")) continue;
      for (const wider of this.#tree.covering(entry.filter)) {
        if (wider === entry || wider.state === "refused" || wider.filter.startsWith("$share/")) continue;
        const best = covers.get(entry);
        if (best === undefined || (best.state !== "granted" && wider.state === "granted")) covers.set(entry, wider);
        wider.neededQos = Math.max(wider.neededQos, wantedQos(entry)) as Qos;
      }
    }
    return covers;
  }

  #subscribe(entries: BrokerFilter[]): Uint8Array {
    const packetId = this.#ids.take();
    this.#asked.set(packetId, entries);
    const filters = entries.map((entry) => {
      entry.state = "asked";
      entry.askedQos = entry.neededQos;
      // Where users differ in these, the first decides.
      const { noLocal, retainAsPublished, retainHandling } = entry.users.values().next().value!;
      return { filter: entry.filter, qos: entry.neededQos, noLocal, retainAsPublished, retainHandling };
    });
    const properties = this.#tagged ? { properties: { subscriptionIdentifiers: [entries[0]!.id] } } : {};
    return encodePacket({ type: PacketType.SUBSCRIBE, packetId, filters, ...properties }, this.#level);
  }

  #unsubscribe(filters: string[]): Uint8Array {
    const packetId = this.#ids.take();
    this.#left.set(packetId, filters);
    return encodePacket({ type: PacketType.UNSUBSCRIBE, packetId, filters }, this.#level);
  }

  onSuback(packet: SubackPacket): void {
    const entries = this.#asked.get(packet.packetId);
    if (entries === undefined) return;
    this.#asked.delete(packet.packetId);
    this.#ids.release(packet.packetId);
    let refused = false;
    entries.forEach((entry, i) => {
      const code = packet.codes[i] ?? 0x80;
      entry.state = code < 0x80 ? "granted" : "refused";
      if (code < 0x80) return;
      refused = true;
      const detail = packet.properties?.reasonString ?? reasonText(code);
      const error = new MqttError(`Broker refused to subscribe to "${entry.filter}": ${detail}`, {
        retryable: true,
        reasonCode: code,
      });
      for (const user of [...entry.users.keys()]) user.options.onError?.(error, entry.filter);
    });
    this.#routes.clear();
    this.#reconcile();
    if (refused) this.#owner.retryLater();
  }

  onUnsuback(packet: UnsubackPacket): void {
    if (!this.#left.delete(packet.packetId)) return;
    this.#ids.release(packet.packetId);
  }

  /** Whether the broker delivers for every filter of the subscription. */
  #isGranted(subscription: LocalSubscription): boolean {
    if (!this.#connected || subscription.closed) return false;
    return subscription.filters.every(({ filter }) => {
      const entry = this.#filters.get(filter);
      if (entry?.state !== "covered") return entry?.state === "granted";
      return this.#tree.covering(filter).some((wider) => wider.state === "granted");
    });
  }

  #settleGranted(): void {
    if (this.#waiters.length === 0) return;
    for (const waiter of [...this.#waiters]) if (this.#isGranted(waiter.subscription)) waiter.done();
  }

  #settle(subscription: LocalSubscription, error: Error): void {
    for (const waiter of [...this.#waiters]) if (waiter.subscription === subscription) waiter.done(error);
  }

  whenGranted(subscription: LocalSubscription, signal: AbortSignal | undefined): Promise<void> {
    if (this.#isGranted(subscription)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (subscription.closed) return reject(new MqttError("Subscription is closed", { retryable: false }));
      const onAbort = (): void => waiter.done(signal!.reason);
      const waiter: Waiter = {
        subscription,
        done: (error) => {
          this.#waiters = this.#waiters.filter((other) => other !== waiter);
          signal?.removeEventListener("abort", onAbort);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#waiters.push(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** All subscriptions, for closing them. */
  all(): Set<LocalSubscription> {
    const found = new Set<LocalSubscription>();
    for (const entry of this.#filters.values()) for (const user of entry.users.keys()) found.add(user);
    return found;
  }

  /** Where a message on the topic goes. */
  route(topic: string): Route {
    const known = this.#routes.get(topic);
    if (known !== undefined) return known;
    if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
    const entries = this.#tree.matching(topic);
    // A subscription takes its copy from a filter that the broker has granted, where there is one.
    entries.sort((a, b) => Number(b.state === "granted") - Number(a.state === "granted"));
    const primary = new Map<LocalSubscription, number>();
    for (const entry of entries) {
      for (const user of entry.users.keys()) {
        if (!primary.has(user) && !user.taken?.waits) primary.set(user, entry.id);
      }
    }
    const route = {
      subscriptions: [...primary.keys()],
      ids: [...primary.values()],
      allIds: this.#tagged ? entries.map((entry) => entry.id) : [],
      forgotten: entries.length === 0 && [...this.#forgotten].some((filter) => topicMatches(filter, topic)),
    };
    this.#routes.set(topic, route);
    return route;
  }
}

/** While one of its users would take new messages for old ones. */
function mustWait(entry: BrokerFilter): boolean {
  for (const user of entry.users.keys()) if (user.taken?.waits) return true;
  return false;
}

function wantedQos(entry: BrokerFilter): Qos {
  let qos = 0;
  for (const request of entry.users.values()) qos = Math.max(qos, request.qos);
  return qos as Qos;
}
