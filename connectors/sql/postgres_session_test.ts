/**
 * What sessions of PostgreSQL make of servers that do not keep to the protocol; the real server has its tests in tests/sql.
 */
import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { openPostgres } from "./postgres_session.ts";
import { SqlError } from "./session.ts";

/** A message of the server: its kind, its length, its bytes. */
function message(kind: string, ...bytes: number[]): number[] {
  return [kind.charCodeAt(0), 0, 0, 0, bytes.length + 4, ...bytes];
}

const welcome = [...message("R", 0, 0, 0, 0), ...message("Z", "I".charCodeAt(0))];
/** Two columns, of which the first one ends far behind the message. */
const lyingRow = message("D", 0, 2, 0, 0, 60, 94, 1, 1);

test("a row that lies about its length ends the session and not the process", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(new Uint8Array(welcome));
      socket.once("data", () => socket.write(new Uint8Array(lyingRow)));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  const { port } = server.address() as AddressInfo;
  const session = await openPostgres(
    {
      dialect: "postgres",
      host: "127.0.0.1",
      port,
      user: "u",
      password: "p",
      database: "d",
      tls: "disable",
      files: {},
      session: {},
      tlsOptions: false,
    },
    new AbortController().signal,
    () => {},
  );
  await assert.rejects(session.run("SELECT 1", [], { rowsMax: 1 }), (error) => {
    assert.ok(error instanceof SqlError);
    assert.equal(error.kind, "disconnected");
    assert.match(error.message, /The peer has broken the protocol/);
    return true;
  });
  assert.equal(session.isOpen, false);
  await session.close();
  await new Promise((done) => server.close(done));
});
