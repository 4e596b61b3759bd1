/**
 * Settings of one role of a connector, checked: the part that sources, lookups and actions have in common.
 * @module
 */
import type { ConnectorList } from "../connector/connector_list.ts";
import type { CheckContext, Connector, DeclaredColumn, SettingsSchema } from "../connector/declare.ts";
import { acceptedNames, readSettings } from "../connector/settings.ts";
import { type Diagnostic, DiagnosticError, fail, throwIfAny } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { splitSettings } from "./configs.ts";
import type { StreamOptions } from "./stream_definition.ts";

/** Settings of one role of a connector, checked, with those of the connection below it. */
export interface PreparedRole {
  readonly connector: Connector;
  readonly settings: unknown;
  readonly connection: { readonly settings: unknown; readonly named: string | undefined } | undefined;
  /** Of a source: the columns that its stream declares. */
  readonly declared?: readonly DeclaredColumn[];
}

/**
 * The WITH options that are settings of the connector too, for a role that has them; they win over all others. FORMAT
 * always has a value, the others only when they are set.
 */
export function withSettings(role: SettingsSchema, options: StreamOptions): Record<string, unknown> {
  const { datasource, key, format, delimiter } = options;
  const given = Object.entries({ datasource, key, format, delimiter });
  return Object.fromEntries(given.filter(([name, value]) => value !== undefined && Object.hasOwn(role.entries, name)));
}

/** @throws {DiagnosticError} E405, with the nearest known type or all of them. */
export function unknownType(
  role: "source" | "lookup" | "sink",
  type: string,
  connectors: ConnectorList,
  path: string,
): never {
  const names = connectors.names(role);
  fail("E405", `Unknown ${role} type "${type}"`, {
    path,
    hint: didYouMean(type, names) ?? `this version has ${names.join(", ")}`,
  });
}

/** Divides settings between those of every source or action and those of this connector, which win. */
export function takeCommon(
  settings: Readonly<Record<string, unknown>>,
  common: SettingsSchema,
  connector: Connector,
  role: SettingsSchema,
): { readonly common: Record<string, unknown>; readonly rest: Record<string, unknown> } {
  const split = splitSettings(settings, role, common);
  const taken: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(split.connection)) {
    if (![role, connector.connection?.settings].some((schema) => declares(schema, key))) taken[key] = value;
  }
  const rest = Object.fromEntries(Object.entries(settings).filter(([key]) => !Object.hasOwn(taken, key)));
  return { common: taken, rest };
}

function declares(schema: SettingsSchema | undefined, key: string): boolean {
  const name = key.toLowerCase();
  return schema !== undefined && Object.keys(schema.entries).some((each) => each.toLowerCase() === name);
}

/** `settings` without those that only the schemas of `others` know: a confKey serves every role of a type. */
export function withoutOthers(
  settings: Readonly<Record<string, unknown>>,
  own: readonly (SettingsSchema | undefined)[],
  others: readonly (SettingsSchema | undefined)[],
): Record<string, unknown> {
  const isKnown = (schemas: typeof own, name: string) =>
    schemas.some((schema) => schema !== undefined && acceptedNames(schema).has(name));
  return Object.fromEntries(
    Object.entries(settings).filter(([key]) => isKnown(own, key.toLowerCase()) || !isKnown(others, key.toLowerCase())),
  );
}

/**
 * Reads the settings of a role and those of the connection below it.
 *
 * @param named the named connection that was selected
 * @throws {DiagnosticError} E402 to E404, E408, of both together.
 */
export function readRoles(
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
export function checkRole(
  role: { check?(settings: never, context: CheckContext): void },
  settings: unknown,
  { resolvePath, payloads }: CheckContext,
  path: string,
): void {
  try {
    role.check?.(settings as never, {
      ...(resolvePath === undefined ? {} : { resolvePath }),
      ...(payloads === undefined ? {} : { payloads }),
    });
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    throw new DiagnosticError(error.diagnostics.map((d) => ({ ...d, path: [path, d.path ?? []].flat().join(".") })));
  }
}

/** A setting that nobody knows is reported by the role, which knows its own names only: the others may be meant too. */
export function suggesting<T>(schemas: readonly (SettingsSchema | undefined)[], work: () => T): T {
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
