/**
 * What a unit must be before anything of it is written, and what an outbox has room for: the same for every store.
 * @module
 */
import { Buffer } from "node:buffer";
import {
  type DeliveryUnit,
  type Message,
  type OutboxSettings,
  type OutboxWork,
  type Payload,
  sequenceMax,
} from "./delivery_store.ts";

export function payloadBytes(payload: Payload): number {
  return typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
}

export function messagesBytes(messages: readonly Message[]): number {
  let bytes = 0;
  for (const { payload } of messages) bytes += payloadBytes(payload);
  return bytes;
}

/** About what a unit adds to what is kept; 0 for one that only takes off. */
export function addedBytes({ outboxes = [], log = [] }: DeliveryUnit): number {
  let bytes = 0;
  for (const { append = [] } of outboxes) for (const { payload } of append) bytes += payload.length;
  for (const { payload } of log) bytes += payload.length;
  return bytes;
}

/** True when an outbox that blocks takes these. An empty one takes anything, so that nothing is refused for ever. */
export function hasRoom(
  held: { readonly rows: number; readonly bytes: number },
  settings: OutboxSettings,
  rows: number,
  bytes: number,
): boolean {
  return held.rows === 0 || (held.rows + rows <= settings.rowsMax && held.bytes + bytes <= settings.bytesMax);
}

/** Settings with limits that work: at least one row, nothing below zero. */
export function mergeSettings(base: OutboxSettings, changes: Partial<OutboxSettings>): OutboxSettings {
  const merged = { ...base, ...changes };
  return {
    ...merged,
    rowsMax: Math.max(1, merged.rowsMax),
    bytesMax: Math.max(0, merged.bytesMax),
    deadRowsMax: Math.max(0, merged.deadRowsMax),
    deadBytesMax: Math.max(0, merged.deadBytesMax),
  };
}

/** What a unit is checked against. */
export interface UnitView {
  readonly lastLogSequence: number;
  readonly checkpointSequence: number;
  outbox(action: string): { readonly lastSequence: number; isTaken(sequence: number): boolean };
}

function checkPayload(payload: unknown, place: string): void {
  if (typeof payload === "string" || payload instanceof Uint8Array) return;
  throw new TypeError(`Cannot keep a payload of ${place}: expected text or bytes, found ${typeof payload}`);
}

/** Returns the last sequence. */
function checkRising(
  items: readonly { readonly sequence: number; readonly payload: Payload }[],
  last: number,
  place: string,
): number {
  for (const { sequence, payload } of items) {
    if (!(sequence > last && sequence <= sequenceMax && Number.isSafeInteger(sequence))) {
      throw new RangeError(`Cannot append to ${place}: sequence ${sequence} follows ${last}`);
    }
    checkPayload(payload, place);
    last = sequence;
  }
  return last;
}

/** The positions of the sources of a rule after a unit. */
export function movedPositions(
  before: ReadonlyMap<string, string>,
  changes: ReadonlyMap<string, string | null>,
): ReadonlyMap<string, string> {
  const after = new Map(before);
  for (const [source, position] of changes) {
    if (position === null) after.delete(source);
    else after.set(source, position);
  }
  return after;
}

/** The taken messages that a work is done with, in the order of its lists. */
export function* settled(work: OutboxWork): Generator<number> {
  if (work.delivered !== undefined) yield* work.delivered;
  for (const { sequence } of work.retried ?? []) yield sequence;
  for (const { sequence } of work.buried ?? []) yield sequence;
}

/** @throws {RangeError | TypeError} for a unit that breaks the rules of the store */
export function checkUnit(unit: DeliveryUnit, view: UnitView): void {
  const actions = new Set<string>();
  for (const work of unit.outboxes ?? []) {
    const place = `the outbox of rule "${unit.rule}", action "${work.action}"`;
    if (actions.has(work.action)) throw new TypeError(`Cannot commit ${place}: the unit has it twice`);
    actions.add(work.action);
    const outbox = view.outbox(work.action);
    const seen = new Set<number>();
    for (const sequence of settled(work)) {
      if (!outbox.isTaken(sequence) || seen.has(sequence)) {
        throw new RangeError(`Cannot settle message ${sequence} of ${place}: it is not taken`);
      }
      seen.add(sequence);
    }
    if (work.append !== undefined) checkRising(work.append, outbox.lastSequence, place);
  }
  const place = `the log of rule "${unit.rule}"`;
  const last = checkRising(unit.log ?? [], view.lastLogSequence, place);
  if (unit.checkpoint == null) return;
  const { sequence, state } = unit.checkpoint;
  checkPayload(state, `the checkpoint of rule "${unit.rule}"`);
  if (!Number.isSafeInteger(sequence) || sequence < view.checkpointSequence || sequence > last) {
    throw new RangeError(
      `Cannot let go of ${place} up to ${sequence}: expected ${view.checkpointSequence} to ${last}`,
    );
  }
}
