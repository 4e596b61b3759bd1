/**
 * `/rules`: create, change, drop, command and look at rules.
 * @module
 */
import type { Context, Hono } from "hono";
import { diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { Rules, RuleSummary } from "../runtime/rules.ts";
import { readObject, textListField } from "./body.ts";
import { readResetting, readSourceReset } from "./resets.ts";
import { type AdminEnv, BodyError, errorCodes, failing } from "./failure.ts";
import { pathName } from "./path.ts";
import { empty, json, jsonText, sentence } from "./reply.ts";
import { ruleCostRoute } from "./rule_costs.ts";
import { ruleTapRoute } from "./rule_tap.ts";

const notFound = (id: string) => `Rule ${id} is not found.`;
const notInRegistry = (id: string) => `Rule ${id} is not found in registry, please check if it is created`;

/** Rules that have all of the tags. */
function tagged(rules: readonly RuleSummary[], tags: readonly string[]): RuleSummary[] {
  return rules.filter((rule) => tags.every((tag) => rule.tags?.includes(tag) ?? false));
}

/** `?tags=a,b` for clients that cannot send a body with GET, else those of the body. */
async function wantedTags(context: Context<AdminEnv>): Promise<string[]> {
  const query = context.req.query("tags");
  if (query !== undefined) return query.split(",").filter((tag) => tag !== "");
  return await bodyTags(context);
}

/** `{"tags":[…]}` or `{"keys":[…]}`. */
async function bodyTags(context: Context<AdminEnv>): Promise<string[]> {
  const body = await readObject(context, "the tags");
  return [...textListField(body, "tags"), ...textListField(body, "keys")];
}

export function ruleRoutes(app: Hono<AdminEnv>, rules: Rules): void {
  collectionRoutes(app, rules);
  tagRoutes(app, rules);
  commandRoutes(app, rules);
  itemRoutes(app, rules);
  ruleTapRoute(app, rules);
  ruleCostRoute(app, rules);
}

function collectionRoutes(app: Hono<AdminEnv>, rules: Rules): void {
  app.get("/rules", failing({ prefix: "Show rules error" }), (c) => json(c, rules.list()));

  app.post("/rules", async (c) => {
    const id = await rules.create(await c.req.text(), c.get("principal"));
    return sentence(c, `Rule ${id} was created successfully.`, 201);
  });

  app.post("/rules/validate", failing({ plainStatus: 422 }), async (c) => {
    const { sources } = await rules.validate(await c.req.text(), c.get("principal"));
    return json(c, { sources, valid: true });
  });

  app.get("/rules/status/all", failing({ prefix: "get rules status error" }), (c) => json(c, rules.statusAll()));
}

function tagRoutes(app: Hono<AdminEnv>, rules: Rules): void {
  app.get("/rules/tags/match", async (c) => {
    const ids = tagged(rules.list(), await wantedTags(c)).map(({ id }) => id);
    return json(c, ids.length === 0 ? {} : { rules: ids });
  });

  const changes = [["put", "replace"], ["patch", "add"], ["delete", "remove"]] as const;
  for (const [method, change] of changes) {
    app[method](
      "/rules/:name/tags",
      failing({ prefix: `${change} tags error`, missing: { message: notFound } }),
      async (c) => {
        await rules.changeTags(pathName(c), change, await bodyTags(c));
        return empty(c);
      },
    );
  }

  for (const [verb, command] of [["start", "start"], ["stop", "stop"]] as const) {
    app.post(`/rules/bulk${verb}`, failing({ prefix: `bulk ${verb} failed` }), async (c) => {
      const tags = await wantedTags(c);
      const matching = tags.length === 0 ? [] : tagged(rules.list(), tags);
      if (matching.length === 0) throw new DiagnosticError([diagnostic("E703", "no matching rules")]);
      const results = await Promise.allSettled(matching.map(({ id }) => rules[command](id)));
      return json(
        c,
        results.map((result, i) => {
          const ruleId = matching[i]!.id;
          if (result.status === "fulfilled") return { ruleId, success: true };
          return { ruleId, success: false, error: (result.reason as Error).message };
        }),
      );
    });
  }
}

function commandRoutes(app: Hono<AdminEnv>, rules: Rules): void {
  // The full stop stands behind "stopped" only; clients compare the whole sentence.
  const commands = [["start", "started"], ["stop", "stopped."], ["restart", "restarted"]] as const;
  for (const [command, done] of commands) {
    const failure = failing({ prefix: `${command} rule error`, missing: { message: notInRegistry } });
    app.post(`/rules/:name/${command}`, failure, async (c) => {
      const id = pathName(c);
      await rules[command](id);
      return sentence(c, `Rule ${id} was ${done}`);
    });
  }

  const resetFailure = failing({ prefix: "reset rule error", missing: { message: notInRegistry } });
  app.put("/rules/:name/reset_state", resetFailure, async (c) => {
    const id = pathName(c);
    const { stream, position } = await readSourceReset(c);
    await rules.resetSource(id, stream, position);
    return sentence(c, "success");
  });

  app.post("/api/v1/rules/:name/reset", resetFailure, async (c) => {
    const id = pathName(c);
    await rules.reset(id, await readResetting(c));
    return sentence(c, `Rule ${id} was reset`);
  });
}

function itemRoutes(app: Hono<AdminEnv>, rules: Rules): void {
  app.get(
    "/rules/:name",
    failing({ prefix: "Describe rule error", missing: { message: notFound } }),
    (c) => jsonText(c, rules.get(pathName(c))),
  );

  app.put("/rules/:name", failing({ prefix: "Update rule error" }), async (c) => {
    const id = pathName(c);
    const text = await c.req.text();
    if (text.trim() === "") throw new BodyError("Invalid body: it is empty");
    await rules.update(id, text, c.get("principal"));
    return sentence(c, `Rule ${id} was updated successfully.`);
  });

  const deleting = failing({
    prefix: "Delete rule error",
    missing: { code: errorCodes.undefined, message: (id) => `rule ${id} not found` },
  });
  app.delete("/rules/:name", deleting, async (c) => {
    const id = pathName(c);
    await rules.delete(id);
    return sentence(c, `Rule ${id} is dropped.`);
  });

  const status = failing({ prefix: "get rule status error", missing: { message: notFound } });
  app.get("/rules/:name/status", status, (c) => jsonText(c, JSON.stringify(rules.status(pathName(c)), null, 2)));
  app.get("/v2/rules/:name/status", status, (c) => json(c, rules.status(pathName(c))));

  app.get(
    "/rules/:name/explain",
    failing({ prefix: "explain rules error", missing: { message: notFound } }),
    async (c) => sentence(c, await rules.explain(pathName(c))),
  );

  app.get(
    "/api/v1/rules/:name/explain",
    failing({ prefix: "explain rules error", missing: { message: notFound } }),
    async (c) => json(c, await rules.explainTree(pathName(c))),
  );

  app.get(
    "/api/v1/rules/:name/ledger",
    failing({ prefix: "get rule ledger error", missing: { message: notFound } }),
    (c) => json(c, rules.ledger(pathName(c))),
  );

  app.get(
    "/rules/:name/topo",
    failing({ prefix: "get rule topo error", missing: { message: notFound }, other: errorCodes.general }),
    (c) => json(c, rules.topo(pathName(c))),
  );
}
