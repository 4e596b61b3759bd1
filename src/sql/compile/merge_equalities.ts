/**
 * `a = 1 OR a = 2 OR …` is `a IN (1, 2, …)`, and `a != 1 AND a != 2 AND …` is `a NOT IN (1, 2, …)`: one look-up instead
 * of a comparison for each. Generated rules have such chains of thousands.
 *
 * Only neighbours are merged, so that what is evaluated before them, and what fails, stays the same; null gives false
 * either way.
 * @module
 */
import type { Bound, BoundConstant, BoundLogical } from "../bound.ts";

/** Shorter runs are as quick as they stand. */
const runLengthMin = 4;

/** The operands of a chain, with each long run of comparisons of one column with constants merged into one. */
export function mergeEqualities({ operator, operands }: BoundLogical): readonly Bound[] {
  const merged: Bound[] = [];
  let start = 0;
  while (start < operands.length) {
    const end = endOfRun(operator, operands, start);
    if (end - start < runLengthMin) merged.push(...operands.slice(start, Math.max(end, start + 1)));
    else merged.push(toIn(operator, operands.slice(start, end)));
    start = Math.max(end, start + 1);
  }
  return merged;
}

type Side = { readonly column: Bound; readonly constant: BoundConstant };

/** The column and the constant of a comparison that can be merged. */
function sidesOf(operator: "AND" | "OR", operand: Bound): Side | undefined {
  if (operand.kind !== "binary" || operand.operator !== (operator === "OR" ? "=" : "!=")) return undefined;
  const { left, right } = operand;
  return left.kind === "column" && right.kind === "constant" ? { column: left, constant: right } : undefined;
}

function endOfRun(operator: "AND" | "OR", operands: readonly Bound[], start: number): number {
  const first = sidesOf(operator, operands[start]!);
  if (first === undefined) return start;
  let end = start + 1;
  while (end < operands.length) {
    const next = sidesOf(operator, operands[end]!);
    if (next === undefined || !sameColumn(first.column, next.column)) break;
    end++;
  }
  return end;
}

function sameColumn(a: Bound, b: Bound): boolean {
  return a.kind === "column" && b.kind === "column" && a.name === b.name && a.source === b.source;
}

function toIn(operator: "AND" | "OR", run: readonly Bound[]): Bound {
  const sides = run.map((operand) => sidesOf(operator, operand)!);
  return {
    kind: "in",
    negated: operator === "AND",
    operand: sides[0]!.column,
    list: sides.map((side) => side.constant),
    array: undefined,
    type: "boolean",
    span: { start: run[0]!.span.start, end: run.at(-1)!.span.end },
  };
}
