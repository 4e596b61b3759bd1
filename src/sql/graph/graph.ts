/**
 * A graph rule as its JSON says it: nodes by name, and which leads to which. Its structure is sound; what its expressions
 * mean is looked at when it is planned.
 * @module
 */

/** Where a stream or table comes from: an existing definition, or one of the rule's own. */
export interface GraphSource {
  readonly type: "source";
  readonly name: string;
  /** The type of its connector. */
  readonly nodeType: string;
  /** The existing definition, or undefined for a stream that the node itself defines. */
  readonly definition: { readonly name: string; readonly kind: "stream" | "table" } | undefined;
  readonly props: Readonly<Record<string, unknown>>;
}

export interface GraphOperator {
  readonly type: "operator";
  readonly name: string;
  readonly operation: Operation;
}

export interface GraphSink {
  readonly type: "sink";
  readonly name: string;
  /** The type of its action. */
  readonly nodeType: string;
  readonly props: Readonly<Record<string, unknown>>;
}

export type GraphNode = GraphSource | GraphOperator | GraphSink;

/** An expression, and where it stands in the JSON. */
export interface GraphText {
  readonly text: string;
  /** `graph.nodes.hot.props.expr`. */
  readonly path: string;
}

export const windowTypes = [
  "tumblingwindow",
  "hoppingwindow",
  "slidingwindow",
  "sessionwindow",
  "countwindow",
] as const;

export const timeUnits = ["dd", "hh", "mi", "ss", "ms"] as const;

export const joinTypes = ["inner", "left", "right", "full", "cross"] as const;

export interface GraphJoin {
  readonly name: string;
  readonly type: typeof joinTypes[number];
  readonly on: GraphText | undefined;
  /** `graph.nodes.both.props.joins.0`. */
  readonly path: string;
}

/** What an operator does, with its properties. */
export type Operation =
  | { readonly nodeType: "watermark"; readonly emitters: readonly string[] }
  | { readonly nodeType: "function"; readonly expr: GraphText }
  | { readonly nodeType: "aggfunc"; readonly expr: GraphText }
  | { readonly nodeType: "filter"; readonly expr: GraphText }
  | { readonly nodeType: "pick"; readonly fields: readonly GraphText[]; readonly isAgg: boolean }
  | {
    readonly nodeType: "window";
    readonly type: typeof windowTypes[number];
    readonly unit: typeof timeUnits[number] | undefined;
    readonly size: number;
    /** Undefined where it is 0 or says no more than the size. */
    readonly interval: number | undefined;
  }
  | { readonly nodeType: "join"; readonly from: string; readonly joins: readonly GraphJoin[] }
  | { readonly nodeType: "groupby"; readonly dimensions: readonly GraphText[] }
  | {
    readonly nodeType: "orderby";
    readonly sorts: readonly { readonly field: GraphText; readonly descending: boolean }[];
  }
  | { readonly nodeType: "switch"; readonly cases: readonly GraphText[]; readonly stopAtFirstMatch: boolean }
  | { readonly nodeType: "script"; readonly script: string; readonly isAgg: boolean };

export const operatorTypes = [
  "watermark",
  "function",
  "aggfunc",
  "filter",
  "pick",
  "window",
  "join",
  "groupby",
  "orderby",
  "switch",
  "script",
] as const satisfies readonly Operation["nodeType"][];

/** An arrow from a node to one of its successors. */
export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** Of a switch: the case whose data goes there. */
  readonly case: number | undefined;
}

export interface Graph {
  /** In an order in which every node stands behind those that lead to it. */
  readonly nodes: readonly GraphNode[];
  /** In the order of the JSON. */
  readonly edges: readonly GraphEdge[];
  /** Names of the source nodes, in the order of `topo.sources`. */
  readonly sources: readonly string[];
  /** Names of the sink nodes, in the order of the JSON. */
  readonly sinks: readonly string[];
}

/** The path of a node's properties. */
export function propsPath(node: string): string {
  return `graph.nodes.${node}.props`;
}
