/**
 * Names for the nodes of a plan that stay the same as long as the node, and all that its rows went through before it,
 * does the same: by them the state of an updated rule is given to the steps that can go on with it.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { inputsOf, type Plan } from "../../sql/plan.ts";
import type { PreparedRule } from "../prepare_rule.ts";
import { planOptionsOf } from "../rule_definition.ts";

/** The key of every node; equal ones, as a graph may have, are told apart by a number. */
export function planKeys(root: Plan): ReadonlyMap<Plan, string> {
  const keys = new Map<Plan, string>();
  const used = new Map<string, number>();
  const visit = (plan: Plan): void => {
    if (keys.has(plan)) return;
    for (const input of inputsOf(plan)) visit(input);
    const hash = hashOf(textOf(plan, keys));
    const times = used.get(hash) ?? 0;
    used.set(hash, times + 1);
    keys.set(plan, times === 0 ? hash : `${hash}#${times}`);
  };
  visit(root);
  return keys;
}

/** What a node is, with the keys of its inputs in their places, and without where it stands in the text. */
function textOf(plan: Plan, keys: ReadonlyMap<Plan, string>): string {
  return JSON.stringify(plan, (name, value: unknown) => {
    if (name === "span") return undefined;
    // A function is its name: the rest of its entry is documentation and code.
    if (name === "fn") return (value as { readonly name: string }).name;
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "number" && !Number.isFinite(value)) return String(value);
    if (typeof value !== "object" || value === null) return value;
    if (value !== plan && keys.has(value as Plan)) return keys.get(value as Plan);
    if (value instanceof Set) return [...value].sort();
    if (value instanceof Map) return [...value];
    if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
    return value;
  });
}

/**
 * What a rule and its streams were written as. Another version of weir may plan the same text in nodes with other keys; as
 * long as they are as many, of the same types, the state is theirs.
 */
export function textHash({ definition, text, inputs, lookups }: PreparedRule): string {
  const streams = [...inputs.map(({ source }) => source.stream), ...lookups.map((lookup) => lookup.stream)];
  const { graph } = definition;
  const options = planOptionsOf(definition.options);
  return hashOf(JSON.stringify([text, graph ?? null, options, streams.map((stream) => stream.text)]));
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}
