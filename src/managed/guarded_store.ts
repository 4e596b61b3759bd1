/**
 * The store as everybody but the files sees it: what files manage cannot be changed, whatever the way.
 * @module
 */
import { fail } from "../diagnostics/diagnostic.ts";
import type { DefinitionKind, Store } from "../store/store.ts";

/** A rule may be started and stopped, which its JSON keeps. */
function withoutTriggered(json: string): string {
  const entries = Object.entries(JSON.parse(json) as Record<string, unknown>);
  const kept = entries.filter(([key]) => key.toLowerCase() !== "triggered");
  return JSON.stringify(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @param fileOf the file that manages a definition, by `kind/name` */
export function guardedStore(store: Store, fileOf: (key: string) => string | undefined): Store {
  const refuse = (kind: DefinitionKind, name: string) => {
    const file = fileOf(`${kind}/${name}`);
    if (file === undefined) return;
    fail("E712", `The ${kind} ${name} is managed by the file ${file}`, { hint: "change it there" });
  };
  return {
    ...(store.directory === undefined ? {} : { directory: store.directory }),
    get: (kind, name) => store.get(kind, name),
    list: (kind) => store.list(kind),
    put(kind, name, text) {
      const before = kind === "rule" ? store.get(kind, name) : undefined;
      if (before === undefined || withoutTriggered(before) !== withoutTriggered(text)) refuse(kind, name);
      store.put(kind, name, text);
    },
    delete(kind, name) {
      refuse(kind, name);
      return store.delete(kind, name);
    },
    transaction: (work) => store.transaction(work),
    close: () => store.close(),
  };
}
