/**
 * The ledger of a rule as a table: what came in on the left, what became of it, and in the notes the reasons.
 * @module
 */
import { type Account, type Reasons, sum } from "../runtime/ledger.ts";
import type { RuleLedger } from "../runtime/rule_ledger.ts";
import { tableText } from "./client.ts";

const heads = ["WHAT", "IN", "CARRIED", "OUT", "FILTERED", "LATE", "DROPPED", "FAILED", "HELD", "NOTES"];

export function ledgerText(ledger: RuleLedger): string {
  const { streams, rows, lists, actions } = ledger;
  const table = [
    ...streams.flatMap(({ stream, shared, payloads, envelopes, rows, taken }) => [
      ...(payloads === undefined ? [] : [line(`stream ${stream}: payloads`, payloads, shared ? ["shared"] : [])]),
      ...(envelopes === undefined ? [] : [line(`stream ${stream}: envelopes`, envelopes, shared ? ["shared"] : [])]),
      ...(payloads === undefined || sum(rows.failed) + sum(rows.dropped) + rows.held > 0
        ? [line(`stream ${stream}: rows`, rows, shared ? ["shared"] : [])]
        : []),
      line(`stream ${stream}: rows for the rule`, taken),
    ]),
    line("rule: rows", rows, madeNote(rows.made)),
    ...(lists === undefined ? [] : [line("rule: lists of windows", lists, madeNote(lists.made))]),
    ...actions.map(({ action, messages: { in: taken, carried, sent, failed, dead, dropped, waiting } }) =>
      line(
        `${action}: messages`,
        { in: taken, carried, out: sent, filtered: 0, late: 0, dropped, failed, held: waiting },
        dead > 0 ? [`${dead} dead letters`] : [],
      )
    ),
  ];
  return tableText(heads, table);
}

/** What is said of a ledger as a whole. */
export function verdictText({ id, since, imbalances }: RuleLedger): string {
  if (since === 0) return `rule ${id} has not run since the agent started\n`;
  if (imbalances.length === 0) return `rule ${id} balances: every row and message is accounted for\n`;
  return `RULE ${id} DOES NOT BALANCE. This is a mistake of weir, please report it:\n` +
    imbalances.map((each) => `  ${each}\n`).join("");
}

function madeNote(made: number): string[] {
  return made === 0 ? [] : [`${made} made of others`];
}

function line(what: string, account: Account, notes: readonly string[] = []): string[] {
  const { in: taken, carried, out, filtered, late, dropped, failed, held } = account;
  const counts = [taken, carried, out, filtered, late, sum(dropped), sum(failed), held];
  const all = [...reasonNotes("dropped", dropped), ...reasonNotes("failed", failed), ...notes];
  return [what, ...counts.map(String), all.join(", ")];
}

function reasonNotes(what: string, reasons: Reasons): string[] {
  return Object.entries(reasons).filter(([, count]) => count > 0).map(([reason, count]) =>
    `${count} ${what}: ${reason}`
  );
}
