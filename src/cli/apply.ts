/**
 * `weir apply`: has a running agent apply the files of its `rulesDir` now, or tell what they would change.
 * @module
 */
import type { ManagedMistake } from "../managed/managed_item.ts";
import { AgentClient, clientFlags } from "./client.ts";
import { type Arguments, type CliContext, type Command, UsageError } from "./command.ts";

/** What the agent answers; the texts of definitions are not in it. */
export interface ApplyAnswer {
  readonly errors: readonly ManagedMistake[];
  readonly changes: readonly {
    readonly kind: string;
    readonly name: string;
    readonly change: "create" | "replace" | "delete";
    readonly file: string;
  }[];
  readonly unchanged: number;
}

const marks = { create: "+", replace: "~", delete: "-" } as const;

export function applyText({ errors, changes, unchanged }: ApplyAnswer, dryRun: boolean): string {
  if (errors.length > 0) {
    const lines = errors.map(({ file, line, column, code, message, path, hint }) => {
      const place = line === undefined ? file : `${file}:${line}:${column}`;
      const of = path === undefined ? "" : ` (${path})`;
      return `${place}: ${code}: ${message}${of}\n${hint === undefined ? "" : `    ${hint}\n`}`;
    });
    return `${lines.join("")}Nothing ${dryRun ? "would be" : "was"} changed: the set before it goes on.\n`;
  }
  const lines = changes.map(({ kind, name, change, file }) => `${marks[change]} ${kind} ${name}  (${file})\n`);
  const verb = dryRun ? "would be changed" : "were changed";
  return `${lines.join("")}${changes.length} definitions ${verb}, ${unchanged} stay as they are.\n`;
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const [extra] = args.positionals;
  if (extra !== undefined) {
    throw new UsageError(`unexpected ${JSON.stringify(extra)}`, "the folder is the agent's own: rulesDir in weir.yaml");
  }
  const dryRun = args.flag("dry-run");
  const path = `/api/v1/managed${dryRun ? "?dry-run=true" : ""}`;
  const answer = await new AgentClient(args, context).json<ApplyAnswer>("POST", path);
  context.stdout(args.flag("json") ? `${JSON.stringify(answer)}\n` : applyText(answer, dryRun));
  return answer.errors.length === 0 ? 0 : 1;
}

export const apply: Command = {
  usage: ["weir apply [--dry-run] [--json]"],
  flags: {
    ...clientFlags,
    "dry-run": { type: "boolean", summary: "tell what would change, and change nothing" },
  },
  details: `
The files of rulesDir are followed by themselves; this does it now, and says what came of it: + made, ~ replaced, - removed. With
a mistake in any file nothing changes, and the exit code is 1.`,
  run,
};
