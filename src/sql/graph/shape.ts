/**
 * What comes out of a node of a graph: rows, or lists, and what their columns mean.
 * @module
 */
import type { Bound, BoundAggregate } from "../bound.ts";

/**
 * A column that a node has added. It is a column of the rows of a stream from there on (`source` -1: of whatever rows they
 * are), or, in a list of groups, an expression over the aggregates of the group.
 */
export type Field =
  | { readonly kind: "column"; readonly source: number }
  | { readonly kind: "aggregate"; readonly bound: Bound };

export interface Shape {
  /** `rows` come one by one; `list` is the content of a window; `groups` is a list with one row for each group. */
  readonly kind: "rows" | "list" | "groups";
  /** The streams and tables whose rows these are, by position; of joined rows, those that win come first. */
  readonly sources: readonly number[];
  /** Each row is made of the rows of several sources. */
  readonly joined: boolean;
  /** The columns were made by a pick or a script: which they are is not known. */
  readonly open: boolean;
  /** They were made from joined rows, so that the name of a source means nothing to them any more. */
  readonly mixed: boolean;
  readonly fields: ReadonlyMap<string, Field>;
  /** Of groups: the aggregates that are computed where they are made; later nodes add theirs. */
  readonly aggregates: BoundAggregate[] | undefined;
  /** True behind a watermark, for all rows. */
  readonly timed: boolean;
}

export function shapeOfSource(position: number): Shape {
  return {
    kind: "rows",
    sources: [position],
    joined: false,
    open: false,
    mixed: false,
    fields: new Map(),
    aggregates: undefined,
    timed: false,
  };
}

/** The shape of what several nodes of one kind bring together. */
export function mergedShape(shapes: readonly Shape[]): Shape {
  const [first, ...rest] = shapes as [Shape, ...Shape[]];
  if (rest.length === 0) return first;
  const fields = new Map<string, Field>();
  for (const shape of shapes) {
    for (const [name, field] of shape.fields) {
      const known = fields.get(name);
      const same = known === undefined ||
        (known.kind === "column" && field.kind === "column" && known.source === field.source);
      // Several streams have it: each row has its own.
      fields.set(name, same ? field : { kind: "column", source: -1 });
    }
  }
  return {
    ...first,
    sources: [...new Set(shapes.flatMap((shape) => shape.sources))],
    open: shapes.some((shape) => shape.open),
    mixed: shapes.some((shape) => shape.mixed),
    fields,
    timed: shapes.every((shape) => shape.timed),
  };
}

/** The shape of rows whose columns are made anew. */
export function remade(shape: Shape, kind: Shape["kind"] = shape.kind): Shape {
  return {
    ...shape,
    kind,
    joined: false,
    open: true,
    mixed: shape.mixed || shape.joined,
    fields: new Map(),
    aggregates: undefined,
  };
}

/** A shape in words, for messages. */
export function nameOf({ kind, joined }: Shape): string {
  if (kind === "rows") return "single rows";
  if (kind === "groups") return "a grouped list";
  return joined ? "a joined list" : "a list";
}
