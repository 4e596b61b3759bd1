/**
 * Trial runs: rules that are thrown away, whose results go to those that listen.
 *
 * They stand in a name space of their own, are never stored, and end with the agent, after ten minutes, or when they are
 * deleted. Their number is bounded, and so is who listens.
 *
 * @example
 * ```ts ignore
 * const { port } = await trials.create({ id: "t1", sql: "SELECT a FROM demo", mockSource: {}, sinkProps: {} });
 * // GET http://host:port/test/t1 …
 * await trials.start("t1");
 * await trials.delete("t1");
 * ```
 * @module
 */
import type { Clock, Logger } from "../../connector/context.ts";
import type { DataServer } from "../../connector/data_server.ts";
import { diagnostic, DiagnosticError, fail } from "../../diagnostics/diagnostic.ts";
import { type Actor, nobodyKnown } from "../../policy/actor.ts";
import type { LiveRule } from "../live_rule.ts";
import { requireName } from "../names.ts";
import type { RuleEnvironment } from "../prepare_rule.ts";
import type { RuleDefaults } from "../rule_definition.ts";
import type { RuleLauncher } from "../rule_launcher.ts";
import { prepareTrial, type TrialDefinition } from "./trial_definition.ts";
import { TrialOutlet } from "./trial_outlet.ts";

export interface TrialRunsParts {
  readonly environment: RuleEnvironment;
  readonly launcher: Pick<RuleLauncher, "launch">;
  readonly defaults: RuleDefaults;
  /** Absent: trial runs are refused. */
  readonly dataServer: DataServer | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long a trial run may last, in milliseconds. */
export const trialMsMax = 10 * 60 * 1000;
/** How many there may be. */
export const trialsMax = 32;
/** How long the data server may take to listen. */
const listenMsMax = 3000;
/** What a stopped trial may take to write what it has. */
const stopGraceMs = 500;

interface Trial {
  readonly definition: TrialDefinition;
  /** Who made it. */
  readonly actor: Actor;
  readonly outlet: TrialOutlet;
  live: LiveRule | undefined;
  /** Ends its serving, and the wait for its end. */
  readonly release: () => void;
  /** The end of what was asked of it. */
  stopped: Promise<void>;
}

export class TrialRuns {
  readonly #parts: TrialRunsParts;
  readonly #trials = new Map<string, Trial>();

  constructor(parts: TrialRunsParts) {
    this.#parts = parts;
  }

  /** Their ids. */
  get ids(): readonly string[] {
    return [...this.#trials.keys()];
  }

  /** Who listens to one. */
  listeners(id: string): number {
    return this.#trials.get(id)?.outlet.listeners ?? 0;
  }

  /**
   * Plans a trial run and serves its path, `/test/ID`. One of the same id ends.
   *
   * @throws {DiagnosticError} what is wrong with it; E705 when there are too many; E708 when the data server cannot listen.
   */
  async create(definition: TrialDefinition, actor: Actor = nobodyKnown): Promise<void> {
    const { id } = definition;
    const { environment, defaults, dataServer, clock, log } = this.#parts;
    requireName(id);
    if (dataServer === undefined) fail("E408", "There is no data server to give the results of trial runs");
    const path = `/test/${id}`;
    const outlet = new TrialOutlet({ path, clock, log: log.with({ trial: id }) });
    // Only one that can run takes the place of another.
    const prepared = await environment.connectors.loading(() =>
      prepareTrial(definition, environment, defaults, outlet)
    );
    environment.policies?.checkReading(actor, prepared);
    if (!this.#trials.has(id) && this.#trials.size >= trialsMax) {
      fail("E705", `There are ${trialsMax} trial runs already`, {
        hint: "delete one, or wait: each ends after 10 minutes",
      });
    }
    // While one ends, another may have come.
    while (this.#trials.has(id)) await this.delete(id);
    const state = Promise.withResolvers<string | undefined>();
    let served: (() => void)[];
    try {
      served = this.#serve(dataServer, path, outlet, state.resolve);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      fail("E705", `The path ${path} of the data server is in use`, { path: "id" });
    }
    const cancelLimit = clock.after(trialMsMax, () => {
      log.info("A trial run has come to its time limit", { trial: id });
      void this.#end(id, trial);
    });
    const trial: Trial = {
      definition,
      actor,
      outlet,
      live: undefined,
      release: () => {
        cancelLimit();
        for (const end of served) end();
        outlet.close();
      },
      stopped: Promise.resolve(),
    };
    this.#trials.set(id, trial);
    const cancelWait = clock.after(listenMsMax, () => state.resolve("it does not listen yet"));
    const trouble = await state.promise;
    cancelWait();
    if (trouble === undefined) return;
    await this.#end(id, trial);
    throw new DiagnosticError([diagnostic("E708", `The data server cannot give the results: ${trouble}`)]);
  }

  #serve(
    dataServer: DataServer,
    path: string,
    outlet: TrialOutlet,
    settled: (trouble: string | undefined) => void,
  ): (() => void)[] {
    const served: (() => void)[] = [];
    try {
      for (const route of outlet.routes) {
        served.push(dataServer.serve(path, route, (state, message) => {
          if (state === "connected") settled(undefined);
          else if (message !== undefined) settled(message);
        }));
      }
    } catch (error) {
      for (const end of served) end();
      throw error;
    }
    return served;
  }

  /**
   * Runs it, from the first of its rows on. One that runs goes on.
   *
   * @throws {DiagnosticError} E701 for an unknown id; what is wrong by now.
   */
  async start(id: string): Promise<void> {
    const trial = this.#trials.get(id);
    if (trial === undefined) fail("E701", `Test rule ${id} is not found`);
    const { environment, defaults, launcher, log } = this.#parts;
    const { definition, outlet, actor } = trial;
    const prepared = await environment.connectors.loading(() =>
      prepareTrial(definition, environment, defaults, outlet)
    );
    environment.policies?.checkReading(actor, prepared);
    // Meanwhile it may have been started or deleted.
    if (trial.live !== undefined || this.#trials.get(id) !== trial) return;
    const live: LiveRule = launcher.launch(prepared, {
      // Those that listen may go on: rows that are mocked can end, and the trial be started again.
      onEnded: () => void this.#halt(trial, live),
      onFailed: (error) => {
        const message = error.diagnostics.map((d) => d.message).join("; ");
        log.warn("A trial run has failed", { trial: id, reason: message });
        void trial.outlet.send([JSON.stringify({ error: message })]);
        void this.#halt(trial, live);
      },
    });
    trial.live = live;
  }

  /** Ends one; an unknown id is none. */
  async delete(id: string): Promise<void> {
    const trial = this.#trials.get(id);
    if (trial !== undefined) await this.#end(id, trial);
  }

  async #end(id: string, trial: Trial): Promise<void> {
    if (this.#trials.get(id) === trial) this.#trials.delete(id);
    trial.release();
    await this.#halt(trial, trial.live);
  }

  async #halt(trial: Trial, live: LiveRule | undefined): Promise<void> {
    if (live !== undefined && trial.live === live) {
      trial.live = undefined;
      const before = trial.stopped;
      trial.stopped = (async () => {
        await before;
        await live.stop(stopGraceMs);
      })().catch((error) => {
        this.#parts.log.error("A trial run could not be stopped", {
          trial: trial.definition.id,
          reason: (error as Error).stack ?? String(error),
        });
      });
    }
    await trial.stopped;
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await Promise.all(this.ids.map((id) => this.delete(id)));
  }
}
