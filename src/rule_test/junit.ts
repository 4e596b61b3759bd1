/**
 * The result of a test run as JUnit XML, the form that CI systems read.
 * @module
 */

/** One case of a run. */
export interface CaseReport {
  readonly name: string;
  readonly line: number;
  readonly seconds: number;
  /** How it failed, as text for people; undefined when it passed. */
  readonly failure: string | undefined;
}

/** A file of cases. */
export interface FileReport {
  readonly file: string;
  /** Why the file could not be read as cases. */
  readonly error: string | undefined;
  readonly cases: readonly CaseReport[];
}

/** The whole document, with a final line break. */
export function junitXml(files: readonly FileReport[]): string {
  const suites = files.map(suite).join("");
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${counts(files)}>\n${suites}</testsuites>\n`;
}

function counts(files: readonly FileReport[]): string {
  const cases = files.flatMap((file) => file.cases);
  const errors = files.filter(({ error }) => error !== undefined).length;
  return attributes({
    tests: cases.length + errors,
    failures: cases.filter(({ failure }) => failure !== undefined).length,
    errors,
    time: cases.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3),
  });
}

function suite(report: FileReport): string {
  const { file, error, cases } = report;
  const lines = cases.map(({ name, line, seconds, failure }) => {
    const head = `    <testcase${attributes({ classname: file, name, file, line, time: seconds.toFixed(3) })}`;
    return failure === undefined ? `${head}/>\n` : `${head}>\n${problem("failure", failure)}    </testcase>\n`;
  });
  if (error !== undefined) {
    const head = `    <testcase${attributes({ classname: file, name: "the file", file })}>\n`;
    lines.push(`${head}${problem("error", error)}    </testcase>\n`);
  }
  return `  <testsuite${attributes({ name: file })}${counts([report])}>\n${lines.join("")}  </testsuite>\n`;
}

function problem(element: "failure" | "error", text: string): string {
  // Lines that are as expected are indented.
  const message = text.split("\n").find((line) => !line.startsWith("  ")) ?? text;
  return `      <${element}${attributes({ message })}>${escaped(text)}</${element}>\n`;
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values).map(([name, value]) => ` ${name}="${escaped(String(value))}"`).join("");
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** XML has no form for most control characters, not even an escaped one. */
function escaped(text: string): string {
  return text
    // deno-lint-ignore no-control-regex
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll(/[&<>"]/g, (char) => entities[char]!);
}
