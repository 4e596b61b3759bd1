/**
 * A WebSocket server or client that others have written: Debian's python3-websockets, driven line by line.
 * @module
 */
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { freePort } from "./server_process.ts";
import { eventually } from "../eventually.ts";

const program = `
import asyncio, base64, json, ssl, sys, websockets

links = set()
say = lambda **what: print(json.dumps(what), flush=True)

async def live(link):
    links.add(link)
    say(open=link.path, headers=[list(h) for h in link.request_headers.raw_items()])
    try:
        async for message in link:
            say(text=message) if isinstance(message, str) else say(bytes=base64.b64encode(message).decode())
    except websockets.ConnectionClosed:
        pass
    finally:
        links.discard(link)
        say(closed=link.close_code)

async def orders():
    reader = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        for link in list(links):
            try:
                if "text" in order: await link.send(order["text"])
                if "bytes" in order: await link.send(base64.b64decode(order["bytes"]))
                if "close" in order: await link.close(order["close"])
                if "drop" in order: link.transport.abort()
                if "deaf" in order: link.transport.pause_reading()
            except websockets.ConnectionClosed:
                pass

async def main():
    role, where = sys.argv[1], sys.argv[2]
    options = dict(ping_interval=None, max_size=None, max_queue=None)
    if role == "server":
        context = None
        if len(sys.argv) > 3:
            cert, key, ca = sys.argv[3:6]
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED
        async with websockets.serve(live, "127.0.0.1", int(where), ssl=context, **options):
            say(ready=True)
            await orders()
    else:
        async with websockets.connect(where, **options) as link:
            asyncio.ensure_future(live(link))
            say(ready=True)
            await orders()

asyncio.run(main())
`;

/** What the peer has told: one of the members is set. */
export interface PeerEvent {
  readonly text?: string;
  /** Base64. */
  readonly bytes?: string;
  /** The path of a client that came. */
  readonly open?: string;
  /** Of that client's request. */
  readonly headers?: readonly (readonly [string, string])[];
  /** The code of a link that ended. */
  readonly closed?: number;
  readonly ready?: boolean;
}

export class WebSocketPeer {
  /** Of a server. */
  readonly port: number;
  readonly events: PeerEvent[] = [];
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
  }

  /** A server on a free port; `tls` are PEM files, and clients must show a certificate of the authority. */
  static async server(tls?: { readonly cert: string; readonly key: string; readonly ca: string }, starts = true) {
    const port = await freePort();
    const files = tls === undefined ? [] : [tls.cert, tls.key, tls.ca];
    const peer = new WebSocketPeer(port, ["server", String(port), ...files]);
    if (starts) await peer.start();
    return peer;
  }

  static async client(url: string): Promise<WebSocketPeer> {
    const peer = new WebSocketPeer(0, ["client", url]);
    await peer.start();
    return peer;
  }

  /** Starts it, again after a `kill`, and waits until it is ready. */
  async start(): Promise<void> {
    const child = spawn("/usr/bin/python3", ["-c", program, ...this.#args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    let rest = "";
    let errors = "";
    let ready = false;
    let hasEnded = false;
    child.stdout.on("data", (chunk: unknown) => {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const event = JSON.parse(line) as PeerEvent;
        if (event.ready === true) ready = true;
        else this.events.push(event);
      }
    });
    child.stderr.on("data", (chunk: unknown) => errors += String(chunk));
    child.stdin.on("error", () => {});
    this.#ended = new Promise((resolve) =>
      child.on("close", () => {
        hasEnded = true;
        resolve();
      })
    );
    await eventually(() => ready || hasEnded, 30_000);
    if (!ready) throw new Error(`The WebSocket peer did not start:\n${errors}`);
  }

  #order(order: Readonly<Record<string, unknown>>): void {
    this.#child!.stdin!.write(`${JSON.stringify(order)}\n`);
  }

  send(text: string): void {
    this.#order({ text });
  }

  sendBytes(bytes: Uint8Array): void {
    this.#order({ bytes: Buffer.from(bytes).toString("base64") });
  }

  /** Closes all links in order. */
  closeLinks(code: number): void {
    this.#order({ close: code });
  }

  /** Cuts all links off without a word. */
  drop(): void {
    this.#order({ drop: true });
  }

  /** Reads nothing more from its links. */
  deafen(): void {
    this.#order({ deaf: true });
  }

  /** The texts that came. */
  get texts(): string[] {
    return this.events.map(({ text }) => text).filter((text) => text !== undefined);
  }

  /** How many links were made. */
  get opened(): number {
    return this.events.filter(({ open }) => open !== undefined).length;
  }

  /** Makes it silent, its sockets open. */
  freeze(): void {
    process.kill(this.#child!.pid!, "SIGSTOP");
  }

  thaw(): void {
    process.kill(this.#child!.pid!, "SIGCONT");
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      process.kill(child.pid, "SIGKILL");
    }
    await this.#ended;
  }
}
