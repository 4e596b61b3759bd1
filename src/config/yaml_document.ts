/**
 * A YAML file as a plain value that remembers where everything stands.
 * @module
 */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  type Node,
  parseAllDocuments,
  type ParsedNode,
  parseDocument,
} from "yaml";
import { diagnostic, DiagnosticError, type Span } from "../diagnostics/diagnostic.ts";

export interface YamlDocument {
  readonly text: string;
  readonly value: unknown;
  /** Where the value at a path stands; of the key when `part` is `key`. Undefined for what is not in the file. */
  place(path: readonly (string | number)[], part: "key" | "value"): Span | undefined;
}

/** A file may hold some anchors, but not a billion laughs. */
const aliasCountMax = 100;

function spanOf(node: unknown): Span | undefined {
  if (!isNode(node) || !node.range) return undefined;
  return { start: node.range[0], end: Math.max(node.range[0] + 1, node.range[1]) };
}

function keySpan(document: Document<ParsedNode>, path: readonly (string | number)[]): Span | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true) as Node | undefined;
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(path.at(-1)));
  return spanOf(pair?.key);
}

/** @throws {DiagnosticError} E401 with the place of every error in the text. */
function valueOf(document: Document<Node>, text: string): unknown {
  if (document.errors.length > 0) {
    throw new DiagnosticError(
      document.errors.map((error) =>
        diagnostic("E401", `Not valid YAML: ${error.message}`, { span: { start: error.pos[0], end: error.pos[1] } })
      ),
      text,
    );
  }
  try {
    return document.toJS({ maxAliasCount: aliasCountMax });
  } catch (error) {
    throw new DiagnosticError([diagnostic("E401", `Not valid YAML: ${(error as Error).message}`)], text);
  }
}

/** The values of a text with several documents. @throws {DiagnosticError} as {@linkcode readYaml}. */
export function readYamlAll(text: string): unknown[] {
  const documents = parseAllDocuments(text, { prettyErrors: false, uniqueKeys: true });
  return "empty" in documents ? [] : documents.map((document) => valueOf(document, text));
}

/** @throws {DiagnosticError} E401 with the place of every error in the text. */
export function readYaml(text: string): YamlDocument {
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: true });
  const value = valueOf(document, text);
  return {
    text,
    value,
    place(path, part) {
      if (part === "key") return keySpan(document, path);
      return spanOf(document.getIn(path, true));
    },
  };
}
