/**
 * An agent with the memory engine as a process, for tests of signals and of commands that talk to an agent.
 *
 * With `WEIR_FIXTURE_CLOSE=never` its engine never ends.
 * @module
 */
import process from "node:process";
import { runCli } from "../../src/cli/run.ts";
import { loadPlatform } from "../../src/platform/mod.ts";
import { memoryEngine } from "./memory_engine.ts";

const platform = await loadPlatform();
const never = process.env.WEIR_FIXTURE_CLOSE === "never";
const code = await runCli(platform.args, {
  environment: process.env,
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  stdin: () => Promise.resolve(""),
  stdinBytes: async function* () {},
  isTerminal: { stdout: false, stderr: false },
  fetch: (url, init) => fetch(url, init),
  platform,
  loadEngine: () => Promise.resolve(memoryEngine(never ? () => new Promise(() => {}) : undefined)),
  loadModbus: () => import("../../connectors/modbus/master.ts"),
});
await new Promise((resolve) => process.stdout.write("", resolve));
platform.exit(code);
