/**
 * Reads one response of HTTP/1.1 out of the bytes of a connection.
 *
 * The framing is that of RFC 9112: a length, chunks, or everything until the peer closes. What contradicts itself is
 * refused, because a response that ends elsewhere than the peer meant would shift all later ones by one.
 * @module
 */
import { Buffer } from "node:buffer";

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; several of one name are joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
  /** As it came: still compressed where `content-encoding` says so. */
  readonly body: Uint8Array;
}

/** How long a body may be, and whether a longer one is refused or loses its end. */
export interface BodyLimit {
  readonly bytesMax: number;
  readonly beyond: "refuse" | "cut";
}

/** The peer does not speak HTTP, or breaks its rules. */
export class BadResponse extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BadResponse";
  }
}

const headBytesMax = 65_536;
/** A line with the size of a chunk, or a trailer. */
const chunkLineBytesMax = 8_192;
const none = Buffer.alloc(0);
const [lineFeed, carriageReturn] = [10, 13];

type Step = "head" | "fixed" | "until close" | "chunk size" | "chunk" | "chunk end" | "trailers" | "done";

export class ResponseReader {
  readonly #hasBody: boolean;
  readonly #limit: BodyLimit;
  #step: Step = "head";
  /** Bytes that are no whole piece yet. */
  #rest: Buffer = none;
  #status = 0;
  #headers: ReadonlyMap<string, string> = new Map();
  /** A body that came in one piece is that piece; others are put together in a buffer that grows by doubling. */
  #body: Buffer = none;
  #bodyBytes = 0;
  /** What the body is made of is a piece of a read: nothing may be written behind it. */
  #isFirst = false;
  /** Bytes that the body, or its chunk, still lacks. */
  #missing = 0;
  #keepsOpen = false;
  /** True once anything has come. */
  begun = false;
  /** Bytes came behind the response, which nobody asked for. */
  hasSurplus = false;

  /** @param method that of the request: a response to HEAD has no body, whatever its head says */
  constructor(method: string, limit: BodyLimit) {
    this.#hasBody = method !== "HEAD";
    this.#limit = limit;
  }

  /** Whether all of the response is there. */
  get isDone(): boolean {
    return this.#step === "done";
  }

  /** The response that is done. */
  get response(): HttpResponse {
    return { status: this.#status, headers: this.#headers, body: this.#body.subarray(0, this.#bodyBytes) };
  }

  /** Whether the connection can take another request. */
  get keepsOpen(): boolean {
    return this.#keepsOpen && this.#step === "done" && !this.hasSurplus;
  }

  /** @throws {BadResponse} */
  push(bytes: Uint8Array): void {
    this.begun = true;
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let input = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = none;
    while (input.length > 0 || this.#step === "done") {
      if (this.#step === "done") {
        this.hasSurplus = input.length > 0;
        return;
      }
      const used = this.#take(input);
      if (used === undefined) {
        this.#rest = input;
        return;
      }
      input = input.subarray(used);
    }
  }

  /** The peer has closed the connection. True when the response is whole with that. */
  end(): boolean {
    if (this.#step === "until close") this.#step = "done";
    return this.#step === "done";
  }

  /** How many bytes of `input` the step has used; undefined when it needs more of them. */
  #take(input: Buffer): number | undefined {
    switch (this.#step) {
      case "head":
        return this.#takeHead(input);
      case "fixed":
      case "chunk":
        return this.#takeMissing(input);
      case "until close":
        this.#add(input);
        return input.length;
      case "chunk size":
        return this.#takeChunkSize(input);
      case "chunk end":
        return this.#takeLine(input, (line) => {
          if (line !== "") throw new BadResponse("a chunk is longer than its size");
          this.#step = "chunk size";
        });
      case "trailers":
        return this.#takeLine(input, (line) => {
          if (line === "") this.#step = "done";
        });
      case "done":
        return 0;
    }
  }

  #takeMissing(input: Buffer): number {
    const used = Math.min(input.length, this.#missing);
    this.#add(input.subarray(0, used));
    this.#missing -= used;
    if (this.#missing === 0) this.#step = this.#step === "fixed" ? "done" : "chunk end";
    return used;
  }

  #add(part: Buffer): void {
    const { bytesMax } = this.#limit;
    this.#checkLength(this.#bodyBytes + part.length);
    const kept = part.subarray(0, bytesMax - this.#bodyBytes);
    if (kept.length === 0) return;
    const size = this.#bodyBytes + kept.length;
    if (this.#bodyBytes === 0) {
      this.#body = kept;
    } else {
      if (this.#body.length < size || this.#isFirst) {
        const grown = Buffer.allocUnsafe(Math.max(size, Math.min(2 * size, bytesMax)));
        this.#body.copy(grown, 0, 0, this.#bodyBytes);
        this.#body = grown;
      }
      kept.copy(this.#body, this.#bodyBytes);
    }
    this.#isFirst = this.#bodyBytes === 0;
    this.#bodyBytes = size;
  }

  #checkLength(bytes: number): void {
    const { bytesMax, beyond } = this.#limit;
    if (beyond === "refuse" && bytes > bytesMax) throw new BadResponse(`the answer is longer than ${bytesMax} bytes`);
  }

  #takeLine(input: Buffer, use: (line: string) => void): number | undefined {
    const end = input.indexOf(lineFeed);
    if (end > chunkLineBytesMax || (end === -1 && input.length > chunkLineBytesMax)) {
      throw new BadResponse("a line between chunks is too long");
    }
    if (end === -1) return undefined;
    use(input.toString("latin1", 0, end > 0 && input[end - 1] === carriageReturn ? end - 1 : end));
    return end + 1;
  }

  #takeChunkSize(input: Buffer): number | undefined {
    return this.#takeLine(input, (line) => {
      const size = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
      if (size === undefined) throw new BadResponse("the size of a chunk cannot be read");
      this.#missing = parseInt(size, 16);
      this.#checkLength(this.#bodyBytes + this.#missing);
      this.#step = this.#missing === 0 ? "trailers" : "chunk";
    });
  }

  #takeHead(input: Buffer): number | undefined {
    const end = headEnd(input);
    if (end === undefined || end.start > headBytesMax) {
      if (input.length > headBytesMax) throw new BadResponse("the head of the answer is too long");
      // What has begun as something else will never be a head: a peer of another protocol may keep silent after it.
      const start = input.toString("latin1", 0, 5);
      if (!"HTTP/".startsWith(start)) throw new BadResponse("the peer does not answer with HTTP/1.1");
      return undefined;
    }
    const [statusLine, ...lines] = input.toString("latin1", 0, end.start).split(/\r?\n/);
    const found = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/.exec(statusLine!);
    if (found === null) throw new BadResponse("the peer does not answer with HTTP/1.1");
    this.#status = Number(found[2]);
    if (this.#status === 101) throw new BadResponse("the peer changes to a protocol that nobody asked for");
    // What is said in between, such as 100 Continue: the answer itself comes behind it.
    if (this.#status < 200) return end.next;
    this.#headers = readHeaders(lines);
    const connection = this.#headers.get("connection")?.toLowerCase() ?? "";
    this.#keepsOpen = found[1] === "1" ? !/\bclose\b/.test(connection) : /\bkeep-alive\b/.test(connection);
    this.#beginBody();
    return end.next;
  }

  #beginBody(): void {
    const encoding = this.#headers.get("transfer-encoding")?.toLowerCase().trim();
    const length = this.#headers.get("content-length");
    if (!this.#hasBody || this.#status === 204 || this.#status === 304) {
      this.#step = "done";
    } else if (encoding !== undefined) {
      if (encoding !== "chunked") throw new BadResponse(`the transfer encoding "${encoding}" is not known`);
      this.#step = "chunk size";
      // The two together are how requests are smuggled: this connection is not used again.
      if (length !== undefined) this.#keepsOpen = false;
    } else if (length !== undefined) {
      this.#missing = readLength(length);
      this.#checkLength(this.#missing);
      this.#step = this.#missing === 0 ? "done" : "fixed";
    } else {
      this.#keepsOpen = false;
      this.#step = "until close";
    }
  }
}

/** Where the head ends, and where what follows it begins. Lines of peers that send no carriage returns are read, too. */
function headEnd(input: Buffer): { readonly start: number; readonly next: number } | undefined {
  const usual = input.indexOf("\r\n\r\n", 0, "latin1");
  if (usual !== -1) return { start: usual, next: usual + 4 };
  const bare = input.indexOf("\n\n", 0, "latin1");
  return bare === -1 ? undefined : { start: bare, next: bare + 2 };
}

function readHeaders(lines: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) throw new BadResponse("a header of the answer cannot be read");
    const name = line.slice(0, colon).toLowerCase();
    if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(name)) throw new BadResponse("a header of the answer cannot be read");
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

function readLength(text: string): number {
  // Several equal ones are one.
  const [length, ...others] = new Set(text.split(",").map((each) => each.trim()));
  if (others.length > 0 || !/^\d{1,15}$/.test(length!)) {
    throw new BadResponse("the length of the answer cannot be read");
  }
  return Number(length);
}
