/**
 * Addresses of resources, `coap://host:port/path?query`, and the options that name a resource in a request.
 * @module
 */
import { isIP } from "node:net";
import { type Option } from "./protocol/message.ts";
import { optionNumbers, textOption } from "./protocol/options.ts";

export interface ResourceUri {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Options of a request for the resource. */
  readonly options: readonly Option[];
}

/** A text that is no address of a resource. */
export class BadUri extends Error {
  /** True for what the protocol knows and weir does not: DTLS, TCP. */
  readonly isUnsupported: boolean;

  constructor(message: string, isUnsupported = false) {
    super(message);
    this.name = "BadUri";
    this.isUnsupported = isUnsupported;
  }
}

const portDefault = 5683;
/** The longest segment of a path, and argument of a query. */
const partBytesMax = 255;

/** @throws {BadUri} */
export function parseUri(text: string): ResourceUri {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === "coaps" || scheme === "coap+tcp" || scheme === "coaps+tcp" || scheme === "coap+ws") {
    throw new BadUri(`Addresses of ${scheme} are not supported by this version of weir: wanted coap://`, true);
  }
  const wanted = "wanted coap://host:5683/path";
  if (scheme !== "coap" || !URL.canParse(text)) throw new BadUri(`Bad address ${JSON.stringify(text)}: ${wanted}`);
  const url = new URL(text);
  const host = decodeURIComponentOr(url.hostname).replace(/^\[(.*)\]$/, "$1");
  if (host === "" || url.hash !== "" || url.username !== "") {
    throw new BadUri(`Bad address ${JSON.stringify(text)}: ${wanted}`);
  }
  const options: Option[] = [];
  if (isIP(host) === 0) options.push(textOption(optionNumbers.uriHost, host.toLowerCase()));
  const path = url.pathname.replace(/^\//, "");
  if (path !== "") { for (const part of path.split("/")) options.push(partOption(optionNumbers.uriPath, part, text)); }
  const query = url.search.replace(/^\?/, "");
  if (query !== "") {
    for (const part of query.split("&")) {
      options.push(partOption(optionNumbers.uriQuery, part, text));
    }
  }
  return { host, port: url.port === "" ? portDefault : Number(url.port), options };
}

function partOption(number: number, part: string, text: string): Option {
  const option = textOption(number, decodeURIComponentOr(part));
  if (option[1].length > partBytesMax) {
    throw new BadUri(`Bad address ${JSON.stringify(text)}: a part of it has more than ${partBytesMax} bytes`);
  }
  return option;
}

/** A sign of per cent that begins no code stands for itself. */
function decodeURIComponentOr(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** `path` behind the path of `base`, in front of its query. */
export function joinUri(base: string, path: string): string {
  if (path === "") return base;
  const [head, query] = splitAt(base, "?");
  const [tail, more] = splitAt(path, "?");
  const queries = [query, more].filter((each) => each !== "").join("&");
  const whole = `${head.replace(/\/+$/, "")}/${tail.replace(/^\/+/, "")}`;
  return queries === "" ? whole : `${whole}?${queries}`;
}

function splitAt(text: string, sign: string): [head: string, tail: string] {
  const at = text.indexOf(sign);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
