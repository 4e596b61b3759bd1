/**
 * Seeds that showed a mistake once, by what was wrong. A change of what seeds draw makes other runs of them: then each
 * mistake needs a new seed, found by undoing its repair.
 * @module
 */

export interface Regression {
  readonly seed: number;
  readonly name: string;
}

export const regressions: readonly Regression[] = [
  { seed: 3, name: "a rule goes on when what was sent can be marked at the second try" },
  { seed: 86, name: "a rule that stops waits for what the store was given, before it starts again" },
  {
    seed: 1,
    name: "what was sent, and could not be marked before a stop, is sent again by the next run, and counted once",
  },
  { seed: 12, name: "the ledger balances while a long log is given back" },
  { seed: 1121, name: "a rule misses nothing of a shared stream while its state comes back" },
  { seed: 10428, name: "resends that wait for new messages go on when those wait for room" },
];
