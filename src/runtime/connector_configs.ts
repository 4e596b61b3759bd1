/**
 * What the registry of named settings must know about the connectors: which types there are, and what they accept.
 * @module
 */
import * as v from "valibot";
import type { Connector, SettingsSchema } from "../connector/declare.ts";
import { readSettings } from "../connector/settings.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { actionSettings } from "./action_settings.ts";
import type { ConfigRegistryOptions, ConfigRole } from "./configs.ts";
import { lookupSettings } from "./lookup_settings.ts";
import { sourceSettings } from "./source_settings.ts";

type ConnectorConfigs = Required<Pick<ConfigRegistryOptions, "types" | "schemasOf" | "check">>;

/** Names that point at other named settings; no connector declares them. */
const pointers = ["connectionselector", "resourceid"];

/** What `ConfigRegistry` takes besides its store and file. */
export function connectorConfigs(connectors: readonly Connector[]): ConnectorConfigs {
  const byName = new Map(connectors.map((connector) => [connector.name, connector]));

  function schemasOf(role: ConfigRole, type: string): SettingsSchema[] {
    const connector = byName.get(type);
    const connection = connector?.connection === undefined ? [] : [connector.connection.settings];
    if (role === "connection") return connection;
    if (role === "sink") {
      return connector?.sink === undefined ? [] : [connector.sink.settings, ...connection, actionSettings];
    }
    // Settings of a source serve lookup tables too.
    const { source, lookup } = connector ?? {};
    const own = [source, lookup].flatMap((each) => (each === undefined ? [] : [each.settings]));
    if (own.length === 0) return [];
    return [...own, ...connection, ...(lookup === undefined ? [] : [lookupSettings]), sourceSettings];
  }

  return {
    types: {
      source: connectors.filter(({ source, lookup }) => (source ?? lookup) !== undefined).map(({ name }) => name),
      sink: connectors.filter(({ sink }) => sink !== undefined).map(({ name }) => name),
      connection: connectors.filter(({ connection }) => connection !== undefined).map(({ name }) => name),
    },
    schemasOf,
    check(role, type, settings, partial) {
      const schemas = schemasOf(role, type);
      const schema = v.strictObject(Object.assign({}, ...schemas.toReversed().map(({ entries }) => entries)));
      const raw = Object.entries(settings).filter(([name]) => !pointers.includes(name.toLowerCase()));
      try {
        readSettings(schema, Object.fromEntries(raw), { path: "", where: `${type} ${role}` });
      } catch (error) {
        if (!(error instanceof DiagnosticError)) throw error;
        const mistakes = error.diagnostics.filter(({ code }) => !partial || code !== "E404");
        if (mistakes.length > 0) throw new DiagnosticError(mistakes);
      }
    },
  };
}
