/**
 * Somebody who looks at the rows of a running rule.
 *
 * Invariants: a rule never waits for a listener, and does nothing for one that is behind: what does not fit into its
 * buffer is counted as lost, before it is even encoded. Without listeners a batch costs one look at an empty list.
 * @module
 */
import { fail } from "../diagnostics/diagnostic.ts";
import { JsonWriter } from "../value/json_text.ts";
import type { Row } from "../value/row.ts";
import { isStruct, type Struct, type Value } from "../value/value.ts";

/** Rows, and characters of JSON, that wait for a listener at most. */
const rowsWaitingMax = 500;
const charactersWaitingMax = 256 * 1024;
/** Of one rule. */
const listenersMax = 8;

/** What has come since the last time. */
export interface Heard {
  /** Each the JSON of a row. */
  readonly rows: readonly string[];
  /** Rows that came when the buffer was full. */
  readonly lost: number;
  /** Why nothing more comes; absent while more may. */
  readonly ended?: string;
}

export class RowListener {
  readonly #onClose: () => void;
  #rows: string[] = [];
  #characters = 0;
  #lost = 0;
  #ended: string | undefined;
  #tell: (() => void) | undefined;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  /** `textOf` is called only for rows that there is room for. */
  offer<T>(rows: readonly T[], textOf: (row: T) => string): void {
    for (const [i, row] of rows.entries()) {
      if (this.#rows.length >= rowsWaitingMax || this.#characters >= charactersWaitingMax) {
        this.#lost += rows.length - i;
        break;
      }
      const text = textOf(row);
      this.#rows.push(text);
      this.#characters += text.length;
    }
    this.#tell?.();
  }

  /** Nothing more will come. */
  end(reason: string): void {
    this.#ended ??= reason;
    this.#tell?.();
  }

  /** What waits, which makes room for more. */
  take(): Heard {
    const heard = {
      rows: this.#rows,
      lost: this.#lost,
      ...(this.#ended === undefined ? {} : { ended: this.#ended }),
    };
    this.#rows = [];
    this.#characters = 0;
    this.#lost = 0;
    return heard;
  }

  /** Resolves when there is something to take. */
  more(): Promise<void> {
    if (this.#rows.length > 0 || this.#lost > 0 || this.#ended !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#tell = resolve);
  }

  /** It is not interested any more. May be called again. */
  close(): void {
    this.end("closed");
    this.#onClose();
  }
}

/** Those who listen to one running rule. */
export class RowListeners {
  readonly #ofResults = new Set<{ readonly listener: RowListener; readonly output: number | undefined }>();
  readonly #all = new Set<RowListener>();
  readonly #writer = new JsonWriter();

  /** To be called with all results, as they go to the actions. */
  results(rows: readonly Struct[], output: number): void {
    if (this.#ofResults.size === 0) return;
    for (const { listener, output: wanted } of this.#ofResults) {
      if (wanted === undefined || wanted === output) listener.offer(rows, (row) => this.#textOf(row));
    }
  }

  /** Listens to the results, or to those of one end of a graph. */
  toResults(output?: number): RowListener {
    const entry = {
      listener: this.#create(() => void this.#ofResults.delete(entry)),
      output,
    };
    this.#ofResults.add(entry);
    return entry.listener;
  }

  /**
   * Listens to the rows of a step of the plan.
   *
   * @param listen begins to call, and returns what ends it
   */
  toStep(sources: readonly string[], listen: (heard: (rows: readonly Row[]) => void) => () => void): RowListener {
    const listener = this.#create(() => stop());
    const stop = listen((rows) => listener.offer(rows, (row) => this.#textOf(columnsOf(row, sources))));
    return listener;
  }

  /** The rule stops. */
  end(reason: string): void {
    for (const listener of this.#all) listener.end(reason);
  }

  #create(onClose: () => void): RowListener {
    if (this.#all.size >= listenersMax) {
      fail("E705", `${listenersMax} listeners look at the rule already`, { hint: "end one of them" });
    }
    const listener = new RowListener(() => {
      onClose();
      this.#all.delete(listener);
    });
    this.#all.add(listener);
    return listener;
  }

  #textOf(row: Struct): string {
    try {
      return this.#writer.text(row);
    } catch {
      // An action would refuse the row, but somebody who looks for the reason must see it.
      return this.#writer.text(withoutInfinities(row) as Struct);
    }
  }
}

/** NaN and the infinities, which JSON does not have, as texts. */
function withoutInfinities(value: Value): Value {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (Array.isArray(value)) return value.map(withoutInfinities);
  if (!isStruct(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutInfinities(each)]));
}

/** A joined row as its parts, by stream. What was computed for a row has no name before the end. */
function columnsOf({ values, parts }: Row, sources: readonly string[]): Struct {
  if (parts === undefined) return values;
  return Object.fromEntries(
    parts.flatMap((part, i) => part === undefined ? [] : [[sources[i] ?? String(i), part.values]]),
  );
}
