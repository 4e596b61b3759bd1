/**
 * Rules as files: makes what a folder says what the agent has, as a whole or not at all.
 *
 * Invariants: everything is checked on an agent in memory before anything is changed; the stored definitions, and the
 * record of which of them the files own, change in one transaction; definitions that were made otherwise are not touched.
 * @module
 */
import { createHash } from "node:crypto";
import type { Logger } from "../connector/context.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { filesActor } from "../policy/actor.ts";
import type { DefinitionKind, Store } from "../store/store.ts";
import { keyOf, type ManagedItem, type ManagedKind, type ManagedMistake, mistake, mistakesOf } from "./managed_item.ts";
import { type FolderContent, readFolder } from "./read_folder.ts";

/** An agent in memory to try definitions on. */
export interface Scratch {
  create(statement: string): Promise<void>;
  validate(rule: string): Promise<void>;
  close(): Promise<void>;
}

export interface ManagedParts {
  readonly directory: string;
  readonly store: Store;
  /** Over a store that holds what files do not manage. */
  readonly scratch: (others: readonly StoredText[]) => Promise<Scratch>;
  /** Told of what was changed, and of sets that were refused, once each. */
  readonly onApplied?: (changes: readonly Change[], hash: string) => void;
  readonly onRefused?: (errors: readonly ManagedMistake[]) => void;
  readonly log: Logger;
  readonly now: () => number;
}

export interface StoredText {
  readonly kind: DefinitionKind;
  readonly name: string;
  readonly text: string;
}

export interface Change {
  readonly kind: ManagedKind;
  readonly name: string;
  readonly change: "create" | "replace" | "delete";
  readonly file: string;
  readonly before?: string;
  readonly after?: string;
}

/** What the store keeps of the last set that was applied. */
interface ManagedRecord {
  readonly hash: string;
  readonly appliedMs: number;
  /** By `kind/name`: the file, and a digest of what it said. A rule that was started or stopped since keeps its digest. */
  readonly items: Readonly<Record<string, { readonly file: string; readonly digest: string }>>;
}

export interface ManagedState {
  readonly directory: string;
  /** `refused`: the files have mistakes, and the set before them goes on. */
  readonly state: "applied" | "refused" | "pending";
  readonly hash: string;
  readonly appliedAt: string | null;
  readonly errors: readonly ManagedMistake[];
  readonly managed: readonly { readonly kind: string; readonly name: string; readonly file: string }[];
}

export interface Applied {
  readonly errors: readonly ManagedMistake[];
  readonly changes: readonly Change[];
  readonly unchanged: number;
}

const recordName = "folder";
const others = [
  "stream",
  "table",
  "source_config",
  "sink_config",
  "connection_config",
  "connection",
  "schema",
] as const;
const kinds = ["stream", "table", "rule"] as const;

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

export class ManagedRules {
  readonly #parts: ManagedParts;
  #record: ManagedRecord;
  #errors: readonly ManagedMistake[] = [];
  #state: ManagedState["state"] = "pending";
  #toldRefusal = "";
  #queue: Promise<unknown> = Promise.resolve();
  #follow: ((changes: readonly Change[]) => Promise<void>) | undefined;

  constructor(parts: ManagedParts) {
    this.#parts = parts;
    const text = parts.store.get("managed", recordName);
    this.#record = text === undefined ? { hash: "", appliedMs: 0, items: {} } : JSON.parse(text) as ManagedRecord;
  }

  /** The file that manages a definition. */
  fileOf(key: string): string | undefined {
    return Object.hasOwn(this.#record.items, key) ? this.#record.items[key]!.file : undefined;
  }

  /** From now on, what runs follows what is applied. */
  following(follow: (changes: readonly Change[]) => Promise<void>): void {
    this.#follow = follow;
  }

  get state(): ManagedState {
    const { hash, appliedMs, items } = this.#record;
    return {
      directory: this.#parts.directory,
      state: this.#state,
      hash,
      appliedAt: appliedMs === 0 ? null : new Date(appliedMs).toISOString(),
      errors: this.#errors,
      managed: Object.entries(items).map(([key, { file }]) => {
        const at = key.indexOf("/");
        return { kind: key.slice(0, at), name: key.slice(at + 1), file };
      }),
    };
  }

  /** Applies the folder, after what was asked for before. With `dryRun` it only tells what would change. */
  apply(dryRun = false): Promise<Applied> {
    const result = this.#queue.then(() => this.#apply(dryRun));
    this.#queue = result.catch(() => {});
    return result;
  }

  async #apply(dryRun: boolean): Promise<Applied> {
    const content = await readFolder(this.#parts.directory);
    const errors = [...content.mistakes, ...this.#clashes(content.items)];
    // A set that cannot be read whole has nothing more to say.
    if (errors.length === 0) errors.push(...await this.#check(content.items));
    const changes = errors.length > 0 ? [] : this.#changes(content.items);
    const unchanged = content.items.length - changes.filter(({ change }) => change !== "delete").length;
    if (dryRun) return { errors, changes, unchanged };
    this.#errors = errors;
    if (errors.length > 0) this.#refused(errors);
    else {
      this.#keep(content, changes);
      await this.#follow?.(changes);
    }
    return { errors, changes, unchanged };
  }

  #refused(errors: readonly ManagedMistake[]): void {
    const { directory, log } = this.#parts;
    this.#state = "refused";
    // A set that goes on being wrong is told once.
    const told = JSON.stringify(errors);
    if (told === this.#toldRefusal) return;
    this.#toldRefusal = told;
    this.#parts.onRefused?.(errors);
    log.error("The rules of the folder were refused; the set before them goes on", {
      directory,
      mistakes: errors.length,
    });
    for (const { file, code, message, line, path, hint } of errors.slice(0, 20)) {
      log.error(message, { file, code, line, path, hint });
    }
  }

  /** Names that definitions made otherwise have. */
  #clashes(items: readonly ManagedItem[]): ManagedMistake[] {
    const { store } = this.#parts;
    return items.flatMap(({ kind, name, file }) => {
      const alike = kind === "rule" ? ["rule"] as const : ["stream", "table"] as const;
      const other = alike.find((each) => store.get(each, name) !== undefined && !this.fileOf(`${each}/${name}`));
      if (other === undefined) return [];
      const hint = `delete it, so that the file can manage it`;
      return [mistake(file, `The ${other} ${name} exists and is not managed by files`, { hint })];
    });
  }

  /** Definitions first, and rules on them, where nothing is that the files do not leave. */
  async #check(items: readonly ManagedItem[]): Promise<ManagedMistake[]> {
    const { store } = this.#parts;
    const kept = others.flatMap((kind) => store.list(kind).map((each) => ({ kind, ...each })))
      .filter((each) => this.fileOf(`${each.kind}/${each.name}`) === undefined);
    const scratch = await this.#parts.scratch(kept);
    const mistakes: ManagedMistake[] = [];
    try {
      for (const isRule of [false, true]) {
        for (const item of items.filter(({ kind }) => (kind === "rule") === isRule)) {
          try {
            await (isRule ? scratch.validate(item.checked) : scratch.create(item.checked));
          } catch (error) {
            if (!(error instanceof DiagnosticError)) throw error;
            const text = item.inPlace ? item.checked : undefined;
            mistakes.push(...mistakesOf(item.file, error, text, `${item.kind} ${item.name}`));
          }
        }
      }
    } finally {
      await scratch.close();
    }
    return mistakes;
  }

  #changes(items: readonly ManagedItem[]): Change[] {
    const { store } = this.#parts;
    const known = this.#record.items;
    const wanted = new Set(items.map(keyOf));
    const gone = Object.entries(known).filter(([key]) => !wanted.has(key)).map(([key, { file }]): Change => {
      const at = key.indexOf("/");
      const [kind, name] = [key.slice(0, at) as ManagedKind, key.slice(at + 1)];
      const before = store.get(kind, name);
      return { kind, name, change: "delete", file, ...(before === undefined ? {} : { before }) };
    });
    const made = items.flatMap(({ kind, name, text, file }): Change[] => {
      const before = store.get(kind, name);
      if (before === undefined) return [{ kind, name, change: "create", file, after: text }];
      if (known[`${kind}/${name}`]?.digest === digestOf(text)) return [];
      return [{ kind, name, change: "replace", file, before, after: text }];
    });
    const order = ({ kind }: Change) => kinds.indexOf(kind);
    return [...gone, ...made.sort((a, b) => order(a) - order(b))];
  }

  /** All of it, or, when the process dies before the end, nothing. */
  #keep({ items, hash }: FolderContent, changes: readonly Change[]): void {
    const { store, log, now } = this.#parts;
    const record: ManagedRecord = {
      hash,
      appliedMs: now(),
      items: Object.fromEntries(items.map((item) => [keyOf(item), { file: item.file, digest: digestOf(item.text) }])),
    };
    if (hash !== this.#record.hash || changes.length > 0) {
      store.transaction(() => {
        for (const { kind, name, after } of changes) {
          if (after === undefined) store.delete(kind, name);
          else store.put(kind, name, after);
          if (kind !== "rule") continue;
          if (after === undefined) store.delete("rule_owner", name);
          else store.put("rule_owner", name, JSON.stringify(filesActor));
        }
        store.put("managed", recordName, JSON.stringify(record));
      });
      this.#record = record;
      if (changes.length > 0) this.#parts.onApplied?.(changes, hash);
      const count = (change: Change["change"]) => changes.filter((each) => each.change === change).length;
      log.info("The rules of the folder were applied", {
        hash,
        created: count("create"),
        replaced: count("replace"),
        deleted: count("delete"),
      });
    }
    this.#state = "applied";
    this.#toldRefusal = "";
  }
}
