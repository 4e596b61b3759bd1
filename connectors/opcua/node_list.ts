/**
 * The table of nodes in the settings of sources and sinks: columns and the nodes they stand for.
 * @module
 */
import * as v from "valibot";
import { choice, duration, type SettingOf, type SettingOptions, text } from "../../src/connector/settings.ts";
import { builtIn, type BuiltInName } from "./node_values.ts";

const nodePattern = /^(ns=\d{1,5};)?([is]=.+|g=[0-9a-fA-F-]{36}|b=[A-Za-z0-9+/=]+)$/;
const numberPattern = /^(ns=\d{1,5};)?i=(?!\d{1,10}$)/;

/** The block of an identifier of a node. */
export function nodeIdSetting<const Options extends SettingOptions<string>>(
  options: Options,
): SettingOf<string, Options> {
  const isGood = (id: string) => nodePattern.test(id) && !numberPattern.test(id);
  const wanted = "an identifier such as ns=2;s=Boiler.Temperature or ns=3;i=1001";
  return v.pipe(text(options) as v.GenericSchema<string, string>, v.check(isGood, wanted)) as unknown as SettingOf<
    string,
    Options
  >;
}

const nodeId = nodeIdSetting({
  description: "Identifier of the node: `ns=2;s=Boiler.Temperature`, `ns=3;i=1001`, `ns=2;g=…`, `ns=2;b=…`.",
});
const name = text({ description: "Name of the column." });

/** One node of a source. */
const sourceEntries = {
  name,
  nodeId,
  samplingInterval: duration({
    description: "How often the server looks at the node, instead of `samplingInterval`.",
    optional: true,
  }),
  deadband: v.optional(
    v.pipe(v.number(), v.minValue(0), v.description("Changes of a number up to this size are not reported.")),
  ),
};

const types = Object.keys(builtIn) as BuiltInName[];

/** One node of a sink. */
const sinkEntries = {
  name,
  nodeId,
  type: choice(types, { description: "Data type of the node; without it the server is asked.", optional: true }),
};

/** The sink needs one; the source may be there to look for them. */
function listOf<const Entries extends v.ObjectEntries & { readonly name: typeof name }>(
  entries: Entries,
  description: string,
) {
  const node = v.strictObject(
    entries,
    (issue) => issue.expected === "never" ? `a setting of a node: ${Object.keys(entries).join(", ")}` : issue.message,
  );
  return v.pipe(
    v.array(node),
    v.check(
      (nodes) => new Set(nodes.map((each) => each.name)).size === nodes.length,
      "nodes of which each has a name of its own",
    ),
    v.description(description),
  );
}

export const sourceNodes = listOf(
  sourceEntries,
  "What to read: `name`, the column, and `nodeId`; also `samplingInterval` and `deadband`.",
);
export const sinkNodes = listOf(sinkEntries, "What to write: `name`, the column, and `nodeId`; also `type`.");

export type SourceNode = v.InferOutput<typeof sourceNodes>[number];
export type SinkNode = v.InferOutput<typeof sinkNodes>[number];
