/**
 * The machine: clock, time zones, serial lines, service manager.
 * @module
 */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, readlinkSync, statSync } from "node:fs";
import process from "node:process";
import { area, type Finding } from "./finding.ts";

/** Clocks of several machines, and times of files, may differ by so much. */
const clockToleranceMs = 60_000;
/** No weir was made before. */
const clockMsMin = Date.UTC(2025, 0, 1);
const commandMsMax = 5_000;

export interface MachineOptions {
  readonly timezone: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Files that have been written while the clock was right, as far as anybody knows. */
  readonly files: readonly string[];
  readonly now: number;
}

export async function inspectMachine(options: MachineOptions): Promise<Finding[]> {
  return [...clock(options), await synchronization(), ...zones(options), await unit()];
}

/** What a program prints; undefined when it is not there or fails. */
function outputOf(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: commandMsMax }, (error, stdout) => {
      resolve(error === null ? stdout.trim() : undefined);
    });
  });
}

function clock({ files, now }: MachineOptions): Finding[] {
  const { ok, problem } = area("clock");
  const set = "set the clock: without it windows, schedules, certificates and tokens go wrong";
  const shown = new Date(now).toISOString();
  if (now < clockMsMin) return [problem(`It is ${shown}, long before this weir was made`, set)];
  const later = files.filter((file) => existsSync(file) && statSync(file).mtimeMs > now + clockToleranceMs);
  if (later.length > 0) {
    const [file] = later as [string];
    return [problem(`It is ${shown}, but ${file} was written at ${statSync(file).mtime.toISOString()}`, set)];
  }
  return [ok(`It is ${shown}`)];
}

async function synchronization(): Promise<Finding> {
  const { ok, warning, skipped } = area("clock");
  if (existsSync("/run/systemd/timesync/synchronized")) return ok("It is synchronized (systemd-timesyncd)");
  const told = await outputOf("timedatectl", ["show", "--property=NTPSynchronized", "--value"]);
  if (told === "yes") return ok("It is synchronized");
  if (told === "no") return warning("It is not synchronized with any other", "timedatectl set-ntp true, or run chrony");
  return skipped("Nothing here tells whether it is synchronized");
}

function zones({ timezone, environment }: MachineOptions): Finding[] {
  const { ok, warning, problem } = area("time zone");
  const findings: Finding[] = [];
  // Half an hour, and summer time: data that were cut down do not have both.
  const offsets = [["Asia/Kolkata", 0, "5:30"], ["Europe/Berlin", 6, "2:00"], ["Europe/Berlin", 0, "1:00"]] as const;
  for (const [zone, month, expected] of offsets) {
    const found = timeIn(zone, Date.UTC(2026, month, 15));
    if (found === expected) continue;
    findings.push(problem(`The data of ${zone} are wrong or missing`, "use a released binary: it brings them along"));
    break;
  }
  const local = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const meant = environment.TZ || systemZone();
  if (timezone === "Local" && meant !== undefined && !sameZone(meant, local)) {
    findings.push(
      warning(`The machine is in ${meant}, and weir takes it for ${local}`, `set timezone: ${meant} in weir.yaml`),
    );
  }
  return findings.length > 0 ? findings : [ok(timezone === "Local" ? `${local}, that of the machine` : timezone)];
}

function timeIn(timeZone: string, time: number): string | undefined {
  try {
    const format = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "numeric", minute: "2-digit", hourCycle: "h23" });
    return format.format(time).replace(/^0(?=\d)/, "");
  } catch {
    return undefined;
  }
}

function systemZone(): string | undefined {
  try {
    return /zoneinfo\/(?:posix\/)?(.+)$/.exec(readlinkSync("/etc/localtime"))?.[1];
  } catch {
    return undefined;
  }
}

/** Zones have several names. */
function sameZone(one: string, other: string): boolean {
  try {
    const name = (timeZone: string) => new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone;
    const [a, b] = [name(one.replace(/^:/, "")), name(other)];
    return a === b || [a, b].every((each) => /^(Etc\/)?(UTC|GMT|UCT|Universal|Zulu)$/.test(each));
  } catch {
    return false;
  }
}

async function unit(): Promise<Finding> {
  const { ok, warning, problem, skipped } = area("service");
  if (!existsSync("/run/systemd/system")) return skipped("systemd does not run here");
  const properties = "LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result";
  const told = await outputOf("systemctl", ["show", "weir.service", `--property=${properties}`]);
  const state = new Map((told ?? "").split("\n").map((line) => line.split("=") as [string, string]));
  const [load, active, sub] = [state.get("LoadState"), state.get("ActiveState"), state.get("SubState")];
  if (load === undefined || load === "not-found") return skipped("There is no unit weir.service");
  const restarts = Number(state.get("NRestarts") ?? 0);
  const what = `weir.service is ${active} (${sub}), ${state.get("UnitFileState")}, ${restarts} restarts`;
  const log = "journalctl -u weir --since -1h";
  if (active === "failed") return problem(`${what}: ${state.get("Result")}`, log);
  if (active !== "active") return warning(what, "systemctl start weir");
  if (restarts > 0) return warning(what, log);
  return state.get("UnitFileState") === "enabled"
    ? ok(what)
    : warning(what, "systemctl enable weir, or it is gone after a reboot");
}

/** `devices` by path, with who names them. */
export function inspectDevices(devices: ReadonlyMap<string, string>): Finding[] {
  const { ok, problem, skipped } = area("devices");
  if (devices.size === 0) return [skipped("No device file is configured")];
  return [...devices].map(([path, by]) => {
    if (!existsSync(path)) {
      return problem(
        `${path} of ${by} is not there`,
        "see whether it is plugged in; names under /dev/serial/by-id stay",
      );
    }
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
      return ok(`${path} of ${by} may be read and written by user ${process.getuid?.() ?? "?"}`);
    } catch {
      return problem(
        `${path} of ${by} may not be read and written by user ${process.getuid?.() ?? "?"}`,
        "usermod -aG dialout weir, and under systemd allow the device to the unit",
      );
    }
  });
}
