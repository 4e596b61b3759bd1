/**
 * The connector `file`: tables and streams out of files, results as lines of a file.
 * @module
 */
import { statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import * as v from "valibot";
import { type CheckContext, defineConnector } from "../../src/connector/declare.ts";
import {
  choice,
  duration,
  flag,
  ignored,
  integer,
  list,
  refuseSetting,
  text,
  unsupported,
} from "../../src/connector/settings.ts";

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: text({
    description: "The file to read, or a folder of files, below `path`; an absolute path is taken as it is.",
    default: "",
  }),
  path: text({
    description: "The folder of the file, or of all files when there is no DATASOURCE; a relative path starts in the " +
      "data directory.",
    default: "",
  }),
  fileType: choice(["json", "csv", "lines", "raw"], {
    description: "`json`: an array of objects, or one object. `csv`: a row a line, with quotes where a value has the " +
      "delimiter, a quote or a line break in it. `lines`: each line is a message that is decoded with the FORMAT of " +
      "the stream. `raw`: the whole file is one message.",
    default: "json",
    unsupported: ["parquet"],
  }),
  format: text({ description: "The FORMAT of the stream; a file of type json needs `json`.", default: "json" }),
  interval: duration({
    description: "Read the file, or all files of the folder, again after this time. 0: a file is read once, then the " +
      "stream ends; in a folder, new files and those that change are waited for.",
    default: 0,
  }),
  atEnd: choice(["stop", "follow"], {
    description:
      "lines, csv: what happens at the end of the file. `stop`: as `interval` says. `follow`: waits for what is " +
      "added, as for a log. A line comes when it has its end; a file that is renamed and begun anew, or emptied, is " +
      "followed, too.",
    default: "stop",
  }),
  startAt: choice(["start", "end"], {
    description: "With `follow`: where to begin in a file that is there already at the first start.",
    default: "start",
  }),
  sendInterval: duration({ description: "A pause between one row and the next.", default: 0 }),
  actionAfterRead: choice([0, 1, 2], {
    description: "What to do with the file when everything in it has been dealt with. 0: leave it. 1: delete it. 2: " +
      "move it to `moveTo`.",
    default: 0,
  }),
  moveTo: text({ description: "The folder for files that were read. It is made when it is not there.", default: "" }),
  hasHeader: flag({ description: "csv: the first line names the columns.", default: false }),
  columns: list(v.string(), {
    description: "csv: the names of the columns when there is no header. Without either, those that the stream " +
      "declares, in their order, else `cols0`, `cols1` …",
    default: [],
  }),
  delimiter: text({ description: "csv: what stands between values; the DELIMITER of the stream wins.", default: "," }),
  ignoreStartLines: integer({
    description: "csv, lines: so many lines at the start are no data. Empty ones do not count.",
    min: 0,
    default: 0,
  }),
  ignoreEndLines: integer({
    description: "csv, lines: so many lines at the end are no data. Empty ones do not count.",
    min: 0,
    max: 10_000,
    default: 0,
  }),
  decompression: choice(["", "gzip", "zstd"], {
    description: "How the file is compressed. It may have 64 MiB, also unpacked.",
    default: "",
    unsupported: ["flate", "zlib"],
  }),
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  path: text({
    description:
      "The file to write; a relative path starts in the data directory. Folders on the way are created. With a " +
      "template, each text that it gives is a file of its own, in the folder that stands in front of the template.",
    default: "cache",
    dynamic: true,
  }),
  fileType: choice(["lines", "json", "csv"], {
    description:
      "`lines`: one message a line. `json`: all messages of a file are the elements of one array, which gets " +
      "its end when the file is full or the rule stops. `csv`: with the format `delimited`; a header stands once, at " +
      "the start of each file.",
    default: "lines",
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
  compression: choice(["", "gzip", "zstd"], {
    description: "Compresses the file. Each write adds a part of its own, so that nothing of it is lost by a crash: " +
      "small ones compress badly, `lingerInterval` gathers them.",
    default: "",
    unsupported: ["flate", "zlib"],
  }),
  compressionProps: v.optional(
    v.strictObject({
      level: integer({
        description: "How hard the compression tries: 1 to 9, 1 to 22 for `zstd`. When absent, that of the method.",
        optional: true,
        min: 1,
        max: 22,
      }),
    }),
    {},
  ),
  encryption: choice(["", "aes"], {
    description:
      "Encrypts the file, after its compression, with the `aesKey` of the configuration. It begins with the IV.",
    default: "",
  }),
  encProps: v.optional(
    v.strictObject({
      mode: choice(["cfb"], { description: "The mode of AES.", default: "cfb", unsupported: ["gcm"] }),
      iv: text({
        description: "A fixed IV, 16 bytes in hexadecimal, which is not written. It is for tests.",
        optional: true,
      }),
    }),
    { mode: "cfb" },
  ),
});

/** False too for what cannot be looked at: opening tells the reason, and tries again. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** The file that settings mean, absolute. */
export function sourcePath({ path, datasource }: v.InferOutput<typeof sourceSettings>, context: CheckContext): string {
  const wanted = isAbsolute(datasource) ? datasource : join(path, datasource);
  return context.resolvePath?.(wanted) ?? resolve(wanted);
}

function checkSource(settings: v.InferOutput<typeof sourceSettings>, context: CheckContext): void {
  const { fileType, format, actionAfterRead, moveTo, atEnd } = settings;
  if (settings.datasource === "" && settings.path === "") {
    refuseSetting("datasource", "The file source needs a DATASOURCE, the file to read", "E404");
  }
  if (actionAfterRead === 2 && moveTo === "") refuseSetting("moveTo", "actionAfterRead 2 needs moveTo", "E404");
  if (fileType === "json" && format.toLowerCase() !== "json") {
    refuseSetting("fileType", `A file of type json cannot have FORMAT ${format}: wanted fileType lines, csv or raw`);
  }
  const path = sourcePath(settings, context);
  if (actionAfterRead === 2 && (context.resolvePath?.(moveTo) ?? resolve(moveTo)) === path) {
    refuseSetting("moveTo", `Files cannot be moved to the folder that they are read from: found "${moveTo}"`);
  }
  if (atEnd === "follow") checkFollowed(settings, path);
}

function checkFollowed(
  { fileType, decompression, actionAfterRead, interval, ignoreEndLines }: v.InferOutput<typeof sourceSettings>,
  path: string,
): void {
  if (fileType !== "lines" && fileType !== "csv") {
    refuseSetting("atEnd", `A file of type ${fileType} cannot be followed: wanted fileType lines or csv`);
  }
  if (decompression !== "") refuseSetting("decompression", "A compressed file cannot be followed");
  if (actionAfterRead !== 0) refuseSetting("actionAfterRead", "A file that is followed has no end to be removed at");
  if (interval > 0) refuseSetting("interval", "A file that is followed is not read again");
  if (ignoreEndLines > 0) refuseSetting("ignoreEndLines", "A file that is followed has no last lines");
  if (isFolder(path)) refuseSetting("atEnd", `Only a file can be followed: found the folder "${path}"`);
}

function checkSink(settings: v.InferOutput<typeof sinkSettings>, { payloads, resolvePath }: CheckContext): void {
  const { fileType, compression, compressionProps: { level = 1 }, encryption, encProps: { iv = "" } } = settings;
  if (!settings.path.includes("{{")) {
    const path = resolvePath?.(settings.path) ?? resolve(settings.path);
    if (isFolder(path)) refuseSetting("path", `Cannot write to "${path}": found a folder, wanted a file`);
  }
  const wanted = { csv: "delimited", json: "json", lines: undefined }[fileType];
  if (payloads !== undefined && wanted !== undefined && payloads.format !== wanted) {
    refuseSetting("fileType", `A file of type ${fileType} needs the format ${wanted}: found ${payloads.format}`);
  }
  if (compression === "gzip" && level > 9) {
    refuseSetting("compressionProps.level", `The level of gzip is at most 9: found ${level}`);
  }
  if (encryption !== "" && payloads !== undefined && payloads.aesKey === undefined) {
    refuseSetting("encryption", "AES Key is not defined: set aesKey in the configuration", "E404");
  }
  if (iv !== "" && !/^[0-9a-f]{32}$/i.test(iv)) {
    refuseSetting("encProps.iv", "Bad IV: wanted 16 bytes in hexadecimal");
  }
}

export const file = defineConnector({
  name: "file",
  status: "stable",
  summary: "Reads tables and streams from files, and writes results to files.",
  source: {
    summary:
      "Reads a file completely, once or at intervals, all files of a folder, or a file that grows. A file that is not " +
      "there is waited for. Rows of csv arrive decoded: values are text, or what the stream declares where they can be " +
      "read so. Everything else is decoded with the FORMAT of the stream. Files of type json and raw, and those that " +
      "are compressed, may have 64 MiB. A rule that keeps positions goes on behind the last row it had taken, also in " +
      "a file that has grown since; a last line without an end is read again when it goes on. A file that is shorter " +
      "then, or has changed, or has been replaced by another, is read from its start, and the log says why.\n\n" +
      "The files of a folder are read one after the other, the oldest change first. Then, unless there is an " +
      "`interval`, new files are waited for, and files that change are read again, from where they ended if they have " +
      "only grown. One that cannot be read is left out, and the log says why. Files in folders inside, hidden ones, and " +
      "those that end in `.part` or `.tmp`, are not read. A position names up to 900 files that were read and are still " +
      "there; of more of them, with `actionAfterRead` 0, some may be read again after a restart.\n\n" +
      "With `atEnd` `follow`, a log is read as it is written. When it is renamed and begun anew, what is written to " +
      "the renamed one is still read, until it has been quiet for a second. A rule that keeps positions finds the place " +
      "in files that were put aside while it was stopped, as long as they are not compressed and stand in the same folder.",
    delivery: "exactly-once",
    promise: (_, __, { keepsPosition }) =>
      keepsPosition
        ? { level: "exactly-once" }
        : { level: "at-least-once", limit: "the stream is shared: at a start its files are read from their beginning" },
    emits: ({ fileType }) => fileType === "csv" ? "rows" : "payloads",
    meta: ["file"],
    settings: sourceSettings,
    check: checkSource,
    reaches: (settings, context) => ({ path: sourcePath(settings, context) }),
    open: async (settings, context) => await (await import("./open_source.ts")).openSource(settings, context),
  },
  sink: {
    summary:
      "Appends each message to a file, as a line, as an element of a JSON array, or as CSV, and starts new files by age, " +
      "count or size. A last line that a crash has cut off goes when the message that it is the beginning of is written " +
      "again; any other last line without an end stays, and gets one. An array or compressed file that was cut off is " +
      "made whole when the rule goes on with it, or stops; a file that was written in another way, or that has another " +
      "header, is put aside under a name with its time. On a full disk the sink takes back what it has written of a " +
      "batch, and waits. In a rule with `durability` `power`, a batch counts as written when the disk has it, and not " +
      "only the operating system. Of the files of a template, up to 64 are open at a time.",
    delivery: "at-least-once",
    promise: ({ ifExists }) =>
      ifExists === "truncate"
        ? { level: "at-most-once", limit: "with ifExists truncate, what was written before a restart is lost" }
        : { level: "at-least-once", limit: "a file has no place for the ids that would tell repeats" },
    accepts: "payloads",
    settings: sinkSettings,
    check: checkSink,
    reaches: ({ path }, { resolvePath }) => ({ path: resolvePath?.(path) ?? resolve(path) }),
    open: async (settings, context) => await (await import("./sink.ts")).FileSink.open(settings, context),
  },
  examples: [
    {
      title: "A table out of a CSV file",
      role: "source",
      settings: { datasource: "devices.csv", fileType: "csv", hasHeader: true },
    },
    {
      title: "A file of JSON objects, again every hour",
      role: "source",
      settings: { datasource: "prices.json", interval: "1h" },
    },
    {
      title: "All files that somebody puts into a folder, which are moved away when they are done",
      role: "source",
      settings: { datasource: "inbox", fileType: "csv", hasHeader: true, actionAfterRead: 2, moveTo: "done" },
    },
    {
      title: "A log, followed over its rotations",
      role: "source",
      settings: { datasource: "/var/log/app.log", fileType: "lines", atEnd: "follow", startAt: "end" },
    },
    { title: "One growing file", role: "sink", settings: { path: "results.ndjson", rollingCount: 0 } },
    {
      title: "A compressed file for each device, a new one each day",
      role: "sink",
      settings: {
        path: "devices/{{.device}}.ndjson.gz",
        compression: "gzip",
        rollingInterval: "24h",
        rollingCount: 0,
      },
    },
    {
      title: "CSV with a header",
      role: "sink",
      settings: { path: "results.csv", fileType: "csv", rollingSize: 10_000_000, rollingNamePattern: "suffix" },
    },
    {
      title: "A file an hour",
      role: "sink",
      settings: { path: "results.ndjson", rollingInterval: "1h", rollingCount: 0, rollingNamePattern: "suffix" },
    },
  ],
});
