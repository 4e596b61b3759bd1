/**
 * Finds .proto files that would keep the parser busy for long: its time grows with the square of what stands in one pair of
 * braces.
 * @module
 */

/** Statements and blocks in one pair of braces, or outside of all. */
const entriesMax = 1000;

/** The sum of the squares of them over the file: about a tenth of a second of work. */
const workMax = 1_500_000;

/** Comments, texts, and the signs that end an entry or open and close a pair of braces. */
const tokens = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|"(?:[^"\\]|\\[^])*"?|'(?:[^'\\]|\\[^])*'?|[;,{}]/g;

/** What is too much in `text`; undefined when it may be parsed. Commas count, since they stand between options. */
export function tooLarge(text: string): string | undefined {
  const outer: number[] = [];
  let entries = 0;
  let work = 0;
  for (const [token] of text.matchAll(tokens)) {
    if (token === "{") {
      outer.push(entries + 1);
      entries = 0;
    } else if (token === "}") {
      work += entries ** 2;
      entries = outer.pop() ?? 0;
    } else if (token === ";" || token === ",") entries++;
    if (entries > entriesMax) return `over ${entriesMax} entries in one block`;
    if (work > workMax) return "more and larger blocks than weir takes";
  }
  // Braces that are never closed count too.
  for (const each of [...outer, entries]) work += each ** 2;
  return work > workMax ? "more and larger blocks than weir takes" : undefined;
}
