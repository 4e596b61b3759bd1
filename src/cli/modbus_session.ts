/**
 * What the verbs of `weir modbus` have in common.
 * @module
 */
import { jsonText } from "../value/json_text.ts";
import type { Struct } from "../value/value.ts";
import { type Arguments, type CliContext, CliError, UsageError } from "./command.ts";
import type { ModbusMaster } from "./modbus_master.ts";

/** Ends with the first Ctrl-C; what is under way is waited for. */
export interface ModbusSession {
  readonly args: Arguments;
  readonly context: CliContext;
  readonly master: ModbusMaster;
  readonly signal: AbortSignal;
}

/** One line of NDJSON. */
export function printJson(row: Struct, context: CliContext): void {
  context.stdout(`${jsonText(row)}\n`);
}

/** What keeps a command from its work is told without a stack. */
export async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new CliError((error as Error).message, { cause: error });
  }
}
