/**
 * `weir top`: the rules of an agent by what they cost.
 * @module
 */
import process from "node:process";
import type { RuleCost, RuleCosts } from "../admin/rule_costs.ts";
import { AgentClient, clientFlags, tableText } from "./client.ts";
import { type Arguments, type CliContext, type Command, UsageError } from "./command.ts";
import { bytesText } from "./doctor/finding.ts";

/** A rule between two looks. */
export interface RuleLoad {
  readonly id: string;
  readonly status: string;
  readonly rowsInPerSecond: number;
  readonly messagesOutPerSecond: number;
  /** Of one processor. */
  readonly cpuPercent: number;
  readonly stateBytes: number;
  readonly waiting: number;
  readonly dropped: number;
  readonly failed: number;
  readonly latencyUs: number;
}

interface Column {
  readonly name: string;
  readonly heading: string;
  readonly text: (load: RuleLoad) => string;
  /** Larger ones come first; by the name where that is the same. */
  readonly rank?: (load: RuleLoad) => number;
}

const number = (value: number) => value >= 100 ? value.toFixed(0) : value.toFixed(1);

const columns: readonly Column[] = [
  { name: "rule", heading: "RULE", text: ({ id }) => id },
  {
    name: "status",
    heading: "STATUS",
    text: ({ status }) => status,
    rank: ({ status }) => status === "running" ? 0 : 1,
  },
  {
    name: "in",
    heading: "ROWS IN/S",
    text: ({ rowsInPerSecond }) => number(rowsInPerSecond),
    rank: ({ rowsInPerSecond }) => rowsInPerSecond,
  },
  {
    name: "out",
    heading: "SENT/S",
    text: ({ messagesOutPerSecond }) => number(messagesOutPerSecond),
    rank: ({ messagesOutPerSecond }) => messagesOutPerSecond,
  },
  { name: "cpu", heading: "CPU%", text: ({ cpuPercent }) => number(cpuPercent), rank: ({ cpuPercent }) => cpuPercent },
  {
    name: "state",
    heading: "STATE",
    text: ({ stateBytes }) => bytesText(stateBytes),
    rank: ({ stateBytes }) => stateBytes,
  },
  { name: "waiting", heading: "WAITING", text: ({ waiting }) => `${waiting}`, rank: ({ waiting }) => waiting },
  { name: "dropped", heading: "DROPPED", text: ({ dropped }) => `${dropped}`, rank: ({ dropped }) => dropped },
  { name: "failed", heading: "FAILED", text: ({ failed }) => `${failed}`, rank: ({ failed }) => failed },
  {
    name: "latency",
    heading: "LATENCY",
    text: ({ latencyUs }) => millisText(latencyUs),
    rank: ({ latencyUs }) => latencyUs,
  },
];

function millisText(us: number): string {
  return us === 0 ? "-" : `${us < 100_000 ? (us / 1000).toFixed(2) : Math.round(us / 1000)} ms`;
}

/** What has happened between two looks; counters that began anew are counted from there. */
export function loadsBetween(before: RuleCosts, now: RuleCosts): RuleLoad[] {
  const known = new Map(before.rules.map((rule) => [rule.id, rule]));
  const seconds = Math.max(now.at - before.at, 1) / 1000;
  return now.rules.map((rule) => {
    const old = known.get(rule.id);
    const base = old?.since === rule.since ? old : undefined;
    const rate = (of: (cost: RuleCost) => number) =>
      Math.max(0, of(rule) - (base === undefined ? 0 : of(base))) / seconds;
    const { id, status, stateBytes, waiting, dropped, failed, latencyUs } = rule;
    return {
      id,
      status,
      rowsInPerSecond: rate(({ rowsIn }) => rowsIn),
      messagesOutPerSecond: rate(({ messagesOut }) => messagesOut),
      cpuPercent: rate(({ workMs }) => workMs) / 10,
      stateBytes,
      waiting,
      dropped,
      failed,
      latencyUs,
    };
  });
}

function sorted(loads: readonly RuleLoad[], { rank = () => 0 }: Column): RuleLoad[] {
  return loads.toSorted((a, b) => rank(b) - rank(a) || (a.id < b.id ? -1 : 1));
}

interface AgentInfo {
  readonly weir: string;
  readonly upTimeSeconds: number;
  readonly cpuUsage: string;
  readonly memoryUsed: string;
}

function headline({ weir, cpuUsage, memoryUsed }: AgentInfo, loads: readonly RuleLoad[]): string {
  const running = loads.filter(({ status }) => status === "running").length;
  return `weir ${weir}: ${running} of ${loads.length} rules run, ${cpuUsage} of a processor, ${
    bytesText(Number(memoryUsed))
  }\n`;
}

function tableOf(loads: readonly RuleLoad[]): string {
  return tableText(columns.map(({ heading }) => heading), loads.map((load) => columns.map(({ text }) => text(load))));
}

/** Draws over what was there, as many lines as fit. */
function screenOf(text: string): string {
  const lines = text.trimEnd().split("\n").slice(0, Math.max((process.stdout.rows ?? 24) - 1, 3));
  const width = process.stdout.columns ?? 0;
  const fitting = lines.map((line) => width > 0 ? line.slice(0, width) : line);
  return `\x1b[H${fitting.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`;
}

const alternateScreen = { enter: "\x1b[?1049h\x1b[?25l", leave: "\x1b[?25h\x1b[?1049l" };

async function run(args: Arguments, context: CliContext): Promise<number> {
  const [extra] = args.positionals;
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  const by = args.text("sort") ?? "cpu";
  const column = columns.find(({ name }) => name === by);
  if (column === undefined) throw new UsageError(`--sort is one of ${columns.map(({ name }) => name).join(", ")}`);
  const seconds = Number(args.text("interval") ?? 1);
  if (!(seconds > 0)) throw new UsageError("--interval is a number of seconds above 0");
  const isOnce = args.flag("once") || args.flag("json") || !context.isTerminal.stdout;

  const client = new AgentClient(args, context);
  const look = () => client.json<RuleCosts>("GET", "/api/v1/rules/costs");
  const ending = new AbortController();
  const stopListening = context.platform.onTerminate(() => ending.abort());
  try {
    // Its share of the processor is that since it was asked last.
    await client.request("GET", "/");
    let before = await look();
    if (!isOnce) context.stdout(alternateScreen.enter);
    while (await paused(seconds * 1000, ending.signal)) {
      const now = await look();
      const loads = sorted(loadsBetween(before, now), column);
      before = now;
      if (args.flag("json")) context.stdout(`${JSON.stringify(loads, null, 2)}\n`);
      else {
        const text = headline(await client.json<AgentInfo>("GET", "/"), loads) + tableOf(loads);
        context.stdout(isOnce ? text : screenOf(text));
      }
      if (isOnce) break;
    }
  } finally {
    stopListening();
    if (!isOnce) context.stdout(alternateScreen.leave);
  }
  return 0;
}

/** False when it shall end. */
function paused(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", end);
      resolve(true);
    }, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}

export const top: Command = {
  usage: ["weir top [--sort COLUMN] [--interval S] [--once] [--json]"],
  flags: {
    ...clientFlags,
    sort: { type: "string", value: "COLUMN", summary: `${columns.map(({ name }) => name).join(", ")}; cpu` },
    interval: { type: "string", value: "S", summary: "seconds between two looks; 1" },
    once: { type: "boolean", summary: "print one table, of one interval; so it is where no terminal is" },
    json: { type: "boolean", summary: "print one list of rules as JSON" },
  },
  details: `
CPU% is the time that the steps of a rule and its own decoding take, of one processor. WAITING are rows that wait for their turn
and messages that wait to be sent; LATENCY is what the latest batch took through the rule, with the slowest sink. Ctrl-C ends it.`,
  run,
};
