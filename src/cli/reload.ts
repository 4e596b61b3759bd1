/**
 * Reads the configuration of a running agent again. Everything is checked first: what is wrong changes nothing.
 * @module
 */
import type { Authenticator } from "../auth/authenticator.ts";
import type { ConfigRegistry } from "../runtime/configs.ts";
import { changesOf, type ReloadChanges } from "../config/reload_table.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { AgentConfig } from "../config/schema.ts";
import type { Logger } from "../connector/context.ts";
import type { PolicyGuard } from "../runtime/policy_guard.ts";
import type { SecretReferences } from "../runtime/secret_references.ts";
import type { LiveConnections } from "../admin/connections.ts";
import type { Rules } from "../runtime/rules.ts";
import type { LogLevels } from "../telemetry/log_levels.ts";
import type { NamedSections } from "./ekuiper_settings.ts";
import type { ServerCertificates } from "./tls_files.ts";

/** What a reload reaches. */
export interface Reloadable {
  /** Reads and checks. @throws {DiagnosticError | CliError} what is wrong */
  readonly read: () => Promise<{ readonly loaded: LoadedConfig; readonly sections: NamedSections }>;
  readonly authRules: (config: AgentConfig) => Parameters<Authenticator["replaceRules"]>[0];
  readonly levels: LogLevels;
  readonly authenticator: Authenticator;
  readonly policies: PolicyGuard;
  readonly secrets: SecretReferences;
  readonly configs: ConfigRegistry;
  readonly certificates: ServerCertificates;
  readonly rules: Rules;
  readonly live: LiveConnections | undefined;
  /** Whose content is what web pages' origins are compared with. */
  readonly origins: string[];
  readonly auth: { openMetrics: boolean };
  readonly log: Logger;
}

export class Reloader {
  readonly #parts: Reloadable;
  #present: AgentConfig;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(present: AgentConfig, parts: Reloadable) {
    this.#present = present;
    this.#parts = parts;
  }

  /** The settings that differed, by what became of them. One reload after the other. */
  reload(): Promise<ReloadChanges> {
    const result = this.#queue.then(() => this.#reload());
    this.#queue = result.catch(() => {});
    return result;
  }

  async #reload(): Promise<ReloadChanges> {
    const { read, certificates, log } = this.#parts;
    const { loaded: { config }, sections } = await read();
    // The last that may fail, and what fails here has changed nothing of it.
    for (const keeper of [certificates.admin, certificates.data]) keeper?.reload();
    const changes = changesOf(this.#present, config);
    await this.#apply(config, sections);
    // What wants a restart is still as it was.
    this.#present = { ...config, ...restartOnly(this.#present, changes) };
    log.info("The configuration was read again", {
      now: changes.now.join(","),
      later: changes.later.join(","),
      restart: changes.restart.join(","),
    });
    return changes;
  }

  async #apply(config: AgentConfig, sections: NamedSections): Promise<void> {
    const { levels, authenticator, authRules, policies, secrets, configs, rules, live, origins, auth } = this.#parts;
    levels.base = config.log.level;
    levels.configure(config.log.levels);
    origins.splice(0, origins.length, ...config.cors.allowOrigins);
    auth.openMetrics = config.auth.openMetrics;
    const { tls } = this.#present;
    const clientRoles = config.tls?.clientRoles ?? [];
    authenticator.replaceRules(authRules({ ...config, tls: tls === undefined ? undefined : { ...tls, clientRoles } }));
    secrets.replace(config.secrets, sections);
    const before = new Map(configs.connections().map(({ id, ...rest }) => [id, JSON.stringify(rest)]));
    configs.replaceFile(sections);
    policies.replace(config.policies);
    await rules.recheckPolicies();
    const after = new Map(configs.connections().map(({ id, ...rest }) => [id, JSON.stringify(rest)]));
    for (const id of new Set([...before.keys(), ...after.keys()])) {
      // One that rules use goes on as it is until they have all stopped.
      if (before.get(id) !== after.get(id) && (live?.usersOf(id) ?? []).length === 0) await live?.changed(id);
    }
  }
}

/** The top-level sections in which something waits for a restart, as they were. */
function restartOnly(before: AgentConfig, { restart }: ReloadChanges): Partial<AgentConfig> {
  const sections = [...new Set(restart.map((path) => path.split(".")[0] as keyof AgentConfig))];
  return Object.fromEntries(sections.map((section) => [section, before[section]]));
}
