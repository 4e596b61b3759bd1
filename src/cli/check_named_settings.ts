/**
 * Checks what the schema of the configuration cannot, when the agent starts: confKeys and connections against the
 * connectors, and whether the defaults of actions go together.
 * @module
 */
import type { AgentConfig } from "../config/schema.ts";
import type { YamlDocument } from "../config/yaml_document.ts";
import { readSettings } from "../connector/settings.ts";
import { type Diagnostic, diagnostic, DiagnosticError, throwIfAny } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { ConfigRole } from "../runtime/configs.ts";
import type { connectorConfigs } from "../runtime/connector_configs.ts";
import { cacheSettings, checkCache } from "../runtime/durable/cache_settings.ts";

const sections = [["sources", "source"], ["sinks", "sink"], ["connections", "connection"]] as const satisfies readonly (
  readonly [keyof AgentConfig, ConfigRole]
)[];

/** @throws {DiagnosticError} E405 for unknown types, E402 to E404 for settings, with their places in the file. */
export function checkNamedSettings(
  config: AgentConfig,
  connectors: ReturnType<typeof connectorConfigs>,
  document: YamlDocument | undefined,
): void {
  const mistakes: Diagnostic[] = [];

  function report(found: Diagnostic, path: readonly string[], part: "key" | "value"): void {
    const span = document?.place(path, part);
    mistakes.push({ ...found, path: path.join("."), ...(span === undefined ? {} : { span }) });
  }

  function check(role: ConfigRole, path: readonly string[], type: string, settings: Record<string, unknown>): void {
    try {
      connectors.check(role, type, settings, role !== "connection");
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      for (const found of error.diagnostics) {
        const inner = (found.path ?? "").split(".").filter((step) => step !== "");
        report(found, [...path, ...inner], found.code === "E402" ? "key" : "value");
      }
    }
  }

  for (const [section, role] of sections) {
    for (const [type, keys] of Object.entries(config[section])) {
      const known = connectors.types[role];
      if (known.includes(type)) {
        for (const [key, settings] of Object.entries(keys)) check(role, [section, type, key], type, settings);
      } else {
        const hint = didYouMean(type, known);
        const unknown = diagnostic("E405", `Unknown ${role} type "${type}"`, hint === undefined ? {} : { hint });
        report(unknown, [section, type], "key");
      }
    }
  }
  try {
    checkCache(readSettings(cacheSettings, config.sink, { path: "sink", where: "section sink" }), "sink");
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    for (const found of error.diagnostics) report(found, ["sink"], "key");
  }
  throwIfAny(mistakes, document?.text);
}
