/**
 * Makes those wait who guess credentials: by where they ask from, and by the user whose password they guess at.
 *
 * An address is locked out: whoever asks from there has shown to guess. A name must not be, since then any stranger could
 * keep a user out by guessing at his password. So guesses at one name are slowed down, whoever sends them, but not for those
 * the attack cannot come from: this machine, and addresses from which that user has logged in.
 *
 * What is remembered is bounded; the one that has failed the longest ago makes room.
 * @module
 */
import { addressGroup } from "./address_group.ts";

/** So long after the last one, wrong credentials are forgotten. */
const forgetMs = 15 * 60_000;

/** So many wrong ones from an address are for free within the time; then it waits, twice as long after each further one. */
const freeOfAddress = 10;
const lockMs = 30_000;
const lockMsMax = 15 * 60_000;
const addressesMax = 10_000;

/** So many wrong passwords of a name are for free, wherever they come from; then there is one try in so long. */
const freeOfName = 20;
const paceMs = 10_000;
const namesMax = 10_000;
/** No account has a longer name. */
const nameCharsMax = 64;
/** Pairs of a user and an address from which he has logged in. */
const familiarMax = 1_000;

interface Failures {
  count: number;
  lastMs: number;
  /** Until then there is no further try. */
  waitUntilMs: number;
}

/** Wrong credentials of whatever kind, by address of IPv4 or network of IPv6. */
export class AddressGuesses {
  readonly #failures = new Map<string, Failures>();
  readonly #now: () => number;

  /** @param now Unix milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How long it must wait; 0 when it need not. */
  waitMs(address: string): number {
    return Math.max(0, (this.#failures.get(addressGroup(address))?.waitUntilMs ?? 0) - this.#now());
  }

  failed(address: string): void {
    const failures = countFailure(this.#failures, addressGroup(address), addressesMax, this.#now());
    const beyond = failures.count - freeOfAddress;
    if (beyond >= 0) failures.waitUntilMs = this.#now() + Math.min(lockMsMax, lockMs * 2 ** beyond);
  }

  succeeded(address: string): void {
    this.#failures.delete(addressGroup(address));
  }
}

/** Wrong passwords, by the name of the user, whether or not there is one. */
export class NameGuesses {
  readonly #failures = new Map<string, Failures>();
  readonly #familiar = new Set<string>();
  readonly #now: () => number;

  /** @param now Unix milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How long a try must wait; 0 for one that may be made now, which takes the turn of others. */
  begin(name: string, address: string): number {
    const failures = this.#failures.get(name);
    const now = this.#now();
    if (failures === undefined || failures.count < freeOfName || now - failures.lastMs > forgetMs) return 0;
    if (isLoopback(address) || this.#familiar.has(pairOf(name, address))) return 0;
    if (failures.waitUntilMs > now) return failures.waitUntilMs - now;
    failures.waitUntilMs = now + paceMs;
    return 0;
  }

  failed(name: string): void {
    if (name.length <= nameCharsMax) countFailure(this.#failures, name, namesMax, this.#now());
  }

  /** Does not forget the failures: others may be guessing. */
  succeeded(name: string, address: string): void {
    const pair = pairOf(name, address);
    this.#familiar.delete(pair);
    if (this.#familiar.size >= familiarMax) this.#familiar.delete(this.#familiar.values().next().value!);
    this.#familiar.add(pair);
  }
}

function countFailure(all: Map<string, Failures>, key: string, max: number, now: number): Failures {
  const before = all.get(key);
  const isNew = before === undefined || now - before.lastMs > forgetMs;
  const failures = isNew
    ? { count: 1, lastMs: now, waitUntilMs: 0 }
    : { ...before, count: before.count + 1, lastMs: now };
  all.delete(key);
  if (all.size >= max) all.delete(all.keys().next().value!);
  all.set(key, failures);
  return failures;
}

function pairOf(name: string, address: string): string {
  return `${addressGroup(address)} ${name}`;
}

/** Also of IPv4 in IPv6. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}
