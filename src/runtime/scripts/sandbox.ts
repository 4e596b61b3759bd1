/**
 * One script in a JavaScript engine of its own, QuickJS: no file, no network, no clock but Date, and limits of memory,
 * stack and time.
 *
 * A sandbox is never closed: its engine has a memory of its own, which goes with it. Values cross as JSON. What JSON has no word for is an object with the one key {@linkcode tag}: ints beyond 2^53 are
 * BigInt inside, datetimes Date, bytes Uint8Array.
 * @module
 */
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSRuntime,
  type QuickJSWASMModule,
} from "quickjs-emscripten-core";
import variant from "@jitl/quickjs-singlefile-mjs-release-sync";
import { callMsMax, type CallResult, firstMsMax, scriptBytesMax, stackBytesMax } from "./messages.ts";
import { tag } from "./values.ts";

const pageBytes = 64 * 1024;
/** The engine is built to begin with so much. */
const firstPages = 256;

/**
 * An engine for one script. It has a memory of its own: the engine's own limit counts blocks, not their sizes, in this
 * build, so it is the memory itself that ends.
 */
export function createEngine(): Promise<QuickJSWASMModule> {
  const wasmMemory = new WebAssembly.Memory({ initial: firstPages, maximum: scriptBytesMax / pageBytes });
  return newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmMemory }));
}

/** Gives `(exec, json) => json`. What it needs is taken before the script can change it. */
const bridge = `(() => {
  const tag = ${JSON.stringify(tag)};
  const { parse, stringify } = JSON;
  const { keys } = Object;
  const isArray = Array.isArray, BigIntOf = BigInt, DateOf = Date, Bytes = Uint8Array, Buffer = ArrayBuffer;
  const isFinite = Number.isFinite, text = String;
  const unpack = (value) => {
    if (typeof value !== "object" || value === null) return value;
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) value[i] = unpack(value[i]);
      return value;
    }
    const special = value[tag];
    if (special !== undefined) {
      if (special[0] === "int") return BigIntOf(special[1]);
      if (special[0] === "date") return new DateOf(special[1]);
      return new Bytes(special[1]);
    }
    for (const key of keys(value)) value[key] = unpack(value[key]);
    return value;
  };
  const pack = (value, depth) => {
    if (depth > 100) throw new TypeError("the result is nested too deeply, or contains itself");
    switch (typeof value) {
      case "number": return isFinite(value) ? value : null;
      case "bigint": return { [tag]: ["int", text(value)] };
      case "function": case "symbol": throw new TypeError("a " + typeof value + " cannot be part of a row");
      case "object": break;
      default: return value;
    }
    if (value === null) return null;
    if (value instanceof DateOf) return isFinite(+value) ? { [tag]: ["date", +value] } : null;
    if (value instanceof Buffer) value = new Bytes(value);
    if (value instanceof Bytes) {
      const bytes = [];
      for (let i = 0; i < value.length; i++) bytes[i] = value[i];
      return { [tag]: ["bytes", bytes] };
    }
    if (isArray(value)) {
      const out = [];
      for (let i = 0; i < value.length; i++) out[i] = pack(value[i], depth + 1);
      return out;
    }
    const out = {};
    for (const key of keys(value)) out[key] = pack(value[key], depth + 1);
    return out;
  };
  return (exec, json) => {
    const args = unpack(parse(json));
    const result = exec(args[0], args[1]);
    return stringify(result === undefined ? null : pack(result, 0));
  };
})()`;

export class Sandbox {
  readonly #runtime: QuickJSRuntime;
  readonly #context: QuickJSContext;
  readonly #bridge: QuickJSHandle | undefined;
  readonly #exec: QuickJSHandle | undefined;
  /** Why the script has no function to call. */
  #broken: string | undefined;
  #deadline = 0;
  /** What the work at hand may take, milliseconds. */
  #msMax = firstMsMax;
  #calls = 0;

  constructor(module: QuickJSWASMModule, script: string) {
    this.#runtime = module.newRuntime();
    this.#runtime.setMaxStackSize(stackBytesMax);
    this.#runtime.setInterruptHandler(() => performance.now() > this.#deadline);
    this.#context = this.#runtime.newContext();
    this.#bridge = this.#evaluate(bridge);
    this.#exec = this.#evaluate(`${script}\n;exec`);
  }

  #evaluate(text: string): QuickJSHandle | undefined {
    this.#deadline = performance.now() + this.#msMax;
    const result = this.#context.evalCode(text, "script");
    if (result.error === undefined) return result.value;
    this.#broken ??= this.#messageOf(result.error);
    return undefined;
  }

  /** Calls `exec` with the JSON array of its arguments. */
  call(json: string): CallResult {
    const [context, bridge, exec] = [this.#context, this.#bridge, this.#exec];
    if (bridge === undefined || exec === undefined) return { error: this.#broken ?? "the script cannot run" };
    this.#msMax = this.#calls++ === 0 ? firstMsMax : callMsMax;
    this.#deadline = performance.now() + this.#msMax;
    const argument = context.newString(json);
    const result = context.callFunction(bridge, context.undefined, exec, argument);
    argument.dispose();
    if (result.error !== undefined) return { error: this.#messageOf(result.error) };
    const text = context.getString(result.value);
    result.value.dispose();
    return { json: text };
  }

  #messageOf(error: QuickJSHandle): string {
    // The script may throw anything, also something that runs on when it is looked at.
    this.#deadline = performance.now() + callMsMax;
    let found: unknown;
    try {
      found = this.#context.dump(error);
    } catch {
      found = "unknown error";
    }
    error.dispose();
    if (found === null) return "it threw null, as it does too when there is no memory left for an error";
    if (typeof found !== "object") return String(found).slice(0, messageMax);
    const { name, message } = found as { name?: unknown; message?: unknown };
    if (name === "InternalError" && message === "interrupted") return `it took longer than ${this.#msMax} ms`;
    if (name === undefined && message === undefined) {
      return (JSON.stringify(found) ?? "unknown error").slice(0, messageMax);
    }
    return `${String(name ?? "Error")}: ${String(message ?? "")}`.slice(0, messageMax);
  }
}

const messageMax = 500;
