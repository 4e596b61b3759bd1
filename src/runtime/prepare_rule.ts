/**
 * Everything a rule needs before it can run, checked: its plan, its source, its actions.
 * @module
 */
import type { Column } from "../codec/codec.ts";
import type { ConnectorList } from "../connector/connector_list.ts";
import type { CheckContext, SettingsSchema, SourceRole } from "../connector/declare.ts";
import { readSettings } from "../connector/settings.ts";
import { type Diagnostic, diagnostic, DiagnosticError, throwIfAny } from "../diagnostics/diagnostic.ts";
import type { FunctionSet } from "../sql/catalog.ts";
import { propsPath } from "../sql/graph/graph.ts";
import { type SourcePlan, sourcesOf, type StatementPlan } from "../sql/plan.ts";
import type { ConfigRegistry } from "./configs.ts";
import type { FeedOptions } from "./feed.ts";
import { type PreparedIntake, prepareIntake } from "./intake/prepare_intake.ts";
import {
  checkRole,
  type PreparedRole,
  readRoles,
  suggesting,
  takeCommon,
  unknownType,
  withoutOthers,
  withSettings,
} from "./prepare_role.ts";
import { prepareAction, type PreparedAction } from "./prepare_action.ts";
import { planRule } from "./plan_rule.ts";
import type { PolicyGuard } from "./policy_guard.ts";
import type { RuleDefinition } from "./rule_definition.ts";
import { type PreparedLookup, prepareLookup } from "./prepare_lookup.ts";
import type { OnFull } from "./rule_inlet.ts";
import type { Schemas } from "./schemas.ts";
import type { SecretReferences } from "./secret_references.ts";
import { sourceSettings } from "./source_settings.ts";
import type { StreamDefinition } from "./stream_definition.ts";
import { withSchema } from "./stream_schema.ts";
import { strictRows } from "./strict_rows.ts";

/** What preparation looks things up in. */
export interface RuleEnvironment {
  readonly connectors: ConnectorList;
  readonly configs: ConfigRegistry;
  readonly streams: { get(name: string): StreamDefinition | undefined; names(): string[] };
  /** Absent: formats that need a schema are refused. */
  readonly schemas?: Schemas;
  readonly functions: FunctionSet;
  /** IANA name, or `Local`. */
  readonly timezone: string;
  /** Columns are found without regard to case; see `PlanOptions`. */
  readonly ignoreCase?: boolean;
  readonly resolvePath?: CheckContext["resolvePath"];
  /** Who may read and write what; everybody everything when absent. */
  readonly policies?: PolicyGuard;
  /** Which secrets settings may refer to; any when absent. */
  readonly secrets?: Pick<SecretReferences, "check">;
  /** Settings of every action that does not set them itself. */
  readonly sinkDefaults?: Readonly<Record<string, unknown>>;
  /** The key for `encryption`. */
  readonly aesKey?: Uint8Array | undefined;
}

export interface PreparedSource extends PreparedRole, PreparedIntake {
  readonly stream: StreamDefinition;
  readonly role: SourceRole<SettingsSchema, never>;
  readonly createValidator: FeedOptions["createValidator"];
  /** What shall happen to its batches when a rule cannot follow; see `RuleInlet.whenFull`. */
  readonly onFull: OnFull | undefined;
}

/** A stream or scan table that a rule reads. */
export interface PreparedInput {
  readonly source: PreparedSource;
  /** Its positions in FROM: several when the statement joins a stream with itself. */
  readonly positions: readonly number[];
  /** The columns that the rule needs of it. */
  readonly columns: ReadonlySet<string> | "all";
}

export interface PreparedRule {
  readonly definition: RuleDefinition;
  readonly plan: StatementPlan;
  /** The statement, or the expressions of a graph: what the spans of the plan point into. */
  readonly text: string;
  /** Names of the definitions that it reads; those of the streams that a graph defines itself are not among them. */
  readonly reads: readonly string[];
  /** In the order of FROM. */
  readonly inputs: readonly PreparedInput[];
  /** Lookup tables that it joins with. */
  readonly lookups: readonly PreparedLookup[];
  readonly actions: readonly PreparedAction[];
}

/**
 * Checks a rule as a whole. It has no effect, so that it can be run again when a connector was not loaded.
 *
 * @throws {DiagnosticError} everything that is wrong with the SQL or the graph; else everything that is wrong with the
 * settings.
 * @throws {ConnectorNotLoaded} see {@linkcode ConnectorList.loading}
 */
export function prepareRule(definition: RuleDefinition, environment: RuleEnvironment): PreparedRule {
  const { plan, text, own } = planRule(definition, environment);
  const problems: Diagnostic[] = [];
  const collect = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      problems.push(...error.diagnostics);
      return undefined;
    }
  };
  const inputs: PreparedInput[] = [];
  const lookups: PreparedLookup[] = [];
  for (const [name, plans] of Map.groupBy(sourcesOf(plan.root), (source) => source.name)) {
    const stream = own.get(name) ?? withSchema(environment.streams.get(name)!, environment.schemas);
    checkTogether(definition, stream, problems);
    if (plans[0]!.schema.kind === "lookup_table") {
      const lookup = collect(() => prepareLookup(stream, environment));
      if (lookup !== undefined) lookups.push(lookup);
      continue;
    }
    const source = collect(() =>
      own.has(name) ? prepareSource(stream, environment, propsPath(name)) : sharedSource(stream, environment)
    );
    if (source === undefined) continue;
    inputs.push({ source, positions: plans.map((each) => each.position), columns: columnsOf(plans) });
  }
  const actions = definition.actions.map((action) => collect(() => prepareAction(action, environment)));
  throwIfAny(problems);
  const reads = plan.sources.filter((name) => !own.has(name));
  return { definition, plan, text, reads, inputs, lookups, actions: actions.filter((a) => a !== undefined) };
}

/** The columns that any of several readers of one stream needs. */
function columnsOf(plans: readonly SourcePlan[]): ReadonlySet<string> | "all" {
  const columns = new Set<string>();
  for (const plan of plans) {
    if (plan.columns === "all") return "all";
    for (const column of plan.columns) columns.add(column);
  }
  return columns;
}

function checkTogether(definition: RuleDefinition, stream: StreamDefinition, problems: Diagnostic[]): void {
  const { name, options } = stream;
  if (options.temp && !definition.temp) {
    problems.push(
      diagnostic("E303", `Stream "${name}" is temporary: only rules with "temp": true can read it`, { path: "temp" }),
    );
  }
  if (options.shared && definition.options.disableBufferFullDiscard) {
    problems.push(diagnostic("E303", `disableBufferFullDiscard cannot be used with the shared stream "${name}"`, {
      path: "options.disableBufferFullDiscard",
    }));
  }
}

/** What was prepared of a stream, and out of what. */
interface KnownSource {
  readonly environment: RuleEnvironment;
  readonly revision: number;
  readonly source: PreparedSource;
}

const knownSources = new WeakMap<StreamDefinition, KnownSource>();

/** Of the rules on a stream, the first one has it prepared for all, until settings change. */
function sharedSource(stream: StreamDefinition, environment: RuleEnvironment): PreparedSource {
  const { revision } = environment.configs;
  const known = knownSources.get(stream);
  if (known?.environment === environment && known.revision === revision) return known.source;
  const source = prepareSource(stream, environment);
  knownSources.set(stream, { environment, revision, source });
  return source;
}

/** @throws {DiagnosticError} E402 to E408 for what is wrong with the settings, E405 for the type. */
export function prepareSource(
  stream: StreamDefinition,
  environment: RuleEnvironment,
  path = `stream ${stream.name}`,
): PreparedSource {
  const { options } = stream;
  const connector = environment.connectors.find(options.type, "source") ??
    unknownType("source", options.type, environment.connectors, path);
  const role = connector.source as SourceRole<SettingsSchema, never>;
  const resolved = environment.configs.resolve("source", options.type, {
    confKey: options.confKey,
    extra: options.extra,
    own: withSettings(role.settings, options),
    path,
  });
  environment.secrets?.check(resolved.settings, path);
  // A confKey serves streams and lookup tables of a type alike.
  const own = [role.settings, connector.connection?.settings, sourceSettings];
  const meant = withoutOthers(resolved.settings, own, [connector.lookup?.settings]);
  const { common, rest } = takeCommon(meant, sourceSettings, connector, role.settings);
  const settings = suggesting(
    [sourceSettings, connector.connection?.settings],
    () => readRoles(connector, role.settings, rest, resolved.connection?.id, path, `${options.type} source`),
  );
  const checked = readSettings(sourceSettings, common, { path, where: `${options.type} source` });
  checkRole(role, settings.settings, environment, path);
  const intake = prepareIntake(stream, checked, emitsOf(role, settings.settings), path, environment.schemas);
  const columns: readonly Column[] | undefined = stream.columns?.map((c) => ({ name: c.name.name, type: c.type }));
  return {
    ...settings,
    connector,
    stream,
    role,
    ...(columns === undefined ? {} : { declared: columns.map(({ name, type }) => ({ name, kind: type.kind })) }),
    ...intake,
    createValidator: strictRows(stream, environment.timezone, () => Date.now()),
    onFull: checked.onFull,
  };
}

function emitsOf({ emits }: PreparedSource["role"], settings: unknown): "payloads" | "rows" {
  return typeof emits === "function" ? emits(settings as never) : emits;
}
