/**
 * Cases that every connector passes, against a real peer.
 *
 * A connector's test hands in its declaration and a harness that starts the peer; the cases play the engine.
 *
 * @example
 * ```ts
 * conformance(mqtt, {
 *   source: async () => {
 *     const broker = await startBroker();
 *     return {
 *       settings: () => ({ datasource: "t" }),
 *       connection: { server: broker.url },
 *       send: (values) => broker.publish("t", values.map((n) => JSON.stringify({ n }))),
 *       cut: () => broker.dropClients(),
 *       close: () => broker.close(),
 *     };
 *   },
 * });
 * ```
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { Clock, ConnectorContext, LogFields, Logger } from "./context.ts";
import type { ClosableConnection, Connector, ConnectorExample, OpenContext, SettingsSchema } from "./declare.ts";
import { Disconnected, RetryLater } from "./errors.ts";
import type { Lookup, Struct } from "./lookup.ts";
import { readSettings } from "./settings.ts";
import type { PayloadSink, RowSink } from "./sink.ts";
import { sleepWith } from "./sleep.ts";
import type { Source, SourceBatch } from "./source.ts";

/** Raw settings, as a user writes them. */
type RawSettings = Record<string, unknown>;

interface Peer {
  /** Raw settings of the connection, for a connector that has one. */
  readonly connection?: RawSettings;
  /** Breaks what connects the connector to the peer, which then accepts connections again. */
  cut?(): Promise<void>;
  close(): Promise<void>;
}

/** The other side of a source. Every row it sends is `{"n": value}`, as JSON where the source emits payloads. */
export interface SourcePeer extends Peer {
  /** Settings of a source that will get exactly `values`. */
  settings(values: readonly number[]): RawSettings;
  /** Called when the source is open and reads; a source whose rows stand in its settings has nothing to do here. */
  send(values: readonly number[], connection: ClosableConnection | undefined): void | Promise<void>;
}

/** The other side of a sink, which is given rows or payloads `{"n": value}`. */
export interface SinkPeer extends Peer {
  readonly settings: RawSettings;
  /** Called before the sink writes, for peers that must be listening by then. */
  start?(connection: ClosableConnection | undefined): void | Promise<void>;
  /** Every `n` that has arrived, in order. `logged` is what the connector wrote to its log. */
  received(logged: readonly LogFields[]): readonly number[] | Promise<readonly number[]>;
}

/** The other side of a lookup: a store of rows `{"id": int, "kind": text}`. */
export interface LookupPeer extends Peer {
  readonly settings: RawSettings;
  /** Brings rows into the store. Called when the lookup is open; one whose rows stand in its settings has them all. */
  fill(rows: readonly Struct[], connection: ClosableConnection | undefined): void | Promise<void>;
  /** Set for a store that can be asked by its key `id` only. */
  readonly keyOnly?: string;
}

/** Starts peers: a fresh one for each case. */
export interface ConformanceHarness {
  source?(): SourcePeer | Promise<SourcePeer>;
  lookup?(): LookupPeer | Promise<LookupPeer>;
  sink?(): SinkPeer | Promise<SinkPeer>;
  /** True for a connector whose connection can be lost: its peers must have `cut`. */
  readonly losesConnection?: boolean;
}

const deadlineMs = 20_000;
/** How long nothing must happen to count as nothing happening. */
const quietMs = 100;

const values = Array.from({ length: 50 }, (_, n) => n);

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

/** Registers the cases for one connector with `node:test`. A role without a harness gets only its settings checked. */
export function conformance(connector: Connector, harness: ConformanceHarness): void {
  settingsCases(connector);
  if (connector.source !== undefined && harness.source !== undefined) {
    sourceCases(connector, harness.source);
    if (harness.losesConnection === true) sourceLossCase(connector, harness.source);
  }
  if (connector.lookup !== undefined && harness.lookup !== undefined) {
    lookupCases(connector, harness.lookup);
    if (harness.losesConnection === true) lookupLossCase(connector, harness.lookup);
  }
  if (connector.sink !== undefined && harness.sink !== undefined) {
    sinkCases(connector, harness.sink);
    if (harness.losesConnection === true) sinkLossCase(connector, harness.sink);
  }
}

function settingsCases(connector: Connector): void {
  test(`${connector.name}: examples are accepted`, () => {
    for (const { title, role, settings } of connector.examples) {
      const schema = schemaOf(connector, role);
      // An example shows the settings of its role together with those of the connection.
      const own = role === "connection" ? settings : withoutConnection(connector, schema, settings);
      assert.doesNotThrow(() => readSettings(schema, own, { path: "", where: `${connector.name} ${role}` }), title);
    }
  });
  for (const role of ["source", "lookup", "sink", "connection"] as const) {
    if (connector[role] === undefined) continue;
    test(`${connector.name}: an unknown setting of the ${role} is refused with a suggestion`, () => {
      const schema = schemaOf(connector, role);
      const [known] = Object.keys(schema.entries);
      const wrong = `${known ?? "setting"}x`;
      assert.throws(() => readSettings(schema, { [wrong]: 1 }, { path: "p", where: role }), (error) => {
        assert.ok(error instanceof DiagnosticError);
        const found = error.diagnostics.find(({ code, path }) => code === "E402" && path === `p.${wrong}`);
        assert.ok(found, error.message);
        return known === undefined || found.hint?.includes("did you mean") === true;
      });
    });
  }
}

function sourceCases(connector: Connector, start: () => SourcePeer | Promise<SourcePeer>): void {
  const name = `${connector.name} source`;

  test(`${name}: opens, and closes while a read waits`, () =>
    withPeer(connector, start, async (peer, world) => {
      const source = await openSource(connector, peer.settings([]), world);
      const abort = new AbortController();
      const waiting = await waitingRead(source, abort.signal);
      const reason = new Error("the engine stops");
      abort.abort(reason);
      await assert.rejects(waiting.read, (error) => error === reason);
      await source.close();
    }));

  test(`${name}: rejects a read whose signal has aborted already`, () =>
    withPeer(connector, start, async (peer, world) => {
      const source = await openSource(connector, peer.settings([]), world);
      const reason = new Error("too late");
      await assert.rejects(source.read(AbortSignal.abort(reason)), (error) => error === reason);
      await source.close();
    }));

  test(`${name}: delivers everything once and in order, with the metadata it declares`, () =>
    withPeer(connector, start, async (peer, world) => {
      const source = await openSource(connector, peer.settings(values), world);
      const got: number[] = [];
      const signal = AbortSignal.timeout(deadlineMs);
      let read = source.read(signal);
      read.catch(() => {});
      await peer.send(values, world.connection);
      while (got.length < values.length) {
        const batch = await read;
        got.push(...numbersOf(batch));
        checkMeta(connector, batch);
        batch.ack?.();
        if (got.length < values.length) read = source.read(signal);
      }
      assert.deepEqual(got, values);
      await source.close();
    }));
}

function sourceLossCase(connector: Connector, start: () => SourcePeer | Promise<SourcePeer>): void {
  test(`${connector.name} source: survives a lost connection`, () =>
    withPeer(connector, start, async (peer, world) => {
      assert.ok(peer.cut, "the harness cannot cut the connection");
      let source = await openSource(connector, peer.settings([]), world);
      await peer.cut();
      const signal = AbortSignal.timeout(deadlineMs);
      let got = 0;
      // What is sent while nobody listens may be lost, so the peer keeps sending.
      for (let n = 0; got === 0; n++) {
        signal.throwIfAborted();
        await peer.send([n], world.connection);
        try {
          const batch = await source.read(AbortSignal.any([signal, AbortSignal.timeout(quietMs)]));
          got += numbersOf(batch).length;
          batch.ack?.();
        } catch (error) {
          if (error instanceof Disconnected) {
            await source.close();
            source = await reopening(() => openSource(connector, peer.settings([]), world), signal);
          } else if (!(error instanceof RetryLater) && (error as Error).name !== "TimeoutError") throw error;
        }
      }
      await source.close();
    }));
}

const lookupRows: readonly Struct[] = [
  { id: 1n, kind: "pump" },
  { id: 2n, kind: "valve" },
  { id: 3n, kind: "pump" },
];

function lookupCases(connector: Connector, start: () => LookupPeer | Promise<LookupPeer>): void {
  const name = `${connector.name} lookup`;
  const { signal } = new AbortController();

  test(`${name}: opens and closes`, () =>
    withPeer(connector, start, async (peer, world) => {
      await (await openLookup(connector, peer.settings, world)).close();
    }));

  test(`${name}: finds nothing for an unknown key, or one of another kind`, () =>
    withPeer(connector, start, async (peer, world) => {
      const lookup = await filledLookup(connector, peer, world);
      for (const unknown of [4n, "1", true, new Uint8Array([1])]) {
        assert.deepEqual(await lookup.find(["id"], [unknown], "all", signal), [], String(unknown));
      }
      await lookup.close();
    }));

  test(`${name}: finds a row by its key, whether it is asked with an int or a float`, () =>
    withPeer(connector, start, async (peer, world) => {
      const lookup = await filledLookup(connector, peer, world);
      for (const id of [2n, 2]) {
        for (const columns of ["all", ["kind"]] as const) {
          const found = await lookup.find(["id"], [id], columns, signal);
          assert.deepEqual(found.map(({ kind }) => kind), ["valve"]);
        }
      }
      await lookup.close();
    }));

  test(`${name}: answers several questions at once, each with its own rows`, () =>
    withPeer(connector, start, async (peer, world) => {
      const lookup = await filledLookup(connector, peer, world);
      const ids = [3n, 1n, 9n, 2n];
      const found = await Promise.all(ids.map((id) => lookup.find(["id"], [id], "all", signal)));
      assert.deepEqual(found.map((rows) => rows.map(({ kind }) => kind)), [["pump"], ["pump"], [], ["valve"]]);
      await lookup.close();
    }));

  test(`${name}: finds several rows, by one column and by two`, (t) =>
    withPeer(connector, start, async (peer, world) => {
      if (peer.keyOnly !== undefined) return t.skip(peer.keyOnly);
      const lookup = await filledLookup(connector, peer, world);
      const idsOf = (rows: readonly Struct[]) => rows.map(({ id }) => Number(id)).sort();
      assert.deepEqual(idsOf(await lookup.find(["kind"], ["pump"], ["id"], signal)), [1, 3]);
      assert.deepEqual(idsOf(await lookup.find(["kind", "id"], ["pump", 3n], ["id"], signal)), [3]);
      assert.deepEqual(idsOf(await lookup.find(["id", "kind"], [2n, "pump"], "all", signal)), []);
      await lookup.close();
    }));
}

function lookupLossCase(connector: Connector, start: () => LookupPeer | Promise<LookupPeer>): void {
  test(`${connector.name} lookup: survives a lost connection`, () =>
    withPeer(connector, start, async (peer, world) => {
      assert.ok(peer.cut, "the harness cannot cut the connection");
      let lookup = await filledLookup(connector, peer, world);
      await peer.cut();
      const signal = AbortSignal.timeout(deadlineMs);
      const found = await reopening(async () => {
        try {
          return await lookup.find(["id"], [1n], "all", signal);
        } catch (error) {
          if (error instanceof Disconnected) {
            await lookup.close();
            lookup = await reopening(() => openLookup(connector, peer.settings, world), signal);
          }
          throw error;
        }
      }, signal);
      assert.equal(found.length, 1);
      await lookup.close();
    }));
}

/** Waits until what the peer was filled with can be found. */
async function filledLookup(connector: Connector, peer: LookupPeer, world: World): Promise<Lookup> {
  const lookup = await openLookup(connector, peer.settings, world);
  await peer.fill(lookupRows, world.connection);
  const signal = AbortSignal.timeout(deadlineMs);
  while ((await lookup.find(["id"], [3n], "all", signal)).length === 0) await realClock.sleep(10, signal);
  return lookup;
}

function sinkCases(connector: Connector, start: () => SinkPeer | Promise<SinkPeer>): void {
  const name = `${connector.name} sink`;

  test(`${name}: opens and closes`, () =>
    withPeer(connector, start, async (peer, world) => {
      await (await openSink(connector, peer.settings, world)).close();
    }));

  test(`${name}: writes everything in order`, () =>
    withPeer(connector, start, async (peer, world) => {
      await peer.start?.(world.connection);
      const sink = await openSink(connector, peer.settings, world);
      const signal = AbortSignal.timeout(deadlineMs);
      for (let i = 0; i < values.length; i += 7) await write(connector, sink, values.slice(i, i + 7), signal);
      await write(connector, sink, [], signal);
      await arrived(peer, world, values.length);
      assert.deepEqual(await peer.received(world.logged), values);
      await sink.close();
    }));

  test(`${name}: rejects a write whose signal has aborted already`, () =>
    withPeer(connector, start, async (peer, world) => {
      await peer.start?.(world.connection);
      const sink = await openSink(connector, peer.settings, world);
      const reason = new Error("too late");
      await assert.rejects(write(connector, sink, [1], AbortSignal.abort(reason)), (error) => error === reason);
      await sink.close();
      assert.deepEqual(await peer.received(world.logged), []);
    }));
}

function sinkLossCase(connector: Connector, start: () => SinkPeer | Promise<SinkPeer>): void {
  test(`${connector.name} sink: survives a lost connection`, () =>
    withPeer(connector, start, async (peer, world) => {
      assert.ok(peer.cut, "the harness cannot cut the connection");
      await peer.start?.(world.connection);
      let sink = await openSink(connector, peer.settings, world);
      await peer.cut();
      const signal = AbortSignal.timeout(deadlineMs);
      await reopening(async () => {
        try {
          await write(connector, sink, [1], signal);
        } catch (error) {
          if (error instanceof Disconnected) {
            await sink.close();
            sink = await reopening(() => openSink(connector, peer.settings, world), signal);
          }
          throw error;
        }
      }, signal);
      await arrived(peer, world, 1);
      await sink.close();
    }));
}

/** What a case plays the engine with. */
interface World {
  readonly connection: ClosableConnection | undefined;
  readonly logged: LogFields[];
  context(role: string): OpenContext<ClosableConnection>;
}

async function withPeer<P extends Peer>(
  connector: Connector,
  start: () => P | Promise<P>,
  work: (peer: P, world: World) => Promise<void>,
): Promise<void> {
  const peer = await start();
  const logged: LogFields[] = [];
  const base: Omit<ConnectorContext, "name"> = { clock: realClock, log: recordingLogger(logged), status: () => {} };
  const place = { path: "", where: `${connector.name} connection` };
  const connection = connector.connection?.open(
    readSettings(connector.connection.settings, peer.connection ?? {}, place),
    { ...base, name: `conformance ${connector.name}` },
  );
  try {
    // A connector without connection does not look at it.
    const shared = connection as ClosableConnection;
    await work(peer, {
      connection,
      logged,
      context: (role) => ({ ...base, name: `conformance ${role}`, owner: role, connection: shared }),
    });
  } finally {
    await connection?.close();
    await peer.close();
  }
}

function schemaOf(connector: Connector, role: ConnectorExample["role"]): SettingsSchema {
  const schema = connector[role]?.settings;
  assert.ok(schema, `${connector.name} has no ${role}`);
  return schema;
}

function withoutConnection(connector: Connector, schema: SettingsSchema, settings: RawSettings): RawSettings {
  const shared = Object.keys(connector.connection?.settings.entries ?? {});
  return Object.fromEntries(Object.entries(settings).filter(([key]) => key in schema.entries || !shared.includes(key)));
}

async function openSource(connector: Connector, raw: RawSettings, world: World): Promise<Source> {
  const role = connector.source!;
  return await role.open(readSettings(role.settings, raw, { path: "", where: "source" }), world.context("source"));
}

async function openLookup(connector: Connector, raw: RawSettings, world: World): Promise<Lookup> {
  const role = connector.lookup!;
  return await role.open(readSettings(role.settings, raw, { path: "", where: "lookup" }), world.context("lookup"));
}

async function openSink(connector: Connector, raw: RawSettings, world: World): Promise<PayloadSink | RowSink> {
  const role = connector.sink!;
  return await role.open(readSettings(role.settings, raw, { path: "", where: "sink" }), world.context("sink"));
}

function write(
  connector: Connector,
  sink: PayloadSink | RowSink,
  numbers: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  if (connector.sink!.accepts === "rows") return (sink as RowSink).write(numbers.map((n) => [{ n }]), signal);
  return (sink as PayloadSink).write(numbers.map((n) => `{"n":${n}}`), signal);
}

/** Reads until a read waits, and gives that one (wrapped); a source may have something to say at first. */
async function waitingRead(source: Source, signal: AbortSignal): Promise<{ readonly read: Promise<SourceBatch> }> {
  while (true) {
    const read = source.read(signal);
    read.catch(() => {});
    const batch = await Promise.race([read, realClock.sleep(quietMs)]);
    if (batch === undefined) return { read };
    batch.ack?.();
  }
}

function numbersOf(batch: SourceBatch): number[] {
  const rows = batch.kind === "rows" ? batch.rows : batch.payloads.map((payload) => {
    const bytes = payload instanceof Uint8Array ? payload : payload.bytes.subarray(payload.start, payload.end);
    return JSON.parse(new TextDecoder().decode(bytes)) as { n: number };
  });
  return rows.map((row) => Number(row.n));
}

function checkMeta(connector: Connector, batch: SourceBatch): void {
  const declared = connector.source!.meta;
  const meta = batch.meta?.(0);
  if (numbersOf(batch).length === 0 || declared.length === 0) return;
  assert.ok(meta, "a source that declares metadata gives it");
  for (const key of Object.keys(meta)) assert.ok(declared.includes(key), `metadata "${key}" is declared`);
}

async function arrived(peer: SinkPeer, world: World, count: number): Promise<void> {
  const signal = AbortSignal.timeout(deadlineMs);
  while ((await peer.received(world.logged)).length < count) await realClock.sleep(10, signal);
}

/** Tries again while the connector says that the peer is away. */
async function reopening<T>(open: () => Promise<T>, signal: AbortSignal): Promise<T> {
  while (true) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof Disconnected) && !(error instanceof RetryLater)) throw error;
      await realClock.sleep(20, signal);
    }
  }
}
