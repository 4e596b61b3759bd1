/**
 * A row that could not be processed. The rule lives on; the row (or, in a window step, the list) is dropped and counted.
 * @module
 */
import type { Code } from "./codes.ts";

export class RowError extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RowError";
    this.code = code;
  }
}
