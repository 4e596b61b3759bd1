/**
 * `/api/v1/rules/{id}/dead-letters`: messages that a sink refused for good.
 * @module
 */
import type { Context, Hono } from "hono";
import {
  type DeadLetters,
  letterLimitDefault,
  letterLimitMax,
  type LetterSelection,
} from "../runtime/durable/dead_letters.ts";
import { type Body, field, readObject, textField } from "./body.ts";
import { type AdminEnv, BodyError, failing } from "./failure.ts";
import { pathName } from "./path.ts";
import { json } from "./reply.ts";

const sequencesMax = 10_000;
const selectors = ["action", "sequences"];

export function deadLetterRoutes(app: Hono<AdminEnv>, letters: DeadLetters): void {
  const path = "/api/v1/rules/:name/dead-letters";
  const failure = failing({ prefix: "dead letters error" });

  app.get(path, failure, (c) => {
    const action = c.req.query("action") ?? "";
    const page = {
      after: queryNumber(c, "after", 0, Number.MAX_SAFE_INTEGER) ?? 0,
      limit: queryNumber(c, "limit", 1, letterLimitMax) ?? letterLimitDefault,
    };
    return json(c, letters.list(pathName(c), action === "" ? page : { ...page, action }));
  });

  app.get(`${path}/:action/:sequence`, failure, (c) => {
    const sequence = wholeNumber(c.req.param("sequence"), "The sequence", 1, Number.MAX_SAFE_INTEGER);
    return json(c, letters.get(pathName(c), c.req.param("action"), sequence));
  });

  app.post(`${path}/replay`, failure, async (c) => {
    const { letters: replayed, unknown } = await letters.replay(pathName(c), await readSelection(c));
    return json(c, { replayed, unknown });
  });

  app.delete(path, failure, async (c) => {
    const { letters: cleared, unknown } = await letters.clear(pathName(c), await readSelection(c));
    return json(c, { cleared, unknown });
  });
}

/**
 * `{"action", "sequences"}`, or the same in the query for clients that cannot send a body with DELETE; without either, all.
 * What else is there is refused: a slip of the pen must not stand for all.
 */
async function readSelection(context: Context<AdminEnv>): Promise<LetterSelection> {
  const body: Body = (await context.req.text()).trim() === "" ? {} : await readObject(context, "the selection");
  const query = context.req.query();
  for (const name of [...Object.keys(body), ...Object.keys(query)]) {
    if (selectors.includes(name.toLowerCase())) continue;
    throw new BodyError(`Unknown field "${name}": expected ${selectors.join(" or ")}, or nothing for all dead letters`);
  }
  const action = textField(body, "action") || query.action;
  const sequences = field(body, "sequences") ?? query.sequences?.split(",").map(Number);
  return { ...(action ? { action } : {}), ...(sequences == null ? {} : { sequences: checkedSequences(sequences) }) };
}

function checkedSequences(value: unknown): number[] {
  if (!Array.isArray(value) || !value.every((each) => Number.isSafeInteger(each) && each > 0)) {
    throw new BodyError('"sequences" must be a list of whole numbers above 0');
  }
  if (value.length > sequencesMax) {
    throw new BodyError(`"sequences" has ${value.length} numbers: at most ${sequencesMax} at once`);
  }
  return value;
}

function queryNumber(context: Context<AdminEnv>, name: string, min: number, max: number): number | undefined {
  const text = context.req.query(name);
  return text === undefined || text === "" ? undefined : wholeNumber(text, `"${name}"`, min, max);
}

function wholeNumber(text: string, what: string, min: number, max: number): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && value >= min && value <= max) return value;
  throw new BodyError(`${what} must be a whole number from ${min} to ${max}: found ${JSON.stringify(text)}`);
}
