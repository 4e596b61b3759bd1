/**
 * The files that schemas are registered from: a .proto, or a .zip with one and the folder of what it imports.
 * @module
 */
import { readFileSync } from "node:fs";
import { isAbsolute, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { inflateRawSync } from "node:zlib";
import { fail } from "../diagnostics/diagnostic.ts";
import { pathResolver } from "./resolve_path.ts";

export interface SchemaTexts {
  readonly content: string;
  /** By the names under which the file imports them. */
  readonly imports: Readonly<Record<string, string>>;
}

const fileBytesMax = 8 * 1024 * 1024;
const entriesMax = 1000;
/** Bytes of all files of an archive, unpacked. */
const unpackedBytesMax = 16 * 1024 * 1024;

const utf8 = new TextDecoder();

/**
 * @param file a path, or a `file:` URL
 * @param name of the schema, which is the name of its file in an archive
 * @param directory the data directory, absolute: others than its files are not read, since messages show parts of them
 * @throws {DiagnosticError} E403 for a file that cannot be had
 */
export function readSchemaFile(file: string, name: string, directory: string): SchemaTexts {
  if (/^https?:/i.test(file)) {
    fail("E408", "Schemas are not fetched from other machines: give the text of the file as content", { path: "file" });
  }
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(insidePath(/^file:/i.test(file) ? fileURLToPath(file) : file, directory));
  } catch (error) {
    if ((error as Error).name === "DiagnosticError") throw error;
    fail("E403", `Cannot read ${JSON.stringify(file)}: ${(error as Error).message}`, { path: "file" });
  }
  return schemaTexts(bytes, file, name);
}

/**
 * @param file its name tells an archive from a .proto
 * @param name of the schema
 * @throws {DiagnosticError} E403 for a file that cannot be used
 */
export function schemaTexts(bytes: Uint8Array, file: string, name: string): SchemaTexts {
  if (bytes.length > fileBytesMax) fail("E403", `${file} has over ${fileBytesMax} bytes`, { path: "file" });
  if (!/\.zip$/i.test(file)) return { content: utf8.decode(bytes), imports: {} };
  try {
    return fromArchive(readZip(bytes), name);
  } catch (error) {
    fail("E403", `Cannot use ${JSON.stringify(file)}: ${(error as Error).message}`, { path: "file" });
  }
}

function insidePath(path: string, directory: string): string {
  const full = pathResolver(directory)(path);
  const inside = relative(directory, full);
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    fail("E403", `Schemas are read in the data directory "${directory}" only: found "${path}"`, {
      path: "file",
      hint: "give the text of the file as content",
    });
  }
  return full;
}

function fromArchive(files: ReadonlyMap<string, string>, name: string): SchemaTexts {
  const content = files.get(`${name}.proto`);
  if (content === undefined) throw new Error(`it has no file ${name}.proto`);
  const imports: Record<string, string> = {};
  for (const [path, text] of files) {
    if (path === `${name}.proto` || !path.endsWith(".proto")) continue;
    // Files in the folder of the schema are imported with the name of the folder, or without.
    imports[path] = text;
    if (path.startsWith(`${name}/`)) imports[path.slice(name.length + 1)] ??= text;
  }
  return { content, imports };
}

/** The files of a zip archive as texts, by their paths. Stored and deflated ones are read, without Zip64. */
function readZip(bytes: Uint8Array): Map<string, string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const files = new Map<string, string>();
  let at = directoryOf(view);
  let left = unpackedBytesMax;
  while (at + 46 <= bytes.length && view.getUint32(at, true) === 0x02014b50) {
    if (files.size >= entriesMax) throw new Error(`it has over ${entriesMax} files`);
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 20, true);
    const nameSize = view.getUint16(at + 28, true);
    const header = view.getUint32(at + 42, true);
    const path = utf8.decode(bytes.subarray(at + 46, at + 46 + nameSize)).replace(/^\.\//, "");
    at += 46 + nameSize + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (path.endsWith("/")) continue;
    if (header + 30 > bytes.length) throw new Error("it is damaged");
    const from = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
    const packed = bytes.subarray(from, from + size);
    if (method !== 0 && method !== 8) throw new Error(`${path} is compressed in a way that weir cannot read`);
    const content = method === 0 ? packed : inflateRawSync(packed, { maxOutputLength: Math.max(left, 1) });
    left -= content.length;
    if (left < 0) throw new Error(`its files have over ${unpackedBytesMax} bytes`);
    files.set(path, utf8.decode(content));
  }
  return files;
}

/** Where the list of files begins: the record that says so stands at the end, before a comment. */
function directoryOf(view: DataView): number {
  const first = Math.max(0, view.byteLength - 22 - 0xffff);
  for (let at = view.byteLength - 22; at >= first; at--) {
    if (view.getUint32(at, true) === 0x06054b50) return view.getUint32(at + 16, true);
  }
  throw new Error("it is no zip archive");
}
