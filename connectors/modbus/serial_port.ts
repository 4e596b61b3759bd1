/**
 * A serial line: the system's `stty` sets it up, and its device file is read and written like any other. So no native code
 * is needed.
 * @module
 */
import { execFile } from "node:child_process";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import type { Clock } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { OpenPort, Port, PortEvents } from "./port.ts";

export interface SerialSettings {
  /** The device file, such as `/dev/ttyUSB0`. */
  readonly path: string;
  readonly baudRate: number;
  readonly dataBits: 7 | 8;
  readonly parity: "none" | "even" | "odd";
  readonly stopBits: 1 | 2;
}

/** Longer than any frame. */
const readBytes = 512;
/** `stty` asks a driver; one that hangs must not hold up the line for ever. */
const sttyTimeoutMs = 5000;

/** An answer is looked for after as many characters as are lost on a short one, but neither too often nor too seldom. */
const charactersPerRead = 4;
const readMsMin = 1;
const readMsMax = 10;

/** The arguments of `stty` for a raw line. A read comes back at once, with what there is. */
export function sttyArguments({ path, baudRate, dataBits, parity, stopBits }: SerialSettings): string[] {
  return [
    ...["-F", path, "raw", "-echo", "-crtscts", "clocal", "cread", "min", "0", "time", "0"],
    ...[String(baudRate), `cs${dataBits}`, stopBits === 2 ? "cstopb" : "-cstopb"],
    ...(parity === "none" ? ["-parenb"] : ["parenb", parity === "odd" ? "parodd" : "-parodd"]),
  ];
}

/** The silence that ends a frame, at least: three and a half characters, and from 19,200 baud on 1.75 ms. */
export function frameGapMs(settings: SerialSettings): number {
  return settings.baudRate > 19_200 ? 1.75 : 3.5 * characterMs(settings);
}

/** How long a character takes, with its start bit. */
function characterMs({ baudRate, dataBits, parity, stopBits }: SerialSettings): number {
  return (1 + dataBits + (parity === "none" ? 0 : 1) + stopBits) / baudRate * 1000;
}

/** Makes the opener of ports on a serial line. */
export function serialPort(settings: SerialSettings, clock: Clock): OpenPort {
  return async (events, signal) => {
    signal.throwIfAborted();
    await setUp(settings);
    signal.throwIfAborted();
    return new SerialPort(settings, events, clock);
  };
}

/**
 * Reads at times instead of waiting for bytes: the threads that wait for files are few, and lines that nobody speaks on
 * would hold them up for everything else. Nothing is read while nobody waits for an answer.
 */
class SerialPort implements Port {
  readonly #path: string;
  readonly #file: number;
  readonly #events: PortEvents;
  readonly #clock: Clock;
  readonly #characterMs: number;
  readonly #buffer = new Uint8Array(readBytes);
  #isOpen = true;
  #cancelRead = () => {};

  constructor(settings: SerialSettings, events: PortEvents, clock: Clock) {
    this.#path = settings.path;
    this.#events = events;
    this.#clock = clock;
    this.#characterMs = characterMs(settings);
    try {
      // A line that takes no more bytes must not hold up the agent either.
      this.#file = openSync(settings.path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    } catch (error) {
      throw new Disconnected(`Cannot open ${settings.path}: ${(error as Error).message}`, { cause: error });
    }
  }

  write(bytes: Uint8Array): void {
    this.#cancelRead();
    try {
      // What has come since is no answer to this.
      while (this.#read() > 0);
      const written = writeSync(this.#file, bytes);
      if (written < bytes.length) throw new Error("the line takes no more bytes");
    } catch (error) {
      return this.#lose((error as Error).message);
    }
    this.#readIn(bytes.length * this.#characterMs);
  }

  #readIn(ms: number): void {
    this.#cancelRead = this.#clock.after(Math.ceil(ms), () => {
      try {
        for (let length = this.#read(); length > 0; length = this.#read()) {
          this.#events.onData(this.#buffer.slice(0, length));
        }
      } catch (error) {
        return this.#lose((error as Error).message);
      }
      if (!this.#isOpen || !this.#events.isWaiting()) return;
      this.#readIn(Math.min(Math.max(charactersPerRead * this.#characterMs, readMsMin), readMsMax));
    });
  }

  /** How many bytes there were. */
  #read(): number {
    if (!this.#isOpen) return 0;
    try {
      return readSync(this.#file, this.#buffer, 0, readBytes, null);
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === "EAGAIN") return 0;
      throw error;
    }
  }

  #lose(reason: string): void {
    if (this.#isOpen) this.#events.onClose(`${this.#path}: ${reason}`);
  }

  close(): Promise<void> {
    this.#cancelRead();
    if (this.#isOpen) closeSync(this.#file);
    this.#isOpen = false;
    return Promise.resolve();
  }
}

function setUp(settings: SerialSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile("stty", sttyArguments(settings), { timeout: sttyTimeoutMs }, (error, _stdout, stderr) => {
      if (error === null) return resolve();
      const reason = stderr.trim() || error.message;
      reject(new Disconnected(`Cannot set up ${settings.path}: ${reason}`));
    });
  });
}
