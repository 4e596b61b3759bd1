/**
 * The manual page of the command line, from the declarations of the commands.
 * @module
 */
import type { Command } from "../src/cli/command.ts";
import { commands } from "../src/cli/commands.ts";

/** `weir(1)` in roff. `seconds` since 1970 is its date. */
export async function manPage(version: string, seconds: number): Promise<string> {
  const date = new Date(seconds * 1_000).toISOString().slice(0, 10);
  const sections: string[] = [];
  for (const { name, summary, load } of commands) sections.push(commandPart(name, summary, await load()));
  return `.\\" Made from the declarations of the commands.
.TH WEIR 1 "${date}" "weir ${escaped(version)}" "weir"
.SH NAME
weir \\- SQL rules over streams of devices
.SH SYNOPSIS
.B weir
.RI [ COMMAND ]
.RI [ ARGUMENTS ]
.SH DESCRIPTION
weir reads messages of devices, runs SQL rules over them, and sends the results on. Without a command it runs the agent, as
.B weir serve
does.
.SH COMMANDS
${sections.join("")}.SH FILES
.TP
.I /etc/weir/weir.yaml
the configuration of the service
.TP
.I /var/lib/weir
its data: streams, rules and what they keep
.SH EXIT STATUS
0 when it was done, 1 when not, 2 when the command line is wrong.
`;
}

function commandPart(name: string, summary: string, command: Command): string {
  const usage = command.usage.map((line) => `${escaped(line)}\n`).join("");
  const details = command.details === undefined ? "" : `.PP\n${paragraphs(command.details)}`;
  const flags = Object.entries(command.flags).map(([flag, { short, type, value, summary }]) => {
    const long = `--${flag}${type === "string" ? ` ${value ?? "VALUE"}` : ""}`;
    return `.TP\n.B ${escaped(short === undefined ? long : `-${short}, ${long}`)}\n${escaped(summary)}\n`;
  });
  return `.SS ${escaped(name)}\n${escaped(summary)}\n.PP\n.nf\n${usage}.fi\n${details}${flags.join("")}`;
}

function paragraphs(text: string): string {
  return text.trim().split(/\n{2,}/).map((paragraph) => `${paragraph.split("\n").map(escaped).join("\n")}\n`).join(
    ".PP\n",
  );
}

/** What roff would obey: backslashes, hyphens that are to stay hyphens, and a dot or quote that begins a line. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("…", "...").replace(/^([.'])/, "\\&$1");
}
