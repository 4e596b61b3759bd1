/**
 * A data directory that cannot be written: the agent lives, holds its sources back and says why; afterwards everything
 * arrives.
 *
 * Results have nowhere to go but the disk, because the broker that they are for is away.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Agent, type StartOptions, withFolder } from "../agent/agent.ts";
import { ledgersBalance } from "./ledger.ts";
import { relay, Scene } from "./scene.ts";
import { mountTrouble, SmallDisk } from "./small_disk.ts";

const count = 3000;
const pad = "x".repeat(1000);
const diskBytes = 16 << 20;
const payload = (n: number) => JSON.stringify({ n, pad });

/** The source is held, the agent answers and says what is wrong. Returns how many messages it has taken. */
async function heldBack(agent: Agent): Promise<number> {
  const { delivery_trouble } = await agent.reaches(relay, (s) => s.delivery_trouble !== "", 60_000);
  assert.match(String(delivery_trouble), /^Cannot commit to the store: .*(full|disk|read)/);
  const taken = await eventuallySteady(agent);
  assert.ok(taken < count, `${taken} of ${count} messages were taken, with nowhere to put them`);
  assert.match(agent.output().stderr, /level=error msg="Nothing can be kept/);
  await agent.expect(200, "GET", "/ping");
  return taken;
}

/** The number of messages that the source has brought, once it does not change for a second. */
async function eventuallySteady(agent: Agent): Promise<number> {
  let last = -1;
  for (let since = Date.now(), late = since + 60_000; Date.now() - since < 1000;) {
    const taken = Number((await agent.status(relay)).source_s_0_records_in_total);
    if (taken !== last) since = Date.now();
    last = taken;
    assert.ok(Date.now() < late, `the source still brings messages: ${taken}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return last;
}

/** An agent whose room on the disk ends after a while, and comes back without a restart. */
async function runsOutOfRoom(
  options: StartOptions,
  room: { readonly end: (agent: Agent) => void; readonly comeBack: (agent: Agent) => void },
): Promise<void> {
  await Scene.with(async (scene) => {
    const agent = await Agent.start(options);
    try {
      await scene.define(agent);
      scene.publisher.send(10);
      await scene.allArrive(agent);
      room.end(agent);
      await scene.output.halt();
      scene.publisher.send(count - 10);
      const taken = await heldBack(agent);
      room.comeBack(agent);
      await scene.output.start();
      await scene.allArrive(agent);
      console.log(`held at ${taken} of ${count} messages; all arrived`);
      await agent.reaches(relay, (s) => s.delivery_trouble === "" && s.sink_mqtt_0_0_buffer_length === 0);
      await ledgersBalance(agent, [relay]);
      assert.equal(await agent.end(), 0, agent.output().stderr.slice(-3000));
    } finally {
      await agent.remove();
    }
  }, { payload });
}

/** A limit of the sizes of files also sends a signal that ends the process, unless it is ignored. */
const ignoringLimits = ["bash", "-c", "trap '' XFSZ; exec \"$@\"", "bash"];

function limitFiles(agent: Agent, bytes: number | "unlimited"): void {
  execFileSync("prlimit", ["--pid", String(agent.pid), `--fsize=${bytes}:unlimited`]);
}

test("files that may not grow hold the source of a qos 1 rule back, and nothing is lost", () =>
  withFolder((folder) =>
    runsOutOfRoom({ dataDir: join(folder, "data"), wrapper: ignoringLimits }, {
      end: (agent) => limitFiles(agent, 1 << 20),
      comeBack: (agent) => limitFiles(agent, "unlimited"),
    })
  ));

test("a rule goes on when only the end of what was sent could not be kept", () =>
  withFolder((folder) =>
    Scene.with(async (scene) => {
      const agent = await Agent.start({ dataDir: join(folder, "data"), wrapper: ignoringLimits });
      try {
        await scene.define(agent);
        // The results are kept, but their broker does not answer before nothing can be kept any more.
        scene.output.freeze();
        scene.publisher.send(100);
        await agent.reaches(relay, (s) => s.sink_mqtt_0_0_records_in_total === 100);
        await scene.publisher.acknowledged();
        await eventuallySteady(agent);
        limitFiles(agent, 0);
        scene.output.thaw();
        await agent.reaches(relay, (s) => s.delivery_trouble !== "");
        limitFiles(agent, "unlimited");
        await agent.reaches(relay, (s) => s.delivery_trouble === "" && s.sink_mqtt_0_0_buffer_length === 0);
        scene.publisher.send(1000);
        await scene.allArrive(agent);
        await ledgersBalance(agent, [relay]);
      } finally {
        await agent.remove();
      }
    })
  ));

const noTmpfs = process.platform === "linux" ? mountTrouble("tmpfs") : "mounting is for Linux";
if (noTmpfs !== undefined) console.warn(`FULL DISK NOT TESTED, only files that may not grow: ${noTmpfs}`);

test("a full disk holds the source of a qos 1 rule back, and nothing is lost", {
  skip: noTmpfs ?? false,
}, async () => {
  const disk = SmallDisk.make("tmpfs", diskBytes);
  try {
    await runsOutOfRoom({ dataDir: join(disk.path, "data") }, {
      end: () => disk.fill(),
      comeBack: () => disk.empty(),
    });
  } finally {
    disk.remove();
  }
});

const noExt4 = process.platform === "linux" ? mountTrouble("ext4") : "mounting is for Linux";
if (noExt4 !== undefined) console.warn(`READ-ONLY DISK NOT TESTED, only files that may not grow: ${noExt4}`);

test("a disk that becomes read-only holds the source of a qos 1 rule back; after a restart nothing is lost", {
  skip: noExt4 ?? false,
}, () =>
  Scene.with(async (scene) => {
    const disk = SmallDisk.make("ext4", 2 * diskBytes);
    const dataDir = join(disk.path, "data");
    let agent = await Agent.start({ dataDir });
    try {
      await scene.define(agent);
      scene.publisher.send(10);
      await scene.allArrive(agent);
      disk.fail();
      scene.publisher.send(count - 10);
      const taken = await heldBack(agent);
      const refused = await agent.call("POST", "/rules", {
        id: "other",
        sql: "SELECT * FROM s",
        actions: [{ nop: {} }],
      });
      assert.ok(refused.status >= 400, `a rule that cannot be stored: ${refused.status} ${refused.text}`);
      await agent.end();
      disk.unmount();
      disk.mount();
      agent = await Agent.start({ dataDir });
      await scene.allArrive(agent);
      await ledgersBalance(agent, [relay]);
      console.log(`held at ${taken} of ${count} messages; all arrived after a restart`);
      assert.equal(await agent.end(), 0, agent.output().stderr.slice(-3000));
    } finally {
      await agent.end("SIGKILL");
      disk.remove();
    }
  }, { payload }));
