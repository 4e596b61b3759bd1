/**
 * Topics of Sparkplug B: `spBv1.0/group/type/node/device`.
 * @module
 */

export const messageTypes = [
  "NBIRTH",
  "DBIRTH",
  "NDATA",
  "DDATA",
  "NDEATH",
  "DDEATH",
  "NCMD",
  "DCMD",
  "STATE",
] as const;

export type MessageType = typeof messageTypes[number];

export const namespace = "spBv1.0";

/** What a topic says; of a `STATE`, `node` is the host. */
export interface SparkplugTopic {
  readonly type: MessageType;
  readonly group: string;
  readonly node: string;
  readonly device: string | undefined;
}

/** Undefined for a topic that is none of Sparkplug's. */
export function parseTopic(topic: string): SparkplugTopic | undefined {
  const [name, group, type, node, device, ...more] = topic.split("/");
  if (name !== namespace || group === undefined || more.length > 0) return undefined;
  if (group === "STATE") {
    return type === undefined || node !== undefined
      ? undefined
      : { type: "STATE", group: "", node: type, device: undefined };
  }
  if (node === undefined || node === "" || group === "") return undefined;
  const known = messageTypes.find((each) => each === type);
  if (known === undefined || known === "STATE") return undefined;
  // Messages of nodes name no device, those of devices do.
  const ofDevice = known.startsWith("D");
  return ofDevice === (device !== undefined && device !== "") ? { type: known, group, node, device } : undefined;
}

/** Which nodes and devices are wanted: parts without a value are any. */
export interface NodeFilter {
  readonly group: string | undefined;
  readonly node: string | undefined;
  readonly device: string | undefined;
}

/** Reads `group`, `group/node` or `group/node/device`; `+` is any. Undefined for another text. */
export function parseNodeFilter(text: string): NodeFilter | undefined {
  const parts = text.replace(/^\/+|\/+$/g, "").split("/").map((part) => part.trim());
  if (parts.length > 3 || parts.some((part) => part !== "+" && /[+#\0]/.test(part))) return undefined;
  if (parts.length > 1 && parts.includes("")) return undefined;
  const [group, node, device] = parts.map((part) => part === "+" || part === "" ? undefined : part);
  return { group, node, device };
}

/** The topic filters to subscribe to. Births and deaths of nodes concern their devices, too. */
export function topicFilters({ group = "+", node = "+" }: NodeFilter, types: readonly MessageType[]): string[] {
  const filters = [`${namespace}/${group}/+/${node}/#`];
  if (types.includes("STATE")) filters.push(`${namespace}/STATE/+`);
  return filters;
}
