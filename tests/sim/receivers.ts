/**
 * Where messages go in a simulation: sinks that fail before and behind what they take, refuse, hang, and remember all
 * that ever came, beyond the life of the agent.
 * @module
 */
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import type { Life } from "./life.ts";
import type { Weather } from "./weather.ts";

export interface Received {
  readonly topic: string;
  readonly id: string | undefined;
  readonly text: string;
}

/** A message as its receiver sees it, whichever version of the rule made it. */
export function withoutVersion(text: string): string {
  return text.replaceAll(/,?"ver":\d+/g, "");
}

/** A write that has not been answered. */
interface Write {
  readonly life: Life;
  /** The peer has so many of it, from the first on. */
  take(count: number): void;
  readonly length: number;
  fail(error: Error): void;
}

export class Receivers {
  readonly received: Received[] = [];
  /** Sinks that are open. */
  open = 0;
  /** True once a message was taken by a sink that told otherwise. */
  tookSecretly = false;
  readonly #weather: Weather;
  readonly #underWay = new Set<Write>();

  constructor(weather: Weather) {
    this.#weather = weather;
  }

  /** The agent is dead; what it was writing has come, or has not. */
  killed(): void {
    this.open = 0;
    for (const write of this.#underWay) write.take(this.#weather.random.below(write.length + 1));
    this.#underWay.clear();
  }

  /** What hangs does so no longer. */
  calm(): void {
    for (const write of this.#underWay) write.fail(new Disconnected("the sink comes back"));
  }

  openSink(life: Life, topic: string): PayloadSink {
    if (!life.touch(`open sink ${topic}`)) throw new Disconnected("nobody is there");
    if (this.#weather.strikes("openFails")) throw new Disconnected("the sink cannot be opened");
    this.open++;
    return {
      write: (batch, signal, ids) => this.#write(life, topic, batch, signal, ids),
      close: () => {
        if (!life.isDead) this.open--;
        return Promise.resolve();
      },
    };
  }

  #write(
    life: Life,
    topic: string,
    batch: readonly Payload[],
    signal: AbortSignal,
    ids: readonly string[] | undefined,
  ): Promise<void> {
    if (!life.touch(`write ${batch.length} to ${topic}`)) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const texts = batch.map(String);
      let taken = 0;
      const take = (count: number) => {
        for (; taken < count; taken++) {
          const text = withoutVersion(texts[taken]!);
          if (!this.#weather.refuses(text)) this.received.push({ topic, id: ids?.[taken], text });
        }
      };
      const end = () => {
        this.#underWay.delete(write);
        signal.removeEventListener("abort", abort);
      };
      const abort = () => {
        // What the dead were writing is decided.
        if (!this.#underWay.has(write)) return;
        end();
        if (this.#weather.random.below(2) === 0) this.#takeSecretly(take, texts.length);
        reject(signal.reason);
      };
      const write: Write = {
        life,
        take,
        length: texts.length,
        fail: (error) => {
          end();
          reject(error);
        },
      };
      this.#underWay.add(write);
      signal.addEventListener("abort", abort, { once: true });
      const answer = (what: string, work: () => void) =>
        life.after(this.#weather.latency(), `${topic} ${what} ${texts.length} ${ids?.[0] ?? ""}`, () => {
          if (!this.#underWay.has(write)) return;
          work();
        });
      if (!this.#weather.strikes("writeFails")) {
        answer("takes", () => {
          take(texts.length);
          end();
          const failed = texts.flatMap((text, i): [number, string][] =>
            this.#weather.refuses(withoutVersion(text)) ? [[i, "not wanted"]] : []
          );
          if (failed.length === 0) resolve();
          else reject(new ItemsFailed(new Map(failed)));
        });
        return;
      }
      const count = this.#weather.random.pick([0, 0, this.#weather.random.below(texts.length + 1), texts.length]);
      const kind = this.#weather.random.below(6);
      // One in six hangs.
      if (kind === 0) return;
      const error = kind === 1
        ? new RetryLater("the sink is busy", this.#weather.random.below(500))
        : new Disconnected("the sink is lost");
      answer(`takes ${count} and fails (${error.name}) of`, () => {
        this.#takeSecretly(take, count);
        write.fail(error);
      });
    });
  }

  #takeSecretly(take: (count: number) => void, count: number): void {
    if (count > 0) this.tookSecretly = true;
    take(count);
  }
}
