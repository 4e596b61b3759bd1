/**
 * Random statements and rows, from a seed: small pools of values, so that ties, nulls and mismatches are common.
 * @module
 */
import { setOwn, type Struct, type Value } from "../../src/value/value.ts";
import type { SeededRandom } from "../../src/value/seeded_random.ts";

/** What CREATE STREAM says of the columns of {@linkcode StatementGenerator.typedRow}. */
export const declaredColumns = "a BIGINT, b FLOAT, k STRING, s STRING, t BOOLEAN, x FLOAT, l ARRAY(FLOAT), " +
  "m STRUCT(k FLOAT, s STRING, l ARRAY(FLOAT)), nosuch FLOAT, ts BIGINT";

export class StatementGenerator {
  readonly #random: SeededRandom;
  /** Aliases that may be used where the text stands now. */
  #aliases: string[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  #chance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }

  // ---- rows

  row(): Struct {
    const r = this.#random;
    const row: Struct = {};
    const set = (name: string, value: () => Value) => {
      const luck = r.below(10);
      if (luck === 0) return;
      setOwn(row, name, luck === 1 ? null : value());
    };
    const number = (): Value => (this.#chance(30) ? BigInt(r.below(7) - 3) : (r.below(13) - 6) / 2);
    set("a", number);
    set("b", number);
    set("k", () => r.pick<Value>(["x", "y", 1, 1n, "1", true, 2.5]));
    set("s", () => r.pick(["", "a", "b", "ab", "a%", "A", "1"]));
    set("t", () => this.#chance(50));
    set("x", () => r.pick<Value>([1, 1n, "a", true, 0, [1, 2], { k: 1 }]));
    set("l", () => Array.from({ length: r.below(4) }, () => (this.#chance(15) ? null : number())));
    set("m", () => ({ k: number(), s: r.pick(["a", "b"]), l: [number()] }));
    return row;
  }

  /** A row of {@linkcode declaredColumns}: every value of its type, null, or absent. */
  typedRow(): Struct {
    const r = this.#random;
    const row: Struct = {};
    const set = (name: string, value: () => Value) => {
      const luck = r.below(10);
      if (luck > 0) row[name] = luck === 1 ? null : value();
    };
    const float = (): Value => (r.below(13) - 6) / 2;
    set("a", () => BigInt(r.below(7) - 3));
    set("b", float);
    set("k", () => r.pick(["x", "y", "1"]));
    set("s", () => r.pick(["", "a", "b", "ab", "a%"]));
    set("t", () => this.#chance(50));
    set("x", float);
    set("l", () => Array.from({ length: r.below(4) }, () => (this.#chance(15) ? null : float())));
    set("m", () => ({ k: float(), s: r.pick(["a", "b"]), l: [float()] }));
    return row;
  }

  // ---- expressions

  #number(depth: number): string {
    const r = this.#random;
    if (depth <= 0 || this.#chance(25)) {
      return r.pick(["a", "b", "a", "b", "m->k", "m.k", "l[0]", "l[-1]", "1", "2", "0", "0.5", "3.0", "(-2)", "x"]);
    }
    const n = () => this.#number(depth - 1);
    switch (r.below(9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.#wrap(`${n()} ${r.pick(["+", "-", "*", "/", "%", "+", "*"])} ${n()}`);
      case 4:
        return `abs(${n()})`;
      case 5:
        return `coalesce(${n()}, ${n()})`;
      case 6:
        return `CASE WHEN ${this.#condition(depth - 1)} THEN ${n()}${this.#chance(60) ? ` ELSE ${n()}` : ""} END`;
      case 7:
        return this.#wrap(`${r.pick(["1", "2", "5", "x"])} ${r.pick(["&", "|", "^"])} ${r.pick(["3", "a", "1"])}`);
      default:
        return this.#alias() ?? r.pick(["lag(b)", "latest(b)", "a"]);
    }
  }

  #text(depth: number): string {
    const r = this.#random;
    if (depth <= 0 || this.#chance(70)) return r.pick(["s", "s", "m->s", "'a'", '"ab"', "x"]);
    return `CASE s WHEN 'a' THEN ${this.#text(depth - 1)} WHEN ${this.#text(0)} THEN 'b' END`;
  }

  #condition(depth: number): string {
    const r = this.#random;
    if (depth <= 0 || this.#chance(10)) {
      return r.pick(["t", "a > 1", "b <= a", "isnull(a)", "s = 'a'", "true", "false"]);
    }
    const c = () => this.#condition(depth - 1);
    const n = () => this.#number(depth - 1);
    const not = () => (this.#chance(40) ? "NOT " : "");
    switch (r.below(11)) {
      case 0:
      case 1:
      case 2:
        return this.#wrap(`${c()} ${r.pick(["AND", "OR"])} ${c()}`);
      case 3:
      case 4:
        return this.#wrap(`${n()} ${r.pick(["=", "!=", "<", "<=", ">", ">="])} ${n()}`);
      case 5:
        return this.#wrap(`${this.#text(depth - 1)} ${r.pick(["=", "!=", "<", ">="])} ${this.#text(depth - 1)}`);
      case 6:
        return this.#wrap(`${n()} ${not()}IN ${r.pick([`(${n()}, 1, 2.5)`, "l", "(1, 2, 0.5, 3)", `(${n()})`])}`);
      case 7:
        return this.#wrap(`${n()} ${not()}BETWEEN (${n()}) AND (${n()})`);
      case 8:
        return this.#wrap(`${this.#text(1)} ${not()}LIKE ${r.pick(["'a%'", "'%b'", "'_'", "'a\\\\%'", "s"])}`);
      case 9:
        return `isnull(${r.pick([n(), "x", "nosuch", "m->none", this.#text(1)])})`;
      default:
        return r.pick(["t ^ true", "x = 1", "had_changed(true, b)", "t = false", "x", "s IN ('a', 'b', '1')"]);
    }
  }

  #wrap(text: string): string {
    return this.#chance(85) ? `(${text})` : text;
  }

  #alias(): string | undefined {
    return this.#aliases.length === 0 ? undefined : this.#random.pick(this.#aliases);
  }

  #item(index: number, expression: string): string {
    const alias = this.#chance(10) ? "a" : `c${index}`;
    return `${expression} AS ${alias}`;
  }

  // ---- statements

  /** Filter and project, no window. */
  single(): string {
    this.#aliases = [];
    const items: string[] = [];
    const names = new Set<string>();
    for (let i = 0; i <= this.#random.below(4); i++) {
      const luck = this.#random.below(10);
      const item = luck === 0
        ? this.#random.pick(["a", "s", "nosuch", "l"])
        : this.#item(i, luck < 5 ? this.#number(3) : luck < 8 ? this.#condition(3) : this.#text(2));
      const name = / AS (\w+)$/.exec(item)?.[1] ?? item;
      if (names.has(name)) continue;
      names.add(name);
      if (luck > 0) this.#aliases.push(name);
      items.push(item);
    }
    if (this.#chance(15)) items.push("*");
    const where = this.#chance(70) ? ` WHERE ${this.#condition(4)}` : "";
    return `SELECT ${items.join(", ")} FROM demo${where}`;
  }

  #aggregate(): string {
    const arg = this.#chance(70) ? this.#random.pick(["a", "b", "a", "m->k"]) : this.#number(1);
    return this.#random.pick([
      "count(*)",
      `count(${arg})`,
      `sum(${arg})`,
      `avg(${arg})`,
      `max(${arg})`,
      `min(${this.#chance(80) ? arg : "s"})`,
      `collect(${arg})`,
      `last_value(${arg}, true)`,
      `last_value(${arg}, false)`,
    ]);
  }

  #aggregateNumber(): string {
    return this.#random.pick(["count(*)", "count(a)", "sum(a)", "max(b)", "avg(a)", "min(a)"]);
  }

  /** A tumbling window, with or without groups and aggregates. */
  windowed(): string {
    const r = this.#random;
    this.#aliases = [];
    const aggregated = this.#chance(70);
    const keys = this.#chance(50) ? [r.pick(["k", "t", "s", "a % 2", "a > b", "k", "isnull(a)"])] : [];
    if (keys.length > 0 && this.#chance(30)) keys.push(r.pick(["s", "t", "b"]));
    const items = ["window_start() AS ws"];
    if (this.#chance(50)) items.push("window_end() AS we");
    if (this.#chance(40)) items.push(r.pick(["a", "k", "s"]));
    if (!aggregated && this.#chance(30)) items.push("*");
    if (this.#chance(40)) items.push(`${this.#number(1)} AS n0`);
    for (let i = 0; aggregated && i <= r.below(3); i++) {
      items.push(`${this.#chance(80) ? this.#aggregate() : `${this.#aggregateNumber()} + 1`} AS g${i}`);
    }
    const dimensions = [...keys, `TUMBLINGWINDOW(${r.pick(["ss, 5", "ss, 2", "ss, 7", "ms, 1500", "ss, 90"])})`];
    if (this.#chance(30)) dimensions.reverse();
    const conditions = [this.#condition(2)];
    if (this.#chance(20)) conditions.push(`a ${r.pick([">=", "<"])} ${r.pick(["avg(a)", "count(*)"])}`);
    if (this.#chance(30)) conditions.reverse();
    const where = this.#chance(50) ? ` WHERE ${conditions.join(" AND ")}` : "";
    const having = this.#chance(25)
      ? ` HAVING ${this.#aggregateNumber()} ${r.pick([">", "<=", "!="])} ${r.pick(["1", "2", "0.5"])}`
      : "";
    const sortKeys = [r.pick(["a", "b", "s", "k", keys.length > 0 ? "count(*)" : "a"])];
    if (this.#chance(30)) sortKeys.push("b");
    const orderBy = this.#chance(40)
      ? ` ORDER BY ${sortKeys.map((key) => key + r.pick(["", " DESC", " ASC"])).join(", ")}`
      : "";
    const limit = this.#chance(15) ? ` LIMIT ${r.below(3)}` : "";
    return `SELECT ${items.join(", ")} FROM demo${where} GROUP BY ${dimensions.join(", ")}${having}${orderBy}${limit}`;
  }
}
