/**
 * Users and API tokens, as the store keeps them: hashes, never secrets.
 *
 * Invariant: while there are accounts, one of them is an admin that does not expire.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { fail } from "../diagnostics/diagnostic.ts";
import type { Store } from "../store/store.ts";
import { isRole, type Principal, type Role, roles } from "./role.ts";
import { hashSecret, isSecretOf, nobodysHash } from "./secret_hash.ts";

export type AccountKind = "user" | "token";

/** What may be shown of one. */
export interface Account {
  readonly kind: AccountKind;
  readonly name: string;
  readonly role: Role;
  /** Unix milliseconds. */
  readonly createdMs: number;
  /** Unix milliseconds; absent for one that does not expire. */
  readonly expiresMs?: number;
}

interface StoredAccount extends Account {
  readonly hash: string;
}

const nameShape = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
export const passwordLengthMin = 12;
const secretLengthMax = 1024;
const tokenBytes = 32;

/** What tokens begin with, so that people and scanners of source code know them: `weir_NAME_SECRET`. */
const tokenPrefix = "weir_";

export class Accounts {
  readonly #store: Store;
  readonly #now: () => number;
  #known: Map<string, StoredAccount> | undefined;
  #revision = 0;
  /** Called after each change. */
  onChange: (() => void) | undefined;

  /** @param now Unix milliseconds */
  constructor(store: Store, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Another number after each change. */
  get revision(): number {
    return this.#revision;
  }

  /** By kind and name. */
  list(kind: AccountKind): Account[] {
    return [...this.#all().values()].filter((each) => each.kind === kind).map(shown);
  }

  /** The role that somebody has now; undefined for an unknown account, or one that has expired. */
  roleOf(kind: AccountKind, name: string): Role | undefined {
    const account = this.#all().get(`${kind}/${name}`);
    return account?.expiresMs !== undefined && account.expiresMs <= this.#now() ? undefined : account?.role;
  }

  /** True when nobody was ever added, or all were removed. */
  get isEmpty(): boolean {
    return this.#all().size === 0;
  }

  /**
   * @throws {DiagnosticError} E702 for a name in use, E704 for a bad name, E703 for a role or password that cannot be, E705
   * when the first account would not be an admin.
   */
  async addUser(name: string, role: string, password: string): Promise<Account> {
    requirePassword(password);
    return await this.#add({ kind: "user", name, role: requireRole(role) }, password);
  }

  /** As {@linkcode addUser}; the secret is given out once. `expiresMs` is a Unix time in milliseconds. */
  async addToken(name: string, role: string, expiresMs?: number): Promise<{ account: Account; token: string }> {
    if (expiresMs !== undefined && !(expiresMs > this.#now())) {
      fail("E703", "A token cannot expire in the past", { path: "expires" });
    }
    const secret = randomBytes(tokenBytes).toString("base64url");
    const expires = expiresMs === undefined ? {} : { expiresMs };
    const account = await this.#add({ kind: "token", name, role: requireRole(role), ...expires }, secret);
    return { account, token: `${tokenPrefix}${name}_${secret}` };
  }

  async #add(account: Omit<Account, "createdMs">, secret: string): Promise<Account> {
    if (!nameShape.test(account.name)) {
      fail("E704", `${JSON.stringify(account.name)} cannot be the name of a ${account.kind}`, {
        hint: "letters, digits and . _ @ -, at most 64, a letter or digit first",
      });
    }
    // Whoever is first must be able to add others.
    if (this.isEmpty && (account.role !== "admin" || account.expiresMs !== undefined)) {
      fail("E705", "The first account must be an admin that does not expire", { hint: "add it with the role admin" });
    }
    this.#requireFree(account.kind, account.name);
    const hash = await hashSecret(secret);
    // Another request may have been faster.
    this.#requireFree(account.kind, account.name);
    const stored = { ...account, createdMs: this.#now(), hash };
    this.#put(stored);
    return shown(stored);
  }

  #requireFree(kind: AccountKind, name: string): void {
    if (this.#all().has(`${kind}/${name}`)) fail("E702", `${kind} ${name} exists already`);
  }

  /** @throws {DiagnosticError} E701, E703 */
  async setPassword(name: string, password: string): Promise<void> {
    const user = this.#require("user", name);
    requirePassword(password);
    this.#put({ ...user, hash: await hashSecret(password) });
  }

  /** @throws {DiagnosticError} E701, E703, E705 */
  setRole(kind: AccountKind, name: string, role: string): void {
    const account = this.#require(kind, name);
    const changed = { ...account, role: requireRole(role) };
    this.#requireAdminWithout(account, changed);
    this.#put(changed);
  }

  /** @throws {DiagnosticError} E701, E705 for the last admin while there are others */
  remove(kind: AccountKind, name: string): void {
    const account = this.#require(kind, name);
    this.#requireAdminWithout(account);
    this.#store.delete("account", `${kind}/${name}`);
    this.#changed();
  }

  #require(kind: AccountKind, name: string): StoredAccount {
    return this.#all().get(`${kind}/${name}`) ?? fail("E701", `${kind} ${name} is not found`);
  }

  #requireAdminWithout(account: StoredAccount, changed?: StoredAccount): void {
    const others = [...this.#all().values()].filter((each) => each !== account);
    if (changed !== undefined) others.push(changed);
    if (others.length === 0 || others.some(isLastingAdmin)) return;
    fail("E705", `${account.kind} ${account.name} is the last admin`, { hint: "make another one first" });
  }

  /** Undefined for an unknown user or a wrong password, which take the same time. */
  async byPassword(name: string, password: string): Promise<Principal | undefined> {
    return await this.#verified(this.#all().get(`user/${name}`), password);
  }

  /** Undefined for what is no token, an unknown, wrong or expired one. */
  async byToken(token: string): Promise<Principal | undefined> {
    const [, name, secret] = /^weir_(.+)_([A-Za-z0-9_-]{43})$/.exec(token) ?? [];
    if (name === undefined || secret === undefined) return undefined;
    return await this.#verified(this.#all().get(`token/${name}`), secret);
  }

  async #verified(account: StoredAccount | undefined, secret: string): Promise<Principal | undefined> {
    if (secret.length > secretLengthMax) return undefined;
    const isRight = await isSecretOf(account?.hash ?? nobodysHash, secret);
    if (account === undefined || !isRight) return undefined;
    if (account.expiresMs !== undefined && account.expiresMs <= this.#now()) return undefined;
    return { name: account.name, kind: account.kind, role: account.role };
  }

  #all(): Map<string, StoredAccount> {
    this.#known ??= new Map(
      this.#store.list("account").flatMap(({ name, text }) => {
        const account = readAccount(text);
        return account === undefined ? [] : [[name, account] as const];
      }),
    );
    return this.#known;
  }

  #put(account: StoredAccount): void {
    this.#store.put("account", `${account.kind}/${account.name}`, JSON.stringify(account));
    this.#changed();
  }

  #changed(): void {
    this.#known = undefined;
    this.#revision++;
    this.onChange?.();
  }
}

/** A password that nobody has thought of: 24 letters and digits. */
export function generatePassword(): string {
  let text = "";
  while (text.length < 24) text += randomBytes(24).toString("base64").replace(/[^A-Za-z0-9]/g, "");
  return text.slice(0, 24);
}

function shown({ hash: _, ...account }: StoredAccount): Account {
  return account;
}

function isLastingAdmin({ role, expiresMs }: Account): boolean {
  return role === "admin" && expiresMs === undefined;
}

function requireRole(role: string): Role {
  if (isRole(role)) return role;
  return fail("E703", `Unknown role ${JSON.stringify(role)}`, { path: "role", hint: `one of ${roles.join(", ")}` });
}

function requirePassword(password: string): void {
  if (password.length < passwordLengthMin || Buffer.byteLength(password) > secretLengthMax) {
    fail("E703", `A password has at least ${passwordLengthMin} characters`, { path: "password" });
  }
}

/** Undefined for a record that nobody here has written: it lets nobody in. */
function readAccount(text: string): StoredAccount | undefined {
  try {
    const value = JSON.parse(text) as StoredAccount;
    const isWhole = ["user", "token"].includes(value.kind) && isRole(value.role) && typeof value.hash === "string" &&
      typeof value.name === "string";
    return isWhole ? value : undefined;
  } catch {
    return undefined;
  }
}
