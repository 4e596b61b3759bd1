/**
 * Datagrams to unix sockets, which `node:` modules cannot send, through the C library.
 * @module
 */
import type { SendDatagram } from "./notify.ts";

/** The calls of the C library, with pointers as the engine's interface to it wants them. */
export interface SocketCalls {
  socket(domain: number, type: number, protocol: number): number;
  sendto(
    socket: number,
    bytes: Uint8Array<ArrayBuffer>,
    lengthBytes: number,
    flags: number,
    address: Uint8Array<ArrayBuffer>,
    addressBytes: number,
  ): number;
  close(socket: number): number;
}

// Numbers of Linux, the same on every processor weir runs on.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** `sun_path` of `struct sockaddr_un`. */
const pathBytesMax = 108;

/** `open` is called at the first datagram: opening the C library costs memory, and most agents send none. */
export function datagramSender(open: () => SocketCalls): SendDatagram {
  let calls: SocketCalls | undefined;
  return (name, text, { wait }) => {
    const address = socketAddress(name);
    const { socket, sendto, close } = calls ??= open();
    const handle = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (handle < 0) throw new Error(`Cannot send to "${name}": the system gives no socket`);
    try {
      const bytes = new TextEncoder().encode(text);
      const flags = MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT);
      const sent = Number(sendto(handle, bytes, bytes.length, flags, address, address.length));
      if (sent !== bytes.length) throw new Error(`Cannot send to "${name}": nobody takes it`);
    } finally {
      close(handle);
    }
  };
}

/** `struct sockaddr_un`, as long as its name. An `@` in front stands for the NUL of the abstract namespace. */
export function socketAddress(name: string): Uint8Array<ArrayBuffer> {
  const isAbstract = name.startsWith("@");
  if (!isAbstract && !name.startsWith("/")) {
    throw new Error(`Cannot send to "${name}": it is no socket of this machine`);
  }
  const path = new TextEncoder().encode(isAbstract ? `\0${name.slice(1)}` : `${name}\0`);
  if (path.length > pathBytesMax) throw new Error(`Cannot send to "${name}": its name is too long`);
  const address = new Uint8Array(2 + path.length);
  // Linux runs on these processors with the lower byte first.
  address.set([AF_UNIX, 0]);
  address.set(path, 2);
  return address;
}
