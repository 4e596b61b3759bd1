/**
 * Writes the columns of rows to coils and holding registers.
 *
 * A batch that was broken off goes on with the row that failed when it is written again, so that what has been switched
 * is not switched back by the row before it.
 * @module
 */
import type { Clock } from "../../src/connector/context.ts";
import { ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Struct } from "../../src/connector/source.ts";
import { getOwn, type Value } from "../../src/value/value.ts";
import type { Line } from "./line.ts";
import { BadAnswer, isPassing, ModbusException } from "./protocol/failure.ts";
import {
  type ModbusRequest,
  readRequest,
  writeCoilRequest,
  writeCoilsRequest,
  writeRegisterRequest,
  writeRegistersRequest,
} from "./protocol/request.ts";
import { BadValue, encodeFlag, withBit } from "./register_values.ts";
import { isBits, type RegisterKind, type Tag } from "./tag.ts";
import { writeTag } from "./tag_value.ts";

export interface ModbusSinkOptions {
  readonly line: Line;
  readonly tags: readonly Tag[];
  /** The column that says which unit a row is for; absent: that of each tag. */
  readonly unitColumn: string | undefined;
  /** `read back`: what was written is read and compared. */
  readonly verify: "no" | "read back";
  /** `multiple`: also one coil or register is written with the function for several. */
  readonly functions: "single and multiple" | "multiple";
  /** Least time between two rows. */
  readonly rowIntervalMs: number;
  readonly clock: Clock;
}

/** The batch that was broken off: how many of its rows are written, and which of its items have failed. */
interface BegunBatch {
  readonly batch: unknown;
  rows: number;
  readonly failed: Map<number, string>;
  /** How often the row that is next has been answered by something that makes no sense. */
  badAnswers: number;
}

/** Registers or bits one after the other. */
interface Piece {
  readonly register: RegisterKind;
  readonly address: number;
  readonly data: number[];
}

/** The protocol's own limits of one write. */
const registersMax = 123;
const bitsMax = 1968;
/** A device that is busy, or gives no good answer, gets the same row again after so long. */
const retryMs = 1000;
/** Noise passes. A device that answers so often with something else means it: it sets another value than it was sent. */
const badAnswersMax = 5;

export class ModbusSink implements RowSink {
  readonly #options: ModbusSinkOptions;
  #begun: BegunBatch | undefined;
  #nextAt = -Infinity;

  constructor(options: ModbusSinkOptions) {
    this.#options = options;
  }

  async write(batch: readonly (readonly Struct[])[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#begun?.batch !== batch) this.#begun = { batch, rows: 0, failed: new Map(), badAnswers: 0 };
    const begun = this.#begun!;
    const rows = batch.flatMap((item, index) => item.map((row) => ({ index, row })));
    while (begun.rows < rows.length) {
      const { index, row } = rows[begun.rows]!;
      await this.#keepInterval(signal);
      try {
        await this.#writeRow(row, signal);
      } catch (error) {
        if (error instanceof BadAnswer) begun.badAnswers++;
        if (isPassing(error) && begun.badAnswers < badAnswersMax) {
          throw new RetryLater((error as Error).message, retryMs, { cause: error });
        }
        if (!isOfRow(error)) throw error;
        begun.failed.set(index, error.message);
      }
      begun.rows++;
      begun.badAnswers = 0;
    }
    this.#begun = undefined;
    if (begun.failed.size > 0) throw new ItemsFailed(begun.failed);
  }

  async #keepInterval(signal: AbortSignal): Promise<void> {
    const { clock, rowIntervalMs } = this.#options;
    if (rowIntervalMs === 0) return;
    // Never longer than the interval, also when the clock was set back.
    const wait = Math.min(this.#nextAt - clock.now(), rowIntervalMs);
    if (wait > 0) await clock.sleep(wait, signal);
    this.#nextAt = clock.now() + rowIntervalMs;
  }

  /** Checks all columns before it writes the first, so that a row with a bad value does nothing. */
  async #writeRow(row: Struct, signal: AbortSignal): Promise<void> {
    const { tags, unitColumn } = this.#options;
    const unitId = unitColumn === undefined ? undefined : unitOf(unitColumn, getOwn(row, unitColumn));
    const units = new Map<number, { readonly whole: Piece[]; readonly bits: [tag: Tag, on: boolean][] }>();
    for (const tag of tags) {
      const value = getOwn(row, tag.name);
      if (value === undefined || value === null) continue;
      const unit = unitId ?? tag.unitId;
      const work = units.get(unit) ?? { whole: [], bits: [] };
      units.set(unit, work);
      checkRange(tag, value);
      named(tag, () => {
        if (tag.format?.type === "bit") work.bits.push([tag, encodeFlag(value)]);
        else work.whole.push({ register: tag.register, address: tag.address, data: writeTag(tag, value) });
      });
    }
    for (const [unit, { whole, bits }] of units) {
      for (const piece of joined(whole)) await this.#writePiece(unit, piece, signal);
      for (const [tag, on] of bits) await this.#writeBit(unit, tag, on, signal);
    }
  }

  async #writePiece(unitId: number, piece: Piece, signal: AbortSignal): Promise<void> {
    const { line, verify, functions } = this.#options;
    const { register, address, data } = piece;
    await line.send(unitId, writeRequest(piece, functions === "multiple"), { urgent: true, signal });
    if (verify === "no" || line.isBroadcast(unitId)) return;
    const found = await line.send(unitId, readRequest(register, address, data.length), { urgent: true, signal });
    const wrong = data.findIndex((word, i) => word !== found[i]);
    if (wrong !== -1) {
      throw new BadValue(`${register} ${address + wrong} is ${found[wrong]} after ${data[wrong]} was written`);
    }
  }

  async #writeBit(unitId: number, { register, address, format }: Tag, on: boolean, signal: AbortSignal): Promise<void> {
    if (format?.type !== "bit") throw new TypeError("the tag is no bit");
    if (this.#options.line.isBroadcast(unitId)) {
      throw new BadValue(`Bit ${format.bit} of ${register} ${address} cannot be written to all units at once`);
    }
    const [word] = await this.#options.line.send(unitId, readRequest(register, address, 1), { urgent: true, signal });
    await this.#writePiece(unitId, { register, address, data: [withBit(word!, on, format)] }, signal);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The device, or the row itself, is why the row cannot be written. */
function isOfRow(error: unknown): error is Error {
  return [BadValue, ModbusException, BadAnswer].some((type) => error instanceof type);
}

function unitOf(column: string, value: Value): number {
  const unit = Number(value);
  if ((typeof value === "bigint" || typeof value === "number") && Number.isInteger(unit) && unit >= 0 && unit <= 255) {
    return unit;
  }
  throw new BadValue(`Column "${column}" must be a unit, a whole number from 0 to 255`);
}

function checkRange({ name, min, max }: Tag, value: Value): void {
  if (min === undefined && max === undefined || typeof value !== "number" && typeof value !== "bigint") return;
  if (min !== undefined && value < min || max !== undefined && value > max) {
    throw new BadValue(`Cannot write ${value} to "${name}": wanted ${min ?? "any number"} to ${max ?? "any number"}`);
  }
}

/** Says which column a bad value is of. */
function named(tag: Tag, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof BadValue) throw new BadValue(`Column "${tag.name}": ${error.message}`);
    throw error;
  }
}

/** Pieces with those that follow each other made one, so that a device takes them at once. */
function joined(pieces: readonly Piece[]): Piece[] {
  const sorted = [...pieces].sort((a, b) =>
    a.register < b.register ? -1 : a.register > b.register ? 1 : a.address - b.address
  );
  const made: Piece[] = [];
  for (const piece of sorted) {
    const last = made.at(-1);
    const follows = last?.register === piece.register && last.address + last.data.length === piece.address;
    const max = isBits(piece.register) ? bitsMax : registersMax;
    if (follows && last!.data.length + piece.data.length <= max) last!.data.push(...piece.data);
    else made.push({ ...piece, data: [...piece.data] });
  }
  return made;
}

function writeRequest({ register, address, data }: Piece, multiple: boolean): ModbusRequest<void> {
  const single = data.length === 1 && !multiple;
  if (isBits(register)) return single ? writeCoilRequest(address, data[0] !== 0) : writeCoilsRequest(address, data);
  return single ? writeRegisterRequest(address, data[0]!) : writeRegistersRequest(address, data);
}
