/**
 * The store that forgets: for `weir query`, rule tests and unit tests.
 * @module
 */
import { Buffer } from "node:buffer";
import type { Definition, DefinitionKind, Store } from "./store.ts";

type Texts = Map<DefinitionKind, Map<string, string>>;

function byBytes(a: Definition, b: Definition): number {
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

export class MemoryStore implements Store {
  #texts: Texts = new Map();
  #closed = false;

  get(kind: DefinitionKind, name: string): string | undefined {
    return this.#of(kind).get(name);
  }

  list(kind: DefinitionKind): Definition[] {
    return [...this.#of(kind)].map(([name, text]) => ({ name, text })).sort(byBytes);
  }

  put(kind: DefinitionKind, name: string, text: string): void {
    this.#of(kind).set(name, text);
  }

  delete(kind: DefinitionKind, name: string): boolean {
    return this.#of(kind).delete(name);
  }

  /** Works on the live maps and puts a copy back when `work` throws; definitions are few and small. */
  transaction<T>(work: () => T): T {
    this.#requireOpen();
    const before: Texts = new Map([...this.#texts].map(([kind, texts]) => [kind, new Map(texts)]));
    try {
      const result = work();
      if (result instanceof Promise) throw new TypeError("A transaction must not be asynchronous");
      return result;
    } catch (error) {
      this.#texts = before;
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
  }

  #of(kind: DefinitionKind): Map<string, string> {
    this.#requireOpen();
    let texts = this.#texts.get(kind);
    if (texts === undefined) this.#texts.set(kind, texts = new Map());
    return texts;
  }

  #requireOpen(): void {
    if (this.#closed) throw new Error("The store is closed");
  }
}
