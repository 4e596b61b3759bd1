/**
 * Tokens to a template: actions, pipelines and the blocks they open and close.
 *
 * ```ts
 * parseTemplate("{{range .}}{{.a}} {{end}}").main.nodes[0]; // { kind: "range", … }
 * ```
 * @module
 */
import type { Span } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { Command, Definition, Operand, ParsedTemplate, Pipeline, TemplateNode } from "./ast.ts";
import { TemplateMistake } from "./mistake.ts";
import { scan, type Token } from "./scan.ts";

/** Blocks and parentheses inside each other; deeper texts are refused so that none exhausts the stack. */
const nestingMax = 100;

/** UTF-16 units of a text. */
const textMax = 256 * 1024;

const keywords = new Set([
  "block",
  "break",
  "continue",
  "define",
  "else",
  "end",
  "if",
  "range",
  "template",
  "with",
]);

/** @throws {TemplateMistake} at the first place that cannot be read. */
export function parseTemplate(text: string): ParsedTemplate {
  if (text.length > textMax) {
    throw new TemplateMistake("A template may have 256 KiB of text", { start: textMax, end: textMax + 1 });
  }
  return new Parser(text, scan(text)).template();
}

/** The variables of one body: which names are in sight, and how many slots all of them need. */
class Scope {
  readonly #names: string[] = ["$"];
  readonly #slots: number[] = [0];
  slots = 1;

  declare(name: string): number {
    this.#names.push(name);
    this.#slots.push(this.slots);
    return this.slots++;
  }

  find(name: string): number | undefined {
    const index = this.#names.lastIndexOf(name);
    return index === -1 ? undefined : this.#slots[index];
  }

  names(): readonly string[] {
    return this.#names;
  }

  mark(): number {
    return this.#names.length;
  }

  /** Forgets what was declared since `mark`. */
  leave(mark: number): void {
    this.#names.length = mark;
    this.#slots.length = mark;
  }
}

/** What ended a list of nodes: `end`, or an `else` whose action has been read up to behind that word. */
interface Closing {
  readonly word: "end" | "else" | "eof";
  readonly open: Token;
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  readonly #definitions = new Map<string, Definition>();
  #at = 0;
  #scope = new Scope();
  #depth = 0;
  #loops = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text;
    this.#tokens = tokens;
  }

  template(): ParsedTemplate {
    const { nodes, closing } = this.#nodes(true);
    if (closing.word !== "eof") {
      throw new TemplateMistake(`Unexpected {{${closing.word}}}`, closing.open.span, "no block is open here");
    }
    return { text: this.#text, main: { nodes, slots: this.#scope.slots }, definitions: this.#definitions };
  }

  // ---------------------------------------------------------------- blocks

  #nodes(top = false): { nodes: TemplateNode[]; closing: Closing } {
    const nodes: TemplateNode[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === "end") return { nodes, closing: { word: "eof", open: token } };
      if (token.kind === "text") {
        nodes.push({ kind: "text", span: token.span, text: token.text });
        continue;
      }
      const word = this.#peek();
      const keyword = word.kind === "word" && keywords.has(word.text) ? word.text : undefined;
      if (keyword === "end" || keyword === "else") {
        this.#next();
        if (keyword === "end") this.#close();
        return { nodes, closing: { word: keyword, open: word } };
      }
      const node = this.#action(token, keyword, top);
      if (node !== undefined) nodes.push(node);
    }
  }

  #action(open: Token, keyword: string | undefined, top: boolean): TemplateNode | undefined {
    switch (keyword) {
      case "if":
      case "with":
      case "range":
        this.#next();
        return this.#block(keyword, open);
      case "define":
        if (!top) throw new TemplateMistake("{{define}} must not stand inside a block", this.#peek().span);
        this.#define(this.#next());
        return undefined;
      case "template":
      case "block":
        this.#next();
        return this.#template(keyword, open);
      case "break":
      case "continue": {
        const word = this.#next();
        if (this.#loops === 0) throw new TemplateMistake(`{{${keyword}}} outside of a range`, word.span);
        this.#close();
        return { kind: keyword, span: word.span };
      }
      default: {
        const pipeline = this.#pipeline("an action", false);
        this.#close();
        return { kind: "print", span: pipeline.span, pipeline };
      }
    }
  }

  #block(kind: "if" | "with" | "range", open: Token): TemplateNode {
    return this.#nested(open.span, () => {
      const mark = this.#scope.mark();
      const pipeline = this.#pipeline(kind, kind === "range");
      this.#close();
      if (kind === "range") this.#loops++;
      const { nodes: body, closing } = this.#nodes();
      if (kind === "range") this.#loops--;
      const otherwise = this.#otherwise(kind, closing, open);
      this.#scope.leave(mark);
      return { kind, span: pipeline.span, pipeline, body, otherwise };
    });
  }

  /** The nodes behind `else`, up to the end of the whole block. */
  #otherwise(kind: "if" | "with" | "range", closing: Closing, open: Token): readonly TemplateNode[] {
    this.#mustClose(closing, kind, open);
    if (closing.word === "end") return [];
    const word = this.#peek();
    if (word.kind === "word" && (word.text === "if" || word.text === "with") && kind !== "range") {
      if (word.text !== kind) {
        throw new TemplateMistake(`Unexpected "else ${word.text}" in {{${kind}}}`, word.span, `write "else ${kind}"`);
      }
      this.#next();
      return [this.#block(kind, open)];
    }
    this.#close();
    const { nodes, closing: last } = this.#nodes();
    this.#mustClose(last, kind, open);
    if (last.word === "else") throw new TemplateMistake("A second {{else}}: {{end}} wanted", last.open.span);
    return nodes;
  }

  #mustClose(closing: Closing, kind: string, open: Token): void {
    if (closing.word !== "eof") return;
    throw new TemplateMistake(`Unclosed {{${kind}}}: {{end}} is missing`, closing.open.span, "add {{end}}", open.span);
  }

  #define(open: Token): void {
    const { name, span } = this.#templateName("define");
    this.#close();
    this.#definition(name, span, "define", open);
  }

  /** Reads the body of a template of its own, with its own variables. */
  #definition(name: string, span: Span, kind: string, open: Token): void {
    const outer = { scope: this.#scope, loops: this.#loops };
    this.#scope = new Scope();
    this.#loops = 0;
    const { nodes, closing } = this.#nested(open.span, () => this.#nodes());
    this.#mustClose(closing, kind, open);
    if (closing.word === "else") throw new TemplateMistake(`Unexpected {{else}} in {{${kind}}}`, closing.open.span);
    const isEmpty = nodes.every((node) => node.kind === "text" && node.text.trim() === "");
    const before = this.#definitions.get(name);
    // As in Go, an empty body does not replace another one.
    if (before !== undefined && before.nodes.length > 0 && !isEmpty) {
      throw new TemplateMistake(`The template ${JSON.stringify(name)} is defined twice`, span);
    }
    if (before === undefined || !isEmpty) {
      this.#definitions.set(name, { nodes: isEmpty ? [] : nodes, slots: this.#scope.slots });
    }
    this.#scope = outer.scope;
    this.#loops = outer.loops;
  }

  #template(kind: "template" | "block", open: Token): TemplateNode {
    const { name, span: nameSpan } = this.#templateName(kind);
    const pipeline = this.#peek().kind === "close" ? undefined : this.#pipeline(kind, false);
    if (kind === "block" && pipeline === undefined) this.#unexpected(this.#peek(), "the data of the block");
    this.#close();
    if (kind === "block") this.#definition(name, nameSpan, kind, open);
    return { kind: "template", span: open.span, name, nameSpan, pipeline };
  }

  #templateName(kind: string): { name: string; span: Span } {
    const token = this.#next();
    if (token.kind !== "literal" || typeof token.value !== "string") {
      this.#unexpected(token, `the name of a template in quotes behind ${kind}`);
    }
    return { name: token.value, span: token.span };
  }

  // ---------------------------------------------------------------- pipelines

  #pipeline(where: string, isRange: boolean): Pipeline {
    const start = this.#peek().span.start;
    const declared = this.#declarations(isRange);
    const commands: Command[] = [];
    for (;;) {
      const command = this.#command(where);
      if (commands.length > 0 && isValue(command.operands[0])) {
        throw new TemplateMistake("A value cannot take what | hands on", command.span, "a function must stand here");
      }
      commands.push(command);
      if (this.#peek().kind !== "|") break;
      this.#next();
    }
    const [first, ...rest] = commands;
    const slots = declared === undefined
      ? []
      : declared.names.map((token) => declared.assigns ? this.#find(token) : this.#scope.declare(token.text));
    const span = { start, end: rest.at(-1)?.span.end ?? first!.span.end };
    return { span, slots, assigns: declared?.assigns ?? false, commands: [first!, ...rest] };
  }

  /** `$x :=`, `$x =`, and for range also `$i, $x :=`. Nothing is declared yet: the pipeline itself cannot use it. */
  #declarations(isRange: boolean): { names: Token[]; assigns: boolean } | undefined {
    const [first, second, third, fourth] = this.#tokens.slice(this.#at, this.#at + 4);
    if (first?.kind !== "variable") return undefined;
    if (second?.kind === ":=" || second?.kind === "=") {
      this.#at += 2;
      return { names: [first], assigns: second.kind === "=" };
    }
    if (second?.kind !== ",") return undefined;
    if (!isRange) throw new TemplateMistake("Only range declares two variables", second.span);
    if (third?.kind !== "variable") this.#unexpected(third!, "a variable");
    if (fourth?.kind !== ":=" && fourth?.kind !== "=") this.#unexpected(fourth!, '":="');
    this.#at += 4;
    return { names: [first, third], assigns: fourth.kind === "=" };
  }

  #command(where: string): Command {
    const operands: Operand[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.kind === "close" || token.kind === "|" || token.kind === ")") break;
      if (operands.length > 0 && !token.spaced) this.#unexpected(token, "a space or the end of the operand");
      operands.push(this.#operand());
    }
    const [first, ...rest] = operands;
    if (first === undefined) this.#unexpected(this.#peek(), `a value or a function in ${where}`);
    const span = { start: first.span.start, end: operands.at(-1)!.span.end };
    if (first.kind === "nil") throw new TemplateMistake("nil is no command", first.span, "use it as an argument");
    if (rest.length > 0 && first.kind !== "function") {
      const hint = first.kind === "field" ? "fields hold values, not functions; join values with print" : undefined;
      const shown = this.#text.slice(first.span.start, first.span.end);
      throw new TemplateMistake(`${shown} is no function and takes no arguments`, first.span, hint);
    }
    return { span, operands: [first, ...rest] };
  }

  #operand(): Operand {
    const token = this.#next();
    let operand = this.#term(token);
    while (this.#peek().kind === "field" && !this.#peek().spaced) {
      const field = this.#next();
      if (operand.kind === "literal" || operand.kind === "nil" || operand.kind === "dot") {
        this.#unexpected(field, "a space");
      }
      const span = { start: token.span.start, end: field.span.end };
      operand = { kind: "field", span, base: operand, name: field.text };
    }
    return operand;
  }

  #term(token: Token): Operand {
    const { span } = token;
    switch (token.kind) {
      case "dot":
        return { kind: "dot", span };
      case "literal":
        return { kind: "literal", span, value: token.value };
      case "variable":
        return { kind: "variable", span, slot: this.#find(token) };
      case "field":
        return { kind: "field", span, base: { kind: "dot", span }, name: token.text };
      case "word":
        if (token.text === "nil") return { kind: "nil", span };
        if (token.text === "true" || token.text === "false") {
          return { kind: "literal", span, value: token.text === "true" };
        }
        if (keywords.has(token.text)) this.#unexpected(token, "a value");
        return { kind: "function", span, name: token.text };
      case "(": {
        const pipeline = this.#nested(span, () => this.#pipeline("parentheses", false));
        const close = this.#next();
        if (close.kind !== ")") this.#unexpected(close, '")"');
        return { kind: "pipeline", span: { start: span.start, end: close.span.end }, pipeline };
      }
      default:
        return this.#unexpected(token, "a value or a function");
    }
  }

  #find(token: Token): number {
    const name = token.text === "" ? "$" : token.text;
    const slot = this.#scope.find(name);
    if (slot !== undefined) return slot;
    const known = this.#scope.names().filter((other) => other !== "$").map((other) => `$${other}`);
    const hint = didYouMean(`$${name}`, known) ?? `declare it with {{$${name} := …}}`;
    throw new TemplateMistake(`Undefined variable $${name}`, token.span, hint);
  }

  // ---------------------------------------------------------------- tokens

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    return this.#tokens[this.#at++]!;
  }

  #close(): void {
    const token = this.#next();
    if (token.kind !== "close") this.#unexpected(token, '"}}"');
  }

  #unexpected(token: Token, wanted: string): never {
    const shown = this.#text.slice(token.span.start, token.span.end);
    throw new TemplateMistake(`Unexpected ${JSON.stringify(shown)}: ${wanted} wanted`, token.span);
  }

  #nested<T>(span: Span, read: () => T): T {
    if (++this.#depth > nestingMax) {
      throw new TemplateMistake(`Blocks and parentheses are nested over ${nestingMax} levels deep`, span);
    }
    const result = read();
    this.#depth--;
    return result;
  }
}

/** True for what can only give a value, so that nothing can be handed to it. */
function isValue(operand: Operand): boolean {
  return operand.kind !== "function";
}
