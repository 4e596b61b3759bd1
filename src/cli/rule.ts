/**
 * `weir rule …`.
 * @module
 */
import { didYouMean } from "../diagnostics/suggest.ts";
import type { RuleLedger } from "../runtime/rule_ledger.ts";
import { guaranteeText } from "./guarantee_text.ts";
import type { RuleExplanation, RuleSummary } from "../runtime/rules.ts";
import { AgentClient, clientFlags, inputText, operand, readVerb, tableText } from "./client.ts";
import { type Arguments, type CliContext, type Command, UsageError } from "./command.ts";
import { deadLetterFlags, deadLetters, deadLetterUsage } from "./dead_letters.ts";
import { explainText } from "./explain_text.ts";
import { ledgerText, verdictText } from "./ledger_text.ts";
import { tap, tapFlags, tapUsage } from "./rule_tap.ts";

const verbs = [
  "ls",
  "get",
  "create",
  "rm",
  "start",
  "stop",
  "restart",
  "status",
  "explain",
  "ledger",
  "tap",
  "dead-letters",
  "reset",
] as const;

/** The SQL inside a rule's JSON, for the places in error messages. */
function sqlOf(json: string): string | undefined {
  try {
    const { sql } = JSON.parse(json) as { sql?: unknown };
    return typeof sql === "string" ? sql : undefined;
  } catch {
    return undefined;
  }
}

async function list(client: AgentClient, args: Arguments, context: CliContext): Promise<void> {
  const rules = await client.json<RuleSummary[]>("GET", "/rules");
  if (args.flag("json")) context.stdout(`${JSON.stringify(rules)}\n`);
  else if (rules.length === 0) context.stdout("No rule definitions are found.\n");
  else {
    context.stdout(
      tableText(["ID", "STATUS", "TAGS"], rules.map(({ id, status, tags }) => [id, status, (tags ?? []).join(",")])),
    );
  }
}

async function create(client: AgentClient, args: Arguments, context: CliContext): Promise<void> {
  const json = await inputText(args, context, 1, "the JSON of the rule");
  const replace = args.text("replace");
  const answer = replace === undefined
    ? client.request("POST", "/rules", json, sqlOf(json))
    : client.request("PUT", `/rules/${encodeURIComponent(replace)}`, json, sqlOf(json));
  context.stdout(`${await answer}\n`);
}

async function status(client: AgentClient, id: string, args: Arguments, context: CliContext): Promise<void> {
  const text = await client.request("GET", `/rules/${encodeURIComponent(id)}/status`);
  if (args.flag("json")) return context.stdout(`${text}\n`);
  const all = JSON.parse(text) as Record<string, string | number>;
  context.stdout(Object.entries(all).map(([key, value]) => `${key}: ${value}\n`).join(""));
}

/** The plan as a tree, or, with --json, as data. */
async function explain(client: AgentClient, id: string, args: Arguments, context: CliContext): Promise<void> {
  const answer = await client.json<RuleExplanation>("GET", `/api/v1/rules/${encodeURIComponent(id)}/explain`);
  if (args.flag("json")) return context.stdout(`${JSON.stringify(answer, null, 2)}\n`);
  const since = answer.since === 0 ? "" : ` since ${new Date(answer.since).toISOString()}`;
  context.stdout(
    `rule ${answer.id}: ${answer.state}${since}\n${guaranteeText(answer.guarantee)}${explainText(answer.root)}`,
  );
}

async function reset(client: AgentClient, id: string, args: Arguments, context: CliContext): Promise<void> {
  const what = { state: args.flag("state"), positions: args.flag("positions") };
  if (!what.state && !what.positions) {
    throw new UsageError("what the rule shall forget is missing: --state, --positions or both");
  }
  const path = `/api/v1/rules/${encodeURIComponent(id)}/reset`;
  context.stdout(`${await client.request("POST", path, JSON.stringify(what))}\n`);
}

/** Exits with 1 when the ledger does not balance. */
async function ledger(client: AgentClient, id: string, args: Arguments, context: CliContext): Promise<number> {
  const output = args.text("output") ?? "table";
  if (output !== "json" && output !== "table") throw new UsageError("--output is json or table");
  const answer = await client.json<RuleLedger>("GET", `/api/v1/rules/${encodeURIComponent(id)}/ledger`);
  if (args.flag("json") || output === "json") {
    context.stdout(`${JSON.stringify(answer, null, 2)}\n`);
  } else {
    context.stdout(ledgerText(answer));
    if (answer.balanced) context.stdout(verdictText(answer));
  }
  if (answer.balanced) return 0;
  context.stderr(verdictText(answer));
  return 1;
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const verb = readVerb(args, verbs, (name) => didYouMean(name, verbs));
  const client = new AgentClient(args, context);
  if (verb === "ls") await list(client, args, context);
  else if (verb === "create") await create(client, args, context);
  else if (verb === "dead-letters") return await deadLetters(client, args, context);
  else {
    const id = operand(args, 1, "the id of the rule");
    const path = `/rules/${encodeURIComponent(id)}`;
    switch (verb) {
      case "get": {
        const text = await client.request("GET", path);
        context.stdout(`${args.flag("json") ? text : JSON.stringify(JSON.parse(text), null, 2)}\n`);
        break;
      }
      case "rm":
        context.stdout(`${await client.request("DELETE", path)}\n`);
        break;
      case "start":
      case "stop":
      case "restart":
        context.stdout(`${await client.request("POST", `${path}/${verb}`)}\n`);
        break;
      case "status":
        await status(client, id, args, context);
        break;
      case "explain":
        await explain(client, id, args, context);
        break;
      case "ledger":
        return await ledger(client, id, args, context);
      case "tap":
        return await tap(client, id, args, context);
      case "reset":
        await reset(client, id, args, context);
        break;
      default:
        verb satisfies never;
    }
  }
  return 0;
}

export const rule: Command = {
  usage: [
    "weir rule ls",
    "weir rule create 'JSON' | -f FILE [--replace ID]",
    "weir rule get|rm|start|stop|restart|status|explain ID",
    "weir rule ledger ID [--output json]",
    ...tapUsage,
    "weir rule reset ID --state --positions",
    ...deadLetterUsage,
  ],
  flags: {
    ...clientFlags,
    file: { type: "string", short: "f", value: "FILE", summary: "read the rule from a file; - is stdin" },
    replace: { type: "string", value: "ID", summary: "replace this rule, or create it" },
    output: { type: "string", value: "FORMAT", summary: "ledger: json or table" },
    state: { type: "boolean", summary: "reset: forget open windows, counters and what else the rule has gathered" },
    positions: { type: "boolean", summary: "reset: forget how far sources such as files have been read" },
    ...tapFlags,
    ...deadLetterFlags,
  },
  run,
};
