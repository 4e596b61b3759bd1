/**
 * The resources of one endpoint, which devices write to, and what they are answered.
 * @module
 */
import type { Clock } from "../../src/connector/context.ts";
import { type Content, type Endpoint, hostPort, type Incoming } from "./endpoint.ts";
import { codeOf, type Option } from "./protocol/message.ts";
import { blockOf, blockOption, bytesOf, optionNumbers, textsOf, uintOption } from "./protocol/options.ts";
import { uploadBytesMax, Uploads } from "./uploads.ts";

/** A whole request for a resource. */
export interface Write {
  readonly method: "PUT" | "POST";
  readonly path: string;
  readonly query: readonly string[];
  readonly contentFormat: number | undefined;
  /** `host:port` of the device. */
  readonly from: string;
  readonly payload: Uint8Array;
  /** Tells the device that its message is taken, or that it should come again. */
  readonly done: (outcome: "taken" | "busy") => void;
}

/** One who takes what is written to a path. */
export interface Resource {
  /** Segments of a path; `+` is any one of them, `#` at the end any number. */
  readonly path: string;
  take(write: Write): void;
}

const methods: Readonly<Record<number, "GET" | "POST" | "PUT">> = { 1: "GET", 2: "POST", 3: "PUT" };
const { accept, block1, block2, contentFormat, ifNoneMatch, maxAge, size1, uriHost, uriPath, uriPort, uriQuery } =
  optionNumbers;
const knownOptions: readonly number[] = [uriHost, uriPort, uriPath, uriQuery, block1, block2, accept];
/** How long a device should wait when there is no room for its message. */
const busySeconds = 1;
const linkFormat = 40;
/** Paths and queries of requests are kept for a while, and repeated in answers. */
const optionBytesMax = 2048;

export class CoapServer {
  readonly #resources = new Set<Resource>();
  readonly #uploads = new Uploads();
  readonly #clock: Clock;

  constructor(endpoint: Pick<Endpoint, "serve">, clock: Clock) {
    this.#clock = clock;
    endpoint.serve((request) => this.#serve(request));
  }

  /** Adds a resource, until the returned function is called. Several may be written to at once by one request. */
  add(resource: Resource): () => void {
    this.#resources.add(resource);
    return () => void this.#resources.delete(resource);
  }

  #serve(incoming: Incoming): void {
    const { message } = incoming;
    const answer = (code: string, options: readonly Option[] = [], text = "") =>
      incoming.respond(content(code, options, text));
    const optionBytes = message.options.reduce((sum, [, value]) => sum + value.length, 0);
    if (optionBytes > optionBytesMax) return answer("4.02", [], `the options have more than ${optionBytesMax} bytes`);
    const unknown = message.options.find(([number]) => number % 2 === 1 && !knownOptions.includes(number));
    if (unknown?.[0] === ifNoneMatch) return answer("4.12", [], "what is written is kept by no resource");
    if (unknown !== undefined) return answer("4.02", [], `option ${unknown[0]} is not known`);
    const path = textsOf(message, uriPath).join("/");
    const method = methods[message.code];
    if (method === "GET" && path === ".well-known/core") return this.#discover(answer);
    const found = [...this.#resources].filter((resource) => matches(resource.path, path));
    if (found.length === 0) return answer("4.04", [], `there is no resource "${path.slice(0, 100)}"`);
    if (method !== "PUT" && method !== "POST") return answer("4.05", [], "wanted PUT or POST");
    this.#take(incoming, method, path, found);
  }

  #take(incoming: Incoming, method: "PUT" | "POST", path: string, found: readonly Resource[]): void {
    const { message, from } = incoming;
    const block = blockOf(message, block1);
    if (block === "bad") return incoming.respond(content("4.00", [], "the option Block1 makes no sense"));
    const query = textsOf(message, uriQuery);
    let payload = message.payload;
    if (block !== undefined) {
      const key = [hostPort(from), method, path, ...query].join(" ");
      const upload = this.#uploads.add(key, block, payload, this.#clock.now());
      const echo = blockOption(block1, block);
      if (upload.kind === "continue") return incoming.respond(content("2.31", [echo]));
      if (upload.kind === "incomplete") return incoming.respond(content("4.08", [echo]));
      if (upload.kind === "too large") return incoming.respond(content("4.13", [uintOption(size1, uploadBytesMax)]));
      if (upload.kind === "busy") return incoming.respond(busy());
      payload = upload.payload;
    }
    const format = bytesOf(message, contentFormat)?.reduce((sum, byte) => sum * 256 + byte, 0);
    let left = found.length;
    let isBusy = false;
    for (const resource of found) {
      const done = (outcome: "taken" | "busy") => {
        isBusy ||= outcome === "busy";
        if (--left > 0) return;
        const echo = block === undefined ? [] : [blockOption(block1, block)];
        incoming.respond(isBusy ? busy() : content("2.04", echo));
      };
      resource.take({ method, path, query, contentFormat: format, from: hostPort(from), payload, done });
    }
  }

  #discover(answer: (code: string, options: readonly Option[], text: string) => void): void {
    const paths = new Set([...this.#resources].map(({ path }) => path).filter((path) => !/[+#]/.test(path)));
    const links = [...paths].map((path) => `</${path.split("/").map(encodeURIComponent).join("/")}>`).join(",");
    answer("2.05", [uintOption(contentFormat, linkFormat)], links);
  }
}

function content(code: string, options: readonly Option[], text = ""): Content {
  return { code: codeOf(code), options, payload: new TextEncoder().encode(text) };
}

function busy(): Content {
  return content("5.03", [uintOption(maxAge, busySeconds)]);
}

/** `pattern` without slashes around it, as {@linkcode Resource.path} has it. */
export function matches(pattern: string, path: string): boolean {
  if (pattern === path) return true;
  const parts = path.split("/");
  const wanted = pattern.split("/");
  const isOpen = wanted.at(-1) === "#";
  if (isOpen) wanted.pop();
  if (isOpen ? parts.length < wanted.length : parts.length !== wanted.length) return false;
  return wanted.every((part, index) => part === "+" || part === parts[index]);
}
