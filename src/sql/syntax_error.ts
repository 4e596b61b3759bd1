/**
 * Turns the grammar's failure, an offset and a list of what could have stood there, into an E101 for people: the whole
 * offending word, readable expectations, and a hint for the slips that other SQL dialects teach.
 * @module
 */
import { type Diagnostic, diagnostic } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { Expectation } from "./grammar.js";
import { printLiteral } from "./print.ts";
import { nextToken, type Token } from "./scan.ts";
import { isReserved } from "./words.ts";

const excerptMax = 40;

/** A place in the text as the hints see it. Texts of words are in upper case; the end of the text is "". */
interface Place {
  readonly text: string;
  readonly expected: readonly string[];
  readonly previous: string;
  readonly found: string;
  readonly next: string;
  readonly nextKind: Token["kind"];
  readonly foundKind: Token["kind"];
  /** The offending token as it was written. */
  readonly written: string;
  /** White space and comments between the previous token and the offending one. */
  readonly between: string;
}

/** The E101 for a failure of the grammar at `offset`. */
export function syntaxError(text: string, offset: number, expectations: readonly Expectation[]): Diagnostic {
  let previous: Token | undefined;
  let found = nextToken(text, 0);
  while (found.end <= offset && found.kind !== "end") {
    previous = found;
    found = nextToken(text, found.end);
  }
  const next = nextToken(text, found.end);
  const upper = (token: Token | undefined) =>
    token === undefined ? "" : text.slice(token.start, token.end).toUpperCase();
  const place: Place = {
    text,
    expected: readable(expectations),
    previous: upper(previous),
    found: upper(found),
    next: upper(next),
    nextKind: next.kind,
    foundKind: found.kind,
    written: excerpt(text, found),
    between: text.slice(previous?.end ?? 0, found.start),
  };
  const span = found.kind === "end"
    ? { start: previous?.end ?? 0, end: previous?.end ?? 0 }
    : { start: found.start, end: found.end };
  const bad = badToken(place);
  if (bad !== undefined) return diagnostic("E101", bad.message, { span, hint: bad.hint });
  const after = previous === undefined ? "" : ` after "${excerpt(text, previous)}"`;
  const foundText = found.kind === "end" ? "the end of the text" : `"${place.written}"`;
  const message = `expected ${either(place.expected)}${after}, found ${foundText}`;
  const hint = hintFor(place);
  return diagnostic("E101", message, hint === undefined ? { span } : { span, hint });
}

function excerpt(text: string, { start, end }: Token): string {
  return end - start > excerptMax ? `${text.slice(start, start + excerptMax)}…` : text.slice(start, end);
}

/** The grammar's expectations without doubles, in the grammar's order. */
function readable(expectations: readonly Expectation[]): string[] {
  const words = new Set<string>();
  for (const expectation of expectations) {
    if (expectation.type === "other") words.add(expectation.description);
    if (expectation.type === "literal") words.add(`"${expectation.text}"`);
  }
  // An operator can follow nearly everything: it is worth telling only where nothing else can.
  if (words.size > 1) words.delete("an operator");
  return [...words];
}

function either(words: readonly string[]): string {
  if (words.length === 0) return "something else";
  return words.length === 1 ? words[0]! : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** Tokens that are wrong wherever they stand get their own message. */
function badToken({ foundKind, found, written, next }: Place): { message: string; hint: string } | undefined {
  switch (foundKind) {
    case "bad_number": {
      const isExponent = /^[0-9.]+E[+-]?[0-9]*$/.test(found);
      const value = Number(found);
      const plain = Number.isFinite(value) ? printLiteral(value) : "";
      if (isExponent) {
        const hint = plain === "" || plain.length > excerptMax ? "write all digits" : `write ${plain}`;
        return { message: `numbers have no exponent form: found "${written}"`, hint };
      }
      return {
        message: `a number must end before letters: found "${written}"`,
        hint: "names start with a letter; put other names in back quotes",
      };
    }
    case "bad_word":
      return {
        message: `a plain name holds only ASCII letters, digits and "_", and starts with a letter: found "${written}"`,
        hint: "put it in back quotes: `" + written + "`",
      };
    case "empty_name":
      return { message: "a name in back quotes is empty", hint: "write the name between the back quotes" };
    case "open_name":
      return { message: "the name has no end quote", hint: "add ` at its end; back quotes are for names" };
    case "open_comment":
      return { message: "the comment has no end", hint: "add */ at its end" };
    case "unknown":
      return {
        message: `unexpected character: found "${written}"`,
        hint: "names with other characters need back quotes",
      };
    case "symbol":
      if (found === "!" && next !== "=") {
        return { message: `"!" does not stand alone: found "!"`, hint: "not equal is !=; write x = false for not x" };
      }
      return undefined;
    default:
      return undefined;
  }
}

/** The hints, most telling first; the first that applies is given. */
const hints: readonly ((place: Place) => string | undefined)[] = [
  lostInComment,
  foreignOperator,
  partsOfOver,
  foreignWord,
  misspelt,
  misspeltWindow,
  misplacedComma,
  signs,
  reservedName,
  missingAs,
  misplacedClause,
  createParts,
];

function hintFor(place: Place): string | undefined {
  for (const hint of hints) {
    const text = hint(place);
    if (text !== undefined) return text;
  }
  return undefined;
}

function lostInComment({ between }: Place): string | undefined {
  return /^[ \t]*-[ \t\r\n]*-[ \t]*[0-9.(A-Za-z`]/.test(between) && !/^[ \t]*--[ \t]/.test(between)
    ? `"--" starts a comment: write a - (-5)`
    : undefined;
}

function foreignOperator({ previous, found, next, between }: Place): string | undefined {
  if (between === "" && previous === found) {
    if (found === "=") return `equality is a single "="`;
    if (found === "|") return `"||" is not in the dialect: use concat(a, b), or OR between conditions`;
    if (found === "&") return `write AND for "&&"`;
  }
  if (found === "=" && previous === ":" && next !== "") return `use "=" to compare`;
  return undefined;
}

/** What stands in OVER, and behind it, has one order. */
function partsOfOver({ text, expected, previous, found }: Place): string | undefined {
  if (!/\bOVER\b/i.test(text)) return undefined;
  if (found === "FILTER" && /window\b[^]*\bOVER\b[^]*\bFILTER\b/i.test(text)) return "FILTER comes before OVER";
  if (!expected.includes(`")"`)) {
    const isEmpty = previous === "(" && found === ")" && expected.includes("PARTITION BY");
    return isEmpty ? "leave OVER out, or write PARTITION BY … or WHEN … in it" : undefined;
  }
  if (found === "PARTITION") return "in OVER of a function, PARTITION BY comes before ORDER BY and WHEN";
  return found === "WHEN" ? "in OVER of a window, WHEN comes before PARTITION BY" : undefined;
}

/** Words of other SQL dialects. Most are not reserved here, so they are found one token early or late. */
function foreignWord(place: Place): string | undefined {
  const { previous, found, next } = place;
  if (previous === "DISTINCT") return "DISTINCT is not in the dialect: use deduplicate(), or GROUP BY the column";
  if (found === "IS" || previous === "IS") return "write isnull(x), or isnull(x) = false for IS NOT NULL";
  if (found === "UNION") return "UNION is not in the dialect: write one rule for each SELECT";
  if (found === "NOT" && expectsExpression(place)) return "there is no prefix NOT: write x = false";
  if (found === "EXISTS" || previous === "EXISTS") return "EXISTS is not in the dialect";
  if (found === "SELECT" && previous !== "" && previous !== ";") return "subqueries are not in the dialect";
  if (found === "(" && next === "SELECT") return "subqueries are not in the dialect";
  if (found === "ON" && /\bCROSS\b/i.test(place.text)) {
    return "CROSS JOIN gives every pair and takes no ON: use INNER JOIN";
  }
  if (found === "FILTER") return "FILTER (WHERE …) belongs to windows: use CASE inside the aggregate";
  if (found === "OFFSET") return "OFFSET is not in the dialect";
  if (previous === "" && ["ALTER", "INSERT", "UPDATE", "DELETE"].includes(found)) {
    return `${found} is not in the dialect`;
  }
  if (previous === "CREATE" && (found === "OR" || found === "IF")) return "replacing goes through the admin interface";
  if (found === "DEFAULT" && place.expected.includes(`")"`)) {
    return "only BIGINT, FLOAT, STRING and BOOLEAN columns may have a DEFAULT";
  }
  return undefined;
}

function expectsExpression({ expected }: Place): boolean {
  return expected.includes("an expression");
}

/** `SELCT` where SELECT may stand. */
function misspelt({ expected, found, foundKind, previous }: Place): string | undefined {
  if (foundKind !== "word" || found.length < 3 || isReserved(found)) return undefined;
  const keywords = expected.filter((word) => /^[A-Z ]+$/.test(word));
  const firstWords = new Map(keywords.map((keyword) => [keyword.split(" ")[0]!, keyword]));
  if (previous === "WINDOW") { for (const kind of windowKinds) firstWords.set(kind, kind); }
  if (expected.includes("a unit such as SECOND")) {
    for (const unit of ["MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS"]) firstWords.set(unit, unit);
  }
  if (expected.includes("a type")) {
    for (const type of ["BIGINT", "FLOAT", "STRING", "BOOLEAN", "DATETIME", "BYTEA", "ARRAY", "STRUCT"]) {
      firstWords.set(type, type);
    }
  }
  // A short word or one with another first letter is more likely a name that lacks its AS.
  const candidates = [...firstWords.keys()].filter((word) => found.length > 4 || word[0] === found[0]);
  const near = nearest(found, candidates);
  return near === undefined ? undefined : `did you mean ${firstWords.get(near)}?`;
}

/** A unit of time can stand only in a window, so `HOPINGWINDOW(ss, 10)` is meant to be one. */
function misspeltWindow({ text, previous, found }: Place): string | undefined {
  if (previous !== "(" || !["DD", "HH", "MI", "SS", "MS"].includes(found)) return undefined;
  const names = windowKinds.map((kind) => `${kind}WINDOW`);
  for (const [, name] of text.matchAll(/([A-Za-z]\w*)\s*\(\s*(?:DD|HH|MI|SS|MS)\b/gi)) {
    const near = names.includes(name!.toUpperCase()) ? undefined : nearest(name!, names);
    if (near !== undefined) return `did you mean ${near}?`;
  }
  return undefined;
}

const windowKinds = ["TUMBLING", "HOPPING", "SLIDING", "SESSION", "COUNT"];

function misplacedComma(place: Place): string | undefined {
  const { previous, found, foundKind } = place;
  if (previous !== "," || !(foundKind === "end" || found === "FROM" || found === ")" || found === ";")) {
    return undefined;
  }
  return expectsExpression(place) || place.expected.includes("a name") ? "remove the comma before it" : undefined;
}

function signs(place: Place): string | undefined {
  const { found, next, nextKind } = place;
  if (found === "-" && nextKind === "number" && next.startsWith(".")) {
    return `write a digit before the point: - 0${next}`;
  }
  if (!expectsExpression(place)) return undefined;
  if (found === "-") {
    return nextKind === "word"
      ? `there is no unary minus: write 0 - ${next.toLowerCase()}`
      : "there is no unary minus: write 0 - x";
  }
  if (found === "+") return "there is no unary plus";
  return undefined;
}

/** `end` used as a name. In the place of an expression it is taken for one only if what follows fits a name. */
function reservedName(place: Place): string | undefined {
  const { expected, found, foundKind, nextKind, next, written } = place;
  if (foundKind !== "word" || !isReserved(found)) return undefined;
  const wantsName = expected.includes("a name");
  const actsAsName = expectsExpression(place) &&
    (nextKind === "symbol" || nextKind === "end" || ["FROM", "AS", "AND", "OR", "THEN", "IN"].includes(next));
  if (!wantsName && !(actsAsName && next !== "(")) return undefined;
  return `${found} is a reserved word: to use it as a name, put back quotes around it: \`${written}\``;
}

function missingAs({ expected, foundKind, previous, written }: Place): string | undefined {
  if (!expected.includes("AS") || previous === "") return undefined;
  if (foundKind === "quoted_name") return `write AS before an alias: AS ${written}`;
  if (foundKind === "string") return "an alias is a name, not a string: write AS before it and use back quotes";
  return foundKind === "word" && !isReserved(written) ? `write AS before an alias: AS ${written}` : undefined;
}

const clauses = [
  "FROM",
  "WHERE",
  "GROUP",
  "HAVING",
  "ORDER",
  "LIMIT",
  "JOIN",
  "INNER",
  "LEFT",
  "RIGHT",
  "FULL",
  "CROSS",
];

function misplacedClause({ expected, found }: Place): string | undefined {
  if (!expected.includes("the end of the text")) return undefined;
  return clauses.includes(found) || found === "WINDOW"
    ? "the order is FROM, JOIN, WINDOW, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, each once"
    : undefined;
}

function createParts({ expected, text, found }: Place): string | undefined {
  if (!/^\s*CREATE\b/i.test(text)) return undefined;
  if (expected.includes(`"("`) && found === "WITH") return "write () for a definition without columns";
  if (expected.includes("WITH")) return 'add WITH (DATASOURCE="…", FORMAT="json")';
  return undefined;
}
