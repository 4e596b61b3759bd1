/**
 * Durations in the notation of Go, which eKuiper's settings use: `1h30m`, `500ms`, `1.5s`.
 * @module
 */

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3, // U+00B5, the micro sign
  "μs": 1e-3, // U+03BC, the Greek letter
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const partPattern = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;

/**
 * Milliseconds, with a fraction where the text has one, or undefined when the text is no duration. A bare `0` is one,
 * any other number needs its unit.
 *
 * @example
 * ```ts
 * parseGoDuration("1h30m"); // 5400000
 * parseGoDuration("10"); // undefined
 * ```
 */
export function parseGoDuration(text: string): number | undefined {
  const signed = /^[+-]/.test(text);
  const body = signed ? text.slice(1) : text;
  if (body === "0") return 0;
  if (body === "") return undefined;
  let ms = 0;
  partPattern.lastIndex = 0;
  while (partPattern.lastIndex < body.length) {
    const part = partPattern.exec(body);
    if (part === null) return undefined;
    ms += Number(part[1]) * unitMs[part[2]!]!;
  }
  return text.startsWith("-") ? -ms : ms;
}

/** The notation Go prints: `1h30m0s`, `1.5s`, `500ms`, `1.5µs`, `0s`. Finer than nanoseconds is rounded away. */
export function formatGoDuration(ms: number): string {
  const sign = ms < 0 ? "-" : "";
  const ns = BigInt(Math.round(Math.abs(ms) * 1e6));
  if (ns === 0n) return "0s";
  if (ns < 1_000n) return `${sign}${ns}ns`;
  if (ns < 1_000_000n) return `${sign}${decimal(ns, 1_000n)}µs`;
  if (ns < 1_000_000_000n) return `${sign}${decimal(ns, 1_000_000n)}ms`;
  const minutes = ns / 60_000_000_000n;
  const seconds = `${decimal(ns % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return sign + seconds;
  if (minutes < 60n) return `${sign}${minutes}m${seconds}`;
  return `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

/** `ns / unit` as a decimal with its fraction trimmed; `unit` is a power of ten. */
function decimal(ns: bigint, unit: bigint): string {
  const fraction = String(ns % unit).padStart(String(unit).length - 1, "0").replace(/0+$/, "");
  return fraction === "" ? String(ns / unit) : `${ns / unit}.${fraction}`;
}
