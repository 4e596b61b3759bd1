/**
 * What a connector throws, named after what the engine shall do next.
 * @module
 */

/** The peer is gone: close, back off, open again. */
export class Disconnected extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Disconnected";
  }
}

/** No more data, ever. `message` says why when the peer told. */
export class EndOfInput extends Error {
  constructor(message = "") {
    super(message);
    this.name = "EndOfInput";
  }
}

/** The handle is fine, but the peer cannot serve now: the same call again after `ms` milliseconds. */
export class RetryLater extends Error {
  readonly ms: number;

  constructor(message: string, ms: number, options?: ErrorOptions) {
    super(message, options);
    this.name = "RetryLater";
    this.ms = ms;
  }
}

/** Some items of a sink batch can never be written; all others were. */
export class ItemsFailed extends Error {
  readonly failed: ReadonlyMap<number, string>;

  /** `failed` maps the index in the batch to the reason. */
  constructor(failed: ReadonlyMap<number, string>) {
    super([...failed.values()][0] ?? "no item failed");
    this.name = "ItemsFailed";
    this.failed = failed;
  }
}
