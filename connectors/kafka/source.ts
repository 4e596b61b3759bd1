/**
 * Reads a topic: partitions that are given, or those that a consumer group shares out.
 *
 * Each broker that leads partitions has at most one request under way, and what it brought waits until it is read, so
 * nothing more is taken from Kafka while nobody reads.
 * @module
 */
import { type ClusterMetadata, Consumer } from "@platformatic/kafka";
import type { InferOutput } from "valibot";
import { Bell } from "../../src/connector/bell.ts";
import type { OpenContext } from "../../src/connector/declare.ts";
import type { PayloadBatch, Source, Struct } from "../../src/connector/source.ts";
import { setOwn } from "../../src/value/value.ts";
import { AckOrder } from "./ack_order.ts";
import { committedBatches } from "./committed.ts";
import type { KafkaConnection } from "./connection.ts";
import { isProtocolError, lost } from "./failure.ts";
import type { sourceSettings } from "./mod.ts";
import { type Offsets, readPosition, writePosition } from "./position.ts";

type Settings = InferOutput<typeof sourceSettings>;
type Context = OpenContext<KafkaConnection>;

/** A broker without new messages answers after so long. */
const waitMs = 500;
/** How soon a group notices that a member is gone, and how often members say that they are there. */
const sessionTimeoutMs = 10_000;
const heartbeatMs = 3000;
/** A group waits so long for its members when partitions are shared out; joining takes up to that. */
const rebalanceTimeoutMs = 20_000;
/** How long the last commit, and leaving a group, may hold up a stop. */
const closeMs = 2000;

/** The bit of the attributes of a batch that says whose clock its times are of. */
const hasAppendTime = 0x08;

/** The timestamps of `listOffsets` that stand for both ends of a partition. */
const ends = { earliest: -2n, latest: -1n } as const;

type FetchResponse = Awaited<ReturnType<Consumer["fetch"]>>;

interface Message {
  readonly partition: number;
  readonly offset: bigint;
  readonly key: Uint8Array | null;
  readonly timestamp: bigint;
  readonly headers: readonly (readonly [Uint8Array | null, Uint8Array | null])[];
}

/** What one request brought. */
interface Portion {
  /** The sharing out that it was asked for. */
  readonly generation: number;
  readonly payloads: Uint8Array[];
  readonly messages: Message[];
  /** Behind it. */
  readonly offsets: Offsets;
}

const utf8 = new TextDecoder();
const nothing = new Uint8Array();

export class KafkaSource implements Source {
  readonly #settings: Settings;
  readonly #context: Context;
  readonly #consumer: Consumer;
  readonly #leave: () => void;
  readonly #acks = new AckOrder();
  /** What to ask for next, of each partition that is read. */
  #next = new Map<number, bigint>();
  /** As `#next`, as far as it was handed out. */
  readonly #read = new Map<number, bigint>();
  #portions: Portion[] = [];
  readonly #asked = new Set<number>();
  /** Counts how often partitions were shared out. */
  #generation = 0;
  #isStale = false;
  /** The first batch says where the source stands, so that a restart before any message goes on from there. */
  #owesPosition: boolean;
  /** Offsets that the group is to be told, and whether it is being told. */
  readonly #uncommitted = new Map<number, bigint>();
  #committing: Promise<void> | undefined;
  #failure: { readonly error: Error } | undefined;
  #isClosed = false;
  readonly #bell = new Bell();

  private constructor(settings: Settings, context: Context) {
    const { connection, name } = context;
    this.#settings = settings;
    this.#context = context;
    this.#leave = connection.use();
    const options = connection.clientOptions(name, settings.maxAttempts);
    this.#consumer = new Consumer({
      ...options,
      // Joining a group waits for its other members.
      requestTimeout: this.#isInGroup
        ? Math.max(options.requestTimeout, rebalanceTimeoutMs + sessionTimeoutMs)
        : options.requestTimeout + waitMs,
      groupId: this.#isInGroup ? settings.groupID : "weir",
      autocommit: false,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      heartbeatInterval: heartbeatMs,
    });
    this.#owesPosition = context.keepsPosition === true && !this.#isInGroup;
    // An event of an error without a listener would end the process.
    this.#consumer.on("error", (error: Error) => this.#fail(error));
    this.#consumer.on("consumer:group:join", () => {
      this.#isStale = true;
      this.#bell.ring();
    });
    this.#consumer.on("consumer:heartbeat:stalled", () => this.#fail(new Error("the group does not answer")));
  }

  get #isInGroup(): boolean {
    return this.#settings.groupID !== "";
  }

  /** @throws {Disconnected} when no broker answers, or the topic is not there */
  static async open(settings: Settings, context: Context): Promise<KafkaSource> {
    const source = new KafkaSource(settings, context);
    try {
      await source.#begin();
    } catch (error) {
      await source.close();
      throw lost(context.connection, error);
    }
    context.connection.report("connected");
    return source;
  }

  async #begin(): Promise<void> {
    const { datasource: topic, partition, startOffset = this.#isInGroup ? "earliest" : "latest" } = this.#settings;
    this.#consumer.topics.trackAll(topic);
    const count = (await this.#metadata()).topics.get(topic)!.partitionsCount;
    if (this.#isInGroup) {
      await this.#consumer.joinGroup();
      return await this.#assign();
    }
    if (partition >= count) {
      throw new Error(`the topic "${topic}" has ${count} partitions, and no partition ${partition}`);
    }
    const wanted = partition === -1 ? Array.from({ length: count }, (_, i) => i) : [partition];
    const kept = this.#keptPosition();
    const begins = await this.#end(startOffset, wanted);
    // A partition that came after the position was kept is read from its beginning.
    const added = kept === undefined || wanted.every((each) => kept.has(each))
      ? begins
      : await this.#end("earliest", wanted);
    for (const each of wanted) {
      this.#next.set(each, kept?.get(each) ?? (kept === undefined ? begins : added).get(each)!);
    }
    for (const [each, offset] of this.#next) this.#read.set(each, offset);
  }

  #keptPosition(): Offsets | undefined {
    const { position, log } = this.#context;
    if (position === undefined) return undefined;
    const kept = readPosition(position, this.#settings.datasource);
    if (kept === undefined) log.warn("A position cannot be used", { position, topic: this.#settings.datasource });
    return kept;
  }

  async #metadata(): Promise<ClusterMetadata> {
    const { datasource: topic } = this.#settings;
    const metadata = await this.#consumer.metadata({ topics: [topic], autocreateTopics: false });
    if (metadata.topics.get(topic) === undefined) throw new Error(`there is no topic "${topic}"`);
    return metadata;
  }

  async #end(end: keyof typeof ends, partitions: readonly number[]): Promise<Map<number, bigint>> {
    const { datasource: topic } = this.#settings;
    const options = { topics: [topic], partitions: { [topic]: [...partitions] }, timestamp: ends[end] };
    const offsets = (await this.#consumer.listOffsets(options)).get(topic)!;
    return new Map(partitions.map((partition) => [partition, offsets[partition]!]));
  }

  // ---------------------------------------------------------------- the group

  /** Takes over the partitions that the group has given to this member. */
  async #assign(): Promise<void> {
    const { datasource: topic, startOffset = "earliest" } = this.#settings;
    this.#isStale = false;
    this.#generation++;
    this.#portions = [];
    const mine = this.#consumer.assignments?.find((each) => each.topic === topic)?.partitions ?? [];
    this.#next = new Map();
    for (const partition of this.#uncommitted.keys()) {
      if (!mine.includes(partition)) this.#uncommitted.delete(partition);
    }
    if (mine.length === 0) return;
    // What others have read since must not be read again, nor what was read here and not committed be left out.
    await this.#committing;
    const committed = (await this.#consumer.listCommittedOffsets({ topics: [{ topic, partitions: mine }] })).get(
      topic,
    )!;
    const without = mine.filter((partition) => (committed[partition] ?? -1n) < 0n);
    const begins = without.length === 0 ? new Map<number, bigint>() : await this.#end(startOffset, without);
    for (const partition of mine) this.#next.set(partition, begins.get(partition) ?? committed[partition]!);
  }

  #commitLater(generation: number, offsets: Offsets): void {
    // Partitions may belong to somebody else by now, who begins where the last commit was.
    if (generation !== this.#generation || this.#isStale) return;
    for (const [partition, offset] of offsets) this.#uncommitted.set(partition, offset);
    this.#committing ??= this.#commit().finally(() => this.#committing = undefined);
  }

  async #commit(): Promise<void> {
    const { datasource: topic } = this.#settings;
    while (this.#uncommitted.size > 0) {
      const offsets = [...this.#uncommitted].map(([partition, offset]) => ({
        topic,
        partition,
        offset,
        leaderEpoch: -1,
      }));
      this.#uncommitted.clear();
      try {
        await this.#consumer.commit({ offsets });
      } catch (error) {
        // Sharing out begins: whoever gets the partitions reads again what was not committed.
        if (isProtocolError(error, "REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID")) continue;
        return this.#fail(error as Error);
      }
    }
  }

  // ---------------------------------------------------------------- messages

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    signal.throwIfAborted();
    if (this.#owesPosition) {
      this.#owesPosition = false;
      return { kind: "payloads", payloads: [], position: writePosition(this.#settings.datasource, this.#read) };
    }
    while (true) {
      if (this.#failure !== undefined) throw lost(this.#context.connection, this.#failure.error);
      try {
        if (this.#isStale) await this.#assign();
        const portion = this.#portions.shift();
        if (portion !== undefined) return this.#batchOf(portion);
        await this.#ask();
      } catch (error) {
        this.#fail(error as Error);
        continue;
      }
      // What an answer brings when nobody waits for it any more is read next time.
      if (this.#portions.length === 0) await this.#bell.wait(signal);
    }
  }

  #batchOf({ generation, payloads, messages, offsets }: Portion): PayloadBatch {
    const { datasource: topic } = this.#settings;
    for (const [partition, offset] of offsets) this.#read.set(partition, offset);
    const ack = this.#isInGroup
      ? this.#acks.add(offsets, (progress) => this.#commitLater(generation, progress))
      : undefined;
    const keepsPosition = this.#context.keepsPosition === true && !this.#isInGroup;
    return {
      kind: "payloads",
      payloads,
      meta: (index) => metaOf(topic, messages[index]!),
      ...(ack === undefined ? {} : { ack }),
      ...(keepsPosition ? { position: writePosition(topic, this.#read) } : {}),
    };
  }

  /** Asks each broker that leads partitions and is not being asked already. */
  async #ask(): Promise<void> {
    const { datasource: topic, maxBytes } = this.#settings;
    const metadata = await this.#metadata();
    const { id: topicId, partitions } = metadata.topics.get(topic)!;
    const byLeader = new Map<number, number[]>();
    for (const partition of this.#next.keys()) {
      const leader = partitions[partition]?.leader ?? -1;
      if (leader === -1) throw new Error(`partition ${partition} of the topic "${topic}" has no leader`);
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), partition]);
    }
    for (const [node, led] of byLeader) {
      if (this.#asked.has(node)) continue;
      this.#asked.add(node);
      const generation = this.#generation;
      const requested = new Map(led.map((partition) => [partition, this.#next.get(partition)!]));
      const wanted = led.map((partition) => ({
        partition,
        fetchOffset: requested.get(partition)!,
        partitionMaxBytes: maxBytes,
        currentLeaderEpoch: -1,
        lastFetchedEpoch: -1,
      }));
      const options = { node, topics: [{ topicId, partitions: wanted }], maxWaitTime: waitMs, minBytes: 1, maxBytes };
      void this.#consumer.fetch(options)
        .then((response) => this.#take(response, requested, generation))
        .catch((error) => this.#refused(error, [...requested.keys()], generation))
        .catch((error) => this.#fail(error))
        .finally(() => {
          this.#asked.delete(node);
          this.#bell.ring();
        });
    }
  }

  #take({ responses }: FetchResponse, requested: Offsets, generation: number): void {
    if (generation !== this.#generation || this.#isClosed) return;
    const payloads: Uint8Array[] = [];
    const messages: Message[] = [];
    const offsets = new Map<number, bigint>();
    for (
      const { partitionIndex: partition, records, abortedTransactions } of responses.flatMap((each) => each.partitions)
    ) {
      const from = requested.get(partition);
      if (from === undefined || records === null || records === undefined) continue;
      for (const { firstOffset, lastOffsetDelta } of records) {
        const next = firstOffset + BigInt(lastOffsetDelta) + 1n;
        if (next > (offsets.get(partition) ?? from)) offsets.set(partition, next);
      }
      for (const batch of committedBatches(records, abortedTransactions ?? [])) {
        for (const { key, value, headers, offsetDelta, timestampDelta } of batch.records) {
          const offset = batch.firstOffset + BigInt(offsetDelta);
          // A batch comes as a whole, also when it was asked for from its middle on.
          if (offset < from) continue;
          const isAppendTime = (batch.attributes & hasAppendTime) !== 0;
          const timestamp = isAppendTime ? batch.maxTimestamp : batch.firstTimestamp + timestampDelta;
          payloads.push(value ?? nothing);
          messages.push({ partition, offset, key, timestamp, headers });
        }
      }
    }
    for (const [partition, offset] of offsets) this.#next.set(partition, offset);
    if (payloads.length > 0) this.#portions.push({ generation, payloads, messages, offsets });
  }

  /** Messages that are gone are left out; anything else ends the connection. */
  async #refused(error: unknown, partitions: readonly number[], generation: number): Promise<void> {
    if (generation !== this.#generation || this.#isClosed) return;
    if (!isProtocolError(error, "OFFSET_OUT_OF_RANGE")) return this.#fail(error as Error);
    const [earliest, latest] = [await this.#end("earliest", partitions), await this.#end("latest", partitions)];
    for (const partition of partitions) {
      const wanted = this.#next.get(partition)!;
      const first = earliest.get(partition)!;
      if (wanted >= first && wanted <= latest.get(partition)!) continue;
      this.#context.log.warn("Messages of a Kafka topic are gone before they were read", {
        topic: this.#settings.datasource,
        partition,
        wanted: String(wanted),
        first: String(first),
      });
      this.#next.set(partition, first);
    }
  }

  #fail(error: Error): void {
    if (this.#isClosed) return;
    this.#failure ??= { error };
    this.#bell.ring();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#leave();
    const { clock } = this.#context;
    const end = new AbortController();
    const late = clock.sleep(closeMs, end.signal).catch(() => {});
    await Promise.race([this.#committing, late]);
    const closed = this.#consumer.close(true).catch(() => {});
    await Promise.race([closed, late]);
    end.abort();
  }
}

function metaOf(topic: string, { partition, offset, key, timestamp, headers }: Message): Struct {
  const own: Struct = {};
  for (const [name, value] of headers) {
    if (name !== null) setOwn(own, utf8.decode(name), value === null ? null : utf8.decode(value));
  }
  return {
    topic,
    partition: BigInt(partition),
    offset,
    key: key === null ? null : utf8.decode(key),
    timestamp,
    headers: own,
  };
}
