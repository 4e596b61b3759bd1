/**
 * What births have told of an edge node and its devices, and what deaths have taken back.
 * @module
 */

/** A metric as its birth declares it. */
export interface KnownMetric {
  readonly name: string;
  readonly type: number | undefined;
}

/** The metrics of a node itself, or of one of its devices. */
export class KnownMetrics {
  readonly byName = new Map<string, KnownMetric>();
  readonly byAlias = new Map<bigint, KnownMetric>();
  isOnline = true;

  add(metric: KnownMetric, alias: bigint | undefined): void {
    this.byName.set(metric.name, metric);
    if (alias !== undefined) this.byAlias.set(alias, metric);
  }
}

export class KnownNode {
  readonly group: string;
  readonly node: string;
  /** Undefined until a birth was seen. */
  own: KnownMetrics | undefined;
  readonly devices = new Map<string, KnownMetrics>();
  /** Names the session; the death of another one is old news. */
  bdSeq: bigint | undefined;
  /** The number of the last message; undefined when any may come next. */
  seq: number | undefined;
  /** Something was missed since the last birth. */
  isIncomplete = true;
  /** Stays behind a birth: one that did not help must not be asked for again and again. */
  rebirthAskedAt = -Infinity;

  constructor(group: string, node: string) {
    this.group = group;
    this.node = node;
  }

  get isOnline(): boolean {
    return this.own?.isOnline === true;
  }

  born(bdSeq: bigint | undefined): KnownMetrics {
    this.own = new KnownMetrics();
    this.devices.clear();
    this.bdSeq = bdSeq;
    this.isIncomplete = false;
    return this.own;
  }

  /** Takes a number of 0 to 255; false when one before it is missing. */
  follows(seq: number | undefined): boolean {
    if (seq === undefined) return true;
    const isNext = this.seq === undefined || (this.seq + 1 & 255) === seq;
    this.seq = seq;
    return isNext;
  }

  died(): void {
    if (this.own !== undefined) this.own.isOnline = false;
    for (const device of this.devices.values()) device.isOnline = false;
    this.seq = undefined;
  }
}
