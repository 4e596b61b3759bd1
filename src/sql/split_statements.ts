/**
 * The statements of a file.
 * @module
 */
import { nextToken } from "./scan.ts";

/**
 * The statements of a .sql file. Each keeps its place: what stands before it becomes blanks, so that lines and columns
 * in messages are those of the file.
 */
export function splitStatements(text: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let hasToken = false;
  const keep = (end: number) => {
    if (hasToken) statements.push(text.slice(0, start).replaceAll(/[^\n]/g, " ") + text.slice(start, end));
    hasToken = false;
  };
  for (let at = 0;;) {
    const token = nextToken(text, at);
    if (token.kind === "end") break;
    at = token.end;
    if (token.kind === "symbol" && text.slice(token.start, token.end) === ";") {
      keep(token.start);
      start = token.end;
    } else hasToken = true;
  }
  keep(text.length);
  return statements;
}
