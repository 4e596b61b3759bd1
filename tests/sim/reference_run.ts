/**
 * What a rule gives that nothing interrupts: its statement over the same rows at the same times, with nothing of what
 * keeps rules alive.
 * @module
 */
import { createJsonEncoder } from "../../src/codec/json_encode.ts";
import { CaseCatalog } from "../../src/rule_test/case_catalog.ts";
import { Query } from "../../src/runtime/query.ts";
import { payloadForms, resultTransform } from "../../src/runtime/result_transform.ts";
import { planOptionsOf, readRule } from "../../src/runtime/rule_definition.ts";
import { builtInFunctions } from "../../src/sql/functions/built_in.ts";
import type { Struct } from "../../src/value/value.ts";
import type { Kept } from "./history.ts";
import { withoutVersion } from "./receivers.ts";
import { lookupRows, type SimDefinition, type SimRule, simStart } from "./scenario.ts";

/** The messages of each sink of the rule, in their order. */
export function referenceRun(
  rule: SimRule,
  definitions: readonly SimDefinition[],
  kept: readonly Kept[],
  until: number,
): string[][] {
  const messages: string[][] = Array.from({ length: rule.sinks }, () => []);
  for (let from = 0; from < Math.max(1, kept.length);) {
    const variant = kept[from]?.variant ?? 0;
    let to = from;
    while (to < kept.length && kept[to]!.variant === variant) to++;
    // A variant begins without the state of the one before.
    const found = runVariant(rule, variant, definitions, kept.slice(from, to), to < kept.length ? undefined : until);
    for (const [i, texts] of found.entries()) messages[i]!.push(...texts);
    from = Math.max(to, from + 1);
  }
  return messages;
}

function runVariant(
  rule: SimRule,
  variant: number,
  definitions: readonly SimDefinition[],
  kept: readonly Kept[],
  until: number | undefined,
): string[][] {
  const messages: string[][] = Array.from({ length: rule.sinks }, () => []);
  const json = rule.json(0, variant);
  const definition = readRule(json, { timezone: "UTC", generateId: () => rule.id });
  const isSingle = json.includes('"sendSingle":true');
  const shaping = { sendSingle: isSingle, omitIfEmpty: false, fields: [], excludeFields: [], dataField: "" };
  const transform = resultTransform(shaping, payloadForms(createJsonEncoder()));
  const catalog = new CaseCatalog(definitions.flatMap(({ sql }) => sql === "" ? [] : [sql]));
  const query = new Query(
    definition,
    catalog,
    builtInFunctions,
    { ...planOptionsOf(definition.options), start: simStart, timezone: "UTC", ruleId: rule.id },
    {
      result: (rows, output) => {
        const texts = transform(rows).map((text) => withoutVersion(String(text)));
        if (definition.graph !== undefined) messages[output]!.push(...texts);
        else for (const each of messages) each.push(...texts);
      },
      failed: (error) => {
        throw error;
      },
    },
  );
  for (const { name, position } of query.sources) {
    if (definitions.find((each) => each.name === name)?.power === "lookup") {
      query.push(lookupRows, simStart, undefined, position);
    }
  }
  for (const { stream, rows, time } of kept) {
    const source = query.sources.find(({ name }) => name === stream)!;
    query.push(rows.map((row): Struct => ({ ...row })), time, undefined, source.position);
  }
  if (until !== undefined) query.advance(until);
  query.close();
  return messages;
}
