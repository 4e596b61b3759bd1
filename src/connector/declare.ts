/**
 * A connector is one declaration: name, prose, settings, and how to open it.
 *
 * From that one value come validation of settings with their place, the reference pages, the metadata of the admin
 * interface and tests of the examples. Settings are declared per role, so that a sink's `retained` on a source is
 * refused instead of ignored.
 *
 * @example
 * ```ts
 * export const nop = defineConnector({
 *   name: "nop",
 *   status: "stable",
 *   summary: "Discards every result.",
 *   sink: { summary: "…", delivery: "at-least-once", accepts: "rows", settings: v.strictObject({}), open: () => … },
 *   examples: [],
 * });
 * ```
 * @module
 */
import type * as v from "valibot";
import type { ConnectorContext } from "./context.ts";
import type { Lookup } from "./lookup.ts";
import type { PayloadSink, RowSink } from "./sink.ts";
import type { Source } from "./source.ts";

/**
 * What a role can promise about a message in the face of a lost connection or a crash, in a rule with `qos` 1 or 2.
 *
 * Of a source, `at-least-once` gives what was not acknowledged, or what stands behind the last position, again;
 * `exactly-once` gives nothing of it twice. Of a sink, `exactly-once` says that the receiver can tell repeats, by the
 * ids that `write` gets or by a key.
 */
export type DeliveryGuarantee = "at-most-once" | "at-least-once" | "exactly-once";

/** What a role promises with the settings at hand. */
export interface DeliveryPromise {
  readonly level: DeliveryGuarantee;
  /** What would have to be different for more: `the subscription has QoS 0`. Absent where nothing can be done. */
  readonly limit?: string;
}

/** How a rule uses a role, as far as it bears on what the role can promise. */
export interface DeliveryUse {
  /** Of a source: the rule keeps its positions. False for a stream that several rules may read. */
  readonly keepsPosition: boolean;
  /** It stands on a named connection, which others may use, too. */
  readonly sharesConnection: boolean;
}

/**
 * The promise of a role, where it depends on its settings, those of the connection below it, and its use; both settings
 * as checked, and `connection` undefined for a connector without.
 */
export type DeliveryOf<Schema extends SettingsSchema> = (
  settings: v.InferOutput<Schema>,
  connection: unknown,
  use: DeliveryUse,
) => DeliveryPromise;

/** Settings are a strict object: an unknown key is a mistake that is reported with the nearest known name. */
// deno-lint-ignore no-explicit-any -- valibot's own constraint for "an object schema with any entries".
export type SettingsSchema = v.StrictObjectSchema<any, any>;

/** What `open` of a source, lookup or sink gets besides its settings. */
export interface OpenContext<Connection = undefined> extends ConnectorContext {
  /** The connection of `connection.open`, shared or private; the engine closes it after its last user. */
  readonly connection: Connection;
  /** Of a source: the columns that the stream declares; undefined for one without schema. */
  readonly columns?: readonly DeclaredColumn[];
  /** Of a source: true when the engine keeps the positions of its batches. */
  readonly keepsPosition?: boolean;
  /**
   * Of a source: where to begin, the position of the last batch that the rule has taken. Absent for a first start. One that
   * makes no sense any more, such as that of a file that is gone, is no error: the source begins as at a first start
   * and logs why.
   */
  readonly position?: string;
  /**
   * Of a sink: what messages have to survive when `write` has resolved, where that is the sink's to see to: with `power`,
   * what it keeps on a disk of this machine must be forced to it. Absent in a rule with `qos` 0, which promises nothing.
   */
  readonly durability?: "process" | "power";
  /** Of a sink that takes payloads: what they are. */
  readonly payloads?: PayloadKind;
}

/** How the payloads of an action are made. */
export interface PayloadKind {
  /** `json`; the setting `format` of the action, in lower case. */
  readonly format: string;
  /** `gzip`, `zstd` …; empty when they are not compressed. */
  readonly compression: string;
  /** Empty when they are not encrypted. */
  readonly encryption: string;
  /** Each begins with a line of column names. */
  readonly hasHeader?: boolean;
  /** The key of the agent, for a sink that encrypts by itself: 16, 24 or 32 bytes. */
  readonly aesKey?: Uint8Array | undefined;
}

/** A column of CREATE STREAM or CREATE TABLE, as far as a source that gives rows may want to know it. */
export interface DeclaredColumn {
  readonly name: string;
  readonly kind: "bigint" | "float" | "string" | "boolean" | "datetime" | "bytea" | "array" | "struct";
}

/** What a role gets to check its settings with. */
export interface CheckContext extends Pick<ConnectorContext, "resolvePath"> {
  /** As that of {@linkcode OpenContext}. */
  readonly payloads?: PayloadKind;
}

/**
 * A physical connection that several sources and sinks may share: one client, one login, one bus.
 * A named connection (`connectionSelector`) is shared by all who select it.
 */
export interface ConnectionRole<Schema extends SettingsSchema, Connection extends ClosableConnection> {
  readonly summary: string;
  readonly settings: Schema;
  /**
   * Users of unnamed connections whose identities are equal share one; undefined keeps the connection private.
   */
  identity(settings: v.InferOutput<Schema>): string | undefined;
  /**
   * Finds what can be known to be wrong without connecting, such as a certificate file that is not there. Called when a
   * rule or connection is created.
   *
   * @throws {DiagnosticError} E403, E404.
   */
  check?(settings: v.InferOutput<Schema>): void;
  /** Starts connecting and returns at once; being unable to connect is a status, not an error. */
  open(settings: v.InferOutput<Schema>, context: ConnectorContext): Connection;
}

export interface ClosableConnection {
  close(): Promise<void>;
}

export interface SourceRole<Schema extends SettingsSchema, Connection> {
  readonly summary: string;
  /** The most that it can promise, for the reference pages. */
  readonly delivery: DeliveryGuarantee;
  /** What it promises with its settings; `delivery` when absent. */
  readonly promise?: DeliveryOf<Schema>;
  /** `payloads` are decoded with the stream's FORMAT; `rows` arrive decoded. It may depend on the settings. */
  readonly emits: "payloads" | "rows" | ((settings: v.InferOutput<Schema>) => "payloads" | "rows");
  /** As {@linkcode SinkRoleBase.pings}. */
  readonly pings?: boolean;
  /** The keys of `meta()` that rows of this source have. */
  readonly meta: readonly string[];
  /** The stream's DATASOURCE, KEY, FORMAT and DELIMITER arrive as the settings of these names, where there are such. */
  readonly settings: Schema;
  /** As {@linkcode SinkRoleBase.check}. */
  check?(settings: v.InferOutput<Schema>, context: CheckContext): void;
  /** As {@linkcode SinkRoleBase.reaches}. */
  reaches?(settings: v.InferOutput<Schema>, context: CheckContext): Readonly<Record<string, unknown>>;
  /**
   * May throw {@linkcode Disconnected}: the engine tries again after a back-off. A DiagnosticError says that the settings
   * can never work: the rule stops with it.
   */
  open(settings: v.InferOutput<Schema>, context: OpenContext<Connection>): Source | Promise<Source>;
}

export interface LookupRole<Schema extends SettingsSchema, Connection> {
  readonly summary: string;
  /**
   * `with table`: the store fills only while it is open, so the engine opens it when the table is created, or when the
   * agent starts, and keeps it until the table is dropped. `with rule`: the first rule that joins opens it, and the last
   * one closes it.
   */
  readonly opens: "with table" | "with rule";
  /** As {@linkcode SinkRoleBase.pings}. */
  readonly pings?: boolean;
  /** The table's DATASOURCE, KEY, FORMAT and DELIMITER arrive as the settings of these names, where there are such. */
  readonly settings: Schema;
  /** As {@linkcode SinkRoleBase.check}. */
  check?(settings: v.InferOutput<Schema>, context: CheckContext): void;
  /** As {@linkcode SinkRoleBase.reaches}. */
  reaches?(settings: v.InferOutput<Schema>, context: CheckContext): Readonly<Record<string, unknown>>;
  /** Throws as that of a source; a DiagnosticError stops the rules that join with the table. */
  open(settings: v.InferOutput<Schema>, context: OpenContext<Connection>): Lookup | Promise<Lookup>;
}

interface SinkRoleBase<Schema extends SettingsSchema> {
  readonly summary: string;
  /** The most that it can promise, for the reference pages. */
  readonly delivery: DeliveryGuarantee;
  /** What it promises with its settings; `delivery` when absent. */
  readonly promise?: DeliveryOf<Schema>;
  readonly settings: Schema;
  /**
   * Most messages that it wants in one write; 1,024 when absent. What a write was interrupted in is repeated as a whole after
   * a restart, so that a sink whose peer confirms each message by itself wants few.
   */
  readonly messagesMax?: number;
  /**
   * Whether opening tells that the peer can be reached, and does nothing else: it may be opened to see that, and closed
   * again. When absent, whether there is a connection below, whose status tells it.
   */
  readonly pings?: boolean;
  /**
   * Finds what can be known to be wrong with the settings without opening, such as a folder where a file should be.
   * Called when a rule is created and each time before it starts.
   *
   * @throws {DiagnosticError} E403, E404.
   */
  check?(settings: v.InferOutput<Schema>, context: CheckContext): void;
  /**
   * What the settings lead to where that is not what they say by themselves, for policies: `topic` (one or more, with
   * wildcards), `path` (absolute), `url`.
   */
  reaches?(settings: v.InferOutput<Schema>, context: CheckContext): Readonly<Record<string, unknown>>;
}

/** A sink that takes encoded messages. Its `open` throws as that of a source. */
export interface PayloadSinkRole<Schema extends SettingsSchema, Connection> extends SinkRoleBase<Schema> {
  readonly accepts: "payloads";
  open(settings: v.InferOutput<Schema>, context: OpenContext<Connection>): PayloadSink | Promise<PayloadSink>;
}

/** A sink that takes rows. Its `open` throws as that of a source. */
export interface RowSinkRole<Schema extends SettingsSchema, Connection> extends SinkRoleBase<Schema> {
  readonly accepts: "rows";
  open(settings: v.InferOutput<Schema>, context: OpenContext<Connection>): RowSink | Promise<RowSink>;
}

export interface ConnectorExample {
  readonly title: string;
  readonly role: "source" | "lookup" | "sink" | "connection";
  /** Settings as a user writes them. A test checks that they are accepted. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A declaration with its types; see {@linkcode defineConnector}. */
export interface ConnectorDefinition<
  SourceSchema extends SettingsSchema,
  SinkSchema extends SettingsSchema,
  ConnectionSchema extends SettingsSchema,
  Connection extends ClosableConnection | undefined,
  LookupSchema extends SettingsSchema = SettingsSchema,
> {
  /** The TYPE of a stream and the key of an action: a lower-case protocol name. */
  readonly name: string;
  readonly status: "stable" | "experimental";
  readonly summary: string;
  /** Longer prose for the reference page, Markdown. */
  readonly description?: string;
  readonly connection?: ConnectionRole<ConnectionSchema, Connection & ClosableConnection>;
  readonly source?: SourceRole<SourceSchema, Connection>;
  readonly lookup?: LookupRole<LookupSchema, Connection>;
  readonly sink?: PayloadSinkRole<SinkSchema, Connection> | RowSinkRole<SinkSchema, Connection>;
  readonly examples: readonly ConnectorExample[];
}

/** A declaration as the engine sees it: settings checked at run time, types erased. */
export type Connector = ConnectorDefinition<SettingsSchema, SettingsSchema, SettingsSchema, ClosableConnection>;

/** Checks the types of a declaration and hands it on with them erased. */
export function defineConnector<
  SourceSchema extends SettingsSchema = SettingsSchema,
  SinkSchema extends SettingsSchema = SettingsSchema,
  ConnectionSchema extends SettingsSchema = SettingsSchema,
  Connection extends ClosableConnection | undefined = undefined,
  LookupSchema extends SettingsSchema = SettingsSchema,
>(definition: ConnectorDefinition<SourceSchema, SinkSchema, ConnectionSchema, Connection, LookupSchema>): Connector {
  return definition as unknown as Connector;
}
