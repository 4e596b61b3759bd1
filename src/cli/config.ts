/**
 * `weir config …`: the confKeys of sources, sinks and connections of an agent, and its configuration file.
 * @module
 */
import type { ReloadChanges } from "../config/reload_table.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { AgentClient, clientFlags, inputText, operand, readVerb } from "./client.ts";
import { type Arguments, type CliContext, CliError, type Command, UsageError } from "./command.ts";
import { configFileVerbs, runConfigFile } from "./config_file.ts";

const verbs = ["ls", "get", "set", "rm", "reload", ...configFileVerbs] as const;
const roles = ["source", "sink", "connection"] as const;

function readRole(args: Arguments): string {
  const name = operand(args, 1, "the kind: source, sink or connection", args.positionals.length);
  const role = roles.find((each) => each === name);
  if (role === undefined) throw new UsageError(`unknown kind ${JSON.stringify(name)}`, didYouMean(name, roles));
  return role;
}

function changesText({ now, later, restart }: ReloadChanges): string {
  const lines = [["hold now", now], ["hold for rules that start from now on", later], [
    "want a restart",
    restart,
  ]] as const;
  const text = lines.filter(([, paths]) => paths.length > 0).map(([what, paths]) => `${what}: ${paths.join(", ")}\n`);
  return text.length === 0 ? "Nothing has changed.\n" : text.join("");
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const verb = readVerb(args, verbs, (name) => didYouMean(name, verbs));
  if (verb === "check" || verb === "show" || verb === "defaults") return await runConfigFile(verb, args, context);
  if (verb === "reload") {
    const client = new AgentClient(args, context);
    const changes = await client.json<ReloadChanges>("POST", "/api/v1/config/reload");
    context.stdout(args.flag("json") ? `${JSON.stringify(changes)}\n` : changesText(changes));
    return 0;
  }
  const role = readRole(args);
  const type = operand(args, 2, `the type of the ${role}`, args.positionals.length);
  const client = new AgentClient(args, context);
  const listPath = `/metadata/${role}s/yaml/${encodeURIComponent(type)}`;
  if (verb === "ls") {
    const all = await client.json<Record<string, unknown>>("GET", listPath);
    const names = Object.keys(all);
    if (args.flag("json")) context.stdout(`${JSON.stringify(all)}\n`);
    else context.stdout(names.length === 0 ? `No confKeys of ${role} ${type} are found.\n` : `${names.join("\n")}\n`);
    return 0;
  }
  const key = operand(args, 3, "the name of the confKey", verb === "set" ? 4 : 3);
  const path = `/metadata/${role}s/${encodeURIComponent(type)}/confKeys/${encodeURIComponent(key)}`;
  switch (verb) {
    case "get": {
      const all = await client.json<Record<string, unknown>>("GET", listPath);
      if (!Object.hasOwn(all, key)) {
        const hint = didYouMean(key, Object.keys(all));
        throw new CliError(`${role} ${type} has no confKey ${key}${hint === undefined ? "" : `, ${hint}`}`);
      }
      context.stdout(`${JSON.stringify(all[key], null, 2)}\n`);
      break;
    }
    case "set":
      await client.request("PUT", path, await inputText(args, context, 4, "the JSON of the settings"));
      context.stdout(`confKey ${key} of ${role} ${type} is set.\n`);
      break;
    case "rm":
      await client.request("DELETE", path);
      context.stdout(`confKey ${key} of ${role} ${type} is removed.\n`);
      break;
    default:
      verb satisfies never;
  }
  return 0;
}

export const config: Command = {
  usage: [
    "weir config ls source|sink|connection TYPE",
    "weir config get|rm source|sink|connection TYPE KEY",
    "weir config set source|sink|connection TYPE KEY 'JSON' | -f FILE",
    "weir config reload",
    "weir config check|show [-c FILE]",
    "weir config defaults",
  ],
  flags: {
    ...clientFlags,
    config: {
      type: "string",
      short: "c",
      value: "FILE",
      summary: "the configuration file; WEIR_CONFIG, or /etc/weir/weir.yaml where it is",
    },
    file: { type: "string", short: "f", value: "FILE", summary: "read the settings from a file; - is stdin" },
  },
  run,
};
