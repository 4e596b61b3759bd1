/**
 * Takes the events off the text of a stream, as the HTML standard says (9.2.6).
 * @module
 */

export interface StreamEvent {
  /** `message` when the stream does not say. */
  readonly event: string;
  readonly data: string;
  /** The id of the stream behind this event; empty without one. */
  readonly id: string;
}

/** @throws {RangeError} by `push` when an event grows beyond the limit. */
export class EventStreamParser {
  readonly #decoder = new TextDecoder();
  readonly #charactersMax: number;
  #rest = "";
  #data: string[] = [];
  #length = 0;
  #event = "";
  #id: string;
  /** What the server asked for with `retry:`, in milliseconds. */
  retryMs: number | undefined;

  /** @param id the id that the stream goes on behind */
  constructor(charactersMax: number, id = "") {
    this.#charactersMax = charactersMax;
    this.#id = id;
  }

  push(bytes: Uint8Array): StreamEvent[] {
    const events: StreamEvent[] = [];
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const ends = /\r\n|\n|\r/g;
    let start = 0;
    for (let end = ends.exec(text); end !== null; end = ends.exec(text)) {
      // A line feed that belongs to it may follow.
      if (end[0] === "\r" && end.index === text.length - 1) break;
      this.#line(text.slice(start, end.index), events);
      start = ends.lastIndex;
    }
    this.#rest = text.slice(start);
    if (this.#length + this.#rest.length > this.#charactersMax) {
      throw new RangeError(`an event has more than ${this.#charactersMax} characters`);
    }
    return events;
  }

  #line(line: string, events: StreamEvent[]): void {
    if (line === "") return this.#dispatch(events);
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") {
      this.#data.push(value);
      this.#length += value.length + 1;
    } else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d{1,9}$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(events: StreamEvent[]): void {
    if (this.#data.length > 0) {
      events.push({ event: this.#event === "" ? "message" : this.#event, data: this.#data.join("\n"), id: this.#id });
    }
    this.#data = [];
    this.#length = 0;
    this.#event = "";
  }
}
