/**
 * Named settings: the confKeys of sources, sinks and connections, and the named connections.
 *
 * The configuration file gives the lower layer, the admin interface writes the upper one into the store. Settings of
 * the same confKey overlay each other one by one.
 * @module
 */
import { parseShallow } from "../codec/json_parse.ts";
import type { SettingsSchema } from "../connector/declare.ts";
import { acceptedNames, mergeSettings } from "../connector/settings.ts";
import { diagnostic, DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { DefinitionKind, Store } from "../store/store.ts";
import { requireName } from "./names.ts";
import { maskSecrets, type Settings, unmaskSecrets } from "./secrets.ts";

export type ConfigRole = "source" | "sink" | "connection";

/** Type → key → settings, as a section of the configuration file has it. */
export type ConfigSection = Readonly<Record<string, Readonly<Record<string, Settings>>>>;

export interface NamedConnection {
  readonly id: string;
  readonly type: string;
  readonly settings: Settings;
}

/** What a stream or an action brings, from low to high. */
export interface OwnSettings {
  readonly confKey?: string | undefined;
  readonly extra?: Readonly<Settings> | undefined;
  /** The options of the stream, or the properties of the action. */
  readonly own?: Readonly<Settings> | undefined;
  /** Whose they are, for messages: `stream demo`, `actions.0.mqtt`. */
  readonly path?: string;
}

export interface ResolvedSettings {
  /** All layers merged, the named connection's among them; without `connectionSelector` and `resourceId`. */
  readonly settings: Settings;
  /** The named connection that was selected. */
  readonly connection?: { readonly id: string; readonly settings: Settings };
}

export interface ConfigRegistryOptions {
  readonly store: Store;
  /** What the configuration file holds. */
  readonly file?: {
    readonly sources?: ConfigSection;
    readonly sinks?: ConfigSection;
    readonly connections?: ConfigSection;
  };
  /** The connector types that have a role; undefined accepts any. */
  readonly types?: Readonly<Record<ConfigRole, readonly string[]>>;
  /**
   * The schemas that know the names, and other spellings, of a type's settings: that of the role and that of the
   * connection below it. Without them a setting is overridden only under the same name.
   */
  readonly schemasOf?: (role: ConfigRole, type: string) => readonly SettingsSchema[];
  /**
   * Checks settings of a confKey, which may be incomplete, or of a connection, which must not be.
   *
   * @throws {DiagnosticError} E402, E403 and, for a connection, E404.
   */
  readonly check?: (role: ConfigRole, type: string, settings: Settings, partial: boolean) => void;
  /** Refuses what settings that come over the admin interface may not hold. @throws {DiagnosticError} */
  readonly permits?: (settings: Settings) => void;
  /** See {@linkcode ConfigRegistry.loading}. */
  readonly loading?: Loading;
}

type Loading = <T>(work: () => T) => Promise<T>;

/** So many confKeys are kept parsed. */
const knownMax = 1000;

const kinds = {
  source: "source_config",
  sink: "sink_config",
  connection: "connection_config",
} as const satisfies Record<
  ConfigRole,
  DefinitionKind
>;

/**
 * Divides merged settings between a source or sink and the connection it stands on. A setting that both know goes to
 * both; one that neither knows stays with the role, whose schema then refuses it.
 */
export function splitSettings(
  settings: Readonly<Settings>,
  role: SettingsSchema,
  connection: SettingsSchema,
): { readonly role: Settings; readonly connection: Settings } {
  const ofRole = acceptedNames(role);
  const ofConnection = acceptedNames(connection);
  const only = (wanted: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(settings).filter(([key]) => wanted(key.toLowerCase())));
  return {
    role: only((name) => ofRole.has(name) || !ofConnection.has(name)),
    connection: only((name) => ofConnection.has(name)),
  };
}

function fileLayer({ sources = {}, sinks = {}, connections = {} }: NonNullable<ConfigRegistryOptions["file"]> = {}) {
  return { source: sources, sink: sinks, connection: connections };
}

/** Merges layers, later ones win. Names are compared without case, as connectors read them. */
function mergeByName(...layers: readonly Readonly<Settings>[]): Settings {
  const merged = new Map<string, [key: string, value: unknown]>();
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) merged.set(key.toLowerCase(), [key, value]);
  }
  return Object.fromEntries(merged.values());
}

/** Takes a setting out of `settings`, whatever its case. */
function take(settings: Settings, name: string): unknown {
  const key = Object.keys(settings).find((each) => each.toLowerCase() === name.toLowerCase());
  if (key === undefined) return undefined;
  const value = settings[key];
  delete settings[key];
  return value;
}

/** @throws {DiagnosticError} E703 for a text that is not a JSON object. */
export function parseSettings(json: string): Settings {
  let value: unknown;
  try {
    value = parseShallow(json);
  } catch (error) {
    fail("E703", `Error decoding json: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail("E703", "The body must be a JSON object");
  }
  return value as Settings;
}

export class ConfigRegistry {
  readonly #store: Store;
  #file: Record<ConfigRole, ConfigSection>;
  readonly #types: ConfigRegistryOptions["types"];
  readonly #check: ConfigRegistryOptions["check"];
  readonly #permits: (settings: Settings) => void;
  readonly #schemasOf: NonNullable<ConfigRegistryOptions["schemasOf"]>;
  /** Runs work that asks about the settings of types: methods throw `ConnectorNotLoaded` for one that is not loaded. */
  readonly loading: Loading;
  /** What the store has under a confKey, by role, type and key: each rule that starts asks for the same few. */
  readonly #known = new Map<string, Settings | undefined>();
  #revision = 0;

  constructor(options: ConfigRegistryOptions) {
    this.#store = options.store;
    this.#file = fileLayer(options.file);
    this.#types = options.types;
    this.#check = options.check;
    this.#permits = options.permits ?? (() => {});
    this.#schemasOf = options.schemasOf ?? (() => []);
    this.loading = options.loading ?? (async (work) => await work());
  }

  /** What the configuration file holds from now on. What was made of settings before stays as it is. */
  replaceFile(file: ConfigRegistryOptions["file"]): void {
    this.#file = fileLayer(file);
    this.#changed();
  }

  /** Another number after each change: what was made of settings before it may be different now. */
  get revision(): number {
    return this.#revision;
  }

  #changed(): void {
    this.#revision++;
    this.#known.clear();
  }

  // ---------------------------------------------------------------- confKeys

  /**
   * Every confKey of a type with its settings, secrets hidden.
   *
   * @throws {DiagnosticError} E405 for an unknown type.
   */
  confKeys(role: ConfigRole, type: string): Record<string, Settings> {
    this.#requireType(role, type);
    return Object.fromEntries(
      this.#keys(role, type).map((key) => [key, maskSecrets(this.#confKey(role, type, key) ?? {})]),
    );
  }

  /**
   * Replaces what the admin interface gave for a confKey. `******` keeps a secret.
   *
   * @throws {DiagnosticError} E405 for an unknown type, E704 for a bad name, E402 and E403 for the settings.
   */
  putConfKey(role: ConfigRole, type: string, key: string, settings: Settings): void {
    this.#requireType(role, type);
    requireName(key);
    const stored = this.#stored(role, type, key) ?? {};
    const real = unmaskSecrets(settings, stored, this.#section(role, type)[key] ?? {});
    this.#permits(real);
    this.#check?.(role, type, real, true);
    this.#store.put(kinds[role], `${type}/${key}`, JSON.stringify(real));
    this.#changed();
  }

  /** Removes what the admin interface gave; what the configuration file has stays. True when there was something. */
  deleteConfKey(role: ConfigRole, type: string, key: string): boolean {
    const existed = this.#store.delete(kinds[role], `${type}/${key}`);
    this.#changed();
    return existed;
  }

  // ---------------------------------------------------------------- connections

  /** All named connections with their real settings, by id. */
  connections(): NamedConnection[] {
    const found = new Map<string, NamedConnection>();
    for (const [type, byId] of Object.entries(this.#file.connection)) {
      for (const [id, settings] of Object.entries(byId)) found.set(id, { id, type, settings });
    }
    for (const { name, text } of this.#store.list("connection")) found.set(name, readConnection(name, text));
    return [...found.values()].sort((a, b) => a.id < b.id ? -1 : 1);
  }

  connection(id: string): NamedConnection | undefined {
    const text = this.#store.get("connection", id);
    if (text !== undefined) return readConnection(id, text);
    for (const [type, byId] of Object.entries(this.#file.connection)) {
      const settings = Object.hasOwn(byId, id) ? byId[id] : undefined;
      if (settings !== undefined) return { id, type, settings };
    }
    return undefined;
  }

  /**
   * @throws {DiagnosticError} E702 for an id in use, E704 for a bad one, E405 for an unknown type, E402 to E404 for the
   * settings.
   */
  createConnection(connection: NamedConnection): void {
    requireName(connection.id);
    if (this.connection(connection.id) !== undefined) {
      fail("E702", `connection ${connection.id} already been created`);
    }
    this.#putConnection(connection, {});
  }

  /** As {@linkcode createConnection}, for one that exists: E701 when it does not. `******` keeps a secret. */
  updateConnection(connection: NamedConnection): void {
    const before = this.#requireConnection(connection.id);
    this.#putConnection(connection, before.settings);
  }

  /** @throws {DiagnosticError} E701 for an unknown id, E705 for one that only the configuration file can remove. */
  deleteConnection(id: string): void {
    this.#requireConnection(id);
    if (!this.#store.delete("connection", id)) {
      fail("E705", `connection ${id} is defined in the configuration file`, { hint: "remove it there" });
    }
    this.#changed();
  }

  // ---------------------------------------------------------------- resolving

  /**
   * Merges all layers of settings for a source or sink: `default`, the confKey (of a sink: `resourceId`), the named
   * connection, EXTRA, and its own ones.
   *
   * @throws {DiagnosticError} E406 for a confKey or connection that does not exist.
   */
  resolve(role: "source" | "sink", type: string, layers: OwnSettings): ResolvedSettings {
    const own = { ...layers.own };
    const placeOf = (name: string) => layers.path === undefined ? name : `${layers.path}.${name}`;
    const resourceId = role === "sink" ? take(own, "resourceId") : undefined;
    const confKey = layers.confKey ?? (typeof resourceId === "string" && resourceId !== "" ? resourceId : undefined);
    const merge = this.#merger(role, type);
    const base = merge(
      this.#confKey(role, type, "default") ?? {},
      confKey === undefined
        ? {}
        : this.#requireConfKey(role, type, confKey, placeOf(role === "source" ? "CONF_KEY" : "resourceId")),
    );
    const extra = layers.extra ?? {};
    const merged = merge(base, extra, own);
    const selector = take(merged, "connectionSelector");
    if (selector === undefined || selector === "") return { settings: merged };
    const connection = this.#selectConnection(type, selector, placeOf("connectionSelector"));
    const settings = merge(base, connection.settings, extra, own);
    take(settings, "connectionSelector");
    return { settings, connection: { id: connection.id, settings: { ...connection.settings } } };
  }

  // ---------------------------------------------------------------- parts

  /** Merges by declared name: `server` of one layer overrides `servers` of another when they are the same setting. */
  #merger(role: ConfigRole, type: string): (...layers: readonly Readonly<Settings>[]) => Settings {
    const schemas = this.#schemasOf(role, type);
    return (...layers) => {
      const named = layers
        .filter((layer) => Object.keys(layer).length > 0)
        .map((layer) => schemas.reduce<Settings>((each, schema) => mergeSettings(schema, each), layer));
      return mergeByName(...named);
    };
  }

  #keys(role: ConfigRole, type: string): string[] {
    const prefix = `${type}/`;
    const stored = this.#store.list(kinds[role]).filter(({ name }) => name.startsWith(prefix));
    const keys = [...Object.keys(this.#section(role, type)), ...stored.map(({ name }) => name.slice(prefix.length))];
    return [...new Set(keys)].sort();
  }

  #section(role: ConfigRole, type: string): Readonly<Record<string, Settings>> {
    const section = this.#file[role];
    return Object.hasOwn(section, type) ? section[type]! : {};
  }

  #stored(role: ConfigRole, type: string, key: string): Settings | undefined {
    const path = `${role}/${type}/${key}`;
    if (this.#known.has(path)) return this.#known.get(path);
    const text = this.#store.get(kinds[role], `${type}/${key}`);
    const settings = text === undefined ? undefined : parseSettings(text);
    // A rule may ask for any key; only some of them are there.
    if (this.#known.size >= knownMax) this.#known.clear();
    this.#known.set(path, settings);
    return settings;
  }

  /** The two layers of a confKey, or undefined when neither has it. */
  #confKey(role: ConfigRole, type: string, key: string): Settings | undefined {
    const section = this.#section(role, type);
    const below = Object.hasOwn(section, key) ? section[key] : undefined;
    const above = this.#stored(role, type, key);
    return below === undefined && above === undefined ? undefined : this.#merger(role, type)(below ?? {}, above ?? {});
  }

  #requireConfKey(role: "source" | "sink", type: string, key: string, path: string): Settings {
    const found = this.#confKey(role, type, key.toLowerCase()) ?? this.#confKey(role, type, key);
    if (found !== undefined) return found;
    // Everything has a default, also where nobody wrote one.
    if (key.toLowerCase() === "default") return {};
    const hint = didYouMean(key, this.#keys(role, type));
    fail("E406", `Unknown configuration key "${key}" of the ${role} type "${type}"`, {
      path,
      ...(hint === undefined ? {} : { hint }),
    });
  }

  /** Accepts `cloud` and `mqtt.cloud`; connections made as confKeys count too. */
  #selectConnection(type: string, selector: unknown, path: string): NamedConnection {
    const text = String(selector);
    const id = text.startsWith(`${type}.`) ? text.slice(type.length + 1) : text;
    const named = this.connection(id);
    if (named !== undefined) {
      if (named.type === type) return named;
      fail("E406", `Connection "${id}" is of type "${named.type}": found it selected by "${type}"`, { path });
    }
    const settings = this.#confKey("connection", type, id);
    if (settings !== undefined) return { id, type, settings };
    const ids = this.connections().filter((each) => each.type === type).map((each) => each.id);
    const hint = didYouMean(id, ids);
    fail("E406", `connection ${text} not existed`, { path, ...(hint === undefined ? {} : { hint }) });
  }

  #putConnection({ id, type, settings }: NamedConnection, before: Settings): void {
    this.#requireType("connection", type);
    const real = unmaskSecrets(settings, before, {});
    this.#permits(real);
    this.#check?.("connection", type, real, false);
    this.#store.put("connection", id, JSON.stringify({ typ: type, props: real }));
    this.#changed();
  }

  #requireConnection(id: string): NamedConnection {
    return this.connection(id) ?? fail("E701", `connection ${id} not existed`);
  }

  #requireType(role: ConfigRole, type: string): void {
    const known = this.#types?.[role];
    if (known === undefined || known.includes(type)) return;
    const hint = didYouMean(type, known);
    throw new DiagnosticError([
      diagnostic("E405", `Unknown ${role} type "${type}"`, hint === undefined ? {} : { hint }),
    ]);
  }
}

function readConnection(id: string, text: string): NamedConnection {
  const { typ, props } = JSON.parse(text) as { typ: string; props: Settings };
  return { id, type: typ, settings: props };
}
