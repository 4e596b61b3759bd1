import assert from "node:assert/strict";
import { test } from "node:test";
import { maskSecrets, unmaskSecrets } from "./secrets.ts";
import { hidePassword, withPassword } from "./url_password.ts";

const cases: readonly [text: string, hidden: string][] = [
  ["postgres://u:s3cret@db/plant?sslmode=require", "postgres://u:******@db/plant?sslmode=require"],
  ["mysql://u:s3/@:#cret@tcp(db:3306)/plant", "mysql://u:******@tcp(db:3306)/plant"],
  ["u:s3/@cret@tcp(db:3306)/plant", "u:******@tcp(db:3306)/plant"],
  ["postgres://u:s3/@cret@db/plant", "postgres://u:******@db/plant"],
  [
    "postgres://db/plant?user=u&password=s3cret&sslmode=require",
    "postgres://db/plant?user=u&password=******&sslmode=require",
  ],
  ["https://u:s3cret@host:8443/a@b", "https://u:******@host:8443/a@b"],
  ["tcp://u:s3cret@broker:1883", "tcp://u:******@broker:1883"],
];

for (const [text, hidden] of cases) {
  test(`hidePassword() gives ${hidden}, and withPassword() the text again`, () => {
    assert.equal(hidePassword(text), hidden);
    assert.equal(withPassword(hidden, text), text);
  });
}

for (
  const text of ["tcp://broker:1883", "sqlite:/plant.db", "http://h:80/a@b", "a: b@c", "postgres://u@db", "me@x.org"]
) {
  test(`hidePassword() leaves ${text} as it is`, () => assert.equal(hidePassword(text), text));
}

test("withPassword() keeps what has changed otherwise, and knows when there is no password", () => {
  assert.equal(withPassword("postgres://v:******@new/d", "postgres://u:p@old/d"), "postgres://v:p@new/d");
  assert.equal(withPassword("postgres://v:******@new/d", "postgres://old/d"), undefined);
});

test("settings with URLs are hidden and put back, in lists, too", () => {
  const stored = { dburl: "postgres://u:p@db/d", more: { servers: ["tcp://a", "tcp://u:q@b"] } };
  const hidden = { dburl: "postgres://u:******@db/d", more: { servers: ["tcp://a", "tcp://u:******@b"] } };
  assert.deepEqual(maskSecrets(stored), hidden);
  assert.deepEqual(unmaskSecrets(hidden, stored, {}), stored);
  assert.deepEqual(unmaskSecrets({ dburl: hidden.dburl }, {}, stored), {});
  assert.throws(() => unmaskSecrets(hidden, {}, {}), /"dburl" keeps its stored password/);
});
