/**
 * Makes the parser that Peggy generates leaner, since an agent with ten thousand rules parses as many statements before
 * it works: half the time of a parse goes into what has nothing to do with its text.
 *
 * - Generated, each parse makes all functions and expectations of the grammar anew; here they stand in the module, and a
 *   parse sets its state back. It is not entered again while it runs.
 * - Keywords are cut out of the text and put into lower case to be compared, dozens for each token; here their first
 *   letter is looked at before.
 * - White space and words are collected character by character in arrays that nobody reads; here they are skipped.
 *
 * Each step looks for the text it replaces and fails when a new Peggy writes another one.
 * @module
 */

/** Replaces the one place where `before` stands. */
function replaceOnce(text: string, before: string, after: string): string {
  if (text.split(before).length !== 2) throw new Error(`Cannot find once in the generated parser: ${before}`);
  return text.replace(before, () => after);
}

/** Moves everything but the run itself out of `peg$parse`. */
function hoist(text: string): string {
  text = replaceOnce(
    text,
    "function peg$parse(input, options) {\n  options = options !== undefined ? options : {};\n",
    'let input = "";\nlet options = {};\n',
  );
  const check = /\n {2}if \(options\.startRule\) \{\n[^]*?\n {2}\}\n/.exec(text)?.[0];
  if (check === undefined) throw new Error("Cannot find the check of the start rule in the generated parser");
  text = replaceOnce(text, check, "\n");
  text = replaceOnce(text, "  const peg$posDetailsCache =", "  let peg$posDetailsCache =");
  const state = [
    "peg$startRuleFunction = peg$parseStatementText;",
    "peg$currPos = options.peg$currPos | 0;",
    "peg$savedPos = peg$currPos;",
    "peg$posDetailsCache = [{ line: 1, column: 1 }];",
    "peg$maxFailPos = peg$currPos;",
    "peg$maxFailExpected = options.peg$maxFailExpected || [];",
    "peg$silentFails = options.peg$silentFails | 0;",
  ];
  for (const line of state) if (!text.includes(line)) throw new Error(`Cannot find in the generated parser: ${line}`);
  const start = ["function peg$parse(text, given) {", "input = text;", "options = given ?? {};", ...state].join("\n  ");
  return replaceOnce(
    text,
    "\n  peg$result = peg$startRuleFunction();\n",
    `\n${start}\n${check}\n  peg$result = peg$startRuleFunction();\n`,
  );
}

/** Looks at the first letter of a keyword before it is cut out of the text. */
function guardKeywords(text: string): string {
  const words = new Map([...text.matchAll(/const (peg\$c\d+) = "([a-z]+)";/g)].map(([, name, word]) => [name, word!]));
  let count = 0;
  text = text.replaceAll(
    /(\w+) = (input\.substr\(peg\$currPos, \d+\));(\s+if \(\w+\.toLowerCase\(\) === (peg\$c\d+)\))/g,
    (_, variable, cut, condition, name) => {
      const letter = words.get(name);
      if (letter === undefined) throw new Error(`Cannot guard ${name} of the generated parser: it is no word`);
      count++;
      return `${variable} = (input.charCodeAt(peg$currPos) | 32) === ${
        letter.charCodeAt(0)
      } ? ${cut} : "";${condition}`;
    },
  );
  if (count === 0) throw new Error("Cannot find keywords in the generated parser");
  return text;
}

const skipSpace = `
    let peg$code = input.charCodeAt(peg$currPos);
    while (peg$code === 32 || peg$code === 10 || peg$code === 9 || peg$code === 13) {
      peg$code = input.charCodeAt(++peg$currPos);
    }
    if (peg$code !== 45 && peg$code !== 47) return;
`;

const skipWord = `
    const peg$start = peg$currPos;
    let peg$end = peg$start;
    for (;; peg$end++) {
      const code = input.charCodeAt(peg$end);
      const letter = code | 32;
      if (letter >= 97 && letter <= 122) continue;
      if (peg$end === peg$start || !((code >= 48 && code <= 57) || code === 95)) break;
    }
    if (peg$end === peg$start) return peg$FAILED;
    peg$currPos = peg$end;
    return input.substring(peg$start, peg$end);
`;

/** The parser's text without what costs time and gives nothing. */
export function leanParser(generated: string): string {
  let text = guardKeywords(hoist(generated));
  text = replaceOnce(text, "  function peg$parse_() {\n", `  function peg$parse_() {${skipSpace}`);
  const word = /(?<= {2}function peg\$parseWord\(\) \{)\n[^]*?\n(?= {2}\}\n)/.exec(text)?.[0];
  if (word === undefined) throw new Error("Cannot find words in the generated parser");
  return replaceOnce(text, word, skipWord);
}
