/**
 * `/ruleset` and `/data`: all definitions out and in.
 * @module
 */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Context, Hono } from "hono";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import { type DataTransfer, hasErrors, type TransferErrors } from "../runtime/data_transfer.ts";
import { fetchFile, type FetchLimits } from "../runtime/fetch_file.ts";
import { readObject, readTextList, textField } from "./body.ts";
import { type AdminEnv, BodyError, errorCodes, failing } from "./failure.ts";
import { json, jsonText, sentence } from "./reply.ts";

export interface TransferRoutes {
  readonly transfer: DataTransfer;
  /** The data directory, whose folder `uploads` may hold files to import; absent: there is none. */
  readonly directory?: string | undefined;
  /** Which addresses an import may not be fetched from; see `addressGuard`. */
  readonly refusesAddress?: FetchLimits["refusesAddress"];
  readonly log: { warn(message: string, fields: Readonly<Record<string, string>>): void };
}

const timeoutMs = 10_000;
const bytesMax = 64 * 1024 * 1024;

export function transferRoutes(app: Hono<AdminEnv>, { transfer, log, ...places }: TransferRoutes): void {
  const imports = failing({ configuration: errorCodes.undefined, other: errorCodes.undefined });

  app.post("/ruleset/export", (c) => attachment(c, "ruleset.json", JSON.stringify(transfer.ruleset())));
  app.post("/ruleset/import", failing({ prefix: "Import ruleset error", other: errorCodes.undefined }), async (c) => {
    const { counts, errors } = await transfer.importRuleset(
      await readContent(c, places, ": bad request"),
      c.get("principal"),
    );
    for (const [section, items] of Object.entries(errors)) {
      for (const [name, reason] of Object.entries(items)) {
        log.warn("A part of a ruleset was not imported", { section, name, reason });
      }
    }
    const { streams, tables, rules } = counts;
    return sentence(c, `imported ${streams} streams, ${tables} tables and ${rules} rules`);
  });

  app.get("/data/export", async (c) => attachment(c, "data.json", JSON.stringify(await transfer.all())));
  app.post("/data/export", imports, async (c) => {
    const ids = await readTextList(c, "expected a list of the ids of rules");
    return attachment(c, "data.json", JSON.stringify(await transfer.only(ids)));
  });
  app.post("/data/import", imports, async (c) => {
    const content = await readContent(c, places);
    if (c.req.query("stop") === "1") {
      fail("E408", "stop is not supported: there is nothing that only a restart could load", { path: "stop" });
    }
    const errors = await transfer.importAll(content, c.req.query("partial") === "1", c.get("principal"));
    if (!hasErrors(errors)) return json(c, { ErrorMsg: "", ConfigResponse: errors });
    return refused(c, errors);
  });
  app.get("/data/import/status", (c) => json(c, transfer.lastErrors));
}

/** As eKuiper's error body; the message is the JSON of all sections. */
function refused(context: Context<AdminEnv>, errors: TransferErrors): Response {
  context.status(400);
  return jsonText(context, `${JSON.stringify({ error: errorCodes.undefined, message: JSON.stringify(errors) })}\n`);
}

function attachment(context: Context<AdminEnv>, name: string, text: string): Response {
  context.header("Content-Type", "application/octet-stream");
  context.header("Content-Disposition", `Attachment; filename=${name}`);
  return context.body(text);
}

/** The text of `content`, or of `file`. */
async function readContent(
  context: Context<AdminEnv>,
  { directory, refusesAddress }: Pick<TransferRoutes, "directory" | "refusesAddress">,
  suffix = "",
): Promise<string> {
  const body = await readObject(context, "the import");
  const [content, file] = [textField(body, "content"), textField(body, "file")];
  if (content !== "" && file !== "") throw new BodyError(`Invalid body: Cannot specify both content and file${suffix}`);
  if (content !== "") return content;
  if (file === "") throw new BodyError(`Invalid body: must specify content or file${suffix}`);
  if (!/^https?:/i.test(file)) return readUpload(file, directory);
  return new TextDecoder().decode(await fetchFile(file, { bytesMax, timeoutMs, refusesAddress }));
}

/** Files of the agent's own folder alone: the path comes over the network. */
function readUpload(file: string, directory: string | undefined): string {
  const hint = { path: "file", hint: "files stand in the folder uploads of the data directory" };
  if (directory === undefined) {
    return fail("E408", "There are no files here: give the text as content", { path: "file" });
  }
  try {
    const folder = realpathSync(join(directory, "uploads"));
    const path = realpathSync(resolve(folder, file.startsWith("file:") ? fileURLToPath(file) : file));
    const inside = relative(folder, path);
    if (inside === "" || inside.startsWith("..") || isAbsolute(inside)) {
      return fail("E403", "The file stands outside", hint);
    }
    if (statSync(path).size > bytesMax) {
      return fail("E403", `The file has more than ${bytesMax} bytes`, { path: "file" });
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof DiagnosticError) throw error;
    return fail("E703", `Cannot read ${file}: ${(error as Error).message}`, hint);
  }
}
