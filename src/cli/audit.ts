/**
 * `weir audit …`: what was done with an agent and by whom, and whether that record is as it was written.
 * @module
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { AuditPage } from "../admin/audit.ts";
import type { AuditEntry, ChainEnd } from "../audit/audit_log.ts";
import { type Verdict, verify } from "../audit/verify.ts";
import { defaultDataDir } from "../config/default_data_dir.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { AuditTables } from "../store/sqlite_audit_log.ts";
import { AgentClient, clientFlags, readVerb, tableText } from "./client.ts";
import { type Arguments, type CliContext, CliError, type Command, UsageError } from "./command.ts";

const verbs = ["ls", "verify", "head"] as const;

/** `1042:9f86d0…`: what `head` prints and `verify --head` takes. */
function headText({ sequence, hash }: ChainEnd): string {
  return `${sequence}:${hash}`;
}

function readHead(text: string): ChainEnd {
  const [, sequence, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (hash === undefined) {
    throw new UsageError(`--head: cannot use ${JSON.stringify(text)}`, "give what `weir audit head` has printed");
  }
  return { sequence: Number(sequence), hash: hash.toLowerCase() };
}

/** Reads the trail of a data directory, of an agent that runs, too. One transaction: nothing moves meanwhile. */
function onDatabase<T>(args: Arguments, context: CliContext, work: (trail: AuditTables) => T): T {
  const directory = args.text("data-dir") ?? defaultDataDir(context.environment).path;
  const file = join(directory, "weir.db");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    database.exec("PRAGMA busy_timeout = 2000; BEGIN");
    return work(new AuditTables(database));
  } catch (error) {
    throw new CliError(
      `cannot read the audit trail of ${file}: ${(error as Error).message}\n` +
        "name the data directory with --data-dir; only its user, or root, may read it",
      { cause: error },
    );
  } finally {
    database?.close();
  }
}

function verdictText(verdict: Verdict): string {
  if (!verdict.intact) return `BROKEN at entry ${verdict.sequence}: ${verdict.reason}\n`;
  const { entries, anchor, head, unknown } = verdict;
  const before = anchor.sequence === 0 ? "" : `; those up to ${anchor.sequence} were removed because of their age`;
  const untold = unknown.map((sequence) =>
    `UNKNOWN: entry ${sequence} was noted and is older than what is kept, so that the trail cannot be held against it; ` +
    "give a head that was noted later\n"
  );
  return `intact: ${entries} entries${before}\nhead ${headText(head)}\n${untold.join("")}`;
}

function listText(entries: readonly AuditEntry[]): string {
  if (entries.length === 0) return "No entries are found.\n";
  const lines = entries.map(({ sequence, event }) => {
    const { time, actor, address, action, target, subject, outcome, status, reason, count } = event;
    const what = target === "" ? action : target;
    const told = [subject, reason].filter((text) => text !== "").join("; ");
    const times = count === 1 ? "" : ` (${count} times)`;
    const came = status === 0 ? outcome : `${outcome} ${status}`;
    return [String(sequence), new Date(time).toISOString(), actor || "-", address || "-", what, came + times, told];
  });
  return tableText(["ENTRY", "TIME", "WHO", "FROM", "WHAT", "OUTCOME", ""], lines);
}

async function list(args: Arguments, context: CliContext): Promise<void> {
  const query = new URLSearchParams();
  for (const name of ["before", "actor", "since", "limit"]) {
    const value = args.text(name);
    if (value !== undefined) query.set(name, value);
  }
  const page = await new AgentClient(args, context).json<AuditPage>("GET", `/api/v1/audit?${query}`);
  if (args.flag("json")) context.stdout(`${JSON.stringify(page)}\n`);
  else {
    context.stdout(listText(page.entries));
    if (page.next !== undefined) context.stderr(`There are more: weir audit ls --before ${page.next}\n`);
  }
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const verb = readVerb(args, verbs, (name) => didYouMean(name, verbs));
  switch (verb) {
    case "ls":
      await list(args, context);
      return 0;
    case "head": {
      const { sequence, hash } = args.text("data-dir") === undefined
        ? (await new AgentClient(args, context).json<AuditPage>("GET", "/api/v1/audit?limit=1")).head
        : onDatabase(args, context, (trail) => trail.head());
      context.stdout(
        args.flag("json") ? `${JSON.stringify({ sequence, hash })}\n` : `${headText({ sequence, hash })}\n`,
      );
      return 0;
    }
    case "verify": {
      const noted = args.text("head");
      const expected = noted === undefined ? [] : [readHead(noted)];
      const verdict = onDatabase(args, context, (trail) => verify(trail, expected));
      context.stdout(args.flag("json") ? `${JSON.stringify(verdict)}\n` : verdictText(verdict));
      return verdict.intact && verdict.unknown.length === 0 ? 0 : 1;
    }
    default:
      return verb satisfies never;
  }
}

export const audit: Command = {
  usage: [
    "weir audit ls [--actor WHO] [--since TIME] [--before ENTRY] [--limit N]",
    "weir audit head [--data-dir DIR]",
    "weir audit verify [--data-dir DIR] [--head ENTRY:HASH]",
  ],
  flags: {
    ...clientFlags,
    actor: { type: "string", value: "WHO", summary: 'ls: only of these, such as "user ada"' },
    since: { type: "string", value: "TIME", summary: "ls: only from this time on, such as 2030-01-31T12:00:00Z" },
    before: { type: "string", value: "ENTRY", summary: "ls: only entries before this one" },
    limit: { type: "string", value: "N", summary: "ls: how many; 100" },
    head: { type: "string", value: "ENTRY:HASH", summary: "verify: what `weir audit head` printed earlier" },
    "data-dir": {
      type: "string",
      value: "DIR",
      summary: "head, verify: the data directory, whether or not an agent runs on it",
    },
  },
  details: `
verify follows the chain of hashes from the first entry to the last, and ends with 1 at the first that is not as it was
written. Whoever may write the database can write the whole trail anew: keep what head prints elsewhere, from time to time,
and give it to verify. A head that is older than what is kept proves nothing: verify says so, and ends with 1.`,
  run,
};
