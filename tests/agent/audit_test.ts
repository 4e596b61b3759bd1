/**
 * The audit trail of real agents: kept over kills, checked from outside, and found broken when it is.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { AuditPage } from "../../src/admin/audit.ts";
import { SqliteAuditLog } from "../../src/store/sqlite_audit_log.ts";
import { Agent, weir, withFolder } from "./agent.ts";

test("what was done stands in the trail after a kill, and whoever changes it is found out", () =>
  withFolder(async (dataDir) => {
    const added = await weir(
      ["user", "add", "ada", "--role", "admin", "--password-stdin", "--data-dir", dataDir],
      "a password of ada\n",
    );
    assert.equal(added.code, 0, added.stderr);
    let agent = await Agent.start({ dataDir });
    const headers = { Authorization: `Basic ${btoa("ada:a password of ada")}` };
    const ask = (method: string, path: string, body?: object) =>
      fetch(agent.url + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    let noted = "";
    try {
      const sql = 'CREATE STREAM demo () WITH (DATASOURCE="t", TYPE="memory")';
      assert.equal((await ask("POST", "/streams", { sql })).status, 201);
      assert.equal((await fetch(`${agent.url}/rules`)).status, 401);
      noted = (await weir(["audit", "head", "--data-dir", dataDir])).stdout.trim();
      assert.match(noted, /^\d+:[0-9a-f]{64}$/);
      await agent.end("SIGKILL");

      agent = await Agent.start({ dataDir });
      assert.equal((await ask("DELETE", "/streams/demo")).status, 200);
      const page = await (await ask("GET", "/api/v1/audit")).json() as AuditPage;
      assert.deepEqual(page.entries.toReversed().map(({ event }) => event.target || event.action), [
        "weir user add",
        "start",
        "POST /streams",
        "GET /rules",
        "start",
        "DELETE /streams/demo",
      ]);
      const alive = await weir(["audit", "verify", "--data-dir", dataDir, "--head", noted]);
      assert.deepEqual([alive.code, alive.stdout.split("\n")[0]], [0, "intact: 6 entries"], alive.stderr);
      const listed = await weir(["audit", "ls", "--server", agent.url, "--actor", "user ada"]);
      assert.equal(listed.code, 1, "without a credential");
    } finally {
      await agent.end("SIGTERM");
    }
    const stopped = await weir(["audit", "verify", "--data-dir", dataDir, "--json"]);
    assert.equal(JSON.parse(stopped.stdout).entries, 8, "the refused listing and the stop");

    const database = new DatabaseSync(join(dataDir, "weir.db"));
    const trail = new SqliteAuditLog(database, () => {});
    const first = trail.read({ limit: 100 }).at(-1)!;
    assert.equal(trail.prune(first.event.time + 1, Date.now()), 1);
    trail.prune(trail.read({ limit: 100 }).at(-1)!.event.time + 1, Date.now());
    const older = await weir(["audit", "verify", "--data-dir", dataDir, "--head", `${first.sequence}:${first.hash}`]);
    assert.equal(older.code, 1, "nothing is proven");
    assert.match(older.stdout, /^intact: .*\nhead .*\nUNKNOWN: entry 1 was noted /);

    database.exec("DROP TRIGGER audit_is_not_changed");
    database.exec("UPDATE audit SET text = replace(text, 'user ada', 'user bob') WHERE sequence = 3");
    database.close();
    const changed = await weir(["audit", "verify", "--data-dir", dataDir]);
    assert.equal(changed.code, 1);
    assert.match(changed.stdout, /^BROKEN at entry 3: /);
    const wrong = await weir(["audit", "verify", "--data-dir", join(dataDir, "nosuch")]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /--data-dir/);
    assert.equal((await weir(["audit", "verify", "--head", "x", "--data-dir", dataDir])).code, 2);
  }));
