/**
 * Every built-in function that is not a window, and the lookup by name.
 * @module
 */
import { abs } from "./abs.ts";
import { accAvg, accCount, accMax, accMin, accSum } from "./accumulate.ts";
import { createArrayMap } from "./array_map.ts";
import { arrayContains, arrayContainsAny, arrayLastPosition, arrayPosition, arrayRemove } from "./array_search.ts";
import { arrayDistinct, arrayExcept, arrayIntersect, arrayUnion } from "./array_sets.ts";
import {
  arrayCardinality,
  arrayConcat,
  arrayCreate,
  arrayFlatten,
  arrayJoin,
  arrayMax,
  arrayMin,
  arrayShuffle,
  arraySort,
  cardinality,
  elementAt,
  kvpairArrayToObj,
  repeat,
  sequence,
} from "./array_shape.ts";
import { avg } from "./avg.ts";
import { decode, encode } from "./base64_coding.ts";
import { bitand, bitnot, bitor, bitxor } from "./bits.ts";
import { cast } from "./cast.ts";
import { ceil } from "./ceil.ts";
import { changedCol } from "./changed_col.ts";
import { chr } from "./chr.ts";
import { curDate, curTime, now } from "./clock.ts";
import { coalesce } from "./coalesce.ts";
import { collect } from "./collect.ts";
import { compress, decompress } from "./compression.ts";
import { concat } from "./concat.ts";
import { conv } from "./conv.ts";
import { count } from "./count.ts";
import { crc32 } from "./crc32.ts";
import type { SqlFunction } from "./declare.ts";
import { dedupTrigger } from "./dedup_trigger.ts";
import { deduplicate } from "./deduplicate.ts";
import { delay } from "./delay.ts";
import { endswith } from "./endswith.ts";
import { floor } from "./floor.ts";
import { format } from "./format.ts";
import { formatTime } from "./format_time.ts";
import { getKeyedState } from "./get_keyed_state.ts";
import { hadChanged } from "./had_changed.ts";
import { md5, sha1, sha256, sha384, sha512 } from "./hashing.ts";
import { dec2hex, hex2dec } from "./hexadecimal.ts";
import { indexof } from "./indexof.ts";
import { isnull } from "./isnull.ts";
import { parseJson, toJson } from "./json.ts";
import { jsonPathExists, jsonPathQuery, jsonPathQueryFirst } from "./json_path_query.ts";
import { lag } from "./lag.ts";
import { lastAggHitCount, lastAggHitTime, lastHitCount, lastHitTime } from "./last_hit.ts";
import { lastValue } from "./last_value.ts";
import { latest } from "./latest.ts";
import { length } from "./length.ts";
import { exp, ln, log, power, sqrt } from "./logarithms.ts";
import { lower } from "./lower.ts";
import { max } from "./max.ts";
import { median } from "./median.ts";
import { mergeAgg } from "./merge_agg.ts";
import { meta } from "./meta.ts";
import { min } from "./min.ts";
import { mod } from "./mod.ts";
import { mqtt } from "./mqtt.ts";
import { newuuid } from "./newuuid.ts";
import { numbytes } from "./numbytes.ts";
import {
  erase,
  items,
  keys,
  object,
  objectConcat,
  objectConstruct,
  objectPick,
  objectSize,
  objToKvpairArray,
  values,
  zip,
} from "./objects.ts";
import { lpad, rpad } from "./pad.ts";
import { percentileCont, percentileDisc } from "./percentile.ts";
import { props } from "./props.ts";
import { rand } from "./rand.ts";
import { regexpMatches, regexpReplace, regexpSubstr } from "./regexp.ts";
import { reverse } from "./reverse.ts";
import { round } from "./round.ts";
import { changedCols, extract, rowNumber, unnest } from "./row_shape.ts";
import { ruleId, ruleStart } from "./rule_facts.ts";
import { sign } from "./sign.ts";
import { splitValue } from "./split_value.ts";
import { startswith } from "./startswith.ts";
import { substring } from "./substring.ts";
import { sum } from "./sum.ts";
import { convertTz, dateCalc, dateDiff, fromDays, fromUnixTime, toSeconds } from "./time_arithmetic.ts";
import {
  dayName,
  dayOfMonth,
  dayOfWeek,
  dayOfYear,
  hour,
  lastDay,
  microsecond,
  minute,
  month,
  monthName,
  second,
} from "./time_parts.ts";
import { acos, asin, atan, atan2, cos, cosh, cot, degrees, pi, radians, sin, sinh, tan, tanh } from "./trigonometry.ts";
import { ltrim, rtrim, trim } from "./trim.ts";
import { trunc } from "./trunc.ts";
import { tstamp } from "./tstamp.ts";
import { upper } from "./upper.ts";
import { sampleStddev, sampleVariance, stddev, variance } from "./variance.ts";
import { eventTime, windowEnd, windowStart, windowTrigger } from "./window_times.ts";

/** All of them, in alphabetical order. */
export const functions: readonly SqlFunction[] = [
  abs,
  accAvg,
  accCount,
  accMax,
  accMin,
  accSum,
  acos,
  arrayCardinality,
  arrayConcat,
  arrayContains,
  arrayContainsAny,
  arrayCreate,
  arrayDistinct,
  arrayExcept,
  arrayFlatten,
  arrayIntersect,
  arrayJoin,
  arrayLastPosition,
  createArrayMap(lookup),
  arrayMax,
  arrayMin,
  arrayPosition,
  arrayRemove,
  arrayShuffle,
  arraySort,
  arrayUnion,
  asin,
  atan,
  atan2,
  avg,
  bitand,
  bitnot,
  bitor,
  bitxor,
  cardinality,
  cast,
  ceil,
  changedCol,
  changedCols,
  chr,
  coalesce,
  collect,
  compress,
  concat,
  conv,
  convertTz,
  cos,
  cosh,
  cot,
  count,
  crc32,
  curDate,
  curTime,
  dateCalc,
  dateDiff,
  dayName,
  dayOfMonth,
  dayOfWeek,
  dayOfYear,
  dec2hex,
  decode,
  decompress,
  dedupTrigger,
  deduplicate,
  degrees,
  delay,
  elementAt,
  encode,
  endswith,
  erase,
  eventTime,
  exp,
  extract,
  floor,
  format,
  formatTime,
  fromDays,
  fromUnixTime,
  getKeyedState,
  hadChanged,
  hex2dec,
  hour,
  indexof,
  isnull,
  items,
  jsonPathExists,
  jsonPathQuery,
  jsonPathQueryFirst,
  keys,
  kvpairArrayToObj,
  lag,
  lastAggHitCount,
  lastAggHitTime,
  lastDay,
  lastHitCount,
  lastHitTime,
  lastValue,
  latest,
  length,
  ln,
  log,
  lower,
  lpad,
  ltrim,
  max,
  md5,
  median,
  mergeAgg,
  meta,
  microsecond,
  min,
  minute,
  mod,
  month,
  monthName,
  mqtt,
  newuuid,
  now,
  numbytes,
  objToKvpairArray,
  object,
  objectConcat,
  objectConstruct,
  objectPick,
  objectSize,
  parseJson,
  percentileCont,
  percentileDisc,
  pi,
  power,
  props,
  radians,
  rand,
  regexpMatches,
  regexpReplace,
  regexpSubstr,
  repeat,
  reverse,
  round,
  rowNumber,
  rpad,
  rtrim,
  ruleId,
  ruleStart,
  second,
  sequence,
  sha1,
  sha256,
  sha384,
  sha512,
  sign,
  sin,
  sinh,
  splitValue,
  sqrt,
  startswith,
  stddev,
  sampleStddev,
  substring,
  sum,
  tan,
  tanh,
  toJson,
  toSeconds,
  trim,
  trunc,
  tstamp,
  unnest,
  upper,
  values,
  variance,
  sampleVariance,
  windowEnd,
  windowStart,
  windowTrigger,
  zip,
];

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
