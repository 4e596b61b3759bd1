/**
 * Which way to read what a stream names: a file, a file that grows, or all files of a folder.
 * @module
 */
import { stat } from "node:fs/promises";
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import type { Source } from "../../src/connector/source.ts";
import { FolderSource } from "./folder.ts";
import { sourcePath, type sourceSettings } from "./mod.ts";
import { FileSource } from "./source.ts";
import { TailSource } from "./tail.ts";

/**
 * @throws {DiagnosticError} E403 for a path that is not allowed.
 * @throws {Disconnected} when the file is not there or cannot be read.
 */
export async function openSource(settings: InferOutput<typeof sourceSettings>, context: OpenContext): Promise<Source> {
  const path = sourcePath(settings, context);
  if (settings.atEnd === "follow") return await TailSource.open(settings, context, path);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return new FolderSource(settings, context, path);
  return await FileSource.open(settings, context);
}
