/**
 * Dead letters over the admin interface and the command line, of rules that run and rules that do not.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeItem } from "../../src/runtime/durable/message_codec.ts";
import { StoreError } from "../../src/store/store_error.ts";
import { MemoryDelivery } from "../../src/store/memory_delivery.ts";
import { weir } from "../cli/fixture.ts";
import { type ProbeWorld, withProbes } from "../probe_world.ts";
import { admin, type Answer } from "./fixture.ts";

const action = "0_probe";

interface World extends ProbeWorld {
  ask(method: string, path: string, body?: unknown): Promise<Answer>;
  cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
}

/** A stopped rule `r` with two actions. */
function withRule(work: (world: World) => Promise<void>, delivery = new MemoryDelivery()): Promise<void> {
  return withProbes(async (world) => {
    const { ask, app } = admin({ deadLetters: world.engine.deadLetters, rules: world.engine.rules });
    const actions = [{ probe: { to: "r", sendSingle: true } }, { probe: { to: "more", sendSingle: true } }];
    await world.create("r", "SELECT a FROM own", { actions, triggered: false });
    await work({
      ...world,
      ask,
      cli: (...args) => weir(args, { fetch: async (url, init) => await app.request(url, init) }),
    });
  }, { delivery });
}

/** Makes dead letters as a sink does that refuses messages for good. */
async function bury(delivery: MemoryDelivery, letters: Record<number, string | Uint8Array>, name = action) {
  const messages = Object.entries(letters).map(([sequence, payload]) => ({
    sequence: Number(sequence),
    payload,
    createdMs: 1000 + Number(sequence),
  }));
  await delivery.commit({ rule: "r", outboxes: [{ action: name, append: messages }] });
  const outbox = delivery.outbox("r", name);
  outbox.take({ rowsMax: 1000, nowMs: 0 });
  const buried = messages.map(({ sequence }) => ({ sequence, reason: `refused ${sequence}`, diedMs: 5000 }));
  await delivery.commit({ rule: "r", outboxes: [{ action: name, buried }] });
}

const sequences = (answer: Answer): number[] =>
  answer.json().letters.map(({ sequence }: { sequence: number }) => sequence);
const path = "/api/v1/rules/r/dead-letters";

test("dead letters are listed with their payloads: text as it is, rows as JSON, other bytes as base64", () =>
  withRule(async ({ ask, delivery }) => {
    await bury(delivery, { 3: '{"a":1}', 5: new Uint8Array([0xff, 0x00]), 6: new TextEncoder().encode("grün") });
    await bury(delivery, { 4: encodeItem([{ a: 1n }]) }, "1_probe");
    const { status, json } = await ask("GET", path);
    assert.equal(status, 200);
    const { letters, ...rest } = json();
    assert.deepEqual(rest, { rule: "r", total: 4, bytes: delivery.outbox("r", "1_probe").counts().deadBytes + 14 });
    assert.deepEqual(letters[0], {
      action,
      sequence: 3,
      id: `${delivery.incarnation("r")}-3`,
      reason: "refused 3",
      attempts: 1,
      created: 1003,
      died: 5000,
      bytes: 7,
      encoding: "text",
      payload: '{"a":1}',
    });
    const brief = letters.map((letter: Record<string, unknown>) => [
      letter.action,
      letter.encoding,
      letter.payload,
    ]);
    assert.deepEqual(brief.slice(1), [
      ["1_probe", "text", '[{"a":1}]'],
      [action, "base64", "/wA="],
      [action, "text", "grün"],
    ]);
  }));

test("dead letters are listed in pages, of all actions or of one in either spelling", () =>
  withRule(async ({ ask, delivery }) => {
    await bury(delivery, { 1: "a", 3: "c", 5: "e" });
    await bury(delivery, { 2: "b", 4: "d" }, "1_probe");
    const first = await ask("GET", `${path}?limit=2`);
    assert.deepEqual([sequences(first), first.json().next, first.json().total], [[1, 2], 2, 5]);
    const last = await ask("GET", `${path}?after=2&limit=3`);
    assert.deepEqual([sequences(last), last.json().next], [[3, 4, 5], undefined]);
    for (const name of ["1_probe", "probe_1", "sink_probe_1"]) {
      const some = await ask("GET", `${path}?action=${name}`);
      assert.deepEqual([sequences(some), some.json().total], [[2, 4], 2], name);
    }
  }));

test("a long payload is cut off in the list, at a whole character, and shown whole by itself", () =>
  withRule(async ({ ask, delivery }) => {
    const text = `x${"ü".repeat(2000)}`;
    await bury(delivery, { 1: text, 2: new Uint8Array(2000).fill(0xfe) });
    const [letter, bytes] = (await ask("GET", path)).json().letters;
    assert.equal(letter.payload, `x${"ü".repeat(511)}`);
    assert.deepEqual([letter.truncated, letter.bytes, bytes.truncated, bytes.encoding], [true, 4001, true, "base64"]);
    const whole = (await ask("GET", `${path}/probe_0/1`)).json();
    assert.deepEqual([whole.payload, whole.truncated], [text, undefined]);
  }));

test("dead letters of a stopped rule are replayed and cleared: some, those of an action, all", () =>
  withRule(async ({ ask, delivery }) => {
    await bury(delivery, { 1: "a", 3: "c", 5: "e", 7: "g" });
    await bury(delivery, { 2: "b", 4: "d" }, "1_probe");
    const replay = await ask("POST", `${path}/replay`, { sequences: [3, 4, 9] });
    assert.deepEqual(replay.json(), { replayed: 2, unknown: [9] });
    assert.deepEqual(sequences(await ask("GET", path)), [1, 2, 5, 7]);
    assert.deepEqual((await ask("DELETE", path, { action: "probe_0", sequences: [5, 2] })).json(), {
      cleared: 1,
      unknown: [2],
    });
    assert.deepEqual((await ask("DELETE", `${path}?action=0_probe&sequences=7`)).json(), { cleared: 1, unknown: [] });
    assert.deepEqual((await ask("DELETE", path, { action: "1_probe" })).json(), { cleared: 1, unknown: [] });
    assert.deepEqual((await ask("POST", `${path}/replay`)).json(), { replayed: 1, unknown: [] });
    assert.deepEqual((await ask("GET", path)).json(), { rule: "r", total: 0, bytes: 0, letters: [] });
    const waiting = [action, "1_probe"].map((name) =>
      delivery.outbox("r", name).take({ rowsMax: 10, nowMs: 0 }).messages.map(({ sequence }) => sequence)
    );
    assert.deepEqual(waiting, [[1, 3], [4]]);
  }));

test("dead letters of a rule without any are none, and nothing is asked of a store that no rule uses", () =>
  withRule(async ({ ask, delivery }) => {
    assert.deepEqual((await ask("GET", path)).json(), { rule: "r", total: 0, bytes: 0, letters: [] });
    assert.deepEqual((await ask("GET", `${path}?action=0_probe`)).json().letters, []);
    assert.deepEqual((await ask("POST", `${path}/replay`)).json(), { replayed: 0, unknown: [] });
    assert.equal(delivery.isInUse(), false);
  }));

test("what cannot be meant is refused, and names what can", () =>
  withRule(async ({ ask, delivery }) => {
    await bury(delivery, { 1: "a" });
    const refused = async (method: string, url: string, body?: unknown) => {
      const answer = await ask(method, url, body);
      const { message, diagnostics } = answer.json();
      return [answer.status, diagnostics[0].code, message, diagnostics[0].hint];
    };
    assert.deepEqual(await refused("GET", "/api/v1/rules/nosuch/dead-letters"), [
      404,
      "E701",
      "dead letters error: Rule nosuch is not found.",
      undefined,
    ]);
    assert.deepEqual(await refused("GET", `${path}?action=0_prbe`), [
      404,
      "E701",
      'dead letters error: Rule r has no action "0_prbe"',
      'did you mean "0_probe"?',
    ]);
    assert.deepEqual((await refused("GET", `${path}?action=7_mqtt`))[3], "it has 0_probe, 1_probe");
    assert.equal((await refused("GET", `${path}/0_probe/2`))[1], "E701");
    for (const url of [`${path}?limit=0`, `${path}?limit=1001`, `${path}?after=x`, `${path}/0_probe/x`]) {
      assert.deepEqual((await refused("GET", url)).slice(0, 2), [400, "E703"], url);
    }
    for (
      const body of [{ sequence: [1] }, { sequences: "1" }, { sequences: [0] }, { sequences: [1.5] }, "{", {
        action: 1,
      }]
    ) {
      assert.deepEqual((await refused("DELETE", path, body)).slice(0, 2), [400, "E703"], JSON.stringify(body));
    }
    assert.equal((await refused("DELETE", `${path}?sequences=1,x`))[1], "E703");
    assert.equal((await refused("DELETE", `${path}?aktion=0_probe`))[1], "E703");
    assert.equal((await ask("GET", path)).json().total, 1, "nothing went");
  }));

test("a store that cannot be written is told, and the dead letters stay", () => {
  class Full extends MemoryDelivery {
    full = false;
    override commit(unit: Parameters<MemoryDelivery["commit"]>[0]) {
      if (!this.full) return super.commit(unit);
      return Promise.reject(new StoreError("commit to the store", Object.assign(new Error("full"), { errcode: 13 })));
    }
  }
  const delivery = new Full();
  return withRule(async ({ ask }) => {
    await bury(delivery, { 1: "a" });
    delivery.full = true;
    const { status, json } = await ask("DELETE", path);
    assert.deepEqual([status, json().error, json().diagnostics[0].code], [400, 1003, "E604"]);
    assert.equal((await ask("GET", path)).json().total, 1);
    delivery.full = false;
  }, delivery);
});

test("weir rule dead-letters lists, shows, replays and clears", () =>
  withRule(async ({ cli, delivery }) => {
    assert.equal((await cli("rule", "dead-letters", "r")).stdout, "No dead letters are found.\n");
    await bury(delivery, { 1: "a", 3: "c\nd", 5: "e" });
    await bury(delivery, { 2: "b" }, "1_probe");
    const list = await cli("rule", "dead-letters", "r", "ls");
    assert.equal(list.code, 0, list.stderr);
    assert.equal(
      list.stdout,
      "SEQUENCE  ACTION   DIED                      ATTEMPTS  BYTES  REASON\n" +
        "1         0_probe  1970-01-01T00:00:05.000Z  1         1      refused 1\n" +
        "2         1_probe  1970-01-01T00:00:05.000Z  1         1      refused 2\n" +
        "3         0_probe  1970-01-01T00:00:05.000Z  1         3      refused 3\n" +
        "5         0_probe  1970-01-01T00:00:05.000Z  1         1      refused 5\n",
    );
    const page = await cli("rule", "dead-letters", "r", "--limit", "1", "--action", "probe_0", "--after", "1");
    assert.match(page.stdout, /\n3 /);
    assert.equal(page.stderr, "1 of 3; for more: --after 3\n");
    const show = await cli("rule", "dead-letters", "r", "show", "--sequence", "3");
    assert.match(show.stdout, /^action: 0_probe\nsequence: 3\n[^]*reason: refused 3\n[^]*\n\nc\nd\n$/);
    assert.deepEqual(await cli("rule", "dead-letters", "r", "replay", "--sequence", "3", "--sequence", "2"), {
      code: 0,
      stdout: "2 dead letters put back to be sent.\n",
      stderr: "",
    });
    assert.deepEqual(await cli("rule", "dead-letters", "r", "clear", "--sequence", "3", "--sequence", "5"), {
      code: 1,
      stdout: "1 dead letter thrown away.\n",
      stderr: "weir: no dead letters: 3\n",
    });
    assert.equal((await cli("rule", "dead-letters", "r", "clear", "--json")).stdout, '{"cleared":1,"unknown":[]}\n');
  }));

test("weir rule dead-letters says what is wrong", () =>
  withRule(async ({ cli, delivery }) => {
    await bury(delivery, { 1: "a" });
    const wrong: [string[], number, RegExp][] = [
      [[], 2, /the id of the rule is missing/],
      [["r", "shwo"], 2, /unknown action "shwo", did you mean "show"/],
      [["r", "show"], 2, /one --sequence N/],
      [["r", "show", "--sequence", "x"], 2, /--sequence must be a whole number/],
      [["r", "ls", "--sequence", "1"], 2, /--sequence is for show/],
      [["r", "show", "--sequence", "7"], 1, /there is no dead letter 7/],
      [["r", "clear", "--action", "0_prbe"], 1, /did you mean "0_probe"/],
      [["nosuch"], 1, /Rule nosuch is not found/],
    ];
    for (const [args, code, message] of wrong) {
      const outcome = await cli("rule", "dead-letters", ...args);
      assert.equal(outcome.code, code, args.join(" "));
      assert.match(outcome.stderr, message);
    }
    assert.equal(delivery.outbox("r", action).counts().deadRows, 1);
  }));
