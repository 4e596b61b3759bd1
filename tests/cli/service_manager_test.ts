import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { withServiceManager } from "../peers/service_manager.ts";
import { startAgent, temporaryDirectory } from "./fixture.ts";

test("serve tells the service manager that it is ready, that it lives, and that it stops", async () => {
  const { path, cleanUp } = temporaryDirectory();
  try {
    const socket = join(path, "notify");
    await withServiceManager(socket, async (received) => {
      const environment = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "100000" };
      const agent = await startAgent(["--data-dir", join(path, "data")], environment);
      try {
        await eventually(() => received().some((text) => text.startsWith("READY=1\nSTATUS=weir ")), 30_000);
        assert.equal((await fetch(`${agent.url}/readyz`)).status, 200);
        const before = received().length;
        await eventually(() => received().slice(before).filter((text) => text === "WATCHDOG=1").length >= 3, 30_000);
        assert.deepEqual(await agent.stop(), { code: 0, signal: null });
        await eventually(() => received().some((text) => text.startsWith("STOPPING=1")), 30_000);
        assert.equal(received().filter((text) => text.startsWith("READY=1")).length, 1);
      } finally {
        await agent.stop("SIGKILL");
      }
    });
  } finally {
    cleanUp();
  }
});

test("serve runs when its service manager has gone, and says so once", async () => {
  const { path, cleanUp } = temporaryDirectory();
  try {
    const environment = {
      NOTIFY_SOCKET: join(path, "gone"),
      WATCHDOG_USEC: "100000",
      WATCHDOG_PID: String(process.pid),
    };
    const agent = await startAgent(["--data-dir", join(path, "data")], environment);
    try {
      await eventually(() => agent.output().stderr.includes("the service manager cannot be told"), 30_000);
      assert.equal((await fetch(`${agent.url}/readyz`)).status, 200);
      assert.equal(agent.output().stderr.match(/cannot be told/g)?.length, 1);
    } finally {
      await agent.stop("SIGKILL");
    }
  } finally {
    cleanUp();
  }
});
