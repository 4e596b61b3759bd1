/** The first schema: definitions as texts. */
export const definitions = {
  version: 1,
  sql: `
    CREATE TABLE definition (
      kind TEXT NOT NULL,
      name TEXT NOT NULL,
      text TEXT NOT NULL,
      PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID;
  `,
};
