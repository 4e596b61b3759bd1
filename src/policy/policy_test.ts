import assert from "node:assert/strict";
import { test } from "node:test";
import { Policies, type PolicyText, type Resource } from "./policy.ts";

const ada = { kind: "user", name: "ada", role: "editor" };
const bob = { kind: "user", name: "bob", role: "admin" };

function publish(topic: string, server = "tcp://broker:1883"): Resource {
  return { access: "write", connector: "mqtt", settings: { server, topic }, later: new Set() };
}

function read(stream: string, topic: string | readonly string[]): Resource {
  return { access: "read", connector: "mqtt", stream, settings: { topic }, later: new Set() };
}

function policies(...texts: (Omit<PolicyText, "name"> & { name?: string })[]): Policies {
  return new Policies(texts.map((text, n) => ({ name: `p${n}`, ...text })));
}

test("without policies, or with those of others, everything is allowed", () => {
  assert.equal(policies().refusal(ada, publish("x")), undefined);
  const others = policies({ principals: ["user:bob", "token:*"], allow: { write: [] } });
  assert.equal(others.refusal(ada, publish("x")), undefined);
  assert.match(
    others.refusal(bob, publish("x"))!.message,
    /user bob must not write mqtt \(topic x\): no policy allows/,
  );
});

test("an allow of one access leaves the other open, and refuses what it does not name", () => {
  const own = policies({
    name: "line a",
    principals: ["role:editor"],
    allow: { write: [{ connector: "mqtt", topic: "line-a/#" }, { connector: ["log", "nop"] }] },
  });
  assert.equal(own.refusal(ada, publish("line-a/alerts")), undefined);
  assert.equal(own.refusal(ada, { access: "write", connector: "nop", settings: {}, later: new Set() }), undefined);
  assert.equal(own.refusal(ada, read("demo", "line-b/x")), undefined);
  assert.equal(own.refusal(bob, publish("line-b/alerts")), undefined);
  const refused = own.refusal(ada, publish("line-b/alerts"))!;
  assert.match(refused.message, /user ada must not write mqtt \(topic line-b\/alerts\)/);
  assert.match(refused.hint, /policy line a/);
  const file: Resource = { access: "write", connector: "file", settings: { path: "/etc/x" }, later: new Set() };
  assert.ok(own.refusal(ada, file));
});

test("a deny wins over every allow", () => {
  const both = policies(
    { principals: ["*"], allow: { write: [{ connector: "mqtt" }] } },
    { name: "safety", principals: ["*"], deny: { write: [{ topic: "safety/#" }] } },
  );
  assert.equal(both.refusal(bob, publish("a")), undefined);
  assert.match(both.refusal(bob, publish("safety/stop"))!.message, /policy safety denies it/);
});

test("of several topics all must be allowed, and none denied", () => {
  const allowing = policies({ principals: ["*"], allow: { read: [{ topic: "a/#" }] } });
  assert.equal(allowing.refusal(ada, read("s", ["a/b", "a/+"])), undefined);
  assert.ok(allowing.refusal(ada, read("s", ["a/b", "c"])));
  assert.ok(allowing.refusal(ada, read("s", "#")));
  assert.ok(allowing.refusal(ada, read("s", [])), "nothing known is nothing allowed");
  const denying = policies({ principals: ["*"], deny: { read: [{ topic: "secret/x" }] } });
  assert.ok(denying.refusal(ada, read("s", ["a", "#"])));
  assert.equal(denying.refusal(ada, read("s", "a/#")), undefined);
});

test("settings inside lists are looked at one by one: registers", () => {
  const write: Resource = {
    access: "write",
    connector: "modbus",
    settings: { unit: 3, tags: [{ address: 100 }, { address: 205 }] },
    later: new Set(),
  };
  const of = (range: string) =>
    policies({ principals: ["*"], allow: { write: [{ unit: "1-9", "tags.address": range }] } });
  assert.equal(of("100-300").refusal(ada, write), undefined);
  assert.ok(of("100-199").refusal(ada, write));
  const denied = policies({ principals: ["*"], deny: { write: [{ "tags.Address": "200-299" }] } });
  assert.ok(denied.refusal(ada, write));
});

test("what messages fill in by themselves is left for them to be asked about", () => {
  const own = policies({ principals: ["*"], allow: { write: [{ connector: "mqtt", topic: "a/#" }] } });
  const dynamic = { ...publish("b/{{.id}}"), later: new Set(["topic"]) };
  assert.equal(own.refusal(ada, dynamic), undefined);
  assert.ok(own.refusal(ada, { ...dynamic, connector: "file" }));
  const denied = policies({ principals: ["*"], deny: { write: [{ topic: "b/#" }] } });
  assert.equal(denied.refusal(ada, dynamic), undefined);
});

test("names of settings count in any letter case, those that are not there never fit", () => {
  const own = policies({ principals: ["*"], deny: { write: [{ TOPIC: "a" }, { qos: 1 }] } });
  assert.ok(own.refusal(ada, publish("a")));
  assert.equal(own.refusal(ada, publish("b")), undefined);
});

test("principals: kinds and names with stars, roles, everybody; nothing in a name is a wildcard of its own", () => {
  const asks = (principal: string, actor = ada) =>
    policies({ principals: [principal], allow: { write: [] } }).refusal(actor, publish("x")) !== undefined;
  for (const fits of ["*", "user:*", "user:a*", "user:ada", "role:editor", "role:*"]) assert.ok(asks(fits), fits);
  for (const other of ["user:ad", "token:ada", "role:edit", "user:a.a", "ada"]) assert.ok(!asks(other), other);
  assert.ok(!asks("user:ada", { kind: "jwt", name: "issuer/user:ada", role: "admin" }));
});

test("a refusal shows no password", () => {
  const own = policies({ principals: ["*"], allow: { write: [] } });
  const message = own.refusal(ada, {
    access: "write",
    connector: "rest",
    settings: { url: "http://me:secret@erp/x" },
    later: new Set(),
  })!.message;
  assert.ok(!message.includes("secret"), message);
});
