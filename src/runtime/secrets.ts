/**
 * Hides passwords in settings that leave weir, and puts them back when hidden settings return.
 * @module
 */
import { secretReference } from "../connector/secret_reference.ts";
import { isSecretName } from "../connector/settings.ts";
import { fail } from "../diagnostics/diagnostic.ts";
import { hidePassword, hidesPassword, withPassword } from "./url_password.ts";

/** What stands in the place of a secret. A client that sends it back means "unchanged". */
export const mask = "******";

export type Settings = Record<string, unknown>;

/** The body that asks for a token holds the password, whatever it is called there. */
export function isSecret(key: string, inOAuth: boolean): boolean {
  return isSecretName(key) || (inOAuth && key.toLowerCase() === "body");
}

/** Whether what stands below `key` is about a token. */
function isOAuth(key: string): boolean {
  return key.toLowerCase() === "oauth";
}

function isSettings(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A copy of `settings` whose secrets, at any depth, are hidden, and so are passwords in URLs. Empty ones stay empty: there
 * is nothing to hide.
 */
export function maskSecrets(settings: Settings, inOAuth = false): Settings {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => {
      // What only says where the secret stands is none.
      if (typeof value === "string" && value !== "" && isSecret(key, inOAuth)) {
        return [key, secretReference(value) === undefined ? mask : value];
      }
      if (isSettings(value)) return [key, maskSecrets(value, inOAuth || isOAuth(key))];
      if (Array.isArray(value)) return [key, value.map((item) => isSettings(item) ? maskSecrets(item) : shown(item))];
      return [key, shown(value)];
    }),
  );
}

function shown(value: unknown): unknown {
  return typeof value === "string" ? hidePassword(value) : value;
}

/** True when a secret of `settings`, at any depth, is hidden. */
export function hidesSecrets(settings: Settings, inOAuth = false): boolean {
  return Object.entries(settings).some(([key, value]) => {
    if (Array.isArray(value)) {
      return value.some((item) => isSettings(item) ? hidesSecrets(item) : hidesUrl(item));
    }
    if (isSettings(value)) return hidesSecrets(value, inOAuth || isOAuth(key));
    return (value === mask && isSecret(key, inOAuth)) || hidesUrl(value);
  });
}

function hidesUrl(value: unknown): value is string {
  return typeof value === "string" && hidesPassword(value);
}

/** A URL with its password as it was; the rest may have changed. @throws {DiagnosticError} E403 */
function unhidden(text: string, before: unknown, place: string): string {
  const known = typeof before === "string" ? withPassword(text, before) : undefined;
  if (known === undefined) {
    fail("E403", `"${place}" keeps its stored password with ${mask}: there is none`, { path: place });
  }
  return known;
}

/**
 * A copy of `settings` where hidden secrets have their stored value again, or are left out where a lower layer
 * (`underneath`) has it.
 *
 * @throws {DiagnosticError} E403 for a hidden secret that nobody knows the value of.
 */
export function unmaskSecrets(settings: Settings, stored: Settings, underneath: Settings, path = ""): Settings {
  const known = (layer: Settings, key: string): unknown => Object.hasOwn(layer, key) ? layer[key] : undefined;
  const inOAuth = path.split(".").some(isOAuth);
  const result: [key: string, value: unknown][] = [];
  for (const [key, value] of Object.entries(settings)) {
    const place = path === "" ? key : `${path}.${key}`;
    if (value === mask && isSecret(key, inOAuth)) {
      const before = known(stored, key);
      if (typeof before === "string") result.push([key, before]);
      else if (typeof known(underneath, key) !== "string") {
        fail("E403", `"${place}" is ${mask}, which keeps the stored value: there is none`, { path: place });
      }
    } else if (isSettings(value)) {
      const below = (layer: Settings) => {
        const part = known(layer, key);
        return isSettings(part) ? part : {};
      };
      result.push([key, unmaskSecrets(value, below(stored), below(underneath), place)]);
    } else if (Array.isArray(value)) {
      const below = (layer: Settings, i: number) => {
        const list = known(layer, key);
        const item: unknown = Array.isArray(list) ? list[i] : undefined;
        return isSettings(item) ? item : {};
      };
      const text = (layer: Settings, i: number) => {
        const list = known(layer, key);
        return Array.isArray(list) ? list[i] as unknown : list;
      };
      const items = value.map((item, i) => {
        const at = `${place}.${i}`;
        if (isSettings(item)) return unmaskSecrets(item, below(stored, i), below(underneath, i), at);
        return hidesUrl(item) ? unhidden(item, text(stored, i) ?? text(underneath, i), at) : item;
      });
      result.push([key, items]);
    } else if (hidesUrl(value)) {
      const [before, below] = [known(stored, key), known(underneath, key)];
      const isBelow = before === undefined && typeof below === "string" && hidePassword(below) === value;
      if (!isBelow) result.push([key, unhidden(value, before ?? below, place)]);
    } else result.push([key, value]);
  }
  // Not set one by one: a key called `__proto__` must stay a key, which is then refused as unknown.
  return Object.fromEntries(result);
}
