/**
 * The rules of an agent, as the admin interface and the CLI see them.
 * @module
 */
import type { Actor } from "../policy/actor.ts";
import type { ExplainedStep } from "./explain_tree.ts";
import type { RuleGuarantee } from "./guarantee.ts";
import type { WorkFigures } from "./limits/rule_work.ts";
import type { RowListener } from "./row_listener.ts";
import type { RuleLedger } from "./rule_ledger.ts";
import type { StatusNode } from "./rule_status.ts";

/** One line of `GET /rules`. */
export interface RuleSummary {
  readonly id: string;
  readonly name: string;
  /** A state name (`running`, `stopped`, `stopped by error` …). */
  readonly status: string;
  readonly version: string;
  readonly trace: boolean;
  readonly tags: readonly string[] | null;
}

/** `replace` makes the given tags the only ones. */
export type TagChange = "replace" | "add" | "remove";

/** What a rule forgets. */
export interface Resetting {
  /** Windows, counters and whatever else it has gathered. */
  readonly state: boolean;
  /** How far its sources have been read. */
  readonly positions: boolean;
}

/** The tags of a rule after a change, each once. */
export function changedTags(before: readonly string[], change: TagChange, tags: readonly string[]): string[] {
  if (change === "remove") return before.filter((tag) => !tags.includes(tag));
  return [...new Set(change === "add" ? [...before, ...tags] : tags)];
}

/** What `weir rule explain` shows. */
export interface RuleExplanation {
  readonly id: string;
  readonly state: string;
  /** Unix milliseconds; 0 for a rule that does not run. */
  readonly since: number;
  readonly guarantee: RuleGuarantee;
  readonly root: ExplainedStep;
}

/** What the metrics of the agent tell of a rule. */
export interface ObservedRule {
  readonly id: string;
  /** A state name, as in {@linkcode RuleSummary}. */
  readonly state: string;
  /** Of a rule that does not run none. */
  readonly nodes: readonly StatusNode[];
  /** Undefined for a rule that does not run. */
  readonly ledger: RuleLedger | undefined;
  /** Absent for a rule that does not run. */
  readonly work?: WorkFigures;
}

/**
 * Methods throw {@linkcode DiagnosticError}: E1xx to E5xx for what is wrong with the rule, E701 for an unknown id, E702
 * for one that exists, E703 for a text that is not a rule JSON, E704 for a bad id, E706 for a version refused, E709 for
 * what policies refuse `actor`, who is anybody when absent. A rule acts for whoever saved it last.
 */
export interface Rules {
  /** Sorted by id. */
  list(): RuleSummary[];
  /** Plans, stores and, unless `triggered` is false, starts a rule. Returns its id (generated when the JSON has none). */
  create(json: string, actor?: Actor): Promise<string>;
  /** Replaces or creates. A text that does not plan leaves the old rule running. */
  update(id: string, json: string, actor?: Actor): Promise<void>;
  /** Waits until the rule has stopped. */
  delete(id: string): Promise<void>;
  /** The JSON as it was given, passwords as `******`; given back to `update`, that keeps them. */
  get(id: string): string;
  /** Changes the tags, in the stored JSON too; the rule goes on running. */
  changeTags(id: string, change: TagChange, tags: readonly string[]): Promise<void>;
  /** Resolve when the command is done; commands for one rule run one after the other. */
  start(id: string): Promise<void>;
  stop(id: string): Promise<void>;
  restart(id: string): Promise<void>;
  /**
   * A clean start: forgets what is kept of the rule, but for messages that wait to be sent. A rule that shall run is
   * stopped before and started again after it.
   */
  reset(id: string, what: Resetting): Promise<void>;
  /**
   * Lets a source of a running rule begin elsewhere: at a position of its own making, or, with null, as at a first start.
   *
   * @throws {DiagnosticError} E703 for a rule that does not run or keeps no positions, or a stream without one; E705 for a
   * stream that it shares with other running rules.
   */
  resetSource(id: string, stream: string, position: string | null): Promise<void>;
  /** The status JSON of eKuiper 2.x: fixed keys first, then metrics in topology order. */
  status(id: string): Record<string, string | number>;
  /** `{"status","last_exception","exceptions_total"}` by id. */
  statusAll(): Record<string, { status: string; last_exception: string; exceptions_total: number }>;
  /** What became of every row and message, of the present run or the last one. */
  ledger(id: string): RuleLedger;
  /** All rules, one after the other: there may be thousands. */
  observe(): Iterable<ObservedRule>;
  /**
   * Begins to look at the rows of a running rule: its results as they go to the actions, or what a step gives, by its name
   * in the status, or a stream, by its name. Whoever asks has to close the listener.
   *
   * @throws {DiagnosticError} E703 for a rule that does not run or a step that there is not; E705 for too many listeners.
   */
  listen(id: string, step?: string, actor?: Actor): RowListener;
  /** Tells all who listen that the agent stops. */
  endListening(): void;
  /** Looks at running rules again after policies, roles or accounts have changed; stops those that may not run any more. */
  recheckPolicies(): Promise<void>;
  /** Checks a rule without storing it; the streams it reads. */
  validate(json: string, actor?: Actor): Promise<{ sources: string[] }>;
  /** One JSON object per plan node per line, children indented by one more tab. */
  explain(id: string): Promise<string>;
  /** The plan as a tree for people, with what each step of a running rule has done. */
  explainTree(id: string): Promise<RuleExplanation>;
  topo(id: string): { sources: string[]; edges: Record<string, string[]> };
  /** Ids of the rules that read a stream or table and are running. */
  usersOf(stream: string): string[];
}
