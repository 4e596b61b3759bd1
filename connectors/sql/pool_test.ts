import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../tests/eventually.ts";
import { HandClock, settled } from "../../tests/hand_clock.ts";
import { SessionPool } from "./pool.ts";
import { type Found, type Session, SqlError } from "./session.ts";

const options = { rowsMax: 1 };

/** A session whose statements end when the test says so. */
class HandSession implements Session {
  isOpen = true;
  readonly runs: PromiseWithResolvers<Found>[] = [];
  destroyed = 0;
  closed = 0;

  run(): Promise<Found> {
    const run = Promise.withResolvers<Found>();
    this.runs.push(run);
    return run.promise;
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }

  destroy(): void {
    this.isOpen = false;
    this.destroyed++;
    for (const { reject } of this.runs) reject(new SqlError("disconnected", "destroyed"));
  }
}

/** A pool whose attempts to connect the test answers. */
function openPool(sessionsMax = 2) {
  const clock = new HandClock();
  const states: string[] = [];
  const attempts: (PromiseWithResolvers<HandSession> & { readonly signal: AbortSignal; lose(reason: string): void })[] =
    [];
  const pool = new SessionPool({
    connect: (signal, lose) => {
      const attempt = { ...Promise.withResolvers<HandSession>(), signal, lose };
      signal.addEventListener("abort", () => attempt.reject(signal.reason), { once: true });
      attempts.push(attempt);
      return attempt.promise;
    },
    sessionsMax,
    connectTimeoutMs: 1000,
    queryTimeoutMs: 500,
  }, { clock, status: (state, message) => void states.push(message === undefined ? state : `${state}: ${message}`) });
  const connected = async (at = attempts.length - 1) => {
    const session = new HandSession();
    attempts[at]!.resolve(session);
    await settled();
    return session;
  };
  return { clock, states, attempts, pool, connected };
}

const { signal } = new AbortController();

test("a pool connects by itself, and others wait for that instead of connecting as well", async () => {
  const { pool, attempts, states, connected } = openPool();
  const used = pool.use(signal, (session) => Promise.resolve(session.isOpen));
  await settled();
  assert.equal(attempts.length, 1);
  await connected();
  assert.equal(await used, true);
  assert.deepEqual(states, ["connecting", "connected"]);
  await pool.close();
});

test("a session is lent to one at a time, and no more are opened than there may be", async () => {
  const { pool, attempts, connected } = openPool(2);
  const order: string[] = [];
  const gates = ["a", "b", "c"].map(() => Promise.withResolvers<void>());
  const uses = ["a", "b", "c"].map((name, i) =>
    pool.use(signal, async () => {
      order.push(`${name} begins`);
      await gates[i]!.promise;
      order.push(`${name} ends`);
    })
  );
  await settled();
  await connected(0);
  await settled();
  assert.equal(attempts.length, 2);
  await connected(1);
  assert.deepEqual(order.toSorted(), ["a begins", "b begins"]);
  gates[0]!.resolve();
  gates[1]!.resolve();
  gates[2]!.resolve();
  await Promise.all(uses);
  assert.equal(attempts.length, 2);
  assert.equal(order.at(-1), "c ends");
  await pool.close();
});

test("whoever waits for a turn and gives up leaves the turn to others", async () => {
  const { pool, connected } = openPool(1);
  await connected(0);
  const gate = Promise.withResolvers<void>();
  const first = pool.use(signal, () => gate.promise);
  const abort = new AbortController();
  const reason = new Error("enough");
  const second = pool.use(abort.signal, () => Promise.resolve());
  const third = pool.use(signal, () => Promise.resolve("third"));
  await settled();
  abort.abort(reason);
  await assert.rejects(second, (error) => error === reason);
  gate.resolve();
  await first;
  assert.equal(await third, "third");
  await pool.close();
});

test("a statement that takes too long is given up with its session, which is replaced", async () => {
  const { pool, clock, states, attempts, connected } = openPool(1);
  const session = await connected(0);
  const used = pool.use(signal, (session) => session.run("SELECT 1", [], options));
  used.catch(() => {});
  await settled();
  await clock.advance(500);
  await assert.rejects(used, /has not answered within 500 ms/);
  assert.equal(session.destroyed, 1);
  assert.equal(states.at(-1), "disconnected: The database has not answered within 500 ms");
  await settled();
  assert.equal(attempts.length, 2);
  await connected(1);
  assert.equal(states.at(-1), "connected");
  await pool.close();
});

test("a statement whose user gives up takes its session with it, which is no loss", async () => {
  const { pool, states, connected } = openPool(1);
  const session = await connected(0);
  const abort = new AbortController();
  const reason = new Error("the rule stops");
  const used = pool.use(abort.signal, (session) => session.run("SELECT 1", [], options));
  used.catch(() => {});
  await settled();
  abort.abort(reason);
  await assert.rejects(used, (error) => error === reason);
  assert.equal(session.destroyed, 1);
  assert.equal(states.at(-1), "connected");
  await pool.close();
});

test("a session that the server ends while it rests is replaced without a word", async () => {
  const { pool, states, attempts, connected } = openPool(1);
  await connected(0);
  attempts[0]!.lose("idle for too long");
  await settled();
  assert.equal(attempts.length, 2);
  assert.deepEqual(states, ["connecting", "connected"]);
  attempts[1]!.reject(new SqlError("disconnected", "refused"));
  await settled();
  assert.equal(states.at(-1), "disconnected: refused");
  await pool.close();
});

test("the pauses between attempts grow, and end with the pool", async () => {
  const { pool, clock, attempts } = openPool(1);
  const pauses: number[] = [];
  for (let i = 0; i < 9; i++) {
    attempts.at(-1)!.reject(new SqlError("disconnected", "refused"));
    await settled();
    const before = clock.now();
    const count = attempts.length;
    while (attempts.length === count) {
      await clock.advance(50);
      await settled();
    }
    pauses.push(clock.now() - before);
  }
  assert.deepEqual(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  await pool.close();
  await eventually(() => attempts.at(-1)!.signal.aborted);
});

test("an attempt that takes too long is given up", async () => {
  const { pool, clock, attempts, states } = openPool(1);
  await settled();
  await clock.advance(1000);
  await settled();
  assert.equal(attempts[0]!.signal.aborted, true);
  assert.equal(states.at(-1), "disconnected: The database has not answered within 1000 ms");
  await pool.close();
});

test("closing ends what runs, refuses what comes, and says good-bye to sessions that rest", async () => {
  const { pool, connected, states } = openPool(2);
  const resting = await connected(0);
  const running = pool.use(signal, (session) => session.run("SELECT 1", [], options));
  running.catch(() => {});
  await settled();
  const other = pool.use(signal, () => Promise.resolve());
  await settled();
  const second = await connected(1);
  await other;
  await pool.close();
  await assert.rejects(running, /The connection is closed/);
  assert.deepEqual([resting.destroyed, resting.closed], [1, 0]);
  assert.deepEqual([second.destroyed, second.closed], [0, 1]);
  await assert.rejects(pool.use(signal, () => Promise.resolve()), /The connection is closed/);
  assert.deepEqual(states, ["connecting", "connected"]);
});
