/**
 * `weir serve`: puts store, configuration, engine and admin interface together and runs until it is asked to stop.
 * @module
 */
import process from "node:process";
import { createAdmin } from "../admin/app.ts";
import { auditHealth } from "../admin/audit.ts";
import { managedHealth } from "../admin/managed.ts";
import { certificateHealth } from "../admin/certificate_health.ts";
import { storageHealth } from "../admin/storage_health.ts";
import { Auditor } from "../audit/auditor.ts";
import type { AdminHandler } from "../admin_server/admin_handler.ts";
import { Accounts } from "../auth/accounts.ts";
import { Authenticator, type AuthRules } from "../auth/authenticator.ts";
import { defaultDataDir } from "../config/default_data_dir.ts";
import type { Override } from "../config/environment.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { type AgentConfig, dataServerPortDefault } from "../config/schema.ts";
import type { Logger } from "../connector/context.ts";
import { formatAddress } from "../platform/listen_error.ts";
import { HttpDataServer } from "../data_server/data_server.ts";
import type { HttpServer, Platform } from "../platform/platform.ts";
import { FootprintKeeper } from "../platform/footprint.ts";
import { journalLine, writesToJournal } from "../platform/journal.ts";
import { ServiceNotifier } from "../platform/notify.ts";
import { version } from "../platform/version.ts";
import { systemClock } from "../runtime/clock.ts";
import { ConfigRegistry } from "../runtime/configs.ts";
import { connectorConfigs } from "../runtime/connector_configs.ts";
import { DataTransfer, type TransferTarget } from "../runtime/data_transfer.ts";
import { KeyedStates } from "../runtime/keyed_states.ts";
import { addressGuard } from "../runtime/private_network.ts";
import type { PolicyGuard } from "../runtime/policy_guard.ts";
import { SchemaRegistry } from "../runtime/schemas.ts";
import { functions } from "../sql/functions/registry.ts";
import { SecretReferences } from "../runtime/secret_references.ts";
import type { Settings } from "../runtime/secrets.ts";
import { StreamRegistry } from "../runtime/streams.ts";
import { Uploads } from "../runtime/uploads.ts";
import type { ManagedRules, StoredText } from "../managed/managed_rules.ts";
import { MemoryStore } from "../store/memory.ts";
import { openStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { createLog } from "../telemetry/log.ts";
import { LogLevels } from "../telemetry/log_levels.ts";
import { checkNamedSettings } from "./check_named_settings.ts";
import {
  type Arguments,
  type CliContext,
  type Command,
  type Engine,
  type EngineModule,
  UsageError,
} from "./command.ts";
import { Reloader } from "./reload.ts";
import { checkPolicies, policyGuard } from "./policies.ts";
import { type NamedSections, namedSections } from "./ekuiper_settings.ts";
import { configured } from "./configured.ts";
import { systemInfo } from "./system_info.ts";
import {
  checkTracingFiles,
  openCertificates,
  reportsOf,
  type ServerCertificates,
  watchCertificates,
} from "./tls_files.ts";

/** Everything must have ended by then; the service manager would kill weir soon after. */
const shutdownMsMax = 9_000;
const requestGraceMs = 1_000;

const flagSettings: readonly (readonly [string, readonly string[]])[] = [
  ["listen", ["listen"]],
  ["data-dir", ["dataDir"]],
  ["rules-dir", ["rulesDir"]],
  ["log-level", ["log", "level"]],
];

function overrides(args: Arguments): Override[] {
  return flagSettings.flatMap(([flag, path]) => {
    const value = args.text(flag);
    return value === undefined ? [] : [{ path, value, origin: `--${flag}` }];
  });
}

function readConfig(args: Arguments, context: CliContext): Promise<LoadedConfig> {
  const file = args.text("config");
  const { environment } = context;
  return configured(file, () => loadConfig({ file, environment, flags: overrides(args) }));
}

function openLog(config: AgentConfig, context: CliContext, levels: LogLevels): Logger {
  const { format } = config.log;
  return createLog({
    level: levels,
    format: format === "auto" ? (context.isTerminal.stderr ? "human" : "logfmt") : format,
    write: writesToJournal(context.environment)
      ? (line, level) => context.stderr(journalLine(line, level))
      : context.stderr,
  });
}

interface AgentParts {
  readonly secrets: SecretReferences;
  readonly policies: PolicyGuard;
  readonly engineModule: EngineModule;
  readonly config: AgentConfig;
  readonly named: ReturnType<typeof connectorConfigs>;
  readonly sections: NamedSections;
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** An agent in memory to try definitions on; its rules never run. */
async function emptyAgent(
  { engineModule, config, named, sections, policies, secrets }: AgentParts,
  stored: readonly StoredText[] = [],
): Promise<TransferTarget & { close(): Promise<void> }> {
  const store = new MemoryStore();
  for (const { kind, name, text } of stored) store.put(kind, name, text);
  const configs = new ConfigRegistry({ store, file: sections, permits: permitting(secrets), ...named });
  const schemas = await SchemaRegistry.open(store);
  const streams = new StreamRegistry({ store, configs, schemas });
  const engine = await engineModule.create({
    store,
    streams,
    configs,
    schemas,
    config,
    policies,
    secrets,
    log: silent,
  });
  return { store, configs, streams, schemas, rules: engine.rules, close: () => engine.close() };
}

function permitting(secrets: SecretReferences): (settings: Settings) => void {
  return (settings) => secrets.check(settings, "");
}

function authRules({ auth, tls }: AgentConfig): AuthRules {
  const { mode, adminToken, keysDir, audience } = auth;
  return {
    mode,
    checksCertificates: tls?.clientCaFile !== undefined,
    clientRoles: tls?.clientRoles ?? [],
    ...(adminToken === undefined ? {} : { adminToken }),
    ...(keysDir === undefined ? {} : { tokens: { keysDir, audience } }),
  };
}

function tellWhoMayAsk({ auth, tls, listen: { hostname } }: AgentConfig, isFresh: boolean, log: Logger): void {
  const isOpen = !isLoopback(hostname) && tls?.clientCaFile === undefined;
  if (auth.mode === "off" && isOpen) log.warn("everybody who reaches this address may change rules", { hostname });
  else if (isFresh && isOpen) {
    log.warn("only requests from this machine are taken until there is an account", {
      hostname,
      hint: "weir user add NAME --role admin",
    });
  }
}

function chooseDataDir(config: AgentConfig, context: CliContext, log: Logger): string {
  if (config.dataDir !== undefined) return config.dataDir;
  const { path, reason } = defaultDataDir(context.environment);
  if (reason !== undefined) log.info("using a data directory of the user", { path, reason });
  return path;
}

/** It listens only while a rule needs it. */
function createDataServer(
  config: AgentConfig,
  { data }: ServerCertificates,
  origins: readonly string[],
  log: Logger,
): HttpDataServer {
  const { httpServerIp, httpServerPort } = config.source;
  const isPort = httpServerPort >= 1 && httpServerPort <= 65_535;
  if (!isPort) {
    const port = dataServerPortDefault;
    log.warn("source.httpServerPort is no port, so the data server takes another", { given: httpServerPort, port });
  }
  const dataServer = new HttpDataServer({
    hostname: httpServerIp,
    port: isPort ? httpServerPort : dataServerPortDefault,
    ...(data === undefined ? {} : { tls: data.current }),
    bodyBytesMax: config.limits.requestBodyBytesMax,
    allowOrigins: origins,
    clock: systemClock,
    log,
  });
  data?.onChange((pair) => dataServer.renew(pair));
  return dataServer;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || hostname.startsWith("127.");
}

/** Whoever is on this machine is trusted with the engine's own server, which is small; all others meet one with limits. */
async function serveAdmin(
  { listen, limits }: AgentConfig,
  platform: Platform,
  keeper: ServerCertificates["admin"],
  handler: AdminHandler,
): Promise<HttpServer> {
  const options = { ...listen, maxBodyBytes: limits.requestBodyBytesMax };
  if (keeper === undefined && isLoopback(listen.hostname)) return await platform.serve(options, handler);
  const { serveAdmin } = await import("../admin_server/admin_server.ts");
  const server = await serveAdmin({ ...options, ...(keeper === undefined ? {} : { tls: keeper.current }) }, handler);
  keeper?.onChange((pair) => server.setTls(pair));
  return server;
}

/** A promise that the first signal, or a call of `request`, resolves; the second signal ends the process at once. */
function terminationOf(platform: Platform, log: Logger) {
  const { promise, resolve } = Promise.withResolvers<string>();
  let asked = false;
  const stopListening = platform.onTerminate((signal) => {
    if (asked) platform.exit(signal === "SIGTERM" ? 143 : 130);
    asked = true;
    log.info("stopping", { signal });
    resolve(signal);
  });
  return {
    requested: promise,
    request: (reason = "request") => {
      asked = true;
      resolve(reason);
    },
    stopListening,
  };
}

/** An agent that cannot tell how it is runs nevertheless. */
function tellService(log: Logger, tell: () => void): void {
  try {
    tell();
  } catch (error) {
    log.warn("the service manager cannot be told", { error: (error as Error).message });
  }
}

interface Running {
  readonly engine: Engine;
  readonly store: Store;
  readonly server: HttpServer | undefined;
  readonly dataServer: HttpDataServer;
  /** Called when nothing runs any more, and the store is still open. */
  readonly ended: () => void;
}

/** Stops taking requests, then rules, then the store, and delivery with it. True when all of it ended in time. */
async function shutDown({ server, dataServer, engine, store, ended }: Running, log: Logger): Promise<boolean> {
  const work = (async () => {
    // Their requests would not end by themselves.
    engine.rules.endListening();
    await server?.close(requestGraceMs);
    await engine.close();
    await dataServer.closed();
    ended();
    store.close();
    return true;
  })();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), shutdownMsMax);
  });
  try {
    const ended = await Promise.race([work, timeout]);
    if (!ended) log.error("stopped before every rule had ended", { waitedMs: shutdownMsMax });
    return ended;
  } catch (error) {
    log.error("stopping failed", { error: (error as Error).stack ?? String(error) });
    return false;
  } finally {
    clearTimeout(timer);
  }
}

interface ReadParts {
  readonly engineModule: EngineModule;
  readonly named: ReturnType<typeof connectorConfigs>;
  readonly log: Logger;
}

/** The configuration as it is now, checked as at a start. */
async function readAgain(args: Arguments, context: CliContext, { engineModule, named, log }: ReadParts) {
  const file = args.text("config");
  const loaded = await loadConfig({ file, environment: context.environment, flags: overrides(args) });
  const { config, document } = loaded;
  await named.loading(() => checkNamedSettings(config, named, document));
  await checkPolicies(config, engineModule.connectors, document);
  const sections = await namedSections(config, engineModule.connectors, context.environment, log);
  return { loaded, sections };
}

/** Nobody waits for an answer: the log and the audit trail have it. */
async function reloadBySignal(reloader: Reloader, auditor: Auditor, log: Logger): Promise<void> {
  try {
    const { now, later, restart } = await reloader.reload();
    const subject = [...now, ...later].join(", ");
    const waiting = restart.length === 0 ? "" : `${restart.join(", ")} want a restart`;
    auditor.record({ action: "reload", actor: "machine SIGHUP", subject, reason: waiting });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.error("The configuration was not read again: it is as before", { reason });
    auditor.record({ action: "reload", actor: "machine SIGHUP", outcome: "failed", reason });
  }
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const [extra] = args.positionals;
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  const { platform } = context;
  const { config, file, document } = await readConfig(args, context);
  const levels = new LogLevels(config.log.level, config.log.levels);
  const log = openLog(config, context, levels);
  checkTracingFiles(config);
  const certificates = await configured(file, () => openCertificates(config, log));
  const origins = [...config.cors.allowOrigins];
  const dataServer = createDataServer(config, certificates, origins, log);
  const engineModule = await context.loadEngine();
  // Loading has touched most of what is needed once only; without this, the peak of the whole life would be here.
  platform.trimMemory();
  const named = connectorConfigs(engineModule.connectors);
  await configured(file, () => named.loading(() => checkNamedSettings(config, named, document)));
  await configured(file, () => checkPolicies(config, engineModule.connectors, document));
  const sections = await namedSections(config, engineModule.connectors, context.environment, log);
  const { store: opened, delivery, audit: trail, notices } = openStore(chooseDataDir(config, context, log));
  for (const { code, message, hint } of notices) log.error(message, { code, hint });

  const secrets = new SecretReferences(config.secrets, context.environment, sections);
  const termination = terminationOf(platform, log);
  let stopHangup = () => {};
  let store = opened;
  let unfollow: (() => void) | undefined;
  let engine: Engine | undefined;
  let server: HttpServer | undefined;
  const footprint = new FootprintKeeper(platform);
  const auditor = new Auditor({ trail, log, ...(config.audit.keep === 0 ? {} : { keepMs: config.audit.keep }) });
  const service = new ServiceNotifier(context.environment, process.pid, platform.sendDatagram);
  service.keepAlive();
  try {
    const accounts = new Accounts(opened);
    const policies = policyGuard({ config, accounts, directory: opened.directory, auditor, log });
    const parts = { engineModule, config, named, sections, policies, secrets };
    let managed: ManagedRules | undefined;
    if (config.rulesDir !== undefined) {
      const [{ managedFolder }, { guardedStore }] = await Promise.all([
        import("./managed_folder.ts"),
        import("../managed/guarded_store.ts"),
      ]);
      const folder = managedFolder(config.rulesDir, opened, (stored) => emptyAgent(parts, stored), auditor, log);
      await folder.apply();
      store = guardedStore(opened, (key) => folder.fileOf(key));
      managed = folder;
    }
    const configs = new ConfigRegistry({ store, file: sections, permits: permitting(secrets), ...named });
    const schemas = await SchemaRegistry.open(store);
    for (const name of schemas.unreadable) log.error("stored definition cannot be read", { schema: name });
    const streams = new StreamRegistry({ store, configs, schemas });
    for (const { name, target, error } of streams.unreadable) {
      log.error("stored definition cannot be read", { [target]: name, error: error.message });
    }
    const refusesAddress = addressGuard(config.network);
    const uploads = store.directory === undefined
      ? undefined
      : new Uploads({ directory: store.directory, refusesAddress });
    engine = await engineModule.create({
      store,
      delivery,
      streams,
      configs,
      schemas,
      config,
      policies,
      secrets,
      log,
      dataServer,
      version,
    });
    const { rules } = engine;
    accounts.onChange = () => void rules.recheckPolicies();
    let isReady = false;
    const authenticator = new Authenticator(accounts, authRules(config));
    const auth = { authenticator, accounts, openMetrics: config.auth.openMetrics };
    const reloader = new Reloader(config, {
      read: () => readAgain(args, context, { engineModule, named, log }),
      authRules,
      levels,
      authenticator,
      policies,
      secrets,
      configs,
      certificates,
      rules,
      live: engine.live,
      origins,
      auth,
      log,
    });
    stopHangup = platform.onHangup({
      reload: () => void reloadBySignal(reloader, auditor, log),
      end: () => termination.request("SIGHUP"),
    });
    const app = createAdmin({
      auth,
      reload: () => reloader.reload(),
      audit: { auditor, trail },
      rules: engine.rules,
      streams,
      configs,
      states: new KeyedStates(store),
      schemas: { schemas, directory: store.directory },
      transfer: {
        transfer: new DataTransfer(
          { store, configs, streams, schemas, uploads, rules: engine.rules, isManaged: managed !== undefined },
          () => emptyAgent(parts),
        ),
        directory: store.directory,
        refusesAddress,
      },
      ...(uploads === undefined ? {} : { uploads }),
      ...(managed === undefined ? {} : { managed }),
      settings: {
        timezone: config.timezone,
        setLogLevel(level = config.log.level) {
          log.info("The level of the log changes", { from: levels.base, to: level });
          levels.base = level;
        },
        levels,
      },
      log,
      info: systemInfo(config.reportedVersion, platform),
      certificates: () => reportsOf(certificates),
      ready: () => isReady,
      health: [
        storageHealth({
          directory: store.directory,
          notices,
          unreadable: [...schemas.unreadable, ...streams.unreadable.map(({ name }) => name)],
        }),
        auditHealth(auditor),
        ...(managed === undefined ? [] : [managedHealth(managed)]),
        certificateHealth(() => reportsOf(certificates)),
      ],
      stop: () => termination.request(),
      allowOrigins: origins,
      loopbackOnly: isLoopback(config.listen.hostname),
      maxBodyBytes: config.limits.requestBodyBytesMax,
      ...(engine.deadLetters === undefined ? {} : { deadLetters: engine.deadLetters }),
      ...(engine.trials === undefined ? {} : {
        trials: {
          trials: engine.trials,
          port: () => dataServer.address?.port ?? config.source.httpServerPort,
        },
      }),
      ...(engine.traces === undefined ? {} : { traces: engine.traces }),
      ...(engine.live === undefined ? {} : { live: engine.live }),
      ...(engine.wantedColumns === undefined ? {} : { wantedColumns: engine.wantedColumns }),
      ...(engine.newestRow === undefined ? {} : { newestRow: engine.newestRow }),
      ...(engine.reach === undefined ? {} : { reach: engine.reach }),
      connectors: engineModule.connectors,
      functions,
    });
    server = await serveAdmin(config, platform, certificates.admin, async (request, peer) => {
      // A new rule loads and compiles much at once.
      if (request.method !== "GET") footprint.makeRoom();
      const response = await app.fetch(request, { ...peer });
      footprint.look();
      return response;
    });
    auditor.start(version);
    tellWhoMayAsk(config, authenticator.isFresh, log);
    await engine.start?.();
    if (managed !== undefined) {
      const { followFolder } = await import("./managed_folder.ts");
      unfollow = followFolder(managed, { engine, streams, configs }, log);
      // What changed while the rules started.
      await managed.apply();
    }
    void Promise.resolve(engine.whenStarted?.()).then(() => {
      isReady = true;
      tellService(log, () => service.ready(`weir ${version} runs`));
    });
    const scheme = certificates.admin === undefined ? "http" : "https";
    context.stdout(`weir ${version} ready on ${scheme}://${formatAddress(server.hostname, server.port)}\n`);
    footprint.start();
    watchCertificates(certificates, "start");
    const reason = await termination.requested;
    tellService(log, () => service.stopping());
    unfollow?.();
    footprint.stop();
    return await shutDown({ engine, server, dataServer, store, ended: () => auditor.stop(reason) }, log) ? 0 : 1;
  } catch (error) {
    await server?.close(0);
    await engine?.close();
    store.close();
    throw error;
  } finally {
    unfollow?.();
    footprint.stop();
    watchCertificates(certificates, "stop");
    service.end();
    stopHangup();
    termination.stopListening();
  }
}

export const serve: Command = {
  usage: ["weir [serve] [--config FILE] [--data-dir DIR] [--listen HOST:PORT]"],
  flags: {
    config: { type: "string", short: "c", value: "FILE", summary: "configuration; /etc/weir/weir.yaml when it exists" },
    "data-dir": { type: "string", value: "DIR", summary: "where definitions and state are kept; /var/lib/weir" },
    listen: { type: "string", value: "HOST:PORT", summary: "address of the admin interface; 127.0.0.1:9081" },
    "rules-dir": {
      type: "string",
      value: "DIR",
      summary: "files with streams, tables and rules that are applied and followed",
    },
    "log-level": { type: "string", value: "LEVEL", summary: "debug, info, warn or error; info" },
  },
  details: `
Settings come from the file, over it from the environment (WEIR_LISTEN, WEIR_DATA_DIR, WEIR__section__key), over it from
the flags. SIGTERM and SIGINT stop all rules and end the process within 10 seconds; a second one ends it at once.`,
  run,
};
