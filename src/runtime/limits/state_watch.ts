/**
 * Watches how much memory the state of a rule takes, and tells when it is more than the rule may have.
 *
 * The state is measured every second, or every thousand rows where they come faster, and less often where that takes long:
 * it never takes more than a small part of the time. So a limit is not exact: what comes between two looks is on top of it.
 * @module
 */
import { diagnostic, DiagnosticError } from "../../diagnostics/diagnostic.ts";
import type { Operator } from "../operator.ts";

/** What is watched of a step. */
export interface WatchedStep {
  /** Its type in status keys. */
  readonly type: string;
  readonly operator: Pick<Operator, "stateBytes" | "held">;
}

const looksEveryMs = 1000;
const looksEveryRows = 1000;
/** Between two looks lies so many times what a look takes, unless a great many rows come meanwhile. */
const pauseFactor = 20;
const looksEveryRowsAnyway = 10_000;

const mib = 1024 * 1024;

export class StateWatch {
  readonly #steps: readonly WatchedStep[];
  readonly #bytesMax: number;
  readonly #now: () => number;
  #lookedAt = -Infinity;
  #tookMs = 0;
  #rows = 0;

  /**
   * @param bytesMax 0 for any size
   * @param now milliseconds of a clock that nobody sets
   */
  constructor(steps: readonly WatchedStep[], bytesMax: number, now: () => number = () => performance.now()) {
    this.#steps = steps.filter(({ operator }) => operator.stateBytes !== undefined);
    this.#bytesMax = bytesMax;
    this.#now = now;
  }

  /** Tells that so many rows have gone in by `now`. Returns why the rule has to be stopped, if it has to. */
  rows(count: number, now: number): DiagnosticError | undefined {
    if (this.#bytesMax === 0 || this.#steps.length === 0) return undefined;
    this.#rows += count;
    const pause = this.#rows < looksEveryRows ? looksEveryMs : pauseFactor * this.#tookMs;
    if (now - this.#lookedAt < pause && this.#rows < looksEveryRowsAnyway) return undefined;
    const bytes = this.bytes();
    this.#rows = 0;
    this.#lookedAt = this.#now();
    this.#tookMs = this.#lookedAt - now;
    return bytes > this.#bytesMax ? this.#tooLarge(bytes) : undefined;
  }

  /** The size of the whole state now, bytes, about. */
  bytes(): number {
    let bytes = 0;
    for (const { operator } of this.#steps) bytes += operator.stateBytes!();
    return bytes;
  }

  #tooLarge(bytes: number): DiagnosticError {
    let largest = this.#steps[0]!;
    for (const step of this.#steps) {
      if (step.operator.stateBytes!() > largest.operator.stateBytes!()) largest = step;
    }
    const held = largest.operator.held?.() ?? 0;
    const holds = `${held > 0 ? `${held} rows in ` : ""}about ${inMib(largest.operator.stateBytes!())} MiB`;
    const message = `The state of the rule takes about ${inMib(bytes)} MiB, and stateBytesMax allows ` +
      `${inMib(this.#bytesMax)} MiB: step "${largest.type}" holds ${holds}`;
    return new DiagnosticError([
      diagnostic("E513", message, {
        hint: "shorten the window, group or partition by fewer values, filter before it, or raise stateBytesMax",
      }),
    ]);
  }
}

function inMib(bytes: number): string {
  return (bytes / mib).toFixed(bytes < 10 * mib ? 1 : 0);
}
