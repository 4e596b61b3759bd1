/**
 * Writes messages: all that wait at once, in requests of bounded size, one after the other.
 * @module
 */
import { Buffer } from "node:buffer";
import { compatibilityPartitioner, type MessageToProduce, Producer, type SendOptions } from "@platformatic/kafka";
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import { ItemsFailed } from "../../src/connector/errors.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import type { KafkaConnection } from "./connection.ts";
import { isProtocolError, lost, reasonOf } from "./failure.ts";
import { type sinkSettings, topicPattern } from "./mod.ts";

type Settings = InferOutput<typeof sinkSettings>;
type KafkaMessage = MessageToProduce<Buffer, Buffer, Buffer, Buffer>;

/** The header with the id by which readers tell repeats of a message. */
const idHeader = Buffer.from("weir-id");
/** What a record takes beside its parts, at most. */
const recordOverhead = 70;
/** How long a stop waits for the client. */
const closeMs = 2000;

interface Item {
  readonly index: number;
  readonly message: KafkaMessage;
  readonly bytes: number;
}

/** What a broker refuses for the message itself. */
const refusals = ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD", "INVALID_TIMESTAMP"];

export class KafkaSink implements PayloadSink {
  readonly #settings: Settings;
  readonly #context: OpenContext<KafkaConnection>;
  readonly #leave: () => void;
  readonly #producer: Producer<Buffer, Buffer, Buffer, Buffer>;
  readonly #headers: readonly (readonly [string, string])[];
  /** Where messages without a key go: to one partition until the next write, so that they stay together and in order. */
  #turn = 0;
  #isConnected = false;

  private constructor(settings: Settings, context: OpenContext<KafkaConnection>) {
    this.#settings = settings;
    this.#context = context;
    this.#leave = context.connection.use();
    this.#headers = typeof settings.headers === "string" ? [] : Object.entries(settings.headers);
    this.#producer = new Producer({
      ...context.connection.clientOptions(context.name, settings.maxAttempts),
      autocreateTopics: true,
    });
    this.#producer.on("error", () => {});
  }

  /** @throws {Disconnected} when no broker answers */
  static async open(settings: Settings, context: OpenContext<KafkaConnection>): Promise<KafkaSink> {
    const sink = new KafkaSink(settings, context);
    try {
      await sink.#producer.metadata({ topics: [] });
    } catch (error) {
      await sink.close();
      throw lost(context.connection, error);
    }
    sink.#report();
    return sink;
  }

  #report(): void {
    if (!this.#isConnected) this.#context.connection.report("connected");
    this.#isConnected = true;
  }

  async write(
    batch: readonly Payload[],
    signal: AbortSignal,
    ids?: readonly string[],
    settings?: readonly Readonly<Record<string, unknown>>[],
  ): Promise<void> {
    signal.throwIfAborted();
    const failed = new Map<number, string>();
    const items: Item[] = [];
    this.#turn = (this.#turn + 1) % 0x7fffffff;
    for (const [index, payload] of batch.entries()) {
      const item = this.#item(index, payload, ids?.[index], settings?.[index]);
      if (typeof item === "string") failed.set(index, item);
      else items.push(item);
    }
    for (const part of requestsOf(items, this.#settings.batchBytes)) await this.#send(part, failed, signal);
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  /** A message, or what is wrong with it. */
  #item(
    index: number,
    payload: Payload,
    id: string | undefined,
    own: Readonly<Record<string, unknown>> = {},
  ): Item | string {
    const topic = String(own.topic ?? this.#settings.topic);
    if (!topicPattern.test(topic)) return `"${topic.slice(0, 60)}" cannot be the name of a topic`;
    const key = String(own.key ?? this.#settings.key);
    const headers = own.headers === undefined ? this.#headers : headersOf(own.headers);
    if (typeof headers === "string") return headers;
    const value = bufferOf(payload);
    const keyBytes = key === "" ? undefined : Buffer.from(key);
    const pairs = headers.map(([name, text]) => [Buffer.from(name), Buffer.from(text)] as const);
    if (id !== undefined) pairs.push([idHeader, Buffer.from(id)]);
    const bytes = value.length + (keyBytes?.length ?? 0) + recordOverhead +
      pairs.reduce((sum, [name, text]) => sum + name.length + text.length + 10, 0);
    const message: KafkaMessage = {
      topic,
      value,
      partition: keyBytes === undefined ? this.#turn : compatibilityPartitioner({} as never, keyBytes),
      ...(keyBytes === undefined ? {} : { key: keyBytes }),
      ...(pairs.length === 0 ? {} : { headers: new Map(pairs) }),
    };
    return { index, message, bytes };
  }

  async #send(items: readonly Item[], failed: Map<number, string>, signal: AbortSignal): Promise<void> {
    const { requiredACKs, idempotent, compression } = this.#settings;
    const options: SendOptions<Buffer, Buffer, Buffer, Buffer> = {
      messages: items.map(({ message }) => ({ ...message })),
      acks: requiredACKs,
      idempotent,
      ...(compression === "" ? {} : { compression }),
    };
    try {
      await abortable(this.#producer.send(options), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isProtocolError(error, ...refusals)) throw lost(this.#context.connection, error);
      if (items.length === 1) return void failed.set(items[0]!.index, reasonOf(error));
      // Which one it was is not told.
      const half = items.length >> 1;
      await this.#send(items.slice(0, half), failed, signal);
      await this.#send(items.slice(half), failed, signal);
    }
    this.#report();
  }

  async close(): Promise<void> {
    this.#leave();
    const end = new AbortController();
    const late = this.#context.clock.sleep(closeMs, end.signal).catch(() => {});
    await Promise.race([this.#producer.close(true).catch(() => {}), late]);
    end.abort();
  }
}

function bufferOf(payload: Payload): Buffer {
  if (typeof payload === "string") return Buffer.from(payload);
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** Headers that a template made: a map, or the text of one. */
function headersOf(made: unknown): (readonly [string, string])[] | string {
  let map = made;
  if (typeof made === "string") {
    try {
      map = JSON.parse(made);
    } catch {
      return "The template of the headers has made no JSON object";
    }
  }
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    return "The template of the headers has made no JSON object";
  }
  return Object.entries(map).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
}

function* requestsOf(items: readonly Item[], bytesMax: number): Generator<readonly Item[]> {
  let part: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    if (part.length > 0 && bytes + item.bytes > bytesMax) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += item.bytes;
  }
  if (part.length > 0) yield part;
}

/** Leaves the promise behind when the signal aborts. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => {});
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
