/**
 * Everything a lookup table needs before it can be opened, checked; and the opening.
 * @module
 */
import type { ConnectorList, ConnectorWith } from "../connector/connector_list.ts";
import type { LookupRole, SettingsSchema } from "../connector/declare.ts";
import type { Lookup } from "../connector/lookup.ts";
import { readSettings } from "../connector/settings.ts";
import type { LookupCacheSettings } from "./lookup_cache.ts";
import { lookupSettings } from "./lookup_settings.ts";
import { LookupTable } from "./lookup_table.ts";
import { type OpenParts, openRole } from "./open_role.ts";
import {
  checkRole,
  type PreparedRole,
  readRoles,
  suggesting,
  takeCommon,
  unknownType,
  withoutOthers,
  withSettings,
} from "./prepare_role.ts";
import type { RuleEnvironment } from "./prepare_rule.ts";
import { sourceSettings } from "./source_settings.ts";
import type { StreamDefinition } from "./stream_definition.ts";

export interface PreparedLookup extends PreparedRole {
  readonly stream: StreamDefinition;
  readonly role: LookupRole<SettingsSchema, never>;
  /** Undefined: every question goes to the store. */
  readonly cache: LookupCacheSettings | undefined;
}

/**
 * The connector of a lookup table.
 *
 * @throws {DiagnosticError} E405 for a type that has no lookup tables
 * @throws {ConnectorNotLoaded}
 */
export function lookupConnector(
  { name, options: { type } }: StreamDefinition,
  connectors: ConnectorList,
): ConnectorWith<"lookup"> {
  return connectors.find(type, "lookup") ?? unknownType("lookup", type, connectors, `table ${name}`);
}

/**
 * Checks a table with `KIND="lookup"`. Its settings come from where those of sources come from.
 *
 * @throws {DiagnosticError} E402 to E408 for what is wrong with the settings, E405 for the type.
 * @throws {ConnectorNotLoaded}
 */
export function prepareLookup(
  stream: StreamDefinition,
  environment: Pick<RuleEnvironment, "connectors" | "configs" | "resolvePath" | "secrets">,
): PreparedLookup {
  const { options } = stream;
  const connector = lookupConnector(stream, environment.connectors);
  const role = connector.lookup as PreparedLookup["role"];
  const path = `table ${stream.name}`;
  const where = `${options.type} lookup table`;
  const resolved = environment.configs.resolve("source", options.type, {
    confKey: options.confKey,
    extra: options.extra,
    own: withSettings(role.settings, options),
    path,
  });
  environment.secrets?.check(resolved.settings, path);
  // A confKey serves streams and tables of a type alike.
  const own = [role.settings, connector.connection?.settings, lookupSettings];
  const meant = withoutOthers(resolved.settings, own, [connector.source?.settings, sourceSettings]);
  const { common, rest } = takeCommon(meant, lookupSettings, connector, role.settings);
  const settings = suggesting(
    [lookupSettings, connector.connection?.settings],
    () => readRoles(connector, role.settings, rest, resolved.connection?.id, path, where),
  );
  const { lookup } = readSettings(lookupSettings, common, { path, where });
  checkRole(role, settings.settings, environment, path);
  const cache = lookup.cache ? { ttlMs: lookup.cacheTtl, missingKeys: lookup.cacheMissingKey } : undefined;
  return { ...settings, stream, role, cache };
}

/** Starts a table. Its store need not be there yet; nothing of this fails because of a peer. */
export function openLookup(prepared: PreparedLookup, parts: Omit<OpenParts, "name">): LookupTable {
  const { stream, role, cache, connection } = prepared;
  const name = `table ${stream.name}`;
  const log = parts.log.with({ table: stream.name });
  const table = new LookupTable({
    name: stream.name,
    open: (onStatus) => openRole<Lookup>(prepared, role.open, { ...parts, log, name }, onStatus),
    reportsStatus: connection !== undefined,
    cache,
    clock: parts.clock,
    log,
  });
  table.start();
  return table;
}
