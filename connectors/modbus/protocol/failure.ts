/**
 * Why a request has no result.
 * @module
 */

/** Exception codes of the protocol, with what they mean to a user. */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  1: "the device does not know the function",
  2: "the device does not have such an address",
  3: "the device refuses the value or the number of registers",
  4: "the device has failed",
  5: "the device needs more time",
  6: "the device is busy",
  7: "the device cannot do it now",
  8: "the device has found its memory damaged",
  10: "the gateway has no path to the device",
  11: "the device behind the gateway does not answer",
};

/** The device, or a gateway before it, has refused. */
export class ModbusException extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`${EXCEPTIONS[code] ?? "the device refuses"} (exception ${code})`);
    this.name = "ModbusException";
    this.code = code;
  }

  /** A gateway says that the device behind it is away; any other exception is a sign of life. */
  get isAbsence(): boolean {
    return this.code === 10 || this.code === 11;
  }
}

/** What came is no answer to the request. The connection can go on. */
export class BadAnswer extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BadAnswer";
  }
}

/** Nothing has come in time, or the unit was not asked because it has not answered lately. */
export class NoAnswer extends Error {
  constructor(message: string) {
    super(message);
    this.name = "NoAnswer";
  }
}

/** A read from all units at once, of which none would answer. */
export class BroadcastRead extends Error {
  constructor() {
    super("unit 0 is all devices of the line, and none of them answers: it can only be written to");
    this.name = "BroadcastRead";
  }
}

/** What came cannot be told apart any more: the connection has to be made again. */
export class LostFraming extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LostFraming";
  }
}

/** The device cannot serve now, and says so. */
const busyCodes: readonly number[] = [5, 6, 10, 11];

/** Silence, noise on the line, and a device that is busy: the same request may well succeed later. */
export function isPassing(error: unknown): boolean {
  if (error instanceof ModbusException) return busyCodes.includes(error.code);
  return error instanceof NoAnswer || error instanceof BadAnswer;
}
