/**
 * The work of a running rule, piece by piece: what it costs, and whether the rule may go on.
 * @module
 */
import { diagnostic, DiagnosticError } from "../../diagnostics/diagnostic.ts";
import { StateWatch, type WatchedStep } from "./state_watch.ts";
import { WorkPace } from "./work_pace.ts";

export interface RuleWorkOptions {
  readonly steps: readonly WatchedStep[];
  /** Bytes; 0 for any size. */
  readonly stateBytesMax: number;
  /** Milliseconds; 0 for any time. */
  readonly batchTimeMax: number;
}

/** What the status of a rule shows of its work. */
export interface WorkFigures {
  /** Pieces of work that took longer than 100 ms, during which nothing else ran. */
  readonly slowBatches: number;
  readonly longestMs: number;
  /** All of them together, with what its own sources took to decode, milliseconds. */
  readonly spentMs: number;
  /** Memory that the state takes now, about. */
  readonly stateBytes: number;
}

export class RuleWork {
  readonly #pace: WorkPace;
  readonly #state: StateWatch;
  #broken = false;
  #spentMs = 0;

  constructor(options: RuleWorkOptions) {
    this.#pace = new WorkPace(options.batchTimeMax);
    this.#state = new StateWatch(options.steps, options.stateBytesMax);
  }

  /** How many rows to push next. */
  get chunkRows(): number {
    return this.#pace.chunkRows;
  }

  /** True once a piece of work has thrown: the state cannot be trusted any more. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Does `work`, which takes so many rows. Returns why the rule has to be stopped, if it has to. */
  do(rows: number, work: () => void): DiagnosticError | undefined {
    const started = performance.now();
    try {
      work();
    } catch (error) {
      this.#broken = true;
      return ruleBroken(error);
    }
    const ended = performance.now();
    this.#spentMs += ended - started;
    return this.#pace.took(rows, ended - started) ?? this.#state.rows(rows, ended);
  }

  get figures(): WorkFigures {
    const { slowBatches, longestMs } = this.#pace;
    return { slowBatches, longestMs, spentMs: this.#spentMs, stateBytes: this.#state.bytes() };
  }
}

/** Rows that fail are no reason to come here: a step itself has failed. */
export function ruleBroken(error: unknown): DiagnosticError {
  const hint = "this is a mistake in weir: please report it; the rule can be started again";
  const problem = new DiagnosticError([diagnostic("E515", `A step of the rule failed: ${String(error)}`, { hint })]);
  problem.cause = error;
  return problem;
}

/** Resolves when everything else that waits for the event loop has had its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
