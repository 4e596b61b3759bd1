/**
 * A serial line: the system's `stty` sets it up, and its device file is read and written like any other. So no native
 * code is needed.
 * @module
 */
import { execFile } from "node:child_process";
import { open } from "node:fs/promises";
import { Disconnected } from "../../src/connector/errors.ts";
import type { OpenPort } from "./port.ts";

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

/** The arguments of `stty` for a raw line. A read comes back with what there is, after a tenth of a second at the latest. */
export function sttyArguments({ path, baudRate, dataBits, parity, stopBits }: SerialSettings): string[] {
  return [
    ...["-F", path, "raw", "-echo", "-crtscts", "clocal", "cread", "min", "0", "time", "1"],
    ...[String(baudRate), `cs${dataBits}`, stopBits === 2 ? "cstopb" : "-cstopb"],
    ...(parity === "none" ? ["-parenb"] : ["parenb", parity === "odd" ? "parodd" : "-parodd"]),
  ];
}

/** The silence that ends a frame, at least: three and a half characters, and from 19,200 baud on 1.75 ms. */
export function frameGapMs({ baudRate, dataBits, parity, stopBits }: SerialSettings): number {
  const bits = 1 + dataBits + (parity === "none" ? 0 : 1) + stopBits;
  return baudRate > 19_200 ? 1.75 : 3.5 * bits / baudRate * 1000;
}

/** Makes the opener of ports on a serial line. */
export function serialPort(settings: SerialSettings): OpenPort {
  const { path } = settings;
  return async (events, signal) => {
    signal.throwIfAborted();
    await setUp(settings);
    const file = await open(path, "r+").catch((error: Error) => {
      throw new Disconnected(`Cannot open ${path}: ${error.message}`);
    });
    let closed = false;
    const lose = (reason: string) => {
      if (closed) return;
      closed = true;
      events.onClose(`${path}: ${reason}`);
    };
    // A read waits a tenth of a second at most, so it holds nothing up when the port is closed.
    const reading = (async () => {
      const buffer = new Uint8Array(readBytes);
      while (!closed) {
        const { bytesRead } = await file.read(buffer, 0, readBytes, null);
        if (bytesRead > 0 && !closed) events.onData(buffer.slice(0, bytesRead));
      }
    })().catch((error: Error) => lose(error.message));
    let writing = Promise.resolve();
    return {
      write: (bytes) => {
        writing = writing.then(async () => void await file.write(bytes)).catch((error: Error) => lose(error.message));
      },
      close: async () => {
        closed = true;
        await reading;
        await file.close().catch(() => {});
      },
    };
  };
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
