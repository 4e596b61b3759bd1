import assert from "node:assert/strict";
import { test } from "node:test";
import { maskRule, unmaskRule } from "./rule_secrets.ts";

const mqtt = (server: string, password: string) => ({ mqtt: { server, password, topic: "t" } });
const rule = (...actions: unknown[]) => JSON.stringify({ id: "r", sql: "SELECT a FROM s", actions });

test("maskRule() hides passwords, and leaves a text without any as it was given", () => {
  assert.equal(maskRule(rule(mqtt("a", "p"), { log: {} })), rule(mqtt("a", "******"), { log: {} }));
  const plain = '{ "id": "r",\n "actions": [{"log": {}}] }';
  assert.equal(maskRule(plain), plain);
  assert.equal(maskRule(rule(mqtt("a", ""))), rule(mqtt("a", "")));
  assert.equal(maskRule("not JSON"), "not JSON");
});

test("unmaskRule() gives back what maskRule() hid", () => {
  const stored = rule(mqtt("a", "p1"), { log: {} }, mqtt("b", "p2"));
  assert.equal(unmaskRule(maskRule(stored), stored), stored);
  assert.equal(unmaskRule(rule(mqtt("a", "new")), stored), rule(mqtt("a", "new")));
});

test("unmaskRule() finds an action that moved when it is the only one of its type", () => {
  const stored = rule({ log: {} }, mqtt("a", "p"));
  assert.equal(unmaskRule(rule(mqtt("a", "******")), stored), rule(mqtt("a", "p")));
  const two = rule({ log: {} }, mqtt("a", "p1"), mqtt("b", "p2"));
  assert.throws(() => unmaskRule(rule(mqtt("a", "******")), two), /E403: "actions\.0\.mqtt\.password" is \*{6}/);
});

test("unmaskRule() refuses what was never stored", () => {
  assert.throws(() => unmaskRule(rule(mqtt("a", "******")), undefined), /E403: .*there is none/);
  assert.throws(() => unmaskRule(rule(mqtt("a", "******")), rule({ log: {} })), /E403/);
  assert.equal(unmaskRule("not JSON ******", undefined), "not JSON ******");
});

test("unmaskRule() gives the nodes of a graph their passwords back, but no node of another type", () => {
  const graph = (nodeType: string, password: string) =>
    JSON.stringify({ id: "r", graph: { nodes: { out: { type: "sink", nodeType, props: { topic: "t", password } } } } });
  const stored = graph("mqtt", "p");
  assert.equal(maskRule(stored), graph("mqtt", "******"));
  assert.equal(unmaskRule(graph("mqtt", "******"), stored), stored);
  assert.throws(() => unmaskRule(graph("rest", "******"), stored), /E403: "graph\.nodes\.out\.props\.password"/);
  assert.throws(() => unmaskRule(graph("mqtt", "******"), rule({ log: {} })), /E403/);
});

test("maskRule() hides what asks for a token, which unmaskRule() gives back", () => {
  const rest = (body: string, token: string) =>
    rule({
      rest: {
        url: "http://a",
        body: "seen",
        headers: { Authorization: token },
        oAuth: { access: { url: "http://a", body, expire: "3600" }, refresh: { body, headers: { token } } },
      },
    });
  const stored = rest('{"password": "p"}', "Bearer x");
  assert.equal(maskRule(stored), rest("******", "******"));
  assert.equal(unmaskRule(maskRule(stored), stored), stored);
});
