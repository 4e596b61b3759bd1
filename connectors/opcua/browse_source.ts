/**
 * Gives the nodes of a server, a row each, for those who look for their identifiers. Then it ends.
 * @module
 */
import type { ClientSession, ReferenceDescription } from "node-opcua-client";
import { EndOfInput } from "../../src/connector/errors.ts";
import type { RowBatch, Source, Struct } from "../../src/connector/source.ts";
import type { LiveSession } from "./live_session.ts";
import { builtIn, readingOf } from "./node_values.ts";

export interface BrowseSourceOptions {
  readonly live: LiveSession;
  /** Where to begin. */
  readonly root: string;
  /** How many references deep. */
  readonly depth: number;
}

interface Found {
  readonly nodeId: string;
  readonly path: string;
  readonly depth: number;
  readonly isVariable: boolean;
}

const hierarchical = "i=33";
/** The object that describes the server itself has thousands of nodes that nobody looks for. */
const serverObject = "ns=0;i=2253";
const variableClass = 2;
const classNames: Readonly<Record<number, string>> = { 1: "Object", 2: "Variable", 4: "Method", 128: "View" };
/** Nodes that are asked about at once, and all together. */
const chunkMax = 100;
const nodesMax = 100_000;
const attributes = { value: 13, dataType: 14, userAccessLevel: 18 } as const;
const writableBit = 2;

export class BrowseSource implements Source {
  readonly #options: BrowseSourceOptions;
  readonly #known = new Set<string>();
  #open: Found[];

  constructor(options: BrowseSourceOptions) {
    this.#options = options;
    this.#open = [{ nodeId: options.root, path: "", depth: 0, isVariable: false }];
    this.#known.add(serverObject);
  }

  async read(signal: AbortSignal): Promise<RowBatch> {
    signal.throwIfAborted();
    const parents = this.#open.splice(0, chunkMax);
    if (parents.length === 0) throw new EndOfInput("all nodes were given");
    const found = await this.#childrenOf(parents);
    signal.throwIfAborted();
    this.#open.push(...found.map(({ found }) => found).filter(({ depth }) => depth < this.#options.depth));
    const rows: Struct[] = [];
    for (let at = 0; at < found.length; at += chunkMax) {
      rows.push(...await this.#rowsOf(found.slice(at, at + chunkMax)));
    }
    return { kind: "rows", rows };
  }

  async #childrenOf(parents: readonly Found[]): Promise<{ readonly found: Found; readonly row: Struct }[]> {
    const { live } = this.#options;
    const results = await live.call((session) => referencesOf(session, parents.map(({ nodeId }) => nodeId)));
    return results.flatMap((references, index) => {
      const parent = parents[index]!;
      return references.flatMap((reference) => {
        const nodeId = reference.nodeId.toString();
        // There are circles, and many ways to a node.
        if (this.#known.has(nodeId) || this.#known.size >= nodesMax) return [];
        this.#known.add(nodeId);
        const name = reference.browseName.name ?? "";
        const path = parent.path === "" ? name : `${parent.path}/${name}`;
        const isVariable = reference.nodeClass === variableClass;
        const row: Struct = {
          node_id: nodeId,
          path,
          name,
          display_name: reference.displayName.text ?? name,
          class: classNames[reference.nodeClass] ?? String(reference.nodeClass),
        };
        return [{ found: { nodeId, path, depth: parent.depth + 1, isVariable }, row }];
      });
    });
  }

  /** Of variables with their type, their value, and whether this user may write it. */
  async #rowsOf(nodes: readonly { readonly found: Found; readonly row: Struct }[]): Promise<Struct[]> {
    const variables = nodes.filter(({ found }) => found.isVariable);
    const asked = [attributes.dataType, attributes.userAccessLevel, attributes.value] as const;
    const values = variables.length === 0 ? [] : await this.#options.live.call((session) =>
      session.read(
        variables.flatMap(({ found: { nodeId } }) => asked.map((attributeId) => ({ nodeId, attributeId }))),
      )
    );
    variables.forEach(({ row }, index) => {
      const [type, access, value] = values.slice(index * asked.length, (index + 1) * asked.length);
      const { value: shown, failure } = readingOf(value!);
      row.data_type = typeName(String(type!.value?.value ?? ""));
      row.writable = (Number(access!.value?.value ?? 0) & writableBit) !== 0;
      row.value = shown;
      row.quality = failure ?? "Good";
    });
    return nodes.map(({ row }) => row);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function referencesOf(session: ClientSession, nodeIds: readonly string[]): Promise<ReferenceDescription[][]> {
  const results = await session.browse(nodeIds.map((nodeId) => ({
    nodeId,
    referenceTypeId: hierarchical,
    includeSubtypes: true,
    browseDirection: 0,
    nodeClassMask: 0,
    resultMask: 63,
  })));
  const found: ReferenceDescription[][] = [];
  for (const first of results) {
    const references = [...first.references ?? []];
    for (let point = first.continuationPoint; point !== null && point !== undefined && point.length > 0;) {
      const next = await session.browseNext(point, false);
      references.push(...next.references ?? []);
      point = next.continuationPoint;
    }
    found.push(references);
  }
  return found;
}

/** `Double` for the built-in types, the identifier of others. */
function typeName(nodeId: string): string {
  const number = /^(?:ns=0;)?i=(\d+)$/.exec(nodeId)?.[1];
  const name = Object.entries(builtIn).find(([, value]) => String(value) === number)?.[0];
  return name ?? nodeId;
}
