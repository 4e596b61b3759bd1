/**
 * Joins the folder of `rulesDir` to the agent of `weir serve`.
 * @module
 */
import type { Auditor } from "../audit/auditor.ts";
import type { Logger } from "../connector/context.ts";
import { type Change, ManagedRules, type StoredText } from "../managed/managed_rules.ts";
import { actorText, filesActor } from "../policy/actor.ts";
import { watchFolder } from "../managed/watch_folder.ts";
import type { TransferTarget } from "../runtime/data_transfer.ts";
import type { StreamRegistry } from "../runtime/streams.ts";
import type { ConfigRegistry } from "../runtime/configs.ts";
import type { Store } from "../store/store.ts";
import type { Engine } from "./command.ts";

type EmptyAgent = (stored: readonly StoredText[]) => Promise<TransferTarget & { close(): Promise<void> }>;

export function managedFolder(
  directory: string,
  store: Store,
  emptyAgent: EmptyAgent,
  auditor: Auditor,
  log: Logger,
): ManagedRules {
  const about = { action: "files", actor: actorText(filesActor), role: filesActor.role, target: directory };
  return new ManagedRules({
    onApplied: (changes, hash) => {
      const told = changes.map(({ change, kind, name }) => `${change} ${kind} ${name}`).join(", ");
      auditor.record({ ...about, subject: `${hash}: ${told}` });
    },
    onRefused: ([first]) => {
      const reason = first === undefined ? "" : `${first.file}: ${first.code}: ${first.message}`;
      auditor.record({ ...about, outcome: "failed", reason });
    },
    directory,
    store,
    log,
    now: Date.now,
    async scratch(others) {
      const { configs, streams, rules, close } = await emptyAgent(others);
      return {
        create: async (statement) => void await configs.loading(() => streams.execute(statement)),
        validate: async (rule) => void await rules.validate(rule, filesActor),
        close,
      };
    },
  });
}

interface Running {
  readonly engine: Engine;
  readonly streams: StreamRegistry;
  readonly configs: ConfigRegistry;
}

/** Streams before the rules on them; running rules of a stream that changed read it anew. */
async function follow({ engine, streams, configs }: Running, changes: readonly Change[]): Promise<void> {
  const again = new Set<string>();
  for (const { kind, name } of changes) {
    if (kind === "rule") continue;
    for (const user of engine.rules.usersOf(name)) again.add(user);
    await configs.loading(() => streams.followStored(kind, name));
  }
  for (const { kind, name } of changes) {
    if (kind !== "rule") continue;
    again.delete(name);
    await engine.followStored?.(name);
  }
  for (const id of again) await engine.rules.restart(id);
}

/** From now on the agent follows the folder; returns what ends that. */
export function followFolder(managed: ManagedRules, running: Running, log: Logger): () => void {
  managed.following((changes) => follow(running, changes));
  return watchFolder(managed.state.directory, () => {
    managed.apply().catch((error: Error) =>
      log.error("The rules of the folder cannot be applied", { error: error.stack })
    );
  });
}
