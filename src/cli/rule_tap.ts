/**
 * `weir rule tap ID`: the rows of a running rule as they come.
 * @module
 */
import type { AgentClient } from "./client.ts";
import { type Arguments, type CliContext, CliError, type Flag, UsageError } from "./command.ts";

export const tapUsage = ["weir rule tap ID [--node NAME] [--count N] [--seconds S]"];

export const tapFlags = {
  node: {
    type: "string",
    value: "NAME",
    summary: "tap: what comes out of a step of the plan, or the name of a stream",
  },
  count: { type: "string", value: "N", summary: "tap: end after so many rows; 1 is the exit code when fewer came" },
  seconds: { type: "string", value: "S", summary: "tap: end after so many seconds" },
} as const satisfies Record<string, Flag>;

interface Tapped {
  readonly name: string;
  readonly data: string;
}

/** The events of a stream of them. Comments keep the line alive only. */
async function* events(pieces: AsyncIterable<string>): AsyncGenerator<Tapped> {
  let text = "";
  for await (const piece of pieces) {
    text += piece;
    const whole = text.split("\n\n");
    text = whole.pop()!;
    for (const event of whole) {
      const lines = event.split("\n");
      const of = (field: string) => lines.find((line) => line.startsWith(field))?.slice(field.length);
      const data = of("data: ");
      if (data !== undefined) yield { name: of("event: ") ?? "", data };
    }
  }
}

function positive(args: Arguments, name: string, whole: boolean): number {
  const text = args.text(name);
  if (text === undefined) return Infinity;
  const number = Number(text);
  if (number > 0 && (!whole || Number.isInteger(number))) return number;
  throw new UsageError(`--${name} is a ${whole ? "whole " : ""}number above 0, not ${JSON.stringify(text)}`);
}

/** NDJSON on standard output until Ctrl-C; what is lost, and why it ends, on standard error. */
export async function tap(client: AgentClient, id: string, args: Arguments, context: CliContext): Promise<number> {
  const [count, seconds, node] = [positive(args, "count", true), positive(args, "seconds", false), args.text("node")];
  const ending = new AbortController();
  const timer = seconds === Infinity ? undefined : setTimeout(() => ending.abort(), seconds * 1000);
  const stopListening = context.platform.onTerminate(() => ending.abort());
  const query = node === undefined ? "" : `?node=${encodeURIComponent(node)}`;
  let [rows, lost] = [0, 0];
  let isOver = false;
  try {
    for await (
      const { name, data } of events(
        client.stream(`/api/v1/rules/${encodeURIComponent(id)}/tap${query}`, ending.signal),
      )
    ) {
      if (name === "lost") lost += (JSON.parse(data) as { readonly count: number }).count;
      else if (name === "end") {
        isOver = true;
        context.stderr(`weir: ${(JSON.parse(data) as { readonly reason: string }).reason}\n`);
        break;
      } else {
        context.stdout(`${data}\n`);
        if (++rows >= count) break;
        await context.stdoutReady?.();
      }
    }
    if (rows < count && !isOver && !ending.signal.aborted) throw new CliError("the agent ended the connection");
  } finally {
    ending.abort();
    clearTimeout(timer);
    stopListening();
  }
  if (lost > 0) context.stderr(`weir: ${lost} rows came faster than they could be shown\n`);
  return count === Infinity || rows >= count ? 0 : 1;
}
