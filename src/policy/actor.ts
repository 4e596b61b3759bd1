/**
 * Who acts: somebody who asks the admin interface, or for whom a rule was made.
 * @module
 */

export interface Actor {
  /** `user`, `token`, `jwt`, `certificate`; `local` for somebody on a machine without accounts, `files` for rules of files. */
  readonly kind: string;
  /** Of a user or token its name, of a JWT `issuer/subject`. */
  readonly name: string;
  readonly role: string;
}

/** Somebody who is not known: a rule from before there were owners. */
export const nobodyKnown: Actor = { kind: "local", name: "local", role: "admin" };

/** Whoever writes the files of `rulesDir`. */
export const filesActor: Actor = { kind: "files", name: "folder", role: "admin" };

/** `user ada`. */
export function actorText({ kind, name }: Actor): string {
  return `${kind} ${name}`;
}

/** Reads what a store has kept; undefined for anything else. */
export function readActor(text: string | undefined): Actor | undefined {
  if (text === undefined) return undefined;
  try {
    const { kind, name, role } = JSON.parse(text) as Partial<Record<keyof Actor, unknown>>;
    if (typeof kind !== "string" || typeof name !== "string" || typeof role !== "string") return undefined;
    return { kind, name, role };
  } catch {
    return undefined;
  }
}
