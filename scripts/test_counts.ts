/**
 * How many tests passed and failed, read from what the test runners print.
 * @module
 */

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
}

/** Reads the summary of `deno test`: `ok | 12 passed (3 steps) | 0 failed (1s)`. Undefined when there is none. */
export function denoTestCounts(output: string): TestCounts | undefined {
  const match = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/m.exec(withoutColours(output));
  return match === null ? undefined : { passed: Number(match[1]), failed: Number(match[2]) };
}

/** Reads the summary of `bun test`: lines ` 12 pass`, ` 0 fail` and, for errors outside tests, ` 1 error`. */
export function bunTestCounts(output: string): TestCounts | undefined {
  const text = withoutColours(output);
  const passed = /^ *(\d+) pass$/m.exec(text)?.[1];
  const failed = /^ *(\d+) fail$/m.exec(text)?.[1];
  if (passed === undefined || failed === undefined) return undefined;
  const errors = /^ *(\d+) errors?$/m.exec(text)?.[1] ?? "0";
  return { passed: Number(passed), failed: Number(failed) + Number(errors) };
}

function withoutColours(text: string): string {
  // deno-lint-ignore no-control-regex -- the escape character is what colours begin with.
  return text.replace(/\x1b\[[0-9;]*m/g, "");
}
