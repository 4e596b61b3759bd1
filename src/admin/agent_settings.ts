/**
 * `PATCH /configs`: what of the configuration changes while the agent runs, until its next start.
 * @module
 */
import { parseShallow } from "../codec/json_parse.ts";
import type { Hono } from "hono";
import type { LogLevel } from "../connector/context.ts";
import { fail } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { type LogLevels, moduleFields, moduleShape, overridesMax } from "../telemetry/log_levels.ts";
import { parseGoDuration } from "../value/go_duration.ts";
import { readObject, textField } from "./body.ts";
import { type AdminEnv, BodyError, errorCodes, failing } from "./failure.ts";
import { json } from "./reply.ts";

export interface AgentSettings {
  /** Undefined: that of the configuration. */
  setLogLevel(level: LogLevel | undefined): void;
  /** IANA name, or `Local`. */
  readonly timezone: string;
  /** Without it the routes of single modules do not exist. */
  readonly levels?: LogLevels;
}

/** Those of eKuiper, and of weir. */
const levels: Readonly<Record<string, LogLevel>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  fatal: "error",
  panic: "error",
};

const names = ["logLevel", "debug", "consoleLog", "fileLog", "timezone", "metricsDumpConfig"];

export function agentSettingsRoute(app: Hono<AdminEnv>, settings: AgentSettings): void {
  app.patch("/configs", failing({ configuration: errorCodes.undefined }), async (c) => {
    const given = read(await c.req.text());
    const level = checkedLevel(given);
    if (given.consoleLog === false) refuse("consoleLog", "the log always goes to standard error");
    if (given.fileLog === true) refuse("fileLog", "the log goes to standard error: what runs weir keeps it in files");
    const dump = given.metricsDumpConfig;
    if (isObject(dump) && dump.enable === true) refuse("metricsDumpConfig.enable", "there are no dumps of metrics");
    checkTimezone(given.timezone, settings.timezone);
    if (level !== undefined) settings.setLogLevel(level === "configured" ? undefined : level);
    return c.body(null, 204);
  });
  if (settings.levels !== undefined) logLevelRoutes(app, settings.levels);
}

/** `/api/v1/log/levels`: that of all, and those of modules, until the next start. */
function logLevelRoutes(app: Hono<AdminEnv>, levels: LogLevels): void {
  const shown = () => ({ level: levels.base, modules: levels.list() });
  app.get("/api/v1/log/levels", (c) => json(c, shown()));
  app.put("/api/v1/log/levels", failing({ configuration: errorCodes.undefined }), async (c) => {
    const body = await readObject(c, "the level");
    const [module, level, lasts] = ["module", "level", "for"].map((name) => textField(body, name)) as [
      string,
      string,
      string,
    ];
    const forMs = lasts === "" ? undefined : parseGoDuration(lasts);
    if (lasts !== "" && !(forMs !== undefined && forMs > 0 && forMs <= forMsMax)) {
      fail("E403", `Cannot use for ${JSON.stringify(lasts)}: wanted a duration of at most 168h, such as "10m"`, {
        path: "for",
      });
    }
    if (module === "") {
      if (forMs !== undefined) fail("E404", "A level for some time wants a module", { path: "module" });
      levels.base = wantedLevel(level);
    } else {
      requireModule(module);
      if (level === "configured") levels.remove(module);
      else {
        const isNew = levels.list().every((each) => each.module !== module);
        if (isNew && levels.count >= overridesMax) fail("E705", `There are ${overridesMax} levels of modules already`);
        levels.set(module, wantedLevel(level), forMs);
      }
    }
    return json(c, shown());
  });
}

/** A timer takes no more. */
const forMsMax = 168 * 3600 * 1000;

function requireModule(module: string): void {
  if (moduleShape.test(module)) return;
  fail("E403", `Unknown module ${JSON.stringify(module)}`, {
    path: "module",
    hint: `one of ${moduleFields.map((field) => `${field}.NAME`).join(", ")}; a name may hold *`,
  });
}

function wantedLevel(name: string): LogLevel {
  const level = Object.hasOwn(levels, name.toLowerCase()) ? levels[name.toLowerCase()] : undefined;
  return level ?? fail("E403", `Unknown level ${JSON.stringify(name)}: wanted debug, info, warn or error`, {
    path: "level",
  });
}

type Given = Readonly<Record<string, unknown>>;

function read(text: string): Given {
  let value: unknown;
  try {
    value = parseShallow(text);
  } catch (error) {
    throw new BodyError(`Invalid JSON: ${(error as Error).message}`);
  }
  if (!isObject(value)) throw new BodyError("Invalid JSON: expected an object");
  const given: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(value)) {
    const name = names.find((each) => each.toLowerCase() === key.toLowerCase());
    if (name === undefined) {
      fail("E402", `Unknown setting "${key}"`, {
        path: key,
        hint: didYouMean(key, names) ?? "others are set in weir.yaml",
      });
    }
    given[name] = setting;
  }
  for (const name of ["debug", "consoleLog", "fileLog"]) {
    if (given[name] !== undefined && typeof given[name] !== "boolean") {
      fail("E403", `"${name}" must be true or false`, { path: name });
    }
  }
  return given;
}

/** `configured` where `debug` is taken back. */
function checkedLevel({ logLevel, debug }: Given): LogLevel | "configured" | undefined {
  let level: LogLevel | undefined;
  if (logLevel !== undefined) {
    const name = typeof logLevel === "string" ? logLevel.toLowerCase() : "";
    level = Object.hasOwn(levels, name) ? levels[name] : undefined;
    if (level === undefined) {
      fail("E403", `Unknown logLevel ${JSON.stringify(logLevel)}: wanted debug, info, warn or error`, {
        path: "logLevel",
      });
    }
  }
  if (debug === true) return "debug";
  return level ?? (debug === false ? "configured" : undefined);
}

function checkTimezone(zone: unknown, present: string): void {
  if (zone === undefined) return;
  try {
    if (typeof zone !== "string") throw new Error(`${JSON.stringify(zone)} is no text`);
    if (zone !== "Local") new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch (error) {
    throw new BodyError(`Invalid TZ: ${(error as Error).message}`);
  }
  // Windows that stand open, schedules and texts of dates would change in the middle.
  if (zone !== present) refuse("timezone", `it is ${present}, and changes with a start of the agent alone`);
}

function refuse(name: string, why: string): never {
  fail("E408", `${name} cannot be changed: ${why}`, { path: name });
}

function isObject(value: unknown): value is Given {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
