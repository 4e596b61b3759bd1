/**
 * Whether the peer of a connector can be reached with settings that nobody uses yet.
 * @module
 */
import * as v from "valibot";
import type { Clock, ConnectionState, ConnectorContext, Logger } from "../connector/context.ts";
import type { ConnectorList } from "../connector/connector_list.ts";
import type { Connector, OpenContext, SettingsSchema } from "../connector/declare.ts";
import { acceptedNames } from "../connector/settings.ts";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import type { Resource } from "../policy/policy.ts";
import { actionSettings } from "./action_settings.ts";
import type { ConfigRegistry } from "./configs.ts";
import type { ConnectionPool } from "./connections.ts";
import { lookupSettings } from "./lookup_settings.ts";
import { type Closable, openRole } from "./open_role.ts";
import { resourceOf } from "./rule_resources.ts";
import type { Settings } from "./secrets.ts";
import { readRoles, takeCommon, withoutOthers } from "./prepare_role.ts";
import { sourceSettings } from "./source_settings.ts";

export type ReachableRole = "source" | "sink" | "lookup";

export interface ReachParts {
  readonly connectors: ConnectorList;
  readonly configs: ConfigRegistry;
  readonly pool: ConnectionPool;
  readonly clock: Clock;
  readonly log: Logger;
  readonly resolvePath?: ConnectorContext["resolvePath"];
  /** Throws when whoever asks may not connect there. */
  readonly permits?: (resource: Resource) => void;
}

const waitMs = 10_000;

const commonSettings: Readonly<Record<ReachableRole, SettingsSchema>> = {
  source: sourceSettings,
  sink: actionSettings,
  lookup: lookupSettings,
};

const titles = { source: "source", sink: "sink", lookup: "lookup source" } as const;

/**
 * Connects once, and closes what it opened.
 *
 * @throws {DiagnosticError} E707 for a connector that cannot tell, E708 when the peer cannot be reached, E402 to E408 for
 * the settings.
 */
export async function reachPeer(
  role: ReachableRole,
  type: string,
  settings: Settings,
  parts: ReachParts,
): Promise<void> {
  const name = parts.connectors.names(role).find((each) => each.toLowerCase() === type.toLowerCase()) ?? type;
  await parts.connectors.load([name]);
  const connector = parts.connectors.find(name, role);
  const declared = connector?.[role];
  if (connector === undefined || declared === undefined || !(declared.pings ?? connector.connection !== undefined)) {
    return fail("E707", `${titles[role]} ${type} doesn't support ping connection`);
  }
  const resolved = parts.configs.resolve(role === "sink" ? "sink" : "source", connector.name, { own: settings });
  const others = [connector.source, connector.lookup].map((each) => each?.settings);
  const own = [declared.settings, connector.connection?.settings, commonSettings[role]];
  const meant = role === "sink" ? resolved.settings : withoutOthers(resolved.settings, own, others);
  const { rest } = takeCommon(meant, commonSettings[role], connector, declared.settings);
  const prepared = readOwn(connector, declared.settings, rest, `${connector.name} ${titles[role]}`);
  const context = parts.resolvePath === undefined ? {} : { resolvePath: parts.resolvePath };
  parts.permits?.(resourceOf(role === "sink" ? "write" : "read", prepared, { settings: declared.settings }, context));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onStatus = (state: ConnectionState, message?: string) => {
    if (state === "connected") resolve();
    else if (state === "disconnected") reject(new Error(message ?? "the connection is lost"));
  };
  const cancel = parts.clock.after(waitMs, () => reject(new Error(`no answer within ${waitMs / 1000} s`)));
  // A connection tells by its status how it is, anything else by opening.
  const open = (own: never, context: OpenContext<never>): Closable | Promise<Closable> => {
    if (connector.connection !== undefined) return { close: () => Promise.resolve() };
    return declared.open(own, context);
  };
  const opening = openRole<Closable>(prepared, open, { ...parts, name: `ping ${type}` }, onStatus);
  void opening.then(() => {
    if (connector.connection === undefined) resolve();
  }, reject);
  try {
    await promise;
  } catch (error) {
    if (error instanceof DiagnosticError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    fail("E708", `found error when connecting for ${addressOf(settings) ?? type}: ${reason}`);
  } finally {
    cancel();
    // One that opens late is closed when it has.
    void opening.then((opened) => opened.close()).catch(() => {});
  }
}

/** What only the role wants, such as a topic, is not needed to reach the peer of a connection. */
function readOwn(connector: Connector, schema: SettingsSchema, rest: Record<string, unknown>, where: string) {
  const { connection } = connector;
  if (connection === undefined) return readRoles(connector, schema, rest, undefined, "", where);
  const [ofConnection, ofRole] = [acceptedNames(connection.settings), acceptedNames(schema)];
  const meant = Object.entries(rest).filter(([key]) => {
    const name = key.toLowerCase();
    return ofConnection.has(name) || !ofRole.has(name);
  });
  return readRoles(connector, v.strictObject({}), Object.fromEntries(meant), undefined, "", where);
}

/** The address that the user gave, without a password. */
function addressOf(settings: Settings): string | undefined {
  const names = ["server", "servers", "url", "dburl", "address", "addr", "brokers", "uri"];
  const [, found] = Object.entries(settings).find(([key]) => names.includes(key.toLowerCase())) ?? [];
  return typeof found === "string" ? found.replace(/(:\/\/)[^/@\s]*@/g, "$1") : undefined;
}
