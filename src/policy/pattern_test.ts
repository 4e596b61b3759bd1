import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../value/seeded_random.ts";
import { compilePattern, coversTopic, touchesTopic } from "./pattern.ts";

const topics: readonly (readonly [pattern: string, filter: string, covers: boolean, touches: boolean])[] = [
  ["a/b", "a/b", true, true],
  ["a/b", "a/c", false, false],
  ["a/+", "a/b", true, true],
  ["a/+", "a/b/c", false, false],
  ["a/+", "a", false, false],
  ["a/+", "a/+", true, true],
  ["a/b", "a/+", false, true],
  ["a/#", "a", true, true],
  ["a/#", "a/b/c", true, true],
  ["a/#", "a/#", true, true],
  ["a/#", "a/+/c", true, true],
  ["a/+", "a/#", false, true],
  ["a/b/#", "a", false, false],
  ["a/b", "a/#", false, true],
  ["#", "a/b", true, true],
  ["#", "#", true, true],
  ["#", "$SYS/uptime", false, false],
  ["+/b", "$SYS/b", false, false],
  ["$SYS/#", "$SYS/uptime", true, true],
  ["$SYS/#", "#", false, false],
  ["line-a/#", "line-ab/x", false, false],
  ["", "", true, true],
  ["a", "a/", false, false],
];

test("a topic pattern covers a filter when it has every topic of it, and touches it when it has one", () => {
  for (const [pattern, filter, covers, touches] of topics) {
    assert.equal(coversTopic(pattern, filter), covers, `${pattern} covers ${filter}`);
    assert.equal(touchesTopic(pattern, filter), touches, `${pattern} touches ${filter}`);
  }
});

/** Whether a topic without wildcards is one of a filter, in the plainest way. */
function holds(filter: string, topic: string): boolean {
  const [own, found] = [filter.split("/"), topic.split("/")];
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  for (const [i, level] of own.entries()) {
    if (level === "#") return true;
    if (found[i] === undefined || (level !== "+" && level !== found[i])) return false;
  }
  return own.length === found.length || (own.length === found.length + 1 && own.at(-1) === "#");
}

test("covers and touches agree with all topics of two letters and three levels", () => {
  const levels = ["a", "b"];
  const all = ["$s", "a", "b"].flatMap((first) => [
    first,
    ...levels.flatMap((second) => [`${first}/${second}`, ...levels.map((third) => `${first}/${second}/${third}`)]),
  ]);
  // The deepest level stands for those below it as well: `x` is below no filter without #.
  const deep = all.flatMap((topic) => [topic, `${topic}/x`, `${topic}/x/y`]);
  const random = new SeededRandom(7);
  for (let n = 0; n < 3000; n++) {
    const filter = () => {
      const parts = Array.from({ length: 1 + random.below(3) }, () => random.pick(["a", "b", "+"]));
      return random.below(10) < 3 ? [...parts, "#"].join("/") : parts.join("/");
    };
    const [pattern, other] = [filter(), filter()];
    const inPattern = deep.filter((topic) => holds(pattern, topic));
    const inOther = deep.filter((topic) => holds(other, topic));
    const covers = inOther.every((topic) => inPattern.includes(topic));
    // With two letters only, `+` could be covered by chance by nothing else than `+`, so that they must agree.
    assert.equal(coversTopic(pattern, other), covers, `${pattern} covers ${other}`);
    assert.equal(
      touchesTopic(pattern, other),
      inOther.some((topic) => inPattern.includes(topic)),
      `${pattern} touches ${other}`,
    );
  }
});

const urls: readonly (readonly [pattern: string, url: string, covers: boolean])[] = [
  ["http://erp/**", "http://erp/orders/1", true],
  ["http://erp/**", "HTTP://ERP/orders/1", true],
  ["http://erp/**", "http://erp/orders/../admin", true],
  ["http://erp/orders/**", "http://erp/orders/../admin", false],
  ["http://erp/orders/**", "http://erp/orders/%2e%2e/admin", false],
  ["http://erp/orders/*", "http://erp/orders/1/2", false],
  ["http://erp/**", "http://erp@evil.example/", false],
  ["http://erp/**", "http://erp.evil.example/", false],
  ["http://erp/**", "http://evil.example/http://erp/", false],
  ["http://erp/**", "http://user:word@erp/x", true],
  ["http://erp:8080/**", "http://erp/x", false],
  ["http://erp/**", "http:\\\\erp\\x", true],
  ["http://erp/**", "https://erp/x", false],
  ["http://erp/**", "not a url", false],
  ["http://erp/**", "http://erp/devices/{{urlquery .id}}", true],
  ["http://erp/devices/*", "http://erp/devices/{{urlquery .id}}", false],
  ["http://erp/**", "http://erp{{.tail}}", false],
  ["http://erp/**", "http://erp@{{.host}}/", false],
  ["http://erp/**", "{{.url}}", false],
  ["http://erp/devices/**", "http://erp/devices/../{{.id}}", false],
  ["tcp://broker:1883", "tcp://broker:1883", true],
  ["tcp://broker:1883", "tcp://other:1883", false],
];

test("a URL is compared as it will be asked", () => {
  for (const [pattern, url, covers] of urls) {
    assert.equal(compilePattern("url", pattern).covers(url), covers, `${pattern} covers ${url}`);
  }
});

test("what a deny of a URL might touch, it touches", () => {
  const pattern = compilePattern("url", "http://safety/**");
  for (const url of ["http://safety/x", "http://{{.host}}/x", "{{.url}}", "not a url", "http://safety/{{.x}}"]) {
    assert.ok(pattern.touches(url), url);
  }
  for (const url of ["http://other/x", "http://other/{{.x}}"]) assert.ok(!pattern.touches(url), url);
});

test("paths: a star stays in its folder, two stars do not; special characters mean themselves", () => {
  const fits = (pattern: string, path: string) => compilePattern("path", pattern).covers(path);
  assert.ok(fits("/data/*.csv", "/data/a.csv"));
  assert.ok(!fits("/data/*.csv", "/data/a/b.csv"));
  assert.ok(!fits("/data/*.csv", "/data/axcsv"));
  assert.ok(fits("/data/**", "/data/a/b.csv"));
  assert.ok(!fits("/data/**", "/database"));
  assert.ok(!fits("/data/**", "/data/../{{.name}}"));
  assert.ok(fits("/data/**", "/data/{{.name}}"));
  assert.ok(!fits("/data/*", "/data/{{.name}}"));
  assert.ok(fits("/a[1](b)+", "/a[1](b)+"));
});

test("numbers: exact, a range, a list; texts of numbers count, others do not", () => {
  const fits = (value: Parameters<typeof compilePattern>[1], found: unknown) =>
    compilePattern("unit", value).covers(found);
  assert.ok(fits(7, 7) && fits(7, "7") && !fits(7, 70));
  assert.ok(fits("100-199", 100) && fits("100-199", 199) && !fits("100-199", 200) && !fits("100-199", 99));
  assert.ok(fits([1, "5-6"], 6) && !fits([1, "5-6"], 4));
  assert.ok(!fits("100-199", Number.NaN) && !fits("100-199", null) && !fits("*", {}));
  assert.ok(fits(true, true) && !fits(true, false));
});

test("no pattern takes long", () => {
  const pattern = compilePattern("path", `${"*a".repeat(40)}**${"?".repeat(5)}x`);
  const begin = performance.now();
  pattern.covers("a".repeat(300));
  assert.ok(performance.now() - begin < 2000);
});
