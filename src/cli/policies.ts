/**
 * The policies of an agent: checked against the connectors, and put together with accounts, paths and the audit trail.
 * @module
 */
import type { Auditor } from "../audit/auditor.ts";
import type { Accounts } from "../auth/accounts.ts";
import type { AgentConfig } from "../config/schema.ts";
import type { YamlDocument } from "../config/yaml_document.ts";
import type { ConnectorList } from "../connector/connector_list.ts";
import type { Logger } from "../connector/context.ts";
import { acceptedNames } from "../connector/settings.ts";
import { type Diagnostic, diagnostic, throwIfAny } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { type Actor, actorText } from "../policy/actor.ts";
import type { AccessKind, ResourcePattern } from "../policy/policy.ts";
import { PolicyGuard } from "../runtime/policy_guard.ts";
import { realPathOf } from "../runtime/real_path.ts";
import { pathResolver } from "../runtime/resolve_path.ts";

/** What is known of every source or sink, whether or not it is a setting. */
const common = ["connector", "stream", "topic", "path", "url"];

/**
 * A pattern with a name that its connector does not know would never fit: a `deny` would deny nothing.
 *
 * @throws {DiagnosticError} E405 for unknown connectors, E402 for unknown settings, with their places in the file.
 */
export async function checkPolicies(
  { policies }: Pick<AgentConfig, "policies">,
  connectors: ConnectorList,
  document: YamlDocument | undefined,
): Promise<void> {
  const mistakes: Diagnostic[] = [];
  const report = (code: "E402" | "E405", message: string, path: readonly string[], hint: string | undefined) => {
    const span = document?.place(path, code === "E402" ? "key" : "value");
    mistakes.push(diagnostic(code, message, {
      path: path.join("."),
      ...(hint === undefined ? {} : { hint }),
      ...(span === undefined ? {} : { span }),
    }));
  };
  for (const [i, policy] of policies.entries()) {
    for (const effect of ["allow", "deny"] as const) {
      for (const access of ["read", "write"] as const) {
        for (const [n, pattern] of (policy[effect]?.[access] ?? []).entries()) {
          const path = ["policies", String(i), effect, access, String(n)];
          const { connector } = pattern;
          if (typeof connector !== "string" || /[*?]/.test(connector)) continue;
          const known = access === "read"
            ? [...connectors.names("source"), ...connectors.names("lookup")]
            : connectors.names("sink");
          if (!known.includes(connector)) {
            report("E405", `Unknown ${access === "read" ? "source" : "sink"} type "${connector}"`, [
              ...path,
              "connector",
            ], didYouMean(connector, known));
            continue;
          }
          await connectors.load([connector]);
          const names = [...common, ...settingNames(connectors, connector, access)];
          for (const name of unknownNames(pattern, names)) {
            report("E402", `Unknown setting "${name}" of ${connector}`, [...path, name], didYouMean(name, names));
          }
        }
      }
    }
  }
  throwIfAny(mistakes, document?.text);
}

function settingNames(connectors: ConnectorList, type: string, access: AccessKind): string[] {
  const roles = access === "read" ? ["source", "lookup"] as const : ["sink"] as const;
  return roles.flatMap((role) => {
    const connector = connectors.find(type, role);
    const schemas = [connector?.[role]?.settings, connector?.connection?.settings];
    return schemas.flatMap((schema) => schema === undefined ? [] : [...acceptedNames(schema)]);
  });
}

function unknownNames(pattern: ResourcePattern, names: readonly string[]): string[] {
  return Object.keys(pattern).filter((name) => !names.includes(name.toLowerCase().split(".")[0]!));
}

export interface GuardParts {
  readonly config: Pick<AgentConfig, "policies">;
  readonly accounts: Accounts;
  readonly directory: string | undefined;
  readonly auditor: Auditor;
  readonly log: Logger;
}

export function policyGuard({ config, accounts, directory, auditor, log }: GuardParts): PolicyGuard {
  const resolvePath = directory === undefined ? undefined : pathResolver(directory);
  return new PolicyGuard({
    policies: config.policies,
    roleOf: (actor) => roleOf(actor, accounts),
    // A link must not lead around a policy.
    ...(resolvePath === undefined ? {} : { resolvePath: (path) => realPathOf(resolvePath(path)) }),
    onRefusedMessage(rule, actor, message) {
      log.warn("A message was refused by a policy", { rule, reason: message });
      auditor.refuse({
        action: "message",
        actor: actorText(actor),
        role: actor.role,
        subject: `rule ${rule}`,
        reason: message,
      });
    },
  });
}

/** Accounts may have changed since; others are known by what they said of themselves. */
function roleOf({ kind, name, role }: Actor, accounts: Accounts): string | undefined {
  if (kind === "token" && name === "admin-token") return role;
  return kind === "user" || kind === "token" ? accounts.roleOf(kind, name) : role;
}
