/**
 * Starts a slave that others have written, pymodbus (Debian's python3-pymodbus), for tests: over TCP, RTU over TCP, or
 * RTU on a serial line.
 *
 * Each of its units has 200 of every kind, or as many as asked for: holding register n is n, input register n is 1000 + n, plus 10000 times the
 * unit, modulo 65536; coils and discrete inputs are on where n is a multiple of three.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import process from "node:process";

const python = "/usr/bin/python3";

const program = `
import asyncio, json, sys
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer

where, framing, units = sys.argv[1], sys.argv[2], [int(unit) for unit in sys.argv[3].split(",")]
count = int(sys.argv[4])

class Registers(ModbusSequentialDataBlock):
    """Holding registers that tell what is written to them."""
    def setValues(self, address, values):
        super().setValues(address, values)
        print(json.dumps([self.unit, address, values]), flush=True)

def unit(number):
    bits = [n % 3 == 0 for n in range(count)]
    words = lambda base, block=ModbusSequentialDataBlock: block(0, [(base + number * 10000 + n) % 65536 for n in range(count)])
    holding = words(0, Registers)
    holding.unit = number
    return ModbusSlaveContext(
        co=ModbusSequentialDataBlock(0, list(bits)), di=ModbusSequentialDataBlock(0, list(bits)),
        hr=holding, ir=words(1000), zero_mode=True)

async def main():
    context = ModbusServerContext(slaves={number: unit(number) for number in units}, single=False)
    framer = ModbusRtuFramer if framing == "rtu" else ModbusSocketFramer
    if where.startswith("/"):
        server = ModbusSerialServer(context, framer, port=where, baudrate=115200, ignore_missing_slaves=True,
                                    broadcast_enable=True)
        await server.start()
        print("ready", flush=True)
        await server.serve_forever()
    else:
        server = ModbusTcpServer(context, framer, address=("127.0.0.1", int(where)), allow_reuse_address=True,
                                 ignore_missing_slaves=True, broadcast_enable=framing == "rtu")
        serving = asyncio.ensure_future(server.serve_forever())
        await server.serving
        print("ready", flush=True)
        await serving

asyncio.run(main())
`;

/** What was written to holding registers at once. */
export type Written = readonly [unit: number, address: number, words: readonly number[]];

export interface Slave {
  /** 0 for one on a serial line. */
  readonly port: number;
  /** All that was written to its holding registers, also before it was started again. */
  readonly written: readonly Written[];
  /** Makes it silent, its sockets open. */
  freeze(): void;
  thaw(): void;
  /** Ends it with SIGKILL and waits. */
  kill(): Promise<void>;
  /** Starts it again in the same place. */
  start(): Promise<void>;
}

/** Starts a slave with `units`; it answers for no others. `serial` is the device file of its line. */
export async function startSlave(
  { units = [1], framing = "tcp", serial, registers = 200 }: {
    readonly units?: readonly number[];
    readonly framing?: "tcp" | "rtu";
    readonly serial?: string;
    readonly registers?: number;
  } = {},
): Promise<Slave> {
  const port = serial === undefined ? await freePort() : 0;
  const written: Written[] = [];
  let child: ChildProcess;
  const start = async () => {
    child = spawn(python, ["-c", program, serial ?? String(port), framing, units.join(","), String(registers)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let errors = "";
    child.stderr!.on("data", (text) => errors += text);
    let rest = "";
    await new Promise<void>((resolve, reject) => {
      child.stdout!.on("data", (chunk) => {
        const lines = (rest + String(chunk)).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          if (line === "ready") resolve();
          else written.push(JSON.parse(line));
        }
      });
      child.once("exit", () => reject(new Error(`The slave has ended: ${errors}`)));
    });
  };
  // Not the child's own `kill`: Deno's sends one signal only.
  const signal = (name: "SIGSTOP" | "SIGCONT" | "SIGKILL") => void process.kill(child.pid!, name);
  await start();
  return {
    port,
    written,
    start,
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      signal("SIGKILL");
      await exit;
    },
  };
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
