/**
 * Asks a server again and again, and remembers between requests what it is asked to.
 * @module
 */
import { createHash } from "node:crypto";
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import type { PayloadBatch, Source } from "../../src/connector/source.ts";
import { setOwn, type Struct } from "../../src/value/value.ts";
import { templateData } from "../http/request_template.ts";
import type { sourceSettings } from "./mod.ts";
import { Puller, PullRefused, textOf } from "./puller.ts";
import { parsePosition, printPosition, type PullPosition } from "./position.ts";

/** A server that did not answer is asked again after so long, however long the interval is. */
const absentMsMax = 10_000;

export class PullSource implements Source {
  readonly #settings: InferOutput<typeof sourceSettings>;
  readonly #context: OpenContext;
  readonly #puller: Puller;
  #position: PullPosition;
  #due: number;
  /** The reason that the log was told last, until a request succeeds. */
  #toldFailure: string | undefined;

  constructor(settings: InferOutput<typeof sourceSettings>, context: OpenContext) {
    this.#settings = settings;
    this.#context = context;
    this.#puller = new Puller({ settings, context, requestsMax: 1 });
    this.#position = this.#firstPosition();
    this.#due = context.clock.now();
  }

  #firstPosition(): PullPosition {
    const { position, log } = this.#context;
    const first: PullPosition = { states: this.#settings.states, pulledAt: 0, hash: "" };
    if (position === undefined) return first;
    const kept = parsePosition(position);
    if (kept === undefined) log.warn("A position makes no sense: the source begins as at a first start", { position });
    // States that were added since have their first values.
    return kept === undefined ? first : { ...kept, states: { ...first.states, ...kept.states } };
  }

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    signal.throwIfAborted();
    const { clock, keepsPosition } = this.#context;
    const { interval, incremental } = this.#settings;
    while (true) {
      const now = clock.now();
      // A clock that was set back would hold the next request up for as long as it was set back.
      this.#due = Math.min(this.#due, now + Math.max(interval, absentMsMax));
      await clock.sleep(Math.max(0, this.#due - now), signal);
      const pulledAt = clock.now();
      this.#due = Math.max(this.#due + interval, pulledAt);
      const body = await this.#pull(pulledAt, signal);
      const hash = incremental ? createHash("md5").update(body).digest("hex") : "";
      const isKnown = incremental && hash === this.#position.hash;
      this.#position = { states: isKnown ? this.#position.states : this.#nextStates(body), pulledAt, hash };
      if (isKnown || body.length === 0) continue;
      return {
        kind: "payloads",
        payloads: [body],
        ...(keepsPosition === true ? { position: printPosition(this.#position) } : {}),
      };
    }
  }

  async #pull(pulledAt: number, signal: AbortSignal): Promise<Uint8Array> {
    const { clock, status } = this.#context;
    const times = { PullTime: BigInt(pulledAt), LastPullTime: BigInt(this.#position.pulledAt) };
    try {
      const body = await this.#puller.pull({ ...templateData(this.#position.states) as Struct, ...times }, signal);
      this.#succeeded();
      return body;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof PullRefused) {
        if (error.retryAfterMs !== undefined) this.#due = Math.max(this.#due, clock.now() + error.retryAfterMs);
        if (error.status !== undefined) status("connected");
      } else if (error instanceof Disconnected) {
        this.#due = Math.min(this.#due, clock.now() + absentMsMax);
        status("disconnected", error.message);
      } else throw error;
      this.#failed(error.message);
      // Not `Disconnected`: the next handle would know nothing of the states.
      throw new RetryLater(error.message, Math.max(0, this.#due - clock.now()), { cause: error });
    }
  }

  #succeeded(): void {
    this.#context.status("connected");
    if (this.#toldFailure === undefined) return;
    this.#toldFailure = undefined;
    this.#context.log.info("A server answers again");
  }

  #failed(reason: string): void {
    const { log } = this.#context;
    if (this.#toldFailure === reason) log.debug("A server still gives no rows", { reason });
    else log.warn("A server gives no rows and will be asked again", { reason });
    this.#toldFailure = reason;
  }

  /** The states after an answer; of several objects, the last one that names a state has its value. */
  #nextStates(body: Uint8Array): PullPosition["states"] {
    const { states } = this.#position;
    const names = Object.keys(states);
    if (names.length === 0 || body.length === 0) return states;
    let parsed: unknown;
    try {
      parsed = JSON.parse(textOf(body));
    } catch {
      // The decoder says so.
      return states;
    }
    const next: Struct = { ...states as Struct };
    for (const each of Array.isArray(parsed) ? parsed : [parsed]) {
      if (typeof each !== "object" || each === null) continue;
      for (const name of names) if (Object.hasOwn(each, name)) setOwn(next, name, (each as Struct)[name]);
    }
    return next;
  }

  close(): Promise<void> {
    return this.#puller.close();
  }
}
