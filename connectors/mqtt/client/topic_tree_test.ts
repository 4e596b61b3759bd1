import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { TopicTree } from "./topic_tree.ts";
import { topicMatches } from "../protocol/topic.ts";
import { PacketGenerator } from "../protocol/packet_generator.ts";

const SEED = Number(process.env["WEIR_SEED"] ?? Math.floor(Math.random() * 0x7fffffff));

test("TopicTree finds what topicMatches() says, for random filters and topics", () => {
  const generator = new PacketGenerator(SEED, 4);
  const level = (wild: boolean): string => {
    const names = ["", "a", "b", "$SYS", ...(wild ? ["+"] : [])];
    return names[generator.int(0, names.length - 1)]!;
  };
  const path = (wild: boolean): string => {
    const levels = Array.from({ length: generator.int(1, 4) }, () => level(wild));
    if (wild && generator.chance(0.3)) levels.push("#");
    return levels.join("/") || "/";
  };
  for (let round = 0; round < 200; round++) {
    const tree = new TopicTree<string>();
    const filters = [...new Set(Array.from({ length: 20 }, () => path(true)))];
    for (const filter of filters) tree.add(filter, filter);
    for (const gone of filters.splice(0, 5)) tree.remove(gone, gone);
    for (let i = 0; i < 20; i++) {
      const topic = path(false);
      const expected = filters.filter((filter) => topicMatches(filter, topic)).sort();
      assert.deepEqual(tree.matching(topic).sort(), expected, `seed ${SEED}, topic ${topic}`);
    }
  }
});

const covers: [wide: string, narrow: string, covers: boolean][] = [
  ["a/#", "a/b", true],
  ["a/#", "a/+", true],
  ["a/#", "a", true],
  ["a/#", "a/+/#", true],
  ["a/+", "a/b", true],
  ["a/+", "a/#", false],
  ["a/b", "a/+", false],
  ["#", "a/#", true],
  ["#", "+", true],
  ["#", "$SYS/#", false],
  ["+/x", "$SYS/x", false],
  ["$SYS/#", "$SYS/+", true],
  ["+/+", "+/b", true],
];

for (const [wide, narrow, expected] of covers) {
  test(`TopicTree: ${wide} ${expected ? "covers" : "does not cover"} ${narrow}`, () => {
    const tree = new TopicTree<string>();
    tree.add(wide, wide);
    assert.equal(tree.covering(narrow).length === 1, expected);
  });
}
