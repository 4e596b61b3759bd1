/** The third schema: sequences are of a rule, and go on when the outbox that had the highest one is removed. */
export const retiredSequences = {
  version: 3,
  sql: `
    -- The highest sequence of the outboxes that were removed.
    ALTER TABLE delivery_rule ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
  `,
};
