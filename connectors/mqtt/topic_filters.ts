/**
 * The DATASOURCE of a stream as topic filters.
 * @module
 */

/** `a/+, b` is two filters. */
export function topicFilters(datasource: string): string[] {
  return datasource.split(",").map((filter) => filter.trim()).filter((filter) => filter !== "");
}
