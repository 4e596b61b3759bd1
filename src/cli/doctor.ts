/**
 * `weir doctor`: looks at everything that an agent on this machine needs, whether or not one runs.
 * @module
 */
import process from "node:process";
import * as v from "valibot";
import { defaultDataDir } from "../config/default_data_dir.ts";
import { readEkuiperFolder } from "../config/ekuiper_folder.ts";
import { loadConfig } from "../config/load.ts";
import { type AgentConfig, configSchema } from "../config/schema.ts";
import type { Logger } from "../connector/context.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderError } from "../diagnostics/render.ts";
import { formatAddress } from "../platform/listen_error.ts";
import { ConfigRegistry } from "../runtime/configs.ts";
import { connectorConfigs } from "../runtime/connector_configs.ts";
import { SchemaRegistry } from "../runtime/schemas.ts";
import { StreamRegistry } from "../runtime/streams.ts";
import type { InspectedDatabase } from "../store/inspect_database.ts";
import { MemoryStore } from "../store/memory.ts";
import { checkNamedSettings } from "./check_named_settings.ts";
import { AgentClient, clientFlags } from "./client.ts";
import { type Arguments, type CliContext, type Command, type EngineModule, UsageError } from "./command.ts";
import { area, type Finding, type Verdict } from "./doctor/finding.ts";
import { inspectDevices, inspectMachine } from "./doctor/machine.ts";
import {
  agentFinding,
  type Answering,
  certificateFindings,
  connectionFindings,
  healthFindings,
  type Listened,
  portFinding,
  reachFindings,
  whoAnswers,
} from "./doctor/network.ts";
import { inspectStorage } from "./doctor/storage.ts";
import { checkPolicies } from "./policies.ts";
import { ekuiperSettings, layered, type NamedSections } from "./ekuiper_settings.ts";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

interface Configured {
  readonly config: AgentConfig;
  readonly sections: NamedSections;
  readonly findings: readonly Finding[];
}

/** With mistakes in it, what can be looked at without it is looked at with the defaults. */
async function configuration(args: Arguments, context: CliContext, { connectors }: EngineModule): Promise<Configured> {
  const { ok, problem } = area("configuration");
  const { environment } = context;
  const named = connectorConfigs(connectors);
  const file = args.text("config");
  let shown = file ?? "weir.yaml";
  let config = v.parse(configSchema, {});
  try {
    const loaded = await loadConfig({ file, environment, flags: [] });
    shown = loaded.file ?? "none, so everything is as it comes";
    config = loaded.config;
    await connectors.loading(() => checkNamedSettings(config, named, loaded.document));
    await checkPolicies(config, connectors, loaded.document);
    const { ekuiperDir } = config;
    if (ekuiperDir === undefined) return { config, sections: config, findings: [ok(shown)] };
    const folder = await readEkuiperFolder(ekuiperDir, environment);
    const sections = layered(await ekuiperSettings(folder, connectors, silent), config);
    return { config, sections, findings: [ok(shown), ok(`${ekuiperDir}, of an eKuiper`)] };
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return {
      config,
      sections: config,
      findings: [problem(renderError(error, shown), "weir serve refuses to start with it")],
    };
  }
}

/** Settings of files and of the database, as the agent would have them. */
function registryOf(sections: NamedSections, database: InspectedDatabase | undefined, { connectors }: EngineModule) {
  const store = new MemoryStore();
  for (const { kind, name, text } of database?.definitions ?? []) store.put(kind, name, text);
  return { store, configs: new ConfigRegistry({ store, file: sections, ...connectorConfigs(connectors) }) };
}

/** Values such as `/dev/ttyUSB0`, with who names them. */
function devicesIn(value: unknown, by: string, found: Map<string, string>): void {
  if (typeof value === "string") {
    const path = /^(?:[a-z]+:\/\/)?(\/dev\/[^?\s]+)/.exec(value)?.[1];
    if (path !== undefined) found.set(path, by);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, each] of Object.entries(value)) devicesIn(each, by === "" ? key : `${by}.${key}`, found);
  }
}

function devices(sections: NamedSections, database: InspectedDatabase | undefined): Finding[] {
  const found = new Map<string, string>();
  const { sources, sinks, connections } = sections;
  devicesIn({ sources, sinks, connections }, "", found);
  for (const { name, text } of database?.definitions ?? []) devicesIn(JSON.parse(text), name, found);
  return inspectDevices(found);
}

async function connections(
  answering: Answering,
  client: AgentClient,
  configured: Configured,
  database: InspectedDatabase | undefined,
  engineModule: EngineModule,
): Promise<Finding[]> {
  if (answering.kind === "weir") return await connectionFindings(client);
  const { store, configs } = registryOf(configured.sections, database, engineModule);
  const schemas = await SchemaRegistry.open(store);
  const streams = new StreamRegistry({ store, configs, schemas });
  const engine = await engineModule.create({
    store,
    streams,
    configs,
    schemas,
    config: configured.config,
    log: silent,
  });
  try {
    return await reachFindings(configs.connections(), async (id) => {
      const { type, settings } = configs.connections().find((each) => each.id === id)!;
      const role = (["source", "sink"] as const).find((each) => engineModule.connectors.has(type, each)) ?? "lookup";
      await engine.reach?.(role, type, settings);
    });
  } finally {
    await engine.close();
  }
}

/** The flags as they are, with the agent of the configuration where none is named. */
function clientOf(
  args: Arguments,
  context: CliContext,
  { listen, tls }: AgentConfig,
): { client: AgentClient; url: string } {
  const everywhere = listen.hostname === "0.0.0.0" ? "127.0.0.1" : listen.hostname === "::" ? "::1" : listen.hostname;
  const own = `${tls === undefined ? "http" : "https"}://${formatAddress(everywhere, listen.port)}`;
  const url = args.text("server") ?? (context.environment.WEIR_SERVER || own);
  const text = (name: string) => name === "server" ? url : args.text(name);
  return { client: new AgentClient({ ...args, text, flag: (name) => args.flag(name) }, context), url };
}

async function examine(args: Arguments, context: CliContext): Promise<Finding[]> {
  const now = Date.now();
  const engineModule = await context.loadEngine();
  const configured = await configuration(args, context, engineModule);
  const { config } = configured;
  const dataDir = args.text("data-dir") ?? config.dataDir ?? defaultDataDir(context.environment).path;
  const storage = inspectStorage(dataDir);
  const { client, url } = clientOf(args, context, config);
  const answering = await whoAnswers(client);
  const { httpServerIp, httpServerPort } = config.source;
  const ports: Listened[] = [
    { ...config.listen, what: "admin interface" },
    { hostname: httpServerIp, port: httpServerPort, what: "data server", sometimes: true },
  ];
  const files = [process.execPath, `${dataDir}/weir.db`, `${dataDir}/weir.db-wal`];
  const { environment } = context;
  return [
    ...configured.findings,
    agentFinding(answering, url, dataDir, storage.holder),
    ...await Promise.all(ports.map((port) => portFinding(port, answering))),
    ...certificateFindings(config, now),
    ...storage.findings,
    ...await inspectMachine({ timezone: config.timezone, environment, files, now }),
    ...devices(configured.sections, storage.database),
    ...(answering.kind === "weir" ? await healthFindings(client) : []),
    ...await connections(answering, client, configured, storage.database, engineModule),
  ];
}

const marks: Readonly<Record<Verdict, string>> = { ok: "ok", warning: "WARN", problem: "FAIL", skipped: "-" };

/** What is wrong has its hint below it. */
function tableOf(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map((finding) => finding.area.length));
  const indent = " ".repeat(4 + 2 + width + 2);
  return findings.map(({ area, verdict, found, hint }) => {
    const text = found.replaceAll("\n", `\n${indent}`);
    const more = hint === undefined ? "" : `${indent}${hint}\n`;
    return `${marks[verdict].padEnd(4)}  ${area.padEnd(width)}  ${text}\n${more}`;
  }).join("");
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const [extra] = args.positionals;
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  const findings = await examine(args, context);
  const problems = findings.filter(({ verdict }) => verdict === "problem").length;
  if (args.flag("json")) context.stdout(`${JSON.stringify({ ok: problems === 0, findings }, null, 2)}\n`);
  else context.stdout(`${tableOf(findings)}${problems === 0 ? "No problem was found.\n" : `Problems: ${problems}\n`}`);
  return problems === 0 ? 0 : 1;
}

export const doctor: Command = {
  usage: ["weir doctor [--config FILE] [--data-dir DIR] [--json]"],
  flags: {
    config: { type: "string", short: "c", value: "FILE", summary: "configuration; /etc/weir/weir.yaml when it exists" },
    "data-dir": { type: "string", value: "DIR", summary: "the data directory; that of the configuration" },
    server: { ...clientFlags.server, summary: "the agent; WEIR_SERVER, or where the configuration has it listen" },
    token: clientFlags.token,
    json: { type: "boolean", summary: "print the findings as JSON" },
  },
  details: `
Looks at the configuration, ports, clock, disk, permissions, database, time zones, device files, named connections and the
service, and changes nothing. To see all of it takes the user of the agent, or root. The exit code is 1 when there is
a problem; a warning (WARN) is none, and what could not be looked at is marked with -.`,
  run,
};
