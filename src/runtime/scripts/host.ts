/**
 * The scripts of all rules, in a thread beside the agent's: whatever a script does, the agent goes on.
 *
 * The thread starts with the first script and ends a while after the last. When it gives no sign of life it is ended, and the
 * scripts go on in a new one without what they kept in their global variables. The script that it was at is not called
 * again: what cannot be interrupted may go on using a processor even in a thread that was ended, and must not do so for
 * every row.
 * @module
 */
import { Worker } from "node:worker_threads";
import { callMsMax, type CallResult, type Request, type Response } from "./messages.ts";

/** Longest wait for a sign of life, milliseconds: the thread may have to start, on a busy machine. */
const silenceMsMax = 20 * callMsMax;
/** The thread stays so long without a script, milliseconds. */
const idleMs = 5000;
/** The start of the thread, with the engine of the scripts. */
const startMsMax = 10_000;

interface Run {
  readonly calls: readonly string[];
  readonly results: CallResult[];
  readonly done: (results: readonly CallResult[]) => void;
}

/** A script that can be called. */
export class Script {
  readonly id: number;
  readonly text: string;
  /** Why it is not called any more. */
  stopped: string | undefined = undefined;
  /** What it has to do, in the order in which it was asked for. */
  runs: Run[] = [];
  readonly #host: ScriptHost;

  constructor(id: number, text: string, host: ScriptHost) {
    this.id = id;
    this.text = text;
    this.#host = host;
  }

  /** Calls `exec` with each of `calls`, the arguments as JSON arrays. Runs are carried out one after the other. */
  run(calls: readonly string[]): Promise<readonly CallResult[]> {
    const { stopped } = this;
    if (stopped !== undefined) return Promise.resolve(calls.map(() => ({ error: stopped })));
    return new Promise((done) => {
      this.runs.push({ calls, results: [], done });
      if (this.runs.length === 1) this.#host.ask(this);
    });
  }

  /** Runs that are not done are left undone. */
  close(): void {
    this.runs = [];
    this.#host.close(this);
  }
}

/** Where the code of the thread lies: beside this file, or, in a binary, at its path from the root. */
function workerUrl(): URL {
  const beside = import.meta.url.endsWith("/scripts/host.ts");
  return new URL(beside ? "./worker.ts" : "./src/runtime/scripts/worker.ts", import.meta.url);
}

export class ScriptHost {
  readonly #scripts = new Set<Script>();
  #nextId = 0;
  #worker: Worker | undefined;
  /** False until the thread has answered once. */
  #alive = false;
  /** Scripts with something to do; the first is at it. They take turns, so that a slow one does not hold up the others. */
  #turns: Script[] = [];
  #watchdog: NodeJS.Timeout | undefined;
  /** Ends the thread when it has had no script for a while. */
  #idle: NodeJS.Timeout | undefined;

  open(text: string): Script {
    const script = new Script(this.#nextId++, text, this);
    this.#scripts.add(script);
    clearTimeout(this.#idle);
    if (this.#worker === undefined) this.#start();
    else this.#send({ kind: "open", script: script.id, text });
    return script;
  }

  close(script: Script): void {
    if (!this.#scripts.delete(script)) return;
    const isRunning = this.#turns[0] === script;
    this.#turns = this.#turns.filter((each) => each !== script);
    if (this.#scripts.size === 0) {
      // A rule that is started anew, as after a change, finds the thread.
      this.#idle = setTimeout(() => this.#end(), idleMs);
      this.#idle.unref();
    }
    // The results of what runs would be taken for those of the next script.
    if (isRunning) this.#restart();
    else this.#send({ kind: "close", script: script.id });
  }

  /** The script has something to do. */
  ask(script: Script): void {
    this.#turns.push(script);
    if (this.#turns.length === 1) this.#next();
  }

  #next(): void {
    const [script] = this.#turns;
    if (script === undefined) return;
    const { calls, results } = script.runs[0]!;
    this.#send({ kind: "run", script: script.id, calls: calls.slice(results.length) });
    this.#watch();
  }

  #watch(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(
      () => this.#lost(`it did not end within ${silenceMsMax} ms`),
      this.#alive ? silenceMsMax : startMsMax,
    );
  }

  #received({ results, over }: Response): void {
    this.#alive = true;
    const [script] = this.#turns;
    const run = script?.runs[0];
    if (script === undefined || run === undefined) return;
    run.results.push(...results);
    if (!over) return this.#watch();
    clearTimeout(this.#watchdog);
    this.#turns.shift();
    if (run.results.length === run.calls.length) script.runs.shift();
    if (script.runs.length > 0) this.#turns.push(script);
    this.#next();
    if (run.results.length === run.calls.length) run.done(run.results);
  }

  /** The script that the thread was at is not called again. What it gave since the last sign of life is lost. */
  #lost(reason: string): void {
    const script = this.#turns.shift();
    if (script !== undefined) {
      script.stopped = `${reason}, and is not called again until its rule starts anew`;
      const error = { error: script.stopped };
      for (const { calls, results, done } of script.runs) {
        done([...results, ...calls.slice(results.length).map(() => error)]);
      }
      script.runs = [];
    }
    this.#restart();
  }

  #restart(): void {
    this.#end();
    if (this.#scripts.size === 0) return;
    this.#start();
    this.#next();
  }

  #start(): void {
    const worker = new Worker(workerUrl());
    this.#worker = worker;
    this.#alive = false;
    worker.on("message", (response: Response) => {
      if (this.#worker === worker) this.#received(response);
    });
    worker.on("error", (error: unknown) => {
      if (this.#worker === worker) this.#lost(`its thread ended: ${error instanceof Error ? error.message : error}`);
    });
    // A thread that waits keeps no process from ending.
    worker.unref();
    for (const { id, text, stopped } of this.#scripts) {
      if (stopped === undefined) this.#send({ kind: "open", script: id, text });
    }
  }

  #end(): void {
    clearTimeout(this.#watchdog);
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }

  #send(request: Request): void {
    this.#worker?.postMessage(request);
  }
}

/** One thread for all rules of the process. */
export const scriptHost: ScriptHost = new ScriptHost();
