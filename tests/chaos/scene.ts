/**
 * Two brokers with an agent between them: numbered messages go in at one, and the results of a rule with a promise of
 * delivery come out at the other.
 * @module
 */
import assert from "node:assert/strict";
import { Agent } from "../agent/agent.ts";
import { eventually } from "../eventually.ts";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { NumberedPublisher } from "./numbered_publisher.ts";
import { type Arrival, NumberedSubscriber } from "./numbered_subscriber.ts";

export interface SceneOptions {
  /** Makes the payload of a message; just its number without it. */
  readonly payload?: (n: number) => string;
}

export interface RelayOptions {
  /** Where the agent finds the brokers; the brokers themselves without them. */
  readonly inputUrl?: string;
  readonly outputUrl?: string;
  /** Settings of both connections. */
  readonly connection?: Readonly<Record<string, unknown>>;
  /** Settings of the action. */
  readonly sink?: Readonly<Record<string, unknown>>;
}

/** The rule of a scene. */
export const relay = "relay";

export class Scene {
  readonly input: Mosquitto;
  readonly output: Mosquitto;
  readonly publisher: NumberedPublisher;
  readonly #subscriber: NumberedSubscriber;
  readonly #heard = new Set<number>();
  /** Arrivals that have been looked at. */
  #seen = 0;

  private constructor(
    input: Mosquitto,
    output: Mosquitto,
    publisher: NumberedPublisher,
    subscriber: NumberedSubscriber,
  ) {
    this.input = input;
    this.output = output;
    this.publisher = publisher;
    this.#subscriber = subscriber;
  }

  /** Ends everything after `work`. */
  static async with(work: (scene: Scene) => Promise<void>, { payload }: SceneOptions = {}): Promise<void> {
    const lines = ["max_queued_messages 0", "autosave_on_changes true", "autosave_interval 1"];
    const input = await startMosquitto({ quiet: true, persistence: true, lines });
    const output = await startMosquitto({ quiet: true, persistence: true, lines });
    const subscriber = await NumberedSubscriber.start(output.url, "out");
    const publisher = await NumberedPublisher.start({
      url: input.url,
      topics: [{ topic: "in", qos: 1 }],
      payload: payload ?? ((n) => JSON.stringify({ n })),
    });
    try {
      await work(new Scene(input, output, publisher, subscriber));
    } finally {
      await publisher.stop();
      await subscriber.stop();
      await output.stop();
      await input.stop();
    }
  }

  /** Creates the stream and the rule, and waits until both brokers know them. */
  async define(agent: Agent, options: RelayOptions = {}): Promise<void> {
    const { inputUrl = this.input.url, outputUrl = this.output.url, connection = {}, sink = {} } = options;
    const conf = { server: inputUrl, qos: 1, clientid: "in-scene", enableClientSession: true, ...connection };
    await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/in", conf);
    await agent.expect(201, "POST", "/streams", {
      sql: 'CREATE STREAM s () WITH (DATASOURCE="in", FORMAT="json", TYPE="mqtt", CONF_KEY="in")',
    });
    await agent.expect(201, "POST", "/rules", {
      id: relay,
      sql: "SELECT * FROM s",
      actions: [{ mqtt: { server: outputUrl, topic: "out", qos: 1, sendSingle: true, ...connection, ...sink } }],
      options: { qos: 1 },
    });
    await eventually(() => this.input.log.includes(" in-scene 1 in"), 30_000);
    await agent.reaches(relay, (s) => s.sink_mqtt_0_0_connection_status === 1);
  }

  /** In order of arrival, with repeats. */
  get arrivals(): readonly Arrival[] {
    return this.#subscriber.on("out");
  }

  /** The numbers that have arrived, in the order in which each came first. */
  heard(): number[] {
    const { arrivals } = this;
    for (; this.#seen < arrivals.length; this.#seen++) this.#heard.add(JSON.parse(arrivals[this.#seen]!.payload).n);
    return [...this.#heard];
  }

  /** Every message that was sent has arrived, and those that came first came in their order. */
  async allArrive(agent: Agent, timeoutMs = 90_000): Promise<void> {
    await this.publisher.acknowledged(timeoutMs);
    const { sent } = this.publisher;
    const late = Date.now() + timeoutMs;
    let heard = this.heard();
    while (heard.length < sent) {
      assert.ok(Date.now() < late, `${missing(heard, sent)}\n${agent.output().stderr.slice(-3000)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      heard = this.heard();
    }
    assert.deepEqual(heard, Array.from({ length: sent }, (_, n) => n), "first arrivals are in order");
  }
}

function missing(heard: readonly number[], sent: number): string {
  const known = new Set(heard);
  const lost = Array.from({ length: sent }, (_, n) => n).filter((n) => !known.has(n));
  return `${lost.length} of ${sent} have not arrived: ${lost.slice(0, 20)}`;
}
