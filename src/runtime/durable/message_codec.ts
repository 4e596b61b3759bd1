/**
 * Messages of an action as an outbox keeps them.
 *
 * Text and bytes stand as they are: nearly all messages are text, and go to disk and back without a copy. What needs more
 * begins with a mark, so that the one cannot be taken for the other: rows, text that begins with the mark itself, and
 * messages that bring an id, settings of their own, or a trace.
 * @module
 */
import { Buffer } from "node:buffer";
import type { MessageSettings } from "../../connector/sink.ts";
import type { Payload } from "../../store/delivery_store.ts";
import type { Struct } from "../../value/value.ts";
import { AddressedItem, type Body, bodyOf, hasSettings, TracedItem } from "../addressed_item.ts";
import { awaitedTrace, awaitTrace } from "./awaited_traces.ts";
import type { Item } from "../send_queue.ts";
import { decodeState, encodeState } from "../state_codec.ts";

const mark = "\u0002";
/** What stands behind the mark. */
const kinds = { rows: "r", text: "t", bytes: "b", id: "i", settings: "s", trace: "w" } as const;

/** A message and, where it has one that differs from that of its place in the outbox, its id. */
export interface KeptItem {
  readonly item: Item;
  readonly id?: string;
}

/** As it stands in an outbox. */
export function encodeItem(item: Item): Payload {
  if (typeof item === "string") return item.startsWith(mark) ? mark + kinds.text + item : item;
  if (item instanceof Uint8Array) return item;
  if (item instanceof TracedItem) {
    const { trace, settings } = item;
    awaitTrace(trace);
    const plain = hasSettings(item) ? new AddressedItem(item.body, settings) : bodyOf(item);
    return `${mark}${kinds.trace}${trace.traceparent}\n${asText(plain)}`;
  }
  if (item instanceof AddressedItem) {
    return `${mark}${kinds.settings}${JSON.stringify(item.settings)}\n${asText(item.body)}`;
  }
  return mark + kinds.rows + encodeState(item as Struct[]);
}

/** As it can stand behind something else. */
function asText(item: Item): string {
  if (!(item instanceof Uint8Array)) return encodeItem(item) as string;
  return mark + kinds.bytes + Buffer.from(item.buffer, item.byteOffset, item.byteLength).toString("base64");
}

/** As {@linkcode encodeItem}, with an id without line ends. */
export function encodeItemWithId(item: Item, id: string): Payload {
  return `${mark}${kinds.id}${id}\n${asText(item)}`;
}

/**
 * The message in a payload.
 *
 * @param accepts what the sink takes
 * @throws {TypeError} for a message that was kept for another kind of sink, or that nobody here has written.
 */
export function decodeItem(payload: Payload, accepts: "payloads" | "rows"): Item {
  return decodeKept(payload, accepts).item;
}

/** As {@linkcode decodeItem}, with the id of a message that brings one. */
export function decodeKept(payload: Payload, accepts: "payloads" | "rows"): KeptItem {
  if (typeof payload !== "string" || !payload.startsWith(mark)) return { item: asPayload(payload, accepts) };
  const rest = payload.slice(2);
  switch (payload[1]) {
    case kinds.rows:
      if (accepts !== "rows") throw new TypeError("The message was kept as rows, and the sink takes payloads");
      return { item: rowsOf(rest) };
    case kinds.text:
      return { item: asPayload(rest, accepts) };
    case kinds.bytes:
      return { item: asPayload(new Uint8Array(Buffer.from(rest, "base64")), accepts) };
    case kinds.id: {
      const end = rest.indexOf("\n");
      return { ...decodeKept(rest.slice(end + 1), accepts), id: rest.slice(0, end) };
    }
    case kinds.trace: {
      const end = rest.indexOf("\n");
      const { item, ...more } = decodeKept(rest.slice(end + 1), accepts);
      return { ...more, item: new TracedItem(item as Body, awaitedTrace(rest.slice(0, end))) };
    }
    case kinds.settings: {
      const end = rest.indexOf("\n");
      const settings = settingsOf(rest.slice(0, end));
      const { item, ...more } = decodeKept(rest.slice(end + 1), accepts);
      return { ...more, item: new AddressedItem(item as Body, settings) };
    }
    default:
      throw new TypeError("The message is in a form that this version does not know");
  }
}

function asPayload(payload: Payload, accepts: "payloads" | "rows"): Payload {
  if (accepts === "rows") throw new TypeError("The message was kept as a payload, and the sink takes rows");
  return payload;
}

function settingsOf(text: string): MessageSettings {
  try {
    const settings: unknown = JSON.parse(text);
    if (typeof settings === "object" && settings !== null) return settings as MessageSettings;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new TypeError("The message is damaged: settings were expected");
}

function rowsOf(text: string): readonly Struct[] {
  try {
    const rows = decodeState(text);
    if (Array.isArray(rows)) return rows as Struct[];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new TypeError("The message is damaged: rows were expected");
}
