import assert from "node:assert/strict";
import { test } from "node:test";
import type { Logger } from "../connector/context.ts";
import { Auditor, reasonLengthMax } from "./auditor.ts";
import { MemoryAuditLog } from "./memory_audit_log.ts";
import { verify } from "./verify.ts";

function fixture(keepMs?: number) {
  const trail = new MemoryAuditLog();
  const errors: string[] = [];
  const log: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (message) => void errors.push(message),
    with: () => log,
  };
  let now = 1_000_000;
  const auditor = new Auditor({ trail, log, now: () => now, ...(keepMs === undefined ? {} : { keepMs }) });
  const pass = (ms: number) => void (now += ms);
  const events = () => trail.read({ limit: 10_000 }).toReversed().map(({ event }) => event);
  return { trail, errors, auditor, pass, events };
}

test("start and stop are recorded, with what was done between", () => {
  const { auditor, events, trail } = fixture();
  auditor.start("1.0.0");
  auditor.record({ action: "request", actor: "user ada", target: "PUT /rules/r1", status: 200 });
  auditor.stop("SIGTERM");
  assert.deepEqual(events().map(({ action, actor, subject, reason }) => [action, actor, subject, reason]), [
    ["start", "", "weir 1.0.0", ""],
    ["request", "user ada", "", ""],
    ["stop", "", "", "SIGTERM"],
  ]);
  assert.equal(auditor.written, 3);
  assert.ok(verify(trail).intact);
});

test("refusals are recorded once, and counted until the end", () => {
  const { auditor, events } = fixture();
  for (let n = 0; n < 100_000; n++) {
    auditor.refuse({ action: "refused", address: "192.0.2.1", target: `GET /x${n}`, status: 401, reason: "wrong" });
  }
  auditor.refuse({ action: "refused", address: "192.0.2.2", status: 401 });
  assert.equal(events().length, 2);
  auditor.stop("request");
  const [first, second, rest] = events();
  assert.deepEqual([first!.count, first!.outcome, first!.target], [1, "refused", "GET /x0"]);
  assert.equal(second!.address, "192.0.2.2");
  assert.deepEqual([rest!.count, rest!.address], [99_999, "192.0.2.1"]);
});

test("refusals of very many addresses take few entries", () => {
  const { auditor, events } = fixture();
  for (let n = 0; n < 20_000; n++) auditor.refuse({ action: "refused", address: `2001:db8::${n}`, status: 401 });
  auditor.stop("request");
  assert.equal(events().length, 1000 + 1 + 2);
  assert.equal(events().reduce((sum, { action, count }) => sum + (action === "refused" ? count : 0), 0), 20_000);
});

/** Refusals of a day: each minute come new addresses, and all of them come again. */
function floodOfADay({ auditor, pass }: Pick<ReturnType<typeof fixture>, "auditor" | "pass">): number {
  let sent = 0;
  for (let minute = 0; minute < 24 * 60; minute++) {
    for (let n = 0; n < 200; n++) {
      for (const address of [`2001:db8:${minute}::${n}`, `2001:db8:${minute - 1}::${n}`]) {
        auditor.refuse({ action: "refused", address, status: 401 });
        sent++;
      }
    }
    pass(60_000);
  }
  return sent;
}

test("a day of refusals of ever new addresses takes few entries, and hides none of a known account", () => {
  const { auditor, pass, events, trail } = fixture();
  const sent = floodOfADay({ auditor, pass });
  auditor.refuse({ action: "refused", actor: "user eve", address: "192.0.2.1", status: 403, reason: "role" });
  auditor.stop("request");
  const refused = events().filter(({ action }) => action === "refused");
  // The allowance at once, one a minute, and one a minute for all others.
  assert.ok(refused.length < 1000 + 2 * 24 * 60 + 1000, String(refused.length));
  assert.equal(refused.reduce((sum, { count }) => sum + count, 0), sent + 1, "each is counted");
  assert.deepEqual(refused.filter(({ actor }) => actor !== "").map(({ actor, reason }) => [actor, reason]), [
    ["user eve", "role"],
  ]);
  assert.ok(verify(trail).intact);
});

test("a refusal that goes on is written once a minute with how many there were", () => {
  const { auditor, pass, events } = fixture();
  for (let second = 0; second < 180; second++) {
    auditor.refuse({ action: "refused", address: "192.0.2.1", status: 401 });
    pass(1000);
  }
  assert.deepEqual(events().map(({ count }) => count), [1, 59, 60]);
  auditor.stop("request");
  assert.deepEqual(events().map(({ count }) => count), [1, 59, 60, 60, 1]);
});

test("texts from outside are bounded, and stay on their line", () => {
  const { auditor, events } = fixture();
  auditor.record({ action: "request", actor: "a".repeat(10_000), reason: "x\n2030 admin did it\u001b[2J".repeat(100) });
  const [event] = events();
  assert.equal(event!.actor.length, 256);
  assert.equal(event!.reason.length, reasonLengthMax);
  // deno-lint-ignore no-control-regex -- they are what must not be there.
  assert.doesNotMatch(event!.reason, /[\u0000-\u001f]/);
});

test("what cannot be written is counted, told once, and fails nothing", () => {
  const { auditor, trail, errors, pass } = fixture();
  const append = trail.append.bind(trail);
  trail.append = () => {
    throw new Error("the disk is full");
  };
  for (let n = 0; n < 5; n++) auditor.record({ action: "request" });
  assert.deepEqual([auditor.failed, auditor.isFailing, errors.length], [5, true, 1]);
  pass(60_000);
  auditor.record({ action: "request" });
  assert.equal(errors.length, 2);
  trail.append = append;
  auditor.record({ action: "request" });
  assert.deepEqual([auditor.failed, auditor.isFailing], [6, false]);
});

test("entries that are older than is to be kept are removed at the start", () => {
  const { auditor, pass, events, trail } = fixture(3_600_000);
  auditor.record({ action: "request", subject: "old" });
  pass(3_600_001);
  auditor.record({ action: "request", subject: "new" });
  auditor.start("1.0.0");
  assert.deepEqual(events().map(({ action, subject }) => action === "request" ? subject : action), [
    "new",
    "prune",
    "start",
  ]);
  assert.ok(verify(trail).intact);
  auditor.stop("request");
});
