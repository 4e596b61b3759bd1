/**
 * Mistakes in the configuration, as the command line shows them.
 * @module
 */
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderError } from "../diagnostics/render.ts";
import { CliError } from "./command.ts";

/**
 * Runs what may find mistakes in the configuration.
 *
 * @throws {CliError} that shows them with the file's name.
 */
export async function configured<T>(file: string | undefined, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    throw new CliError(`the configuration is wrong\n${renderError(error, file ?? "weir.yaml")}`, { cause: error });
  }
}
