import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { connectors } from "../../connectors/mod.ts";
import { type ConnectorEntry, ConnectorList, ConnectorNotLoaded, entryOf } from "./connector_list.ts";
import { type Connector, defineConnector } from "./declare.ts";

function connector(name: string): Connector {
  return defineConnector({
    name,
    status: "stable",
    summary: "S.",
    sink: {
      summary: "S.",
      delivery: "at-most-once",
      accepts: "rows",
      settings: v.strictObject({}),
      open: () => Promise.reject(new Error("not opened here")),
    },
    examples: [],
  });
}

/** An entry, and how often it was loaded. */
function counted(name: string): ConnectorEntry & { loads: number } {
  const entry = { ...entryOf(connector(name)), loads: 0, load: () => Promise.resolve(connector(name)) };
  entry.load = () => {
    entry.loads++;
    return Promise.resolve(connector(name));
  };
  return entry;
}

test("the list of connectors says of each the roles that its declaration has", async () => {
  for (const { name, roles, load } of connectors) {
    const declared = entryOf(await load());
    assert.deepEqual({ name, roles: [...roles].sort() }, { name: declared.name, roles: [...declared.roles].sort() });
  }
  const names = connectors.map(({ name }) => name);
  assert.deepEqual(names, names.toSorted());
});

test("names and roles are known without loading", () => {
  const [a, b] = [counted("a"), counted("b")];
  const list = new ConnectorList([a, b]);
  assert.deepEqual([list.names(), list.names("sink"), list.names("source")], [["a", "b"], ["a", "b"], []]);
  assert.deepEqual([list.has("a", "sink"), list.has("a", "source"), list.has("c", "sink")], [true, false, false]);
  assert.equal(list.find("a", "source"), undefined);
  assert.equal(list.find("c", "sink"), undefined);
  assert.throws(() => list.find("a", "sink"), ConnectorNotLoaded);
  assert.deepEqual([a.loads, b.loads, list.loadedNames], [0, 0, []]);
});

test("work is run again for each declaration that it asks for, and each is loaded once", async () => {
  const [a, b, c] = [counted("a"), counted("b"), counted("c")];
  const list = new ConnectorList([a, b, c]);
  let runs = 0;
  const work = () => {
    runs++;
    return [list.find("b", "sink")?.name, list.find("a", "sink")?.name];
  };
  assert.deepEqual(await list.loading(work), ["b", "a"]);
  assert.equal(runs, 3);
  assert.deepEqual(await list.loading(work), ["b", "a"]);
  assert.deepEqual([runs, a.loads, b.loads, c.loads], [4, 1, 1, 0]);
  assert.deepEqual(list.loadedNames, ["a", "b"]);
  await list.load(["a", "unknown"]);
  assert.equal(a.loads, 1);
});

test("what else work throws, and what a load throws, comes out", async () => {
  const list = new ConnectorList([{ ...counted("a"), load: () => Promise.reject(new Error("no such file")) }]);
  await assert.rejects(list.loading(() => list.find("a", "sink")), /no such file/);
  await assert.rejects(
    list.loading(() => {
      throw new TypeError("wrong");
    }),
    TypeError,
  );
});

test("declarations are there from the start, also in a list with one more", async () => {
  const a = counted("a");
  const list = new ConnectorList([a, connector("b")]);
  const more = list.with(connector("c"));
  assert.deepEqual([more.names(), more.find("b", "sink")?.name, more.find("c", "sink")?.name], [
    ["a", "b", "c"],
    "b",
    "c",
  ]);
  assert.equal(list.has("c", "sink"), false);
  assert.throws(() => more.find("a", "sink"), ConnectorNotLoaded);
  await list.load(["a"]);
  assert.equal(list.with(connector("c")).find("a", "sink")?.name, "a");
  assert.deepEqual((await more.all()).map(({ name }) => name), ["a", "b", "c"]);
});
