import assert from "node:assert/strict";
import { test } from "node:test";
import type { Value } from "../../value/value.ts";
import type { Example } from "./declare.ts";
import { functionNames, functions, lookup } from "./registry.ts";

/** All names of the dialect's functions, as its description lists them. */
const dialect = `
count sum avg min max collect last_value merge_agg deduplicate median stddev var stddevs vars percentile_cont
percentile percentile_disc last_agg_hit_count last_agg_hit_time

lag latest changed_col had_changed acc_sum acc_avg acc_min acc_max acc_count

changed_cols unnest extract row_number dedup_trigger

abs acos asin atan cos cosh exp sin sinh tan tanh atan2 cot radians degrees ceil ceiling floor round sign mod power
pow sqrt ln log pi rand bitand bitor bitxor bitnot conv

concat length numbytes lower upper reverse trim ltrim rtrim lpad rpad startswith endswith indexof substring
split_value regexp_matches regexp_replace regexp_substr regexp_substring format

array_create cardinality array_cardinality array_position array_last_position element_at array_contains
array_contains_any array_remove array_intersect array_union array_except array_max array_min array_distinct
array_flatten array_sort array_shuffle array_concat array_join array_map repeat sequence kvpair_array_to_obj

now current_timestamp local_time local_timestamp cur_date current_date cur_time current_time format_time date_calc
date_diff day_name month_name day_of_month day day_of_year month hour minute second microsecond day_of_week last_day
from_days from_unix_time to_seconds convert_tz tstamp

keys values items object zip object_construct object_concat object_size object_pick erase obj_to_kvpair_array

md5 sha1 sha256 sha384 sha512 crc32 cast encode decode compress decompress trunc chr hex2dec dec2hex

to_json parse_json json_path_exists json_path_query json_path_query_first

isnull coalesce newuuid event_time window_start window_end window_trigger rule_id rule_start meta mqtt last_hit_count
last_hit_time get_keyed_state delay props
`.trim().split(/\s+/);

test("the dialect has 184 functions and two further spellings", () => {
  assert.equal(new Set(dialect).size, 186);
});

test("there is every function of the dialect, and no other", () => {
  assert.deepEqual([...functionNames()].sort(), [...dialect].sort());
});

test("no name is used twice", () => {
  const names = functions.flatMap((fn) => [fn.name, ...(fn.aliases ?? [])]);
  assert.equal(new Set(names).size, names.length);
});

test("functions are listed in alphabetical order", () => {
  const names = functions.map((fn) => fn.name);
  assert.deepEqual(names, [...names].sort());
});

test("lookup() ignores case and knows aliases", () => {
  assert.equal(lookup("CEILING")?.name, "ceil");
  assert.equal(lookup("Count")?.name, "count");
  assert.equal(lookup("lenght"), undefined);
  assert.equal(lookup("constructor"), undefined);
});

test("optional and variadic parameters stand at the end", () => {
  for (const fn of functions) {
    for (const [i, param] of fn.params.entries()) {
      if (i === fn.params.length - 1) continue;
      assert.ok(param.variadic !== true, `${fn.name}(${param.name})`);
      if (param.optional === true) assert.equal(fn.params[i + 1]!.optional, true, `${fn.name}(${param.name})`);
    }
  }
});

function isNullLike(value: Value): boolean {
  return value === null || value === undefined || value === false || value === 0n || value === 0;
}

/** What a null gives, what is refused, or a row with a null among its columns. */
function isTelling(example: Example): boolean {
  if ("fails" in example) return true;
  if (example.rows?.some((row) => Object.keys(row).length === 0 || Object.values(row).some((v) => v === null))) {
    return true;
  }
  return "gives" in example && isNullLike(example.gives);
}

for (const name of dialect) {
  test(`${name}() is described, has examples, and says what null gives or what it refuses`, () => {
    const fn = lookup(name);
    assert.ok(fn !== undefined);
    assert.match(fn.doc, /\.$/);
    assert.ok(fn.examples.length > 0);
    if (fn.params.length > 0) assert.ok(fn.examples.some(isTelling));
  });
}
