/**
 * `weir token …`: API tokens for programs.
 * @module
 */
import { didYouMean } from "../diagnostics/suggest.ts";
import { AgentClient, clientFlags, operand, readVerb, tableText } from "./client.ts";
import { type Arguments, type CliContext, type Command } from "./command.ts";

const verbs = ["ls", "create", "rm"] as const;

interface ShownToken {
  readonly name: string;
  readonly role: string;
  readonly createdMs: number;
  readonly expiresMs?: number;
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const verb = readVerb(args, verbs, (name) => didYouMean(name, verbs));
  const client = new AgentClient(args, context);
  const path = "/api/v1/tokens";
  switch (verb) {
    case "ls": {
      const all = await client.json<readonly ShownToken[]>("GET", path);
      context.stdout(args.flag("json") ? `${JSON.stringify(all)}\n` : listText(all));
      break;
    }
    case "create": {
      const name = operand(args, 1, "the name of the token", 1);
      const body = { name, role: args.text("role") ?? "viewer", expiresIn: args.text("expires-in") ?? "" };
      const made = await client.json<ShownToken & { readonly token: string }>("POST", path, JSON.stringify(body));
      if (args.flag("json")) context.stdout(`${JSON.stringify(made)}\n`);
      else context.stdout(`${made.token}\n`);
      context.stderr("It is not shown again.\n");
      break;
    }
    case "rm": {
      const name = operand(args, 1, "the name of the token", 1);
      await client.request("DELETE", `${path}/${encodeURIComponent(name)}`);
      context.stdout(`Token ${name} is removed.\n`);
      break;
    }
    default:
      verb satisfies never;
  }
  return 0;
}

function listText(tokens: readonly ShownToken[]): string {
  if (tokens.length === 0) return "No tokens are found.\n";
  const day = (ms: number | undefined) => ms === undefined ? "never" : new Date(ms).toISOString();
  const lines = tokens.map(({ name, role, createdMs, expiresMs }) => [name, role, day(createdMs), day(expiresMs)]);
  return tableText(["NAME", "ROLE", "CREATED", "EXPIRES"], lines);
}

export const token: Command = {
  usage: [
    "weir token ls",
    "weir token create NAME --role viewer|operator|editor|admin [--expires-in 720h]",
    "weir token rm NAME",
  ],
  flags: {
    ...clientFlags,
    role: { type: "string", value: "ROLE", summary: "viewer, operator, editor or admin; viewer" },
    "expires-in": { type: "string", value: "DURATION", summary: "how long it lets in; for ever when absent" },
  },
  run,
};
