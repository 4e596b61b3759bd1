/**
 * What `weir top` makes of two looks, and that it draws on a terminal until it is stopped.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RuleCost } from "../../src/admin/rule_costs.ts";
import { loadsBetween } from "../../src/cli/top.ts";
import { loadPlatform } from "../../src/platform/mod.ts";
import { weir } from "./fixture.ts";

const cost = (change: Partial<RuleCost>): RuleCost => ({
  id: "r",
  status: "running",
  since: 1,
  rowsIn: 0,
  messagesOut: 0,
  workMs: 0,
  stateBytes: 0,
  waiting: 0,
  dropped: 0,
  failed: 0,
  latencyUs: 0,
  ...change,
});

test("rates are differences by the time between; a rule that was started anew counts from its start", () => {
  const before = {
    at: 1000,
    rules: [cost({ rowsIn: 100, messagesOut: 10, workMs: 50 }), cost({ id: "s", rowsIn: 500 })],
  };
  const now = {
    at: 3000,
    rules: [
      cost({ rowsIn: 300, messagesOut: 14, workMs: 250 }),
      cost({ id: "s", since: 2, rowsIn: 20 }),
      cost({ id: "new", rowsIn: 2 }),
    ],
  };
  const loads = loadsBetween(before, now);
  assert.deepEqual(
    loads.map((
      { rowsInPerSecond, messagesOutPerSecond, cpuPercent },
    ) => [rowsInPerSecond, messagesOutPerSecond, cpuPercent]),
    [[100, 2, 10], [10, 0, 0], [1, 0, 0]],
  );
});

test("on a terminal it draws again and again, and gives the screen back when it is stopped", async () => {
  const platform = await loadPlatform();
  let [asked, output] = [0, ""];
  let stop = () => {};
  const fetch = (url: string) => {
    if (!url.endsWith("/costs")) {
      return Promise.resolve(Response.json({ weir: "1.2.3", cpuUsage: "1.00%", memoryUsed: "1048576" }));
    }
    if (++asked > 3) stop();
    return Promise.resolve(Response.json({ at: asked * 1000, rules: [cost({ rowsIn: asked * 10 })] }));
  };
  const { code } = await weir(["top", "--interval", "0.01"], {
    fetch,
    stdout: (text) => output += text,
    isTerminal: { stdout: true, stderr: false },
    platform: {
      ...platform,
      onTerminate(handler) {
        stop = () => handler("SIGINT");
        return () => {};
      },
    },
  });
  assert.equal(code, 0);
  assert.ok(output.startsWith("\x1b[?1049h") && output.endsWith("\x1b[?1049l"));
  assert.ok(output.split("\x1b[H").length >= 4);
  assert.match(output, /weir 1\.2\.3: 1 of 1 rules run, 1\.00% of a processor, 1\.0 MiB/);
  assert.match(output, /\nr +running +10\.0 +0\.0/);
});
