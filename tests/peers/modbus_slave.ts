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

const python = "/usr/bin/python3";

const program = `
import asyncio, sys
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer

where, framing, units = sys.argv[1], sys.argv[2], [int(unit) for unit in sys.argv[3].split(",")]
count = int(sys.argv[4])

def unit(number):
    bits = [n % 3 == 0 for n in range(count)]
    words = lambda base: ModbusSequentialDataBlock(0, [(base + number * 10000 + n) % 65536 for n in range(count)])
    return ModbusSlaveContext(
        co=ModbusSequentialDataBlock(0, list(bits)), di=ModbusSequentialDataBlock(0, list(bits)),
        hr=words(0), ir=words(1000), zero_mode=True)

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

export interface Slave {
  /** 0 for one on a serial line. */
  readonly port: number;
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
  let child: ChildProcess;
  const start = async () => {
    child = spawn(python, ["-c", program, serial ?? String(port), framing, units.join(","), String(registers)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let errors = "";
    child.stderr!.on("data", (text) => errors += text);
    await new Promise<void>((resolve, reject) => {
      child.stdout!.once("data", () => resolve());
      child.once("exit", () => reject(new Error(`The slave has ended: ${errors}`)));
    });
  };
  await start();
  return {
    port,
    start,
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGKILL");
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
