/**
 * The properties that say what an action keeps while its sink is away, as those of eKuiper, and a few of weir's own.
 *
 * The section `sink` of the configuration gives defaults for all actions.
 * @module
 */
import * as v from "valibot";
import { choice, duration, flag, integer, text } from "../../connector/settings.ts";
import { fail } from "../../diagnostics/diagnostic.ts";
import type { OutboxSettings } from "../../store/delivery_store.ts";

const numberDefaults = {
  bufferPageSize: 256,
  memoryCacheThreshold: 1024,
  maxDiskCache: 1_024_000,
  cacheBytesMax: 512 * 1024 * 1024,
};

/** Numbers have no bounds here: {@linkcode checkCache} says of all of them at once how they should be. */
export const cacheSettings = v.strictObject({
  enableCache: flag({
    description: "Keeps what the sink cannot take on disk, and for the next start of the rule.",
    default: false,
  }),
  memoryCacheThreshold: integer({
    description: "With enableCache at qos 0: messages held in memory before the oldest go to disk; full pages.",
    default: numberDefaults.memoryCacheThreshold,
  }),
  maxDiskCache: integer({
    description: "Messages kept on disk; full pages, at least two. Also the bound of what rules with qos 1 or 2 keep.",
    default: numberDefaults.maxDiskCache,
  }),
  bufferPageSize: integer({
    description: "Messages that go to disk, and come back, together.",
    default: numberDefaults.bufferPageSize,
  }),
  cacheBytesMax: integer({
    description: "Bytes of messages kept on disk.",
    default: numberDefaults.cacheBytesMax,
  }),
  cacheAgeMax: duration({
    description: "Messages that have waited for longer are dropped and counted; 0: none is too old.",
    default: 0,
  }),
  onFull: choice(["block", "dropOldest", "dropNewest", "spill"], {
    description: "What happens when no more messages can wait: `block` holds the source back, `dropOldest` and " +
      "`dropNewest` drop and count, `spill` is another word for enableCache. When absent, `block`; for the disk cache " +
      "of a rule with qos 0, `dropOldest`.",
    optional: true,
  }),
  resendInterval: duration({
    description: "Pause between two tries to send; 0: growing pauses up to 10 s, or with enableCache 100 ms.",
    default: 0,
  }),
  cleanCacheAtStop: flag({
    description:
      "With enableCache at qos 0: forgets at a stop what was not sent, instead of keeping it for the next start.",
    default: false,
  }),
  resendAlterQueue: flag({
    description:
      "With enableCache, or qos 1 or 2: what cannot be sent goes to a queue of its own, with a second sink " +
      "that tries again, and new results do not wait for it.",
    default: false,
  }),
  resendPriority: choice([-1, 0, 1], {
    description: "With resendAlterQueue: -1 lets resends wait while there are new results, 1 new results while there " +
      "are resends that can be sent; 0 is for both alike.",
    default: 0,
  }),
  resendIndicatorField: text({
    description: "With resendAlterQueue: a column that is set to true in what is sent again.",
    default: "",
  }),
  resendDestination: text({
    description: "With resendAlterQueue: the `topic` of the second sink, where it differs.",
    default: "",
  }),
});

export type CacheSettings = v.InferOutput<typeof cacheSettings>;

/** True when an action of a rule with `qos` 0 keeps on disk what cannot be sent. */
export function usesCache({ enableCache, onFull }: CacheSettings): boolean {
  return enableCache || onFull === "spill";
}

/** Milliseconds between two tries of a sink; undefined for growing ones. */
export function resendIntervalOf(settings: CacheSettings): number | undefined {
  if (settings.resendInterval > 0) return settings.resendInterval;
  return usesCache(settings) ? 100 : undefined;
}

/** What the outbox of an action is opened with. */
export function outboxSettingsOf(settings: CacheSettings, qos: 0 | 1 | 2): Partial<OutboxSettings> {
  const { onFull } = settings;
  return {
    order: "queue",
    onFull: onFull === undefined || onFull === "spill" ? (qos === 0 ? "dropOldest" : "block") : onFull,
    rowsMax: Math.max(settings.maxDiskCache, 2 * settings.bufferPageSize),
    bytesMax: settings.cacheBytesMax,
    // Said in any case: an outbox keeps the limit that it was told last.
    ageMaxMs: settings.cacheAgeMax > 0 ? settings.cacheAgeMax : undefined,
  };
}

/**
 * Numbers that do not go together are no guess of ours: each is named with the value that would do.
 *
 * @throws {DiagnosticError} E403 `invalid cache properties: …`
 */
export function checkCache(settings: CacheSettings, path: string): void {
  const wrong: string[] = [];
  /** The value, or for one that is too small what it should be. */
  const atLeast = (name: keyof typeof numberDefaults, least: number): number => {
    const value = settings[name];
    if (value >= least) return value;
    wrong.push(`${name} is ${value}, use ${numberDefaults[name]}`);
    return numberDefaults[name];
  };
  const page = atLeast("bufferPageSize", 1);
  const memory = atLeast("memoryCacheThreshold", 1);
  const disk = atLeast("maxDiskCache", 0);
  atLeast("cacheBytesMax", 1);
  if (page > memory) {
    wrong.push(`bufferPageSize ${page} is more than the memoryCacheThreshold ${memory}, use ${memory}`);
  } else if (memory % page !== 0) wrong.push(notWhole("memoryCacheThreshold", memory, page));
  if (disk % page !== 0) wrong.push(notWhole("maxDiskCache", disk, page));
  if (wrong.length > 0) fail("E403", `invalid cache properties: ${wrong.join("; ")}`, { path });
}

function notWhole(name: string, value: number, page: number): string {
  return `${name} ${value} is not a multiple of the bufferPageSize ${page}, use ${Math.ceil(value / page) * page}`;
}
