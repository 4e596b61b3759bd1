/**
 * `/schemas`: what messages of schema-based formats look like.
 * @module
 */
import type { Hono } from "hono";
import { fail } from "../diagnostics/diagnostic.ts";
import { requireName } from "../runtime/names.ts";
import { readSchemaFile } from "../runtime/schema_file.ts";
import { type SchemaDefinition, type SchemaRegistry, type SchemaType, schemaTypes } from "../runtime/schemas.ts";
import { type Body, readObject, textField } from "./body.ts";
import { type AdminEnv, BodyError } from "./failure.ts";
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

  app.delete("/schemas/:type/:name", (c) => {
    const name = pathName(c);
    if (typeOf(c.req.param("type")) === "custom") fail("E701", `custom schema ${name} not found`);
    schemas.delete(name);
    return sentence(c, `protobuf schema ${name} is deleted`);
  });
}

function typeOf(text: string): SchemaType {
  const known = schemaTypes.find((type) => type === text);
  return known ?? fail("E701", `unknown schema type ${text}`, { hint: `wanted ${schemaTypes.join(" or ")}` });
}

function requireProtobuf(type: SchemaType): void {
  if (type === "protobuf") return;
  fail("E408", "Codecs written in Go cannot be loaded: schemas of the type custom are not supported");
}
