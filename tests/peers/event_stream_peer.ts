/**
 * A server of event streams on Python's own `http.server`, driven line by line. No package of Debian brings a server of
 * event streams that can be told to break off, so what it says is ours; the HTTP around it is not.
 *
 * `/events` is a stream: it keeps its events and gives again what stands behind a Last-Event-ID.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { eventually } from "../eventually.ts";
import { freePort } from "./server_process.ts";

const program = `
import json, socket, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

events, sockets, changed, greeting = [], set(), threading.Condition(), [""]
say = lambda **what: print(json.dumps(what), flush=True)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def plain(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items(): self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        say(asked=self.path, headers={name.lower(): value for name, value in self.headers.items()})
        if self.path == "/end": return self.plain(204)
        if self.path == "/wrong": return self.plain(401)
        if self.path == "/html": return self.plain(200, b"<html>", Content_Type="text/html")
        if self.path == "/moved": return self.plain(307, Location="/events")
        if self.path == "/garbage":
            self.wfile.write(b"this is no HTTP\\r\\n\\r\\n")
            return self.close()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        with changed: sockets.add(self.connection)
        try:
            self.wfile.write(greeting[0].encode())
            last = self.headers.get("Last-Event-ID")
            at = 0
            if last is not None and last.isdigit(): at = min(int(last), len(events))
            while True:
                with changed:
                    while at >= len(events) and self.connection in sockets: changed.wait()
                    if self.connection not in sockets: return
                    new, at = events[at:], len(events)
                self.wfile.write("".join(new).encode())
        except OSError:
            pass
        finally:
            with changed: sockets.discard(self.connection)
            say(gone=True)
            self.close_connection = True
    def close(self):
        self.close_connection = True

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
say(ready=True)
for line in sys.stdin:
    order = json.loads(line)
    with changed:
        for data in order.get("events", []):
            events.append("id: %d\\ndata: %s\\n\\n" % (len(events) + 1, data))
        if "raw" in order: events.append(order["raw"])
        if "greeting" in order: greeting[0] = order["greeting"]
        if "drop" in order:
            for each in list(sockets):
                try: each.shutdown(socket.SHUT_RDWR)
                except OSError: pass
            sockets.clear()
        changed.notify_all()
`;

export interface Asked {
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export class EventStreamPeer {
  readonly port: number;
  readonly asked: Asked[] = [];
  /** Streams that have ended. */
  gone = 0;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(port: number) {
    this.port = port;
  }

  static async start(): Promise<EventStreamPeer> {
    const peer = new EventStreamPeer(await freePort());
    await peer.start();
    return peer;
  }

  /** Another one on a free port that does not run yet. */
  static async absent(): Promise<EventStreamPeer> {
    return new EventStreamPeer(await freePort());
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it, again after a `kill`; it has forgotten its events by then. */
  async start(): Promise<void> {
    const child = spawn("/usr/bin/python3", ["-c", program, String(this.port)], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    let rest = "";
    let errors = "";
    let isReady = false;
    let hasEnded = false;
    child.stdout.on("data", (chunk: unknown) => {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const { ready, asked, headers, gone } = JSON.parse(line) as {
          ready?: boolean;
          asked?: string;
          headers?: Record<string, string>;
          gone?: boolean;
        };
        if (ready === true) isReady = true;
        if (gone === true) this.gone++;
        if (asked !== undefined) this.asked.push({ path: asked, headers: headers! });
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
    await eventually(() => isReady || hasEnded, 30_000);
    if (!isReady) throw new Error(`The peer did not start:\n${errors}`);
  }

  #order(order: Readonly<Record<string, unknown>>): void {
    this.#child!.stdin!.write(`${JSON.stringify(order)}\n`);
  }

  /** Adds events, numbered from 1. */
  send(...events: string[]): void {
    this.#order({ events });
  }

  /** Adds the text as it is. */
  sendRaw(raw: string): void {
    this.#order({ raw });
  }

  /** What each stream begins with from now on. */
  greet(greeting: string): void {
    this.#order({ greeting });
  }

  /** Breaks off all streams. */
  drop(): void {
    this.#order({ drop: true });
  }

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
