/**
 * Samples in the text format of Prometheus, version 0.0.4: what stands together in one family, with its help and type once.
 *
 * ```ts
 * const family = new MetricFamily({ name: "weir_uptime_seconds", type: "gauge", help: "Since the agent started." });
 * family.add("", 12.5);
 * [...family.lines()]; // ["# HELP …\n# TYPE …\n", "weir_uptime_seconds 12.5\n"]
 * ```
 * @module
 */

/** The media type of the text. */
export const prometheusType = "text/plain; version=0.0.4; charset=utf-8";

export interface MetricDeclaration {
  /** Of a counter, it ends with `_total`. */
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
}

/** Labels as text, to be shared by samples of several families. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

const special = /[\\"\n]/;

function escapeLabel(value: string): string {
  if (!special.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

export class MetricFamily {
  readonly #declaration: MetricDeclaration;
  readonly #labels: string[] = [];
  readonly #values: number[] = [];

  constructor(declaration: MetricDeclaration) {
    this.#declaration = declaration;
  }

  /** `labels` as {@linkcode labelsText} gives them. */
  add(labels: string, value: number): void {
    this.#labels.push(labels);
    this.#values.push(value);
  }

  /** The text, in pieces; none when there is no sample. */
  *lines(): Generator<string> {
    if (this.#labels.length === 0) return;
    const { name, type, help } = this.#declaration;
    yield `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
    for (let i = 0; i < this.#labels.length; i++) yield `${name}${this.#labels[i]} ${numberText(this.#values[i]!)}\n`;
  }
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
