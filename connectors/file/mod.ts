/**
 * The connector `file`: results as lines of a file.
 * @module
 */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { choice, duration, ignored, integer, refuseSetting, text, unsupported } from "../../src/connector/settings.ts";

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  path: text({
    description: "The file to write; a relative path starts in the data directory. Folders on the way are created.",
    default: "cache",
  }),
  fileType: choice(["lines"], {
    description: "`lines`: one message a line.",
    default: "lines",
    unsupported: ["csv", "json"],
  }),
  ifExists: choice(["append", "truncate"], {
    description:
      "What to do with a file that is there when the rule starts. eKuiper always truncates, which loses the " +
      "results from before a restart.",
    default: "append",
  }),
  rollingInterval: duration({ description: "Start a new file when this one is so old. 0: never.", default: 0 }),
  rollingCount: integer({
    description: "Start a new file after so many messages. 0: never.",
    min: 0,
    default: 1_000_000,
  }),
  rollingSize: integer({ description: "Start a new file at so many bytes. 0: never.", min: 0, default: 0 }),
  rollingNamePattern: choice(["", "prefix", "suffix", "none"], {
    description: "`prefix`: files are called `<ms>-name.ext` after the time they were started. `suffix`: " +
      "`name-<ms>.ext`. Empty: the current file is called as `path` says and gets its suffix when it is full. `none`: " +
      "there is one file, emptied when it is full.",
    default: "",
  }),
  checkInterval: ignored("Files are rolled when they are due, not at intervals."),
  rollingHook: unsupported("Runs an action after a roll."),
  rollingHookProps: unsupported("Properties of the action after a roll."),
  compression: unsupported("Compresses whole files."),
  encryption: unsupported("Encrypts files."),
});

/** False too for what cannot be looked at: opening tells the reason, and tries again. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

export const file = defineConnector({
  name: "file",
  status: "stable",
  summary: "Writes results to files.",
  sink: {
    summary: "Appends each message as a line, and starts new files by age, count or size.",
    delivery: "at-least-once",
    accepts: "payloads",
    settings: sinkSettings,
    check(settings, context) {
      const path = context.resolvePath?.(settings.path) ?? resolve(settings.path);
      if (isFolder(path)) {
        refuseSetting("path", `Cannot write to "${path}": found a folder, wanted a file`);
      }
    },
    open: async (settings, context) => await (await import("./sink.ts")).FileSink.open(settings, context),
  },
  examples: [
    { title: "One growing file", role: "sink", settings: { path: "results.ndjson", rollingCount: 0 } },
    {
      title: "A file an hour",
      role: "sink",
      settings: { path: "results.ndjson", rollingInterval: "1h", rollingCount: 0, rollingNamePattern: "suffix" },
    },
  ],
});
