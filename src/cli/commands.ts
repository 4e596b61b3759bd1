/**
 * The commands. Each is loaded when it is used, so that `weir version` pays for nothing but itself.
 * @module
 */
import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: "serve",
    summary: "run the agent (what `weir` alone does)",
    load: async () => (await import("./serve.ts")).serve,
  },
  {
    name: "query",
    summary: "run one SELECT over NDJSON or CSV files",
    load: async () => (await import("./query.ts")).query,
  },
  {
    name: "demo",
    summary: "run simulated devices and two rules, and print what they find",
    load: async () => (await import("./demo.ts")).demo,
  },
  {
    name: "validate",
    summary: "check rules, rulesets and .sql files without running them",
    load: async () => (await import("./validate.ts")).validate,
  },
  {
    name: "test",
    summary: "run rules over the rows of .case files and compare what comes out",
    load: async () => (await import("./test.ts")).test,
  },
  {
    name: "stream",
    summary: "streams of a running agent: ls, get, create, rm",
    load: async () => (await import("./stream.ts")).stream,
  },
  {
    name: "table",
    summary: "tables of a running agent: ls, get, create, rm",
    load: async () => (await import("./stream.ts")).table,
  },
  {
    name: "rule",
    summary:
      "rules of a running agent: ls, get, create, rm, start, stop, restart, status, explain, ledger, tap, dead-letters, reset",
    load: async () => (await import("./rule.ts")).rule,
  },
  {
    name: "config",
    summary: "confKeys of a running agent: ls, get, set, rm; the configuration file: check, show, defaults",
    load: async () => (await import("./config.ts")).config,
  },
  {
    name: "apply",
    summary: "has a running agent apply the files of its rulesDir, or tell what they would change",
    load: async () => (await import("./apply.ts")).apply,
  },
  {
    name: "schema",
    summary: "schemas of a running agent, for the format protobuf: ls, get, create, update, rm",
    load: async () => (await import("./schema.ts")).schema,
  },
  {
    name: "top",
    summary: "the rules of a running agent by what they cost, again every second",
    load: async () => (await import("./top.ts")).top,
  },
  {
    name: "health",
    summary: "how a running agent is, with a reason for everything that is not as it should be",
    load: async () => (await import("./health.ts")).health,
  },
  {
    name: "doctor",
    summary: "look for what is wrong on this machine: configuration, ports, clock, disk, database, connections",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  {
    name: "modbus",
    summary: "find, read and write the registers of Modbus devices without an agent: scan, read, write",
    load: async () => (await import("./modbus.ts")).modbus,
  },
  {
    name: "user",
    summary: "people who may use the admin interface: ls, add, passwd, role, rm",
    load: async () => (await import("./user.ts")).user,
  },
  {
    name: "log",
    summary: "the level of the log of a running agent, of all of it or of a rule or connector: level",
    load: async () => (await import("./log.ts")).log,
  },
  {
    name: "audit",
    summary: "what was done with an agent and by whom: ls, head, verify",
    load: async () => (await import("./audit.ts")).audit,
  },
  {
    name: "token",
    summary: "API tokens of a running agent: ls, create, rm",
    load: async () => (await import("./token.ts")).token,
  },
  {
    name: "completion",
    summary: "a script with which bash, zsh or fish completes what you type",
    load: async () => (await import("./completion.ts")).completion,
  },
  {
    name: "version",
    summary: "version, engine and target",
    load: async () => (await import("./version.ts")).version,
  },
];
