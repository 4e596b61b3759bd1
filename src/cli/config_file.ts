/**
 * `weir config check|show|defaults`: the configuration of an agent on this machine, without starting it.
 * @module
 */
import * as v from "valibot";
import { defaultDataDir } from "../config/default_data_dir.ts";
import { readEkuiperFolder } from "../config/ekuiper_folder.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { configSchema } from "../config/schema.ts";
import { writtenConfig } from "../config/written_config.ts";
import type { Logger } from "../connector/context.ts";
import { connectorConfigs } from "../runtime/connector_configs.ts";
import { mask, maskSecrets, type Settings } from "../runtime/secrets.ts";
import { checkNamedSettings } from "./check_named_settings.ts";
import { type Arguments, type CliContext, UsageError } from "./command.ts";
import { configured } from "./configured.ts";
import { ekuiperSettings, layered } from "./ekuiper_settings.ts";
import { readPem, readTls } from "./tls_files.ts";

export const configFileVerbs = ["check", "show", "defaults"] as const;

const warnings = (context: CliContext): Logger => {
  const log: Logger = {
    debug() {},
    info() {},
    warn: (message, fields) => context.stderr(`weir: ${message} ${JSON.stringify(fields)}\n`),
    error: (message, fields) => context.stderr(`weir: ${message} ${JSON.stringify(fields)}\n`),
    with: () => log,
  };
  return log;
};

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
  readTls(config);
  const { httpServerTls } = config.source;
  if (httpServerTls !== undefined) [httpServerTls.certfile, httpServerTls.keyfile].forEach(readPem);
  const { ekuiperDir } = config;
  if (ekuiperDir === undefined) return loaded;
  const sections = await configured(ekuiperDir, async () => {
    const folder = await readEkuiperFolder(ekuiperDir, environment);
    return layered(await ekuiperSettings(folder, connectors, warnings(context)), config);
  });
  return { ...loaded, config: { ...config, ...sections } };
}

/** Passwords in what a user has named are hidden. */
function shown({ properties, sources, sinks, connections, ...rest }: Record<string, unknown>): Settings {
  return { ...rest, ...maskSecrets({ properties, sources, sinks, connections }) };
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
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  if (verb === "defaults") {
    const config = v.parse(configSchema, {});
    await print(writtenConfig({ ...config, dataDir: defaultDataDir(context.environment).path }, mask), args, context);
    return 0;
  }
  const { config, file } = await readAll(args, context);
  if (verb === "check") {
    const whole = file ?? "Without a file, the configuration";
    context.stdout(`${whole} is as the agent wants it.\n`);
    return 0;
  }
  const dataDir = config.dataDir ?? defaultDataDir(context.environment).path;
  await print(shown(writtenConfig({ ...config, dataDir }, mask)), args, context);
  return 0;
}
