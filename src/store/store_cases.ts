/**
 * What every store must do. Each implementation's test file runs these cases.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "./store.ts";

/** Registers the cases for one kind of store. `make` gives a new, empty one. */
export function storeCases(name: string, make: () => { store: Store; cleanUp(): void }): void {
  function storeTest(title: string, work: (store: Store) => void): void {
    test(`${name}: ${title}`, () => {
      const { store, cleanUp } = make();
      try {
        work(store);
      } finally {
        store.close();
        cleanUp();
      }
    });
  }

  storeTest("get() is undefined for what was never put", (store) => {
    assert.equal(store.get("stream", "demo"), undefined);
    assert.deepEqual(store.list("stream"), []);
    assert.equal(store.delete("stream", "demo"), false);
  });

  storeTest("put() inserts and replaces, delete() says whether there was one", (store) => {
    store.put("stream", "demo", "one");
    store.put("stream", "demo", "two");
    assert.equal(store.get("stream", "demo"), "two");
    assert.equal(store.delete("stream", "demo"), true);
    assert.equal(store.delete("stream", "demo"), false);
    assert.equal(store.get("stream", "demo"), undefined);
  });

  storeTest("kinds are separate name spaces", (store) => {
    store.put("stream", "demo", "a stream");
    store.put("rule", "demo", "a rule");
    assert.equal(store.get("stream", "demo"), "a stream");
    assert.deepEqual(store.list("rule"), [{ name: "demo", text: "a rule" }]);
    store.delete("rule", "demo");
    assert.equal(store.get("stream", "demo"), "a stream");
  });

  storeTest("list() sorts names by their bytes", (store) => {
    const names = ["b", "a", "B", "_", "10", "9", "ä", "\u{1F600}", "\uFFFD"];
    for (const each of names) store.put("source_config", each, each);
    assert.deepEqual(
      store.list("source_config").map((d) => d.name),
      ["10", "9", "B", "_", "a", "b", "ä", "\uFFFD", "\u{1F600}"],
    );
  });

  storeTest("texts come back as they were given", (store) => {
    const text = "SELECT 'it''s' -- \u{1F600}\r\n\ttab";
    store.put("rule", "r", text);
    assert.equal(store.get("rule", "r"), text);
    store.put("rule", "empty", "");
    assert.equal(store.get("rule", "empty"), "");
  });

  storeTest("transaction() keeps everything or, when the work throws, nothing", (store) => {
    store.put("rule", "kept", "before");
    assert.throws(
      () =>
        store.transaction(() => {
          store.put("rule", "kept", "after");
          store.put("rule", "new", "new");
          store.delete("rule", "kept");
          throw new Error("stop");
        }),
      /stop/,
    );
    assert.deepEqual(store.list("rule"), [{ name: "kept", text: "before" }]);
    const result = store.transaction(() => {
      store.put("rule", "new", "new");
      return 7;
    });
    assert.equal(result, 7);
    assert.equal(store.get("rule", "new"), "new");
  });

  storeTest("a failed inner transaction leaves the work of the outer one", (store) => {
    store.transaction(() => {
      store.put("rule", "outer", "1");
      assert.throws(() =>
        store.transaction(() => {
          store.put("rule", "inner", "1");
          throw new Error("inner");
        }), /inner/);
      store.transaction(() => store.put("rule", "second", "1"));
    });
    assert.deepEqual(store.list("rule").map((d) => d.name), ["outer", "second"]);
  });

  storeTest("a failed outer transaction undoes the inner ones that succeeded", (store) => {
    assert.throws(() =>
      store.transaction(() => {
        store.transaction(() => store.put("rule", "inner", "1"));
        throw new Error("outer");
      }), /outer/);
    assert.deepEqual(store.list("rule"), []);
    store.transaction(() => store.put("rule", "again", "1"));
    assert.equal(store.get("rule", "again"), "1");
  });

  storeTest("an asynchronous transaction is refused and undone", (store) => {
    assert.throws(
      () =>
        store.transaction(() => {
          store.put("rule", "r", "1");
          return Promise.resolve();
        }),
      TypeError,
    );
    assert.equal(store.get("rule", "r"), undefined);
  });

  storeTest("close() may be called twice; a closed store refuses work", (store) => {
    store.close();
    store.close();
    assert.throws(() => store.get("rule", "r"), /closed/);
    assert.throws(() => store.put("rule", "r", "1"), /closed/);
    assert.throws(() => store.transaction(() => 1), /closed/);
  });
}
