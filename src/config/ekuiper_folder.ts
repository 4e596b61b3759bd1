/**
 * The `etc` folder of an eKuiper: its connector settings, and the environment variables that change them.
 *
 * `mqtt_source.yaml` and `sources/TYPE.yaml` hold confKeys, `sinks/TYPE.yaml` those of actions, and
 * `connections/connection.yaml` named connections. Descriptions of forms (JSON) and everything else is left alone.
 * @module
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import { environmentValue } from "./environment.ts";

type Settings = Record<string, unknown>;

/** Type → key → settings. */
export type EkuiperSection = Record<string, Record<string, Settings>>;

export interface EkuiperFolder {
  readonly sources: EkuiperSection;
  readonly sinks: EkuiperSection;
  readonly connections: EkuiperSection;
  /** Where a type of a section stands, for messages: `sources/mqtt` → `mqtt_source.yaml`. */
  readonly files: ReadonlyMap<string, string>;
}

/** @throws {DiagnosticError} E401 for the folder, and for a file that cannot be read as what it should be. */
export async function readEkuiperFolder(
  folder: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<EkuiperFolder> {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    fail("E401", `Cannot read the folder of eKuiper's settings: ${folder} is no folder`, { path: "ekuiperDir" });
  }
  const read = { sources: {} as EkuiperSection, sinks: {} as EkuiperSection, connections: {} as EkuiperSection };
  const files = new Map<string, string>();
  for (const [section, type, file] of filesOf(folder)) {
    files.set(`${section}/${type}`, file);
    read[section][type] = keysOf(await readSection(join(folder, file), file), file);
  }
  const connections = "connections/connection.yaml";
  if (existsSync(join(folder, connections))) {
    for (const [type, value] of Object.entries(await readSection(join(folder, connections), connections))) {
      files.set(`connections/${type}`, connections);
      read.connections[type] = withoutDeleted(keysOf(asSection(value, connections, type), connections));
    }
  }
  for (const [name, text] of Object.entries(environment)) {
    if (text !== undefined && text !== "") override(read, files, name, text);
  }
  return { ...read, files };
}

function filesOf(folder: string): ["sources" | "sinks", type: string, file: string][] {
  const found: ["sources" | "sinks", string, string][] = [];
  if (existsSync(join(folder, "mqtt_source.yaml"))) found.push(["sources", "mqtt", "mqtt_source.yaml"]);
  for (const section of ["sources", "sinks"] as const) {
    if (!existsSync(join(folder, section))) continue;
    for (const name of readdirSync(join(folder, section)).sort()) {
      const type = /^(.+)\.ya?ml$/.exec(name)?.[1];
      if (type !== undefined) found.push([section, type, `${section}/${name}`]);
    }
  }
  return found;
}

async function readSection(path: string, file: string): Promise<Settings> {
  // The YAML parser is loaded only for agents that have a file.
  const { readYaml } = await import("./yaml_document.ts");
  try {
    return asSection(readYaml(readFileSync(path, "utf8")).value, file);
  } catch (error) {
    if (error instanceof DiagnosticError) {
      throw new DiagnosticError(error.diagnostics.map((each) => ({ ...each, path: file })), error.text);
    }
    return fail("E401", `Cannot read ${file}: ${(error as Error).message}`, { path: file });
  }
}

function asSection(value: unknown, file: string, key?: string): Settings {
  if (value === null || value === undefined) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Settings;
  const what = key === undefined ? "The file" : `"${key}"`;
  return fail("E401", `${what} must hold keys with settings`, { path: file });
}

function keysOf(section: Settings, file: string): Record<string, Settings> {
  return Object.fromEntries(Object.entries(section).map(([key, value]) => [key, asSection(value, file, key)]));
}

/** `xOperation` says what the file does with a stored connection; here the file itself is what counts. */
function withoutDeleted(keys: Record<string, Settings>): Record<string, Settings> {
  const kept: Record<string, Settings> = {};
  for (const [id, settings] of Object.entries(keys)) {
    const operation = Object.keys(settings).find((key) => key.toLowerCase() === "xoperation");
    if (operation !== undefined && String(settings[operation]).toLowerCase() === "delete") continue;
    kept[id] = Object.fromEntries(Object.entries(settings).filter(([key]) => key !== operation));
  }
  return kept;
}

/** `MQTT_SOURCE__DEFAULT__SERVER`, `SIMULATOR__FAST__INTERVAL`, `CONNECTION__MQTT__CLOUD__SERVER`. */
function override(
  read: Pick<EkuiperFolder, "sources" | "sinks" | "connections">,
  files: Map<string, string>,
  name: string,
  text: string,
): void {
  const [file = "", ...steps] = name.split("__");
  const isConnection = file.toLowerCase() === "connection";
  const type = isConnection ? steps.shift() : file.toLowerCase() === "mqtt_source" ? "mqtt" : file;
  const [key, ...path] = steps;
  if (type === undefined || type === "" || key === undefined || key === "" || path.length === 0) return;
  if (path.some((step) => step === "")) return;
  const section = isConnection ? read.connections : read.sources;
  const known = sameName(section, type);
  // Any program may have variables with two underscores: without a file, nothing says that a connector is meant.
  if (known === undefined && !isConnection && type !== "mqtt") return;
  const keys = section[known ?? type.toLowerCase()] ??= {};
  if (known === undefined) files.set(`${isConnection ? "connections" : "sources"}/${type.toLowerCase()}`, name);
  let at = keys[sameName(keys, key) ?? key.toLowerCase()] ??= {};
  for (const step of path.slice(0, -1)) {
    const inner = sameName(at, step) ?? step.toLowerCase();
    const below = at[inner];
    at = at[inner] = typeof below === "object" && below !== null && !Array.isArray(below) ? below as Settings : {};
  }
  const last = path.at(-1)!;
  at[sameName(at, last) ?? last.toLowerCase()] = environmentValue(text);
}

function sameName(names: object, wanted: string): string | undefined {
  return Object.keys(names).find((name) => name.toLowerCase() === wanted.toLowerCase());
}
