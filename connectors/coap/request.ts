/**
 * Requests and responses of any size: what does not fit into a datagram goes block by block (RFC 7959).
 * @module
 */
import { Disconnected } from "../../src/connector/errors.ts";
import type { Content, Endpoint, Peer, SendOptions } from "./endpoint.ts";
import { codeOf, type Message, type Option } from "./protocol/message.ts";
import { type Block, blockOf, blockOption, bytesOf, optionNumbers, uintOption } from "./protocol/options.ts";

export interface RequestOptions extends SendOptions {
  /** The largest payload of one message; the peer may ask for less. */
  readonly blockSize: number;
}

/** A response with all of its payload. */
export type Response = Content;

const { block1, block2, contentFormat, etag, observe, size1, uriHost, uriPath, uriPort, uriQuery, accept } =
  optionNumbers;
/** What names the resource and the representation: options of the requests for further blocks. */
const resourceOptions: readonly number[] = [uriHost, uriPort, uriPath, uriQuery, accept];
const continueCode = codeOf("2.31");
const incompleteCode = codeOf("4.08");
const tooLargeCode = codeOf("4.13");
/** Beyond, it is no answer of a device. */
export const responseBytesMax = 16 * 1024 * 1024;
/** A response that changes while its blocks are fetched, or a request whose blocks the peer has lost, begins again. */
const attemptsMax = 3;
const none = new Uint8Array(0);

/**
 * Sends `content` and gives the whole response, whatever its code.
 *
 * @throws {Disconnected} when the peer does not answer, or makes no sense
 */
export async function request(
  endpoint: Endpoint,
  peer: Peer,
  content: Content,
  options: RequestOptions,
): Promise<Response> {
  const first = content.payload.length > options.blockSize
    ? await sendBlocks(endpoint, peer, content, options.blockSize, options)
    : await sendWhole(endpoint, peer, content, options);
  return await collect(endpoint, peer, content, first, options);
}

async function sendWhole(endpoint: Endpoint, peer: Peer, content: Content, options: RequestOptions): Promise<Message> {
  const response = await endpoint.request(peer, content, options);
  const hint = blockOf(response, block1);
  // The peer takes less at once than it was sent.
  if (response.code !== tooLargeCode || hint === undefined || hint === "bad" || hint.size >= content.payload.length) {
    return response;
  }
  return await sendBlocks(endpoint, peer, content, hint.size, options);
}

async function sendBlocks(
  endpoint: Endpoint,
  peer: Peer,
  { code, options, payload }: Content,
  sizeMax: number,
  send: RequestOptions,
): Promise<Message> {
  let size = sizeMax;
  for (let attempt = 1;; attempt++) {
    let response: Message | undefined;
    for (let start = 0; start < payload.length;) {
      const end = Math.min(start + size, payload.length);
      const more = end < payload.length;
      const own: Option[] = [...options, blockOption(block1, { num: start / size, more, size })];
      if (start === 0) own.push(uintOption(size1, payload.length));
      response = await endpoint.request(peer, { code, options: own, payload: payload.subarray(start, end) }, send);
      const wanted = sizeOf(response, size);
      if (response.code === tooLargeCode && wanted < size) {
        size = wanted;
        start = 0;
        continue;
      }
      if (response.code >> 5 !== 2) break;
      // A peer that answers the first part finally has understood it as all.
      if (more && response.code !== continueCode && blockOf(response, block1) === undefined) return response;
      start = end;
      // Blocks may become smaller on the way, since their sizes divide each other.
      size = wanted;
    }
    if (response!.code !== incompleteCode || attempt === attemptsMax) return response!;
  }
}

/** The size that the peer wants for the next block, never more than now. */
function sizeOf(response: Message, size: number): number {
  const block = blockOf(response, block1);
  return block === undefined || block === "bad" ? size : Math.min(size, block.size);
}

/**
 * The whole of a response whose first block is `first`, by requests for the others.
 *
 * @throws {Disconnected} when the peer does not answer, or its blocks do not go together
 */
export async function collect(
  endpoint: Endpoint,
  peer: Peer,
  asked: Pick<Content, "code" | "options">,
  first: Message,
  options: RequestOptions,
): Promise<Response> {
  const start = blockOf(first, block2);
  if (start === undefined || (start !== "bad" && start.num === 0 && !start.more)) return first;
  const ask = { code: asked.code, options: asked.options.filter(([number]) => resourceOptions.includes(number)) };
  let response = first;
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const payload = await rest(endpoint, peer, ask, response, options);
    if (payload instanceof Uint8Array) return { code: response.code, options: response.options, payload };
    if (payload.code >> 5 !== 2) return payload;
    // The representation has changed: from the beginning.
    response = await endpoint.request(peer, { ...ask, payload: none }, options);
    const begin = blockOf(response, block2);
    if (response.code >> 5 !== 2 || begin === undefined) return response;
  }
  throw new Disconnected("the response changes faster than its blocks can be fetched");
}

/** All bytes; or the block that belongs to something else, or the error that the peer gave instead of one. */
async function rest(
  endpoint: Endpoint,
  peer: Peer,
  ask: Pick<Content, "code" | "options">,
  first: Message,
  options: RequestOptions,
): Promise<Uint8Array | Message> {
  const tag = tagOf(first);
  const format = tagOf(first, contentFormat);
  const parts: Uint8Array[] = [];
  let response = first;
  let length = 0;
  while (true) {
    const block = blockOf(response, block2);
    if (!follows(block, length, response)) {
      throw new Disconnected("a block of the response does not follow the last one");
    }
    parts.push(response.payload);
    length += response.payload.length;
    if (length > responseBytesMax) throw new Disconnected(`the response has more than ${responseBytesMax} bytes`);
    if (!block.more) return joined(parts, length);
    const next = blockOption(block2, { num: length / block.size, more: false, size: block.size });
    response = await endpoint.request(peer, { ...ask, options: [...ask.options, next], payload: none }, options);
    if (response.code >> 5 !== 2) return response;
    if (tagOf(response) !== tag || tagOf(response, contentFormat) !== format) return response;
  }
}

function follows(block: Block | "bad" | undefined, at: number, { payload }: Message): block is Block {
  if (block === undefined || block === "bad" || block.num * block.size !== at) return false;
  return block.more ? payload.length === block.size : payload.length <= block.size;
}

function tagOf(response: Message, number: number = etag): string {
  return String(bytesOf(response, number));
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** True for a notification: a response that says that more will come. */
export function isNotification(response: Pick<Message, "options">): boolean {
  return bytesOf(response, observe) !== undefined;
}
