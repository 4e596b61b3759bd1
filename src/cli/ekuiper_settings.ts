/**
 * The connector settings of an eKuiper, made fit for this agent: what is for connectors that it has not, and settings that no
 * connector knows, are left out, as eKuiper itself does, and told.
 * @module
 */
import { type EkuiperFolder, type EkuiperSection, readEkuiperFolder } from "../config/ekuiper_folder.ts";
import type { AgentConfig } from "../config/schema.ts";
import type { ConnectorList } from "../connector/connector_list.ts";
import type { Logger } from "../connector/context.ts";
import { acceptedNames } from "../connector/settings.ts";
import { type Diagnostic, DiagnosticError, throwIfAny } from "../diagnostics/diagnostic.ts";
import type { ConfigRole } from "../runtime/configs.ts";
import { connectorConfigs } from "../runtime/connector_configs.ts";
import type { CliContext } from "./command.ts";
import { configured } from "./configured.ts";

export interface NamedSections {
  readonly sources: EkuiperSection;
  readonly sinks: EkuiperSection;
  readonly connections: EkuiperSection;
}

const roles = { sources: "source", sinks: "sink", connections: "connection" } as const satisfies Record<
  keyof NamedSections,
  ConfigRole
>;

/** Settings that point at others; the registry takes them. */
const pointers = ["connectionselector", "resourceid"];

/** @throws {DiagnosticError} E403, E404 for values that are wrong, with their file. */
export async function ekuiperSettings(
  folder: EkuiperFolder,
  connectors: ConnectorList,
  log: Logger,
): Promise<NamedSections> {
  await connectors.load(Object.keys(roles).flatMap((section) => Object.keys(folder[section as keyof NamedSections])));
  const { types, schemasOf, check } = connectorConfigs(connectors);
  const mistakes: Diagnostic[] = [];
  const sections = { sources: {} as EkuiperSection, sinks: {} as EkuiperSection, connections: {} as EkuiperSection };
  for (const section of Object.keys(roles) as (keyof NamedSections)[]) {
    const role = roles[section];
    for (const [type, keys] of Object.entries(folder[section])) {
      const file = folder.files.get(`${section}/${type}`) ?? "";
      if (!types[role].includes(type)) {
        log.warn("Settings of eKuiper are for a connector that weir has not", { [role]: type, file });
        continue;
      }
      const known = new Set(schemasOf(role, type).flatMap((schema) => [...acceptedNames(schema)]));
      const kept: Record<string, Record<string, unknown>> = sections[section][type] = {};
      for (const [key, settings] of Object.entries(keys)) {
        kept[key] = Object.fromEntries(
          Object.entries(settings).filter(([name]) => {
            if (known.has(name.toLowerCase()) || pointers.includes(name.toLowerCase())) return true;
            log.warn("A setting of eKuiper is left out: no connector knows it", {
              [role]: type,
              key,
              setting: name,
              file,
            });
            return false;
          }),
        );
        try {
          check(role, type, kept[key]!, role !== "connection");
        } catch (error) {
          if (!(error instanceof DiagnosticError)) throw error;
          mistakes.push(...error.diagnostics.map((each) => ({ ...each, path: `${file}: ${key}.${each.path ?? ""}` })));
        }
      }
    }
  }
  throwIfAny(mistakes);
  return sections;
}

/** Settings of `above` win over those of `below` one by one. */
export function layered(below: NamedSections, above: NamedSections): NamedSections {
  const merged = (section: keyof NamedSections): EkuiperSection => {
    const result: EkuiperSection = structuredClone(below[section]);
    for (const [type, keys] of Object.entries(above[section])) {
      for (const [key, settings] of Object.entries(keys)) {
        const own = (result[type] ??= {})[key] ??= {};
        for (const [name, value] of Object.entries(settings)) {
          const same = Object.keys(own).find((each) => each.toLowerCase() === name.toLowerCase());
          if (same !== undefined) delete own[same];
          own[name] = value;
        }
      }
    }
    return result;
  };
  return { sources: merged("sources"), sinks: merged("sinks"), connections: merged("connections") };
}

/**
 * What files say of confKeys and connections: the configuration, and below it the folder of an eKuiper that it names.
 *
 * @throws {CliError} that shows what is wrong
 */
export async function namedSections(
  config: AgentConfig,
  connectors: ConnectorList,
  environment: CliContext["environment"],
  log: Logger,
): Promise<NamedSections> {
  const { ekuiperDir } = config;
  if (ekuiperDir === undefined) return config;
  return await configured(ekuiperDir, async () => {
    const folder = await readEkuiperFolder(ekuiperDir, environment);
    return layered(await ekuiperSettings(folder, connectors, log), config);
  });
}
