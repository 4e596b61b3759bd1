/**
 * `/api/v1/users`, `/api/v1/tokens`: who may ask, and `/api/v1/whoami`.
 * @module
 */
import type { Hono } from "hono";
import { type Accounts, generatePassword } from "../auth/accounts.ts";
import { parseGoDuration } from "../value/go_duration.ts";
import { field, readObject, textField } from "./body.ts";
import { type AdminEnv, BodyError, failing } from "./failure.ts";
import { pathName } from "./path.ts";
import { empty, json, jsonText } from "./reply.ts";

export function accountRoutes(app: Hono<AdminEnv>, accounts: Accounts, now: () => number = Date.now): void {
  const failure = failing({ prefix: "account error" });

  app.get("/api/v1/whoami", (c) => json(c, c.get("principal") ?? { name: "anonymous", kind: "local", role: "admin" }));

  app.get("/api/v1/users", (c) => json(c, accounts.list("user")));
  app.post("/api/v1/users", failure, async (c) => {
    const body = await readObject(c, "the user");
    const given = textField(body, "password");
    const password = given === "" ? generatePassword() : given;
    const user = await accounts.addUser(textField(body, "name"), textField(body, "role"), password);
    c.set("said", `User ${user.name} is added as ${user.role}.`);
    c.status(201);
    // What was made up is shown this once.
    return jsonText(c, JSON.stringify(given === "" ? { ...user, password } : user));
  });
  app.patch("/api/v1/users/:name", failure, async (c) => {
    const body = await readObject(c, "the user");
    const [role, password] = [textField(body, "role"), textField(body, "password")];
    if (role === "" && password === "") throw new BodyError("Invalid body: give a role or a password");
    const name = pathName(c);
    if (password !== "") await accounts.setPassword(name, password);
    if (role !== "") accounts.setRole("user", name, role);
    c.set("said", [password === "" ? "" : "password", role === "" ? "" : `role ${role}`].filter(Boolean).join(", "));
    return empty(c);
  });
  app.delete("/api/v1/users/:name", failure, (c) => {
    accounts.remove("user", pathName(c));
    return empty(c);
  });

  app.get("/api/v1/tokens", (c) => json(c, accounts.list("token")));
  app.post("/api/v1/tokens", failure, async (c) => {
    const body = await readObject(c, "the token");
    const expires = expiryOf(field(body, "expiresIn"), now());
    const { account, token } = await accounts.addToken(textField(body, "name"), textField(body, "role"), expires);
    c.set("said", `Token ${account.name} is made as ${account.role}.`);
    c.status(201);
    return jsonText(c, JSON.stringify({ ...account, token }));
  });
  app.delete("/api/v1/tokens/:name", failure, (c) => {
    accounts.remove("token", pathName(c));
    return empty(c);
  });
}

/** `720h` from now; undefined when absent. */
function expiryOf(value: unknown, now: number): number | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const ms = typeof value === "string" ? parseGoDuration(value) : undefined;
  if (ms === undefined || !(ms > 0)) throw new BodyError('Invalid body: "expiresIn" must be a duration such as "720h"');
  return now + ms;
}
