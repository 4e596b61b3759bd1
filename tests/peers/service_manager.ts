/**
 * The end of a service manager: a unix datagram socket, which neither engine can listen on, held by Python.
 * @module
 */
import { spawn } from "node:child_process";
import { eventually } from "../eventually.ts";

/** Prints each datagram as a line of JSON. */
const receiver = `
import json, socket, sys
name = sys.argv[1]
peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
peer.bind("\\0" + name[1:] if name[0] == "@" else name)
print("bound", flush=True)
while True:
    print(json.dumps(peer.recv(4096).decode()), flush=True)
`;

/** Listens on `name`, a path or, with `@` in front, an abstract name, while `run` runs; `received` gives what came. */
export async function withServiceManager(
  name: string,
  run: (received: () => string[]) => Promise<void>,
): Promise<void> {
  const child = spawn("/usr/bin/python3", ["-c", receiver, name], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Uint8Array) => output += new TextDecoder().decode(chunk));
  const ended = new Promise((resolve) => child.on("close", resolve));
  try {
    await eventually(() => output.includes("bound\n"));
    await run(() => output.split("\n").slice(1, -1).map((line) => JSON.parse(line)));
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}
