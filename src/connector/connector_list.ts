/**
 * The connectors an agent can use, by name. A declaration costs memory from its schemas to its prose, and an agent uses
 * a few of them: each is loaded when something names it.
 *
 * Who asks for one that is not loaded throws {@linkcode ConnectorNotLoaded}; {@linkcode ConnectorList.loading} loads it and
 * runs the same work again. So what checks settings stays plain code that does not wait, and only who calls it waits.
 *
 * @example
 * ```ts
 * const prepared = await connectors.loading(() => prepareRule(definition, { connectors, … }));
 * ```
 * @module
 */
import type { Connector } from "./declare.ts";

/** What a connector can be. */
export type ConnectorRole = "source" | "lookup" | "sink" | "connection";

const roles: readonly ConnectorRole[] = ["source", "lookup", "sink", "connection"];

/** What is known of a connector before its declaration is loaded. */
export interface ConnectorEntry {
  readonly name: string;
  /** The roles of the declaration. */
  readonly roles: readonly ConnectorRole[];
  load(): Promise<Connector>;
}

/** Work needs the declaration of a connector: {@linkcode ConnectorList.loading} gives it. */
export class ConnectorNotLoaded extends Error {
  override name = "ConnectorNotLoaded";
  readonly connector: string;

  constructor(connector: string) {
    super(`The connector "${connector}" is not loaded: its user has to be run by ConnectorList.loading()`);
    this.connector = connector;
  }
}

export class ConnectorList {
  readonly #entries: readonly ConnectorEntry[];
  readonly #loaded = new Map<string, Connector>();

  /** @param entries in the order in which they are shown; declarations are loaded from the start */
  constructor(entries: readonly (ConnectorEntry | Connector)[]) {
    this.#entries = entries.map((each) => {
      if ("load" in each) return each;
      this.#loaded.set(each.name, each);
      return entryOf(each);
    });
  }

  /** The names of those that have a role; of all without one. */
  names(role?: ConnectorRole): string[] {
    return this.#entries.filter(({ roles }) => role === undefined || roles.includes(role)).map(({ name }) => name);
  }

  /** Whether there is one of this name that has a role. */
  has(name: string, role: ConnectorRole): boolean {
    return this.#entries.some((each) => each.name === name && each.roles.includes(role));
  }

  /**
   * The declaration of a connector that has a role; undefined when there is none.
   *
   * @throws {ConnectorNotLoaded}
   */
  find<Role extends ConnectorRole>(name: string, role: Role): ConnectorWith<Role> | undefined {
    if (!this.has(name, role)) return undefined;
    const found = this.#loaded.get(name);
    if (found === undefined) throw new ConnectorNotLoaded(name);
    return found as ConnectorWith<Role>;
  }

  /** The names of those whose declarations are loaded. */
  get loadedNames(): string[] {
    return this.names().filter((name) => this.#loaded.has(name));
  }

  /** Loads declarations; an unknown name is no error. */
  async load(names: Iterable<string>): Promise<void> {
    const wanted = new Set(names);
    await Promise.all(this.#entries.map(async ({ name, load }) => {
      if (wanted.has(name) && !this.#loaded.has(name)) this.#loaded.set(name, await load());
    }));
  }

  /** Every declaration, all of them loaded. */
  async all(): Promise<readonly Connector[]> {
    await this.load(this.names());
    return this.#entries.map(({ name }) => this.#loaded.get(name)!);
  }

  /**
   * Runs work that may ask for any of them, again from its start for each that was not loaded. Work must have no effect
   * before it has asked for all that it needs.
   */
  async loading<T>(work: () => T): Promise<T> {
    while (true) {
      try {
        return work();
      } catch (error) {
        if (!(error instanceof ConnectorNotLoaded)) throw error;
        await this.load([error.connector]);
      }
    }
  }

  /** Another list, of what this one has and has loaded by now, and one more. */
  with(connector: Connector): ConnectorList {
    return new ConnectorList([...this.#entries.map((entry) => this.#loaded.get(entry.name) ?? entry), connector]);
  }
}

/** A declaration that has a role. */
export type ConnectorWith<Role extends ConnectorRole> = Connector & { readonly [R in Role]: NonNullable<Connector[R]> };

/** The entry of a declaration that is at hand. */
export function entryOf(connector: Connector): ConnectorEntry {
  return {
    name: connector.name,
    roles: roles.filter((role) => connector[role] !== undefined),
    load: () => Promise.resolve(connector),
  };
}
