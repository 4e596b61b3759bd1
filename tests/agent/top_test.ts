/**
 * `weir top` over an agent as a process: the rule that costs most stands first.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type RuleLoad } from "../../src/cli/top.ts";
import { weir, withAgent } from "./agent.ts";

test("rules stand by what they cost, with rates, state, what waits and what is lost", () =>
  withAgent(async (agent) => {
    const settings = { data: [{ n: 1, text: "x".repeat(2000) }], interval: 5, loop: true };
    await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/quick", settings);
    await agent.expect(201, "POST", "/streams", {
      sql: 'CREATE STREAM quick () WITH (TYPE="simulator", CONF_KEY="quick")',
    });
    const rule = (id: string, sql: string, action: object = { nop: {} }) =>
      agent.expect(201, "POST", "/rules", { id, sql, actions: [action] });
    await rule("cheap", "SELECT n FROM quick");
    await rule("costly", "SELECT regexp_matches(text, '(x|xx)+y') AS found, sha512(text) AS digest FROM quick");
    await rule("large", "SELECT collect(text) AS texts FROM quick GROUP BY TUMBLINGWINDOW(hh, 1)");
    await rule("failing", "SELECT CAST(text, 'bigint') AS n FROM quick");
    await rule("stuck", "SELECT n FROM quick", { rest: { url: "http://127.0.0.1:1/", sendSingle: true } });
    await rule("idle", "SELECT n FROM quick");
    await agent.expect(200, "POST", "/rules/idle/stop");
    for (const id of ["cheap", "costly", "large"]) {
      await agent.reaches(id, (s) => Number(s.source_quick_0_records_in_total) > 20);
    }

    const top = async (...args: string[]): Promise<RuleLoad[]> => {
      const { code, stdout, stderr } = await weir(["top", "--server", agent.url, "--json", ...args]);
      assert.deepEqual([code, stderr], [0, ""]);
      return JSON.parse(stdout);
    };
    const loads = await top();
    const of = (id: string) => loads.find((load) => load.id === id)!;
    assert.ok(of("cheap").rowsInPerSecond > 5, JSON.stringify(of("cheap")));
    assert.ok(of("cheap").messagesOutPerSecond > 5, JSON.stringify(of("cheap")));
    assert.ok(of("cheap").cpuPercent > 0 && of("cheap").cpuPercent < 100);
    assert.ok(of("large").stateBytes > 20 * 2000, JSON.stringify(of("large")));
    assert.ok(of("failing").failed > 5, JSON.stringify(of("failing")));
    assert.equal(of("cheap").failed, 0);
    assert.ok(of("stuck").waiting > 5, JSON.stringify(of("stuck")));
    assert.ok(of("costly").latencyUs > 0);
    assert.deepEqual([of("idle").status, of("idle").rowsInPerSecond, of("idle").cpuPercent], ["stopped", 0, 0]);
    assert.equal(loads[0]!.id, "costly");
    assert.equal((await top("--sort", "state", "--interval", "0.1"))[0]!.id, "large");
    assert.equal((await top("--sort", "rule", "--interval", "0.1"))[0]!.id, "cheap");

    const table = await weir(["top", "--server", agent.url, "--once", "--interval", "0.2"]);
    assert.equal(table.code, 0, table.stderr);
    const [headline, heading, ...rows] = table.stdout.trimEnd().split("\n");
    assert.match(headline!, /^weir \S+: 5 of 6 rules run, [\d.]+% of a processor, [\d.]+ MiB$/);
    assert.match(heading!, /^RULE +STATUS +ROWS IN\/S +SENT\/S +CPU% +STATE +WAITING +DROPPED +FAILED +LATENCY$/);
    assert.equal(rows.length, 6);
    assert.equal((await weir(["top", "--sort", "colour"])).code, 2);
  }));
