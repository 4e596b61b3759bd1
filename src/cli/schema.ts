/**
 * `weir schema …`.
 * @module
 */
import { basename } from "node:path";
import { didYouMean } from "../diagnostics/suggest.ts";
import { AgentClient, clientFlags, inputText, operand, readVerb } from "./client.ts";
import type { Arguments, CliContext, Command } from "./command.ts";

const verbs = ["ls", "get", "create", "update", "rm"] as const;

interface Schema {
  readonly content: string;
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const verb = readVerb(args, verbs, (name) => didYouMean(name, verbs));
  const client = new AgentClient(args, context);
  const path = (name: string) => `/schemas/protobuf/${encodeURIComponent(name)}`;
  switch (verb) {
    case "ls": {
      const names = await client.json<string[]>("GET", "/schemas/protobuf");
      if (args.flag("json")) context.stdout(`${JSON.stringify(names)}\n`);
      else context.stdout(names.length === 0 ? "No schemas are found.\n" : `${names.join("\n")}\n`);
      return 0;
    }
    case "get": {
      const name = operand(args, 1, "the name of the schema");
      const schema = await client.json<Schema>("GET", path(name));
      context.stdout(args.flag("json") ? `${JSON.stringify(schema)}\n` : `${schema.content.trimEnd()}\n`);
      return 0;
    }
    case "create":
    case "update": {
      const name = args.positionals[1] ?? nameOfFile(args) ?? operand(args, 1, "the name of the schema");
      const content = await inputText(args, context, 2, "the text of the .proto file");
      const version = args.text("version") ?? "";
      const body = JSON.stringify({ name, content, version });
      const [method, to] = verb === "create" ? ["POST", "/schemas/protobuf"] as const : ["PUT", path(name)] as const;
      context.stdout(`${await client.request(method, to, body)}\n`);
      return 0;
    }
    case "rm": {
      const name = operand(args, 1, "the name of the schema");
      context.stdout(`${await client.request("DELETE", path(name))}\n`);
      return 0;
    }
    default:
      return verb satisfies never;
  }
}

/** `plant` of `protos/plant.proto`. */
function nameOfFile(args: Arguments): string | undefined {
  const file = args.text("file");
  return file === undefined || file === "-" ? undefined : basename(file).replace(/\.proto$/, "");
}

export const schema: Command = {
  usage: [
    "weir schema ls",
    "weir schema get NAME",
    "weir schema create [NAME] -f FILE.proto [--version V]",
    "weir schema update NAME -f FILE.proto [--version V]",
    "weir schema rm NAME",
  ],
  flags: {
    ...clientFlags,
    file: { type: "string", short: "f", value: "FILE", summary: "read the schema from a .proto file; - is stdin" },
    version: { type: "string", value: "V", summary: "its version: a lower one than that of now is refused" },
  },
  run,
};
