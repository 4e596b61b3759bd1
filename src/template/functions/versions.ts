/**
 * Semantic versions and the ranges they lie in.
 * @module
 */
import { Version } from "../go_value.ts";
import { fail } from "../run.ts";

const shape =
  /^v?(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;

/** Numbers of a version, and what stands behind them. */
interface Parts {
  readonly numbers: readonly [number, number, number];
  readonly prerelease: string;
}

/** No version and no range is longer. */
const lengthMax = 500;

/** @throws {RowError} E516 for another text. */
export function parseVersion(text: string): Version {
  const [, major, minor = "0", patch = "0", prerelease = "", metadata = ""] = shape.exec(text.slice(0, lengthMax)) ??
    [];
  if (major === undefined || text.length > lengthMax) {
    return fail(`${JSON.stringify(text.slice(0, 60))} is no semantic version`);
  }
  return new Version({
    Major: BigInt(major),
    Minor: BigInt(minor),
    Patch: BigInt(patch),
    Prerelease: prerelease,
    Metadata: metadata,
    Original: text,
  });
}

function partsOf(text: string): Parts {
  const { Major, Minor, Patch, Prerelease } = parseVersion(text);
  return { numbers: [Number(Major), Number(Minor), Number(Patch)], prerelease: Prerelease as string };
}

function compare(a: Parts, b: Parts): number {
  for (const i of [0, 1, 2] as const) if (a.numbers[i] !== b.numbers[i]) return a.numbers[i] - b.numbers[i];
  if (a.prerelease === b.prerelease) return 0;
  if (a.prerelease === "") return 1;
  if (b.prerelease === "") return -1;
  const [left, right] = [a.prerelease.split("."), b.prerelease.split(".")];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i]!, right[i]!];
    if (x === y) continue;
    const [xIsNumber, yIsNumber] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (xIsNumber && yIsNumber) return Number(x) - Number(y);
    // Numbers come in front of names.
    if (xIsNumber !== yIsNumber) return xIsNumber ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

const condition =
  /^(=|==|!=|>|<|>=|=>|<=|=<|~|~>|\^)?\s*v?(\d{1,15}|[xX*])(?:\.(\d{1,15}|[xX*]))?(?:\.(\d{1,15}|[xX*]))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/** Whether a version lies in a range such as `^1.2.0`, `>=1.2, <2 || 3.x` or `1.2 - 1.4`. */
export function isInRange(range: string, text: string): boolean {
  if (range.length > lengthMax) fail(`a range of versions may have ${lengthMax} characters`);
  const version = partsOf(text);
  const alternatives = range.split("||").map((part) => {
    const spread = part.replace(/(\S+)\s+-\s+(\S+)/g, ">=$1 <=$2");
    const conditions = spread.match(/(?:[=!<>~^]+\s*)?[^\s,=!<>~^]+/g) ?? [];
    if (conditions.length === 0 || /^\s*,|,\s*$/.test(part)) fail(`${JSON.stringify(range)} is no range of versions`);
    // All are read, so that a mistake shows even when the first alternative holds.
    return conditions.map((each) => holds(each, version, range)).every(Boolean);
  });
  return alternatives.some(Boolean);
}

function holds(text: string, version: Parts, range: string): boolean {
  const [, operator = "=", ...written] = condition.exec(text.trim()) ?? [];
  const [major, minor, patch, prerelease = ""] = written;
  if (major === undefined) return fail(`${JSON.stringify(range)} is no range of versions`);
  const isWild = (part: string | undefined) => part === undefined || /^[xX*]$/.test(part);
  /** How many numbers the condition gives. */
  const given = isWild(major) ? 0 : isWild(minor) ? 1 : isWild(patch) ? 2 : 3;
  const numbers = [major, minor, patch].map((part, i) => i < given ? Number(part) : 0) as [number, number, number];
  const low: Parts = { numbers, prerelease: prerelease.slice(1) };
  // Versions before a release are only looked at by conditions that name one.
  if (version.prerelease !== "" && low.prerelease === "" && operator !== "!=") return false;
  /** The first version behind what agrees in the first `count` numbers. */
  const behind = (count: number): Parts => {
    const next = numbers.map((number, i) => i < count - 1 ? number : i === count - 1 ? number + 1 : 0);
    return { numbers: next as [number, number, number], prerelease: "" };
  };
  const isIn = (count: number) => compare(version, low) >= 0 && (count === 0 || compare(version, behind(count)) < 0);
  switch (operator) {
    case "=":
    case "==":
      return given === 3 ? compare(version, low) === 0 : isIn(given);
    case "!=":
      return given === 3 ? compare(version, low) !== 0 : !isIn(given);
    case ">":
      return given === 0 ? true : given === 3 ? compare(version, low) > 0 : compare(version, behind(given)) >= 0;
    case "<":
      return compare(version, low) < 0;
    case ">=":
    case "=>":
      return compare(version, low) >= 0;
    case "<=":
    case "=<":
      return given === 0 || (given === 3 ? compare(version, low) <= 0 : compare(version, behind(given)) < 0);
    case "~":
    case "~>":
      return isIn(Math.min(2, given));
    default: {
      // A caret keeps the first number that is not 0.
      const first = numbers.findIndex((number) => number !== 0);
      return isIn(first === -1 || first >= given ? given : first + 1);
    }
  }
}
