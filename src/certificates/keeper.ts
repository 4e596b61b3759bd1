/**
 * Keeps the certificate of a server: reads it, looks whether its files have changed, hands a good new one on, and says in
 * time that it expires.
 *
 * @example
 * ```ts ignore
 * const keeper = CertificateKeeper.open({ server: "admin", files, settings, log });
 * keeper.onChange((pair) => server.setTls(pair));
 * keeper.start();
 * ```
 *
 * Invariant: `current` is a pair that was whole when it was read; what cannot be used never takes its place.
 * @module
 */
import { readFileSync, statSync } from "node:fs";
import type { Logger } from "../connector/context.ts";
import { diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
import { type CertificateFacts, checkPair, PairError, type PemPair } from "./key_pair.ts";

/** Paths, by what they hold. */
export interface PairFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

export interface KeeperOptions {
  /** Whose certificate it is, in the log and in metrics: `admin`, `data`. */
  readonly server: string;
  readonly files: PairFiles;
  /** The settings that name the files. */
  readonly settings: Readonly<Record<keyof PairFiles, string>>;
  readonly log: Logger;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** Between two looks at the files. */
  readonly lookMs?: number;
}

/** What metrics tell about it. */
export interface CertificateReport {
  readonly server: string;
  readonly expiresMs: number;
  /** Pairs that were taken and that were refused since the start. */
  readonly taken: number;
  readonly refused: number;
  /** Why the files as they are now cannot be used; absent when those in use are the newest. */
  readonly stale?: string;
}

const lookMsUsual = 5_000;
const dayMs = 24 * 3600 * 1000;
/** Whoever renews by hand wants to know so long before. */
export const expiresSoonMs = 30 * dayMs;

export class CertificateKeeper {
  readonly #options: KeeperOptions;
  readonly #listeners = new Set<(pair: PemPair) => void>();
  #pair: PemPair;
  #facts: CertificateFacts;
  /** Of the files that were looked at last. */
  #stamp: string;
  /** Of files that could not be used; they may still be written to. */
  #badStamp: string | undefined;
  #taken = 0;
  #refused = 0;
  #stale: string | undefined;
  #warnedMs = -Infinity;
  #timer: ReturnType<typeof setInterval> | undefined;

  private constructor(options: KeeperOptions) {
    this.#options = options;
    this.#stamp = stampOf(options.files);
    this.#pair = read(options);
    this.#facts = checked(options, this.#pair);
    this.#warn();
  }

  /** @throws {DiagnosticError} E716 when the files cannot be read or used */
  static open(options: KeeperOptions): CertificateKeeper {
    return new CertificateKeeper(options);
  }

  get current(): PemPair {
    return this.#pair;
  }

  get report(): CertificateReport {
    const { server } = this.#options;
    const stale = this.#stale === undefined ? {} : { stale: this.#stale };
    return { server, expiresMs: this.#facts.expiresMs, taken: this.#taken, refused: this.#refused, ...stale };
  }

  /** Calls with each new pair. */
  onChange(listener: (pair: PemPair) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks at the files now and then; keeps no process alive. */
  start(): void {
    this.#timer ??= setInterval(() => this.look(), this.#options.lookMs ?? lookMsUsual);
    this.#timer.unref?.();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Takes files that have changed. Certificate and key are two files: a pair that does not fit is refused only when it is
   * still so at the next look.
   */
  look(): void {
    this.#warn();
    const stamp = stampOf(this.#options.files);
    if (stamp === this.#stamp) return;
    const found = this.#find();
    if ("pair" in found) return this.#take(found, stamp);
    if (stamp === this.#badStamp) this.#refuse(found.problem, stamp);
    else this.#badStamp = stamp;
  }

  /**
   * Reads the files now, whether or not they look changed.
   *
   * @throws {DiagnosticError} E716 for files that cannot be used; the pair of before stays
   */
  reload(): void {
    const stamp = stampOf(this.#options.files);
    const found = this.#find();
    if ("pair" in found) return this.#take(found, stamp);
    this.#refuse(found.problem, stamp);
    throw found.problem;
  }

  #find(): { readonly pair: PemPair; readonly facts: CertificateFacts } | { readonly problem: DiagnosticError } {
    try {
      const pair = read(this.#options);
      return { pair, facts: checked(this.#options, pair) };
    } catch (error) {
      if (error instanceof DiagnosticError) return { problem: error };
      throw error;
    }
  }

  #take({ pair, facts }: { pair: PemPair; facts: CertificateFacts }, stamp: string): void {
    this.#stamp = stamp;
    this.#badStamp = undefined;
    this.#stale = undefined;
    const { cert, key, ca } = this.#pair;
    if (pair.cert === cert && pair.key === key && pair.ca === ca) return;
    try {
      for (const listener of this.#listeners) listener(pair);
    } catch (error) {
      for (const listener of this.#listeners) listener(this.#pair);
      return this.#refuse(error as Error, stamp);
    }
    this.#pair = pair;
    this.#facts = facts;
    this.#taken++;
    const { server, log, files } = this.#options;
    const expires = dateText(facts.expiresMs);
    log.info("A new certificate is in use", { server, file: files.cert, subject: facts.subject, expires });
    this.#warnedMs = -Infinity;
    this.#warn();
  }

  #refuse(problem: Error, stamp: string): void {
    this.#stamp = stamp;
    this.#badStamp = undefined;
    this.#refused++;
    this.#stale = problem.message;
    const { server, log } = this.#options;
    log.error("A new certificate is refused, the old one stays", { server, code: "E716", reason: problem.message });
  }

  /** Once a day while it is to expire soon. */
  #warn(): void {
    const { now = Date.now, log, server, files } = this.#options;
    const { expiresMs, beginsMs } = this.#facts;
    const at = now();
    const isValid = at >= beginsMs && at < expiresMs;
    if ((isValid && expiresMs - at > expiresSoonMs) || Math.abs(at - this.#warnedMs) < dayMs) return;
    this.#warnedMs = at;
    const about = { server, file: files.cert, hint: "renew it: new files are taken without a restart" };
    if (at < beginsMs) log.warn("The certificate is not valid yet", { ...about, begins: dateText(beginsMs) });
    else if (at >= expiresMs) log.error("The certificate has expired", { ...about, expired: dateText(expiresMs) });
    else {
      const days = Math.floor((expiresMs - at) / dayMs);
      log.warn("The certificate expires soon", { ...about, expires: dateText(expiresMs), days });
    }
  }
}

const parts = ["cert", "key", "ca"] as const;

/** Another text after each change of a file, also when a link leads to another one. */
function stampOf(files: PairFiles): string {
  return parts.map((part) => {
    const path = files[part];
    if (path === undefined) return "";
    const found = statSync(path, { throwIfNoEntry: false, bigint: true });
    return found === undefined ? "none" : `${found.ino} ${found.size} ${found.mtimeNs}`;
  }).join("|");
}

function read({ files, settings }: KeeperOptions): PemPair {
  const texts: Partial<Record<keyof PairFiles, string>> = {};
  for (const part of parts) {
    const path = files[part];
    if (path === undefined) continue;
    try {
      texts[part] = readFileSync(path, "utf8");
    } catch (error) {
      throw refusal(settings[part], `Cannot read ${path}: ${(error as Error).message}`);
    }
  }
  return texts as PemPair;
}

function checked({ files, settings }: KeeperOptions, pair: PemPair): CertificateFacts {
  try {
    return checkPair(pair);
  } catch (error) {
    if (!(error instanceof PairError)) throw error;
    throw refusal(settings[error.part], `Cannot use ${files[error.part]}: ${error.message}`);
  }
}

function refusal(path: string, message: string): DiagnosticError {
  return new DiagnosticError([
    diagnostic("E716", message, { path, hint: "it names a file in PEM; a key must be that of the certificate" }),
  ]);
}

function dateText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
