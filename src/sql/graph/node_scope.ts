/**
 * The names that the expressions of one node can use: the columns of the streams whose rows come to it, and those that
 * nodes before it have added or made.
 * @module
 */
import { type Diagnostic, diagnostic, type Span } from "../../diagnostics/diagnostic.ts";
import { didYouMean } from "../../diagnostics/suggest.ts";
import { hintOf, Scope, type ScopeSource } from "../analyze/scope.ts";
import type { Bound } from "../bound.ts";
import type { Catalog } from "../catalog.ts";
import type { Shape } from "./shape.ts";

const noSources: Catalog = { source: () => undefined, sourceNames: () => [] };

export class NodeScope extends Scope {
  readonly #shape: Shape;
  readonly #refuse: (d: Diagnostic) => void;

  /** `sources` are those of the whole graph: positions count in them. */
  constructor(sources: readonly ScopeSource[], shape: Shape, report: (d: Diagnostic) => void, ignoreCase = false) {
    super([], noSources, report, ignoreCase);
    this.sources.push(...sources);
    this.#shape = shape;
    this.#refuse = report;
  }

  override get typed(): boolean {
    const { open, sources } = this.#shape;
    return !open && sources.every((position) => this.sources[position]!.schema.columns !== undefined);
  }

  /** The name of a stream whose rows come here wins over others. */
  override find(name: string): number {
    const known = ({ name: own, alias }: ScopeSource) => own === name || alias === name;
    const here = this.#shape.sources.find((position) => known(this.sources[position]!));
    return here ?? super.find(name);
  }

  override want(source: number, column: string | "*"): void {
    const { open, sources } = this.#shape;
    if (open) return;
    for (const position of source === -1 ? sources : sources.filter((each) => each === source)) {
      super.want(position, column);
    }
  }

  override column(name: string, span: Span): Bound {
    const { sources, open, joined, fields } = this.#shape;
    const field = fields.get(name);
    if (field?.kind === "aggregate") return { ...field.bound, span };
    const anywhere: Bound = { kind: "column", source: field?.source ?? -1, name, type: "unknown", span };
    if (field !== undefined || open) return anywhere;
    if (sources.length === 1) return super.columnOf(sources[0]!, name, span);
    const declaring = sources.filter((p) => this.sources[p]!.schema.columns?.some((c) => c.name.name === name));
    if (!this.typed || declaring.length > 1 && !joined) {
      this.want(-1, name);
      return anywhere;
    }
    if (declaring.length === 1) return super.columnOf(declaring[0]!, name, span);
    if (declaring.length > 1) {
      const written = declaring.map((p) => `${this.sources[p]!.alias ?? this.sources[p]!.name}.${name}`);
      this.#refuse(diagnostic("E215", `Ambiguous column "${name}"`, { span, hint: `write ${written.join(" or ")}` }));
    } else {
      const all = sources.flatMap((p) => this.sources[p]!.schema.columns!.map((c) => c.name.name));
      const message = `Cannot resolve column "${name}": no stream that leads to this node has such a column`;
      this.#refuse(diagnostic("E204", message, { span, ...hintOf(didYouMean(name, [...all, ...fields.keys()])) }));
    }
    return anywhere;
  }

  override columnOf(position: number, name: string, span: Span): Bound {
    const { sources, open, mixed, fields } = this.#shape;
    if (!sources.includes(position)) {
      const message = `Rows of "${this.sources[position]!.name}" do not come to this node`;
      this.#refuse(diagnostic("E217", message, { span, hint: "lead its source here, or name another stream" }));
      return { kind: "column", source: position, name, type: "unknown", span };
    }
    const field = fields.get(name);
    const added = field?.kind === "column" && (field.source === position || field.source === -1);
    if (!open && !added) return super.columnOf(position, name, span);
    return { kind: "column", source: mixed ? -1 : position, name, type: "unknown", span };
  }
}
