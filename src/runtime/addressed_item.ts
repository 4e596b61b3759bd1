/**
 * A message that brings settings of its sink, filled in from its data: the topic of this one message.
 * @module
 */
import type { MessageSettings, Payload } from "../connector/sink.ts";
import type { Struct } from "../value/value.ts";

/** What a sink writes: encoded, or, for sinks that take rows, the rows of one result. */
export type Body = Payload | readonly Struct[];

export class AddressedItem {
  readonly body: Body;
  readonly settings: MessageSettings;

  constructor(body: Body, settings: MessageSettings) {
    this.body = body;
    this.settings = settings;
  }
}

/** What the sink writes of a message. */
export function bodyOf(item: Body | AddressedItem): Body {
  return item instanceof AddressedItem ? item.body : item;
}

const none: MessageSettings = {};

/** The settings that a message brings; none are an empty object. */
export function settingsOf(item: Body | AddressedItem): MessageSettings {
  return item instanceof AddressedItem ? item.settings : none;
}

/** The message with another body. */
export function withBody(item: Body | AddressedItem, body: Body): Body | AddressedItem {
  return item instanceof AddressedItem ? new AddressedItem(body, item.settings) : body;
}
