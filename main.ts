/**
 * Arguments in, exit code out; joins the connector list to the engine, nothing else.
 * @module
 */
import process from "node:process";
import type { CliContext } from "./src/cli/command.ts";
import { Outlet } from "./src/cli/outlet.ts";
import { loadPlatform } from "./src/platform/mod.ts";

const logDrainMs = 500;

async function readStdin(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) text += chunk;
  return text;
}

const platform = await loadPlatform();
// Commands that run an agent stay for months: they settle down before the rest of the program is loaded.
const [command = "serve"] = platform.args;
if (command === "serve" || command === "demo" || command.startsWith("-")) platform.settle();
const stdout = new Outlet(process.stdout);
const stderr = new Outlet(process.stderr);
const context: CliContext = {
  environment: process.env,
  stdout: (text) => stdout.write(text),
  stdoutReady: () => stdout.ready(),
  stderr: (text) => stderr.write(text),
  stdin: readStdin,
  stdinBytes: () => process.stdin,
  isTerminal: { stdout: process.stdout.isTTY === true, stderr: process.stderr.isTTY === true },
  fetch: (url, init) => fetch(url, init),
  platform,
  async loadEngine() {
    const [{ createEngine }, { ConnectorList }, { connectors: entries }] = await Promise.all([
      import("./src/runtime/engine.ts"),
      import("./src/connector/connector_list.ts"),
      import("./connectors/mod.ts"),
    ]);
    const connectors = new ConnectorList(entries);
    return { connectors, create: (parts) => createEngine({ ...parts, connectors }) };
  },
  loadModbus: () => import("./connectors/modbus/master.ts"),
};
const { runCli } = await import("./src/cli/run.ts");
const code = await runCli(platform.args, context);
// What was said last must arrive; but a log that nobody reads must not keep the agent from ending.
await stdout.drained();
await stderr.drained(logDrainMs);
platform.exit(code);
