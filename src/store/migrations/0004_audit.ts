/** The fourth schema: the audit trail, whose entries are never changed, and only removed from its begin. */
export const audit = {
  version: 4,
  sql: `
    -- text is the JSON of the entry; hash is SHA-256 over the hash of the entry before it and text.
    CREATE TABLE audit (
      sequence INTEGER PRIMARY KEY,
      text TEXT NOT NULL,
      hash BLOB NOT NULL
    ) STRICT;

    -- The last entry that was removed because it was old; the chain goes on from its hash.
    CREATE TABLE audit_anchor (
      sequence INTEGER PRIMARY KEY,
      hash BLOB NOT NULL
    ) STRICT;

    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
      BEGIN SELECT RAISE(ABORT, 'entries of the audit trail are not changed'); END;
    CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
      WHEN OLD.sequence > (SELECT coalesce(max(sequence), 0) FROM audit_anchor)
      BEGIN SELECT RAISE(ABORT, 'entries of the audit trail are not removed'); END;
    CREATE TRIGGER audit_goes_on BEFORE INSERT ON audit
      WHEN NEW.sequence <> 1 + max(
        (SELECT coalesce(max(sequence), 0) FROM audit), (SELECT coalesce(max(sequence), 0) FROM audit_anchor))
      BEGIN SELECT RAISE(ABORT, 'entries of the audit trail follow one another'); END;
    CREATE TRIGGER audit_anchor_is_not_changed BEFORE UPDATE ON audit_anchor
      BEGIN SELECT RAISE(ABORT, 'the audit trail is only cut at its begin'); END;
    CREATE TRIGGER audit_anchor_is_not_removed BEFORE DELETE ON audit_anchor
      BEGIN SELECT RAISE(ABORT, 'the audit trail is only cut at its begin'); END;
  `,
};
