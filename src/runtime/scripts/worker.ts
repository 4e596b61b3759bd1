/**
 * The thread in which scripts run. The agent ends it when it does not answer: a loop inside the engine of the scripts, such
 * as a search in a very long text, cannot be interrupted from within.
 * @module
 */
import { parentPort } from "node:worker_threads";
import { type CallResult, type Request, type Response, turnMsMax } from "./messages.ts";
import { createEngine, Sandbox } from "./sandbox.ts";

/** Results are sent this often, milliseconds, so that the agent sees that the thread lives. */
const reportMs = 10;

const port = parentPort!;
const scripts = new Map<number, { readonly text: string; sandbox: Pick<Sandbox, "call"> }>();
/** Requests are worked off one after the other. */
let line: Promise<void> = Promise.resolve();

port.on("message", (request: Request) => {
  line = line.then(() => answer(request));
});

async function answer(request: Request): Promise<void> {
  switch (request.kind) {
    case "open":
      scripts.set(request.script, { text: request.text, sandbox: await sandboxOf(request.text) });
      break;
    case "close":
      scripts.delete(request.script);
      break;
    case "run":
      await run(request.script, request.calls);
      break;
    default:
      request satisfies never;
  }
}

/** Where the engine breaks already as it takes the script, every call says so. */
async function sandboxOf(text: string): Promise<Pick<Sandbox, "call">> {
  try {
    return new Sandbox(await createEngine(), text);
  } catch (error) {
    return { call: () => ({ error: messageOf(error) }) };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A call; where the engine itself breaks, as when its stack ends, the script gets a new one. */
async function call(id: number, json: string): Promise<CallResult> {
  const script = scripts.get(id)!;
  try {
    return script.sandbox.call(json);
  } catch (error) {
    script.sandbox = await sandboxOf(script.text);
    return { error: messageOf(error) };
  }
}

async function run(script: number, calls: readonly string[]): Promise<void> {
  const begun = performance.now();
  let reported = begun;
  let results: CallResult[] = [];
  for (const [i, json] of calls.entries()) {
    results.push(await call(script, json));
    const now = performance.now();
    const over = i === calls.length - 1 || now - begun > turnMsMax;
    if (!over && now - reported < reportMs) continue;
    port.postMessage({ results, over } satisfies Response);
    if (over) return;
    results = [];
    reported = now;
  }
}
