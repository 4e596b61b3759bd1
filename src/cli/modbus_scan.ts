/**
 * `weir modbus scan`: which units answer, and which registers a unit has.
 * @module
 */
import type { Struct, Value } from "../value/value.ts";
import { operand } from "./client.ts";
import type { CliContext } from "./command.ts";
import { GrowingTable } from "./growing_table.ts";
import { readAddress, readBase, readKind, readRange, readUnits, type RegisterKind } from "./modbus_arguments.ts";
import type { FoundUnit, ModbusProbe } from "./modbus_master.ts";
import { attempt, type ModbusSession, printJson } from "./modbus_session.ts";

/** Resolves with the exit code. */
export async function scan(session: ModbusSession): Promise<number> {
  operand(session.args, 1, "the server", 3);
  const [, , kind] = session.args.positionals;
  return await attempt(() => kind === undefined ? scanUnits(session) : scanRegisters(session, readKind(kind)));
}

async function scanUnits({ args, context, master, signal }: ModbusSession): Promise<number> {
  const base = readBase(args);
  const address = readAddress(args.text("at") ?? String(base), base);
  const units = readUnits(args, "1-247");
  const kinds: readonly RegisterKind[] = ["holding", "input", "coil", "discrete"];
  const table = new GrowingTable(
    ["UNIT", "TIME", ...kinds.map((kind) => `${kind.toUpperCase()} ${address}`)],
    context.stdout,
  );
  const onProgress = progressOf(context, (unit) => `unit ${unit}`);
  let found = 0;
  for await (const unit of master.scanUnits(units, address - base, { signal, onProgress })) {
    found++;
    clearProgress(context);
    if (args.flag("json")) printJson(unitJson(unit), context);
    else table.add([unitCells(unit, kinds)]);
  }
  clearProgress(context);
  if (!args.flag("json")) context.stdout(`${found} of ${units.length} units ${found === 1 ? "answers" : "answer"}.\n`);
  return found > 0 ? 0 : 1;
}

function unitCells({ unitId, ms, probes }: FoundUnit, kinds: readonly RegisterKind[]): string[] {
  return [String(unitId), `${Math.round(ms)} ms`, ...kinds.map((kind) => probeText(probes[kind]!))];
}

function probeText(probe: ModbusProbe): string {
  if ("word" in probe) return String(probe.word);
  if ("failure" in probe) return "no answer";
  return probe.exception === 1 ? "unknown" : probe.exception === 2 ? "no such" : `exception ${probe.exception}`;
}

function unitJson({ unitId, ms, probes }: FoundUnit): Struct {
  const shown = Object.entries(probes).map(([kind, probe]): [string, Value] => [
    kind,
    "word" in probe
      ? { value: BigInt(probe.word) }
      : "exception" in probe
      ? { exception: BigInt(probe.exception) }
      : { error: probe.failure },
  ]);
  return { unit: BigInt(unitId), ms: Math.round(ms * 10) / 10, ...Object.fromEntries(shown) };
}

/** So many values of a range are shown. */
const shownMax = 8;

async function scanRegisters({ args, context, master, signal }: ModbusSession, kind: RegisterKind): Promise<number> {
  const base = readBase(args);
  const [first, last] = readRange(args.positionals[3], base);
  const table = new GrowingTable(["UNIT", "REGISTER", "ADDRESSES", "COUNT", "VALUES"], context.stdout);
  const onProgress = progressOf(context, (address) => `${kind} ${address + base}`);
  let found = 0;
  for (const unitId of readUnits(args, "1")) {
    const ranges = master.scanRegisters(unitId, kind, [first - base, last - base], { signal, onProgress });
    for await (const { address, words } of ranges) {
      found += words.length;
      clearProgress(context);
      const [from, to] = [address + base, address + base + words.length - 1];
      if (args.flag("json")) {
        const values = words.map((word) => BigInt(word));
        printJson({ unit: BigInt(unitId), register: kind, first: BigInt(from), last: BigInt(to), values }, context);
      } else {
        const more = words.length > shownMax ? " …" : "";
        const shown = `${words.slice(0, shownMax).join(" ")}${more}`;
        table.add([[String(unitId), kind, from === to ? String(from) : `${from}-${to}`, String(words.length), shown]]);
      }
    }
  }
  clearProgress(context);
  if (!args.flag("json")) {
    context.stdout(`${found} of ${last - first + 1} addresses ${found === 1 ? "is" : "are"} there.\n`);
  }
  return found > 0 ? 0 : 1;
}

const clearLine = "\r\x1b[K";

function progressOf(context: CliContext, textOf: (at: number) => string): ((at: number) => void) | undefined {
  if (!context.isTerminal.stderr) return undefined;
  return (at) => context.stderr(`${clearLine}${textOf(at)} …`);
}

function clearProgress(context: CliContext): void {
  if (context.isTerminal.stderr) context.stderr(clearLine);
}
