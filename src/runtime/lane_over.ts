/**
 * A lane in front of another one: says what that says, but for what it does otherwise.
 * @module
 */
import type { Sending, SendLane } from "./send_queue.ts";

export abstract class LaneOver implements SendLane {
  protected readonly lane: SendLane;

  constructor(lane: SendLane) {
    this.lane = lane;
  }

  get available(): number {
    return this.lane.available;
  }

  get crowded(): boolean {
    return this.lane.crowded;
  }

  get finished(): boolean {
    return this.lane.finished;
  }

  get buries(): boolean {
    return this.lane.buries === true;
  }

  get diverts(): boolean {
    return this.lane.diverts === true;
  }

  abstract take(max?: number): Sending | undefined;
  abstract sent(sending: Sending, refused?: ReadonlyMap<number, string>): void;
  abstract gaveBack(sending: Sending): boolean;

  arrival(seen?: number): Promise<void> {
    return this.lane.arrival(seen);
  }

  reachable(isReachable: boolean): void {
    this.lane.reachable?.(isReachable);
  }

  hurry(): void {
    this.lane.hurry?.();
  }
}
