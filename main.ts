/**
 * Arguments in, exit code out; joins the connector list to the engine, nothing else.
 * @module
 */
import process from "node:process";
import type { CliContext } from "./src/cli/command.ts";
import { runCli } from "./src/cli/run.ts";
import { loadPlatform } from "./src/platform/mod.ts";

async function readStdin(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) text += chunk;
  return text;
}

const platform = await loadPlatform();
const context: CliContext = {
  environment: process.env,
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
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
// A reader that went away (`weir rule ls | head -1`), or a log that nobody takes any more, must not end the agent.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
const code = await runCli(platform.args, context);
// Pipes are written in the background; what was said last must arrive.
await new Promise((resolve) => process.stdout.write("", resolve));
platform.exit(code);
