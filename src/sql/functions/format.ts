import { RowError } from "../../diagnostics/row_error.ts";
import { defineFunction, index, number, string } from "./declare.ts";

const digitsMax = 100;

export const format = defineFunction({
  name: "format",
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [
    number("x"),
    index("digits", { constant: true, least: 0 }),
    string("locale", { optional: true, constant: true }),
  ],
  doc:
    "`x` with `digits` decimals, halves rounded to even. With a locale such as `en_US` or `de_DE` in its notation and " +
    "with its grouping, else with a point and no grouping.",
  examples: [
    { sql: "format(1234.5, 2)", gives: "1234.50" },
    { sql: "format(2.5, 0)", gives: "2" },
    { sql: "format(1234567.891, 2, 'en_US')", gives: "1,234,567.89" },
    { sql: "format(1234.5, 1, 'de_DE')", gives: "1.234,5" },
    { sql: "format(x, 2)", gives: null },
    { sql: "format(1, -1)", fails: "E214" },
    { sql: "format(1, 2, 'en')", fails: "E214" },
  ],
  compile(constants) {
    const { digits = 0, locale } = constants;
    if (digits > digitsMax) throw new RowError("E506", `format() takes at most ${digitsMax} digits, found ${digits}`);
    const formatter = new Intl.NumberFormat(locale === undefined ? "en-US" : localeTag(locale), {
      useGrouping: locale !== undefined,
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      roundingMode: "halfEven",
    });
    return (x) => formatter.format(x);
  },
});

/** A language and a country; a language alone does not say which marks to use. */
function localeTag(locale: string): string {
  if (/^[A-Za-z]{2,3}[_-][A-Za-z]{2}$/.test(locale)) {
    const tag = locale.replace("_", "-");
    if (Intl.NumberFormat.supportedLocalesOf(tag).length > 0) return tag;
  }
  throw new RowError(
    "E506",
    `format() does not know the locale "${locale}"; it needs language and country as in en_US`,
  );
}
