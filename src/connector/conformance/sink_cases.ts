/**
 * The conformance cases of sinks.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFields } from "../context.ts";
import type { ClosableConnection, Connector } from "../declare.ts";
import { Disconnected } from "../errors.ts";
import { readSettings } from "../settings.ts";
import type { PayloadSink, RowSink } from "../sink.ts";
import {
  checkPromise,
  deadlineMs,
  type Peer,
  type RawSettings,
  realClock,
  reopening,
  values,
  withPeer,
  type World,
} from "./world.ts";

/** The other side of a sink, which is given rows or payloads `{"n": value}`. */
export interface SinkPeer extends Peer {
  readonly settings: RawSettings;
  /** Called before the sink writes, for peers that must be listening by then. */
  start?(connection: ClosableConnection | undefined): void | Promise<void>;
  /** Every `n` that has arrived, in order. `logged` is what the connector wrote to its log. */
  received(logged: readonly LogFields[]): readonly number[] | Promise<readonly number[]>;
  /** The ids that came with what has arrived, in its order. For a sink whose protocol has a place for them. */
  receivedIds?(): readonly string[] | Promise<readonly string[]>;
}

export function sinkCases(connector: Connector, start: () => SinkPeer | Promise<SinkPeer>): void {
  const name = `${connector.name} sink`;

  test(`${name}: opens and closes`, () =>
    withPeer(connector, start, async (peer, world) => {
      checkPromise(connector, "sink", peer.settings, peer);
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

  test(`${name}: takes messages with ids, also again, and gives each its own where there is a place for it`, () =>
    withPeer(connector, start, async (peer, world) => {
      await peer.start?.(world.connection);
      const sink = await openSink(connector, peer.settings, world);
      const signal = AbortSignal.timeout(deadlineMs);
      const idOf = (n: number) => `conformance-${n}`;
      for (const part of [values.slice(0, 20), values.slice(0, 20), values.slice(20)]) {
        await write(connector, sink, part, signal, part.map(idOf));
      }
      const last = values.at(-1)!;
      let received = await peer.received(world.logged);
      while (!received.includes(last)) {
        await realClock.sleep(10, signal);
        received = await peer.received(world.logged);
      }
      assert.deepEqual([...new Set(received)], values);
      if (peer.receivedIds !== undefined) assert.deepEqual(await peer.receivedIds(), received.map(idOf));
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

export function sinkLossCase(connector: Connector, start: () => SinkPeer | Promise<SinkPeer>): void {
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

async function openSink(connector: Connector, raw: RawSettings, world: World): Promise<PayloadSink | RowSink> {
  const role = connector.sink!;
  return await role.open(readSettings(role.settings, raw, { path: "", where: "sink" }), world.context("sink"));
}

function write(
  connector: Connector,
  sink: PayloadSink | RowSink,
  numbers: readonly number[],
  signal: AbortSignal,
  ids?: readonly string[],
): Promise<void> {
  if (connector.sink!.accepts === "rows") return (sink as RowSink).write(numbers.map((n) => [{ n }]), signal, ids);
  return (sink as PayloadSink).write(numbers.map((n) => `{"n":${n}}`), signal, ids);
}

async function arrived(peer: SinkPeer, world: World, count: number): Promise<void> {
  const signal = AbortSignal.timeout(deadlineMs);
  while ((await peer.received(world.logged)).length < count) await realClock.sleep(10, signal);
}
