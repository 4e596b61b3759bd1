/**
 * The thread in which scripts run. The agent ends it when it does not answer: a loop inside the engine of the scripts, such
 * as a search in a very long text, cannot be interrupted from within.
 * @module
 */
import { parentPort } from "node:worker_threads";
import { type CallResult, type Request, type Response } from "./messages.ts";
import { loadEngine, Sandbox } from "./sandbox.ts";

/** Results are sent this often, milliseconds, so that the agent sees that the thread lives. */
const reportMs = 10;

const port = parentPort!;
const sandboxes = new Map<number, Sandbox>();
/** Requests are worked off one after the other. */
let line: Promise<void> = Promise.resolve();

port.on("message", (request: Request) => {
  line = line.then(() => answer(request));
});

async function answer(request: Request): Promise<void> {
  switch (request.kind) {
    case "open":
      sandboxes.set(request.script, new Sandbox(await loadEngine(), request.text));
      break;
    case "close":
      sandboxes.get(request.script)?.close();
      sandboxes.delete(request.script);
      break;
    case "run":
      run(sandboxes.get(request.script)!, request.calls);
      break;
    default:
      request satisfies never;
  }
}

function run(sandbox: Sandbox, calls: readonly string[]): void {
  let results: CallResult[] = [];
  let reported = performance.now();
  for (const call of calls) {
    results.push(sandbox.call(call));
    if (performance.now() - reported < reportMs) continue;
    port.postMessage({ results } satisfies Response);
    results = [];
    reported = performance.now();
  }
  if (results.length > 0) port.postMessage({ results } satisfies Response);
}
