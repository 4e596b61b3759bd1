/**
 * `weir stream …` and `weir table …`.
 * @module
 */
import { didYouMean } from "../diagnostics/suggest.ts";
import { AgentClient, clientFlags, inputText, operand, readVerb, tableText } from "./client.ts";
import type { Arguments, CliContext, Command } from "./command.ts";

const verbs = ["ls", "get", "create", "rm"] as const;

interface Detail {
  readonly name: string;
  readonly type: string;
  readonly format: string;
}

function command(kind: "stream" | "table"): Command {
  const noun = kind.toUpperCase();

  async function run(args: Arguments, context: CliContext): Promise<number> {
    const verb = readVerb(args, verbs, (name) => didYouMean(name, verbs));
    const client = new AgentClient(args, context);
    switch (verb) {
      case "ls": {
        const details = await client.json<Detail[]>("GET", `/${kind}details`);
        if (args.flag("json")) context.stdout(`${JSON.stringify(details)}\n`);
        else if (details.length === 0) context.stdout(`No ${kind} definitions are found.\n`);
        else context.stdout(tableText(["NAME", "TYPE", "FORMAT"], details.map((d) => [d.name, d.type, d.format])));
        return 0;
      }
      case "get": {
        const name = operand(args, 1, `the name of the ${kind}`);
        if (args.flag("json")) {
          context.stdout(`${await client.request("GET", `/${kind}s/${encodeURIComponent(name)}`)}\n`);
        } else {
          const sql = `DESCRIBE ${noun} \`${name}\``;
          context.stdout(await client.request("POST", `/${kind}s`, JSON.stringify({ sql })));
        }
        return 0;
      }
      case "create": {
        const sql = await inputText(args, context, 1, `the CREATE ${noun} statement`);
        context.stdout(`${await client.request("POST", `/${kind}s`, JSON.stringify({ sql }), sql)}\n`);
        return 0;
      }
      case "rm": {
        const name = operand(args, 1, `the name of the ${kind}`);
        const force = args.flag("force") ? "?force=true" : "";
        context.stdout(`${await client.request("DELETE", `/${kind}s/${encodeURIComponent(name)}${force}`)}\n`);
        return 0;
      }
      default:
        return verb satisfies never;
    }
  }

  return {
    usage: [
      `weir ${kind} ls`,
      `weir ${kind} get NAME`,
      `weir ${kind} create 'CREATE ${noun} …' | -f FILE`,
      `weir ${kind} rm NAME [--force]`,
    ],
    flags: {
      ...clientFlags,
      file: { type: "string", short: "f", value: "FILE", summary: "read the statement from a file; - is stdin" },
      force: { type: "boolean", summary: "remove it although running rules use it" },
    },
    run,
  };
}

export const stream = command("stream");
export const table = command("table");
