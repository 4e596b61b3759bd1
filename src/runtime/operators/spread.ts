/**
 * `unnest(array)` and `extract(map)`: several output rows made of one, behind the select list.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { OutputSpread } from "../../sql/analyze/select_list.ts";
import { compileArguments } from "../../sql/compile/calls.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { CompileContext } from "../../sql/compile/evaluator.ts";
import type { ProjectPlan } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import { isStruct, setOwn, type Struct, type Value, type ValueArray } from "../../value/value.ts";

/**
 * The output rows of a row.
 *
 * @param build The other items of the select list; what it gives is copied. Called only when there are elements.
 * @returns A function that throws `RowError` E506 for null, an empty array and anything that cannot be spread.
 */
export function compileSpread(
  item: OutputSpread,
  plan: ProjectPlan,
  context: CompileContext,
  build: (row: Row) => Struct,
): (row: Row) => Struct[] {
  const { fn, args, name, aliased } = item;
  const [evaluate] = compileArguments(fn, args, context, (part) => compileExpression(part, context));
  const takesMap = fn.params[0]!.type === "struct";
  const writesNull = aliased && plan.sendNilField;
  // Keys overwrite plain columns, aliases overwrite both.
  const aliases = new Set(plan.items.flatMap((each) => each.kind === "expression" && each.aliased ? [each.name] : []));
  const write = (out: Struct, element: Value): void => {
    if (!isStruct(element)) {
      if (element !== null && element !== undefined) setOwn(out, name, element);
      else if (writesNull) setOwn(out, name, null);
      return;
    }
    for (const key of Object.keys(element)) {
      if (!aliases.has(key) && element[key] !== undefined) setOwn(out, key, element[key]);
    }
  };
  return (row) => {
    const value = evaluate!(row);
    const elements = takesMap && value !== null ? [value] : value as ValueArray | null;
    if (elements === null || elements.length === 0) {
      const found = elements === null ? "null" : "an empty array";
      throw new RowError("E506", `${fn.name}() needs ${takesMap ? "a map" : "an array with elements"}, found ${found}`);
    }
    const columns = build(row);
    return elements.map((element) => {
      const out: Struct = { ...columns };
      write(out, element);
      return out;
    });
  };
}
