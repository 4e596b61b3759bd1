/**
 * Where in a statement a text ends: between words, in quotes, in a comment.
 * @module
 */
import type { Dialect } from "./dsn.ts";

/** `escapes`: of a quoted text, whether a backslash means something in it. */
export type SqlPlace =
  | { readonly kind: "code" }
  | { readonly kind: "quoted"; readonly sign: string; readonly escapes: boolean }
  /** Nothing can be made safe there. */
  | { readonly kind: "closed"; readonly what: string };

const code: SqlPlace = { kind: "code" };
const word = /[\w$\u0080-\uffff]/;
const dollar = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;

/** Reads a text that only grows. */
export class SqlScanner {
  readonly #dialect: Dialect;
  #at = 0;
  /** What is open at `#at`: its end, or undefined in code. */
  #place: SqlPlace = code;
  #end = "";
  /** Comments of PostgreSQL inside each other. */
  #depth = 0;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  /** The place behind `text`, which begins with the text of the call before. */
  read(text: string): SqlPlace {
    while (this.#at < text.length) {
      if (this.#place.kind === "code") this.#readCode(text);
      else if (this.#place.kind === "quoted") {
        if (!this.#readQuoted(text, this.#place)) return { kind: "closed", what: "behind a backslash" };
      } else this.#readClosed(text);
    }
    return this.#place;
  }

  #readCode(text: string): void {
    const sign = text[this.#at]!;
    const two = text.slice(this.#at, this.#at + 2);
    const isPostgres = this.#dialect === "postgres";
    if (sign === "'" || sign === '"' || (sign === "`" && !isPostgres)) {
      const escapes = this.#dialect === "mysql" ? sign !== "`" : isPostgres && sign === "'" && this.#isEscapeText(text);
      this.#open({ kind: "quoted", sign, escapes }, 1);
    } else if (sign === "[" && this.#dialect === "sqlite") {
      this.#open({ kind: "closed", what: "in brackets" }, 1, "]");
    } else if (two === "--" || (sign === "#" && this.#dialect === "mysql")) {
      this.#open({ kind: "closed", what: "in a comment" }, 1, "\n");
    } else if (two === "/*") {
      this.#depth = 1;
      this.#open({ kind: "closed", what: "in a comment" }, 2, "*/");
    } else if (sign === "$" && isPostgres && !word.test(text[this.#at - 1] ?? "")) {
      dollar.lastIndex = this.#at;
      const tag = dollar.exec(text)?.[0];
      if (tag === undefined) this.#at++;
      else this.#open({ kind: "closed", what: "between dollars" }, tag.length, tag);
    } else this.#at++;
  }

  /** `E'…'` of PostgreSQL. */
  #isEscapeText(text: string): boolean {
    return /^[eE]$/.test(text[this.#at - 1] ?? "") && !word.test(text[this.#at - 2] ?? "");
  }

  #open(place: SqlPlace, length: number, end = ""): void {
    this.#place = place;
    this.#end = end;
    this.#at += length;
  }

  /** False when the text ends behind a backslash. */
  #readQuoted(text: string, { sign, escapes }: SqlPlace & { kind: "quoted" }): boolean {
    const next = text[this.#at]!;
    if (next === "\\" && escapes) {
      if (this.#at + 1 === text.length) return false;
      this.#at += 2;
    } else if (next === sign && text[this.#at + 1] === sign) {
      this.#at += 2;
    } else {
      if (next === sign) this.#place = code;
      this.#at++;
    }
    return true;
  }

  #readClosed(text: string): void {
    if (text.startsWith("/*", this.#at) && this.#end === "*/" && this.#dialect === "postgres") {
      this.#depth++;
      this.#at += 2;
    } else if (text.startsWith(this.#end, this.#at)) {
      this.#at += this.#end.length;
      if (this.#end === "*/" && --this.#depth > 0) return;
      this.#place = code;
    } else this.#at++;
  }
}
