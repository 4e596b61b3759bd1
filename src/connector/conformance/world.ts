/**
 * What the conformance cases play the engine with: peers, connections to them, opened roles.
 * @module
 */
import assert from "node:assert/strict";
import type { Clock, ConnectorContext, LogFields, Logger } from "../context.ts";
import type { DataServer } from "../data_server.ts";
import type { ClosableConnection, Connector, DeliveryGuarantee, OpenContext } from "../declare.ts";
import { Disconnected, RetryLater } from "../errors.ts";
import { readSettings } from "../settings.ts";
import { sleepWith } from "../sleep.ts";

/** Raw settings, as a user writes them. */
export type RawSettings = Record<string, unknown>;

export interface Peer {
  /** Raw settings of the connection, for a connector that has one. */
  readonly connection?: RawSettings;
  /** For a connector that serves paths. */
  readonly dataServer?: DataServer;
  /** Breaks what connects the connector to the peer, which then accepts connections again. */
  cut?(): Promise<void>;
  close(): Promise<void>;
}

export const deadlineMs = 20_000;
/** How long nothing must happen to count as nothing happening. */
export const quietMs = 100;

export const values = Array.from({ length: 50 }, (_, n) => n);

function afterReal(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

/** The machine's clock. */
export const realClock: Clock = { now: () => Date.now(), after: afterReal, sleep: sleepWith(afterReal) };

/** A logger that keeps the fields of its lines. */
export function recordingLogger(lines: LogFields[], fields: LogFields = {}): Logger {
  const record = (_message: string, more: LogFields = {}) => void lines.push({ ...fields, ...more });
  return {
    debug: record,
    info: record,
    warn: record,
    error: record,
    with: (more) => recordingLogger(lines, { ...fields, ...more }),
  };
}

/** What a case plays the engine with. */
export interface World {
  readonly connection: ClosableConnection | undefined;
  readonly logged: LogFields[];
  context(role: string): OpenContext<ClosableConnection>;
}

export async function withPeer<P extends Peer>(
  connector: Connector,
  start: () => P | Promise<P>,
  work: (peer: P, world: World) => Promise<void>,
): Promise<void> {
  const peer = await start();
  try {
    await inWorld(connector, peer, (world) => work(peer, world));
  } finally {
    await peer.close();
  }
}

/** What an engine has from its start to its stop: its own connection to the peer. */
export async function inWorld<T>(connector: Connector, peer: Peer, work: (world: World) => Promise<T>): Promise<T> {
  const logged: LogFields[] = [];
  const base: Omit<ConnectorContext, "name"> = { clock: realClock, log: recordingLogger(logged), status: () => {} };
  const connection = connector.connection?.open(
    connectionSettings(connector, peer),
    {
      ...base,
      name: `conformance ${connector.name}`,
      ...(peer.dataServer === undefined ? {} : { dataServer: peer.dataServer }),
    },
  );
  try {
    // A connector without connection does not look at it.
    const shared = connection as ClosableConnection;
    return await work({
      connection,
      logged,
      context: (role) => ({ ...base, name: `conformance ${role}`, owner: role, connection: shared }),
    });
  } finally {
    await connection?.close();
  }
}

function connectionSettings(connector: Connector, peer: Peer): RawSettings {
  const place = { path: "", where: `${connector.name} connection` };
  return readSettings(connector.connection!.settings, peer.connection ?? {}, place);
}

const levels: readonly DeliveryGuarantee[] = ["at-most-once", "at-least-once", "exactly-once"];

/** What a role promises with some settings is at most what it declares, and less has a reason. */
export function checkPromise(connector: Connector, role: "source" | "sink", raw: RawSettings, peer: Peer): void {
  const { delivery, promise, settings } = connector[role]!;
  if (promise === undefined) return;
  const connection = connector.connection === undefined ? undefined : connectionSettings(connector, peer);
  const checked = readSettings(settings, raw, { path: "", where: role });
  for (const keepsPosition of [true, false]) {
    for (const sharesConnection of [true, false]) {
      const { level, limit } = promise(checked, connection, { keepsPosition, sharesConnection });
      assert.ok(levels.indexOf(level) <= levels.indexOf(delivery), `promises ${level} and declares ${delivery}`);
      assert.ok(level === delivery || limit !== undefined, `${level} instead of ${delivery} has a limit`);
    }
  }
}

/** Tries again while the connector says that the peer is away. */
export async function reopening<T>(open: () => Promise<T>, signal: AbortSignal): Promise<T> {
  while (true) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof Disconnected) && !(error instanceof RetryLater)) throw error;
      await realClock.sleep(20, signal);
    }
  }
}
