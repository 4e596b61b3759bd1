/**
 * `weir version`.
 * @module
 */
import { commit, version as weirVersion } from "../platform/version.ts";
import type { Command } from "./command.ts";

export const version: Command = {
  usage: ["weir version [--json]"],
  flags: { json: { type: "boolean", summary: "print JSON" } },
  run(args, { platform, stdout }) {
    const { engine, target } = platform;
    if (args.flag("json")) {
      stdout(
        `${
          JSON.stringify({ version: weirVersion, commit, engine: engine.name, engineVersion: engine.version, target })
        }\n`,
      );
    } else {
      const build = commit === "" ? "" : ` (${commit})`;
      stdout(`weir ${weirVersion}${build}\nengine ${engine.name} ${engine.version}\ntarget ${target}\n`);
    }
    return Promise.resolve(0);
  },
};
