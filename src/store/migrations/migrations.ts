/**
 * The schema of the database as a list of steps. A shipped step never changes; a new schema is a new file and a line.
 * @module
 */
import { definitions } from "./0001_definitions.ts";
import { delivery } from "./0002_delivery.ts";
import { retiredSequences } from "./0003_retired_sequences.ts";
import { audit } from "./0004_audit.ts";

export interface Migration {
  /** One more than the step before; what `PRAGMA user_version` holds after it. */
  readonly version: number;
  readonly sql: string;
}

export const migrations: readonly Migration[] = [definitions, delivery, retiredSequences, audit];

/** The version that this weir reads and writes. */
export const schemaVersion = migrations.at(-1)!.version;
