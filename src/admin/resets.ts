/**
 * Bodies of requests that let a rule forget something. What they do not know is refused: it could have been meant to
 * keep something.
 * @module
 */
import type { Context } from "hono";
import { diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { Resetting } from "../runtime/rules.ts";
import { type Body, field, objectField, readObject, textField } from "./body.ts";
import { type AdminEnv, BodyError } from "./failure.ts";

function flagField(body: Body, name: string): boolean {
  const value = field(body, name) ?? false;
  if (typeof value !== "boolean") throw new BodyError(`Invalid body: "${name}" must be true or false`);
  return value;
}

/** `{"state": true, "positions": true}`, at least one of them true. */
export async function readResetting(context: Context<AdminEnv>): Promise<Resetting> {
  const body = await readObject(context, "what to reset");
  const other = Object.keys(body).find((name) => !["state", "positions"].includes(name.toLowerCase()));
  if (other !== undefined) throw new BodyError(`Invalid body: unknown field "${other}": expected state or positions`);
  const what = { state: flagField(body, "state"), positions: flagField(body, "positions") };
  if (!what.state && !what.positions) throw new BodyError('Invalid body: "state" or "positions" must be true');
  return what;
}

/** Position null: as at a first start. */
export interface SourceReset {
  readonly stream: string;
  readonly position: string | null;
}

/** eKuiper's `{"type": 1, "params": {"streamName": "s", "input": {…}}}`. */
export async function readSourceReset(context: Context<AdminEnv>): Promise<SourceReset> {
  const body = await readObject(context, "the state");
  const type = field(body, "type") ?? 0;
  if (type !== 1) throw new DiagnosticError([diagnostic("E703", `unknown stateType:${type}`, { path: "type" })]);
  const params = objectField(body, "params");
  const stream = textField(params, "streamName");
  if (stream === "") throw new BodyError('Invalid body: "params.streamName" is missing');
  return { stream, position: positionOf(objectField(params, "input")) };
}

/** `{}` and `{"offset": 0}` are the begin. A position is a text, or as a source may print it an object. */
function positionOf(input: Body): string | null {
  const names = Object.keys(input);
  if (names.length === 0) return null;
  const [name] = names;
  const value = input[name!];
  if (names.length === 1 && name === "offset" && value === 0) return null;
  if (names.length === 1 && name === "position") {
    if (typeof value === "string") return value;
    if (typeof value === "object" && value !== null) return JSON.stringify(value);
  }
  throw new DiagnosticError([
    diagnostic("E703", `Cannot begin at ${JSON.stringify(input)}: expected a position, or nothing for the begin`, {
      path: "params.input",
      hint: 'give {} for the begin, or {"position": …} as a source of this type has made it',
    }),
  ]);
}
