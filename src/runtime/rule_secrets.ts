/**
 * Hides the passwords in a rule's JSON when it is shown, and puts them back when what was shown returns.
 * @module
 */
import { hidesSecrets, maskSecrets, type Settings, unmaskSecrets } from "./secrets.ts";

function parse(json: string | undefined): Settings | undefined {
  if (json === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Settings : undefined;
  } catch {
    return undefined;
  }
}

function actionsKey(rule: Settings): string {
  return Object.keys(rule).find((key) => key.toLowerCase() === "actions") ?? "actions";
}

function typesOf(action: unknown): string {
  return typeof action === "object" && action !== null ? Object.keys(action).join(" ") : "";
}

/**
 * The stored actions in the order of the new ones: the one at the same place when it has the same type, else the only
 * one of that type. A password must not come to an action that it does not belong to.
 */
function aligned(actions: unknown, stored: unknown): unknown {
  if (!Array.isArray(actions) || !Array.isArray(stored)) return stored;
  return actions.map((action, i) => {
    const type = typesOf(action);
    if (typesOf(stored[i]) === type) return stored[i];
    const same = stored.filter((each) => typesOf(each) === type);
    return same.length === 1 ? same[0] : undefined;
  });
}

/** The JSON as it is when it has no passwords, else a copy with `******` for each. */
export function maskRule(json: string): string {
  const rule = parse(json);
  if (rule === undefined) return json;
  const masked = maskSecrets(rule);
  return hidesSecrets(masked) ? JSON.stringify(masked) : json;
}

/**
 * The JSON as it is when it hides nothing, else a copy with the passwords that `stored` has at their places.
 *
 * @throws {DiagnosticError} E403 for a hidden password that is not stored.
 */
export function unmaskRule(json: string, stored: string | undefined): string {
  const rule = parse(json);
  if (rule === undefined || !hidesSecrets(rule)) return json;
  const before = parse(stored) ?? {};
  const key = actionsKey(rule);
  const known = { ...before, [key]: aligned(rule[key], before[actionsKey(before)]) };
  return JSON.stringify(unmaskSecrets(rule, known, {}));
}
