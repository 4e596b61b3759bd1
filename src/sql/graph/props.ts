/**
 * The properties of one node, read by name with the type each must have.
 *
 * Names ignore case, as in eKuiper. A property that nobody asks for is ignored too, since editors keep their own there,
 * unless its name is so near to one that was asked for that it must be a slip.
 * @module
 */
import { type Diagnostic, diagnostic } from "../../diagnostics/diagnostic.ts";
import { didYouMean } from "../../diagnostics/suggest.ts";
import type { GraphText } from "./graph.ts";

type Fields = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a JSON value is, in words. */
export function jsonKind(value: unknown): string {
  return value === null
    ? "null"
    : Array.isArray(value)
    ? "an array"
    : typeof value === "object"
    ? "an object"
    : `a ${typeof value}`;
}

export class Props {
  readonly #values = new Map<string, unknown>();
  readonly #written = new Map<string, string>();
  readonly #asked = new Set<string>();
  readonly #path: string;
  readonly #report: (d: Diagnostic) => void;

  constructor(props: Fields, path: string, report: (d: Diagnostic) => void) {
    this.#path = path;
    this.#report = report;
    for (const [key, value] of Object.entries(props)) {
      const name = key.toLowerCase();
      this.#written.set(name, key);
      if (value !== null) this.#values.set(name, value);
    }
  }

  /** The path of a property. */
  path(name: string): string {
    return `${this.#path}.${this.#written.get(name.toLowerCase()) ?? name}`;
  }

  refuse(name: string, message: string, hint?: string): void {
    this.refuseAt(this.path(name), message, hint);
  }

  refuseAt(path: string, message: string, hint?: string): void {
    this.#report(diagnostic("E218", message, hint === undefined ? { path } : { path, hint }));
  }

  #take(name: string): unknown {
    this.#asked.add(name);
    return this.#values.get(name.toLowerCase());
  }

  #missing(name: string, wanted: string): undefined {
    this.refuse(name, `Property "${name}" is missing: expected ${wanted}`);
    return undefined;
  }

  #wrong(path: string, name: string, wanted: string, value: unknown): undefined {
    this.refuseAt(path, `Property "${name}" must be ${wanted}, found ${jsonKind(value)}`);
    return undefined;
  }

  /** A text that must be there. */
  text(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined || value === "") return this.#missing(name, "a text");
    return typeof value === "string" ? value : this.#wrong(this.path(name), name, "a text", value);
  }

  optionalText(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined || value === "") return undefined;
    return typeof value === "string" ? value : this.#wrong(this.path(name), name, "a text", value);
  }

  /** An expression that must be there. */
  expression(name: string): GraphText | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : { text, path: this.path(name) };
  }

  optionalExpression(name: string): GraphText | undefined {
    const text = this.optionalText(name);
    return text === undefined ? undefined : { text, path: this.path(name) };
  }

  flag(name: string): boolean {
    const value = this.#take(name);
    if (value === undefined) return false;
    if (typeof value === "boolean") return value;
    this.#wrong(this.path(name), name, "true or false", value);
    return false;
  }

  /** A whole number of at least 0; 0 when absent. */
  count(name: string): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return 0;
    if (typeof value !== "number") return this.#wrong(this.path(name), name, "a whole number", value);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    this.refuse(name, `Property "${name}" must be a whole number of at least 0, found ${value}`);
    return undefined;
  }

  choice<Name extends string>(name: string, names: readonly Name[], fallback?: Name): Name | undefined {
    const value = this.#take(name);
    if ((value === undefined || value === "") && fallback !== undefined) return fallback;
    if (value === undefined || value === "") return this.#missing(name, `one of ${names.join(", ")}`);
    if (typeof value !== "string") return this.#wrong(this.path(name), name, "a text", value);
    const found = names.find((each) => each === value.toLowerCase());
    if (found === undefined) {
      this.refuse(
        name,
        `Property "${name}" must be one of ${names.join(", ")}, found "${value}"`,
        didYouMean(value, names),
      );
    }
    return found;
  }

  /** A list with at least one element. */
  #list(name: string, wanted: string): readonly unknown[] {
    const value = this.#take(name);
    if (value === undefined || (Array.isArray(value) && value.length === 0)) {
      this.#missing(name, `a list of ${wanted}`);
      return [];
    }
    if (Array.isArray(value)) return value;
    this.#wrong(this.path(name), name, `a list of ${wanted}`, value);
    return [];
  }

  texts(name: string): readonly GraphText[] {
    return this.#list(name, "texts").flatMap((value, i): GraphText[] => {
      const path = `${this.path(name)}.${i}`;
      if (typeof value === "string" && value !== "") return [{ text: value, path }];
      this.#wrong(path, `${name}.${i}`, "a text", value);
      return [];
    });
  }

  objects(name: string): readonly Props[] {
    return this.#list(name, "objects").flatMap((value, i): Props[] => {
      const path = `${this.path(name)}.${i}`;
      if (isObject(value)) return [new Props(value, path, this.#report)];
      this.#wrong(path, `${name}.${i}`, "an object", value);
      return [];
    });
  }

  /** An object, or its JSON as a text; empty when absent. */
  settings(name: string): Fields {
    const value = this.#take(name);
    if (value === undefined || value === "") return {};
    if (isObject(value)) return value;
    if (typeof value === "string") {
      try {
        const parsed: unknown = JSON.parse(value);
        if (isObject(parsed)) return parsed;
      } catch {
        // Refused below.
      }
    }
    this.#wrong(this.path(name), name, "an object or its JSON", value);
    return {};
  }

  /** Asks for a property that changes nothing here. */
  ignore(name: string): void {
    this.#asked.add(name);
  }

  /** Called when everything was asked for: what is left and looks like a slip is refused. */
  finish(): void {
    const asked = [...this.#asked];
    for (const [name, written] of this.#written) {
      if (asked.some((each) => each.toLowerCase() === name)) continue;
      const hint = didYouMean(written, asked);
      if (hint !== undefined) this.refuse(written, `Unknown property "${written}"`, hint);
    }
  }
}
