/**
 * Publishes numbered messages and never loses one: a persistent session of an independent implementation (mqtt.js),
 * which repeats what was not acknowledged, with the same packet identifier.
 * @module
 */
import { connect, type IClientOptions, type MqttClient, Store } from "mqtt";

let publishers = 0;

/**
 * Messages that are under way at a time. Mosquitto takes no more than 20 of QoS 2 from a client; it acknowledges what is
 * beyond them with an error that only MQTT 5 has, and forgets it.
 */
const underWayMax = 10;

export interface PublisherOptions {
  readonly url: string;
  /** Each message goes to each of them. */
  readonly topics: readonly { readonly topic: string; readonly qos: 1 | 2 }[];
  readonly payload: (n: number) => string;
}

export class NumberedPublisher {
  readonly #client: MqttClient;
  readonly #options: PublisherOptions;
  #sent = 0;
  /** To be published when there is room. */
  #queue: { readonly topic: string; readonly qos: 1 | 2; readonly payload: string }[] = [];
  #underWay = 0;
  #failure: Error | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(client: MqttClient, options: PublisherOptions) {
    this.#client = client;
    this.#options = options;
  }

  static async start(options: PublisherOptions): Promise<NumberedPublisher> {
    const client = await persistentClient(options.url, `publisher-${publishers++}`);
    return new NumberedPublisher(client, options);
  }

  /** Numbers 0 to `sent - 1` have been given to it. */
  get sent(): number {
    return this.#sent;
  }

  send(count = 1): void {
    for (let i = 0; i < count; i++) this.publish(this.#options.payload(this.#sent));
  }

  /** Sends the next number with a payload of its own. */
  publish(payload: string): void {
    this.#sent++;
    for (const { topic, qos } of this.#options.topics) this.#queue.push({ topic, qos, payload });
    this.#fill();
  }

  #fill(): void {
    while (this.#underWay < underWayMax && this.#queue.length > 0) {
      const { topic, qos, payload } = this.#queue.shift()!;
      this.#underWay++;
      this.#client.publish(topic, payload, { qos }, (error) => {
        this.#underWay--;
        if (error) this.#failure = error;
        this.#fill();
      });
    }
  }

  get #waiting(): number {
    return this.#underWay + this.#queue.length;
  }

  /** Sends `count` messages after each pause, until {@linkcode pause}. */
  run(count: () => number, pauseMs: number): void {
    this.#timer = setInterval(() => this.send(count()), pauseMs);
  }

  pause(): void {
    clearInterval(this.#timer);
  }

  /** Resolves when the broker has acknowledged everything. */
  async acknowledged(timeoutMs = 30_000): Promise<void> {
    const late = Date.now() + timeoutMs;
    while (this.#waiting > 0 && this.#failure === undefined) {
      if (Date.now() > late) throw new Error(`${this.#waiting} of ${this.#sent} messages are not acknowledged`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async stop(): Promise<void> {
    this.pause();
    await this.#client.endAsync(true);
  }
}

/** Goes with its client: mqtt.js closes stores while it still works on what it has read, and throws. */
class LastingStore extends Store {
  override close(done: () => void): void {
    done();
  }
}

/** A client of a kept session that connects again by itself. Resolves when it is connected. */
export async function persistentClient(
  url: string,
  clientId: string,
  options: IClientOptions = {},
): Promise<MqttClient> {
  const client = connect(url, {
    clientId,
    clean: false,
    reconnectPeriod: 100,
    connectTimeout: 5000,
    keepalive: 5,
    incomingStore: new LastingStore(),
    outgoingStore: new LastingStore(),
    ...options,
  });
  client.on("error", () => {});
  await new Promise<void>((resolve) => client.once("connect", () => resolve()));
  return client;
}
