import assert from "node:assert/strict";
import { test } from "node:test";
import { planReads, type Read, type ReadLimits } from "./read_plan.ts";
import type { RegisterKind, Tag } from "./tag.ts";

const limits: ReadLimits = { registersMax: 125, bitsMax: 2000, gapMax: 0 };

function tag(address: number, count = 1, more: Partial<Tag> = {}): Tag {
  return {
    name: `${more.unitId ?? 1}/${more.register ?? "holding"}/${address}+${count}`,
    unitId: 1,
    register: "holding",
    address,
    count,
    format: { type: "string", length: count * 2, byteOrder: "big" },
    scale: 1,
    offset: 0,
    unit: "",
    deadband: 0,
    report: "cycle",
    intervalMs: 1000,
    ...more,
  };
}

function shown(tags: readonly Tag[], more: Partial<ReadLimits> = {}): string[] {
  return planReads(tags, { ...limits, ...more }).flatMap(({ reads }) =>
    reads.map(({ unitId, register, address, count }) => `${unitId} ${register} ${address}+${count}`)
  );
}

test("planReads() merges adjacent registers, in any order, and splits at gaps", () => {
  assert.deepEqual(shown([tag(12, 2), tag(10, 2), tag(14), tag(16)]), ["1 holding 10+5", "1 holding 16+1"]);
});

test("planReads() reads through gaps of the given size", () => {
  const tags = [tag(0), tag(3), tag(7)];
  assert.deepEqual(shown(tags, { gapMax: 2 }), ["1 holding 0+4", "1 holding 7+1"]);
  assert.deepEqual(shown(tags, { gapMax: 3 }), ["1 holding 0+8"]);
});

test("planReads() keeps to the limits, and a value in one read", () => {
  const pairs = Array.from({ length: 100 }, (_, i) => tag(i * 2, 2));
  assert.deepEqual(shown(pairs), ["1 holding 0+124", "1 holding 124+76"]);
  assert.deepEqual(shown(pairs.slice(0, 4), { registersMax: 5 }), ["1 holding 0+4", "1 holding 4+4"]);
  assert.deepEqual(shown(pairs.slice(0, 2), { registersMax: 1 }), ["1 holding 0+2", "1 holding 2+2"]);
  const coils = Array.from({ length: 2001 }, (_, i) => tag(i, 1, { register: "coil" }));
  assert.deepEqual(shown(coils), ["1 coil 0+2000", "1 coil 2000+1"]);
});

test("planReads() takes what overlaps once", () => {
  assert.deepEqual(shown([tag(0, 4), tag(1), tag(1), tag(3, 2)]), ["1 holding 0+5"]);
});

test("planReads() keeps units, kinds and intervals apart", () => {
  const tags = [
    tag(0, 1, { unitId: 2 }),
    tag(1, 1, { unitId: 1 }),
    tag(1, 1, { unitId: 2, register: "input" }),
    tag(1, 1, { unitId: 2 }),
    tag(2, 1, { unitId: 2, intervalMs: 100 }),
  ];
  assert.deepEqual(planReads(tags, limits).map(({ intervalMs }) => intervalMs), [100, 1000]);
  assert.deepEqual(shown(tags), ["2 holding 2+1", "2 holding 0+2", "2 input 1+1", "1 holding 1+1"]);
});

test("planReads() plans a thousand tags at once", () => {
  const tags = Array.from({ length: 1000 }, (_, i) => tag(i));
  assert.equal(shown(tags).length, 8);
});

/** The same numbers in every run. */
function random(seed: number): (max: number) => number {
  return (max) => {
    seed = Math.imul(seed ^ seed >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return Math.floor((seed >>> 0) / 2 ** 32 * max);
  };
}

/** True when reading `[start, end)` brings no more unwanted registers in a row than allowed. */
function gapsAreGood(start: number, end: number, tags: readonly Tag[], gapMax: number): boolean {
  let run = 0;
  for (let address = start; address < end; address++) {
    const wanted = tags.some((tag) => tag.address <= address && address < tag.address + tag.count);
    run = wanted ? 0 : run + 1;
    if (run > gapMax) return false;
  }
  return true;
}

/** The fewest reads that bring all tags, by trying every way. */
function fewestReads(tags: readonly Tag[], max: number, gapMax: number): number {
  const all = 2 ** tags.length - 1;
  const covers = new Set<number>();
  for (const first of tags) {
    for (const last of tags) {
      const [start, end] = [first.address, last.address + last.count];
      if (end <= start || end - start > max || !gapsAreGood(start, end, tags, gapMax)) continue;
      covers.add(
        tags.reduce((bits, tag, i) => tag.address >= start && tag.address + tag.count <= end ? bits | 1 << i : bits, 0),
      );
    }
  }
  let reached = new Set([0]);
  for (let reads = 0;; reads++) {
    if (reached.has(all)) return reads;
    reached = new Set([...reached].flatMap((done) => [...covers].map((cover) => done | cover)));
  }
}

function checkRead(read: Read, tags: readonly Tag[], max: number, gapMax: number): void {
  assert.ok(read.count >= 1 && read.count <= max, `${read.count} registers`);
  for (const tag of read.tags) {
    assert.equal(tag.unitId, read.unitId);
    assert.equal(tag.register, read.register);
    assert.ok(tag.address >= read.address && tag.address + tag.count <= read.address + read.count);
  }
  const same = tags.filter(({ unitId, register }) => unitId === read.unitId && register === read.register);
  assert.ok(gapsAreGood(read.address, read.address + read.count, same, gapMax), "reads a gap that it must not");
}

test("planReads() covers every tag once, keeps to the limits, and no other plan has fewer reads", () => {
  const next = random(3);
  const kinds: readonly RegisterKind[] = ["holding", "coil"];
  let merged = 0;
  for (let round = 0; round < 1500; round++) {
    const max = 4 + next(8);
    const gapMax = next(4);
    const tags = Array.from({ length: 1 + next(8) }, (_, i) => {
      const register = kinds[next(2)]!;
      const count = register === "coil" ? 1 : 1 + next(4);
      return tag(next(14), count, { name: `t${i}`, unitId: 1 + next(2), register });
    });
    const reads = planReads(tags, { registersMax: max, bitsMax: max, gapMax }).flatMap(({ reads }) => reads);
    const covered = reads.flatMap(({ tags }) => tags.map(({ name }) => name)).sort();
    assert.deepEqual(covered, tags.map(({ name }) => name).sort());
    for (const read of reads) checkRead(read, tags, max, gapMax);
    let fewest = 0;
    for (const unit of [1, 2]) {
      for (const kind of kinds) {
        const same = tags.filter(({ unitId, register }) => unitId === unit && register === kind);
        fewest += fewestReads(same, max, gapMax);
      }
    }
    assert.equal(reads.length, fewest, JSON.stringify({ max, gapMax, tags: tags.map(({ name: _, ...tag }) => tag) }));
    merged += tags.length - reads.length;
  }
  assert.ok(merged > 1000, `the rounds must have something to merge: ${merged}`);
});
