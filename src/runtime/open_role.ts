/**
 * Opens a source or sink together with the connection it stands on.
 * @module
 */
import type { Clock, ConnectionState, ConnectorContext, Logger } from "../connector/context.ts";
import type { OpenContext, PayloadKind } from "../connector/declare.ts";
import type { ConnectionPool } from "./connections.ts";
import type { PreparedRole } from "./prepare_role.ts";

export interface Closable {
  close(): Promise<void>;
}

/** What opening needs of the engine. */
export interface OpenParts {
  readonly pool: ConnectionPool;
  readonly clock: Clock;
  readonly log: Logger;
  /** Who opens, for logs and default client ids. */
  readonly name: string;
  readonly resolvePath?: ConnectorContext["resolvePath"];
  /** The rule it is for; undefined for a shared stream. */
  readonly owner?: string;
  /** Of a source: whether its positions are kept, and where it shall begin. */
  readonly resume?: Pick<OpenContext, "keepsPosition" | "position">;
  /** Of a sink: see `OpenContext`. */
  readonly durability?: OpenContext["durability"];
  readonly payloads?: PayloadKind;
}

/** Closing the handle also gives the connection back. */
export async function openRole<Handle extends Closable>(
  prepared: PreparedRole,
  open: (settings: never, context: OpenContext<never>) => Handle | Promise<Handle>,
  parts: OpenParts,
  onStatus: (state: ConnectionState, message?: string) => void,
): Promise<Handle> {
  const { connector, connection, declared } = prepared;
  const lease = connection === undefined ? undefined : parts.pool.acquire({
    connector,
    settings: connection.settings,
    named: connection.named,
    name: parts.name,
    onStatus,
  });
  try {
    const settings = parts.pool.secrets?.resolve(prepared.settings) ?? prepared.settings;
    const handle = await open(settings as never, {
      name: parts.name,
      ...(parts.owner === undefined ? {} : { owner: parts.owner }),
      clock: parts.clock,
      log: parts.log,
      ...(parts.resolvePath === undefined ? {} : { resolvePath: parts.resolvePath }),
      ...(parts.pool.refusesAddress === undefined ? {} : { refusesAddress: parts.pool.refusesAddress }),
      status: onStatus,
      connection: lease?.connection as never,
      ...(declared === undefined ? {} : { columns: declared }),
      ...parts.resume,
      ...(parts.durability === undefined ? {} : { durability: parts.durability }),
      ...(parts.payloads === undefined ? {} : { payloads: kindOf(parts.payloads) }),
    });
    if (lease === undefined) return handle;
    const close = handle.close.bind(handle);
    handle.close = async () => {
      try {
        await close();
      } finally {
        await lease.release();
      }
    };
    return handle;
  } catch (error) {
    await lease?.release();
    throw error;
  }
}

function kindOf({ format, compression, encryption, hasHeader, aesKey }: PayloadKind): PayloadKind {
  return { format, compression, encryption, hasHeader: hasHeader === true, aesKey };
}
