/**
 * What a stage complains about, for tests.
 * @module
 */
import assert from "node:assert/strict";
import { type Diagnostic, DiagnosticError } from "../src/diagnostics/diagnostic.ts";

/** The diagnostics that `run` throws; fails when it throws nothing or something else. */
export function diagnosticsOf(run: () => unknown): readonly Diagnostic[] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof DiagnosticError, String(error));
    return error.diagnostics;
  }
  assert.fail("expected a DiagnosticError");
}
