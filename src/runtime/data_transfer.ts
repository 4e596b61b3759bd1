/**
 * All definitions of an agent as one text, out and in: the formats of eKuiper's `/ruleset` and `/data`.
 *
 * An import that replaces everything is tried first on an empty agent in memory: what would fail there changes nothing.
 * @module
 */
import { parseShallow } from "../codec/json_parse.ts";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import type { Actor } from "../policy/actor.ts";
import type { DefinitionKind, Store } from "../store/store.ts";
import type { ConfigRegistry, ConfigRole } from "./configs.ts";
import type { Rules } from "./rules.ts";
import type { SchemaRegistry } from "./schemas.ts";
import type { Settings } from "./secrets.ts";
import type { StreamRegistry, StreamTarget } from "./streams.ts";
import { requireUploadName, type UploadRequest, type Uploads } from "./uploads.ts";

/** In the order of eKuiper's answers. */
export const sections = [
  "streams",
  "tables",
  "rules",
  "nativePlugins",
  "portablePlugins",
  "sourceConfig",
  "sinkConfig",
  "connectionConfig",
  "Service",
  "Schema",
  "uploads",
  "scripts",
] as const;

export type Section = typeof sections[number];

/** Name → text, by section. */
export type TransferData = Readonly<Record<Section, Readonly<Record<string, string>>>>;

/** Name → what is wrong with it, by section. */
export type TransferErrors = Record<Section, Record<string, string>>;

/** What an import goes into. */
export interface TransferTarget {
  /** A folder of files owns definitions. */
  readonly isManaged?: boolean;
  readonly store: Store;
  readonly configs: ConfigRegistry;
  readonly streams: StreamRegistry;
  readonly schemas: SchemaRegistry;
  /** Absent: there is no place for files. */
  readonly uploads?: Uploads | undefined;
  readonly rules: Pick<Rules, "list" | "update" | "delete" | "validate" | "get">;
}

export interface RulesetCounts {
  readonly streams: number;
  readonly tables: number;
  readonly rules: number;
}

/** What of eKuiper's exports weir has no place for. */
const foreign: Partial<Record<Section, string>> = {
  nativePlugins: "plugins written in Go cannot be loaded",
  portablePlugins: "portable plugins are not supported by this version of weir",
  Service: "external services are not supported by this version of weir",
  scripts: "JavaScript functions are not supported by this version of weir",
};

export class DataTransfer {
  readonly #target: TransferTarget;
  readonly #scratch: () => Promise<TransferTarget>;
  #last: TransferErrors = noErrors();

  /** @param scratch an empty agent, whose rules never run */
  constructor(target: TransferTarget, scratch: () => Promise<TransferTarget>) {
    this.#target = target;
    this.#scratch = scratch;
  }

  /** What was wrong in the last import. */
  get lastErrors(): TransferErrors {
    return this.#last;
  }

  // ---------------------------------------------------------------- out

  /** Streams, tables and rules, with the passwords that they hold. */
  ruleset(): Record<"streams" | "tables" | "rules", Record<string, string>> {
    return { streams: this.#texts("stream"), tables: this.#texts("table"), rules: this.#texts("rule") };
  }

  /** Everything, with the passwords that it holds. */
  async all(): Promise<TransferData> {
    return { ...this.#definitions(), uploads: await this.#target.uploads?.requests() ?? {} };
  }

  #definitions(): TransferData {
    return {
      ...noErrors(),
      ...this.ruleset(),
      sourceConfig: this.#configs("source_config"),
      sinkConfig: this.#configs("sink_config"),
      connectionConfig: this.#connections(),
      Schema: this.#schemas(),
    };
  }

  /**
   * Rules, and the streams, tables, schemas, confKeys and connections that they use.
   *
   * @throws {DiagnosticError} E701 for an unknown rule
   */
  async only(ids: readonly string[]): Promise<TransferData> {
    const { store, streams, rules } = this.#target;
    const all = this.#definitions();
    const wanted = { streams: new Set<string>(), source: new Set<string>(), sink: new Set<string>() };
    const connections = new Set<string>();
    const schemas = new Set<string>();
    for (const id of ids) {
      const text = store.get("rule", id) ?? rules.get(id);
      for (const name of (await rules.validate(text)).sources) wanted.streams.add(name);
      const { actions = [] } = JSON.parse(text) as { actions?: Record<string, Settings>[] };
      for (const [type, properties] of actions.flatMap((action) => Object.entries(action))) {
        note(connections, textOf(properties, "connectionSelector"));
        note(schemas, textOf(properties, "schemaId")?.split(".")[0]);
        wanted.sink.add(`${type}/default`).add(`${type}/${textOf(properties, "resourceId") ?? "default"}`);
      }
    }
    for (const name of wanted.streams) {
      const definition = streams.get(name);
      if (definition === undefined) continue;
      const { type, confKey = "default", schemaId, extra } = definition.options;
      wanted.source.add(`${type}/default`).add(`${type}/${confKey}`);
      note(schemas, schemaId?.split(".")[0]);
      note(connections, textOf(extra, "connectionSelector"));
    }
    const sourceConfig = keysOnly(all.sourceConfig, wanted.source);
    const sinkConfig = keysOnly(all.sinkConfig, wanted.sink);
    for (const settings of [sourceConfig, sinkConfig].flatMap(settingsOf)) {
      note(connections, textOf(settings, "connectionSelector"));
    }
    // `mqtt.plant` and `plant` are the same connection.
    const isUsed = (id: string) => [...connections].some((each) => each === id || each.endsWith(`.${id}`));
    return {
      ...noErrors(),
      streams: pick(all.streams, wanted.streams),
      tables: pick(all.tables, wanted.streams),
      rules: pick(all.rules, new Set(ids)),
      sourceConfig,
      sinkConfig,
      connectionConfig: mapKeys(all.connectionConfig, (_, id) => isUsed(id)),
      Schema: pick(all.Schema, new Set([...schemas].map((name) => `protobuf_${name}`))),
    };
  }

  #texts(kind: DefinitionKind): Record<string, string> {
    return Object.fromEntries(this.#target.store.list(kind).map(({ name, text }) => [name, text]));
  }

  /** Type → JSON of confKey → settings. */
  #configs(kind: DefinitionKind): Record<string, string> {
    const types: Record<string, Record<string, unknown>> = {};
    for (const { name, text } of this.#target.store.list(kind)) {
      const at = name.indexOf("/");
      (types[name.slice(0, at)] ??= {})[name.slice(at + 1)] = JSON.parse(text);
    }
    return mapValues(types, (keys) => JSON.stringify(keys));
  }

  #connections(): Record<string, string> {
    const types: Record<string, Record<string, unknown>> = {};
    for (const { name, text } of this.#target.store.list("connection")) {
      const { typ, props } = JSON.parse(text) as { typ: string; props: unknown };
      (types[typ] ??= {})[name] = props;
    }
    return mapValues(types, (ids) => JSON.stringify(ids));
  }

  #schemas(): Record<string, string> {
    const { schemas } = this.#target;
    return Object.fromEntries(
      schemas.names().map((name) => {
        const { content, file, version, imports } = schemas.get(name);
        return [`protobuf_${name}`, JSON.stringify({ type: "protobuf", name, content, file, version, imports })];
      }),
    );
  }

  // ---------------------------------------------------------------- in

  /**
   * Adds and replaces streams, tables and rules, as far as their versions allow. A rule that fails is told, and the others
   * are imported.
   *
   * @throws {DiagnosticError} for what is no ruleset
   */
  async importRuleset(
    text: string,
    actor?: Actor,
  ): Promise<{ readonly counts: RulesetCounts; readonly errors: TransferErrors }> {
    const data = { ...noErrors(), ...readSections(text, ["streams", "tables", "rules"]) };
    const { errors, done } = await this.#apply(this.#target, data, actor);
    return { counts: { streams: done.streams, tables: done.tables, rules: done.rules }, errors };
  }

  /**
   * Replaces everything, or, with `partial`, what is named.
   *
   * @returns what is wrong; when all is replaced and anything is wrong, nothing was changed
   * @throws {DiagnosticError} for what is no export
   */
  async importAll(text: string, partial: boolean, actor?: Actor): Promise<TransferErrors> {
    const data = readData(text);
    if (!partial) {
      const managed = this.#target.store.get("managed", "folder");
      if (this.#target.isManaged === true && managed !== undefined) {
        fail("E712", "Files manage definitions here: everything cannot be replaced", {
          hint: "import with partial=1, or change the files of rulesDir",
        });
      }
      const tried = await this.#apply(await this.#scratch(), data, actor, true);
      this.#last = tried.errors;
      if (hasErrors(tried.errors)) return tried.errors;
      await this.#clear(data);
    }
    this.#last = (await this.#apply(this.#target, data, actor)).errors;
    return this.#last;
  }

  async #clear(next: TransferData): Promise<void> {
    const { store, rules, streams, configs, schemas, uploads } = this.#target;
    for (const { id } of rules.list()) await rules.delete(id);
    for (const target of ["stream", "table"] as const) {
      for (const { name } of store.list(target)) streams.drop(target, name, { force: true });
    }
    for (const { name } of store.list("connection")) configs.deleteConnection(name);
    for (const role of ["source", "sink", "connection"] as const) {
      for (const { name } of store.list(`${role}_config`)) {
        const at = name.indexOf("/");
        configs.deleteConfKey(role, name.slice(0, at), name.slice(at + 1));
      }
    }
    for (const name of schemas.names()) schemas.delete(name);
    // A file may be named as the content of itself.
    const gone = (await uploads?.files() ?? []).filter(({ name }) => !Object.hasOwn(next.uploads, name));
    for (const { name } of gone) await uploads!.delete(name);
  }

  /** @param isTrial rules are checked, and not kept */
  async #apply(target: TransferTarget, data: TransferData, actor: Actor | undefined, isTrial = false) {
    const errors = noErrors();
    const done = Object.fromEntries(sections.map((section) => [section, 0])) as Record<Section, number>;
    const each = async (section: Section, work: (name: string, text: string) => Promise<void> | void) => {
      for (const [name, text] of Object.entries(data[section])) {
        try {
          await work(name, text);
          done[section]++;
        } catch (error) {
          if (!(error instanceof DiagnosticError || error instanceof SyntaxError)) throw error;
          errors[section][name] = error instanceof DiagnosticError
            ? error.diagnostics.map(({ message }) => message).join("; ")
            : error.message;
        }
      }
    };
    for (const [section, why] of Object.entries(foreign)) await each(section as Section, () => fail("E408", why));
    const { configs, streams, rules, schemas, uploads } = target;
    await each("uploads", async (name, text) => {
      const request = readUpload(name, text);
      if (isTrial) await this.#target.uploads?.check(request);
      else await uploads?.restore(name, request);
    });
    await each("Schema", (name, text) => importSchema(schemas, name, text));
    for (const [section, role] of [["sourceConfig", "source"], ["sinkConfig", "sink"]] as const) {
      await each(section, (type, text) => configs.loading(() => importConfigs(configs, role, type, text)));
    }
    await each("connectionConfig", (type, text) => configs.loading(() => importConnections(configs, type, text)));
    await each("streams", (name, text) => configs.loading(() => importStream(streams, "stream", name, text)));
    await each("tables", (name, text) => configs.loading(() => importStream(streams, "table", name, text)));
    await each("rules", async (id, text) => {
      const own = withId(text, id);
      if (isTrial) await rules.validate(own, actor);
      else await rules.update(id, own, actor);
    });
    return { errors, done };
  }
}

// ---------------------------------------------------------------- single items

function readUpload(name: string, text: string): UploadRequest {
  const request: unknown = parseShallow(text);
  requireUploadName(name);
  if (typeof request !== "object" || request === null) fail("E703", "an upload must be a JSON object");
  const { content, base64, file } = request as Record<string, unknown>;
  const upload: Record<string, string> = {};
  for (const [field, value] of Object.entries({ content, base64, file })) {
    if (value === undefined) continue;
    if (typeof value !== "string") fail("E703", `"${field}" of an upload must be a string`);
    upload[field] = value;
  }
  return upload;
}

async function importSchema(schemas: SchemaRegistry, name: string, text: string): Promise<void> {
  const { content = "", file = "", version = "", imports = {} } = parseShallow(text) as Partial<
    { content: string; file: string; version: string; imports: Record<string, string> }
  >;
  const [, own] = /^protobuf_(.+)$/.exec(name) ?? fail("E408", "only protobuf schemas are supported");
  if (content === "") fail("E703", "a schema without content cannot be imported");
  await schemas.update({ name: own!, content, file, version, imports });
}

function importConfigs(configs: ConfigRegistry, role: ConfigRole, type: string, text: string): void {
  for (const [key, settings] of Object.entries(parseShallow(text) as Record<string, Settings>)) {
    configs.putConfKey(role, type, key, settings);
  }
}

function importConnections(configs: ConfigRegistry, type: string, text: string): void {
  for (const [id, settings] of Object.entries(parseShallow(text) as Record<string, Settings>)) {
    const connection = { id, type, settings };
    if (configs.connection(id) === undefined) configs.createConnection(connection);
    else configs.updateConnection(connection);
  }
}

function importStream(streams: StreamRegistry, target: StreamTarget, name: string, text: string): void {
  if (streams.get(name) !== undefined) return void streams.replace(target, name, text);
  const { kind } = streams.execute(text);
  if (kind !== "create") fail("E703", `the text of ${target} ${name} must create it`);
}

/** The id may stand beside the rule alone. */
function withId(text: string, id: string): string {
  const rule: unknown = parseShallow(text);
  if (typeof rule !== "object" || rule === null || Array.isArray(rule)) fail("E703", "a rule must be a JSON object");
  return Object.hasOwn(rule as object, "id") ? text : JSON.stringify({ id, ...rule as object });
}

// ---------------------------------------------------------------- reading and picking

function noErrors(): TransferErrors {
  return Object.fromEntries(sections.map((section) => [section, {}])) as TransferErrors;
}

export function hasErrors(errors: TransferErrors): boolean {
  return Object.values(errors).some((section) => Object.keys(section).length > 0);
}

function readData(text: string): TransferData {
  return { ...noErrors(), ...readSections(text, sections) };
}

function readSections<Name extends string>(
  text: string,
  names: readonly Name[],
): Record<Name, Record<string, string>> {
  let value: unknown;
  try {
    value = parseShallow(text);
  } catch (error) {
    fail("E703", `configuration unmarshal with error ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail("E703", "configuration unmarshal with error: expected a JSON object with sections");
  }
  return Object.fromEntries(names.map((name) => [name, readSection(name, (value as Settings)[name] ?? {})])) as Record<
    Name,
    Record<string, string>
  >;
}

/** Definitions are texts; those written by hand may be objects. */
function readSection(name: string, section: unknown): Record<string, string> {
  if (typeof section !== "object" || section === null || Array.isArray(section)) {
    return fail("E703", `configuration unmarshal with error: "${name}" must be an object`);
  }
  return mapValues(section as Settings, (value) => typeof value === "string" ? value : JSON.stringify(value));
}

function mapValues<From, To>(from: Readonly<Record<string, From>>, make: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, make(value)]));
}

function pick(from: Readonly<Record<string, string>>, names: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.has(name)));
}

/** Type → JSON of key → settings, with those keys only that are wanted. */
function mapKeys(
  from: Readonly<Record<string, string>>,
  isWanted: (type: string, key: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(from).flatMap(([type, text]) => {
      const keys = Object.entries(JSON.parse(text) as Settings).filter(([key]) => isWanted(type, key));
      return keys.length === 0 ? [] : [[type, JSON.stringify(Object.fromEntries(keys))]];
    }),
  );
}

function keysOnly(from: Readonly<Record<string, string>>, wanted: ReadonlySet<string>): Record<string, string> {
  const lower = new Set([...wanted].map((each) => each.toLowerCase()));
  return mapKeys(from, (type, key) => lower.has(`${type}/${key}`.toLowerCase()));
}

function settingsOf(configs: Readonly<Record<string, string>>): Settings[] {
  return Object.values(configs).flatMap((text) => Object.values(JSON.parse(text) as Record<string, Settings>));
}

function textOf(settings: Readonly<Settings>, name: string): string | undefined {
  const key = Object.keys(settings).find((each) => each.toLowerCase() === name.toLowerCase());
  const value = key === undefined ? undefined : settings[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function note(names: Set<string>, name: string | undefined): void {
  if (name !== undefined) names.add(name);
}
