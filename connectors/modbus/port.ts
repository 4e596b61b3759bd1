/**
 * What carries the bytes to devices and back: a socket, or a serial line.
 * @module
 */

export interface PortEvents {
  /** Whether somebody waits for bytes; what comes while nobody does may be thrown away. */
  isWaiting(): boolean;
  onData(bytes: Uint8Array): void;
  /** Called once, unless the port was closed from this side. */
  onClose(reason: string): void;
}

export interface Port {
  write(bytes: Uint8Array): void;
  /** Frees everything; nothing is called back any more. */
  close(): Promise<void>;
}

/**
 * Opens a port.
 *
 * @throws {Disconnected} with the reason when it cannot be opened in time
 */
export type OpenPort = (events: PortEvents, signal: AbortSignal) => Promise<Port>;
