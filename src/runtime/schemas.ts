/**
 * The schemas of an agent: .proto files that streams name in SCHEMAID and actions in `schemaId`, kept in the store.
 *
 * The code that reads .proto files is loaded with the first schema: most agents have none.
 * @module
 */
import * as v from "valibot";
import type { MessageSchema } from "../codec/codec.ts";
import type { ProtoFile } from "../codec/protobuf/parse_proto.ts";
import { type Diagnostic, fail } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { Store } from "../store/store.ts";
import { requireName } from "./names.ts";

/** Kinds of schemas. `custom` is a codec written in Go, which weir cannot load. */
export const schemaTypes = ["protobuf", "custom"] as const;

export type SchemaType = typeof schemaTypes[number];

/** A registered schema. */
export interface SchemaDefinition {
  readonly name: string;
  /** The text of the .proto file. */
  readonly content: string;
  /** Texts of the files that came with it, by the names under which it imports them. */
  readonly imports: Readonly<Record<string, string>>;
  /** Where it was read from, as it was given; "" for one given as text. */
  readonly file: string;
  /** "" when unset. */
  readonly version: string;
}

/** Who needs the schema of a stream or an action. */
export interface Schemas {
  /** Changes with every change of a schema. */
  readonly revision: number;
  /**
   * The message of a `SCHEMAID`: `file.Message`, or `file.package.Message`. The same object until a schema changes.
   *
   * @throws {DiagnosticError} E410 when there is no such schema or message, or its file is not valid any more
   */
  message(schemaId: string, place?: Omit<Diagnostic, "code" | "message">): MessageSchema;
}

interface ProtobufModules {
  readonly parseProto: typeof import("../codec/protobuf/parse_proto.ts").parseProto;
  readonly messageSchema: typeof import("../codec/protobuf/schema.ts").messageSchema;
}

async function loadProtobuf(): Promise<ProtobufModules> {
  const [{ parseProto }, { messageSchema }] = await Promise.all([
    import("../codec/protobuf/parse_proto.ts"),
    import("../codec/protobuf/schema.ts"),
  ]);
  return { parseProto, messageSchema };
}

const storePrefix = "protobuf/";

const stored = v.object({
  name: v.string(),
  content: v.string(),
  imports: v.record(v.string(), v.string()),
  file: v.string(),
  version: v.string(),
});

export class SchemaRegistry implements Schemas {
  readonly #store: Store;
  readonly #schemas = new Map<string, SchemaDefinition>();
  readonly #files = new Map<string, ProtoFile>();
  readonly #messages = new Map<string, MessageSchema>();
  /** Names of stored schemas that cannot be read any more. They stay in the store until they are deleted. */
  readonly unreadable: string[] = [];
  #modules: ProtobufModules | undefined;
  revision = 0;

  private constructor(store: Store) {
    this.#store = store;
  }

  /** Reads all schemas of the store. */
  static async open(store: Store): Promise<SchemaRegistry> {
    const registry = new SchemaRegistry(store);
    for (const { name, text } of store.list("schema")) {
      if (!name.startsWith(storePrefix)) continue;
      const definition = readStored(text);
      if (definition === undefined) registry.unreadable.push(name.slice(storePrefix.length));
      else registry.#schemas.set(definition.name, definition);
    }
    if (registry.#schemas.size > 0) registry.#modules = await loadProtobuf();
    return registry;
  }

  /** Names, sorted. */
  names(): string[] {
    return [...this.#schemas.keys()].sort();
  }

  /** @throws {DiagnosticError} E701 when there is none. */
  get(name: string): SchemaDefinition {
    return this.#schemas.get(name) ?? missing(name, this.names());
  }

  /** @throws {DiagnosticError} E702 when there is one, E704 for the name, E403 for a file that is not valid. */
  async create(definition: SchemaDefinition): Promise<void> {
    requireName(definition.name);
    if (this.#schemas.has(definition.name)) fail("E702", `protobuf schema ${definition.name} already exists`);
    await this.#keep(definition);
  }

  /** Replaces a schema or creates it. Rules that run go on with what they have until they start again. */
  async update(definition: SchemaDefinition): Promise<void> {
    requireName(definition.name);
    const { name, version } = definition;
    const before = this.#schemas.get(name)?.version ?? "";
    if (version < before) {
      fail(
        "E706",
        `protobuf schema ${name} already exists with version (${before}), new version (${version}) is lower`,
      );
    }
    await this.#keep(definition);
  }

  /** @throws {DiagnosticError} E701 when there is none. */
  delete(name: string): void {
    const unreadable = this.unreadable.indexOf(name);
    if (unreadable !== -1) this.unreadable.splice(unreadable, 1);
    else if (!this.#schemas.has(name)) missing(name, this.names());
    this.#store.delete("schema", storePrefix + name);
    this.#schemas.delete(name);
    this.#changed();
  }

  message(schemaId: string, place: Omit<Diagnostic, "code" | "message"> = {}): MessageSchema {
    const known = this.#messages.get(schemaId);
    if (known !== undefined) return known;
    const dot = schemaId.indexOf(".");
    const name = dot === -1 ? schemaId : schemaId.slice(0, dot);
    const definition = this.#schemas.get(name);
    if (definition === undefined) {
      const hint = didYouMean(name, this.names()) ?? `register it first: weir schema create ${name} -f ${name}.proto`;
      fail("E410", `There is no protobuf schema "${name}"`, { ...place, hint });
    }
    try {
      const message = this.#find(definition, dot === -1 ? "" : schemaId.slice(dot + 1), schemaId, place);
      this.#messages.set(schemaId, message);
      return message;
    } catch (error) {
      if ((error as Error).name !== "ProtoError") throw error;
      fail("E410", `The protobuf schema "${name}" cannot be used: ${(error as Error).message}`, place);
    }
  }

  /** A message may be told without its package, and the only message of a file not at all. */
  #find(
    definition: SchemaDefinition,
    wanted: string,
    schemaId: string,
    place: Omit<Diagnostic, "code" | "message">,
  ): MessageSchema {
    const modules = this.#modules!;
    let file = this.#files.get(definition.name);
    if (file === undefined) this.#files.set(definition.name, file = this.#parse(definition, modules));
    const { messages, package: prefix } = file;
    const full = wanted === "" && messages.length === 1
      ? messages[0]
      : [wanted, `${prefix}.${wanted}`].find((each) => messages.includes(each));
    if (full !== undefined) return modules.messageSchema(schemaId, file.message(full));
    const short = messages.map((each) =>
      prefix !== "" && each.startsWith(`${prefix}.`) ? each.slice(prefix.length + 1) : each
    );
    const ids = short.map((each) => `${definition.name}.${each}`);
    const hint = didYouMean(schemaId, ids) ?? `its messages are ${ids.slice(0, 10).join(", ")}`;
    const what = wanted === "" ? `"${schemaId}" names a schema and no message of it` : `has no message "${wanted}"`;
    const message = wanted === "" ? what : `The protobuf schema "${definition.name}" ${what}`;
    fail("E410", message, { ...place, hint });
  }

  /** Imports are the files that came with it, and other schemas by their names. */
  #parse({ name, content, imports }: SchemaDefinition, { parseProto }: ProtobufModules): ProtoFile {
    return parseProto(`${name}.proto`, content, (file) => {
      if (Object.hasOwn(imports, file)) return imports[file];
      return file.endsWith(".proto") ? this.#schemas.get(file.slice(0, -".proto".length))?.content : undefined;
    });
  }

  async #keep(definition: SchemaDefinition): Promise<void> {
    const modules = this.#modules ??= await loadProtobuf();
    try {
      this.#parse(definition, modules);
    } catch (error) {
      if ((error as Error).name !== "ProtoError") throw error;
      fail("E403", (error as Error).message, { path: "content" });
    }
    this.#store.put("schema", storePrefix + definition.name, JSON.stringify(definition));
    this.#schemas.set(definition.name, definition);
    const unreadable = this.unreadable.indexOf(definition.name);
    if (unreadable !== -1) this.unreadable.splice(unreadable, 1);
    this.#changed();
  }

  /** What was read may import what has changed. */
  #changed(): void {
    this.#files.clear();
    this.#messages.clear();
    this.revision++;
  }
}

/** Undefined for a text that no version of weir has written. */
function readStored(text: string): SchemaDefinition | undefined {
  try {
    return v.parse(stored, JSON.parse(text));
  } catch {
    return undefined;
  }
}

function missing(name: string, names: readonly string[]): never {
  const hint = didYouMean(name, names);
  fail("E701", `protobuf schema ${name} not found`, hint === undefined ? {} : { hint });
}
