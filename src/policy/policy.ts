/**
 * Policies: which principals may read and write what, beyond what their roles let them do.
 *
 * For an access of a principal, those policies count that name it. What one of them denies is refused. Where one of them
 * allows anything for that access, what none of them allows is refused, too. Everything else is as without policies.
 * @module
 */
import { type Actor, actorText } from "./actor.ts";
import { compilePattern, type Pattern, type PatternValue } from "./pattern.ts";

export type AccessKind = "read" | "write";

/** Patterns by the name of what they are about: `connector`, `stream`, or a setting. All of them must fit. */
export type ResourcePattern = Readonly<Record<string, PatternValue>>;

export interface PolicyText {
  readonly name: string;
  /** `user:ada`, `token:*`, `role:editor`, `*`. */
  readonly principals: readonly string[];
  readonly allow?: Partial<Readonly<Record<AccessKind, readonly ResourcePattern[]>>> | undefined;
  readonly deny?: Partial<Readonly<Record<AccessKind, readonly ResourcePattern[]>>> | undefined;
}

/** Something that is read or written. */
export interface Resource {
  readonly access: AccessKind;
  /** The type of the source, sink or lookup. */
  readonly connector: string;
  /** Of what is read. */
  readonly stream?: string;
  /** All settings, those of the connection too, and what they mean together: `topic`, `path`, `url`. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Names of settings that each message fills in by itself: they are looked at when it is sent. */
  readonly later: ReadonlySet<string>;
}

/** Why something is refused. */
export interface Refusal {
  readonly message: string;
  readonly hint: string;
}

interface CompiledRule {
  readonly patterns: readonly (readonly [name: string, pattern: Pattern])[];
}

interface CompiledPolicy {
  readonly name: string;
  readonly principals: readonly RegExp[];
  readonly allow: Readonly<Record<AccessKind, readonly CompiledRule[]>>;
  readonly deny: Readonly<Record<AccessKind, readonly CompiledRule[]>>;
  readonly allows: Readonly<Record<AccessKind, boolean>>;
}

export class Policies {
  readonly #policies: readonly CompiledPolicy[];

  constructor(policies: readonly PolicyText[]) {
    this.#policies = policies.map(compilePolicy);
  }

  get isEmpty(): boolean {
    return this.#policies.length === 0;
  }

  /** Undefined when `actor` may. */
  refusal(actor: Actor, resource: Resource): Refusal | undefined {
    const { access } = resource;
    const own = this.#policies.filter(({ principals }) => principals.some((each) => isNamed(each, actor)));
    const denying = own.find(({ deny }) => deny[access].some((rule) => touches(rule, resource)));
    const what = resourceText(resource);
    if (denying !== undefined) {
      return {
        message: `${actorText(actor)} must not ${access} ${what}: policy ${denying.name} denies it`,
        hint: `ask whoever writes the policies of weir.yaml`,
      };
    }
    const allowing = own.filter(({ allows }) => allows[access]);
    if (allowing.length === 0 || allowing.some(({ allow }) => allow[access].some((rule) => covers(rule, resource)))) {
      return undefined;
    }
    const names = allowing.map(({ name }) => name).join(", ");
    return {
      message: `${actorText(actor)} must not ${access} ${what}: no policy allows it`,
      hint: `what ${actorText(actor)} may ${access} stands in ${
        allowing.length === 1 ? "policy" : "policies"
      } ${names}`,
    };
  }
}

function compilePolicy({ name, principals, allow = {}, deny = {} }: PolicyText): CompiledPolicy {
  const rules = (given: readonly ResourcePattern[] = []) => given.map(compileRule);
  return {
    name,
    principals: principals.map(principalPattern),
    allow: { read: rules(allow.read), write: rules(allow.write) },
    deny: { read: rules(deny.read), write: rules(deny.write) },
    // An empty list allows nothing.
    allows: { read: allow.read !== undefined, write: allow.write !== undefined },
  };
}

function compileRule(given: ResourcePattern): CompiledRule {
  return {
    patterns: Object.entries(given).map(([name, value]) => [name.toLowerCase(), compilePattern(name, value)] as const),
  };
}

/** `user:a*`: a star is any text. */
function principalPattern(text: string): RegExp {
  const parts = text.split(/\*+/).map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^]*")}$`, "u");
}

function isNamed(pattern: RegExp, { kind, name, role }: Actor): boolean {
  return pattern.test(`${kind}:${name}`) || pattern.test(`role:${role}`);
}

/** The values of a setting: those of lists, and of objects behind a dot, each by itself. */
function valuesOf(resource: Resource, name: string): readonly unknown[] {
  if (name === "connector") return [resource.connector];
  if (name === "stream") return resource.stream === undefined ? [] : [resource.stream];
  let found: unknown[] = [resource.settings];
  for (const step of name.split(".")) {
    found = found.flatMap((value) => {
      if (typeof value !== "object" || value === null) return [];
      const key = Object.keys(value).find((each) => each.toLowerCase() === step);
      const inner = key === undefined ? undefined : (value as Record<string, unknown>)[key];
      return Array.isArray(inner) ? inner : inner === undefined ? [] : [inner];
    });
  }
  return found;
}

function covers({ patterns }: CompiledRule, resource: Resource): boolean {
  return patterns.every(([name, pattern]) => {
    if (resource.later.has(name)) return true;
    const values = valuesOf(resource, name);
    return values.length > 0 && values.every((value) => pattern.covers(value));
  });
}

function touches({ patterns }: CompiledRule, resource: Resource): boolean {
  return patterns.every(([name, pattern]) =>
    !resource.later.has(name) && valuesOf(resource, name).some((value) => pattern.touches(value))
  );
}

/** What a refusal calls it: never a secret. */
function resourceText({ connector, stream, settings }: Resource): string {
  const shown = ["topic", "path", "url", "server", "unit", "address"].flatMap((name) => {
    const value = settings[name];
    return typeof value === "string" || typeof value === "number" ? [`${name} ${withoutPassword(String(value))}`] : [];
  });
  const [first] = shown;
  const of = stream === undefined ? "" : ` of ${stream}`;
  return `${connector}${of}${first === undefined ? "" : ` (${first})`}`;
}

function withoutPassword(text: string): string {
  return text.replace(/(:\/\/)[^/@\s]*@/g, "$1");
}
