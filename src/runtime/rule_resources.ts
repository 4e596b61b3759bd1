/**
 * What a rule reads and writes, as policies see it.
 * @module
 */
import type { CheckContext, SettingsSchema } from "../connector/declare.ts";
import { dynamicNames } from "../connector/settings.ts";
import type { AccessKind, Resource } from "../policy/policy.ts";
import { isTemplate } from "../template/template.ts";
import type { PreparedAction } from "./prepare_action.ts";
import type { PreparedRole } from "./prepare_role.ts";
import type { PreparedRule } from "./prepare_rule.ts";

/** The part of a role that tells what its settings lead to. */
interface Reaching {
  readonly settings: SettingsSchema;
  reaches?(settings: never, context: CheckContext): Readonly<Record<string, unknown>>;
}

/** Of streams, tables and actions, in the order of the rule. */
export function resourcesOf(rule: PreparedRule, context: CheckContext): Resource[] {
  const inputs = [...rule.inputs.map(({ source }) => source), ...rule.lookups];
  return [
    ...inputs.map((input) => resourceOf("read", input, input.role, context, input.stream.name)),
    ...rule.actions.flatMap((action) => resourcesOfAction(action, context)),
  ];
}

export function resourcesOfAction(action: PreparedAction, context: CheckContext): Resource[] {
  const own = resourceOf("write", action, action.role, context);
  return action.resend === undefined ? [own] : [own, resourceOf("write", action.resend, action.role, context)];
}

export function resourceOf(
  access: AccessKind,
  { connector, settings, connection }: PreparedRole,
  role: Reaching,
  context: CheckContext,
  stream?: string,
): Resource {
  const own = settings as Record<string, unknown>;
  const dynamic = access === "write" ? dynamicNames(role.settings).filter((name) => holdsTemplate(own[name])) : [];
  return {
    access,
    connector: connector.name,
    ...(stream === undefined ? {} : { stream }),
    settings: { ...connection?.settings as object, ...own, ...role.reaches?.(own as never, context) },
    later: new Set(dynamic.map((name) => name.toLowerCase())),
  };
}

/** What a message with settings of its own is sent to. */
export function resourceOfMessage(
  resource: Resource,
  role: Reaching,
  own: Readonly<Record<string, unknown>>,
  context: CheckContext,
): Resource {
  const settings = { ...resource.settings, ...own };
  return { ...resource, settings: { ...settings, ...role.reaches?.(settings as never, context) }, later: new Set() };
}

function holdsTemplate(value: unknown): boolean {
  if (typeof value === "string") return isTemplate(value);
  return typeof value === "object" && value !== null && Object.values(value).some(holdsTemplate);
}
