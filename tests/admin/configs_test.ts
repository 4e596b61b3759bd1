import assert from "node:assert/strict";
import { test } from "node:test";
import { admin } from "./fixture.ts";

test("confKeys are put, shown with hidden secrets and deleted", async () => {
  const { ask } = admin();
  const put = await ask("PUT", "/metadata/sources/mqtt/confKeys/mine", { server: "tcp://a:1883", password: "p" });
  assert.equal(put.status, 200);
  assert.equal(put.text, "");
  assert.deepEqual((await ask("GET", "/metadata/sources/yaml/mqtt")).json(), {
    default: { server: "tcp://127.0.0.1:1883", password: "******" },
    mine: { server: "tcp://a:1883", password: "******" },
  });
  const again = { server: "tcp://b:1883", password: "******" };
  assert.equal((await ask("PUT", "/metadata/sources/mqtt/confKeys/mine", again)).status, 200);
  assert.equal((await ask("DELETE", "/metadata/sources/mqtt/confKeys/mine")).status, 200);
  assert.equal((await ask("DELETE", "/metadata/sources/mqtt/confKeys/default")).status, 200);
  assert.deepEqual(Object.keys((await ask("GET", "/metadata/sources/yaml/mqtt")).json()), ["default"]);
  assert.deepEqual((await ask("GET", "/metadata/sinks/yaml/log")).json(), {});
  assert.deepEqual((await ask("GET", "/metadata/connections/yaml/mqtt")).json(), {
    plant: { server: "tcp://plant:1883" },
  });
});

test("bad confKeys are 400 with code 5000, bad names with 1000", async () => {
  const { ask } = admin();
  for (
    const [path, body] of [["mqtt/confKeys/k", "{"], ["mqtt/confKeys/k", "[]"], ["mqqt/confKeys/k", "{}"]] as const
  ) {
    const answer = await ask("PUT", `/metadata/sources/${path}`, body);
    assert.equal(answer.status, 400);
    assert.equal(answer.json().error, 5000, answer.text);
  }
  const badName = await ask("PUT", "/metadata/sources/mqtt/confKeys/a%20b", "{}");
  assert.equal(badName.json().error, 1000);
  assert.match(badName.json().message, /invalid characters/);
});

test("connections are created, shown, changed and dropped", async () => {
  const { ask } = admin();
  const c1 = { id: "c1", typ: "mqtt", props: { server: "tcp://a:1883", password: "p" } };
  const created = await ask("POST", "/connections", c1);
  assert.equal(created.status, 201);
  assert.equal(created.text, "success");
  const again = await ask("POST", "/connections", c1);
  assert.equal(again.status, 400);
  assert.equal(again.json().message, "create connection failed: connection c1 already been created");
  assert.deepEqual((await ask("GET", "/connections/c1")).json(), {
    id: "c1",
    typ: "mqtt",
    props: { server: "tcp://a:1883", password: "******" },
    isNamed: true,
    status: "disconnected",
  });
  assert.deepEqual((await ask("GET", "/connections")).json().map((each: { id: string }) => each.id), ["c1", "plant"]);
  assert.equal((await ask("PUT", "/connections/c1", { ...c1, props: { server: "tcp://b" } })).text, "success");
  assert.equal((await ask("DELETE", "/connections/c1")).text, "success");
  const missing = await ask("GET", "/connections/c1");
  assert.equal(missing.status, 400);
  assert.equal(missing.json().error, 1000);
  assert.equal(missing.json().message, "connection c1 not existed");
});

test("a connection that rules use cannot be changed or dropped; its state is shown", async () => {
  const changes: string[] = [];
  const open = { state: "connected", refCount: 1 } as const;
  const { ask } = admin({
    live: {
      status: (id) => id === "plant" ? { state: "disconnected", error: "refused", refCount: 2 } : undefined,
      usersOf: (id) => id === "plant" ? ["r1", "r2"] : [],
      changed: (id) => void changes.push(id),
      anonymous: () => [{ id: "r3_source", type: "mqtt", settings: { token: "t" }, status: open }],
    },
  });
  const dropped = await ask("DELETE", "/connections/plant");
  assert.equal(dropped.status, 400);
  assert.equal(
    dropped.json().message,
    "drop connection failed: connection plant can't be dropped due to rule references [r1 r2]",
  );
  assert.equal((await ask("PUT", "/connections/plant", { typ: "mqtt", props: {} })).status, 400);
  const shown = (await ask("GET", "/connections/plant")).json();
  assert.equal(shown.err, "refused");
  assert.equal(shown.refCount, 2);
  const all = (await ask("GET", "/connections?forceAll=true")).json();
  assert.deepEqual(all[1], {
    id: "r3_source",
    typ: "mqtt",
    props: { token: "******" },
    isNamed: false,
    status: "connected",
    refCount: 1,
  });
  await ask("POST", "/connections", { id: "c2", typ: "mqtt", props: {} });
  assert.deepEqual(changes, ["c2"]);
  const unknown = await ask("POST", "/connections", { id: "c3", typ: "mqqt", props: {} });
  assert.equal(unknown.status, 400);
  assert.equal(unknown.json().error, 1000);
});
