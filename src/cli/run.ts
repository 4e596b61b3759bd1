/**
 * The command line: finds the command, runs it, turns what it throws into text and an exit code.
 *
 * 0 is success, 1 a command that could not do its work, 2 a command line that is wrong.
 * @module
 */
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderError } from "../diagnostics/render.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { ListenError } from "../platform/listen_error.ts";
import { readArguments } from "./arguments.ts";
import { type CliContext, CliError, type Command, UsageError } from "./command.ts";
import { type CommandEntry, commands } from "./commands.ts";

const helpFlag = { help: { type: "boolean", short: "h", summary: "this text" } } as const;

function find(name: string): CommandEntry {
  const entry = commands.find((each) => each.name === name);
  if (entry !== undefined) return entry;
  throw new UsageError(
    `unknown command ${JSON.stringify(name)}`,
    didYouMean(name, commands.map((each) => each.name)),
  );
}

async function help(name: string | undefined, context: CliContext): Promise<number> {
  const { commandHelp, overview } = await import("./help.ts");
  if (name === undefined) context.stdout(overview());
  else {
    const entry = find(name);
    context.stdout(commandHelp(await entry.load(), entry.summary));
  }
  return 0;
}

/** `weir`, and `weir --listen …`, mean `weir serve`. */
function split(args: readonly string[]): [string, readonly string[]] {
  const [first, ...rest] = args;
  if (first === "--help" || first === "-h") return ["help", rest];
  if (first === "--version" || first === "-V") return ["version", rest];
  return first === undefined || first.startsWith("-") ? ["serve", args] : [first, rest];
}

async function dispatch(args: readonly string[], context: CliContext): Promise<number> {
  const [name, rest] = split(args);
  if (name === "help") return await help(rest[0], context);
  const entry = find(name);
  const command: Command = await entry.load();
  const read = readArguments(rest, { flags: { ...command.flags, ...helpFlag } });
  if (read.flag("help")) return await help(name, context);
  return await command.run(read, context);
}

/** Runs a command line without the program's name; resolves with the exit code. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  try {
    return await dispatch(args, context);
  } catch (error) {
    if (error instanceof UsageError) {
      const command = commands.find(({ name }) => name === args[0])?.name;
      const more = command === undefined ? "weir help" : `weir ${command} --help`;
      context.stderr(`weir: ${error.message}${error.hint === undefined ? "" : `, ${error.hint}`}\nSee \`${more}\`.\n`);
      return 2;
    }
    if (error instanceof DiagnosticError) context.stderr(`${renderError(error)}\n`);
    else if (error instanceof CliError || error instanceof ListenError) context.stderr(`weir: ${error.message}\n`);
    else context.stderr(`weir: a bug: ${error instanceof Error ? error.stack ?? error.message : String(error)}\n`);
    return 1;
  }
}
