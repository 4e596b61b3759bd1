/**
 * References to secrets in the settings of connectors: who may write which, and what they stand for when a connector is
 * opened. Stored and shown are the references alone.
 * @module
 */
import { relative, sep } from "node:path";
import { Disconnected } from "../connector/errors.ts";
import { type Environment, resolveSecret, secretFile, secretReference } from "../connector/secret_reference.ts";
import { type Diagnostic, diagnostic, throwIfAny } from "../diagnostics/diagnostic.ts";
import { realPathOf } from "./real_path.ts";
import { isSecret, type Settings } from "./secrets.ts";

export interface SecretRules {
  /** Folders whose files settings of the admin interface may refer to. */
  readonly dirs: readonly string[];
  /** What the names of variables that they may refer to begin with. */
  readonly envPrefix: string;
}

export class SecretReferences {
  #rules: SecretRules;
  readonly #environment: Environment;
  #known: ReadonlySet<string> = new Set();

  /** @param configured settings of the configuration file, which may refer to anything */
  constructor(rules: SecretRules, environment: Environment, configured: unknown = {}) {
    this.#rules = rules;
    this.#environment = environment;
    this.replace(rules, configured);
  }

  /** Others from now on. */
  replace(rules: SecretRules, configured: unknown): void {
    this.#rules = rules;
    const known = new Set<string>();
    visit(configured, (text) => void known.add(text));
    this.#known = known;
  }

  /**
   * Whether settings refer only to what they may.
   *
   * @throws {DiagnosticError} E710
   */
  check(settings: unknown, path: string): void {
    const problems: Diagnostic[] = [];
    visit(settings, (text, place) => {
      const why = this.#known.has(text) ? undefined : this.#refusal(text);
      if (why === undefined) return;
      const { dirs, envPrefix } = this.#rules;
      problems.push(diagnostic("E710", `The secret ${text} may not be referred to: ${why}`, {
        path: [path, ...place].filter((step) => step !== "").join("."),
        hint: `variables that begin with ${envPrefix}, credentials, and files in ${dirs.join(", ") || "no folder"} may`,
      }));
    });
    throwIfAny(problems);
  }

  #refusal(text: string): string | undefined {
    const reference = secretReference(text);
    if (reference === undefined) return undefined;
    try {
      const file = secretFile(reference, this.#environment);
      if (file === undefined) {
        return reference.name.startsWith(this.#rules.envPrefix) ? undefined : "the variable has another name";
      }
      if (reference.scheme === "credential") return undefined;
      const real = realPathOf(file);
      return this.#rules.dirs.some((dir) => isBelow(real, realPathOf(dir))) ? undefined : "the file stands elsewhere";
    } catch (error) {
      return (error as Error).message;
    }
  }

  /**
   * A copy with what the references stand for; the same object when there are none.
   *
   * @throws {Disconnected} for one that cannot be read now: it is tried again
   * @throws {DiagnosticError} E710, for settings that were stored when they were allowed
   */
  resolve<T>(settings: T): T {
    let found = false;
    visit(settings, () => void (found = true));
    if (!found) return settings;
    this.check(settings, "");
    try {
      return replaced(settings, (text) => resolveSecret(text, this.#environment)) as T;
    } catch (error) {
      throw new Disconnected(`E711: A secret cannot be read: ${(error as Error).message}`);
    }
  }
}

function isBelow(path: string, dir: string): boolean {
  const inside = relative(dir, path);
  return inside !== "" && inside !== ".." && !inside.startsWith(`..${sep}`) && !inside.startsWith(sep);
}

function isPlain(value: unknown): value is Settings {
  return typeof value === "object" && value !== null &&
    (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype ||
      Object.getPrototypeOf(value) === null);
}

/** True for a text that stands for another one. */
function isIndirect(text: string): boolean {
  return secretReference(text) !== undefined || text.startsWith("literal:");
}

/** Calls with every text of a secret setting that stands for another one. */
function visit(
  value: unknown,
  found: (text: string, place: readonly string[]) => void,
  place: readonly string[] = [],
): void {
  if (!isPlain(value)) return;
  for (const [key, each] of Object.entries(value)) {
    const at = [...place, key];
    if (typeof each === "string") {
      if (isSecretPlace(at) && isIndirect(each)) found(each, at);
    } else visit(each, found, at);
  }
}

function replaced(value: unknown, resolve: (text: string) => string, place: readonly string[] = []): unknown {
  if (!isPlain(value)) return value;
  const entries = Object.entries(value).map(([key, each]) => {
    const at = [...place, key];
    if (typeof each !== "string") return [key, replaced(each, resolve, at)] as const;
    return [key, isSecretPlace(at) && isIndirect(each) ? resolve(each) : each] as const;
  });
  return Array.isArray(value) ? entries.map(([, each]) => each) : Object.fromEntries(entries);
}

/** The items of a list are called as the list is. */
function isSecretPlace(place: readonly string[]): boolean {
  const name = place.findLast((step) => !/^\d+$/.test(step)) ?? "";
  return isSecret(name, place.some((step) => step.toLowerCase() === "oauth"));
}
