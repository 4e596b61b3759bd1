/**
 * A small real implementation of `Rules` for tests of the admin interface: rules are parsed, planned as far as their
 * streams go, kept and commanded, but nothing flows.
 * @module
 */
import { parseShallow } from "../../src/codec/json_parse.ts";
import { diagnostic, DiagnosticError, fail } from "../../src/diagnostics/diagnostic.ts";
import { requireName } from "../../src/runtime/names.ts";
import { type RowListener, RowListeners } from "../../src/runtime/row_listener.ts";
import { emptyLedger, type RuleLedger } from "../../src/runtime/rule_ledger.ts";
import {
  changedTags,
  type ObservedRule,
  type Resetting,
  type RuleExplanation,
  type Rules,
  type RuleSummary,
  type TagChange,
} from "../../src/runtime/rules.ts";
import type { StreamRegistry } from "../../src/runtime/streams.ts";
import { versionAllows } from "../../src/runtime/streams.ts";
import { parseSelect } from "../../src/sql/parse.ts";

interface RuleJson {
  readonly id?: string;
  readonly name?: string;
  readonly sql?: string;
  readonly version?: string;
  readonly tags?: string[];
  readonly triggered?: boolean;
  readonly actions?: Record<string, unknown>[];
}

interface Entry {
  readonly text: string;
  readonly rule: RuleJson;
  readonly source: string;
  status: "running" | "stopped";
}

const sinks = ["log", "mqtt", "nop"];

export class MemoryRules implements Rules {
  readonly #streams: StreamRegistry;
  readonly #rules = new Map<string, Entry>();
  #generated = 0;
  /** What was asked of `reset` and `resetSource`. */
  readonly resets: unknown[] = [];
  /** Of all rules. */
  readonly listeners = new RowListeners();

  constructor(streams: StreamRegistry) {
    this.#streams = streams;
  }

  list(): RuleSummary[] {
    return [...this.#rules.keys()].sort().map((id) => {
      const { rule, status } = this.#rules.get(id)!;
      const { name = "", version = "", tags = null } = rule;
      return { id, name, status, version, trace: false, tags };
    });
  }

  create(json: string): Promise<string> {
    return Promise.resolve().then(() => {
      const entry = this.#plan(json);
      const id = entry.rule.id ?? `rule_${++this.#generated}`;
      requireName(id);
      if (this.#rules.has(id)) fail("E702", `rule ${id} already exists`);
      this.#rules.set(id, entry);
      return id;
    });
  }

  update(id: string, json: string): Promise<void> {
    return Promise.resolve().then(() => {
      const entry = this.#plan(json);
      if (entry.rule.id !== undefined && entry.rule.id !== id) {
        fail("E703", "invalid rule json: RuleId is not consistent with rule id.");
      }
      const before = this.#rules.get(id)?.rule.version ?? "";
      const next = entry.rule.version ?? "";
      if (this.#rules.has(id) && !versionAllows(before, next)) {
        fail("E706", `rule ${id} already exists with version (${before}), new version (${next}) is lower`);
      }
      this.#rules.set(id, entry);
    });
  }

  delete(id: string): Promise<void> {
    return Promise.resolve().then(() => {
      this.#require(id);
      this.#rules.delete(id);
    });
  }

  get(id: string): string {
    return this.#require(id).text;
  }

  changeTags(id: string, change: TagChange, tags: readonly string[]): Promise<void> {
    return Promise.resolve().then(() => {
      const entry = this.#require(id);
      const rule = { ...entry.rule, tags: changedTags(entry.rule.tags ?? [], change, tags) };
      this.#rules.set(id, { ...entry, rule, text: JSON.stringify(rule) });
    });
  }

  start(id: string): Promise<void> {
    return Promise.resolve().then(() => {
      this.#require(id).status = "running";
    });
  }

  stop(id: string): Promise<void> {
    return Promise.resolve().then(() => {
      this.#require(id).status = "stopped";
    });
  }

  restart(id: string): Promise<void> {
    return this.start(id);
  }

  reset(id: string, { state, positions }: Resetting): Promise<void> {
    return Promise.resolve().then(() => {
      this.#require(id);
      this.resets.push([id, state, positions]);
    });
  }

  resetSource(id: string, stream: string, position: string | null): Promise<void> {
    return Promise.resolve().then(() => {
      if (this.#require(id).source !== stream) fail("E703", `Rule ${id} does not read a stream "${stream}"`);
      this.resets.push([id, stream, position]);
    });
  }

  status(id: string): Record<string, string | number> {
    const { status, source } = this.#require(id);
    return { status, message: "", lastStartTimestamp: 0, [`source_${source}_0_records_in_total`]: 0 };
  }

  statusAll(): Record<string, { status: string; last_exception: string; exceptions_total: number }> {
    return Object.fromEntries(
      this.list().map(({ id, status }) => [id, { status, last_exception: "", exceptions_total: 0 }]),
    );
  }

  validate(json: string): Promise<{ sources: string[] }> {
    return Promise.try(() => ({ sources: [this.#plan(json).source] }));
  }

  explain(id: string): Promise<string> {
    return Promise.try(() => {
      const { source } = this.#require(id);
      return `{"op":"ProjectPlan_0","info":"Fields:[ * ]"}\n\t{"op":"DataSourcePlan_1","info":"StreamName: ${source}"}\n`;
    });
  }

  explainTree(id: string): Promise<RuleExplanation> {
    return Promise.try(() => {
      const { source, status } = this.#require(id);
      const stream = { step: "stream", does: `${source}: all columns`, inputs: [] };
      const guarantee = { level: "at-most-once", survives: "nothing", limits: [] } as const;
      return { id, state: status, since: 0, guarantee, root: { step: "select", does: "*", inputs: [stream] } };
    });
  }

  ledger(id: string): RuleLedger {
    this.#require(id);
    return emptyLedger(id);
  }

  listen(id: string): RowListener {
    if (this.#require(id).status !== "running") fail("E703", `Rule ${id} does not run`);
    return this.listeners.toResults();
  }

  recheckPolicies(): Promise<void> {
    return Promise.resolve();
  }

  endListening(): void {
    this.listeners.end("the agent stops");
  }

  *observe(): Iterable<ObservedRule> {
    for (const { id, status } of this.list()) yield { id, state: status, nodes: [], ledger: undefined };
  }

  topo(id: string): { sources: string[]; edges: Record<string, string[]> } {
    const { source, status } = this.#require(id);
    if (status !== "running") fail("E703", `Rule ${id} has not been started`);
    return { sources: [`source_${source}`], edges: { [`source_${source}`]: ["op_2_decoder"] } };
  }

  usersOf(stream: string): string[] {
    return [...this.#rules].filter(([, { source, status }]) => source === stream && status === "running").map(([id]) =>
      id
    );
  }

  #plan(json: string): Entry {
    let rule: RuleJson;
    try {
      rule = parseShallow(json) as RuleJson;
    } catch (error) {
      fail("E703", `invalid rule json: ${(error as Error).message}`);
    }
    const sql = rule?.sql ?? fail("E703", "invalid rule json: Rule has neither sql nor graph.");
    const { from } = parseSelect(sql);
    const source = from.name.name;
    if (this.#streams.get(source) === undefined) {
      throw new DiagnosticError([diagnostic("E201", `fail to get stream ${source}`, { span: from.name.span })], sql);
    }
    for (const type of (rule.actions ?? []).flatMap((action) => Object.keys(action))) {
      if (!sinks.includes(type)) fail("E405", `unknown sink ${type}`, { path: `actions.0.${type}` });
    }
    return { text: json, rule, source, status: rule.triggered === false ? "stopped" : "running" };
  }

  #require(id: string): Entry {
    return this.#rules.get(id) ?? fail("E701", `no rule ${id}`);
  }
}
