/**
 * Arguments in, exit code out; joins the connector list to the engine, nothing else.
 * @module
 */
import process from "node:process";
import type { CliContext } from "./src/cli/command.ts";
import { Outlet } from "./src/cli/outlet.ts";
import { runCli } from "./src/cli/run.ts";
import { loadPlatform } from "./src/platform/mod.ts";

const logDrainMs = 500;

async function readStdin(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) text += chunk;
  return text;
}

const platform = await loadPlatform();
const stdout = new Outlet(process.stdout);
const stderr = new Outlet(process.stderr);
const context: CliContext = {
  environment: process.env,
  stdout: (text) => stdout.write(text),
  stderr: (text) => stderr.write(text),
  stdin: readStdin,
  stdinBytes: () => process.stdin,
  isTerminal: { stdout: process.stdout.isTTY === true, stderr: process.stderr.isTTY === true },
  fetch: (url, init) => fetch(url, init),
  platform,
  async loadEngine() {
    const [{ createEngine }, { connectors }] = await Promise.all([
      import("./src/runtime/engine.ts"),
      import("./connectors/mod.ts"),
    ]);
    return { connectors, create: (parts) => createEngine({ ...parts, connectors }) };
  },
};
const code = await runCli(platform.args, context);
// What was said last must arrive; but a log that nobody reads must not keep the agent from ending.
await stdout.drained();
await stderr.drained(logDrainMs);
platform.exit(code);
