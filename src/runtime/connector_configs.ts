/**
 * What the registry of named settings must know about the connectors: which types there are, and what they accept.
 * @module
 */
import * as v from "valibot";
import type { ConnectorList } from "../connector/connector_list.ts";
import type { SettingsSchema } from "../connector/declare.ts";
import { readSettings } from "../connector/settings.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { actionSettings } from "./action_settings.ts";
import type { ConfigRegistryOptions, ConfigRole } from "./configs.ts";
import { lookupSettings } from "./lookup_settings.ts";
import { sourceSettings } from "./source_settings.ts";

type ConnectorConfigs = Required<Pick<ConfigRegistryOptions, "types" | "schemasOf" | "check" | "loading">>;

/** Names that point at other named settings; no connector declares them. */
const pointers = ["connectionselector", "resourceid"];

/** What `ConfigRegistry` takes besides its store and file. Its functions throw {@linkcode ConnectorNotLoaded}. */
export function connectorConfigs(connectors: ConnectorList): ConnectorConfigs {
  function schemasOf(role: ConfigRole, type: string): SettingsSchema[] {
    const connection = connectors.find(type, "connection");
    const below = connection === undefined ? [] : [connection.connection.settings];
    if (role === "connection") return below;
    if (role === "sink") {
      const sink = connectors.find(type, "sink")?.sink;
      return sink === undefined ? [] : [sink.settings, ...below, actionSettings];
    }
    // Settings of a source serve lookup tables too.
    const { source } = connectors.find(type, "source") ?? {};
    const { lookup } = connectors.find(type, "lookup") ?? {};
    const own = [source, lookup].flatMap((each) => (each === undefined ? [] : [each.settings]));
    if (own.length === 0) return [];
    return [...own, ...below, ...(lookup === undefined ? [] : [lookupSettings]), sourceSettings];
  }

  return {
    types: {
      source: connectors.names().filter((name) => connectors.has(name, "source") || connectors.has(name, "lookup")),
      sink: connectors.names("sink"),
      connection: connectors.names("connection"),
    },
    schemasOf,
    loading: (work) => connectors.loading(work),
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
