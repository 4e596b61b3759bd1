/**
 * `weir rule dead-letters …`: looks at messages that a sink refused for good, sends them again, throws them away.
 * @module
 */
import { didYouMean } from "../diagnostics/suggest.ts";
import type { LetterPage, ShownLetter } from "../runtime/durable/dead_letters.ts";
import { type AgentClient, operand, tableText } from "./client.ts";
import { type Arguments, type CliContext, CliError, type Flag, UsageError } from "./command.ts";

const verbs = ["ls", "show", "replay", "clear"] as const;

export const deadLetterUsage = [
  "weir rule dead-letters ID [ls] [--action A] [--after N] [--limit N]",
  "weir rule dead-letters ID show --sequence N",
  "weir rule dead-letters ID replay|clear [--action A] [--sequence N …]",
];

export const deadLetterFlags: Readonly<Record<string, Flag>> = {
  action: { type: "string", value: "A", summary: "dead letters of this action only: 0_mqtt" },
  sequence: { type: "string", multiple: true, value: "N", summary: "this dead letter; may be given several times" },
  after: { type: "string", value: "N", summary: "list dead letters behind this sequence" },
  limit: { type: "string", value: "N", summary: "list so many dead letters; 100" },
};

function wholeNumber(text: string, flag: string): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new UsageError(`--${flag} must be a whole number: found ${JSON.stringify(text)}`);
}

function sequencesOf(args: Arguments): number[] {
  return args.texts("sequence").flatMap((text) => text.split(",")).map((text) => wholeNumber(text, "sequence"));
}

/** The rest of `weir rule dead-letters`. The exit code. */
export async function deadLetters(client: AgentClient, args: Arguments, context: CliContext): Promise<number> {
  const id = operand(args, 1, "the id of the rule", 2);
  const name = args.positionals[2] ?? "ls";
  const verb = verbs.find((each) => each === name);
  if (verb === undefined) throw new UsageError(`unknown action ${JSON.stringify(name)}`, didYouMean(name, verbs));
  const path = `/api/v1/rules/${encodeURIComponent(id)}/dead-letters`;
  switch (verb) {
    case "ls":
      await list(client, path, args, context);
      return 0;
    case "show":
      await show(client, path, args, context);
      return 0;
    case "replay":
    case "clear":
      return await move(client, path, verb, args, context);
  }
}

function query(args: Arguments): string {
  const query = new URLSearchParams();
  const action = args.text("action");
  if (action !== undefined) query.set("action", action);
  for (const flag of ["after", "limit"]) {
    const text = args.text(flag);
    if (text !== undefined) query.set(flag, String(wholeNumber(text, flag)));
  }
  return query.size === 0 ? "" : `?${query}`;
}

async function list(client: AgentClient, path: string, args: Arguments, context: CliContext): Promise<void> {
  if (sequencesOf(args).length > 0) throw new UsageError("--sequence is for show, replay and clear");
  const page = await client.json<LetterPage>("GET", path + query(args));
  if (args.flag("json")) return context.stdout(`${JSON.stringify(page)}\n`);
  const { letters, total, next } = page;
  if (total === 0) return context.stdout("No dead letters are found.\n");
  const rows = letters.map(({ sequence, action, died, attempts, bytes, reason }) => [
    String(sequence),
    action,
    new Date(died).toISOString(),
    String(attempts),
    String(bytes),
    // One that tells much, as the answer of a server, must not break the table.
    reason.replaceAll(/\s+/g, " ").slice(0, 120),
  ]);
  context.stdout(tableText(["SEQUENCE", "ACTION", "DIED", "ATTEMPTS", "BYTES", "REASON"], rows));
  if (next !== undefined) context.stderr(`${letters.length} of ${total}; for more: --after ${next}\n`);
}

async function show(client: AgentClient, path: string, args: Arguments, context: CliContext): Promise<void> {
  const [sequence, ...others] = sequencesOf(args);
  if (sequence === undefined || others.length > 0) {
    throw new UsageError("which dead letter shall be shown is missing: one --sequence N");
  }
  const action = args.text("action") ?? await actionOf(client, path, sequence);
  const letter = await client.json<ShownLetter>("GET", `${path}/${encodeURIComponent(action)}/${sequence}`);
  if (args.flag("json")) return context.stdout(`${JSON.stringify(letter)}\n`);
  const { payload, encoding, created, died, ...rest } = letter;
  const facts = { ...rest, created: new Date(created).toISOString(), died: new Date(died).toISOString(), encoding };
  context.stdout(Object.entries(facts).map(([key, value]) => `${key}: ${value}\n`).join(""));
  context.stdout(`\n${payload}\n`);
}

/** Sequences are of the rule: one tells the action, too. */
async function actionOf(client: AgentClient, path: string, sequence: number): Promise<string> {
  const { letters } = await client.json<LetterPage>("GET", `${path}?after=${Math.max(0, sequence - 1)}&limit=1`);
  const [letter] = letters;
  if (letter?.sequence === sequence) return letter.action;
  throw new CliError(`there is no dead letter ${sequence}`);
}

async function move(
  client: AgentClient,
  path: string,
  verb: "replay" | "clear",
  args: Arguments,
  context: CliContext,
): Promise<number> {
  const action = args.text("action");
  const sequences = sequencesOf(args);
  const selection = JSON.stringify({
    ...(action === undefined ? {} : { action }),
    ...(sequences.length === 0 ? {} : { sequences }),
  });
  const [method, route] = verb === "replay" ? ["POST", `${path}/replay`] as const : ["DELETE", path] as const;
  const answer = await client.json<{ replayed?: number; cleared?: number; unknown: number[] }>(
    method,
    route,
    selection,
  );
  const { unknown } = answer;
  if (args.flag("json")) context.stdout(`${JSON.stringify(answer)}\n`);
  else {
    const count = answer.replayed ?? answer.cleared ?? 0;
    const what = count === 1 ? "1 dead letter" : `${count} dead letters`;
    context.stdout(verb === "replay" ? `${what} put back to be sent.\n` : `${what} thrown away.\n`);
  }
  if (unknown.length === 0) return 0;
  context.stderr(`weir: no dead letters: ${unknown.join(", ")}\n`);
  return 1;
}
