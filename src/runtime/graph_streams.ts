/**
 * The streams that a graph defines in its own source nodes: schemaless, named after the node, and seen by nobody else.
 * @module
 */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { type Graph, type GraphSource, propsPath } from "../sql/graph/graph.ts";
import { Props } from "../sql/graph/props.ts";
import { type StreamDefinition, streamFormats } from "./stream_definition.ts";

/** What is wrong with their properties goes to `report`, as E218. */
export function graphStreams(
  { nodes }: Graph,
  report: (problem: Diagnostic) => void,
): ReadonlyMap<string, StreamDefinition> {
  const own = nodes.filter((node) => node.type === "source").filter(({ definition }) => definition === undefined);
  return new Map(own.map((node) => [node.name, streamOf(node, report)]));
}

function streamOf({ name, nodeType, props }: GraphSource, report: (problem: Diagnostic) => void): StreamDefinition {
  const read = new Props(props, propsPath(name), report);
  // No other rule can share it, and it keeps no rows as a table does.
  for (const needless of ["shared", "retainSize"]) read.ignore(needless);
  const [schemaName, schemaMessage] = [read.optionalText("schemaName"), read.optionalText("schemaMessage")];
  const stream: StreamDefinition = {
    name,
    target: "stream",
    columns: undefined,
    options: {
      datasource: read.optionalText("datasource") ?? "",
      type: nodeType,
      format: read.choice("format", streamFormats, "json") ?? "json",
      confKey: read.optionalText("confKey"),
      timestamp: read.optionalText("timestamp"),
      timestampFormat: read.optionalText("timestampFormat"),
      shared: false,
      strictValidation: read.flag("strictValidation"),
      delimiter: read.optionalText("delimiter"),
      schemaId: read.optionalText("schemaId") ??
        (schemaName === undefined ? undefined : [schemaName, schemaMessage ?? []].flat().join(".")),
      key: read.optionalText("key"),
      kind: "scan",
      retainSize: 1,
      extra: read.settings("extra"),
      version: "",
      temp: false,
    },
    written: {},
    text: "",
  };
  read.finish();
  return stream;
}
