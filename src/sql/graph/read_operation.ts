/**
 * The properties of an operator node, by its type.
 * @module
 */
import { type GraphJoin, joinTypes, type Operation, timeUnits, windowTypes } from "./graph.ts";
import { unitMs } from "../analyze/windows.ts";
import type { Props } from "./props.ts";

/** As for windows in SQL: a length in milliseconds stays a safe integer with room for sums. */
const lengthMax = 2 ** 50;

/** What the node does, or undefined after a report. */
export function readOperation(nodeType: Operation["nodeType"], props: Props): Operation | undefined {
  const operation = read(nodeType, props);
  props.finish();
  return operation;
}

function read(nodeType: Operation["nodeType"], props: Props): Operation | undefined {
  switch (nodeType) {
    case "watermark": {
      const emitters = props.texts("emitters").map(({ text }) => text);
      // Windows are told the watermark in any case.
      props.ignore("sendWatermark");
      return emitters.length === 0 ? undefined : { nodeType, emitters };
    }
    case "function":
    case "aggfunc":
    case "filter": {
      const expr = props.expression("expr");
      return expr === undefined ? undefined : { nodeType, expr };
    }
    case "pick": {
      const fields = props.texts("fields");
      const isAgg = props.flag("isAgg");
      return fields.length === 0 ? undefined : { nodeType, fields, isAgg };
    }
    case "window":
      return readWindow(props);
    case "join":
      return readJoin(props);
    case "groupby": {
      const dimensions = props.texts("dimensions");
      return dimensions.length === 0 ? undefined : { nodeType, dimensions };
    }
    case "orderby": {
      const sorts = props.objects("sorts").flatMap((sort) => {
        const field = sort.expression("field");
        const descending = sort.flag("desc") || sort.choice("order", ["asc", "desc"], "asc") === "desc";
        sort.finish();
        return field === undefined ? [] : [{ field, descending }];
      });
      return sorts.length === 0 ? undefined : { nodeType, sorts };
    }
    case "switch": {
      const cases = props.texts("cases");
      const stopAtFirstMatch = props.flag("stopAtFirstMatch");
      return cases.length === 0 ? undefined : { nodeType, cases, stopAtFirstMatch };
    }
    case "script": {
      const script = props.text("script");
      const isAgg = props.flag("isAgg");
      if (script === undefined || !checkScript(script, props)) return undefined;
      return { nodeType, script, isAgg };
    }
    default:
      return nodeType satisfies never;
  }
}

/** The text is parsed, not run: that happens in the sandbox only. */
function checkScript(script: string, props: Props): boolean {
  try {
    new Function(script);
  } catch (error) {
    props.refuse("script", `The script cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
  if (/\bexec\b/.test(script)) return true;
  props.refuse("script", "The script has no function exec", "function exec(msg, meta) { return msg; }");
  return false;
}

function readWindow(props: Props): Operation | undefined {
  const type = props.choice("type", windowTypes);
  const isCount = type === "countwindow";
  const unit = isCount || type === undefined ? undefined : props.choice("unit", timeUnits);
  props.ignore("unit");
  const size = props.count("size");
  const interval = props.count("interval");
  if (type === undefined || size === undefined || interval === undefined) return undefined;
  if (!isCount && unit === undefined) return undefined;
  const ms = unit === undefined ? 1 : unitMs[unit];
  for (const [name, length] of [["size", size], ["interval", interval]] as const) {
    if (length * ms <= lengthMax) continue;
    props.refuse(name, `Property "${name}" is too large: ${length}`);
    return undefined;
  }
  const problem = lengthProblem(type, size, interval);
  if (problem !== undefined) {
    props.refuse(problem.name, problem.message);
    return undefined;
  }
  const needless = interval === 0 || type === "tumblingwindow" || type === "slidingwindow" ||
    (isCount && interval === size);
  return { nodeType: "window", type, unit, size, interval: needless ? undefined : interval };
}

function lengthProblem(
  type: typeof windowTypes[number],
  size: number,
  interval: number,
): { readonly name: "size" | "interval"; readonly message: string } | undefined {
  if (size === 0) return { name: "size", message: `A ${type} needs a size above 0` };
  const wrong = (wanted: string) => ({
    name: "interval" as const,
    message: `The interval of a ${type} must be ${wanted}, found ${interval} with size ${size}`,
  });
  switch (type) {
    case "tumblingwindow":
    case "slidingwindow":
      return interval === 0 || interval === size ? undefined : wrong("0 or the size");
    case "hoppingwindow":
      return interval > 0 && interval <= size ? undefined : wrong("above 0 and at most the size");
    case "sessionwindow":
      return interval > 0 ? undefined : wrong("above 0: it is the gap that ends a session");
    case "countwindow":
      return interval <= size ? undefined : wrong("at most the size");
    default:
      return type satisfies never;
  }
}

function readJoin(props: Props): Operation | undefined {
  const from = props.text("from");
  const joins = props.objects("joins").flatMap((join): GraphJoin[] => {
    const name = join.text("name");
    const type = join.choice("type", joinTypes, "inner");
    const on = join.optionalExpression("on");
    const path = join.path("on").replace(/\.[^.]*$/, "");
    join.finish();
    return name === undefined || type === undefined ? [] : [{ name, type, on, path }];
  });
  return from === undefined || joins.length === 0 ? undefined : { nodeType: "join", from, joins };
}
