import assert from "node:assert/strict";
import { test } from "node:test";
import { routeDescriptions } from "../../src/admin/route_descriptions.ts";
import { listedRoutes } from "../../src/admin/route_roles.ts";
import { everyRoute, routesOf } from "./every_route.ts";
import { admin } from "./fixture.ts";

interface Operation {
  readonly operationId: string;
  readonly "x-weir-role"?: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly tags: readonly { readonly name: string }[];
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

async function documentOf(app: ReturnType<typeof admin>): Promise<Document> {
  const { status, headers, json } = await app.ask("GET", "/openapi.json");
  assert.deepEqual([status, headers.get("Content-Type")], [200, "application/json"]);
  return json();
}

/** Names of shared shapes, each once, sorted. */
function referencesOf(document: Document): string[] {
  const references = JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g);
  return [...new Set([...references].map(([, name]) => name!))].sort();
}

/** Everybody may ask here. */
async function everything() {
  const { auth: _asks, ...rest } = await everyRoute();
  return admin(rest);
}

test("every route is described, and everything that is described is a route", async () => {
  const { app } = admin(await everyRoute());
  const described = Object.values(routeDescriptions).flatMap((group) => Object.keys(group));
  assert.deepEqual(described.sort(), routesOf(app).sort());
});

test("/openapi.json has the routes that there are, with parameters, and no reference leads nowhere", async () => {
  const admin = await everything();
  const document = await documentOf(admin);
  assert.match(document.openapi, /^3\.1\./);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation }))
  );
  const routes = operations.map(({ path, method }) =>
    `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`
  );
  assert.deepEqual(routes.sort(), routesOf(admin.app).sort());
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length, "operations are called alike");
  for (const { path, operation } of operations) {
    const inPath = (operation.parameters ?? []).filter((each) => each.in === "path").map(({ name }) => name);
    assert.deepEqual(inPath, [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name), path);
    assert.ok(Object.keys(operation.responses).some((status) => status.startsWith("2")), path);
  }
  const schemas = Object.keys(document.components.schemas);
  assert.deepEqual(referencesOf(document).filter((name) => !schemas.includes(name)), []);
});

test("/openapi.json tells the role that each route wants, and wants a viewer itself", async () => {
  const fixture = admin(await everyRoute());
  assert.equal((await fixture.ask("GET", "/openapi.json")).status, 401);
  const { openApiOf } = await import("../../src/admin/open_api.ts");
  const document = openApiOf({ version: "1", routes: listedRoutes(), asksWho: true }) as unknown as Document;
  assert.deepEqual(referencesOf(document), Object.keys(document.components.schemas).sort(), "a shape that nobody has");
  for (const [route, needed] of listedRoutes()) {
    const [method, path] = route.split(" ") as [string, string];
    const operation = document.paths[path.replaceAll(/:(\w+)/g, "{$1}")]?.[method.toLowerCase()];
    if (operation === undefined) continue;
    if (needed === "open") assert.deepEqual(operation.security, [], route);
    else assert.equal(operation["x-weir-role"], needed, route);
  }
});

test("/openapi.json leaves out what this agent has not", async () => {
  const { paths } = await documentOf(admin());
  assert.ok(paths["/rules"] !== undefined);
  assert.equal(paths["/ruletest"], undefined);
  assert.equal(paths["/api/v1/users"], undefined);
});
