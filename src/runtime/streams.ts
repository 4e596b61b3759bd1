/**
 * The streams and tables of an agent: created, replaced, dropped and listed, kept in the store as CREATE statements.
 *
 * @example
 * ```ts
 * const streams = new StreamRegistry({ store });
 * streams.execute('CREATE STREAM demo () WITH (DATASOURCE="t/1", FORMAT="json")').text; // "Stream demo is created."
 * streams.get("demo")?.options.datasource; // "t/1"
 * ```
 * @module
 */
import { type Diagnostic, diagnostic, DiagnosticError, fail, type Span } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { CreateStatement, Statement } from "../sql/ast.ts";
import { parseStatement } from "../sql/parse.ts";
import type { Store } from "../store/store.ts";
import type { Struct } from "../value/value.ts";
import type { ConfigRegistry } from "./configs.ts";
import { maskSecrets } from "./secrets.ts";
import type { Schemas } from "./schemas.ts";
import { defineStream, type StreamDefinition } from "./stream_definition.ts";
import { definitionJson, describeText, type Json, schemaJson } from "./stream_print.ts";
import { withSchema } from "./stream_schema.ts";

export type StreamTarget = StreamDefinition["target"];

export interface StreamRegistryOptions {
  readonly store: Store;
  /** For EXPLAIN, which shows the settings of the source. */
  readonly configs?: ConfigRegistry;
  /** For the columns of streams that have them from their SCHEMAID. */
  readonly schemas?: Schemas;
}

/** A stored definition that this weir cannot read any more. It stays in the store. */
export interface UnreadableStream {
  readonly name: string;
  readonly target: StreamTarget;
  readonly error: Error;
}

export interface DropOptions {
  /** Drops a definition that running rules use. */
  readonly force?: boolean;
  /** Ids of running rules that use it. */
  readonly usedBy?: readonly string[];
}

/** Who follows the definitions: the engine, which keeps lookup tables open. */
export interface StreamWatcher {
  /** Refuses a definition before it is kept. @throws {DiagnosticError} why. */
  check(definition: StreamDefinition): void;
  /** A definition was created or took the place of another. */
  kept(definition: StreamDefinition): void;
  dropped(name: string): void;
}

/** What running rules know of a stream, for DESCRIBE of one without columns. */
export interface ObservedStreams {
  /** The columns that they need. */
  readonly wanted?: (stream: string) => readonly string[];
  /** The newest row that they have. */
  readonly newest?: (stream: string) => Struct | undefined;
}

/** What a statement did, and what to tell the user. */
export interface Executed {
  readonly kind: Exclude<Statement["kind"], "select">;
  readonly text: string;
}

const titles = { stream: "Stream", table: "Table" } as const;

/** Whether a definition with version `next` may replace one with `before`: "" counts as smallest. */
export function versionAllows(before: string, next: string): boolean {
  return (before === "" && next === "") || next > before;
}

export class StreamRegistry {
  readonly #store: Store;
  readonly #configs: ConfigRegistry | undefined;
  readonly #schemas: Schemas | undefined;
  readonly #definitions = new Map<string, StreamDefinition>();
  readonly #unreadable: UnreadableStream[] = [];
  #watcher: StreamWatcher | undefined;

  /** Reads all definitions of the store. Those it cannot read are in {@linkcode StreamRegistry.unreadable}. */
  constructor(options: StreamRegistryOptions) {
    this.#store = options.store;
    this.#configs = options.configs;
    this.#schemas = options.schemas;
    for (const target of ["stream", "table"] as const) {
      for (const { name, text } of this.#store.list(target)) {
        try {
          this.#definitions.set(name, define(text));
        } catch (error) {
          if (!(error instanceof DiagnosticError)) throw error;
          this.#unreadable.push({ name, target, error });
        }
      }
    }
  }

  /** From now on `watcher` is asked and told about every change. */
  watch(watcher: StreamWatcher): void {
    this.#watcher = watcher;
  }

  get unreadable(): readonly UnreadableStream[] {
    return this.#unreadable;
  }

  get(name: string): StreamDefinition | undefined {
    return this.#definitions.get(name);
  }

  /** Names of streams, of tables, or of both, sorted. */
  names(target?: StreamTarget): string[] {
    return this.list(target).map((definition) => definition.name);
  }

  /** Definitions by name. */
  list(target?: StreamTarget): StreamDefinition[] {
    return [...this.#definitions.values()]
      .filter((definition) => target === undefined || definition.target === target)
      .sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /**
   * @throws {DiagnosticError} E702 when a stream or table has the name; what `defineStream` throws.
   */
  create(statement: CreateStatement, text: string): StreamDefinition {
    const definition = defineStream(statement, text);
    const { name, target } = definition;
    const existing = this.#definitions.get(name);
    if (existing !== undefined) {
      const as = existing.target === target ? "" : ` as a ${existing.target}`;
      throw new DiagnosticError(
        [diagnostic("E702", `Create ${target} fails: ${name} already exists${as}`, { span: statement.name.span })],
        text,
      );
    }
    this.#keep(definition);
    return definition;
  }

  /**
   * Replaces a definition by the one in `text`, which must have the same name and target.
   *
   * @throws {DiagnosticError} E701 when there is none, E703 for another statement or name, E706 for the version, E407
   * for what cannot be replaced.
   */
  replace(target: StreamTarget, name: string, text: string): StreamDefinition {
    const before = this.#require(target, name, `Replace ${target} fails`);
    const statement = parseStatement(text);
    const mustCreate = `Replace ${target} fails: the sql statement must create the ${name} ${target}`;
    if (statement.kind !== "create") refuse("E703", mustCreate, statement.span, text);
    if (statement.target !== target || statement.name.name !== name) {
      refuse("E703", mustCreate, statement.name.span, text);
    }
    const next = defineStream(statement, text);
    const optionSpan = (key: string) => statement.options.find((option) => option.key === key)?.span ?? statement.span;
    if (before.options.temp || next.options.temp) {
      refuse("E407", `Replace ${target} fails: a TEMP ${target} cannot be replaced`, optionSpan("TEMP"), text);
    }
    if (before.options.shared !== next.options.shared) {
      refuse("E407", `Replace ${target} fails: SHARED of ${name} cannot be changed`, optionSpan("SHARED"), text);
    }
    if (!versionAllows(before.options.version, next.options.version)) {
      const versions = `version (${before.options.version}), new version (${next.options.version})`;
      refuse("E706", `${target} ${name} already exists with ${versions} is lower`, optionSpan("VERSION"), text);
    }
    this.#keep(next);
    return next;
  }

  /** @throws {DiagnosticError} E701 when there is none, E705 when it is used and `force` is not set. */
  drop(target: StreamTarget, name: string, options: DropOptions = {}): void {
    const unreadable = this.#unreadable.findIndex((each) => each.name === name && each.target === target);
    if (unreadable !== -1) {
      this.#store.delete(target, name);
      this.#unreadable.splice(unreadable, 1);
      return;
    }
    this.#require(target, name, `Drop ${target} fails`);
    const users = options.usedBy ?? [];
    if (users.length > 0 && options.force !== true) {
      fail("E705", `${target} ${name} has been referenced by other rules`, {
        hint: `stop ${users.join(", ")} first, or drop it with force`,
      });
    }
    // The store may refuse.
    this.#store.delete(target, name);
    this.#definitions.delete(name);
    this.#watcher?.dropped(name);
  }

  /** Makes a definition what the store holds now, which was checked before it came there. @throws {ConnectorNotLoaded} */
  followStored(target: StreamTarget, name: string): void {
    const text = this.#store.get(target, name);
    const before = this.#definitions.get(name);
    if (text === undefined) {
      if (before?.target !== target) return;
      this.#definitions.delete(name);
      this.#watcher?.dropped(name);
      return;
    }
    const definition = define(text);
    this.#watcher?.check(definition);
    this.#definitions.set(name, definition);
    this.#watcher?.kept(definition);
  }

  /** The body of `GET /streams/{name}`. @throws {DiagnosticError} E701 when there is none. */
  definitionJson(target: StreamTarget, name: string): Json {
    return definitionJson(this.#require(target, name, `Describe ${target} fails`));
  }

  /**
   * The columns as JSON-schema-like types; see `schemaJson`.
   *
   * @throws {DiagnosticError} E701 when there is none.
   */
  resolveSchema(target: StreamTarget, name: string, wanted?: readonly string[]): Json {
    return schemaJson(withSchema(this.#require(target, name, `Get schema of ${target} fails`), this.#schemas), wanted);
  }

  /**
   * Runs a statement about streams or tables. A DROP asks nobody: running rules go on with what they have opened.
   *
   * @throws {DiagnosticError} what is wrong with the statement; E703 for a SELECT.
   */
  execute(text: string, observed: ObservedStreams = {}): Executed {
    const statement = parseStatement(text);
    switch (statement.kind) {
      case "create":
        this.create(statement, text);
        return { kind: "create", text: `${titles[statement.target]} ${statement.name.name} is created.` };
      case "show": {
        const target = statement.target === "streams" ? "stream" : "table";
        const names = this.names(target);
        return { kind: "show", text: names.join("\n") || `No ${target} definitions are found.` };
      }
      case "describe": {
        const { target, name } = statement;
        const definition = this.#require(target, name.name, `Describe ${target} fails`);
        const columns = { wanted: observed.wanted?.(name.name) ?? [], row: observed.newest?.(name.name) ?? {} };
        return { kind: "describe", text: describeText(withSchema(definition, this.#schemas), columns) };
      }
      case "explain": {
        const { target, name } = statement;
        return { kind: "explain", text: this.#explain(this.#require(target, name.name, `Explain ${target} fails`)) };
      }
      case "drop":
        this.drop(statement.target, statement.name.name);
        return { kind: "drop", text: `${titles[statement.target]} ${statement.name.name} is dropped.` };
      case "select":
        return refuse("E703", "A SELECT is not a statement on streams or tables", statement.span, text, {
          hint: "create a rule with it",
        });
      default:
        return statement satisfies never;
    }
  }

  /** The source plan: what the source is opened with once all layers of settings are merged. Secrets are hidden. */
  #explain(definition: StreamDefinition): string {
    const { options } = definition;
    const resolved = this.#configs?.resolve("source", options.type, {
      confKey: options.confKey,
      extra: options.extra,
      own: { datasource: options.datasource },
    });
    const plan = {
      op: options.kind === "lookup" ? "LookupPlan_0" : "DataSourcePlan_0",
      [definition.target]: definition.name,
      type: options.type,
      format: options.format,
      shared: options.shared,
      ...(definition.target === "table" ? { kind: options.kind } : {}),
      ...(options.kind === "lookup" ? { key: options.key } : {}),
      ...(definition.target === "table" && options.kind === "scan" ? { retainSize: options.retainSize } : {}),
      ...(resolved?.connection === undefined ? {} : { connection: resolved.connection.id }),
      settings: maskSecrets(resolved?.settings ?? { datasource: options.datasource }),
    };
    return JSON.stringify(plan, null, 2);
  }

  /** @throws {DiagnosticError} what the watcher refuses. */
  #keep(definition: StreamDefinition): void {
    this.#watcher?.check(definition);
    if (!definition.options.temp) this.#store.put(definition.target, definition.name, definition.text);
    this.#definitions.set(definition.name, definition);
    const unreadable = this.#unreadable.findIndex((each) => each.name === definition.name);
    if (unreadable !== -1) this.#unreadable.splice(unreadable, 1);
    this.#watcher?.kept(definition);
  }

  #require(target: StreamTarget, name: string, prefix: string): StreamDefinition {
    const found = this.#definitions.get(name);
    if (found !== undefined && found.target === target) return found;
    const hint = found !== undefined ? `${name} is a ${found.target}` : didYouMean(name, this.names(target));
    fail("E701", `${prefix}, ${name} is not found.`, hint === undefined ? {} : { hint });
  }
}

function define(text: string): StreamDefinition {
  const statement = parseStatement(text);
  if (statement.kind !== "create") fail("E703", "A stored definition is not a CREATE statement");
  return defineStream(statement, text);
}

function refuse(
  code: Diagnostic["code"],
  message: string,
  span: Span,
  text: string,
  place: { readonly hint?: string } = {},
): never {
  throw new DiagnosticError([diagnostic(code, message, { span, ...place })], text);
}
