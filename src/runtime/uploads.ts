/**
 * Files that people have sent: below `uploads` in the data directory, where rules and connectors find them by their paths.
 *
 * Invariants: no name leads out of the folder, not by links either; a file is there as a whole or not at all; number and
 * bytes of all are bounded.
 * @module
 */
import { Buffer } from "node:buffer";
import { mkdirSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { mkdir, open, readdir, readFile, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import { fetchFile, type FetchLimits } from "./fetch_file.ts";
import { pathResolver } from "./resolve_path.ts";

export interface UploadsOptions {
  /** The data directory, absolute. */
  readonly directory: string;
  /** See `addressGuard`. */
  readonly refusesAddress?: FetchLimits["refusesAddress"];
  readonly limits?: Partial<UploadLimits>;
}

export interface UploadLimits {
  readonly filesMax: number;
  /** Of all files. */
  readonly bytesMax: number;
  /** Of one that is fetched. */
  readonly fetchedBytesMax: number;
}

export interface Upload {
  /** With `/` between its parts. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

const usual: UploadLimits = {
  filesMax: 10_000,
  bytesMax: 1024 * 1024 * 1024,
  fetchedBytesMax: 64 * 1024 * 1024,
};

const partsMax = 16;
const partCharsMax = 200;
/** Of files that are being written. */
const unfinished = ".upload-";

/** @throws {DiagnosticError} E704 for a name that is not one of a file below the folder. */
export function requireUploadName(name: string): void {
  const parts = name.split("/");
  const problem = name === ""
    ? "is empty"
    : parts.length > partsMax
    ? `has more than ${partsMax} parts`
    : parts.some((part) => part === "" || part === "." || part === "..")
    ? "leads out of the folder of uploads, or names a folder"
    : parts.some((part) => part.length > partCharsMax)
    ? `has a part of more than ${partCharsMax} characters`
    : /[\p{Cc}\\]/u.test(name)
    ? "contains invalid characters: control characters and backslashes are not allowed"
    : parts.some((part) => part.startsWith(unfinished))
    ? `has a part that begins with ${unfinished}`
    : undefined;
  if (problem !== undefined) fail("E704", `file name '${name.slice(0, 100)}' ${problem}`, { path: "name" });
}

export class Uploads {
  readonly #directory: string;
  readonly #folder: string;
  readonly #refusesAddress: FetchLimits["refusesAddress"];
  readonly #limits: UploadLimits;
  /** Files are written one after the other, so that the bounds hold. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor({ directory, refusesAddress, limits }: UploadsOptions) {
    this.#directory = directory;
    this.#folder = join(directory, "uploads");
    this.#refusesAddress = refusesAddress;
    this.#limits = { ...usual, ...limits };
    this.#forgetUnfinished();
  }

  /** What a crash has left. */
  #forgetUnfinished(): void {
    try {
      for (const name of readdirSync(this.#folder)) {
        if (name.startsWith(unfinished)) rmSync(join(this.#folder, name), { force: true });
      }
    } catch {
      // There is no folder yet, or none that can be read; who uses it will be told.
    }
  }

  /** Absolute paths of the files and folders right below the folder, sorted. */
  async list(): Promise<string[]> {
    return (await this.#entries(this.#folder)).map((entry) => join(this.#folder, entry.name)).sort();
  }

  /** All files, also of folders, by name. */
  async files(): Promise<Upload[]> {
    const found: Upload[] = [];
    const visit = async (folder: string, prefix: string) => {
      for (const entry of await this.#entries(folder)) {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) await visit(path, `${prefix}${entry.name}/`);
        else if (entry.isFile()) found.push({ name: prefix + entry.name, path, bytes: (await stat(path)).size });
      }
    };
    await visit(this.#folder, "");
    return found.sort((a, b) => a.name < b.name ? -1 : 1);
  }

  async #entries(folder: string) {
    try {
      return (await readdir(folder, { withFileTypes: true })).filter((entry) => !entry.name.startsWith(unfinished));
    } catch (error) {
      if ((error as { readonly code?: string }).code === "ENOENT") return [];
      throw failedIn(folder, error);
    }
  }

  /**
   * Keeps a file, in the place of one of the same name.
   *
   * @returns its absolute path
   * @throws {DiagnosticError} E704 for the name, E705 when there is too much already, E604 when it cannot be written
   */
  put(name: string, content: Uint8Array): Promise<string> {
    const written = this.#queue.then(() => this.#put(name, content));
    this.#queue = written.catch(() => {});
    return written;
  }

  async #put(name: string, content: Uint8Array): Promise<string> {
    requireUploadName(name);
    const others = (await this.files()).filter((file) => file.name !== name);
    const { filesMax, bytesMax } = this.#limits;
    if (others.length >= filesMax) fail("E705", `There are ${filesMax} uploaded files already`);
    const bytes = others.reduce((sum, file) => sum + file.bytes, content.length);
    if (bytes > bytesMax) fail("E705", `The uploaded files would have ${bytes} bytes, ${bytesMax} are allowed`);
    const path = join(this.#folder, ...name.split("/"));
    await this.#makeFolder(dirname(path));
    const draft = join(this.#folder, `${unfinished}${crypto.randomUUID()}`);
    try {
      const file = await open(draft, "wx");
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true });
      throw failedIn(path, error);
    }
    return path;
  }

  /** Somebody else may have put links there. */
  async #makeFolder(folder: string): Promise<void> {
    try {
      mkdirSync(this.#folder, { recursive: true });
      const root = realpathSync(this.#folder);
      let at = root;
      for (const part of relative(this.#folder, folder).split(sep).filter((part) => part !== "")) {
        at = join(at, part);
        await mkdir(at).catch((error) => {
          if (error.code !== "EEXIST") throw error;
        });
        if (await realpath(at) !== at) {
          fail("E704", `${at} is a link: files are not written behind it`, { path: "name" });
        }
      }
    } catch (error) {
      throw failedIn(folder, error);
    }
  }

  /**
   * Keeps the content of another file.
   *
   * @param file `http:` or `https:`; a path in the data directory, also as `file:`
   * @throws {DiagnosticError} as {@linkcode put}; E703 and E403 for a file that cannot be had
   */
  async putFrom(name: string, file: string): Promise<string> {
    requireUploadName(name);
    const { fetchedBytesMax: bytesMax } = this.#limits;
    if (/^https?:/i.test(file)) {
      return this.put(name, await fetchFile(file, { bytesMax, refusesAddress: this.#refusesAddress }));
    }
    return this.put(name, await this.#readOwn(file, bytesMax));
  }

  /** Of the data directory alone: the path comes over the network. */
  async #readOwn(file: string, bytesMax: number): Promise<Uint8Array> {
    try {
      const path = pathResolver(this.#directory)(/^file:/i.test(file) ? fileURLToPath(file) : file);
      const inside = relative(await realpath(this.#directory), await realpath(resolve(path)));
      if (inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
        fail("E403", `Files are read in the data directory only: found ${JSON.stringify(file)}`, {
          path: "file",
          hint: "give the text of the file as content",
        });
      }
      // Also what a link leads to must not be a file of the agent itself.
      pathResolver(this.#directory)(inside);
      if ((await stat(path)).size > bytesMax) {
        fail("E403", `The file has more than ${bytesMax} bytes`, { path: "file" });
      }
      return await readFile(path);
    } catch (error) {
      if (error instanceof DiagnosticError) throw error;
      fail("E403", `Cannot read ${JSON.stringify(file)}: ${(error as Error).message}`, { path: "file" });
    }
  }

  /**
   * Removes a file, and folders that are empty without it.
   *
   * @throws {DiagnosticError} E701 when there is none
   */
  async delete(name: string): Promise<void> {
    requireUploadName(name);
    const path = join(this.#folder, ...name.split("/"));
    const known = (await this.files()).some((file) => file.name === name);
    if (!known) fail("E701", `there is no file ${JSON.stringify(name)}`);
    try {
      await rm(path);
      for (let folder = dirname(path); folder !== this.#folder; folder = dirname(folder)) await rmdir(folder);
    } catch (error) {
      const { code } = error as { readonly code?: string };
      if (code !== "ENOTEMPTY" && code !== "EEXIST") throw failedIn(path, error);
    }
  }

  /**
   * Each file as the JSON of a request that keeps it again; a large one as one that names it.
   */
  async requests(contentBytesMax = 1024 * 1024): Promise<Record<string, string>> {
    const requests: [name: string, json: string][] = [];
    for (const { name, path, bytes } of await this.files()) {
      const given = bytes > contentBytesMax ? { file: path } : contentOf(await readFile(path));
      requests.push([name, JSON.stringify({ name, ...given })]);
    }
    return Object.fromEntries(requests);
  }

  /** Throws what {@linkcode restore} would throw, as far as that can be told without asking anybody else. */
  async check(request: UploadRequest): Promise<void> {
    const { file = "" } = request;
    if (file === "") bytesOf(request);
    else if (!/^https?:/i.test(file)) await this.#readOwn(file, this.#limits.bytesMax);
  }

  /** Keeps what {@linkcode requests} has given. */
  async restore(name: string, request: UploadRequest): Promise<void> {
    if (request.file === undefined || request.file === "") return void await this.put(name, bytesOf(request));
    if (request.file !== join(this.#folder, ...name.split("/"))) await this.putFrom(name, request.file);
  }
}

/** What is in a request: a text, bytes that are none, or the place of a file. */
export interface UploadRequest {
  readonly content?: string | undefined;
  readonly base64?: string | undefined;
  readonly file?: string | undefined;
}

/** @throws {DiagnosticError} E703 for bytes that are not written in base64. */
export function bytesOf({ content, base64 }: UploadRequest): Uint8Array {
  if (base64 === undefined || base64 === "") return new TextEncoder().encode(content ?? "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) fail("E703", "base64 holds other characters", { path: "base64" });
  return Buffer.from(base64, "base64");
}

function contentOf(bytes: Buffer): UploadRequest {
  const content = bytes.toString("utf8");
  return Buffer.from(content, "utf8").equals(bytes) ? { content } : { base64: bytes.toString("base64") };
}

function failedIn(path: string, error: unknown): Error {
  if (error instanceof DiagnosticError) return error;
  try {
    fail("E604", `${path} cannot be used: ${(error as Error).message}`);
  } catch (failure) {
    return failure as Error;
  }
}
