/**
 * One physical connection and all who use it: their requests go out one at a time, in order, those that write before
 * those that read.
 *
 * What a device does wrong fails its own request and nobody else's: an exception, a bad answer, silence. A unit that is
 * silent rests before it is asked again (see `unit_rests.ts`), after all others that wait, and its requests fail at once
 * in the meantime. Only what
 * concerns all, a connection that is lost or cannot be made, fails all that wait.
 * @module
 */
import type { Clock, ConnectorContext } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { OpenPort, Port, PortEvents } from "./port.ts";
import { BadAnswer, BroadcastRead, LostFraming, ModbusException, NoAnswer } from "./protocol/failure.ts";
import type { Framing } from "./protocol/framing.ts";
import type { ModbusRequest } from "./protocol/request.ts";
import { UnitRests } from "./unit_rests.ts";

export interface LineOptions {
  readonly open: OpenPort;
  readonly framing: Framing;
  /** How long a unit has to answer. */
  readonly timeoutMs: number;
  /** Least time between an answer and the next request. */
  readonly pauseMs: number;
  /** Time after a write to all units, which none answers. */
  readonly broadcastPauseMs: number;
  /** Time between the connection and the first request, for gateways that are slow to wake up. */
  readonly delayAfterConnectMs: number;
  /** `stay`: the connection is kept; `after requests`: it is closed whenever nobody waits for an answer. */
  readonly close: "stay" | "after requests";
  /** Silence that ends an answer that makes no sense: longer than any pause within a frame. */
  readonly quietMs: number;
  /** So many requests in a row without a single byte in answer, and the connection is taken for dead. */
  readonly silencesMax: number;
  /** The longest rest of a unit that does not answer, and of the line when it cannot connect. */
  readonly restMaxMs: number;
}

export interface SendOptions {
  /** Goes before requests that are not urgent: a write must not wait for a round of reads. */
  readonly urgent?: boolean;
  readonly signal?: AbortSignal;
}

interface Job {
  readonly unitId: number;
  readonly request: ModbusRequest<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly abort: () => void;
}

/** What waits for the bytes of an answer. */
interface Exchange {
  take(bytes: Uint8Array): void;
  fail(error: Error): void;
}

/** So many urgent requests may go before one that is not, so that a flood of writes does not stop all reading. */
const urgentRunMax = 8;
/** So many requests may go before one to a unit that was silent, so that it is not forgotten on a busy line. */
const overtakenMax = 200;
const connectRestMs = 250;
/** The line itself among the rests of units. */
const theLine = -1;

export class Line {
  readonly #options: LineOptions;
  readonly #clock: Clock;
  readonly #status: ConnectorContext["status"];
  readonly #rests: UnitRests;
  readonly #connectRests: UnitRests;
  readonly #queue: Job[] = [];
  readonly #urgent: Job[] = [];
  readonly #closing = new AbortController();
  #urgentRun = 0;
  #overtaken = 0;
  #port: Port | undefined;
  #exchange: Exchange | undefined;
  #silences = 0;
  /** Why the line cannot connect, while it rests. */
  #refusal = "";
  #working: Promise<void> | undefined;

  constructor(options: LineOptions, context: Pick<ConnectorContext, "clock" | "status">) {
    this.#options = options;
    this.#clock = context.clock;
    this.#status = (state, message) => context.status(state, message);
    this.#rests = new UnitRests(options.timeoutMs, options.restMaxMs);
    this.#connectRests = new UnitRests(connectRestMs, options.restMaxMs);
  }

  /**
   * Sends a request when its turn comes, and gives what the answer says.
   *
   * @throws {ModbusException} the device refuses
   * @throws {BadAnswer} what it answers is no answer
   * @throws {NoAnswer} it does not answer, or rests because it has not
   * @throws {BroadcastRead} a read from the unit that is all units
   * @throws {Disconnected} there is no connection; whether a request that writes has had its effect is unknown
   */
  send<T>(unitId: number, request: ModbusRequest<T>, { urgent = false, signal }: SendOptions = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closing.signal.aborted) return reject(new Disconnected("the line is closed"));
      if (signal?.aborted === true) return reject(signal.reason);
      if (this.isBroadcast(unitId) && request.kind === "read") return reject(new BroadcastRead());
      const queue = urgent ? this.#urgent : this.#queue;
      const job: Job = {
        unitId,
        request,
        resolve: resolve as (value: unknown) => void,
        reject,
        signal,
        abort: () => {
          const at = queue.indexOf(job);
          // One that is under way keeps the line until its answer or its time-out: else that answer would be the next one's.
          if (at !== -1) queue.splice(at, 1);
          reject(signal!.reason);
        },
      };
      signal?.addEventListener("abort", job.abort, { once: true });
      queue.push(job);
      this.#work();
    });
  }

  /** Whether a write to the unit goes to all, and none answers. */
  isBroadcast(unitId: number): boolean {
    return unitId === this.#options.framing.broadcastUnit;
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#queue.length + this.#urgent.length;
  }

  /** Closes the connection; what waits fails as disconnected. */
  async close(): Promise<void> {
    this.#closing.abort(new Disconnected("the line is closed"));
    this.#failAll(new Disconnected("the line is closed"));
    this.#exchange?.fail(new Disconnected("the line is closed"));
    await this.#working;
    await this.#disconnect();
  }

  #work(): void {
    this.#working ??= this.#serve().finally(() => {
      this.#working = undefined;
      // Somebody may have come while the connection was closed.
      if (this.waiting > 0) this.#work();
    });
  }

  async #serve(): Promise<void> {
    // Requests that come together are all there before the first is chosen.
    await Promise.resolve();
    for (let job = this.#next(); job !== undefined; job = this.#next()) {
      try {
        job.resolve(await this.#answer(job));
      } catch (error) {
        if (error instanceof Disconnected) this.#failAll(error);
        job.reject(error);
      } finally {
        job.signal?.removeEventListener("abort", job.abort);
      }
      if (this.#port !== undefined) await this.#sleep(this.#options.pauseMs);
    }
    if (this.#options.close === "after requests") await this.#disconnect();
  }

  #next(): Job | undefined {
    const turn = this.#urgent.length > 0 && (this.#urgentRun < urgentRunMax || this.#queue.length === 0);
    this.#urgentRun = turn ? this.#urgentRun + 1 : 0;
    return turn ? this.#urgent.shift() : this.#nextOf(this.#queue);
  }

  /** The first request that goes to a unit from which an answer can be hoped for, so that the others need not wait. */
  #nextOf(queue: Job[]): Job | undefined {
    const hopeful = queue.findIndex(({ unitId }) => !this.#rests.isSilent(unitId));
    if (hopeful <= 0 || this.#overtaken >= overtakenMax) {
      this.#overtaken = 0;
      return queue.shift();
    }
    this.#overtaken++;
    return queue.splice(hopeful, 1)[0];
  }

  #failAll(error: Disconnected): void {
    for (const job of [...this.#urgent.splice(0), ...this.#queue.splice(0)]) {
      job.signal?.removeEventListener("abort", job.abort);
      job.reject(error);
    }
  }

  async #answer({ unitId, request }: Job): Promise<unknown> {
    const left = this.#rests.left(unitId, this.#clock.now());
    if (left > 0) throw new NoAnswer(`unit ${unitId} has not answered and is asked again in ${left} ms`);
    await this.#connect();
    if (this.isBroadcast(unitId)) return await this.#broadcast(unitId, request);
    try {
      const answer = await this.#ask(unitId, request);
      const value = request.read(answer);
      this.#rests.end(unitId);
      return value;
    } catch (error) {
      await this.#afterFailure(unitId, error);
      throw error;
    }
  }

  async #broadcast(unitId: number, request: ModbusRequest<unknown>): Promise<void> {
    const { framing, broadcastPauseMs } = this.#options;
    this.#port!.write(framing.begin(unitId, request));
    framing.abandon();
    await this.#sleep(broadcastPauseMs);
    if (this.#port === undefined) throw new Disconnected(this.#refusal);
  }

  async #afterFailure(unitId: number, error: unknown): Promise<void> {
    if (error instanceof ModbusException) {
      if (error.isAbsence) this.#rests.begin(unitId, this.#clock.now());
      else this.#rests.end(unitId);
      return;
    }
    if (error instanceof NoAnswer) {
      this.#rests.begin(unitId, this.#clock.now());
      const { silencesMax } = this.#options;
      if (++this.#silences >= silencesMax) await this.#lose(`no answer to ${silencesMax} requests in a row`);
    }
  }

  async #connect(): Promise<void> {
    if (this.#port !== undefined) return;
    if (this.#connectRests.left(theLine, this.#clock.now()) > 0) throw new Disconnected(this.#refusal);
    if (this.#options.close === "stay") this.#status("connecting");
    try {
      const events: PortEvents = {
        isWaiting: () => this.#exchange !== undefined,
        onData: (bytes: Uint8Array) => {
          this.#silences = 0;
          this.#exchange?.take(bytes);
        },
        onClose: (reason: string) => this.#lost(reason),
      };
      this.#port = await this.#options.open(events, this.#closing.signal);
    } catch (error) {
      this.#refusal = (error as Error).message;
      this.#connectRests.begin(theLine, this.#clock.now());
      this.#status("disconnected", this.#refusal);
      throw error instanceof Disconnected ? error : new Disconnected(this.#refusal, { cause: error });
    }
    this.#connectRests.end(theLine);
    this.#silences = 0;
    this.#options.framing.reset();
    this.#status("connected");
    await this.#sleep(this.#options.delayAfterConnectMs);
    this.#closing.signal.throwIfAborted();
    if (this.#port === undefined) throw new Disconnected(this.#refusal);
  }

  /** Resolves after a time, or as soon as the line is being closed. */
  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#closing;
    if (ms > 0 && !signal.aborted) await this.#clock.sleep(ms, signal).catch(() => {});
  }

  #ask(unitId: number, request: ModbusRequest<unknown>): Promise<Uint8Array> {
    const { framing, timeoutMs, quietMs } = this.#options;
    return new Promise<Uint8Array>((resolve, reject) => {
      let cancelQuiet = () => {};
      const settle = (done: () => void) => {
        this.#exchange = undefined;
        cancelTimeout();
        cancelQuiet();
        done();
      };
      const fail = (error: Error) => settle(() => reject(error));
      const cancelTimeout = this.#clock.after(timeoutMs, () => {
        framing.abandon();
        fail(new NoAnswer(`unit ${unitId} does not answer within ${timeoutMs} ms`));
      });
      this.#exchange = {
        take: (bytes) => {
          try {
            const answer = framing.take(bytes);
            if (answer !== undefined) return settle(() => resolve(answer));
          } catch (error) {
            if (error instanceof LostFraming) this.#lost(error.message);
            else fail(error as Error);
            return;
          }
          cancelQuiet();
          const { fault } = framing;
          if (fault !== undefined) {
            cancelQuiet = this.#clock.after(quietMs, () => this.#exchange?.fail(new BadAnswer(fault)));
          }
        },
        fail: (error) => {
          framing.abandon();
          fail(error);
        },
      };
      this.#port!.write(framing.begin(unitId, request));
    });
  }

  /** The connection is gone: whoever waits for an answer learns it, and the next request connects again. */
  #lost(reason: string): void {
    void this.#lose(reason);
    this.#exchange?.fail(new Disconnected(reason));
  }

  async #lose(reason: string): Promise<void> {
    this.#refusal = reason;
    this.#status("disconnected", reason);
    await this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    const port = this.#port;
    this.#port = undefined;
    await port?.close();
  }
}
