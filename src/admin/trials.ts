/**
 * `/ruletest`: rules that are thrown away. Their results come out of the data server.
 * @module
 */
import type { Hono } from "hono";
import { requireName } from "../runtime/names.ts";
import type { TrialRuns } from "../runtime/trial/trial_runs.ts";
import { objectField, readObject, textField } from "./body.ts";
import { type AdminEnv, BodyError, errorCodes, failing } from "./failure.ts";
import { json, sentence } from "./reply.ts";

export interface TrialRoutes {
  readonly trials: Pick<TrialRuns, "create" | "start" | "delete">;
  /** That of the data server. */
  readonly port: () => number;
}

export function trialRoutes(app: Hono<AdminEnv>, { trials, port }: TrialRoutes): void {
  app.post("/ruletest", async (c) => {
    const body = await readObject(c, "the trial run");
    const id = textField(body, "id");
    requireName(id);
    const sql = textField(body, "sql");
    if (sql === "") throw new BodyError('Invalid body: "sql" is missing');
    const [mockSource, sinkProps] = [objectField(body, "mockSource"), objectField(body, "sinkProps")];
    c.set("failure", { prefix: `fail to run rule ${id}` });
    await trials.create({ id, sql, mockSource, sinkProps }, c.get("principal"));
    return json(c, { id, port: port() });
  });
  const starting = failing({ prefix: "start rule error", missing: { code: errorCodes.undefined } });
  app.post("/ruletest/:name/start", starting, async (c) => {
    const name = c.req.param("name");
    await trials.start(name);
    return sentence(c, `Test rule ${name} was started`);
  });
  app.delete("/ruletest/:name", async (c) => {
    const name = c.req.param("name");
    await trials.delete(name);
    return sentence(c, `Test rule ${name} was stopped.`);
  });
}
