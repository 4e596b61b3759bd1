/**
 * Who sends a request, by its Authorization header; without one, by the certificate of its connection.
 *
 * Takes a JSON Web Token as it is (eKuiper's way), `Bearer` with one or with an API token, and `Basic` with a user and
 * password. Whoever guesses is made to wait; how many hashes are computed at once is bounded, so that nobody
 * keeps the rules from running by guessing.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import type { Accounts } from "./accounts.ts";
import type { ClientCertificate } from "./client_certificate.ts";
import { type ClientRole, principalOf } from "./client_roles.ts";
import { AddressGuesses, isLoopback, NameGuesses } from "./guesses.ts";
import { readJsonWebToken, TokenError, type TokenRules } from "./json_web_token.ts";
import type { Principal } from "./role.ts";

export interface AuthRules {
  /**
   * `auto`: while there are no accounts and no other credential is configured, whoever is on this machine may do all, and
   * nobody else anything. `required`: nobody without a credential. `off`: everybody may do all.
   */
  readonly mode: "auto" | "required" | "off";
  /** A token that is an admin's, from outside: of a container, say. */
  readonly adminToken?: string | undefined;
  readonly tokens?: TokenRules | undefined;
  /** Nobody connects without a certificate that is trusted: with `auto`, as good as being on this machine. */
  readonly checksCertificates?: boolean;
  /** Which certificate is whose. With any, a certificate alone is no more than what they say. */
  readonly clientRoles?: readonly ClientRole[];
}

export interface Asked {
  /** The header, if there is one. */
  readonly authorization: string | undefined;
  /** IP address of the other end; empty when it is not known. */
  readonly address: string;
  /** That came with the connection. */
  readonly certificate?: ClientCertificate | undefined;
}

export type Answer =
  | { readonly principal: Principal }
  | {
    /** `missing`: no credential came. `wrong`: it is none. `locked`: too many were wrong. */
    readonly refused: "missing" | "wrong" | "locked";
    readonly message: string;
    readonly retryAfterSeconds?: number;
  };

/** A hash takes 16 MiB while it is computed. */
const hashesAtOnce = 2;
const hashesWaiting = 32;
/** So long a secret that was right is known without its hash. */
const rememberMs = 5 * 60_000;
const rememberedMax = 1_000;

interface Remembered {
  readonly principal: Principal;
  readonly untilMs: number;
  readonly revision: number;
}

const everybody: Principal = { name: "anonymous", kind: "local", role: "admin" };
const local: Principal = { name: "local", kind: "local", role: "admin" };

export class Authenticator {
  readonly #accounts: Accounts;
  #rules: AuthRules;
  readonly #now: () => number;
  readonly #addresses: AddressGuesses;
  readonly #names: NameGuesses;
  readonly #remembered = new Map<string, Remembered>();
  #hashing = 0;
  readonly #queue: (() => void)[] = [];

  /** @param now Unix milliseconds */
  constructor(accounts: Accounts, rules: AuthRules, now: () => number = Date.now) {
    this.#accounts = accounts;
    this.#rules = rules;
    this.#now = now;
    this.#addresses = new AddressGuesses(now);
    this.#names = new NameGuesses(now);
  }

  /** True while nobody has a credential, and only this machine's own requests are taken. */
  get isFresh(): boolean {
    const { mode, adminToken, tokens, clientRoles = [] } = this.#rules;
    const isConfigured = adminToken !== undefined || tokens !== undefined || clientRoles.length > 0;
    return mode === "auto" && !isConfigured && this.#accounts.isEmpty;
  }

  /** Others from now on. */
  replaceRules(rules: AuthRules): void {
    this.#rules = rules;
    this.#remembered.clear();
  }

  async identify({ authorization, address, certificate }: Asked): Promise<Answer> {
    if (this.#rules.mode === "off") return { principal: everybody };
    const isLocal = this.isFresh && (this.#rules.checksCertificates === true || isLoopback(address));
    if (authorization === undefined || authorization.trim() === "") {
      const holder = certificate && principalOf(certificate, this.#rules.clientRoles ?? []);
      if (holder !== undefined) return { principal: holder };
      return isLocal ? { principal: local } : { refused: "missing", message: "missing_token" };
    }
    const waitMs = this.#addresses.waitMs(address);
    if (waitMs > 0) return locked(waitMs);
    const answer = await this.#check(authorization.trim(), address);
    if ("principal" in answer) this.#addresses.succeeded(address);
    else if (answer.refused === "wrong") this.#addresses.failed(address);
    return answer;
  }

  async #check(authorization: string, address: string): Promise<Answer> {
    const known = this.#recall(authorization);
    if (known !== undefined) return { principal: known };
    const [, scheme = "", rest = ""] = /^(\S+)\s+(.+)$/.exec(authorization) ?? [];
    if (scheme.toLowerCase() === "basic") return await this.#checkPassword(authorization, rest, address);
    const token = scheme.toLowerCase() === "bearer" ? rest : authorization;
    if (this.#isAdminToken(token)) return { principal: { name: "admin-token", kind: "token", role: "admin" } };
    if (token.startsWith("weir_")) return await this.#checkSecret(authorization, () => this.#accounts.byToken(token));
    return this.#checkJsonWebToken(token);
  }

  async #checkPassword(authorization: string, encoded: string, address: string): Promise<Answer> {
    const text = Buffer.from(encoded, "base64").toString("utf8");
    const at = text.indexOf(":");
    if (at === -1) return wrong("Basic wants a name and a password");
    const name = text.slice(0, at);
    const waitMs = this.#names.begin(name, address);
    if (waitMs > 0) return locked(waitMs);
    const check = () => this.#accounts.byPassword(name, text.slice(at + 1));
    const answer = await this.#checkSecret(authorization, check);
    if ("principal" in answer) this.#names.succeeded(name, address);
    else if (answer.refused === "wrong") this.#names.failed(name);
    return answer;
  }

  async #checkSecret(authorization: string, check: () => Promise<Principal | undefined>): Promise<Answer> {
    if (!(await this.#beginHash())) {
      return { refused: "locked", message: "too many logins at once", retryAfterSeconds: 1 };
    }
    const { revision } = this.#accounts;
    try {
      const principal = await check();
      if (principal === undefined) return wrong("unknown name or wrong secret");
      this.#remember(authorization, { principal, untilMs: this.#now() + rememberMs, revision });
      return { principal };
    } finally {
      this.#endHash();
    }
  }

  #checkJsonWebToken(token: string): Answer {
    const { tokens } = this.#rules;
    if (tokens === undefined) return wrong("it is no token of this agent");
    try {
      return { principal: readJsonWebToken(token, tokens) };
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      return { refused: "wrong", message: error.message };
    }
  }

  #isAdminToken(token: string): boolean {
    const { adminToken } = this.#rules;
    return adminToken !== undefined && timingSafeEqual(digest(adminToken), digest(token));
  }

  // ---------------------------------------------------------------- secrets that were right lately

  #recall(authorization: string): Principal | undefined {
    const known = this.#remembered.get(keyOf(authorization));
    if (known === undefined || known.revision !== this.#accounts.revision) return undefined;
    return known.untilMs > this.#now() ? known.principal : undefined;
  }

  #remember(authorization: string, known: Remembered): void {
    if (this.#remembered.size >= rememberedMax) this.#remembered.clear();
    this.#remembered.set(keyOf(authorization), known);
  }

  // ---------------------------------------------------------------- computing hashes

  async #beginHash(): Promise<boolean> {
    if (this.#hashing < hashesAtOnce) {
      this.#hashing++;
      return true;
    }
    if (this.#queue.length >= hashesWaiting) return false;
    await new Promise<void>((resolve) => this.#queue.push(resolve));
    return true;
  }

  /** Whoever waits takes the place over. */
  #endHash(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#hashing--;
    else next();
  }
}

function locked(waitMs: number): Answer {
  const retryAfterSeconds = Math.ceil(waitMs / 1000);
  return { refused: "locked", message: "too many wrong credentials", retryAfterSeconds };
}

function wrong(why: string): Answer {
  return { refused: "wrong", message: `validate token error: ${why}` };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function keyOf(authorization: string): string {
  return digest(authorization).toString("base64");
}
