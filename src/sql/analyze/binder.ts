/**
 * Syntax tree expressions to bound expressions: names resolved, functions found, types checked.
 * @module
 */
import { type Diagnostic, diagnostic, DiagnosticError, type Span } from "../../diagnostics/diagnostic.ts";
import type { Binary, Call, Case, Expr, In, Qualified, SelectItem, Star } from "../ast.ts";
import {
  type Bound,
  type BoundAggregate,
  type BoundAnalytic,
  type BoundDedupTrigger,
  type BoundRowNumber,
  hasAggregate,
} from "../bound.ts";
import type { FunctionSet } from "../catalog.ts";
import { printName } from "../print.ts";
import { isNumeric, typeOfLiteral, unify } from "../types.ts";
import { bindCall } from "./calls.ts";
import { binaryType, comparable } from "./operators.ts";
import type { Scope } from "./scope.ts";
import { checkAliasUse, refuseStageAlias } from "./stage_calls.ts";

/** Operands nested deeper than this are refused, so that no expression exhausts the stack when it runs. */
const depthMax = 400;

/**
 * The clause an expression stands in; it decides which aliases and calls are allowed. `trigger` is WHEN of a sliding
 * window, `window` all else that stands in a window, `switch` a case of a switch node in a graph rule.
 */
export type Clause =
  | "select"
  | "where"
  | "group by"
  | "having"
  | "order by"
  | "filter"
  | "over"
  | "on"
  | "switch"
  | "window"
  | "trigger";

/** An alias of the select list on its way from text to bound expression. */
export interface AliasEntry {
  readonly name: string;
  readonly index: number;
  readonly item: SelectItem;
  state: "unbound" | "binding" | "bound";
  bound: Bound | undefined;
  /** How deep the definition is nested, the aliases it uses included. Known once it is bound. */
  depth: number;
  slot: number | undefined;
}

/** Hint for what needs the result of an aggregate row by row. */
const inSecondRule = "aggregate here, and do the rest in a second rule";

export class Binder {
  readonly scope: Scope;
  readonly functions: FunctionSet;
  readonly aliases = new Map<string, AliasEntry>();
  /** One entry per distinct call, by its identity, in order of slots. */
  readonly aggregates = new Map<string, BoundAggregate>();
  /** In order of evaluation: inner calls first. */
  readonly analytics: BoundAnalytic[] = [];
  readonly rowNumbers: BoundRowNumber[] = [];
  readonly warnings: Diagnostic[] = [];
  /** The calls that count rows, those in the trigger of a sliding window left out. */
  readonly rowHits: Call[] = [];
  dedupTrigger: BoundDedupTrigger | undefined = undefined;
  readonly #report: (d: Diagnostic) => void;
  readonly #defining: AliasEntry[] = [];
  #slots: number;
  #depth = 0;
  /** The greatest depth reached since the definition that is being bound began. */
  #deepest = 0;
  /** Set once a call reads the row's metadata. */
  usesMeta = false;
  clause: Clause = "select";
  /** The select item being bound; aliases of schemaless statements are visible only behind their definition. */
  item = 0;
  /** Set while the arguments of an aggregate or analytic call are bound. */
  inside: "aggregate" | "analytic" | undefined = undefined;
  /** Set while WHEN of an analytic call is bound. */
  inWhen = false;

  /** `firstSlot` where others have taken slots of the rows before: the nodes of a graph are bound one by one. */
  constructor(scope: Scope, functions: FunctionSet, report: (d: Diagnostic) => void, firstSlot = 0) {
    this.#slots = firstSlot;
    this.scope = scope;
    this.functions = functions;
    this.#report = report;
  }

  get slotCount(): number {
    return this.#slots;
  }

  newSlot(): number {
    return this.#slots++;
  }

  report(code: Diagnostic["code"], message: string, span: Span, hint?: string): void {
    this.#report(diagnostic(code, message, hint === undefined ? { span } : { span, hint }));
  }

  /** Notes what fails every row that has values. It refuses nothing: the dialect judges types row by row, null aside. */
  warn(message: string, span: Span, hint?: string): void {
    if (this.warnings.length === warningsMax) return;
    this.warnings.push(diagnostic("E213", message, hint === undefined ? { span } : { span, hint }));
  }

  /** Binds in a clause other than the select list. */
  bindIn(clause: Clause, expr: Expr): Bound {
    this.clause = clause;
    return this.bind(expr);
  }

  bind(expr: Expr): Bound {
    this.#depth++;
    this.#reach(this.#depth, expr.span);
    try {
      return this.#bind(expr);
    } finally {
      this.#depth--;
    }
  }

  #reach(depth: number, span: Span): void {
    if (depth > depthMax) {
      throw new DiagnosticError([
        diagnostic("E102", `Expression nested more than ${depthMax} levels deep, aliases included`, { span }),
      ]);
    }
    this.#deepest = Math.max(this.#deepest, depth);
  }

  #bind(expr: Expr): Bound {
    const span = expr.span;
    switch (expr.kind) {
      case "literal":
        return { kind: "constant", value: expr.value, type: typeOfLiteral(expr.value), span };
      case "name":
        return this.#alias(expr.name, span) ?? this.scope.column(expr.name, span);
      case "qualified":
        return this.#qualified(expr);
      case "member": {
        const base = this.bind(expr.base);
        return { kind: "member", base, key: expr.key.name, type: "unknown", span };
      }
      case "index":
        return { kind: "index", base: this.bind(expr.base), index: this.#position(expr.index), type: "unknown", span };
      case "slice": {
        const from = expr.from === undefined ? undefined : this.#position(expr.from);
        const to = expr.to === undefined ? undefined : this.#position(expr.to);
        this.#checkSlice(from, to, span);
        return { kind: "slice", base: this.bind(expr.base), from, to, type: "array", span };
      }
      case "call":
        return bindCall(this, expr);
      case "binary":
        return this.#binary(expr);
      case "in":
        return this.#in(expr);
      case "between": {
        const [operand, low, high] = [this.bind(expr.operand), this.bind(expr.low), this.bind(expr.high)];
        for (const bound of [low, high]) this.#checkComparable(operand, bound, "BETWEEN", false);
        return { kind: "between", negated: expr.negated, operand, low, high, type: "boolean", span };
      }
      case "like": {
        const [operand, pattern] = [this.bind(expr.operand), this.bind(expr.pattern)];
        for (const side of [operand, pattern]) {
          if (side.type !== "string" && side.type !== "unknown") {
            this.warn(`LIKE needs strings, found ${side.type}`, side.span);
          }
        }
        return { kind: "like", negated: expr.negated, operand, pattern, type: "boolean", span };
      }
      case "case":
        return this.#case(expr);
      default:
        return expr satisfies never;
    }
  }

  /** `*` as an argument of a call. */
  bindStar(star: Star): Bound {
    for (let i = 0; i < this.scope.sources.length; i++) this.scope.want(i, "*");
    this.scope.checkExcept(star);
    return {
      kind: "star",
      except: star.except.map((name) => name.name),
      replace: star.replace.map((r) => ({ name: r.name.name, expr: this.bind(r.expr) })),
      type: "struct",
      span: star.span,
    };
  }

  /** The bound definition of an alias, binding it first when an earlier item uses it. */
  define(alias: AliasEntry): Bound {
    if (alias.bound !== undefined) return alias.bound;
    const before = { clause: this.clause, item: this.item, inside: this.inside, inWhen: this.inWhen };
    const [depth, deepest] = [this.#depth, this.#deepest];
    this.#deepest = depth;
    alias.state = "binding";
    this.#defining.push(alias);
    this.clause = "select";
    this.item = alias.index;
    this.inside = undefined;
    this.inWhen = false;
    alias.bound = this.bind(alias.item.expr as Expr);
    this.#defining.pop();
    alias.state = "bound";
    alias.depth = this.#deepest - depth;
    this.#deepest = Math.max(this.#deepest, deepest);
    Object.assign(this, before);
    return alias.bound;
  }

  /** Binds what an alias names, where that is no expression: the name means the column there too. */
  defining<T>(alias: AliasEntry | undefined, work: () => T): T {
    if (alias === undefined) return work();
    this.#defining.push(alias);
    try {
      return work();
    } finally {
      this.#defining.pop();
    }
  }

  #alias(name: string, span: Span): Bound | undefined {
    const alias = this.aliases.get(name);
    if (alias === undefined) return undefined;
    // Inside its own definition a name means the column.
    if (this.#defining.at(-1) === alias) return undefined;
    const visible = this.clause !== "select" || this.scope.typed || alias.index < this.item;
    if (!visible) return undefined;
    if (refuseStageAlias(this, alias.item, name, span)) {
      return { kind: "constant", value: null, type: "unknown", span };
    }
    if (alias.state === "binding") {
      const cycle = [...this.#defining.slice(this.#defining.indexOf(alias)), alias].map((a) => a.name).join(" → ");
      const owner = this.scope.sources[0];
      this.report(
        "E207",
        `Circular alias: ${cycle}`,
        span,
        `to reach the column, write ${owner?.alias ?? owner?.name ?? "source"}.${name}`,
      );
      return { kind: "constant", value: null, type: "unknown", span };
    }
    const expr = this.define(alias);
    // The definition stands where its name does.
    this.#reach(this.#depth - 1 + alias.depth, span);
    if (this.inside === "analytic" && hasAggregate(expr)) {
      this.report(
        "E208",
        `Alias "${name}" holds an aggregate, which analytic functions cannot take`,
        span,
        inSecondRule,
      );
    }
    if (this.inside === "aggregate" && hasAggregate(expr)) {
      this.report("E208", `Alias "${name}" holds an aggregate, and aggregates cannot be nested`, span, inSecondRule);
    }
    checkAliasUse(this, name, expr, span);
    // Columns, constants and results that already have a slot cost nothing to read again.
    switch (expr.kind) {
      case "column":
      case "constant":
      case "aggregate":
      case "analytic":
      case "row_number":
      case "dedup_trigger":
        return { ...expr, span };
    }
    alias.slot ??= this.newSlot();
    return { kind: "alias", name, slot: alias.slot, expr, type: expr.type, span };
  }

  /** `x.y`: column y of source x, or key y of column x. */
  #qualified(expr: Qualified): Bound {
    const source = this.scope.find(expr.qualifier.name);
    if (source !== -1) return this.scope.columnOf(source, expr.name.name, expr.span);
    const base = this.#alias(expr.qualifier.name, expr.qualifier.span) ??
      this.scope.column(expr.qualifier.name, expr.qualifier.span);
    return { kind: "member", base, key: expr.name.name, type: "unknown", span: expr.span };
  }

  #binary(expr: Binary): Bound {
    const operator = expr.operator;
    if (operator === "AND" || operator === "OR") {
      // The left spine of a chain is walked, not recursed into: generated rules have chains of thousands.
      const reversed: Expr[] = [];
      let left: Expr = expr;
      while (left.kind === "binary" && left.operator === operator) {
        reversed.push(left.right);
        left = left.left;
      }
      reversed.push(left);
      const operands = reversed.reverse().map((operand) => this.bind(operand));
      for (const operand of operands) {
        if (binaryType(operator, operand.type, "boolean") === undefined) {
          this.warn(`${operator} needs booleans, found ${operand.type}`, operand.span);
        }
      }
      return { kind: "logical", operator, operands, type: "boolean", span: expr.span };
    }
    const left = this.bind(expr.left);
    const right = this.bind(expr.right);
    const type = binaryType(operator, left.type, right.type);
    if (type === undefined) {
      const hint = operator === "+" && (left.type === "string" || right.type === "string")
        ? "join texts with concat(a, b)"
        : hintAboutQuotes(left, right) ?? hintAboutQuotes(right, left);
      const verb = /^[=!<>]/.test(operator) ? "compare" : "combine";
      this.warn(`Cannot ${verb} ${left.type} ${operator} ${right.type}`, expr.span, hint);
    }
    return { kind: "binary", operator, left, right, type: type ?? "unknown", span: expr.span };
  }

  #checkComparable(left: Bound, right: Bound, what: string, booleans: boolean): void {
    if (!comparable(left.type, right.type, booleans)) {
      this.warn(`${what} cannot compare ${left.type} with ${right.type}`, right.span);
    }
  }

  #in(expr: In): Bound {
    const operand = this.bind(expr.operand);
    const list = expr.list?.map((element) => this.bind(element));
    for (const element of list ?? []) this.#checkComparable(operand, element, "IN", true);
    const array = expr.array === undefined ? undefined : this.bind(expr.array);
    if (array !== undefined && array.type !== "array" && array.type !== "unknown") {
      const message = `IN needs a list or an array, found ${array.type}`;
      const hint = "write the values in parentheses";
      if (array.kind === "constant") this.report("E213", message, array.span, hint);
      else this.warn(message, array.span, hint);
    }
    return { kind: "in", negated: expr.negated, operand, list, array, type: "boolean", span: expr.span };
  }

  #case(expr: Case): Bound {
    const operand = expr.operand === undefined ? undefined : this.bind(expr.operand);
    const branches = expr.branches.map((b) => ({ when: this.bind(b.when), then: this.bind(b.then) }));
    if (operand !== undefined) {
      for (const b of branches) this.#checkComparable(operand, b.when, "CASE", true);
    }
    const otherwise = expr.otherwise === undefined ? undefined : this.bind(expr.otherwise);
    const results = [...branches.map((b) => b.then.type), ...(otherwise === undefined ? [] : [otherwise.type])];
    return { kind: "case", operand, branches, otherwise, type: results.reduce(unify), span: expr.span };
  }

  /** What stands inside brackets: keys of maps do not. */
  #position(expr: Expr): Bound {
    const bound = this.bind(expr);
    if (bound.type !== "unknown" && !isNumeric(bound.type)) {
      const message = `An index must be an int, found ${bound.type}`;
      const isKey = bound.kind === "constant" && typeof bound.value === "string";
      const hint = isKey ? `for a key write a->${printName({ name: bound.value as string })}` : undefined;
      if (bound.kind === "constant") this.report("E213", message, bound.span, hint);
      else this.warn(message, bound.span);
    }
    return bound;
  }

  #checkSlice(from: Bound | undefined, to: Bound | undefined, span: Span): void {
    if (from?.kind !== "constant" || to?.kind !== "constant") return;
    const [i, j] = [from.value, to.value];
    if (typeof i === "bigint" && typeof j === "bigint" && i >= 0n && j >= 0n && i >= j) {
      this.report("E214", `Empty slice: ${i} is not before ${j}`, span);
    }
  }

  /** True when a call of this kind may stand here; reports it otherwise. */
  allowCall(kind: "aggregate" | "analytic", call: Call): boolean {
    const name = `${call.name.name}()`;
    if (kind === "aggregate" && this.inside !== undefined) {
      this.report("E208", `Aggregate ${name} cannot stand inside an ${this.inside} call`, call.span, inSecondRule);
      return false;
    }
    const refusing: Clause[] = kind === "aggregate"
      ? ["group by", "filter", "over", "on", "window", "trigger"]
      : ["over"];
    if (!refusing.includes(this.clause)) return true;
    const where = this.clause.toUpperCase();
    if (kind === "aggregate") {
      this.report(
        "E208",
        `Aggregate ${name} cannot stand in ${where}`,
        call.span,
        "conditions on aggregates belong in HAVING",
      );
    } else {
      const hint = "give the inner call an alias in a rule of its own";
      this.report("E216", `Analytic function ${name} cannot stand in ${where}`, call.span, hint);
    }
    return false;
  }
}

/** More warnings than this help nobody. */
const warningsMax = 50;

/** For a string literal that was meant as a number or as a column. */
function hintAboutQuotes(text: Bound, other: Bound): string | undefined {
  if (text.kind !== "constant" || typeof text.value !== "string") return undefined;
  if (isNumeric(other.type) && /^-?[0-9]+(?:\.[0-9]+)?$/.test(text.value)) return `write ${text.value} without quotes`;
  if (other.kind !== "constant" || !/^[A-Za-z]\w*$/.test(text.value)) return undefined;
  return `quotes make a string: for the column write ${printName({ name: text.value })}`;
}
