/**
 * The help texts, made from the declarations of the commands.
 * @module
 */
import type { Command, Flag } from "./command.ts";
import { commands } from "./commands.ts";

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}\n`).join("");
}

function flagText(name: string, { short, value, type }: Flag): string {
  const long = type === "string" ? `--${name} ${value ?? "VALUE"}` : `--${name}`;
  return short === undefined ? `    ${long}` : `-${short}, ${long}`;
}

export function overview(): string {
  return "weir runs SQL rules over streams of devices, at the edge.\n\n" +
    "Usage: weir [COMMAND] [ARGUMENTS]\n\n" +
    `Commands:\n${columns(commands.map(({ name, summary }) => [name, summary]))}\n` +
    "`weir COMMAND --help` tells more about one of them.\n";
}

export function commandHelp(command: Command, summary: string): string {
  const usage = command.usage.map((line, i) => `${i === 0 ? "Usage:" : "      "} ${line}\n`).join("");
  const rows = Object.entries(command.flags).map(([name, flag]) => [flagText(name, flag), flag.summary] as const);
  const details = command.details === undefined ? "" : `\n${command.details.trim()}\n`;
  const flags = columns([...rows, ["-h, --help", "this text"]]);
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.\n\n${usage}${details}\nFlags:\n${flags}`;
}
