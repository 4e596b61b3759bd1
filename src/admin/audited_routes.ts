/**
 * Which requests the audit trail records: those that change something, reach out of the agent, or give secrets or data of
 * the plant away. What stands in no line is recorded unless it only reads, so that a route that somebody forgets here is
 * recorded, and a test that every such route stands here tells him.
 * @module
 */

/** Method, path as it is routed. */
const unrecorded: readonly (readonly [methods: string, path: string])[] = [
  // It answers as GET does.
  ["POST", "/"],
  // They only check or read.
  ["POST", "/rules/validate"],
];

/** Requests that only read by their method, and are recorded nevertheless. */
const recorded: readonly (readonly [methods: string, path: string])[] = [
  ["GET", "/stop"],
  // Passwords go out.
  ["GET", "/data/export"],
  // Data of the plant go out, and what a sink refused is such.
  ["GET", "/api/v1/rules/:name/tap"],
  ["GET", "/api/v1/rules/:name/dead-letters/:action/:sequence"],
  ["GET", "/trace/:name"],
];

function patternsOf(lines: typeof recorded): readonly (readonly [method: string, pattern: RegExp])[] {
  return lines.flatMap(([methods, path]) => {
    const pattern = new RegExp(`^${path.replaceAll(/:[A-Za-z]+/g, "[^/]+")}$`);
    return methods.split(" ").map((method) => [method, pattern] as const);
  });
}

const [unrecordedPatterns, recordedPatterns] = [patternsOf(unrecorded), patternsOf(recorded)];
const reading: ReadonlySet<string> = new Set(["GET", "OPTIONS"]);

/** True for a request that is recorded whatever comes of it. */
export function isRecorded(method: string, path: string): boolean {
  const fits = (lines: typeof recordedPatterns) => lines.some(([own, pattern]) => own === method && pattern.test(path));
  // The router answers HEAD with the route of GET: HEAD /stop stops, too.
  if (method === "HEAD") return isRecorded("GET", path);
  return reading.has(method) ? fits(recordedPatterns) : !fits(unrecordedPatterns);
}

/** The lines, for a test. */
export function listedExceptions(): string[] {
  return [...unrecorded, ...recorded].flatMap(([methods, path]) => methods.split(" ").map((each) => `${each} ${path}`));
}
