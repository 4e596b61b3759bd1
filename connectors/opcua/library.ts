/**
 * The client library, loaded when it is first needed: it is large.
 * @module
 */
import type { Logger } from "../../src/connector/context.ts";

export type Library = typeof import("node-opcua-client");

let loading: Promise<Library> | undefined;

/** What the library says by itself goes to `log`, that of the first who loads it. */
export function loadLibrary(log: Logger): Promise<Library> {
  return loading ??= load(log);
}

async function load(log: Logger): Promise<Library> {
  // A library below it wants this to be there first, and in one file with all others it would not.
  await import("reflect-metadata");
  const { setDebugLogger, setErrorLogger, setTraceLogger, setWarningLogger } = await import("node-opcua-debug");
  const print = (...parts: unknown[]) =>
    log.debug("The OPC UA library speaks", { text: parts.join(" ").slice(0, 2000) });
  for (const set of [setDebugLogger, setErrorLogger, setTraceLogger, setWarningLogger]) set(print);
  return await import("node-opcua-client");
}
