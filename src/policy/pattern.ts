/**
 * Patterns of policies: what a setting of a connector may be.
 *
 * A pattern is asked two questions. Does it *cover* a value, all that the value can reach? That makes an `allow`. Does it
 * *touch* the value, anything of it? That makes a `deny`. They differ for values that stand for many, such as the topic
 * filter `plant/#`: `plant/+/temperature` touches it, and does not cover it.
 * @module
 */

/** What a policy says of a setting: a text with wildcards, a number, a range such as `100-199`, or several of them. */
export type PatternValue = string | number | boolean | readonly (string | number | boolean)[];

/** A setting as it is, texts, numbers and truths; lists and objects are looked into. */
export interface Pattern {
  covers(value: unknown): boolean;
  touches(value: unknown): boolean;
}

/** What the name of a setting says of its wildcards. */
type Kind = "topic" | "path" | "url" | "text";

const kinds: Readonly<Record<string, Kind>> = { topic: "topic", path: "path", url: "url", server: "url" };

/** @param name of the setting; its last part, of `tags.address`, says how it is compared */
export function compilePattern(name: string, value: PatternValue): Pattern {
  const kind = kinds[name.split(".").at(-1)!.toLowerCase()] ?? "text";
  const each = (Array.isArray(value) ? value as readonly (string | number | boolean)[] : [value as string]).map((one) =>
    compileOne(kind, one)
  );
  return {
    covers: (found) => each.some((pattern) => pattern.covers(found)),
    touches: (found) => each.some((pattern) => pattern.touches(found)),
  };
}

function compileOne(kind: Kind, value: string | number | boolean): Pattern {
  if (typeof value !== "string") return exactly((found) => found === value || String(found) === String(value));
  const range = /^(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)$/.exec(value);
  const [low, high] = [Number(range?.[1]), Number(range?.[2])];
  const inRange = (found: unknown) =>
    range !== null && isNumber(found) && Number(found) >= low && Number(found) <= high;
  if (kind === "topic") {
    return {
      covers: (found) => typeof found === "string" && coversTopic(value, withoutGroup(found)),
      touches: (found) => typeof found === "string" && touchesTopic(value, withoutGroup(found)),
    };
  }
  const fits = globOf(kind === "url" ? lowerOrigin(value) : value, kind);
  const prefix = anythingAfter(kind === "url" ? lowerOrigin(value) : value);
  const textOf = (found: unknown) => kind === "url" ? normalUrl(String(found)) : String(found);
  const isPlain = (found: unknown) =>
    typeof found === "string" || typeof found === "number" || typeof found === "boolean";
  return {
    covers: (found) => {
      if (!isPlain(found)) return false;
      const literal = beforeTemplate(String(found));
      // What a template will give is not known: only a pattern that takes anything behind its begin covers it.
      if (literal !== undefined) return prefix !== undefined && literalOf(literal, kind).startsWith(prefix);
      const text = textOf(found);
      return inRange(found) || (text !== undefined && fits(text));
    },
    touches: (found) => {
      if (!isPlain(found)) return false;
      const literal = beforeTemplate(String(found));
      if (literal !== undefined) {
        const [own, other] = [literalOf(literal, kind), value.split(/[*?]/)[0]!];
        return own.startsWith(other) || other.startsWith(own);
      }
      const text = textOf(found);
      // What cannot be understood may be anything.
      return inRange(found) || text === undefined || fits(text);
    },
  };
}

function exactly(test: (value: unknown) => boolean): Pattern {
  return { covers: test, touches: test };
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || (typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value));
}

// ---------------------------------------------------------------- texts with * and **

/** One step of a glob: a character, or what stands for some. */
type GlobStep = { readonly char: string } | { readonly wild: "one" | "level" | "any" };

/**
 * `*` is any text, of a path and a URL without `/`; `**` any text; `?` a character, there without `/`. The whole text must
 * fit. All ways are followed at once, so that no pattern takes more than its length times that of the text.
 */
function globOf(pattern: string, kind: Kind): (text: string) => boolean {
  const wild = kind === "text" ? "any" : "level";
  const steps = pattern.split(/(\*+|\?)/).flatMap((part): GlobStep[] => {
    if (part === "?") return [{ wild: "one" }];
    if (/^\*+$/.test(part)) return [{ wild: part.length > 1 ? "any" : wild }];
    return [...part].map((char) => ({ char }));
  });
  return (text) => {
    let at = withSkipped(new Set([0]), steps);
    for (const char of text) {
      const next = new Set<number>();
      for (const index of at) {
        const step = steps[index];
        if (step === undefined) continue;
        if ("char" in step) {
          if (step.char === char) next.add(index + 1);
        } else if (step.wild === "any" || char !== "/" || (step.wild === "one" && kind === "text")) {
          next.add(step.wild === "one" ? index + 1 : index);
        }
      }
      at = withSkipped(next, steps);
    }
    return at.has(steps.length);
  };
}

/** Stars also stand for nothing. */
function withSkipped(at: Set<number>, steps: readonly GlobStep[]): Set<number> {
  // What is added while a set is gone through is gone through, too.
  for (const index of at) {
    const step = steps[index];
    if (step !== undefined && "wild" in step && step.wild !== "one") at.add(index + 1);
  }
  return at;
}

/** The literal begin of a pattern that ends with `**` and has no other wildcard; undefined for any other. */
function anythingAfter(pattern: string): string | undefined {
  const begin = pattern.endsWith("**") ? pattern.slice(0, -2) : undefined;
  return begin === undefined || /[*?]/.test(begin) ? undefined : begin;
}

/** What stands before the first template; undefined for a text without one. */
function beforeTemplate(text: string): string | undefined {
  const at = text.indexOf("{{");
  return at === -1 ? undefined : text.slice(0, at);
}

/** Of a URL that goes on with a template: only one whose host ends before it says where it leads. */
function literalOf(text: string, kind: Kind): string {
  if (kind !== "url") return kind === "path" && text.split("/").includes("..") ? "" : text;
  const [, origin, rest] = /^([a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s]+)(\/[^]*)$/i.exec(text) ?? [];
  return origin === undefined || rest!.split("/").includes("..") ? "" : origin.toLowerCase() + rest;
}

/** Scheme and host count in any letter case. */
function lowerOrigin(pattern: string): string {
  return pattern.replace(/^[^/]*:\/\/[^/]*/, (origin) => origin.toLowerCase());
}

/** As requests will use it: without user and fragment, `..` resolved, in one letter case; undefined when it is no URL. */
function normalUrl(text: string): string | undefined {
  try {
    const url = new URL(text);
    url.username = "";
    url.password = "";
    url.hash = "";
    // Of schemes that the parser does not know, such as tcp, the host keeps its letter case.
    const whole = lowerOrigin(url.href);
    return /^[^/]*:\/\/[^/]*$/.test(text.trim().replace(/\/\/[^/]*@/, "//")) ? whole.replace(/\/$/, "") : whole;
  } catch {
    return undefined;
  }
}

// ---------------------------------------------------------------- topics

function withoutGroup(filter: string): string {
  return filter.replace(/^\$share\/[^/]+\//, "");
}

/** True when every topic of `filter` is one of `pattern`. */
export function coversTopic(pattern: string, filter: string): boolean {
  const [own, found] = [pattern.split("/"), filter.split("/")];
  // Wildcards at the begin do not stand for the broker's own topics.
  if (found[0]!.startsWith("$") && /^[+#]$/.test(own[0]!)) return false;
  for (let i = 0; i < own.length; i++) {
    const level = own[i];
    if (level === "#") return true;
    const other = found[i];
    if (other === undefined) return false;
    if (other === "#") return false;
    if (level !== "+" && level !== other) return false;
    if (i === own.length - 1) return found.length === own.length;
    // `a/#` stands for `a`, too.
    if (i === found.length - 1) return own.length === found.length + 1 && own[i + 1] === "#";
  }
  return false;
}

/** True when some topic is one of both. */
export function touchesTopic(pattern: string, filter: string): boolean {
  const [own, found] = [pattern.split("/"), filter.split("/")];
  const [first, other] = [own[0]!, found[0]!];
  if ((first.startsWith("$") && /^[+#]$/.test(other)) || (other.startsWith("$") && /^[+#]$/.test(first))) return false;
  for (let i = 0;; i++) {
    if (own[i] === "#" || found[i] === "#") return true;
    if (own[i] === undefined || found[i] === undefined) return own[i] === found[i];
    if (own[i] !== "+" && found[i] !== "+" && own[i] !== found[i]) return false;
  }
}
