/**
 * The JSON of a graph, checked: every node complete, every arrow between nodes that exist, no circle.
 *
 * ```ts
 * readGraph({
 *   nodes: {
 *     src: { type: "source", nodeType: "mqtt", props: { datasource: "plant/+/temp" } },
 *     hot: { type: "operator", nodeType: "filter", props: { expr: "celsius >= 80" } },
 *     out: { type: "sink", nodeType: "log", props: {} },
 *   },
 *   topo: { sources: ["src"], edges: { src: ["hot"], hot: ["out"] } },
 * }).nodes.map((node) => node.name); // ["src", "hot", "out"]
 * ```
 * @module
 */
import { type Diagnostic, diagnostic, throwIfAny } from "../../diagnostics/diagnostic.ts";
import { didYouMean } from "../../diagnostics/suggest.ts";
import {
  type Graph,
  type GraphEdge,
  type GraphNode,
  type GraphOperator,
  type GraphSink,
  type GraphSource,
  operatorTypes,
  propsPath,
} from "./graph.ts";
import { isObject, jsonKind, Props } from "./props.ts";
import { readOperation } from "./read_operation.ts";

/** A graph of more nodes is no rule that somebody wrote. */
const nodesMax = 1000;
const diagnosticsMax = 50;

const nodeKinds = ["source", "operator", "sink"] as const;

/** What is known of a node before its properties are read, so that the arrows can be checked all the same. */
interface Outline {
  readonly type: typeof nodeKinds[number];
  /** Undefined where it could not be read. */
  readonly node: GraphNode | undefined;
  readonly isSwitch: boolean;
}

/** @throws {DiagnosticError} E217 for the graph, E218 for properties: everything that is wrong. */
export function readGraph(json: unknown): Graph {
  return new GraphReader().read(json);
}

class GraphReader {
  readonly #diagnostics: Diagnostic[] = [];
  readonly #outlines = new Map<string, Outline>();

  #report(d: Diagnostic): void {
    this.#diagnostics.push(d);
    if (this.#diagnostics.length === diagnosticsMax) throwIfAny(this.#diagnostics);
  }

  #refuse(path: string, message: string, hint?: string): void {
    this.#report(diagnostic("E217", message, hint === undefined ? { path } : { path, hint }));
  }

  read(json: unknown): Graph {
    if (!isObject(json)) {
      this.#refuse("graph", `A graph must be an object with nodes and topo, found ${jsonKind(json)}`);
      throwIfAny(this.#diagnostics);
      throw new Error("unreachable");
    }
    const { nodes, topo } = json;
    if (isObject(nodes)) this.#readNodes(nodes);
    else this.#refuse("graph.nodes", `The nodes of a graph must be an object, found ${jsonKind(nodes)}`);
    const { edges, sources } = this.#readTopo(topo);
    this.#checkArrows(edges);
    const order = this.#order(edges);
    throwIfAny(this.#diagnostics);
    const all = order.map((name) => this.#outlines.get(name)!.node!);
    const sinks = [...this.#outlines].filter(([, { type }]) => type === "sink").map(([name]) => name);
    return { nodes: all, edges, sources, sinks };
  }

  // ---------------------------------------------------------------- nodes

  #readNodes(nodes: Readonly<Record<string, unknown>>): void {
    const entries = Object.entries(nodes);
    if (entries.length === 0) this.#refuse("graph.nodes", "A graph needs nodes: a source and a sink at least");
    if (entries.length > nodesMax) {
      this.#refuse("graph.nodes", `A graph can have ${nodesMax} nodes, found ${entries.length}`);
      return;
    }
    for (const [name, node] of entries) this.#readNode(name, node);
  }

  #readNode(name: string, node: unknown): void {
    const path = `graph.nodes.${name}`;
    if (!isObject(node)) {
      this.#refuse(path, `A node must be an object with type, nodeType and props, found ${jsonKind(node)}`);
      return;
    }
    const type = this.#choice(`${path}.type`, "type", node.type, nodeKinds);
    const { nodeType } = node;
    if (typeof nodeType !== "string" || nodeType === "") {
      this.#refuse(`${path}.nodeType`, `Node "${name}" needs a nodeType`);
    }
    if (node.props !== undefined && node.props !== null && !isObject(node.props)) {
      this.#refuse(`${path}.props`, `The props of node "${name}" must be an object, found ${jsonKind(node.props)}`);
    }
    if (type === undefined) return;
    const props = isObject(node.props) ? node.props : {};
    const kind = typeof nodeType === "string" ? nodeType : "";
    const isSwitch = type === "operator" && kind.toLowerCase() === "switch";
    this.#outlines.set(name, {
      type,
      node: kind === "" ? undefined : this.#nodeOf(type, name, kind, props),
      isSwitch,
    });
  }

  #choice<Name extends string>(path: string, what: string, value: unknown, names: readonly Name[]): Name | undefined {
    const found = names.find((name) => typeof value === "string" && value.toLowerCase() === name);
    if (found !== undefined) return found;
    const hint = typeof value === "string" ? didYouMean(value, names) : undefined;
    const shown = typeof value === "string" ? `"${value}"` : value === undefined ? "nothing" : jsonKind(value);
    this.#refuse(path, `The ${what} must be ${names.join(", ")}; found ${shown}`, hint);
    return undefined;
  }

  #nodeOf(
    type: Outline["type"],
    name: string,
    nodeType: string,
    props: Readonly<Record<string, unknown>>,
  ): GraphNode | undefined {
    if (type === "source") return this.#source(name, nodeType, props);
    if (type === "sink") return { type, name, nodeType, props } satisfies GraphSink;
    const known = this.#choice(`graph.nodes.${name}.nodeType`, "nodeType of an operator", nodeType, operatorTypes);
    if (known === undefined) return undefined;
    const operation = readOperation(known, new Props(props, propsPath(name), (d) => this.#report(d)));
    return operation === undefined ? undefined : { type, name, operation } satisfies GraphOperator;
  }

  #source(name: string, nodeType: string, props: Readonly<Record<string, unknown>>): GraphSource | undefined {
    const read = new Props(props, propsPath(name), (d) => this.#report(d));
    const kind = read.choice("sourceType", ["stream", "table"] as const, "stream");
    const definition = read.optionalText("sourceName");
    if (kind === undefined) return undefined;
    if (kind === "table" && definition === undefined) {
      read.refuse("sourceName", `Table "${name}" needs the sourceName of a lookup table that exists`);
      return undefined;
    }
    const rest = Object.fromEntries(
      Object.entries(props).filter(([key]) => !["sourcetype", "sourcename"].includes(key.toLowerCase())),
    );
    return {
      type: "source",
      name,
      nodeType,
      definition: definition === undefined ? undefined : { name: definition, kind },
      props: rest,
    };
  }

  // ---------------------------------------------------------------- topo

  #readTopo(topo: unknown): { readonly edges: GraphEdge[]; readonly sources: string[] } {
    if (!isObject(topo)) {
      this.#refuse(
        "graph.topo",
        `The topo of a graph must be an object with sources and edges, found ${jsonKind(topo)}`,
      );
      return { edges: [], sources: [] };
    }
    return { edges: this.#readEdges(topo.edges), sources: this.#readSources(topo.sources) };
  }

  #readSources(sources: unknown): string[] {
    const path = "graph.topo.sources";
    const found: string[] = [];
    if (!Array.isArray(sources)) {
      this.#refuse(path, `topo.sources must be a list of source nodes, found ${jsonKind(sources)}`);
      return found;
    }
    for (const [i, name] of sources.entries()) {
      const outline = this.#known(`${path}.${i}`, name);
      if (outline === undefined) continue;
      if (outline.type !== "source") this.#refuse(`${path}.${i}`, `Node "${name}" is no source, it is ${a(outline)}`);
      else if (found.includes(name as string)) this.#refuse(`${path}.${i}`, `Source "${name}" is listed twice`);
      else found.push(name as string);
    }
    for (const [name, { type }] of this.#outlines) {
      if (type === "source" && !found.includes(name)) {
        this.#refuse(path, `Source "${name}" is not listed in topo.sources`);
      }
    }
    return found;
  }

  #readEdges(edges: unknown): GraphEdge[] {
    const path = "graph.topo.edges";
    if (!isObject(edges)) {
      this.#refuse(path, `topo.edges must be an object of lists, found ${jsonKind(edges)}`);
      return [];
    }
    return Object.entries(edges).flatMap(([from, targets]) => {
      const outline = this.#outlines.get(from);
      if (outline === undefined) {
        this.#refuse(`${path}.${from}`, `There is no node "${from}"`, didYouMean(from, this.#outlines.keys()));
      } else if (outline.type === "sink") {
        this.#refuse(`${path}.${from}`, `Sink "${from}" can lead to no other node`);
      }
      if (!Array.isArray(targets)) {
        this.#refuse(`${path}.${from}`, `The edges of "${from}" must be a list of nodes, found ${jsonKind(targets)}`);
        return [];
      }
      return outline?.isSwitch === true
        ? this.#caseEdges(from, targets, outline, `${path}.${from}`)
        : this.#plainEdges(from, targets, undefined, `${path}.${from}`);
    });
  }

  #caseEdges(from: string, targets: readonly unknown[], { node }: Outline, path: string): GraphEdge[] {
    const cases = node?.type === "operator" && node.operation.nodeType === "switch"
      ? node.operation.cases.length
      : Infinity;
    if (targets.length > cases) {
      this.#refuse(path, `Switch "${from}" has ${cases} cases, and edges for ${targets.length}`);
    }
    return targets.flatMap((list, i) => {
      if (Array.isArray(list)) return this.#plainEdges(from, list, i, `${path}.${i}`);
      this.#refuse(`${path}.${i}`, `The edges of a switch are a list of nodes for each case, found ${jsonKind(list)}`);
      return [];
    });
  }

  #plainEdges(from: string, targets: readonly unknown[], ofCase: number | undefined, path: string): GraphEdge[] {
    const seen = new Set<unknown>();
    return targets.flatMap((to, i): GraphEdge[] => {
      const outline = this.#known(`${path}.${i}`, to);
      if (outline === undefined) return [];
      if (outline.type === "source") this.#refuse(`${path}.${i}`, `Nothing can lead to source "${to}"`);
      if (seen.has(to)) this.#refuse(`${path}.${i}`, `"${from}" leads to "${to}" twice`);
      seen.add(to);
      return [{ from, to: to as string, case: ofCase }];
    });
  }

  #known(path: string, name: unknown): Outline | undefined {
    if (typeof name !== "string") {
      this.#refuse(path, `The name of a node must stand here, found ${jsonKind(name)}`);
      return undefined;
    }
    const outline = this.#outlines.get(name);
    if (outline === undefined) {
      this.#refuse(path, `There is no node "${name}"`, didYouMean(name, this.#outlines.keys()));
    }
    return outline;
  }

  // ---------------------------------------------------------------- the whole

  #checkArrows(edges: readonly GraphEdge[]): void {
    for (const [name, { type }] of this.#outlines) {
      const path = `graph.topo.edges.${name}`;
      if (type !== "sink" && !edges.some(({ from }) => from === name)) {
        this.#refuse(path, `${type === "source" ? "Source" : "Operator"} "${name}" leads nowhere`, "give it an edge");
      }
      if (type !== "source" && !edges.some(({ to }) => to === name)) {
        this.#refuse(`graph.nodes.${name}`, `Nothing leads to ${type} "${name}"`);
      }
    }
    const types = [...this.#outlines.values()].map(({ type }) => type);
    if (types.length > 0 && !types.includes("sink")) this.#refuse("graph.nodes", "A graph needs a sink");
    if (types.length > 0 && !types.includes("source")) this.#refuse("graph.nodes", "A graph needs a source");
  }

  /** Every node behind those that lead to it, else in the order of the JSON. */
  #order(edges: readonly GraphEdge[]): string[] {
    const waiting = new Map([...this.#outlines.keys()].map((name) => [name, 0]));
    for (const { to } of edges) waiting.set(to, (waiting.get(to) ?? 0) + 1);
    const leading = Map.groupBy(edges, ({ from }) => from);
    const order = [...waiting].filter(([, count]) => count === 0).map(([name]) => name);
    for (const name of order) {
      for (const { to } of leading.get(name) ?? []) {
        const left = waiting.get(to)! - 1;
        waiting.set(to, left);
        if (left === 0) order.push(to);
      }
    }
    const circle = [...waiting].filter(([, count]) => count > 0).map(([name]) => name);
    if (circle.length > 0) {
      this.#refuse("graph.topo.edges", `The edges go in a circle: ${circle.slice(0, 10).join(", ")}`);
    }
    return order;
  }
}

function a({ type }: Outline): string {
  return type === "operator" ? "an operator" : `a ${type}`;
}
