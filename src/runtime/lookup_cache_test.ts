import assert from "node:assert/strict";
import { test } from "node:test";
import { lookupKey } from "../connector/lookup_key.ts";
import { LookupCache } from "./lookup_cache.ts";

const key = (...values: (string | number | bigint)[]) => lookupKey(values)!;

test("a lookup cache gives back what it was given, by value, and counts", () => {
  const cache = new LookupCache({ ttlMs: 0, missingKeys: false });
  const section = cache.section(["id"], "all");
  assert.equal(section.get(key(1), 0), undefined);
  const rows = [{ id: 1 }];
  assert.equal(section.put(key(1), rows, 0), rows);
  assert.equal(section.get(key(1n), 1e12), rows);
  assert.equal(section.get(key("1"), 1e12), undefined);
  assert.deepEqual([cache.hits, cache.misses, cache.rows], [1, 2, 1]);
});

test("a lookup cache keeps ways to ask apart, and knows one again", () => {
  const cache = new LookupCache({ ttlMs: 0, missingKeys: false });
  cache.section(["a", "b"], ["x", "y"]).put(key(1, 2), [{ x: 1 }], 0);
  assert.equal(cache.section(["a", "b"], ["y", "x"]).get(key(1, 2), 0)?.length, 1);
  assert.equal(cache.section(["b", "a"], ["x", "y"]).get(key(1, 2), 0), undefined);
  assert.equal(cache.section(["a", "b"], ["x"]).get(key(1, 2), 0), undefined);
  assert.equal(cache.section(["a", "b"], "all").get(key(1, 2), 0), undefined);
});

test("a lookup cache forgets after its time, or when the clock was set back", () => {
  const cache = new LookupCache({ ttlMs: 1000, missingKeys: false });
  const section = cache.section(["id"], "all");
  section.put(key(1), [{}], 5000);
  assert.ok(section.get(key(1), 5999));
  assert.equal(section.get(key(1), 6000), undefined);
  assert.equal(cache.rows, 0);
  section.put(key(1), [{}], 6000);
  assert.equal(section.get(key(1), 5000), undefined);
});

test("a lookup cache keeps that there is nothing only when it is told to", () => {
  const forgetful = new LookupCache({ ttlMs: 0, missingKeys: false }).section(["id"], "all");
  assert.deepEqual(forgetful.put(key(1), [], 0), []);
  assert.equal(forgetful.get(key(1), 0), undefined);
  const cache = new LookupCache({ ttlMs: 0, missingKeys: true });
  const section = cache.section(["id"], "all");
  section.put(key(1), [], 0);
  assert.deepEqual(section.get(key(1), 0), []);
  assert.equal(cache.rows, 1);
  // A newer answer takes the place of the one before.
  section.put(key(1), [{}, {}], 0);
  assert.equal(cache.rows, 2);
});

test("a lookup cache keeps so many rows, those that were asked for last", () => {
  const cache = new LookupCache({ ttlMs: 0, missingKeys: true }, 4);
  const [byId, byKind] = [cache.section(["id"], "all"), cache.section(["kind"], "all")];
  byId.put(key(1), [{}], 0);
  byKind.put(key("a"), [{}, {}], 0);
  byId.put(key(2), [], 0);
  assert.equal(cache.rows, 4);
  byId.get(key(1), 0);
  byId.put(key(3), [{}], 0);
  assert.equal(byKind.get(key("a"), 0), undefined);
  assert.deepEqual([1, 2, 3].map((id) => byId.get(key(id), 0)?.length), [1, 0, 1]);
  // An answer larger than the cache is not kept, and drives nothing out.
  byKind.put(key("b"), [{}, {}, {}, {}, {}], 0);
  assert.equal(byKind.get(key("b"), 0), undefined);
  assert.equal(cache.rows, 3);
});
