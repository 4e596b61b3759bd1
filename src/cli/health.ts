/**
 * `weir health`: how a running agent is, for people and for programs that watch it.
 * @module
 */
import type { Health, HealthReason } from "../admin/health.ts";
import { AgentClient, clientFlags } from "./client.ts";
import { type Arguments, type CliContext, type Command, UsageError } from "./command.ts";

const marks: Readonly<Record<HealthReason["severity"], string>> = { problem: "FAIL", warning: "WARN" };

/** A reason a line, with what to do about it below. */
export function healthText({ status, reasons, total }: Health): string {
  const lines = reasons.map(({ area, severity, message, hint }) =>
    `${marks[severity]}  ${area.padEnd(11)}  ${message}\n${" ".repeat(19)}${hint}\n`
  );
  const left = total - reasons.length;
  return `${status}\n${lines.join("")}${left > 0 ? `and ${left} more\n` : ""}`;
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const [extra] = args.positionals;
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  const health = await new AgentClient(args, context).json<Health>("GET", "/api/v1/health");
  context.stdout(args.flag("json") ? `${JSON.stringify(health)}\n` : healthText(health));
  return health.status === "failing" ? 1 : 0;
}

export const health: Command = {
  usage: ["weir health [--json]"],
  flags: { ...clientFlags, json: { type: "boolean", summary: "print the answer as JSON" } },
  details: `
Prints ok, degraded or failing, and a reason for everything that is not as it should be, with what to do about it. The exit
code is 1 when the agent is failing, or does not answer; weir doctor looks at the machine, too.`,
  run,
};
