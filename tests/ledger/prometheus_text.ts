/**
 * Reads the text format of Prometheus as its documentation describes it, and refuses what is not allowed there.
 * @module
 */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const labelPattern = /^[a-zA-Z_][a-zA-Z0-9_]*/;

/** @throws {Error} naming the line that is wrong. */
export function parsePrometheus(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the text does not end with a line feed");
  const families = new Map<string, Family & { samples: Sample[] }>();
  const seen = new Set<string>();
  let open: (Family & { samples: Sample[] }) | undefined;
  let help: { readonly name: string; readonly text: string } | undefined;
  for (const [i, line] of text.slice(0, -1).split("\n").entries()) {
    const wrong = (why: string) => new Error(`line ${i + 1}: ${why}: ${line}`);
    if (line.startsWith("# HELP ")) {
      const [, name, rest] = /^# HELP (\S+) (.*)$/.exec(line) ?? [];
      if (name === undefined) throw wrong("no help");
      if (families.has(name)) throw wrong("a second help for a family");
      if (rest!.replaceAll(/\\[\\n]/g, "").includes("\\")) throw wrong("a backslash in the help that is not escaped");
      help = { name, text: rest! };
      continue;
    }
    if (line.startsWith("# TYPE ")) {
      const [, name, type] = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line) ?? [];
      if (name === undefined || help?.name !== name) throw wrong("a type without its help before it");
      open = { name, type: type!, help: help.text, samples: [] };
      families.set(name, open);
      continue;
    }
    const sample = parseSample(line, wrong);
    if (open === undefined || sample.name !== open.name) throw wrong("a sample outside of its family");
    const key = sample.name + JSON.stringify(Object.entries(sample.labels).sort());
    if (seen.has(key)) throw wrong("the same sample twice");
    seen.add(key);
    open.samples.push(sample);
  }
  return families;
}

function parseSample(line: string, wrong: (why: string) => Error): Sample {
  const name = namePattern.exec(line)?.[0];
  if (name === undefined) throw wrong("no name");
  let rest = line.slice(name.length);
  const labels: Record<string, string> = {};
  if (rest.startsWith("{")) {
    rest = rest.slice(1);
    while (!rest.startsWith("}")) {
      const label = labelPattern.exec(rest)?.[0];
      if (label === undefined || !rest.startsWith(`${label}="`)) throw wrong("no label");
      if (label in labels) throw wrong(`label ${label} twice`);
      rest = rest.slice(label.length + 2);
      let value = "";
      while (!rest.startsWith('"')) {
        if (rest === "") throw wrong("a value that does not end");
        const escaped = /^\\([\\"n])/.exec(rest)?.[1];
        if (rest.startsWith("\\") && escaped === undefined) throw wrong("an unknown escape");
        value += escaped === undefined ? rest[0] : escaped === "n" ? "\n" : escaped;
        rest = rest.slice(escaped === undefined ? 1 : 2);
      }
      labels[label] = value;
      rest = rest.slice(1);
      if (rest.startsWith(",")) rest = rest.slice(1);
      else if (!rest.startsWith("}")) throw wrong("no comma between labels");
    }
    rest = rest.slice(1);
  }
  const number = /^ (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?)|[+-]Inf|NaN)$/.exec(rest)?.[1];
  if (number === undefined) throw wrong("no number");
  return { name, labels, value: Number(number.replace("Inf", "Infinity")) };
}
