import assert from "node:assert/strict";
import { test } from "node:test";
import { type Health, type HealthReason, reasonsMax } from "../../src/admin/health.ts";
import { certificateHealth } from "../../src/admin/certificate_health.ts";
import { storageHealth } from "../../src/admin/storage_health.ts";
import { diagnostic } from "../../src/diagnostics/diagnostic.ts";
import { emptyLedger } from "../../src/runtime/rule_ledger.ts";
import type { ObservedRule } from "../../src/runtime/rules.ts";
import { admin } from "./fixture.ts";

function reason(severity: HealthReason["severity"], message: string): HealthReason {
  return { area: "certificate", severity, message, hint: "renew it" };
}

test("problems make it failing and stand first, warnings alone make it degraded", async () => {
  const found: HealthReason[] = [];
  const { ask } = admin({ health: [() => found] });
  const health = async (): Promise<Health> => (await ask("GET", "/api/v1/health")).json();
  assert.deepEqual(await health(), { status: "ok", ready: true, reasons: [], total: 0 });
  found.push(reason("warning", "it expires soon"));
  assert.deepEqual(await health(), { status: "degraded", ready: true, reasons: [found[0]], total: 1 });
  found.push(reason("problem", "it has expired"));
  assert.deepEqual((await health()).reasons.map(({ message }) => message), ["it has expired", "it expires soon"]);
  assert.equal((await health()).status, "failing");
  for (let n = 0; n < 500; n++) found.push(reason("warning", `${n}`));
  assert.equal((await health()).reasons.length, reasonsMax);
  assert.equal((await health()).total, 502);
});

test("an agent that is starting says how many rules wait, in the health and to the probe", async () => {
  let isReady = false;
  const { ask, rules } = admin({ ready: () => isReady });
  const line = { name: "", version: "", trace: false, tags: null };
  rules.list = () => [{ ...line, id: "a", status: "running" }, { ...line, id: "b", status: "starting" }];
  const health: Health = (await ask("GET", "/api/v1/health")).json();
  assert.deepEqual([health.status, health.ready], ["degraded", false]);
  assert.equal(health.reasons[0]!.message, "Not ready: 1 of 2 rules wait for their start");
  const probe = await ask("GET", "/readyz");
  assert.deepEqual([probe.status, probe.text], [503, "not ready: 1 of 2 rules wait for their start"]);
  isReady = true;
  assert.equal((await ask("GET", "/api/v1/health")).json().status, "ok");
});

test("dead letters and a ledger that does not balance are reasons", async () => {
  const { ask, rules } = admin();
  const ledger = emptyLedger("r1");
  const messages = { in: 3, carried: 0, sent: 0, dead: 3, waiting: 0, failed: {}, dropped: {} };
  const observed = {
    id: "r1",
    state: "running",
    nodes: [],
    ledger: { ...ledger, balanced: false, actions: [{ action: "0_mqtt", messages }] },
  } as unknown as ObservedRule;
  rules.observe = () => [observed];
  const { status, reasons }: Health = (await ask("GET", "/api/v1/health")).json();
  assert.equal(status, "failing");
  assert.match(reasons[0]!.message, /ledger of rule r1/);
  assert.equal(reasons[1]!.message, "3 messages of 0_mqtt of rule r1 were put aside since its start");
});

test("what was set aside, what cannot be read, and a disk that is gone are reasons", () => {
  const notices = [diagnostic("E602", "The database is damaged", { hint: "restore a backup" })];
  const found = [...storageHealth({ directory: "/nosuch/weir", notices, unreadable: ["r7"] })()];
  assert.deepEqual(found.map(({ severity }) => severity), ["problem", "problem", "problem"]);
  assert.equal(found[0]!.hint, "restore a backup");
  assert.match(found[1]!.message, /r7 cannot be read/);
  assert.match(found[2]!.message, /\/nosuch\/weir cannot be looked at: ENOENT/);
  assert.deepEqual([...storageHealth({ directory: undefined, notices: [], unreadable: [] })()], []);
});

test("a certificate that expires soon is a warning; one that has expired, or new files that were refused, a problem", () => {
  const day = 24 * 3600 * 1000;
  const report = { server: "admin", expiresMs: 100 * day, taken: 0, refused: 0 };
  const at = (now: number, stale?: string) =>
    [
      ...certificateHealth(() => [{ ...report, ...(stale === undefined ? {} : { stale }) }], () => now)(),
    ].map(({ severity, message }) => [severity, message]);
  assert.deepEqual(at(60 * day), []);
  assert.deepEqual(at(80 * day), [["warning", "The certificate of the admin server expires on 1970-04-11"]]);
  assert.deepEqual(at(100 * day), [["problem", "The certificate of the admin server has expired on 1970-04-11"]]);
  assert.match(at(0, "the key does not fit")[0]![1]!, /old one: the new files were refused: the key does not fit/);
});
