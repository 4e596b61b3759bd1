/**
 * What the client throws, in words, and as what it means to the engine.
 * @module
 */
import { Disconnected } from "../../src/connector/errors.ts";
import type { KafkaConnection } from "./connection.ts";

/** Errors of the client hold others, which name the reason. */
interface ClientError extends Error {
  readonly errors?: readonly unknown[];
  /** The protocol's name of the error: `OFFSET_OUT_OF_RANGE`. */
  readonly apiId?: string;
}

/** True when an error, or one that it holds, is one of the protocol's `names`. */
export function isProtocolError(error: unknown, ...names: readonly string[]): boolean {
  return leavesOf(error).some(({ apiId }) => apiId !== undefined && names.includes(apiId));
}

/** The reasons in an error, each once. */
export function reasonOf(error: unknown): string {
  const reasons = new Set(
    leavesOf(error).map(({ message, apiId, code }) => {
      const text = message === "" ? String(code ?? "unknown") : message;
      return apiId === undefined ? text : `${text.replace(/\.$/, "")} (${apiId})`;
    }),
  );
  return [...reasons].slice(0, 3).join("; ");
}

/** The connection is lost, or as good as lost: the engine opens anew after a while. Also told as the status. */
export function lost(connection: KafkaConnection, error: unknown): Disconnected {
  if (error instanceof Disconnected) return error;
  const message = `Kafka at ${connection.brokers}: ${reasonOf(error)}`;
  connection.report("disconnected", message);
  return new Disconnected(message, { cause: error });
}

/** The innermost errors. */
function leavesOf(error: unknown, depth = 0): (ClientError & { readonly code?: unknown })[] {
  if (!(error instanceof Error)) return [new Error(String(error))];
  const { errors, cause } = error as ClientError;
  const inner = errors !== undefined && errors.length > 0 ? errors : cause instanceof Error ? [cause] : [];
  if (inner.length === 0 || depth > 8) return [error];
  return inner.flatMap((each) => leavesOf(each, depth + 1));
}
