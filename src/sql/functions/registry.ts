/**
 * Every built-in function that is not a window, and the lookup by name.
 * @module
 */
import { abs } from "./abs.ts";
import { avg } from "./avg.ts";
import { cast } from "./cast.ts";
import { ceil } from "./ceil.ts";
import { curDate, curTime, now } from "./clock.ts";
import { coalesce } from "./coalesce.ts";
import { collect } from "./collect.ts";
import { concat } from "./concat.ts";
import { count } from "./count.ts";
import type { SqlFunction } from "./declare.ts";
import { floor } from "./floor.ts";
import { formatTime } from "./format_time.ts";
import { hadChanged } from "./had_changed.ts";
import { isnull } from "./isnull.ts";
import { lag } from "./lag.ts";
import { lastValue } from "./last_value.ts";
import { length } from "./length.ts";
import { lower } from "./lower.ts";
import { max } from "./max.ts";
import { mergeAgg } from "./merge_agg.ts";
import { meta } from "./meta.ts";
import { min } from "./min.ts";
import { mqtt } from "./mqtt.ts";
import { regexpMatches, regexpReplace, regexpSubstr } from "./regexp.ts";
import { round } from "./round.ts";
import { ruleId, ruleStart } from "./rule_facts.ts";
import { startswith } from "./startswith.ts";
import { substring } from "./substring.ts";
import { sum } from "./sum.ts";
import { trunc } from "./trunc.ts";
import { tstamp } from "./tstamp.ts";
import { upper } from "./upper.ts";
import { eventTime, windowEnd, windowStart, windowTrigger } from "./window_times.ts";

/** All of them, in alphabetical order. */
export const functions: readonly SqlFunction[] = [
  abs,
  avg,
  cast,
  ceil,
  coalesce,
  collect,
  concat,
  count,
  curDate,
  curTime,
  eventTime,
  floor,
  formatTime,
  hadChanged,
  isnull,
  lag,
  lastValue,
  length,
  lower,
  max,
  mergeAgg,
  meta,
  min,
  mqtt,
  now,
  regexpMatches,
  regexpReplace,
  regexpSubstr,
  round,
  ruleId,
  ruleStart,
  startswith,
  substring,
  sum,
  trunc,
  tstamp,
  upper,
  windowEnd,
  windowStart,
  windowTrigger,
];

/** Functions of the dialect that this version does not have; analyze says so instead of calling them unknown. */
export const notYet: ReadonlySet<string> = new Set<string>([
  "acc_avg",
  "acc_count",
  "acc_max",
  "acc_min",
  "acc_sum",
  "acos",
  "array_cardinality",
  "array_concat",
  "array_contains",
  "array_contains_any",
  "array_create",
  "array_distinct",
  "array_except",
  "array_flatten",
  "array_intersect",
  "array_join",
  "array_last_position",
  "array_map",
  "array_max",
  "array_min",
  "array_position",
  "array_remove",
  "array_shuffle",
  "array_sort",
  "array_union",
  "asin",
  "atan",
  "atan2",
  "bitand",
  "bitnot",
  "bitor",
  "bitxor",
  "cardinality",
  "changed_col",
  "changed_cols",
  "chr",
  "compress",
  "conv",
  "convert_tz",
  "cos",
  "cosh",
  "cot",
  "crc32",
  "date_calc",
  "date_diff",
  "day",
  "day_name",
  "day_of_month",
  "day_of_week",
  "day_of_year",
  "dec2hex",
  "decode",
  "decompress",
  "dedup_trigger",
  "deduplicate",
  "degrees",
  "delay",
  "element_at",
  "encode",
  "endswith",
  "erase",
  "exp",
  "extract",
  "format",
  "from_days",
  "from_unix_time",
  "get_keyed_state",
  "hex2dec",
  "hour",
  "indexof",
  "items",
  "json_path_exists",
  "json_path_query",
  "json_path_query_first",
  "keys",
  "kvpair_array_to_obj",
  "last_agg_hit_count",
  "last_agg_hit_time",
  "last_day",
  "last_hit_count",
  "last_hit_time",
  "latest",
  "ln",
  "log",
  "lpad",
  "ltrim",
  "md5",
  "median",
  "microsecond",
  "minute",
  "mod",
  "month",
  "month_name",
  "newuuid",
  "numbytes",
  "obj_to_kvpair_array",
  "object",
  "object_concat",
  "object_construct",
  "object_pick",
  "object_size",
  "parse_json",
  "percentile",
  "percentile_cont",
  "percentile_disc",
  "pi",
  "pow",
  "power",
  "props",
  "radians",
  "rand",
  "repeat",
  "reverse",
  "row_number",
  "rpad",
  "rtrim",
  "second",
  "sequence",
  "sha1",
  "sha256",
  "sha384",
  "sha512",
  "sign",
  "sin",
  "sinh",
  "split_value",
  "sqrt",
  "stddev",
  "stddevs",
  "tan",
  "tanh",
  "to_json",
  "to_seconds",
  "trim",
  "unnest",
  "values",
  "var",
  "vars",
  "zip",
]);

const byName = new Map<string, SqlFunction>();
for (const fn of functions) {
  for (const name of [fn.name, ...(fn.aliases ?? [])]) byName.set(name, fn);
}

/** The function called `name` or having it as an alias; case is ignored. */
export function lookup(name: string): SqlFunction | undefined {
  return byName.get(name.toLowerCase());
}

/** All names that {@linkcode lookup} knows, aliases included, for suggestions. */
export function functionNames(): readonly string[] {
  return [...byName.keys()];
}
