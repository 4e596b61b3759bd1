import assert from "node:assert/strict";
import { test } from "node:test";
import { topicMatches, validateTopicFilter, validateTopicName } from "./topic.ts";

const names: [topic: string, trouble: string | undefined][] = [
  ["a", undefined],
  ["/", undefined],
  ["a//b", undefined],
  ["$SYS/broker", undefined],
  ["Grüße/水", undefined],
  ["x".repeat(65_535), undefined],
  ["", "it is empty"],
  ["a/+", "it holds a wildcard"],
  ["a#", "it holds a wildcard"],
  ["a\0", "it holds U+0000"],
  ["\ud800", "it holds half a surrogate pair"],
  ["x".repeat(65_536), "it is over 65535 bytes"],
  ["水".repeat(21_846), "it is over 65535 bytes"],
];

for (const [topic, trouble] of names) {
  test(`validateTopicName() of ${JSON.stringify(topic.slice(0, 20))}, ${topic.length} long`, () => {
    assert.equal(validateTopicName(topic), trouble);
  });
}

const filters: [filter: string, trouble: string | undefined][] = [
  ["#", undefined],
  ["+", undefined],
  ["+/+", undefined],
  ["a/+/b/#", undefined],
  ["/+", undefined],
  ["$SYS/#", undefined],
  ["$share/g/a/+", undefined],
  ["$share/g/#", undefined],
  ["$share/g//", undefined],
  ["$shared", undefined],
  ["", "it is empty"],
  ["a#", `"#" must be the whole last level`],
  ["a/#/b", `"#" must be the whole last level`],
  ["a+/b", `"+" must be a whole level`],
  ["+a", `"+" must be a whole level`],
  ["$share/g", "it has a share name but no filter"],
  ["$share/g/", "it has a share name but no filter"],
  ["$share//a", "its share name is empty"],
  ["$share/+/a", "its share name holds a wildcard"],
  ["$share/g/a#", `"#" must be the whole last level`],
];

for (const [filter, trouble] of filters) {
  test(`validateTopicFilter() of ${JSON.stringify(filter)}`, () => assert.equal(validateTopicFilter(filter), trouble));
}

const matches: [filter: string, topic: string, matches: boolean][] = [
  ["a/b", "a/b", true],
  ["a/b", "a/b/c", false],
  ["a/b", "a", false],
  ["a/b", "A/b", false],
  ["a/+", "a/b", true],
  ["a/+", "a/", true],
  ["a/+", "a", false],
  ["a/+", "a/b/c", false],
  ["+", "/a", false],
  ["+/+", "/a", true],
  ["/+", "/a", true],
  ["#", "a/b/c", true],
  ["a/#", "a", true],
  ["a/#", "a/b/c", true],
  ["a/#", "ab", false],
  ["a/+/#", "a", false],
  ["a/+/#", "a/b", true],
  ["#", "$SYS/x", false],
  ["+/x", "$SYS/x", false],
  ["$SYS/#", "$SYS/x", true],
  ["$SYS/+", "$SYS/x", true],
  ["$share/g/a/+", "a/b", true],
  ["$share/g/#", "$SYS/x", false],
];

for (const [filter, topic, expected] of matches) {
  test(`topicMatches() of ${filter} and ${topic} is ${expected}`, () => {
    assert.equal(topicMatches(filter, topic), expected);
  });
}
