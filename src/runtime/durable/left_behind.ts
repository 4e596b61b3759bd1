/**
 * What a rule kept and has no use for any more, after an update that took an action away or its delivery.
 * @module
 */
import type { Logger } from "../../connector/context.ts";
import type { DeliveryStore } from "../../store/delivery_store.ts";
import { StoreError } from "../../store/store_error.ts";

/** What a rule uses as it is now. */
export interface KeptNow {
  /** The names of the actions with an outbox: `0_mqtt`. */
  readonly actions: readonly string[];
  /** Whether it keeps checkpoint, log and positions: false with `qos` 0. */
  readonly state: boolean;
}

/** The messages of one action that were given up. */
export interface GivenUp {
  readonly action: string;
  readonly rows: number;
  readonly bytes: number;
  /** Dead letters. */
  readonly deadRows: number;
}

/**
 * {@linkcode giveUp}, but a store that cannot be read or written now does not keep the rule from starting: what is left
 * behind is in nobody's way, and the next start tries again.
 */
export function giveUpLeftBehind(delivery: DeliveryStore, rule: string, now: KeptNow, log: Logger): GivenUp[] {
  try {
    return giveUp(delivery, rule, now, log);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    log.error("What the rule keeps and does not need any more cannot be removed", { reason: error.message });
    return [];
  }
}

/**
 * Lets go of the outboxes of actions that the rule does not have any more, with a warning when messages are in them, and
 * of the state of a rule that keeps none. To be called before a rule starts, outside of `Store.transaction()`; of a store
 * that no rule uses nothing is asked.
 *
 * @param log that of the rule
 * @returns what there was in the outboxes that went, for those with messages
 * @throws {StoreError} when the disk or the database fails
 */
function giveUp(delivery: DeliveryStore, rule: string, now: KeptNow, log: Logger): GivenUp[] {
  if (!delivery.isInUse()) return [];
  const gone = delivery.actions(rule).filter((action) => !now.actions.includes(action));
  const givenUp = gone.map((action): GivenUp => {
    const { rows, bytes, deadRows } = delivery.outbox(rule, action).counts();
    return { action, rows, bytes, deadRows };
  }).filter(({ rows, deadRows }) => rows + deadRows > 0);
  const forgets = !now.state && hasState(delivery, rule);
  if (now.actions.length === 0 && !now.state) {
    if (forgets || gone.length > 0) delivery.remove(rule);
  } else {
    for (const action of gone) delivery.removeOutbox(rule, action);
    if (forgets) forgetState(delivery, rule, log);
  }
  for (const { action, rows, bytes, deadRows } of givenUp) {
    log.warn("Messages of an action that the rule does not keep any more were given up", {
      action,
      count: rows,
      bytes,
      deadLetters: deadRows,
    });
  }
  return givenUp;
}

function hasState(delivery: DeliveryStore, rule: string): boolean {
  return delivery.positions(rule).size > 0 || delivery.checkpoint(rule) !== undefined ||
    delivery.log(rule)[Symbol.iterator]().next().done !== true;
}

/** Of a rule that keeps outboxes only. Their messages go on, so the rule itself must stay known. */
function forgetState(delivery: DeliveryStore, rule: string, log: Logger): void {
  const positions = new Map([...delivery.positions(rule).keys()].map((source) => [source, null]));
  delivery.commit({ rule, checkpoint: null, positions }).catch((error) => {
    log.warn("Cannot forget the state of a rule that keeps none", { reason: (error as Error).message });
  });
  delivery.flush();
}
