/**
 * The conformance cases of sources.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClosableConnection, Connector, OpenContext } from "../declare.ts";
import { Disconnected, EndOfInput, RetryLater } from "../errors.ts";
import { readSettings } from "../settings.ts";
import type { Source, SourceBatch } from "../source.ts";
import {
  checkPromise,
  deadlineMs,
  inWorld,
  type Peer,
  quietMs,
  type RawSettings,
  realClock,
  reopening,
  values,
  withPeer,
  type World,
} from "./world.ts";

/** The other side of a source. Every row it sends is `{"n": value}`, as JSON where the source emits payloads. */
export interface SourcePeer extends Peer {
  /** Settings of a source that will get exactly `values`. */
  settings(values: readonly number[]): RawSettings;
  /** Called when the source is open and reads; a source whose rows stand in its settings has nothing to do here. */
  send(values: readonly number[], connection: ClosableConnection | undefined): void | Promise<void>;
}

/** The contract says some kilobytes. */
const positionCharsMax = 16 * 1024;

export function sourceCases(connector: Connector, start: () => SourcePeer | Promise<SourcePeer>): void {
  const name = `${connector.name} source`;

  test(`${name}: opens, and closes while a read waits`, () =>
    withPeer(connector, start, async (peer, world) => {
      checkPromise(connector, "source", peer.settings([]), peer);
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

export function noPositionCase(connector: Connector, start: () => SourcePeer | Promise<SourcePeer>): void {
  test(`${connector.name} source: gives no positions, as nobody has said that it does`, () =>
    withPeer(connector, start, async (peer, world) => {
      const source = await openSource(connector, peer.settings(values), world, { keepsPosition: true });
      const read = await sendAndRead(source, peer, world, (got) => got.rows.length >= values.length);
      assert.equal(read.position, undefined, "the harness should have givesPositions");
      await source.close();
    }));
}

export function positionCases(connector: Connector, start: () => SourcePeer | Promise<SourcePeer>): void {
  const name = `${connector.name} source`;

  test(`${name}: goes on behind every position with exactly the rest`, async () => {
    // Cut after 1, 2, 3, 5, 8 … batches: all of them would take long where each needs a new peer.
    for (let [cut, next] = [1, 2];; [cut, next] = [next, cut + next]) {
      const taken = await cutAndResume(connector, start, cut);
      if (taken === values.length) break;
    }
  });

  test(`${name}: begins as at a first start when its position makes no sense`, () =>
    withPeer(connector, start, async (peer, world) => {
      const context = { keepsPosition: true, position: "no position" };
      const source = await openSource(connector, peer.settings(values), world, context);
      const { rows } = await sendAndRead(source, peer, world, (got) => got.rows.length >= values.length);
      assert.deepEqual(rows, values);
      await source.close();
    }));
}

/**
 * Kills the engine when it has kept the position of so many batches and told the source of all but the last; gives the
 * number of rows until then.
 */
async function cutAndResume(
  connector: Connector,
  start: () => SourcePeer | Promise<SourcePeer>,
  cut: number,
): Promise<number> {
  const peer = await start();
  try {
    const settings = peer.settings(values);
    const before = await inWorld(connector, peer, async (world) => {
      const source = await openSource(connector, settings, world, { keepsPosition: true });
      const done = (got: Taken) => got.batches === cut || got.rows.length >= values.length;
      const taken = await sendAndRead(source, peer, world, done);
      await source.close();
      return taken;
    });
    const { position, rows } = before;
    assert.ok(position !== undefined && position.length <= positionCharsMax, `a position, not ${position}`);
    assert.deepEqual(rows, values.slice(0, rows.length));
    await inWorld(connector, peer, async (world) => {
      const source = await openSource(connector, settings, world, { keepsPosition: true, position });
      const rest = await readRest(source, values.length - rows.length);
      assert.deepEqual(rest, values.slice(rows.length), `behind ${position}`);
      await source.close();
    });
    return rows.length;
  } finally {
    await peer.close();
  }
}

/** What an engine has of a source. */
interface Taken {
  readonly rows: readonly number[];
  readonly batches: number;
  readonly position: string | undefined;
}

/** Takes batches until `done`, and acknowledges all but the last. */
async function sendAndRead(
  source: Source,
  peer: SourcePeer,
  world: World,
  done: (taken: Taken) => boolean,
): Promise<Taken> {
  const signal = AbortSignal.timeout(deadlineMs);
  let read = source.read(signal);
  read.catch(() => {});
  await peer.send(values, world.connection);
  let taken: Taken = { rows: [], batches: 0, position: undefined };
  while (true) {
    const batch = await read;
    const rows = [...taken.rows, ...numbersOf(batch)];
    taken = { rows, batches: taken.batches + 1, position: batch.position ?? taken.position };
    if (done(taken)) return taken;
    batch.ack?.();
    read = source.read(signal);
  }
}

/** The rows that come until there are so many, and those that come unasked soon after. */
async function readRest(source: Source, count: number): Promise<number[]> {
  const rows: number[] = [];
  const signal = AbortSignal.timeout(deadlineMs);
  while (true) {
    const soon = rows.length < count ? signal : AbortSignal.timeout(quietMs);
    try {
      const batch = await source.read(soon);
      rows.push(...numbersOf(batch));
      batch.ack?.();
    } catch (error) {
      if (error instanceof EndOfInput || (error === soon.reason && rows.length >= count)) return rows;
      throw error;
    }
  }
}

export function sourceLossCase(connector: Connector, start: () => SourcePeer | Promise<SourcePeer>): void {
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

async function openSource(
  connector: Connector,
  raw: RawSettings,
  world: World,
  resume: Pick<OpenContext, "keepsPosition" | "position"> = {},
): Promise<Source> {
  const role = connector.source!;
  const settings = readSettings(role.settings, raw, { path: "", where: "source" });
  return await role.open(settings, { ...world.context("source"), ...resume });
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
