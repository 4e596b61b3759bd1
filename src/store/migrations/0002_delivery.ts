/**
 * The second schema: checkpoints, input logs, source positions and outboxes.
 *
 * A commit writes whole pages, so what is written together stands together. Log and outbox are keyed by one integer,
 * owner and sequence in one, and need no second tree; the counts of an outbox are its row 0, beside its first message;
 * the positions of sources travel in the newest row of the log where there is one.
 */
export const delivery = {
  version: 2,
  sql: `
    -- A rule without a name was removed; what is left of it waits to be cleared.
    CREATE TABLE delivery_rule (
      id INTEGER PRIMARY KEY,
      name TEXT UNIQUE,
      incarnation TEXT NOT NULL
    ) STRICT;

    -- state is NULL after a reset: there is no checkpoint, and the log begins after the sequence.
    CREATE TABLE checkpoint (
      rule INTEGER PRIMARY KEY,
      plan TEXT NOT NULL,
      sequence INTEGER NOT NULL,
      time INTEGER NOT NULL,
      state ANY
    ) STRICT;

    -- id is rule << 44 | sequence. positions is JSON, all sources of the rule.
    CREATE TABLE input_log (
      id INTEGER PRIMARY KEY,
      positions TEXT,
      payload ANY NOT NULL
    ) STRICT;

    -- positions is JSON, as in the log; of the two, that with the higher sequence holds, and this one among equals.
    CREATE TABLE source_position (
      rule INTEGER PRIMARY KEY,
      sequence INTEGER NOT NULL,
      positions TEXT NOT NULL
    ) STRICT;

    -- A queue without a rule was removed; its messages wait to be cleared.
    CREATE TABLE outbox_queue (
      id INTEGER PRIMARY KEY,
      rule INTEGER,
      action TEXT NOT NULL,
      UNIQUE (rule, action)
    ) STRICT;

    -- id is queue << 45 | lane << 44 | sequence; sequence 0 of lane 0 holds the counts of the queue, as JSON.
    CREATE TABLE outbox (
      id INTEGER PRIMARY KEY,
      key TEXT,
      created INTEGER NOT NULL,
      attempts INTEGER NOT NULL,
      payload ANY NOT NULL
    ) STRICT;
    CREATE INDEX outbox_by_key ON outbox (id >> 44, key) WHERE key IS NOT NULL;

    -- id is queue << 45 | sequence.
    CREATE TABLE dead_letter (
      id INTEGER PRIMARY KEY,
      key TEXT,
      created INTEGER NOT NULL,
      attempts INTEGER NOT NULL,
      died INTEGER NOT NULL,
      reason TEXT NOT NULL,
      payload ANY NOT NULL
    ) STRICT;
  `,
};
