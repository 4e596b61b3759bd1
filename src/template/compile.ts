/**
 * A parsed template to closures: the names of functions are looked up once, running only calls.
 * @module
 */
import { type Diagnostic, diagnostic, type Span } from "../diagnostics/diagnostic.ts";
import { position } from "../diagnostics/render.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { compareByteOrder } from "../value/byte_order.ts";
import { DateTime } from "../value/datetime.ts";
import { getOwn, isStruct, type Value } from "../value/value.ts";
import type { Command, Definition, Operand, ParsedTemplate, Pipeline, TemplateNode } from "./ast.ts";
import { acceptArguments } from "./functions/declare.ts";
import { functions, leftOut } from "./functions/registry.ts";
import { printed } from "./go_print.ts";
import { isTrue, keysOf, typeOf } from "./go_value.ts";
import { fail, type Run } from "./run.ts";

/** Gives the value of an expression; `variables[0]` is `$`. */
type Evaluate = (run: Run, dot: Value, variables: Value[]) => Value;

const goesOn = 0;
const breaks = 1;
const continues = 2;
/** What the loop around has to do next. */
type Signal = typeof goesOn | typeof breaks | typeof continues;

/** Writes the text of a node. */
type Execute = (run: Run, dot: Value, variables: Value[]) => Signal;

interface Body {
  execute: Execute;
  slots: number;
}

/** Writes the whole template for `data`. Collects what is wrong with the text into `problems`. */
export function compileParsed(template: ParsedTemplate, problems: Diagnostic[]): (run: Run, data: Value) => void {
  const main = new Compiler(template, problems).template();
  return (run, data) => void call(main, run, data);
}

function call(body: Body, run: Run, data: Value): void {
  const variables: Value[] = new Array(body.slots).fill(undefined);
  variables[0] = data;
  run.enter();
  body.execute(run, data, variables);
  run.leave();
}

class Compiler {
  readonly #template: ParsedTemplate;
  readonly #problems: Diagnostic[];
  readonly #bodies = new Map<string, Body>();

  constructor(template: ParsedTemplate, problems: Diagnostic[]) {
    this.#template = template;
    this.#problems = problems;
  }

  template(): Body {
    // Bodies may call each other in circles, so all of them are there before the first is compiled.
    for (const [name, { slots }] of this.#template.definitions) {
      this.#bodies.set(name, { slots, execute: () => goesOn });
    }
    for (const [name, definition] of this.#template.definitions) {
      this.#bodies.get(name)!.execute = this.#body(definition).execute;
    }
    return this.#body(this.#template.main);
  }

  #body({ nodes, slots }: Definition): Body {
    return { execute: this.#nodes(nodes), slots };
  }

  #problem(message: string, span: Span, hint?: string): void {
    this.#problems.push(diagnostic("E409", message, hint === undefined ? { span } : { span, hint }));
  }

  // ---------------------------------------------------------------- nodes

  #nodes(nodes: readonly TemplateNode[]): Execute {
    const all = nodes.map((node) => this.#node(node));
    if (all.length === 1) return all[0]!;
    return (run, dot, variables) => {
      for (const execute of all) {
        const signal = execute(run, dot, variables);
        if (signal !== goesOn) return signal;
      }
      return goesOn;
    };
  }

  #node(node: TemplateNode): Execute {
    switch (node.kind) {
      case "text":
        return (run) => {
          run.spend(1);
          run.write(node.text);
          return goesOn;
        };
      case "print": {
        const evaluate = this.#pipeline(node.pipeline);
        if (node.pipeline.slots.length > 0) {
          return (run, dot, variables) => {
            evaluate(run, dot, variables);
            return goesOn;
          };
        }
        const print = this.#placed(node.span, (run, dot, variables) => {
          const value = evaluate(run, dot, variables);
          const text = printed(value, run);
          const { fit } = run.surroundings;
          run.write(fit === undefined ? text : fit(text, value, run.output));
          return undefined;
        });
        return (run, dot, variables) => {
          print(run, dot, variables);
          return goesOn;
        };
      }
      case "if":
      case "with":
        return this.#condition(node);
      case "range":
        return this.#range(node);
      case "template":
        return this.#call(node);
      case "break":
        return () => breaks;
      case "continue":
        return () => continues;
      default:
        return node satisfies never;
    }
  }

  #condition(node: TemplateNode & { kind: "if" | "with" | "range" }): Execute {
    const evaluate = this.#pipeline(node.pipeline);
    const body = this.#nodes(node.body);
    const otherwise = this.#nodes(node.otherwise);
    const isWith = node.kind === "with";
    return (run, dot, variables) => {
      const value = evaluate(run, dot, variables);
      run.enter();
      const signal = isTrue(value) ? body(run, isWith ? value : dot, variables) : otherwise(run, dot, variables);
      run.leave();
      return signal;
    };
  }

  #range(node: TemplateNode & { kind: "if" | "with" | "range" }): Execute {
    const evaluate = this.#pipeline({ ...node.pipeline, slots: [] });
    const body = this.#nodes(node.body);
    const otherwise = this.#nodes(node.otherwise);
    const { slots } = node.pipeline;
    const keySlot = slots.length === 2 ? slots[0] : undefined;
    const valueSlot = slots.at(-1);
    const entries = this.#placed(node.span, (run, dot, variables) => {
      const value = evaluate(run, dot, variables);
      if (typeof value === "bigint") {
        if (keySlot !== undefined) fail(`cannot range over the int ${value} with two variables`);
        return value;
      }
      if (value === null || value === undefined || Array.isArray(value) || value instanceof Uint8Array) return value;
      if (isStruct(value) && typeOf(value).startsWith("map")) return value;
      return fail(`range cannot iterate over ${shown(value)} (${typeOf(value)})`);
    });
    return (run, dot, variables) => {
      const value = entries(run, dot, variables);
      const keys = isStruct(value) ? keysOf(value).sort(compareByteOrder) : undefined;
      const count = keys?.length ?? lengthOf(value);
      // Sorting the keys takes its time too.
      if (keys !== undefined) run.spend(count * 4);
      run.enter();
      let signal: Signal = goesOn;
      if (count === 0) signal = otherwise(run, dot, variables);
      for (let i = 0; i < count; i++) {
        run.spend(1);
        const key = keys === undefined ? BigInt(i) : keys[i]!;
        const item = keys === undefined ? itemAt(value, i) : getOwn(value as { [key: string]: Value }, keys[i]!);
        if (keySlot !== undefined) variables[keySlot] = key;
        if (valueSlot !== undefined) variables[valueSlot] = item;
        if (body(run, item, variables) === breaks) break;
      }
      run.leave();
      return signal;
    };
  }

  #call(node: TemplateNode & { kind: "template" }): Execute {
    const body = this.#bodies.get(node.name);
    if (body === undefined) {
      const hint = didYouMean(node.name, this.#bodies.keys()) ??
        `define it with {{define ${JSON.stringify(node.name)}}}`;
      this.#problem(`No template ${JSON.stringify(node.name)} is defined`, node.nameSpan, hint);
      return () => goesOn;
    }
    const evaluate = node.pipeline === undefined ? () => undefined : this.#pipeline(node.pipeline);
    return (run, dot, variables) => {
      run.spend(1);
      call(body, run, evaluate(run, dot, variables));
      return goesOn;
    };
  }

  // ---------------------------------------------------------------- pipelines

  #pipeline(pipeline: Pipeline): Evaluate {
    let evaluate: Evaluate | undefined;
    for (const command of pipeline.commands) evaluate = this.#command(command, evaluate);
    const value = evaluate!;
    const slot = pipeline.slots[0];
    if (slot === undefined) return value;
    return (run, dot, variables) => variables[slot] = value(run, dot, variables);
  }

  /** `handed` gives what stands before `|`: the last argument. */
  #command({ operands: [first, ...rest], span }: Command, handed: Evaluate | undefined): Evaluate {
    if (first.kind !== "function") return this.#operand(first);
    const inputs = rest.map((operand) => this.#operand(operand));
    if (handed !== undefined) inputs.push(handed);
    return this.#function(first.name, first.span, inputs, span);
  }

  #function(name: string, nameSpan: Span, inputs: readonly Evaluate[], span: Span): Evaluate {
    if (name === "and" || name === "or") return this.#logic(name, inputs, span);
    const called = functions.get(name);
    if (called === undefined) {
      const hint = leftOut.get(name) ?? didYouMean(name, [...functions.keys(), "and", "or"]);
      this.#problem(`Unknown function ${JSON.stringify(name)}`, nameSpan, hint);
      return () => undefined;
    }
    const { least, most } = called;
    if (inputs.length < least || inputs.length > most) {
      const wanted = least === most ? `${least}` : most === Infinity ? `${least} or more` : `${least} to ${most}`;
      this.#problem(`${name} takes ${wanted} argument${wanted === "1" ? "" : "s"}: ${inputs.length} given`, span);
      return () => undefined;
    }
    return this.#placed(span, (run, dot, variables) => {
      run.spend(2);
      const values = new Array<Value>(inputs.length);
      for (let i = 0; i < inputs.length; i++) values[i] = inputs[i]!(run, dot, variables);
      // Reading a text costs more the longer it is, whatever the function does with it.
      for (const value of values) if (typeof value === "string") run.spend(value.length >> 3);
      const result = called.call(run, acceptArguments(called, values));
      if (typeof result === "string") run.spendText(result.length);
      return result;
    });
  }

  /** Stops at the first argument that decides. */
  #logic(name: "and" | "or", inputs: readonly Evaluate[], span: Span): Evaluate {
    if (inputs.length === 0) this.#problem(`${name} takes 1 or more arguments: 0 given`, span);
    const decides = name === "or";
    return (run, dot, variables) => {
      let value: Value;
      for (const input of inputs) {
        run.spend(1);
        value = input(run, dot, variables);
        if (isTrue(value) === decides) return value;
      }
      return value;
    };
  }

  #operand(operand: Operand): Evaluate {
    switch (operand.kind) {
      case "dot":
        return (run, dot) => {
          run.spend(1);
          return dot;
        };
      case "nil":
        return () => null;
      case "literal": {
        const { value } = operand;
        return () => value;
      }
      case "variable": {
        const { slot } = operand;
        return (run, _dot, variables) => {
          run.spend(1);
          return variables[slot];
        };
      }
      case "function":
        return this.#function(operand.name, operand.span, [], operand.span);
      case "pipeline":
        return this.#pipeline(operand.pipeline);
      case "field":
        return this.#field(operand);
      default:
        return operand satisfies never;
    }
  }

  #field(operand: Operand & { kind: "field" }): Evaluate {
    const base = this.#operand(operand.base);
    const { name } = operand;
    return this.#placed(operand.span, (run, dot, variables) => {
      run.spend(1);
      const value = base(run, dot, variables);
      if (isStruct(value)) return getOwn(value, name);
      // What is missing has no fields either; to look into a null is a mistake, as in Go.
      if (value === undefined) return undefined;
      if (value === null) return fail(`there is only null to take the field ${name} of`);
      const hint = Array.isArray(value)
        ? `: dot is a list; use index, range, or the setting sendSingle`
        : value instanceof DateTime
        ? ": use date, unixEpoch or dateModify"
        : "";
      return fail(`cannot take the field ${name} of a ${typeOf(value)}${hint}`);
    });
  }

  /** Adds to what fails where in the template that is. */
  #placed(span: Span, evaluate: Evaluate): Evaluate {
    const { text } = this.#template;
    return (run, dot, variables) => {
      try {
        return evaluate(run, dot, variables);
      } catch (error) {
        if (error instanceof PlacedError) throw error;
        const { line, column } = position(text, span.start);
        const expression = text.slice(span.start, Math.min(span.end, span.start + 60));
        const reason = error instanceof RangeError ? "a value is too large" : (error as Error).message;
        if (!(error instanceof RowError) && !(error instanceof RangeError)) throw error;
        throw new PlacedError(`Template failed at ${line}:${column} <${expression}>: ${reason}`, { cause: error });
      }
    };
  }
}

/** A failure that says where it happened. */
class PlacedError extends RowError {
  constructor(message: string, options: ErrorOptions) {
    super("E516", message, options);
  }
}

function lengthOf(value: Value): number {
  if (typeof value === "bigint") return value > 0n ? Number(value) : 0;
  return Array.isArray(value) || value instanceof Uint8Array ? value.length : 0;
}

function itemAt(value: Value, index: number): Value {
  if (Array.isArray(value)) return value[index];
  return BigInt(value instanceof Uint8Array ? value[index]! : index);
}

function shown(value: Value): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : `the value ${String(value).slice(0, 40)}`;
}
