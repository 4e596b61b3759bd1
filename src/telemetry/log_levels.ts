/**
 * From which level on the log says something, for all of the agent and for parts of it, changed while it runs.
 *
 * A part is called by the fields of its lines: `rule.r1`, `connector.mqtt`, `stream.demo`. A pattern with `*` names several;
 * of those that fit, the longest counts, and of one line's parts that which says most.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { LogFields, LogLevel } from "../connector/context.ts";

export interface ShownLevel {
  /** `rule.r1`, `connector.*`. */
  readonly module: string;
  readonly level: LogLevel;
  /** Unix milliseconds; absent for one that stays. */
  readonly until?: number;
}

interface Override {
  readonly level: LogLevel;
  readonly pattern: RegExp;
  readonly until?: number;
  readonly timer?: ReturnType<typeof setTimeout>;
  /** What it goes back to. */
  readonly lasting?: Override | undefined;
}

/** The fields by which parts are called. */
export const moduleFields = ["rule", "connector", "stream", "table", "trial"] as const;
/** `rule.` and a name, which may hold stars. */
export const moduleShape = new RegExp(`^(${moduleFields.join("|")})\\.[^\\s]{1,256}$`);
export const overridesMax = 1_000;

const order: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export class LogLevels {
  #base: LogLevel;
  readonly #overrides = new Map<string, Override>();
  readonly #now: () => number;

  /** @param modules those of the configuration */
  constructor(base: LogLevel, modules: Readonly<Record<string, LogLevel>> = {}, now: () => number = Date.now) {
    this.#base = base;
    this.#now = now;
    for (const [module, level] of Object.entries(modules)) this.set(module, level);
  }

  get base(): LogLevel {
    return this.#base;
  }

  set base(level: LogLevel) {
    this.#base = level;
  }

  /** Those of the configuration, in the place of all that stay; what was set for some time goes back to them. */
  configure(modules: Readonly<Record<string, LogLevel>>): void {
    const passing = this.list().filter(({ until }) => until !== undefined);
    for (const { module } of this.list()) this.remove(module);
    for (const [module, level] of Object.entries(modules)) this.set(module, level);
    for (const { module, level, until } of passing) this.set(module, level, Math.max(1, until! - this.#now()));
  }

  /** By name. */
  list(): ShownLevel[] {
    return [...this.#overrides].map(([module, { level, until }]) => ({
      module,
      level,
      ...(until === undefined ? {} : { until }),
    })).sort((a, b) => a.module < b.module ? -1 : 1);
  }

  /** @param forMs After so long it goes back by itself to what it was before; it stays when absent. */
  set(module: string, level: LogLevel, forMs?: number): void {
    const before = this.#overrides.get(module);
    clearTimeout(before?.timer);
    const pattern = patternOf(module);
    if (forMs === undefined) {
      this.#overrides.set(module, { level, pattern });
      return;
    }
    const lasting = before?.until === undefined ? before : before.lasting;
    const timer = setTimeout(() => {
      if (lasting === undefined) this.#overrides.delete(module);
      else this.#overrides.set(module, lasting);
    }, forMs);
    timer.unref();
    this.#overrides.set(module, { level, pattern, until: this.#now() + forMs, timer, lasting });
  }

  /** True when there was one. */
  remove(module: string): boolean {
    clearTimeout(this.#overrides.get(module)?.timer);
    return this.#overrides.delete(module);
  }

  get count(): number {
    return this.#overrides.size;
  }

  /** Whether a line is written. */
  admits(level: LogLevel, scope: LogFields, fields: LogFields = {}): boolean {
    if (this.#overrides.size === 0) return order[level] >= order[this.#base];
    const own = moduleFields.flatMap((field) => {
      const name = fields[field] ?? scope[field];
      return name === undefined ? [] : [this.#levelOf(`${field}.${name}`)];
    }).filter((each) => each !== undefined);
    const lowest = own.length === 0 ? order[this.#base] : Math.min(...own.map((each) => order[each]));
    return order[level] >= lowest;
  }

  #levelOf(module: string): LogLevel | undefined {
    let [length, found]: [number, LogLevel | undefined] = [-1, undefined];
    for (const [name, { pattern, level }] of this.#overrides) {
      if (name.length > length && pattern.test(module)) [length, found] = [name.length, level];
    }
    return found;
  }
}

function patternOf(module: string): RegExp {
  const parts = module.split(/\*+/).map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^]*")}$`, "u");
}
