/**
 * The traces of messages that stand in an outbox or a cache: the store keeps their names only.
 *
 * Invariant: they are bounded; of one that is forgotten, or of another life of the agent, the name goes along with the
 * message and no span is made.
 * @module
 */
import type { ItemTrace } from "../addressed_item.ts";

const awaitedMax = 4096;

/** Oldest first. */
const awaited = new Map<string, ItemTrace>();

export function awaitTrace(trace: ItemTrace): void {
  awaited.set(trace.traceparent, trace);
  if (awaited.size > awaitedMax) awaited.delete(awaited.keys().next().value!);
}

/** That of a message that comes back from the store. */
export function awaitedTrace(traceparent: string): ItemTrace {
  const trace = awaited.get(traceparent);
  if (trace === undefined) return { traceparent, begin() {}, retry() {}, end() {} };
  return {
    traceparent,
    begin: () => trace.begin(),
    retry: (reason) => trace.retry(reason),
    end(error) {
      awaited.delete(traceparent);
      trace.end(error);
    },
  };
}
