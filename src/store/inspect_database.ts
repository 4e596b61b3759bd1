/**
 * A look at the database of an agent from outside, whether or not one runs. Nothing is written, moved or repaired.
 * @module
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { schemaVersion } from "./migrations/migrations.ts";
import { sqliteFailure } from "./sqlite_failure.ts";
import type { Definition, DefinitionKind } from "./store.ts";

export interface InspectedDatabase {
  readonly bytes: number;
  readonly schemaVersion: number;
  /** What is wrong with it; undefined when it is in order, or was not checked. */
  readonly damage?: string;
  /** False when it is too large to be read as a whole. */
  readonly checked: boolean;
  /** True for one that a newer weir has written. */
  readonly tooNew: boolean;
  /** Of these kinds. */
  readonly definitions: readonly (Definition & { readonly kind: DefinitionKind })[];
}

/** The check reads every page, and holds back the agent's cleaning up meanwhile. */
const checkBytesMax = 1024 * 1024 * 1024;

/** The process that holds a data directory, 0 for one that is not known; undefined when nobody does. */
export function holderOf(dataDir: string): number | undefined {
  const file = join(dataDir, "weir.lock");
  if (!existsSync(file)) return undefined;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    database.exec("PRAGMA busy_timeout = 0; SELECT count(*) FROM sqlite_schema");
    return undefined;
  } catch (error) {
    if (sqliteFailure(error) !== "busy") return undefined;
    return pidIn(join(dataDir, "weir.pid"));
  } finally {
    database?.close();
  }
}

function pidIn(file: string): number {
  try {
    return Number(/^[0-9]+/.exec(readFileSync(file, "utf8"))?.[0] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * Reads and checks `file`.
 *
 * @throws what SQLite says of a file that cannot be opened or is no database
 */
export function inspectDatabase(file: string, kinds: readonly DefinitionKind[]): InspectedDatabase {
  const { size: bytes } = statSync(file);
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    database.exec("PRAGMA busy_timeout = 2000");
    const version = Number(database.prepare("PRAGMA user_version").get()!.user_version);
    const checked = bytes <= checkBytesMax;
    const found = checked ? String(Object.values(database.prepare("PRAGMA quick_check(1)").get() ?? {})[0]) : "ok";
    const select = database.prepare("SELECT name, text FROM definition WHERE kind = ? ORDER BY name");
    const definitions = found !== "ok" || version === 0
      ? []
      : kinds.flatMap((kind) =>
        (select.all(kind) as unknown as Definition[]).map(({ name, text }) => ({ kind, name, text }))
      );
    return {
      bytes,
      schemaVersion: version,
      checked,
      tooNew: version > schemaVersion,
      definitions,
      ...(found === "ok" ? {} : { damage: found }),
    };
  } finally {
    database.close();
  }
}
