/**
 * What the journal of systemd understands of a log: `<3>` in front of a line is its priority.
 * @module
 */
import { fstatSync } from "node:fs";

/** The priorities of syslog for our levels. */
const priorities = { debug: 7, info: 6, warn: 4, error: 3 } as const;

/** True when standard error goes to the journal, and not somewhere else that it was redirected to since. */
export function writesToJournal(
  environment: Readonly<Record<string, string | undefined>>,
  stat: () => { readonly dev: number | bigint; readonly ino: number | bigint } = () => fstatSync(2, { bigint: true }),
): boolean {
  const stream = environment.JOURNAL_STREAM;
  if (!stream) return false;
  try {
    const { dev, ino } = stat();
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

export function journalLine(line: string, level: keyof typeof priorities): string {
  return `<${priorities[level]}>${line}`;
}
