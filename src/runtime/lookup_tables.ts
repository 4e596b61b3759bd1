/**
 * The lookup tables that are open, and who uses them.
 *
 * Invariants: rules whose tables have the same definition and settings share one; a table is open exactly while a rule
 * uses it or, for a store that fills only while it is open, while its definition exists.
 * @module
 */
import type { Logger } from "../connector/context.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { LookupTable } from "./lookup_table.ts";
import type { OpenParts } from "./open_role.ts";
import { lookupConnector, openLookup, type PreparedLookup, prepareLookup } from "./prepare_lookup.ts";
import type { RuleEnvironment } from "./prepare_rule.ts";
import type { StreamDefinition } from "./stream_definition.ts";
import type { StreamWatcher } from "./streams.ts";

/** One use of a table. */
export interface LookupLease {
  readonly table: LookupTable;
  /** Gives the use back; the last one closes the table. */
  release(): Promise<void>;
}

interface Shared {
  readonly table: LookupTable;
  users: number;
}

export class LookupTables {
  readonly #parts: Omit<OpenParts, "name">;
  /** Open tables by definition and settings. */
  readonly #open = new Map<string, Shared>();
  /** Those that live as long as their definition, by name. */
  readonly #kept = new Map<string, { readonly identity: string; readonly lease: LookupLease }>();

  constructor(parts: Omit<OpenParts, "name">) {
    this.#parts = parts;
  }

  /** Uses a table; the first use opens it. */
  acquire(prepared: PreparedLookup): LookupLease {
    this.keep(prepared);
    return this.#acquire(prepared, identityOf(prepared));
  }

  /**
   * Opens a table whose store fills only while it is open, for as long as its definition exists. Another definition or
   * other settings than before take its place, and it starts empty.
   */
  keep(prepared: PreparedLookup): void {
    if (prepared.role.opens !== "with table") return;
    const { name } = prepared.stream;
    const identity = identityOf(prepared);
    if (this.#kept.get(name)?.identity === identity) return;
    const before = this.#kept.get(name);
    this.#kept.set(name, { identity, lease: this.#acquire(prepared, identity) });
    void before?.lease.release();
  }

  /** The definition is gone. Rules that use the table keep it until they stop. */
  async drop(name: string): Promise<void> {
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    await kept?.lease.release();
  }

  /** Closes what definitions keep open; rules have given back theirs before. */
  async close(): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((name) => this.drop(name)));
  }

  #acquire(prepared: PreparedLookup, identity: string): LookupLease {
    const known = this.#open.get(identity);
    const shared = known ?? { table: openLookup(prepared, this.#parts), users: 0 };
    if (known === undefined) this.#open.set(identity, shared);
    shared.users++;
    let released = false;
    return {
      table: shared.table,
      release: async () => {
        if (released) return;
        released = true;
        if (--shared.users > 0) return;
        this.#open.delete(identity);
        await shared.table.close();
      },
    };
  }
}

/** The same for tables that answer alike. */
function identityOf({ stream, settings, connection, cache }: PreparedLookup): string {
  return JSON.stringify([stream.name, stream.text, settings, connection, cache]);
}

/** What the tables that stay open with their definition are found and checked with. */
type KeeperEnvironment = Pick<RuleEnvironment, "connectors" | "configs" | "resolvePath">;

/** Keeps the tables of `streams` that are open as long as their definition exists. */
export class LookupKeeper implements StreamWatcher {
  readonly #tables: LookupTables;
  readonly #environment: KeeperEnvironment;
  readonly #log: Logger;
  #started = false;

  constructor(tables: LookupTables, environment: KeeperEnvironment, log: Logger) {
    this.#tables = tables;
    this.#environment = environment;
    this.#log = log;
  }

  /** Opens the tables of `definitions`; later ones are opened as they come. */
  async start(definitions: () => readonly StreamDefinition[]): Promise<void> {
    const tables = definitions().filter(({ options }) => options.kind === "lookup");
    await this.#environment.connectors.load(tables.map(({ options }) => options.type));
    // Some may have come meanwhile.
    this.#started = true;
    for (const definition of definitions()) this.kept(definition);
  }

  /**
   * Types are checked when a table is created; settings when a rule joins with it, as those of streams.
   *
   * @throws {ConnectorNotLoaded}
   */
  check(definition: StreamDefinition): void {
    if (definition.options.kind === "lookup") lookupConnector(definition, this.#environment.connectors);
  }

  kept(definition: StreamDefinition): void {
    if (!this.#started) return;
    if (definition.options.kind !== "lookup") {
      void this.#tables.drop(definition.name);
      return;
    }
    try {
      this.#tables.keep(prepareLookup(definition, this.#environment));
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      this.#log.error("A lookup table cannot be opened", { table: definition.name, reason: error.message });
    }
  }

  dropped(name: string): void {
    void this.#tables.drop(name);
  }
}
