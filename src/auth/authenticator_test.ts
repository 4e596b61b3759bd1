import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MemoryStore } from "../store/memory.ts";
import { Accounts, generatePassword } from "./accounts.ts";
import { type Answer, Authenticator, type AuthRules } from "./authenticator.ts";
import { hashSecret, isSecretOf } from "./secret_hash.ts";

const here = "127.0.0.1";
const there = "192.0.2.7";

function setUp(rules: Partial<AuthRules> = {}) {
  const time = { now: 1_800_000_000_000 };
  const store = new MemoryStore();
  const accounts = new Accounts(store, () => time.now);
  const authenticator = new Authenticator(accounts, { mode: "auto", ...rules }, () => time.now);
  const ask = (authorization?: string, address = here) => authenticator.identify({ authorization, address });
  return { accounts, authenticator, ask, time, store };
}

function who(answer: Answer): string {
  return "principal" in answer
    ? `${answer.principal.kind} ${answer.principal.name} ${answer.principal.role}`
    : answer.refused;
}

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
}

test("a fresh agent lets in whoever is on its machine, and nobody else", async () => {
  const { ask, accounts } = setUp();
  assert.equal(who(await ask()), "local local admin");
  assert.equal(who(await ask(undefined, "::1")), "local local admin");
  assert.equal(who(await ask(undefined, "::ffff:127.0.0.1")), "local local admin");
  assert.equal(who(await ask(undefined, there)), "missing");
  assert.equal(who(await ask(undefined, "")), "missing");
  assert.equal(who(await setUp({ checksCertificates: true }).ask(undefined, there)), "local local admin");
  assert.equal(who(await ask("Bearer weir_x_y")), "wrong", "a wrong credential is not overlooked");
  await accounts.addUser("ada", "admin", "correct horse battery");
  assert.equal(who(await ask()), "missing", "there is an account now");
});

test("required wants a credential from the beginning, off from nobody", async () => {
  assert.equal(who(await setUp({ mode: "required" }).ask()), "missing");
  assert.equal(who(await setUp({ mode: "off" }).ask(undefined, there)), "local anonymous admin");
});

test("users log in with their passwords, in whatever form a keyboard composes them", async () => {
  const { ask, accounts } = setUp();
  await accounts.addUser("ada", "admin", "pässword that is long");
  await accounts.addUser("bob", "viewer", "another one that is long");
  assert.equal(who(await ask(basic("ada", "pässword that is long"), there)), "user ada admin");
  assert.equal(who(await ask(basic("bob", "another one that is long"))), "user bob viewer");
  for (const bad of [basic("ada", "wrong"), basic("eve", "x"), "Basic", "Basic !!!", basic("ada", ""), "Basic YWRh"]) {
    assert.equal(who(await ask(bad, bad)), "wrong", bad);
  }
  await accounts.setPassword("bob", "the third one that is long");
  assert.equal(who(await ask(basic("bob", "another one that is long"))), "wrong", "what was right is forgotten");
  accounts.remove("user", "bob");
  assert.equal(who(await ask(basic("bob", "the third one that is long"))), "wrong");
});

test("tokens let in until they expire", async () => {
  const { ask, accounts, time } = setUp();
  await accounts.addUser("ada", "admin", generatePassword());
  const { token } = await accounts.addToken("grafana", "viewer", time.now + 60_000);
  assert.match(token, /^weir_grafana_[\w-]{43}$/);
  assert.equal(who(await ask(`Bearer ${token}`)), "token grafana viewer");
  assert.equal(who(await ask(token)), "token grafana viewer", "without Bearer, as eKuiper's clients send it");
  assert.equal(
    who(await ask(`Bearer ${token.slice(0, -1)}A`, "a")),
    token.endsWith("A") ? "token grafana viewer" : "wrong",
  );
  time.now += 10 * 60_000;
  assert.equal(who(await ask(`Bearer ${token}`)), "wrong");
});

test("the admin token of the configuration is an admin's", async () => {
  const { ask } = setUp({ adminToken: "from-a-secret" });
  assert.equal(who(await ask("Bearer from-a-secret", there)), "token admin-token admin");
  assert.equal(who(await ask()), "missing", "there is a credential");
  assert.equal(who(await ask("Bearer from-a-secre", there)), "wrong");
});

test("accounts are never left without an admin", async () => {
  const { accounts } = setUp();
  await assert.rejects(accounts.addUser("bob", "viewer", generatePassword()), /E705/);
  await assert.rejects(accounts.addToken("t", "admin", 1_900_000_000_000), /E705/);
  await accounts.addUser("ada", "admin", generatePassword());
  await accounts.addUser("bob", "operator", generatePassword());
  assert.throws(() => accounts.remove("user", "ada"), /E705.*last admin/);
  assert.throws(() => accounts.setRole("user", "ada", "editor"), /E705/);
  accounts.setRole("user", "bob", "admin");
  accounts.remove("user", "ada");
  accounts.remove("user", "bob");
  assert.ok(accounts.isEmpty, "the last account of all may go");
});

test("names, roles and passwords that cannot be are refused", async () => {
  const { accounts, time } = setUp();
  await assert.rejects(accounts.addUser("", "admin", generatePassword()), /E704/);
  await assert.rejects(accounts.addUser("a:b", "admin", generatePassword()), /E704/);
  await assert.rejects(accounts.addUser("ada", "root", generatePassword()), /E703.*"root"/);
  await assert.rejects(accounts.addUser("ada", "admin", "short"), /E703.*12 characters/);
  await accounts.addUser("ada", "admin", generatePassword());
  await assert.rejects(accounts.addUser("ada", "admin", generatePassword()), /E702/);
  await assert.rejects(accounts.addToken("t", "viewer", time.now), /E703/);
  await assert.rejects(accounts.setPassword("eve", generatePassword()), /E701/);
});

test("an address that guesses waits longer each time; others do not", async () => {
  const { ask, accounts, time } = setUp();
  const password = generatePassword();
  await accounts.addUser("ada", "admin", password);
  for (let i = 0; i < 10; i++) assert.equal(who(await ask("Bearer weir_guess", there)), "wrong");
  const locked = await ask(basic("ada", password), there);
  assert.equal(who(locked), "locked");
  assert.equal("retryAfterSeconds" in locked && locked.retryAfterSeconds, 30);
  assert.equal(who(await ask(basic("ada", password), here)), "user ada admin");
  time.now += 30_001;
  assert.equal(who(await ask("Bearer weir_guess", there)), "wrong");
  const again = await ask(basic("ada", password), there);
  assert.equal("retryAfterSeconds" in again && again.retryAfterSeconds, 60);
  time.now += 60_001;
  assert.equal(who(await ask(basic("ada", password), there)), "user ada admin");
  assert.equal(who(await ask("Bearer weir_guess", there)), "wrong", "begins anew");
  assert.equal(who(await ask(basic("ada", password), there)), "user ada admin");
});

test("all addresses of one network of IPv6 count as one, and so does IPv4 in IPv6", async () => {
  const { ask } = setUp({ mode: "required" });
  for (let i = 0; i < 10; i++) assert.equal(who(await ask("Bearer weir_guess", `2001:db8:0:1::${i}`)), "wrong");
  assert.equal(who(await ask("Bearer weir_guess", "2001:db8:0:1:ffff::9")), "locked");
  assert.equal(who(await ask("Bearer weir_guess", "2001:db8:0:2::9")), "wrong");
  for (let i = 0; i < 10; i++) await ask("Bearer weir_guess", i % 2 === 0 ? "192.0.2.9" : "::ffff:192.0.2.9");
  assert.equal(who(await ask("Bearer weir_guess", "192.0.2.9")), "locked");
});

test("guesses at one user from many addresses are slowed down, and keep him out of nowhere that he is known", async () => {
  const { ask, accounts, time } = setUp();
  const password = generatePassword();
  await accounts.addUser("ada", "admin", password);
  await accounts.addUser("bob", "viewer", password);
  const right = basic("ada", password);
  assert.equal(who(await ask(right, there)), "user ada admin");
  let guesses = 0;
  const guess = async (name = "ada") => who(await ask(basic(name, `guess ${guesses}`), `10.0.${guesses++}.1`));
  for (let i = 0; i < 20; i++) assert.equal(await guess(), "wrong");
  // What was right lately is known; later it counts that he was there before.
  time.now += 10 * 60_000;
  assert.equal(await guess(), "wrong", "the first of a slow row");
  assert.equal(await guess(), "locked");
  const unknown = await ask(right, "198.51.100.1");
  assert.equal(who(unknown), "locked");
  assert.ok("retryAfterSeconds" in unknown && unknown.retryAfterSeconds === 10);
  assert.equal(who(await ask(right, here)), "user ada admin", "on the machine itself");
  time.now += 6 * 60_000;
  assert.equal(await guess(), "wrong");
  assert.equal(who(await ask(right, there)), "user ada admin", "where he has been before");
  assert.equal(who(await ask(basic("bob", password), "198.51.100.2")), "user bob viewer", "another name");
  // One try in ten seconds, whoever is first.
  time.now += 10_001;
  assert.equal(who(await ask(right, "198.51.100.1")), "user ada admin");
  // Names that are not there behave alike, so that nobody learns which are.
  for (let i = 0; i < 20; i++) assert.equal(await guess("eve"), "wrong");
  assert.equal(await guess("eve"), "wrong");
  assert.equal(await guess("eve"), "locked");
  time.now += 16 * 60_000;
  assert.equal(await guess("eve"), "wrong", "forgotten");
  assert.equal(await guess("eve"), "wrong");
});

test("more logins at once than can be checked are put off, not piled up", async () => {
  const { ask, accounts } = setUp();
  await accounts.addUser("ada", "admin", generatePassword());
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, i) => ask(basic("ada", `guess number ${i}`), `10.0.0.${i}`)),
  );
  const told = answers.map(who);
  assert.equal(told.filter((each) => each === "wrong").length, 34);
  assert.equal(told.filter((each) => each === "locked").length, 26);
});

test("hashes differ for equal secrets, and garbage is no hash", async () => {
  const [first, second] = [await hashSecret("same"), await hashSecret("same")];
  assert.notEqual(first, second);
  assert.ok(await isSecretOf(first, "same"));
  assert.ok(!(await isSecretOf(first, "other")));
  for (
    const bad of ["", "x", "scrypt$16384$8$1$$", "scrypt$0$8$1$AA$AA", "scrypt$9999999999$8$1$AA$AA", "md5$1$1$1$a$b"]
  ) {
    assert.ok(!(await isSecretOf(bad, "same")), bad);
    assert.ok(!(await isSecretOf(bad, "")), bad);
  }
});

test("an account that cannot be read lets nobody in", async () => {
  const { ask, store } = setUp();
  store.put("account", "user/ada", '{"kind":"user","name":"ada","role":"root","hash":"x"}');
  store.put("account", "user/bob", "{");
  assert.equal(who(await ask(basic("ada", "x"))), "wrong");
});

test("JSON Web Tokens are RS256 of a known issuer, in time, and for eKuiper", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-keys-"));
  try {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
    writeFileSync(join(folder, "Issuer1.pub"), pem);
    const { ask, time } = setUp({ tokens: { keysDir: folder, audience: "eKuiper", now: () => 1_800_000_000_000 } });
    const now = time.now / 1000;
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: "issuer1", aud: "eKuiper", exp: now + 60, sub: "ui" };
    const signed = (payload: object, header: object = { alg: "RS256", typ: "JWT" }, key = privateKey) => {
      const text = `${part(header)}.${part(payload)}`;
      return `${text}.${sign("RSA-SHA256", Buffer.from(text), key).toString("base64url")}`;
    };
    const refusal = async (token: string) => {
      const answer = await ask(token, `address of ${token}`);
      return "principal" in answer ? who(answer) : answer.message;
    };
    assert.equal(await refusal(signed(claims)), "jwt issuer1/ui admin");
    assert.equal(
      await refusal(`Bearer ${signed({ ...claims, role: "viewer", aud: ["x", "eKuiper"] })}`),
      "jwt issuer1/ui viewer",
    );
    assert.match(
      await refusal(signed({ ...claims, aud: "other" })),
      /^audience field should contain eKuiper, but got \[other\]$/,
    );
    assert.match(await refusal(signed({ ...claims, exp: now - 60 })), /^validate token error: token is expired/);
    assert.match(await refusal(signed({ ...claims, nbf: now + 60 })), /not valid yet/);
    assert.match(await refusal(signed({ ...claims, exp: "soon" })), /exp is no time/);
    assert.match(await refusal(signed({ ...claims, role: "root" })), /role "root" is not known/);
    assert.match(await refusal(signed({ ...claims, iss: "issuer2" })), /no public key/);
    assert.match(await refusal(signed({ ...claims, iss: "../Issuer1" })), /no public key/);
    assert.match(await refusal(signed(claims, { alg: "RS256" }, other.privateKey)), /verification error/);
    assert.match(await refusal(signed(claims, { alg: "none" })), /signing method none is invalid/);
    assert.match(await refusal(`${part({ alg: "none" })}.${part(claims)}.`), /signing method none is invalid/);
    // The public key as the secret of a MAC.
    const text = `${part({ alg: "HS256" })}.${part(claims)}`;
    const mac = createHmac("sha256", pem).update(text).digest("base64url");
    assert.match(await refusal(`${text}.${mac}`), /signing method HS256 is invalid/);
    assert.match(await refusal(`${part({ alg: "RS256" })}.${part(claims)}.${mac}`), /verification error/);
    for (const bad of ["a.b", "a.b.c", "..", "x".repeat(20_000)]) {
      assert.match(await refusal(bad), /^validate token error/);
    }
    rmSync(join(folder, "Issuer1.pub"));
    assert.match(await refusal(signed(claims)), /no public key/, "a key that is removed is revoked");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
