/**
 * `weir completion SHELL`: a script that lets the shell complete commands, flags, connector types, and the names of what a
 * running agent has. The script asks `weir completion --words …` for each word, so that it never grows old.
 * @module
 */
import { clientFlags, defaultServer } from "./client.ts";
import { type Arguments, type CliContext, type Command, type Flag, UsageError } from "./command.ts";
import { commands } from "./commands.ts";

const shells = ["bash", "zsh", "fish"] as const;

const scripts: Readonly<Record<typeof shells[number], string>> = {
  bash: `_weir() {
  local word=\${COMP_WORDS[COMP_CWORD]} IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(weir completion --words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$word"))
}
complete -o default -F _weir weir
`,
  zsh: `#compdef weir
_weir() {
  local -a found
  found=("\${(@f)$(weir completion --words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _weir weir
`,
  fish: `complete -c weir -a '(weir completion --words -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
};

/** A person waits for the words. */
const askMs = 500;

interface Line {
  /** What stands before the word that is completed, without flags. */
  readonly before: readonly string[];
  readonly current: string;
}

/** The words that can stand at the end of `words`; those that only files can be are none. */
export async function completions(words: readonly string[], context: CliContext): Promise<string[]> {
  const current = words.at(-1) ?? "";
  const [name, ...given] = words.slice(0, -1);
  if (name === undefined) return [...commands.map((each) => each.name), "help"].filter(begins(current));
  if (name === "help") return given.length > 0 ? [] : commands.map((each) => each.name).filter(begins(current));
  const entry = commands.find((each) => each.name === name);
  if (entry === undefined) return [];
  const command = await entry.load();
  if (current.startsWith("-")) {
    return [...Object.keys(command.flags), "help"].map((flag) => `--${flag}`).filter(begins(current));
  }
  if (takesValue(given.at(-1), command.flags)) return [];
  const before = given.filter((word, i) => !word.startsWith("-") && !takesValue(given[i - 1], command.flags));
  const found = await Promise.all(
    command.usage.map((usage) => candidates(usage, { before, current }, { command: name, words: given, context })),
  );
  return [...new Set(found.flat())].filter(begins(current)).sort();
}

function begins(start: string): (word: string) => boolean {
  return (word) => word.startsWith(start);
}

function takesValue(word: string | undefined, flags: Readonly<Record<string, Flag>>): boolean {
  if (word === undefined || !word.startsWith("-") || word.includes("=")) return false;
  const flag = Object.entries(flags).find(([name, { short }]) => word === `--${name}` || word === `-${short}`)?.[1];
  return flag?.type === "string";
}

/** What a line such as `weir rule start|stop ID` says that can stand there. */
async function candidates(
  usage: string,
  { before }: Line,
  asked: { readonly command: string; readonly words: readonly string[]; readonly context: CliContext },
): Promise<string[]> {
  // Without what is optional, and alternatives that are no words.
  const [, , ...places] = usage.replaceAll(/\[[^\]]*\]|\.\.\.|…/g, "").split(/\s+/).filter((part) => part !== "");
  for (const [i, word] of before.entries()) {
    const place = places[i];
    if (place === undefined || (isWord(place) && !place.split("|").includes(word))) return [];
  }
  const place = places[before.length];
  if (place === undefined || place.startsWith("-") || place === "|") return [];
  if (isWord(place)) return place.split("|");
  if (place === "TYPE") return await types(before, asked.context);
  return await names(asked);
}

/** Small letters stand for themselves, capitals for something. */
function isWord(place: string): boolean {
  return /^[a-z][a-z0-9|-]*$/.test(place);
}

/** The connectors that have the role that the line names. */
async function types(before: readonly string[], context: CliContext): Promise<string[]> {
  const { connectors } = await context.loadEngine();
  const role = (["source", "sink", "connection"] as const).find((each) => before.includes(each));
  return connectors.names(role);
}

const lists: Readonly<Record<string, string>> = {
  rule: "/rules",
  stream: "/streams",
  table: "/tables",
  schema: "/schemas/protobuf",
};

/** What the agent has, where one answers. */
async function names(
  { command, words, context }: {
    readonly command: string;
    readonly words: readonly string[];
    readonly context: CliContext;
  },
): Promise<string[]> {
  const path = lists[command];
  if (path === undefined) return [];
  const at = words.findIndex((word) => word === "--server" || word === "-s");
  const server = (at === -1 ? undefined : words[at + 1]) ?? (context.environment.WEIR_SERVER || defaultServer);
  const url = /^https?:\/\//.test(server) ? server : `http://${server}`;
  try {
    const response = await context.fetch(url.replace(/\/+$/, "") + path, { signal: AbortSignal.timeout(askMs) });
    const found: unknown = await response.json();
    if (!response.ok || !Array.isArray(found)) return [];
    return found.flatMap((each) => typeof each === "string" ? [each] : typeof each?.id === "string" ? [each.id] : []);
  } catch {
    return [];
  }
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  if (args.flag("words")) {
    for (const word of await completions(args.positionals, context)) context.stdout(`${word}\n`);
    return 0;
  }
  const [shell, extra] = args.positionals;
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  const known = shells.find((each) => each === shell);
  if (known === undefined) throw new UsageError(`the shell is missing: one of ${shells.join(", ")}`);
  context.stdout(scripts[known]);
  return 0;
}

export const completion: Command = {
  usage: ["weir completion bash|zsh|fish", "weir completion --words -- WORD…"],
  flags: { words: { type: "boolean", summary: "print the words that can stand at the end of WORD…" } },
  details:
    `For bash: source <(weir completion bash), or that in ~/.bashrc. For zsh, the same in ~/.zshrc behind compinit. For
fish: weir completion fish > ~/.config/fish/completions/weir.fish. Names of rules and streams are those of the agent of
--${Object.keys(clientFlags)[0]} or WEIR_SERVER.`,
  run,
};
