/**
 * Which names streams, tables, rules, connections and configuration keys may have.
 * @module
 */
import { fail } from "../diagnostics/diagnostic.ts";

const nameCharsMax = 256;

/** What is wrong with a name, or undefined. The texts are those that clients of eKuiper look for. */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "id cannot be empty";
  if (name !== name.trim()) return `id '${name}' contains leading or trailing whitespace`;
  if (name.length > nameCharsMax) return `id '${name.slice(0, 40)}…' is longer than ${nameCharsMax} characters`;
  if (!/^[A-Za-z0-9_-]+$/.test(name)) {
    return `id '${name}' contains invalid characters: only alphanumeric, hyphens and underscores are allowed`;
  }
  return undefined;
}

/** @throws {DiagnosticError} E704 for a name that breaks the rules. */
export function requireName(name: string): void {
  const problem = nameProblem(name);
  if (problem !== undefined) fail("E704", problem);
}
