import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/source_files.ts";
import { systemdAnalyze } from "../peers/systemd.ts";

const packaging = join(root, "packaging", "systemd");
const exposureMax = 2.0;

/** Runs `run` with a copy of the unit whose program exists, and the drop-ins that are named. */
function withUnit(dropIns: readonly string[], run: (unit: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "weir-unit-"));
  try {
    const program = join(folder, "weir");
    writeFileSync(program, "#!/bin/sh\n");
    chmodSync(program, 0o755);
    const unit = join(folder, "weir.service");
    const text = readFileSync(join(packaging, "weir.service"), "utf8");
    writeFileSync(unit, text.replace("/usr/local/bin/weir", program));
    mkdirSync(`${unit}.d`);
    for (const name of dropIns) copyFileSync(join(packaging, name), join(`${unit}.d`, name));
    run(unit);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const dropIns of [[], ["limits.conf"], ["serial.conf"], ["limits.conf", "serial.conf"]]) {
  const name = ["weir.service", ...dropIns].join(" with ");

  test(`${name} has nothing that systemd complains about`, () => {
    withUnit(dropIns, (unit) => assert.deepEqual(systemdAnalyze("verify", unit), { code: 0, output: "" }));
  });

  test(`${name} is exposed by ${exposureMax} at most`, () => {
    withUnit(dropIns, (unit) => {
      const { output } = systemdAnalyze("security", "--offline=yes", "--no-pager", unit);
      const exposure = Number(/Overall exposure level for weir\.service: ([0-9.]+)/.exec(output)?.[1]);
      assert.ok(exposure <= exposureMax, output);
    });
  });
}
