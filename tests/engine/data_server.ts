/**
 * An engine with a data server on a free port.
 * @module
 */
import assert from "node:assert/strict";
import { realClock, recordingLogger } from "../../src/connector/conformance.ts";
import { HttpDataServer } from "../../src/data_server/data_server.ts";
import { type EngineFixture, withEngine } from "./engine.ts";

/** Listens once a path is served, by default on a free port. */
export function newDataServer(port = 0): HttpDataServer {
  return new HttpDataServer({
    hostname: "127.0.0.1",
    port,
    bodyBytesMax: 1_000_000,
    clock: realClock,
    log: recordingLogger([]),
  });
}

export interface ServedFixture extends EngineFixture {
  readonly dataServer: HttpDataServer;
  /** The address of a path, while the server listens. */
  readonly url: (path: string, scheme?: "http" | "ws") => string;
}

/** Closes the engine at the end; nothing of the data server may be left by then. */
export async function withDataServer(work: (fixture: ServedFixture) => Promise<void>): Promise<void> {
  const dataServer = newDataServer();
  const url = (path: string, scheme = "http") => `${scheme}://127.0.0.1:${dataServer.address!.port}${path}`;
  await withEngine((fixture) => work({ ...fixture, dataServer, url }), { dataServer });
  await dataServer.closed();
  assert.deepEqual([dataServer.address, dataServer.connections], [undefined, 0]);
}
