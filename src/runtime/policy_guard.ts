/**
 * Asks the policies before a rule runs, and again before each message that says by itself where it goes.
 *
 * A rule acts for whoever saved it last, with the role that he has now: whose account is gone may do nothing where there
 * are policies.
 * @module
 */
import type { CheckContext } from "../connector/declare.ts";
import { ItemsFailed } from "../connector/errors.ts";
import type { MessageSettings, PayloadSink, RowSink } from "../connector/sink.ts";
import { type Diagnostic, diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
import { type Actor, actorText } from "../policy/actor.ts";
import { Policies, type PolicyText, type Refusal, type Resource } from "../policy/policy.ts";
import type { PreparedAction } from "./prepare_action.ts";
import type { PreparedRule } from "./prepare_rule.ts";
import { resourceOf, resourceOfMessage, resourcesOf } from "./rule_resources.ts";

export interface PolicyGuardOptions {
  readonly policies: readonly PolicyText[];
  /** The role that somebody has now; undefined when there is no such account any more. */
  readonly roleOf?: (actor: Actor) => string | undefined;
  readonly resolvePath?: CheckContext["resolvePath"];
  /** Told of messages that are refused: those of rules and requests fail by themselves. */
  readonly onRefusedMessage?: (rule: string, actor: Actor, message: string) => void;
}

export class PolicyGuard {
  readonly #options: PolicyGuardOptions;
  readonly #context: CheckContext;
  #policies: Policies;

  constructor(options: PolicyGuardOptions) {
    this.#options = options;
    this.#policies = new Policies(options.policies);
    this.#context = options.resolvePath === undefined ? {} : { resolvePath: options.resolvePath };
  }

  /** Others from now on; rules that run are to be checked again. */
  replace(policies: readonly PolicyText[]): void {
    this.#policies = new Policies(policies);
  }

  /** @throws {DiagnosticError} E709, all that `actor` may not do of what the rule does */
  checkRule(actor: Actor, rule: PreparedRule): void {
    if (this.#policies.isEmpty) return;
    this.check(actor, resourcesOf(rule, this.#context));
  }

  /** @throws {DiagnosticError} E709 when `actor` may not read what the rule reads */
  checkReading(actor: Actor, rule: PreparedRule): void {
    if (this.#policies.isEmpty) return;
    this.check(actor, resourcesOf(rule, this.#context).filter(({ access }) => access === "read"));
  }

  /** @throws {DiagnosticError} E709 */
  check(actor: Actor, resources: readonly Resource[]): void {
    const problems = resources.flatMap((resource): Diagnostic[] => {
      const refusal = this.#refusal(actor, resource);
      return refusal === undefined ? [] : [diagnostic("E709", refusal.message, { hint: refusal.hint })];
    });
    if (problems.length > 0) throw new DiagnosticError(problems);
  }

  #refusal(actor: Actor, resource: Resource): Refusal | undefined {
    if (this.#policies.isEmpty) return undefined;
    const role = (this.#options.roleOf ?? ((each) => each.role))(actor);
    if (role === undefined) {
      return { message: `${actorText(actor)} is no more`, hint: "let somebody else save the rule" };
    }
    return this.#policies.refusal({ ...actor, role }, resource);
  }

  /** The sink as it is when nothing of its messages differs in where they go; else one that looks at each. */
  guarding<Sink extends PayloadSink | RowSink>(sink: Sink, action: PreparedAction, rule: string, actor: Actor): Sink {
    const resource = resourceOf("write", action, action.role, this.#context);
    if (resource.later.size === 0) return sink;
    const write = sink.write.bind(sink) as Write;
    const refused = (own: MessageSettings): string | undefined => {
      let message: string | undefined;
      try {
        message = this.#refusal(actor, resourceOfMessage(resource, action.role, own, this.#context))?.message;
      } catch (error) {
        // Such as a path that is not allowed at all.
        if (!(error instanceof DiagnosticError)) throw error;
        message = error.message;
      }
      if (message === undefined) return undefined;
      this.#options.onRefusedMessage?.(rule, actor, message);
      return `policy: ${message}`;
    };
    let last: Allowed | undefined;
    const guarded: Write = (batch, signal, ids, settings, traceparents) => {
      if (this.#policies.isEmpty || settings === undefined) return write(batch, signal, ids, settings, traceparents);
      const failed = new Map<number, string>();
      for (const [index, own] of settings.entries()) {
        const reason = refused(own);
        if (reason !== undefined) failed.set(index, reason);
      }
      if (failed.size === 0) return write(batch, signal, ids, settings, traceparents);
      // A sink that was interrupted knows a batch again by its arrays: they are the same at each try.
      const indexes = [...failed.keys()].join();
      if (last?.batch !== batch || last.refused !== indexes) {
        last = allowedOf({ batch, ids, settings, traceparents }, failed, indexes);
      }
      return writeOthers(write, last, signal, failed);
    };
    return { write: guarded, close: () => sink.close() } as PayloadSink & RowSink as Sink;
  }
}

/** That of either kind of sink. */
type Write = (
  batch: readonly unknown[],
  signal: AbortSignal,
  ids?: readonly string[],
  settings?: readonly MessageSettings[],
  traceparents?: readonly (string | undefined)[],
) => Promise<void>;

interface Written {
  readonly batch: readonly unknown[];
  readonly ids: readonly string[] | undefined;
  readonly settings: readonly MessageSettings[];
  readonly traceparents: readonly (string | undefined)[] | undefined;
}

/** The part of a batch that may be sent. */
interface Allowed {
  /** The whole batch. */
  readonly batch: readonly unknown[];
  /** Indexes of those that are refused. */
  readonly refused: string;
  /** Indexes, in the batch, of `written`. */
  readonly kept: readonly number[];
  readonly written: Written;
}

function allowedOf(whole: Written, failed: ReadonlyMap<number, string>, refused: string): Allowed {
  const kept = [...whole.batch.keys()].filter((index) => !failed.has(index));
  const of = <T>(all: readonly T[]) => kept.map((index) => all[index]!);
  const some = <T>(all: readonly T[] | undefined) => all === undefined ? undefined : of(all);
  const { batch, ids, settings, traceparents } = whole;
  const written = { batch: of(batch), ids: some(ids), settings: of(settings), traceparents: some(traceparents) };
  return { batch, refused, kept, written };
}

/** Writes the messages that may be sent, and fails the others. */
async function writeOthers(
  write: Write,
  { kept, written: { batch, ids, settings, traceparents } }: Allowed,
  signal: AbortSignal,
  refused: ReadonlyMap<number, string>,
): Promise<never> {
  const failed = new Map(refused);
  if (kept.length > 0) {
    try {
      await write(batch, signal, ids, settings, traceparents);
    } catch (error) {
      if (!(error instanceof ItemsFailed)) throw error;
      for (const [index, reason] of error.failed) failed.set(kept[index]!, reason);
    }
  }
  throw new ItemsFailed(new Map([...failed].sort(([a], [b]) => a - b)));
}
