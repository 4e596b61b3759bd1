/**
 * The ledger of a rule, as the agent tells it.
 * @module
 */
import type { Agent } from "../agent/agent.ts";

/** A ledger that is read while rows are under way may be out by those; at rest it must balance. */
const restMs = 20_000;

/**
 * Waits until the ledger of each rule balances.
 *
 * @throws when one does not, with what it says
 */
export async function ledgersBalance(agent: Agent, rules: readonly string[]): Promise<void> {
  const late = Date.now() + restMs;
  for (const rule of rules) {
    for (;;) {
      const text = await agent.expect(200, "GET", `/api/v1/rules/${rule}/ledger`);
      if (JSON.parse(text).balanced === true) break;
      if (Date.now() > late) throw new Error(`The ledger of rule ${rule} does not balance: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
