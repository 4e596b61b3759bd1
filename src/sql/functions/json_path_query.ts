/**
 * The functions that look into JSON documents by path.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { isStruct, type Value } from "../../value/value.ts";
import { describe } from "./arguments.ts";
import { any, defineFunction, string } from "./declare.ts";
import { parseJsonText } from "./json.ts";
import { compileJsonPath, type JsonPath } from "./json_path.ts";

/** A map or array as it is; a text is read as JSON. */
function documentOf(x: Value, functionName: string): Value {
  const document = typeof x === "string" ? parseJsonText(x, functionName) : x;
  if (Array.isArray(document) || isStruct(document)) return document;
  throw new RowError("E506", `${functionName}() needs a map, an array or JSON text, found ${describe(x)}`);
}

function compilePath(path: string | undefined, functionName: string): JsonPath {
  try {
    return compileJsonPath(path ?? "");
  } catch (error) {
    throw new RowError("E506", `${functionName}(): ${(error as Error).message}`, { cause: error });
  }
}

/** The one value of a path that leads to one, else the array of all it leads to. */
function query(path: JsonPath, x: Value, functionName: string): Value {
  const found = path.select(documentOf(x, functionName));
  if (!path.single) return found;
  if (found.length === 0) throw new RowError("E506", `${functionName}() found nothing at the path`);
  return found[0];
}

const orders = [{ x: { items: [{ id: 1, temp: 20 }, { id: 2, temp: 40 }], total: 2 } }];

export const jsonPathQuery = defineFunction({
  name: "json_path_query",
  category: "json",
  returns: "unknown",
  nulls: "sees",
  params: [any("x"), string("path", { constant: true })],
  doc: "What `path` leads to in the map, array or JSON text `x`: the value itself for a path of keys and single " +
    "indexes, which must exist; else an array.",
  examples: [
    { sql: "json_path_query(x, '$.total')", rows: orders, gives: 2 },
    { sql: "json_path_query(x, '$.items[*].id')", rows: orders, gives: [1, 2] },
    { sql: "json_path_query(x, '$.items[? @.temp > 30].id')", rows: orders, gives: [2] },
    { sql: "json_path_query('{\"a\": [1, 2, 3]}', '$.a[0:2]')", gives: [1, 2] },
    { sql: "json_path_query(x, '$.missing')", rows: orders, fails: "E506" },
    { sql: "json_path_query(x, '$.total')", fails: "E506" },
    { sql: "json_path_query(x, '$.')", fails: "E214" },
  ],
  compile(constants) {
    const path = compilePath(constants.path, "json_path_query");
    return (x) => query(path, x, "json_path_query");
  },
});

export const jsonPathQueryFirst = defineFunction({
  name: "json_path_query_first",
  category: "json",
  returns: "unknown",
  nulls: "sees",
  params: [any("x"), string("path", { constant: true })],
  doc: "The first element of the array that `json_path_query` gives. Refused when it gives no array, or an empty one.",
  examples: [
    { sql: "json_path_query_first(x, '$..id')", rows: orders, gives: 1 },
    { sql: "json_path_query_first(x, '$.total')", rows: orders, fails: "E506" },
    { sql: "json_path_query_first(x, '$..missing')", rows: orders, fails: "E506" },
    { sql: "json_path_query_first(x, '$..id')", fails: "E506" },
  ],
  compile(constants) {
    const path = compilePath(constants.path, "json_path_query_first");
    return (x) => {
      const found = query(path, x, "json_path_query_first");
      if (!Array.isArray(found) || found.length === 0) {
        throw new RowError("E506", "json_path_query_first() found no array with elements at the path");
      }
      return found[0];
    };
  },
});

export const jsonPathExists = defineFunction({
  name: "json_path_exists",
  category: "json",
  returns: "boolean",
  nulls: "false",
  params: [any("x"), string("path", { constant: true })],
  doc: "True when `path` leads to something in `x` other than null or an empty array. Whatever goes wrong is false.",
  examples: [
    { sql: "json_path_exists(x, '$.items[1].temp')", rows: orders, gives: true },
    { sql: "json_path_exists(x, '$..missing')", rows: orders, gives: false },
    { sql: "json_path_exists('no json', '$.a')", gives: false },
    { sql: "json_path_exists(x, '$.a')", gives: false },
  ],
  compile(constants) {
    let path: JsonPath | undefined;
    try {
      path = compileJsonPath(constants.path ?? "");
    } catch {
      // A path that cannot be read leads nowhere.
    }
    return (x) => path !== undefined && leadsSomewhere(path, x);
  },
});

function leadsSomewhere(path: JsonPath, x: Value): boolean {
  try {
    const found = query(path, x, "json_path_exists");
    return found !== null && found !== undefined && !(Array.isArray(found) && found.length === 0);
  } catch (error) {
    if (error instanceof RowError) return false;
    throw error;
  }
}
