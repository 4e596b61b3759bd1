/**
 * A lane whose messages get their form only when they are sent, as those that are sent again differ from the others.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { Body } from "../addressed_item.ts";
import { bodyOf, withBody } from "../addressed_item.ts";
import { LaneOver } from "../lane_over.ts";
import type { Item, Sending, SendLane } from "../send_queue.ts";

export interface FormedLaneOptions {
  /** Throws RowError for what cannot be encoded. */
  readonly form: (body: Body) => Body;
  /** So many messages cannot be encoded. */
  readonly onFailed: (error: RowError, count: number) => void;
}

interface FormedSending extends Sending {
  readonly inner: Sending;
  /** Positions in `inner` of the items, when some were left out. */
  readonly positions: readonly number[];
  /** Those that were left out: position in `inner` → why. */
  readonly left: ReadonlyMap<number, string>;
}

export class FormedLane extends LaneOver {
  readonly #options: FormedLaneOptions;

  constructor(lane: SendLane, options: FormedLaneOptions) {
    super(lane);
    this.#options = options;
  }

  take(max?: number): FormedSending | undefined {
    while (true) {
      const inner = this.lane.take(max);
      if (inner === undefined) return undefined;
      const sending = this.#formed(inner);
      if (sending.items.length > 0) return sending;
      this.lane.sent(inner, sending.left);
    }
  }

  #formed(inner: Sending): FormedSending {
    const { form, onFailed } = this.#options;
    const items: Item[] = [];
    const positions: number[] = [];
    const left = new Map<number, string>();
    for (const [i, item] of inner.items.entries()) {
      try {
        items.push(withBody(item, form(bodyOf(item))));
        positions.push(i);
      } catch (error) {
        if (!(error instanceof RowError)) throw error;
        left.set(i, `${error.code}: ${error.message}`);
        onFailed(error, 1);
      }
    }
    const ids = inner.ids === undefined ? {} : { ids: positions.map((i) => inner.ids![i]!) };
    return { items, ...ids, inner, positions, left };
  }

  sent(sending: Sending, refused?: ReadonlyMap<number, string>): void {
    const { inner, positions, left } = sending as FormedSending;
    if (left.size === 0) return this.lane.sent(inner, refused);
    const all = new Map(left);
    for (const [i, reason] of refused ?? []) all.set(positions[i]!, reason);
    this.lane.sent(inner, all);
  }

  gaveBack(sending: Sending): boolean {
    return this.lane.gaveBack((sending as FormedSending).inner);
  }
}
