/**
 * Which registers to ask for: the tags of a device in as few reads as its limits allow.
 *
 * Every tag is in exactly one read, and wholly: a value of several registers read in two requests could be half old and
 * half new.
 * @module
 */
import { isBits, type RegisterKind, type Tag } from "./tag.ts";

/** What a device can give with one request. */
export interface ReadLimits {
  /** At most 125, as the protocol has it. */
  readonly registersMax: number;
  /** Coils or discrete inputs; at most 2000, as the protocol has it. */
  readonly bitsMax: number;
  /**
   * How many registers that no tag wants, one after the other, a read may bring along; 0 for a device that refuses
   * reads with a register that it does not have. Also for bits.
   */
  readonly gapMax: number;
}

export const protocolRegistersMax = 125;
export const protocolBitsMax = 2000;

/** One request to a device. */
export interface Read {
  readonly unitId: number;
  readonly register: RegisterKind;
  readonly address: number;
  readonly count: number;
  /** What to take from the answer, by address. */
  readonly tags: readonly Tag[];
}

/** Reads that are due together. */
export interface ReadGroup {
  readonly intervalMs: number;
  readonly reads: readonly Read[];
}

/**
 * The reads for `tags`, one group for each interval, the shortest first; in a group by unit, in the order in which the
 * units appear, then by kind and address.
 *
 * No other plan that keeps to the limits has fewer reads. A tag that is longer than the limits has a read of its own, for
 * the device to judge.
 */
export function planReads(tags: readonly Tag[], limits: ReadLimits): ReadGroup[] {
  const groups = groupBy(tags, ({ intervalMs }) => intervalMs);
  return [...groups].sort(([a], [b]) => a - b).map(([intervalMs, ofGroup]) => ({
    intervalMs,
    reads: [...groupBy(ofGroup, ({ unitId }) => unitId).values()].flatMap((ofUnit) =>
      [...groupBy(ofUnit, ({ register }) => register).values()].flatMap((ofKind) => planKind(ofKind, limits))
    ),
  }));
}

/** The two halves of a read that the device has refused, so that one bad tag does not spoil the others for good. */
export function splitRead(read: Read, limits: ReadLimits): Read[] {
  const middle = Math.ceil(read.tags.length / 2);
  return [read.tags.slice(0, middle), read.tags.slice(middle)].flatMap((half) => planKind(half, limits));
}

function groupBy<Key>(tags: readonly Tag[], keyOf: (tag: Tag) => Key): Map<Key, Tag[]> {
  const groups = new Map<Key, Tag[]>();
  for (const tag of tags) {
    const group = groups.get(keyOf(tag));
    if (group === undefined) groups.set(keyOf(tag), [tag]);
    else group.push(tag);
  }
  return groups;
}

/** The reads of tags of the same unit and kind. */
function planKind(tags: readonly Tag[], limits: ReadLimits): Read[] {
  const sorted = [...tags].sort((a, b) => a.address - b.address || a.count - b.count);
  return zonesOf(sorted, limits.gapMax).flatMap((zone) => planZone(zone, limits));
}

/** Stretches without a gap that must not be read. */
function zonesOf(sorted: readonly Tag[], gapMax: number): Tag[][] {
  const zones: Tag[][] = [];
  let end = -Infinity;
  for (const tag of sorted) {
    if (tag.address > end + gapMax) zones.push([]);
    zones.at(-1)!.push(tag);
    end = Math.max(end, tag.address + tag.count);
  }
  return zones;
}

/**
 * Somebody has to read the first tag of those left, and a read that begins with it and takes all that fits leaves no more
 * behind than any other would. Inside a zone, whatever fits may be read.
 */
function planZone(zone: readonly Tag[], limits: ReadLimits): Read[] {
  const reads: Read[] = [];
  const max = isBits(zone[0]!.register) ? limits.bitsMax : limits.registersMax;
  for (let left = zone; left.length > 0;) {
    const { unitId, register, address, count } = left[0]!;
    const limit = address + Math.max(max, count);
    const fits = (tag: Tag) => tag.address + tag.count <= limit;
    const taken = left.filter(fits);
    const end = Math.max(...taken.map((tag) => tag.address + tag.count));
    reads.push({ unitId, register, address, count: end - address, tags: taken });
    left = left.filter((tag) => !fits(tag));
  }
  return reads;
}
