/**
 * `weir config check|show|defaults`: the configuration of an agent on this machine, without starting it.
 * @module
 */
import * as v from "valibot";
import { defaultDataDir } from "../config/default_data_dir.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { type AgentConfig, configSchema, secretSettings } from "../config/schema.ts";
import { formatAddress } from "../platform/listen_error.ts";
import { connectorConfigs } from "../runtime/connector_configs.ts";
import { mask, maskSecrets, type Settings } from "../runtime/secrets.ts";
import { createLog } from "../telemetry/log.ts";
import { checkNamedSettings } from "./check_named_settings.ts";
import { checkPolicies } from "./policies.ts";
import { type Arguments, type CliContext, UsageError } from "./command.ts";
import { configured } from "./configured.ts";
import { namedSections } from "./ekuiper_settings.ts";
import { checkTracingFiles, openCertificates } from "./tls_files.ts";

export const configFileVerbs = ["check", "show", "defaults"] as const;

/**
 * What a file with all of these settings would hold, secrets hidden. Durations are milliseconds.
 */
function written({ listen: { hostname, port }, dataDir, ...rest }: AgentConfig): Settings {
  const text: Settings = structuredClone({ listen: formatAddress(hostname, port), dataDir, ...rest });
  for (const path of secretSettings) {
    const steps = path.split(".");
    const name = steps.pop()!;
    const section = steps.reduce<unknown>((at, step) => (at as Settings)[step], text) as Settings;
    if (section[name] !== undefined) section[name] = mask;
  }
  const { properties, sources, sinks, connections, ...others } = text;
  return { ...others, ...maskSecrets({ properties, sources, sinks, connections }) };
}

/** Reads all that `weir serve` would read before it starts. @throws {CliError} everything that it would refuse. */
async function readAll(args: Arguments, context: CliContext): Promise<LoadedConfig> {
  const { environment } = context;
  const file = args.text("config");
  const loaded = await configured(
    file ?? environment.WEIR_CONFIG,
    () => loadConfig({ file, environment, flags: [] }),
  );
  const { connectors } = await context.loadEngine();
  const named = connectorConfigs(connectors);
  const { config, document } = loaded;
  await configured(loaded.file, () => named.loading(() => checkNamedSettings(config, named, document)));
  await configured(loaded.file, () => checkPolicies(config, connectors, document));
  checkTracingFiles(config);
  const log = createLog({ level: "warn", format: "human", write: context.stderr });
  await configured(loaded.file, () => openCertificates(config, log));
  return { ...loaded, config: { ...config, ...await namedSections(config, connectors, environment, log) } };
}

async function print(settings: Record<string, unknown>, args: Arguments, context: CliContext): Promise<void> {
  if (args.flag("json")) return context.stdout(`${JSON.stringify(settings)}\n`);
  const { stringify } = await import("yaml");
  context.stdout(stringify(settings, { lineWidth: 0 }));
}

export async function runConfigFile(
  verb: typeof configFileVerbs[number],
  args: Arguments,
  context: CliContext,
): Promise<number> {
  const [, extra] = args.positionals;
  const isFile = verb !== "defaults" && (extra !== undefined || args.text("file") !== undefined);
  if (isFile) throw new UsageError(`weir config ${verb} takes its file as -c FILE`);
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  const { path } = defaultDataDir(context.environment);
  if (verb === "defaults") {
    await print(written({ ...v.parse(configSchema, {}), dataDir: path }), args, context);
    return 0;
  }
  const { config, file } = await readAll(args, context);
  if (verb === "check") {
    const whole = file ?? "Without a file, the configuration";
    context.stdout(`${whole} is as the agent wants it.\n`);
    return 0;
  }
  await print(written({ ...config, dataDir: config.dataDir ?? path }), args, context);
  return 0;
}
