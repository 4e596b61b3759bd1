/**
 * Hides the passwords in a rule's JSON when it is shown, and puts them back when what was shown returns.
 * @module
 */
import { hidesSecrets, maskSecrets, type Settings, unmaskSecrets } from "./secrets.ts";

function parse(json: string | undefined): Settings | undefined {
  if (json === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Settings : undefined;
  } catch {
    return undefined;
  }
}

function typesOf(action: unknown): string {
  return typeof action === "object" && action !== null ? Object.keys(action).join(" ") : "";
}

/**
 * The stored actions in the order of the new ones: the one at the same place when it has the same type, else the only
 * one of that type. A password must not come to an action that it does not belong to.
 */
function aligned(actions: unknown, stored: unknown): unknown {
  if (!Array.isArray(actions) || !Array.isArray(stored)) return stored;
  return actions.map((action, i) => {
    const type = typesOf(action);
    if (typesOf(stored[i]) === type) return stored[i];
    const same = stored.filter((each) => typesOf(each) === type);
    return same.length === 1 ? same[0] : undefined;
  });
}

/** The stored graph without the nodes that are of another type now: their passwords are for something else. */
function sameNodes(graph: unknown, stored: unknown): unknown {
  const [nodes, before] = [partOf(graph, "nodes"), partOf(stored, "nodes")];
  const kindOf = (node: unknown) => `${partOf(node, "type")} ${partOf(node, "nodeType")}`;
  const same = Object.entries(before ?? {}).filter(([name, node]) => kindOf(node) === kindOf(partOf(nodes, name)));
  return { nodes: Object.fromEntries(same) };
}

function partOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as Settings)[key]
    : undefined;
}

function keyOf(rule: Settings, name: string): string {
  return Object.keys(rule).find((key) => key.toLowerCase() === name) ?? name;
}

/** The JSON as it is when it has no passwords, else a copy with `******` for each. */
export function maskRule(json: string): string {
  const rule = parse(json);
  if (rule === undefined) return json;
  const masked = maskSecrets(rule);
  return hidesSecrets(masked) ? JSON.stringify(masked) : json;
}

/**
 * The JSON as it is when it hides nothing, else a copy with the passwords that `stored` has at their places.
 *
 * @throws {DiagnosticError} E403 for a hidden password that is not stored.
 */
export function unmaskRule(json: string, stored: string | undefined): string {
  const rule = parse(json);
  if (rule === undefined || !hidesSecrets(rule)) return json;
  const before = parse(stored) ?? {};
  const [actions, graph] = [keyOf(rule, "actions"), keyOf(rule, "graph")];
  const known = {
    ...before,
    [actions]: aligned(rule[actions], before[keyOf(before, "actions")]),
    [graph]: sameNodes(rule[graph], before[keyOf(before, "graph")]),
  };
  return JSON.stringify(unmaskSecrets(rule, known, {}));
}
