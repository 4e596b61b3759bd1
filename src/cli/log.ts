/**
 * `weir log level`: from which level on the log of a running agent says something.
 * @module
 */
import { didYouMean } from "../diagnostics/suggest.ts";
import type { ShownLevel } from "../telemetry/log_levels.ts";
import { AgentClient, clientFlags, readVerb, tableText } from "./client.ts";
import { type Arguments, type CliContext, type Command, UsageError } from "./command.ts";

const verbs = ["level"] as const;
const path = "/api/v1/log/levels";

interface Levels {
  readonly level: string;
  readonly modules: readonly ShownLevel[];
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  readVerb(args, verbs, (name) => didYouMean(name, verbs));
  const [, ...operands] = args.positionals;
  if (operands.length > 2) throw new UsageError(`unexpected ${JSON.stringify(operands[2])}`);
  const client = new AgentClient(args, context);
  const [module, level] = operands.length === 1 ? [undefined, operands[0]] : operands;
  const lasts = args.text("for");
  if (lasts !== undefined && module === undefined) {
    throw new UsageError("--for wants a module", "weir log level MODULE LEVEL");
  }
  const levels = level === undefined ? await client.json<Levels>("GET", path) : await client.json<Levels>(
    "PUT",
    path,
    JSON.stringify({
      level,
      ...(module === undefined ? {} : { module }),
      ...(lasts === undefined ? {} : { for: lasts }),
    }),
  );
  context.stdout(args.flag("json") ? `${JSON.stringify(levels)}\n` : textOf(levels));
  return 0;
}

function textOf({ level, modules }: Levels): string {
  const time = (ms: number | undefined) => ms === undefined ? "the next start" : new Date(ms).toISOString();
  const lines = modules.map(({ module, level, until }) => [module, level, time(until)]);
  return tableText(["MODULE", "LEVEL", "UNTIL"], [["all others", level, ""], ...lines]);
}

export const log: Command = {
  usage: ["weir log level", "weir log level LEVEL", "weir log level MODULE LEVEL|configured [--for 10m]"],
  flags: {
    ...clientFlags,
    for: { type: "string", value: "DURATION", summary: "how long; then the level is as it was before" },
  },
  details: `
A module is rule.ID, connector.TYPE, stream.NAME, table.NAME or trial.ID; in a name * stands for any text. Levels are debug, info, warn and
error; configured takes that of a module away. They last until the next start of the agent: log.level and log.levels in
weir.yaml are for longer.`,
  run,
};
