/**
 * The check that stands at the end of scenarios: whatever happened, every row and message is accounted for.
 *
 * A ledger balances at any moment between two turns of the event loop, so that an imbalance is a mistake wherever it is
 * seen. All the same a ledger gets some time: what is looked at over HTTP may be between two steps of a commit.
 * @module
 */
import assert from "node:assert/strict";
import type { RuleLedger } from "../../src/runtime/rule_ledger.ts";
import type { Rules } from "../../src/runtime/rules.ts";

const patienceMs = 5000;

/** Looks at the ledgers of all rules until they balance. */
export async function assertAllBalanced(rules: Pick<Rules, "list" | "ledger">): Promise<void> {
  for (const { id } of rules.list()) await assertBalanced(() => Promise.resolve(rules.ledger(id)));
}

export async function assertBalanced(look: () => Promise<RuleLedger>): Promise<void> {
  const late = Date.now() + patienceMs;
  for (;;) {
    const { id, imbalances } = await look();
    if (imbalances.length === 0) return;
    if (Date.now() > late) assert.deepEqual(imbalances, [], `the ledger of rule ${id}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
