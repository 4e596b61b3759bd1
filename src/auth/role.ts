/**
 * Roles, and what each may do.
 *
 * | role | may |
 * | --- | --- |
 * | viewer | look at everything but secrets |
 * | operator | also start, stop and reset rules, replay and clear dead letters |
 * | editor | also define streams, tables, rules, settings, connections, schemas |
 * | admin | also manage users and tokens, and stop the agent |
 * @module
 */

/** From the one that may least. */
export const roles = ["viewer", "operator", "editor", "admin"] as const;

export type Role = typeof roles[number];

/** True when `role` may do what `needed` may. */
export function allows(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

export function isRole(text: unknown): text is Role {
  return roles.some((role) => role === text);
}

/** Who asks. */
export interface Principal {
  /**
   * Of a user or token its name, of a JWT `issuer/subject`, of a certificate what the configuration or its subject says,
   * `local` for somebody on a machine without accounts.
   */
  readonly name: string;
  readonly kind: "local" | "user" | "token" | "jwt" | "certificate";
  readonly role: Role;
}
