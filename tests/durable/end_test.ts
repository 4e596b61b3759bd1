import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { World } from "./world.ts";

const lines = Array.from({ length: 5 }, (_, n) => JSON.stringify({ n }));

async function withFile(work: (world: World) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-end-"));
  try {
    const path = join(folder, "rows.json");
    await writeFile(path, `${lines.join("\n")}\n`);
    await World.with(async (world) => {
      world.streams.execute(
        `CREATE STREAM s () WITH (DATASOURCE=${JSON.stringify(path)}, TYPE="file", FORMAT="json",
          EXTRA='{"fileType":"lines"}')`,
      );
      await work(world);
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const isDone = (world: World) => String(world.engine.rules.status("r").message).startsWith("done");

for (const how of ["stop", "kill"] as const) {
  test(`a ${how} while a rule that has read all still has results to send makes it read nothing again`, () =>
    withFile(async (world) => {
      const { tape } = world;
      tape.away = true;
      await world.define("SELECT count(*) AS c, sum(n) AS s FROM s GROUP BY COUNTWINDOW(2)", { qos: 2 });
      await eventually(() => world.delivery.outbox("r", "0_tape").counts().rows > 0);
      await eventually(() => world.engine.rules.status("r").source_s_0_records_in_total === lines.length);
      // The end of the file is known a turn or two later.
      await new Promise((resolve) => setTimeout(resolve, 200));
      if (how === "stop") await world.stop();
      else world.kill();
      tape.away = false;
      await world.start();
      await eventually(() => isDone(world));
      const expected = ['[{"c":2,"s":1}]', '[{"c":2,"s":5}]'];
      assert.deepEqual(tape.once().slice(0, 2), expected);
      assert.equal(new Set(tape.received.map(({ id }) => id)).size, tape.received.length);
      const all = tape.once().length;
      // Started again, it begins from the beginning.
      await world.engine.rules.start("r");
      await eventually(() => tape.once().length === 2 * all);
      assert.deepEqual(tape.once().slice(all, all + 2), expected);
    }));
}
