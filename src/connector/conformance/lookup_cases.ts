/**
 * The conformance cases of lookups.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClosableConnection, Connector } from "../declare.ts";
import { Disconnected } from "../errors.ts";
import type { Lookup, Struct } from "../lookup.ts";
import { readSettings } from "../settings.ts";
import { deadlineMs, type Peer, type RawSettings, realClock, reopening, withPeer, type World } from "./world.ts";

/** The other side of a lookup: a store of rows `{"id": int, "kind": text}`. */
export interface LookupPeer extends Peer {
  readonly settings: RawSettings;
  /** Brings rows into the store. Called when the lookup is open; one whose rows stand in its settings has them all. */
  fill(rows: readonly Struct[], connection: ClosableConnection | undefined): void | Promise<void>;
  /** Set for a store that can be asked by its key `id` only. */
  readonly keyOnly?: string;
}

const lookupRows: readonly Struct[] = [
  { id: 1n, kind: "pump" },
  { id: 2n, kind: "valve" },
  { id: 3n, kind: "pump" },
];

export function lookupCases(connector: Connector, start: () => LookupPeer | Promise<LookupPeer>): void {
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

export function lookupLossCase(connector: Connector, start: () => LookupPeer | Promise<LookupPeer>): void {
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

async function openLookup(connector: Connector, raw: RawSettings, world: World): Promise<Lookup> {
  const role = connector.lookup!;
  return await role.open(readSettings(role.settings, raw, { path: "", where: "lookup" }), world.context("lookup"));
}
