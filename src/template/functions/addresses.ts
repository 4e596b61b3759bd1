/**
 * Functions of versions, URLs and paths. Paths are texts only: nothing looks at a disk.
 * @module
 */
import { getOwn, type Struct } from "../../value/value.ts";
import { fail } from "../run.ts";
import { type Category, defineFunction, type Example, type TemplateFunction } from "./declare.ts";
import { isInRange, parseVersion } from "./versions.ts";

const category: Category = "versions and addresses";

function path(name: string, doc: string, example: Example, compute: (path: string) => string | boolean) {
  return defineFunction({ name, category, doc, example, params: ["string"], run: (_run, text) => compute(text) });
}

/** Without `.`, without `..` where that has something to take away, and without doubled slashes. */
function clean(text: string): string {
  const isAbsolute = text.startsWith("/");
  const kept: string[] = [];
  for (const part of text.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== ".." || (kept.length > 0 ? kept.at(-1) === ".." : !isAbsolute)) kept.push(part);
    else kept.pop();
  }
  const joined = kept.join("/");
  return isAbsolute ? `/${joined}` : joined === "" ? "." : joined;
}

function base(text: string): string {
  if (text === "") return ".";
  let end = text.length;
  while (end > 0 && text[end - 1] === "/") end--;
  return end === 0 ? "/" : text.slice(text.lastIndexOf("/", end - 1) + 1, end);
}

function extension(text: string): string {
  const name = text.slice(text.lastIndexOf("/") + 1);
  const point = name.lastIndexOf(".");
  return point === -1 ? "" : name.slice(point);
}

function parseUrl(text: string): Struct {
  const [, scheme = "", authority, path = "", query = "", fragment = ""] =
    /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text) ?? [];
  const at = authority?.lastIndexOf("@") ?? -1;
  const host = authority?.slice(at + 1) ?? "";
  const isOpaque = scheme !== "" && authority === undefined && !path.startsWith("/");
  // deno-lint-ignore no-control-regex -- what no URL holds.
  if (/[\x00-\x20\x7f]/.test(text) || /%(?![0-9A-Fa-f]{2})/.test(path)) {
    return fail(`${JSON.stringify(text.slice(0, 60))} is no URL`);
  }
  return {
    scheme: scheme.toLowerCase(),
    userinfo: at === -1 ? "" : authority!.slice(0, at),
    host,
    hostname: host.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1"),
    opaque: isOpaque ? path : "",
    path: isOpaque ? "" : decodePath(path),
    query,
    fragment,
  };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function joinUrl(parts: Struct): string {
  const part = (name: string) => {
    const value = getOwn(parts, name);
    return value === undefined || value === null
      ? ""
      : typeof value === "string"
      ? value
      : fail(`urlJoin: ${name} must be a text`);
  };
  const [scheme, user, host, opaque] = ["scheme", "userinfo", "host", "opaque"].map(part) as [
    string,
    string,
    string,
    string,
  ];
  const [path, query, fragment] = ["path", "query", "fragment"].map(part) as [string, string, string];
  const authority = host === "" && user === "" ? "" : `//${user === "" ? "" : `${user}@`}${host}`;
  const encoded = encodeURI(path.toWellFormed()).replace(/[?#]/g, encodeURIComponent);
  const place = opaque === ""
    ? `${authority}${authority !== "" && path !== "" && !path.startsWith("/") ? "/" : ""}${encoded}`
    : opaque;
  return `${scheme === "" ? "" : `${scheme}:`}${place}${query === "" ? "" : `?${query}`}${
    fragment === "" ? "" : `#${fragment}`
  }`;
}

export const addressFunctions: readonly TemplateFunction[] = [
  defineFunction({
    name: "semver",
    category,
    doc: "A semantic version with the fields `Major`, `Minor`, `Patch`, `Prerelease`, `Metadata` and `Original`.",
    example: { template: "{{(semver .v).Minor}} {{semver .v}}", data: { v: "v1.4.2" }, gives: "4 1.4.2" },
    params: ["string"],
    run: (_run, text) => parseVersion(text),
  }),
  defineFunction({
    name: "semverCompare",
    category,
    doc: "True when the version lies in the range: `=1.2.3`, `^1.2`, `~1.2`, `>=1.2, <2 || 3.x`, `1.2 - 1.4` …",
    example: { template: '{{semverCompare "^1.2.0" "1.3.5"}}', gives: "true" },
    params: ["string", "string"],
    run: (run, range, version) => {
      run.spend(100);
      return isInRange(range, version);
    },
  }),
  defineFunction({
    name: "urlParse",
    category,
    doc: "The parts of a URL: `scheme`, `userinfo`, `host`, `hostname`, `path`, `query`, `fragment`, `opaque`.",
    example: { template: '{{(urlParse "http://h:80/p?q=1").host}}', gives: "h:80" },
    params: ["string"],
    run: (_run, text) => parseUrl(text),
  }),
  defineFunction({
    name: "urlJoin",
    category,
    doc: "A URL of the parts that `urlParse` gives.",
    example: {
      template: '{{urlJoin (dict "scheme" "http" "host" "h" "path" "/p" "query" "q=1")}}',
      gives: "http://h/p?q=1",
    },
    params: ["dict"],
    run: (_run, parts) => joinUrl(parts),
  }),
  path("base", "The last part of a path.", { template: '{{base "plant/line/pump"}}', gives: "pump" }, base),
  path(
    "dir",
    "A path without its last part.",
    { template: '{{dir "plant/line/pump"}}', gives: "plant/line" },
    (text) => clean(text.slice(0, text.lastIndexOf("/") + 1)),
  ),
  path("clean", "The shortest form of a path.", { template: '{{clean "a//b/../c"}}', gives: "a/c" }, clean),
  path(
    "ext",
    "The ending of a path, from its last point on.",
    { template: '{{ext "a/b.txt"}}', gives: ".txt" },
    extension,
  ),
  path(
    "isAbs",
    "True for a path from the root.",
    { template: '{{isAbs "/a"}}', gives: "true" },
    (text) => text.startsWith("/"),
  ),
];
