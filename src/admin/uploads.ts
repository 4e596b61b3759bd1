/**
 * `/config/uploads`: files that people send.
 * @module
 */
import type { Context, Hono } from "hono";
import { bytesOf, type Uploads } from "../runtime/uploads.ts";
import { readObject, textField } from "./body.ts";
import { type AdminEnv, BodyError, errorCodes, failing } from "./failure.ts";
import { json, sentence } from "./reply.ts";

export type UploadRoutes = Pick<Uploads, "list" | "put" | "putFrom" | "delete">;

export function uploadRoutes(app: Hono<AdminEnv>, uploads: UploadRoutes): void {
  app.get("/config/uploads", async (c) => json(c, await uploads.list()));
  app.post("/config/uploads", async (c) => {
    const isForm = /^multipart\/form-data\b/i.test(c.req.header("Content-Type") ?? "");
    return sentence(c, isForm ? await keepPart(c, uploads) : await keepContent(c, uploads), 201);
  });
  const deleting = failing({ prefix: "Error deleting the file", missing: { code: errorCodes.undefined } });
  app.delete("/config/uploads/:name", deleting, async (c) => {
    await uploads.delete(c.req.param("name"));
    return sentence(c, "ok");
  });
}

async function keepContent(context: Context<AdminEnv>, uploads: UploadRoutes): Promise<string> {
  const body = await readObject(context, "the file");
  const [name, content, base64, file] = ["name", "content", "base64", "file"].map((each) => textField(body, each)) as [
    string,
    string,
    string,
    string,
  ];
  if (name === "") throw new BodyError("Invalid body: missing necessary field: name");
  if (content === "" && base64 === "" && file === "") {
    throw new BodyError("Invalid body: missing necessary field: file or content");
  }
  return file === "" ? await uploads.put(name, bytesOf({ content, base64 })) : await uploads.putFrom(name, file);
}

async function keepPart(context: Context<AdminEnv>, uploads: UploadRoutes): Promise<string> {
  let form: FormData;
  try {
    form = await context.req.formData();
  } catch (error) {
    throw new BodyError(`Invalid body: ${(error as Error).message}`);
  }
  const files = form.getAll("uploadFile");
  const [file] = files;
  if (files.length !== 1 || !(file instanceof File)) {
    throw new BodyError('Invalid body: wanted exactly one part "uploadFile" with a file');
  }
  return await uploads.put(file.name, new Uint8Array(await file.arrayBuffer()));
}
