/**
 * The zone in which windows of event time are aligned: that of the timestamp where its text, or the datetime, has one.
 * @module
 */
import type { RuleContext } from "../../sql/functions/declare.ts";
import { inputsOf, type Plan, type TimestampColumn } from "../../sql/plan.ts";
import { DateTime } from "../../value/datetime.ts";
import { compilePattern, parseDateTime } from "../../value/datetime_text.ts";
import type { Row } from "../../value/row.ts";
import { getOwn } from "../../value/value.ts";

/** The zone of a row's timestamp; that of the agent for numbers and texts without an offset. */
export type RowZone = (row: Row) => string;

/** @param plan The input of a window in event time. */
export function rowZone(plan: Plan, rule: RuleContext): RowZone {
  const bySource: RowZone[] = [];
  for (const timestamp of timestampsOf(plan)) bySource[timestamp.source] = zoneIn(timestamp, rule);
  return (row) => bySource[row.source]?.(row) ?? rule.timezone;
}

function timestampsOf(plan: Plan): readonly TimestampColumn[] {
  return plan.kind === "watermark" ? plan.timestamps : inputsOf(plan).flatMap(timestampsOf);
}

function zoneIn({ column, format }: TimestampColumn, rule: RuleContext): RowZone {
  const { timezone } = rule;
  const pattern = format === undefined ? undefined : compilePattern(format);
  return (row) => {
    const value = getOwn(row.values, column);
    if (value instanceof DateTime) return value.zone;
    if (typeof value !== "string") return timezone;
    return (pattern?.read(value, timezone, rule.now) ?? parseDateTime(value, timezone, rule.now))?.zone ?? timezone;
  };
}
