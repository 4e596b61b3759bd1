import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { eventually } from "../../tests/eventually.ts";
import { withServiceManager } from "../../tests/peers/service_manager.ts";
import { journalLine, writesToJournal } from "./journal.ts";
import { loadPlatform } from "./mod.ts";
import { type SendDatagram, ServiceNotifier, watchdogIntervalMs } from "./notify.ts";
import { socketAddress } from "./notify_socket.ts";

const { sendDatagram } = await loadPlatform();

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-notify-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("sendDatagram() reaches a socket in the file system and one in the abstract namespace", () =>
  withFolder(async (folder) => {
    for (const name of [join(folder, "notify"), `@weir-notify-test-${process.pid}`]) {
      await withServiceManager(name, async (received) => {
        sendDatagram(name, "READY=1\nSTATUS=läuft", { wait: true });
        sendDatagram(name, "WATCHDOG=1", { wait: false });
        await eventually(() => received().length >= 2);
        assert.deepEqual(received(), ["READY=1\nSTATUS=läuft", "WATCHDOG=1"]);
      });
    }
  }));

test("sendDatagram() says when nobody listens", () =>
  withFolder((folder) => {
    const name = join(folder, "absent");
    assert.throws(() => sendDatagram(name, "READY=1", { wait: true }), /Cannot send to ".*absent": nobody takes it/);
    return Promise.resolve();
  }));

test("socketAddress() refuses names that are no sockets", () => {
  assert.throws(() => socketAddress("vsock:2:1234"), /no socket of this machine/);
  assert.throws(() => socketAddress(`/${"x".repeat(108)}`), /too long/);
  assert.deepEqual([...socketAddress("@ab")], [1, 0, 0, 97, 98]);
  assert.deepEqual([...socketAddress("/a")], [1, 0, 47, 97, 0]);
});

test("watchdogIntervalMs() is half of what is allowed, for the process that is watched", () => {
  assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: "30000000" }, 7), 15_000);
  assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, 7), 15_000);
  assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }, 7), undefined);
  assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: "soon" }, 7), undefined);
  assert.equal(watchdogIntervalMs({}, 7), undefined);
});

test("ServiceNotifier tells the watchdog as long as the event loop turns, and not while it stands still", async () => {
  const sent: { readonly at: number; readonly text: string }[] = [];
  const send: SendDatagram = (_socket, text) => sent.push({ at: performance.now(), text });
  const service = new ServiceNotifier({ NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "20000" }, 1, send);
  service.keepAlive();
  service.ready("runs");
  await eventually(() => sent.filter(({ text }) => text === "WATCHDOG=1").length >= 3);
  const [blockedFrom, blockedUntil] = [performance.now(), performance.now() + 100];
  while (performance.now() < blockedUntil);
  assert.equal(sent.filter(({ at }) => at > blockedFrom && at < blockedUntil).length, 0);
  await eventually(() => sent.at(-1)!.at > blockedUntil);
  service.stopping();
  service.end();
  const told = sent.length;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(sent.length, told);
  assert.deepEqual(sent.filter(({ text }) => text !== "WATCHDOG=1").map(({ text }) => text), [
    "READY=1\nSTATUS=runs",
    "STOPPING=1\nSTATUS=stopping",
  ]);
});

test("ServiceNotifier does nothing without a service manager, and outlives one that does not listen", () => {
  const none: SendDatagram = () => assert.fail("nobody is to be told");
  const alone = new ServiceNotifier({ WATCHDOG_USEC: "1000" }, 1, none);
  alone.keepAlive();
  alone.ready("runs");
  alone.stopping();
  alone.end();
  const refused: SendDatagram = () => {
    throw new Error("refused");
  };
  const deaf = new ServiceNotifier({ NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "1000000" }, 1, refused);
  deaf.keepAlive();
  assert.throws(() => deaf.ready("runs"), /refused/);
  deaf.end();
});

test("writesToJournal() compares what standard error is with what the service manager said", () => {
  const stat = () => ({ dev: 9n, ino: 12345n });
  assert.equal(writesToJournal({ JOURNAL_STREAM: "9:12345" }, stat), true);
  assert.equal(writesToJournal({ JOURNAL_STREAM: "9:12346" }, stat), false);
  assert.equal(writesToJournal({}, stat), false);
  assert.equal(journalLine("level=error msg=x\n", "error"), "<3>level=error msg=x\n");
});
