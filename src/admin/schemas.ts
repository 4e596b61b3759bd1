/**
 * `/schemas`: what messages of schema-based formats look like.
 * @module
 */
import type { Context, Hono } from "hono";
import { fail } from "../diagnostics/diagnostic.ts";
import { requireName } from "../runtime/names.ts";
import { readSchemaFile, schemaTexts } from "../runtime/schema_file.ts";
import { type SchemaDefinition, type SchemaRegistry, type SchemaType, schemaTypes } from "../runtime/schemas.ts";
import { type Body, readObject, textField } from "./body.ts";
import { type AdminEnv, BodyError, errorCodes } from "./failure.ts";
import { pathName } from "./path.ts";
import { json, sentence } from "./reply.ts";

export interface SchemaRoutes {
  readonly schemas: SchemaRegistry;
  /** The data directory, absolute, whose files schemas may be read from; absent: there is none. */
  readonly directory?: string | undefined;
}

/** As eKuiper answers. */
function describe({ name, content, file, version }: SchemaDefinition) {
  return { type: "protobuf", name, content, file, soFile: "", version };
}

export function schemaRoutes(app: Hono<AdminEnv>, { schemas, directory }: SchemaRoutes): void {
  function fromBody(body: Body, name: string): SchemaDefinition {
    const [content, file, version] = ["content", "file", "version"].map((each) => textField(body, each)) as [
      string,
      string,
      string,
    ];
    if (textField(body, "soFile") !== "") {
      fail("E408", "Codecs written in Go cannot be loaded: register the .proto file alone", { path: "soFile" });
    }
    if (content !== "" && file !== "") throw new BodyError("Invalid body: Cannot specify both content and file");
    if (content !== "") return { name, content, imports: {}, file: "", version };
    if (file === "") throw new BodyError("Invalid body: must specify content or file");
    requireName(name);
    if (directory === undefined) fail("E408", "There are no files here: give the text as content", { path: "file" });
    return { name, ...readSchemaFile(file, name, directory), file, version };
  }

  app.get("/schemas/:type", (c) => json(c, typeOf(c.req.param("type")) === "protobuf" ? schemas.names() : []));

  app.post("/schemas/:type", async (c) => {
    requireProtobuf(typeOf(c.req.param("type")));
    const body = await readObject(c, "the schema");
    const name = textField(body, "name");
    await schemas.create(fromBody(body, name));
    return sentence(c, `protobuf schema ${name} is created`, 201);
  });

  app.get("/schemas/:type/:name", (c) => {
    const name = pathName(c);
    if (typeOf(c.req.param("type")) === "custom") fail("E701", `custom schema ${name} not found`);
    return json(c, describe(schemas.get(name)));
  });

  app.put("/schemas/:type/:name", async (c) => {
    requireProtobuf(typeOf(c.req.param("type")));
    const name = pathName(c);
    const body = await readObject(c, "the schema");
    const bodyName = textField(body, "name");
    if (bodyName !== "" && bodyName !== name) {
      fail("E703", `the body names schema ${bodyName}: found ${name} in the path`);
    }
    await schemas.update(fromBody(body, name));
    return sentence(c, `protobuf schema ${name} is updated`);
  });

  app.put("/schemas/:type/:name/upload", async (c) => {
    requireProtobuf(typeOf(c.req.param("type")));
    const name = pathName(c);
    if (!/^multipart\/form-data\b/i.test(c.req.header("Content-Type") ?? "")) {
      return c.json({ error: errorCodes.undefined, message: "the body must be multipart/form-data" }, 415);
    }
    const { file, version } = await readUpload(c);
    const isNew = !schemas.names().includes(name);
    const texts = schemaTexts(new Uint8Array(await file.arrayBuffer()), file.name, name);
    await schemas.update({ name, ...texts, file: "", version });
    c.header("Location", `/schemas/protobuf/${name}`);
    return c.json({ type: "protobuf", name }, isNew ? 201 : 200);
  });

  app.delete("/schemas/:type/:name", (c) => {
    const name = pathName(c);
    if (typeOf(c.req.param("type")) === "custom") fail("E701", `custom schema ${name} not found`);
    schemas.delete(name);
    return sentence(c, `protobuf schema ${name} is deleted`);
  });
}

const versionBytesMax = 4096;

/** @throws {BodyError} for a form with other parts. */
async function readUpload(c: Context<AdminEnv>): Promise<{ readonly file: File; readonly version: string }> {
  let form: FormData;
  try {
    form = await c.req.formData();
  } catch (error) {
    throw new BodyError(`Invalid body: ${(error as Error).message}`);
  }
  const files = form.getAll("file");
  const [file] = files;
  if (files.length !== 1 || !(file instanceof File)) {
    throw new BodyError('Invalid body: wanted exactly one part "file"');
  }
  const version = form.get("version") ?? "";
  if (typeof version !== "string" || new TextEncoder().encode(version).length > versionBytesMax) {
    throw new BodyError(`Invalid body: "version" must be a text of at most ${versionBytesMax} bytes`);
  }
  return { file, version };
}

function typeOf(text: string): SchemaType {
  const known = schemaTypes.find((type) => type === text);
  return known ?? fail("E701", `unknown schema type ${text}`, { hint: `wanted ${schemaTypes.join(" or ")}` });
}

function requireProtobuf(type: SchemaType): void {
  if (type === "protobuf") return;
  fail("E408", "Codecs written in Go cannot be loaded: schemas of the type custom are not supported");
}
