/**
 * Everything a rule needs before it can run, checked: its plan, its source, its actions.
 * @module
 */
import { codecOf } from "../codec/codecs.ts";
import type { Column } from "../codec/codec.ts";
import { createStrictValidator } from "../codec/strict.ts";
import type {
  CheckContext,
  Connector,
  PayloadSinkRole,
  RowSinkRole,
  SettingsSchema,
  SourceRole,
} from "../connector/declare.ts";
import { readSettings } from "../connector/settings.ts";
import { type Diagnostic, diagnostic, DiagnosticError, fail, throwIfAny } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { Catalog, FunctionSet, SourceSchema } from "../sql/catalog.ts";
import type { StatementPlan } from "../sql/plan.ts";
import { prepareSelect } from "../sql/prepare.ts";
import { compilePattern, parseDateTime } from "../value/datetime_text.ts";
import type { Struct } from "../value/value.ts";
import { type ActionSettings, actionSettings } from "./action_settings.ts";
import { type ConfigRegistry, splitSettings } from "./configs.ts";
import type { FeedOptions } from "./feed.ts";
import type { ActionDefinition, RuleDefinition } from "./rule_definition.ts";
import { sourceSettings } from "./source_settings.ts";
import type { StreamDefinition } from "./stream_definition.ts";

/** What preparation looks things up in. */
export interface RuleEnvironment {
  readonly connectors: readonly Connector[];
  readonly configs: ConfigRegistry;
  readonly streams: { get(name: string): StreamDefinition | undefined; names(): string[] };
  readonly functions: FunctionSet;
  /** IANA name, or `Local`. */
  readonly timezone: string;
  readonly resolvePath?: CheckContext["resolvePath"];
}

/** Settings of one role of a connector, checked, with those of the connection below it. */
export interface PreparedRole {
  readonly connector: Connector;
  readonly settings: unknown;
  readonly connection: { readonly settings: unknown; readonly named: string | undefined } | undefined;
}

export interface PreparedSource extends PreparedRole {
  readonly stream: StreamDefinition;
  readonly role: SourceRole<SettingsSchema, never>;
  readonly createDecoder: FeedOptions["createDecoder"];
  readonly createValidator: FeedOptions["createValidator"];
}

export interface PreparedAction extends PreparedRole {
  readonly definition: ActionDefinition;
  readonly role: PayloadSinkRole<SettingsSchema, never> | RowSinkRole<SettingsSchema, never>;
  readonly common: ActionSettings;
}

export interface PreparedRule {
  readonly definition: RuleDefinition;
  readonly plan: StatementPlan;
  readonly source: PreparedSource;
  readonly actions: readonly PreparedAction[];
}

/** The streams and tables as SQL sees them. */
export function catalogOf(streams: RuleEnvironment["streams"]): Catalog {
  return {
    source: (name) => {
      const stream = streams.get(name);
      return stream === undefined ? undefined : schemaOf(stream);
    },
    sourceNames: () => streams.names(),
  };
}

function schemaOf(stream: StreamDefinition): SourceSchema {
  const { options } = stream;
  return {
    name: stream.name,
    kind: stream.target === "stream" ? "stream" : options.kind === "lookup" ? "lookup_table" : "scan_table",
    columns: stream.columns,
    strictValidation: options.strictValidation,
    timestamp: options.timestamp,
    timestampFormat: options.timestampFormat,
  };
}

/**
 * Checks a rule as a whole.
 *
 * @throws {DiagnosticError} everything that is wrong with the SQL; else everything that is wrong with the settings.
 */
export function prepareRule(definition: RuleDefinition, environment: RuleEnvironment): PreparedRule {
  const plan = prepareSelect(
    definition.sql,
    catalogOf(environment.streams),
    environment.functions,
    definition.options,
  );
  const problems: Diagnostic[] = [];
  const collect = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      problems.push(...error.diagnostics);
      return undefined;
    }
  };
  const stream = environment.streams.get(plan.sources[0]!)!;
  const source = collect(() => prepareSource(stream, environment));
  checkTogether(definition, stream, problems);
  const actions = definition.actions.map((action) => collect(() => prepareAction(action, environment)));
  throwIfAny(problems);
  return { definition, plan, source: source!, actions: actions.filter((a) => a !== undefined) };
}

function checkTogether(definition: RuleDefinition, stream: StreamDefinition, problems: Diagnostic[]): void {
  const { name, options } = stream;
  if (options.temp && !definition.temp) {
    problems.push(
      diagnostic("E303", `Stream "${name}" is temporary: only rules with "temp": true can read it`, { path: "temp" }),
    );
  }
  if (options.shared && definition.options.disableBufferFullDiscard) {
    problems.push(diagnostic("E303", `disableBufferFullDiscard cannot be used with the shared stream "${name}"`, {
      path: "options.disableBufferFullDiscard",
    }));
  }
}

/** @throws {DiagnosticError} E402 to E408 for what is wrong with the settings, E405 for the type. */
export function prepareSource(stream: StreamDefinition, environment: RuleEnvironment): PreparedSource {
  const { options } = stream;
  const connector = environment.connectors.find((c) => c.name === options.type && c.source !== undefined);
  if (connector?.source === undefined) {
    return unknownType(
      "source",
      options.type,
      environment.connectors.filter((c) => c.source !== undefined),
      `stream ${stream.name}`,
    );
  }
  const role = connector.source as SourceRole<SettingsSchema, never>;
  const own = "datasource" in role.settings.entries ? { datasource: options.datasource } : {};
  const path = `stream ${stream.name}`;
  const resolved = environment.configs.resolve("source", options.type, {
    confKey: options.confKey,
    extra: options.extra,
    own,
    path,
  });
  const { common, rest } = takeCommon(resolved.settings, sourceSettings, connector, role.settings);
  const settings = suggesting(
    [sourceSettings, connector.connection?.settings],
    () => readRoles(connector, role.settings, rest, resolved.connection?.id, path, `${options.type} source`),
  );
  const checked = readSettings(sourceSettings, common, { path, where: `${options.type} source` });
  checkRole(role, settings.settings, environment, path);
  const place = { path: `${path}.FORMAT` };
  const codec = role.emits === "payloads" ? codecOf(options.format, place) : undefined;
  const columns: readonly Column[] | undefined = stream.columns?.map((c) => ({ name: c.name.name, type: c.type }));
  return {
    ...settings,
    connector,
    stream,
    role,
    createDecoder: codec === undefined ? undefined : (wanted) =>
      codec.createDecoder({
        wanted,
        useInt64ForWholeNumber: checked.useInt64ForWholeNumber,
        ...(columns === undefined ? {} : { columns }),
        ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter }),
      }),
    createValidator: validatorOf(stream, environment.timezone),
  };
}

/** Strict validation applies to declared columns of formats that have columns. */
function validatorOf(stream: StreamDefinition, timezone: string): FeedOptions["createValidator"] {
  const { options, columns } = stream;
  if (!options.strictValidation || columns === undefined || options.format === "binary") return undefined;
  const builtIn = (text: string) => parseDateTime(text, timezone, Date.now());
  const pattern = options.timestampFormat === undefined ? undefined : compilePattern(options.timestampFormat);
  const parse = pattern === undefined
    ? builtIn
    : (text: string) => pattern.read(text, timezone, Date.now()) ?? builtIn(text);
  return (wanted): (row: Struct) => Struct => {
    const checked = columns
      .filter((c) => wanted === "all" || wanted.has(c.name.name))
      .map((c) => ({
        name: c.name.name,
        type: c.type,
        ...(c.default === undefined ? {} : { default: c.default.value }),
      }));
    return createStrictValidator(checked, { parseDateTime: parse });
  };
}

/** @throws {DiagnosticError} E402 to E408 for what is wrong with the properties, E405 for the type. */
export function prepareAction(definition: ActionDefinition, environment: RuleEnvironment): PreparedAction {
  const { type, path } = definition;
  const connector = environment.connectors.find((c) => c.name === type && c.sink !== undefined);
  if (connector?.sink === undefined) {
    return unknownType("sink", type, environment.connectors.filter((c) => c.sink !== undefined), path);
  }
  const role = connector.sink as PreparedAction["role"];
  const resolved = environment.configs.resolve("sink", type, { own: definition.properties, path });
  refuseTemplates(resolved.settings, path);
  const { common, rest } = takeCommon(resolved.settings, actionSettings, connector, role.settings);
  const where = `${type} action`;
  const settings = suggesting(
    [actionSettings, connector.connection?.settings],
    () => readRoles(connector, role.settings, rest, resolved.connection?.id, path, where),
  );
  const checked = readSettings(actionSettings, common, { path, where });
  if (checked.fields.length > 0 && checked.excludeFields.length > 0) {
    fail("E403", "fields and excludeFields cannot be used together", { path: `${path}.excludeFields` });
  }
  if (role.accepts === "payloads") codecOf(checked.format, { path: `${path}.format` });
  checkRole(role, settings.settings, environment, path);
  return { ...settings, connector, definition, role, common: checked };
}

function unknownType(role: "source" | "sink", type: string, connectors: readonly Connector[], path: string): never {
  const names = connectors.map((c) => c.name);
  fail("E405", `Unknown ${role} type "${type}"`, {
    path,
    hint: didYouMean(type, names) ?? `this version has ${names.join(", ")}`,
  });
}

/** Divides settings between those of every source or action and those of this connector, which win. */
function takeCommon(
  settings: Readonly<Record<string, unknown>>,
  common: SettingsSchema,
  connector: Connector,
  role: SettingsSchema,
): { readonly common: Record<string, unknown>; readonly rest: Record<string, unknown> } {
  const ownNames = [role, connector.connection?.settings]
    .flatMap((schema) => (schema === undefined ? [] : Object.keys(schema.entries)))
    .map((name) => name.toLowerCase());
  const split = splitSettings(settings, role, common);
  const taken: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(split.connection)) {
    if (!ownNames.includes(key.toLowerCase())) taken[key] = value;
  }
  const rest = Object.fromEntries(Object.entries(settings).filter(([key]) => !Object.hasOwn(taken, key)));
  return { common: taken, rest };
}

function readRoles(
  connector: Connector,
  role: SettingsSchema,
  settings: Record<string, unknown>,
  named: string | undefined,
  path: string,
  where: string,
): PreparedRole {
  if (connector.connection === undefined) {
    return { connector, settings: readSettings(role, settings, { path, where }), connection: undefined };
  }
  const split = splitSettings(settings, role, connector.connection.settings);
  const problems: Diagnostic[] = [];
  const read = (schema: SettingsSchema, part: Record<string, unknown>): unknown => {
    try {
      return readSettings(schema, part, { path, where });
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      problems.push(...error.diagnostics);
      return undefined;
    }
  };
  const own = read(role, split.role);
  const connection = read(connector.connection.settings, split.connection);
  throwIfAny(problems);
  connector.connection.check?.(connection as never);
  return { connector, settings: own, connection: { settings: connection, named } };
}

/** What only the connector itself can find wrong, at its place in the rule. */
function checkRole(
  role: { check?(settings: never, context: CheckContext): void },
  settings: unknown,
  { resolvePath }: RuleEnvironment,
  path: string,
): void {
  try {
    role.check?.(settings as never, resolvePath === undefined ? {} : { resolvePath });
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    throw new DiagnosticError(error.diagnostics.map((d) => ({ ...d, path: [path, d.path ?? []].flat().join(".") })));
  }
}

/** A setting that nobody knows is reported by the role, which knows its own names only: the others may be meant too. */
function suggesting<T>(schemas: readonly (SettingsSchema | undefined)[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    const names = schemas.flatMap((schema) => (schema === undefined ? [] : Object.keys(schema.entries)));
    throw new DiagnosticError(error.diagnostics.map((problem) => {
      const hint = problem.code === "E402"
        ? problem.hint ?? didYouMean(problem.path!.split(".").at(-1)!, names)
        : problem.hint;
      return hint === undefined ? problem : { ...problem, hint };
    }));
  }
}

/** Templates over the data are part of the dialect, but not of this version: text with one must not be sent as it is. */
function refuseTemplates(value: unknown, path: string): void {
  if (typeof value === "string" && value.includes("{{")) {
    fail("E408", `Templates are not supported yet: found ${JSON.stringify(value)}`, { path });
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, part] of Object.entries(value)) refuseTemplates(part, `${path}.${key}`);
}
